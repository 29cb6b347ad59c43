"""What the families that explain changed images or models share: images as float32, scores, maps."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _outputs
from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax.metrics._stream import float_images
from xaijax.metrics.answers import output_of, predictor
from xaijax.metrics.metric import Inputs

Floats = NDArray[np.float64]


def unit_images(images: NDArray[Any]) -> NDArray[np.float32]:
    """`[B, H, W, C]` as float32, integers scaled to [0, 1]."""
    return float_images(images).astype(np.float32, copy=False)


def class_scores(classifier: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The function that a metric differentiates by hand: logits, or what `predict` gives where there are none.

    Args:
        classifier: a `Classifier`, or anything with `predict`; an object that has logits of its own gives them by
            `scores`, `[N, labels]`.

    Returns:
        From `[N, H, W, C]` images to `[N, labels]`: a column for each label (`xaijax._outputs`).
    """
    if callable(getattr(classifier, "scores", None)):
        return lambda images: np.asarray(classifier.scores(images))
    if not hasattr(classifier, "logits") or getattr(getattr(classifier, "network", None), "host", False):
        output, classes = output_of(classifier), getattr(classifier, "classes", None)
        predict = predictor(classifier, output, classes, ranged=False)
        return lambda images: _outputs.unfold(output, np.asarray(predict(images)))
    compiled = _logits()
    return lambda images: compiled(classifier, images)


@functools.cache
def _logits() -> Callable[..., Any]:
    """Compiled once per architecture and shape, however often metrics ask; JAX is imported when they do."""
    from xaijax import _cpu

    return _cpu.jit(lambda model, images: _outputs.columns(model.output, model.logits(model.params, images)))


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

    def maps_of(some: NDArray[Any], targets: NDArray[Any]) -> NDArray[np.float64]:
        made = np.asarray(inputs.explainers[method](classifier, some, targets), np.float64)
        check_explained(method, made, some)
        return made

    return in_batches(maps_of, min(inputs.batch_size, len(images)), images, labels)


def check_explained(method: str, made: NDArray[Any], images: NDArray[Any]) -> None:
    """Refuses maps that an explainer gives in another shape than `[B, H, W]` of the images."""
    if made.shape != images.shape[:3]:
        raise ValueError(f"the explainer of {method!r} must give maps [B, H, W] = {images.shape[:3]}; got {made.shape}")


def refuse_rounded(inputs: Inputs, what: str) -> None:
    """Refuses a metric or setting for a model that sees rounded 8-bit images only."""
    if getattr(getattr(inputs.classifier, "network", None), "rounds", False):
        raise InputError(
            f"{what} changes images by less than a grey level, which a model with dtype='uint8' cannot see: leave it "
            "out, or make the model with dtype='float32'"
        )
