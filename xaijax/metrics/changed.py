"""What the families that explain changed images or models share: images as floats, scores, maps in one shape."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.metric import Inputs
from xaijax.metrics.stream import as_model_input

Floats = NDArray[np.float64]


def float_images(images: NDArray[Any]) -> NDArray[Any]:
    """`[B, H, W, C]` as float32, integers scaled to [0, 1]."""
    given = as_model_input(images)
    scaled = given / np.float32(255) if given.dtype == np.uint8 else given
    return np.asarray(scaled, np.float32)


def class_scores(classifier: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The function that a metric differentiates by hand: logits, or what `predict` gives where there are none.

    Args:
        classifier: a `Classifier`, or anything with `predict`.

    Returns:
        From `[N, H, W, C]` images to `[N, K]`.
    """
    if not hasattr(classifier, "logits"):
        return lambda images: np.asarray(classifier.predict(images))
    compiled = _logits()
    return lambda images: compiled(classifier, images)


@functools.cache
def _logits() -> Callable[..., Any]:
    """Compiled once per architecture and shape, however often metrics ask; JAX is imported when they do."""
    from xaijax import _cpu

    return _cpu.jit(lambda model, images: model.logits(model.params, images))


def explain(
    inputs: Inputs, method: str, images: NDArray[Any], *, labels: Any = None, classifier: Any = None
) -> NDArray[np.float64]:
    """Raw maps `[B, H, W]` of changed images, or of a changed model, by one method.

    The explainer gets at most `inputs.batch_size` images at a time, all of one shape, so that it is compiled once.

    Raises:
        ValueError: when the explainer gives maps of another shape.
    """
    labels = np.asarray(inputs.labels if labels is None else labels)
    classifier = inputs.classifier if classifier is None else classifier
    size = min(inputs.batch_size, len(images))
    parts = []
    for start in range(0, len(images), size):
        some, targets = images[start : start + size], labels[start : start + size]
        missing = size - len(some)
        if missing:
            some, targets = (np.concatenate([v, np.repeat(v[-1:], missing, axis=0)]) for v in (some, targets))
        made = np.asarray(inputs.explainers[method](classifier, some, targets), np.float64)
        if made.shape != some.shape[:3]:
            raise ValueError(
                f"the explainer of {method!r} must give maps [B, H, W] = {some.shape[:3]}; got {made.shape}"
            )
        parts.append(made[: size - missing])
    return np.concatenate(parts)
