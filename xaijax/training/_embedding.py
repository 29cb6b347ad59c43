"""What the last layer reads of each image, and its two principal components."""

from typing import Any

import jax
import numpy as np

from xaijax import _cpu
from xaijax.classifier import Classifier, merge_params
from xaijax.training._scores import batches


def penultimate(classifier: Classifier, images: Any, *, batch_size: int = 64) -> np.ndarray:
    """The input of the last dense layer.

    With `logits = h @ W + b` it is `h = ∂ logit_k / ∂ W[:, k]` for any k: found by differentiation, whatever stands
    before the last layer. A model that does not end in a dense layer gives the means of its default layer.

    Args:
        classifier: from an NNX module or `xaijax.models`.
        images: `[N, H, W, C]`: an array, or anything with `len` that an index array indexes.
        batch_size: images per pass.

    Returns:
        `[N, c]` float32.
    """
    parts = [np.asarray(_penultimate(classifier, part))[:count] for part, count in batches(images, batch_size)]
    return np.concatenate(parts).astype(np.float32)


@_cpu.jit
def _penultimate(classifier: Classifier, images: Any) -> Any:
    name, group = next(iter(classifier.param_groups(classifier.params).items()))
    leaf = group
    for part in name.split("."):
        leaf = leaf[part]
    kernel = leaf.get("kernel") if isinstance(leaf, dict) else None
    if kernel is None or kernel.ndim != 2:
        layer = classifier.default_layer
        activations = classifier.tapped(classifier.params, images, {layer: None})[1][layer]
        return activations.mean(tuple(range(1, activations.ndim - 1)))

    def logit(kernel: Any, image: Any) -> Any:
        part: Any = {"kernel": kernel}
        for step in reversed(name.split(".")):
            part = {step: part}
        return classifier.logits(merge_params(classifier.params, part), image[None])[0, 0]

    return jax.vmap(lambda image: jax.grad(logit)(kernel, image)[:, 0])(images)


def principal_components(features: Any, count: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Principal component analysis.

    Args:
        features: `[N, c]`.
        count: components wanted.

    Returns:
        `[N, count]` coordinates, the sign such that the largest of each component is positive, and `[count]` shares
        of the variance; zeros where there are fewer components.

    Example:
        >>> import numpy as np
        >>> coordinates, shares = principal_components(np.array([[0.0, 0.0], [3.0, 4.0], [12.0, 16.0]]))
        >>> coordinates[:, 0].round(3).tolist(), shares.round(3).tolist()
        ([-8.333, -3.333, 11.667], [1.0, 0.0])
    """
    features = np.asarray(features, np.float64)
    left, values, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    keep = min(count, int((values > 1e-12 * max(values[0], 1e-300)).sum()))
    coordinates, shares = np.zeros((len(features), count)), np.zeros(count)
    found = left[:, :keep] * values[:keep]
    extreme = found[np.abs(found).argmax(axis=0), np.arange(keep)]
    coordinates[:, :keep] = found * np.sign(extreme)
    shares[:keep] = values[:keep] ** 2 / max((values**2).sum(), 1e-300)
    return coordinates, shares
