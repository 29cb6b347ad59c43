"""XRAI: attribution by regions. Gradients are compiled; segmentation and ranking run on the host, image by image.

So these two methods cannot be traced: call them outside `jit`.
"""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize, resolve_labels
from xaijax.explain._registry import checked, explainer
from xaijax.explain._targets import Target
from xaijax.explain.gradients._integrated_gradients import path_attributions
from xaijax.explain.regions._segments import segment_masks
from xaijax.kernels import rank_regions

Pixels = Annotated[int, Range(0, 1_000_000)]


@checked
def _base_attribution(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    steps: Count = 100,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Channel maximum of Integrated Gradients, mean over two constant baselines: the least and the largest value."""
    labels = resolve_labels(classifier, images, labels, batch_size)
    ends = [value((1, 2, 3), keepdims=True) for value in (images.min, images.max)]
    starts = jnp.stack([jnp.broadcast_to(end, images.shape) for end in ends], axis=1)
    full = path_attributions(
        classifier, images, labels, starts, target=target, rule="pair", steps=steps, batch_size=batch_size
    )
    return full.max(-1)


def _maps(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    algorithm: str,
    attribution: Any,
    segments: Any,
    steps: int,
    dilation: int,
    min_pixel_diff: int,
    target: Target,
    batch_size: int,
) -> jax.Array:
    if isinstance(images, jax.core.Tracer):
        raise TypeError("xrai segments images on the host and cannot be traced: call it outside jax.jit and jax.vmap")
    if attribution is None:
        attribution = _base_attribution(classifier, images, labels, steps=steps, target=target, batch_size=batch_size)
    values = np.asarray(attribution, np.float64)
    if values.shape != images.shape[:3]:
        raise InputError(f"attribution must be [B, H, W] = {tuple(images.shape[:3])}; got shape {values.shape}")
    if not np.isfinite(values).all():
        raise InputError("attribution must be finite; it holds NaN or infinity: look at the logits with check=True")
    if segments is not None and (
        len(segments) != len(images) or any(np.shape(own)[1:] != images.shape[1:3] for own in segments)
    ):
        raise InputError(f"segments must be one [M, H, W] bool array per image ({len(images)}); shapes do not fit")
    pictures = np.asarray(images)
    found = np.empty(values.shape, np.float32)
    for index, own in enumerate(values):
        masks = segment_masks(pictures[index], dilation) if segments is None else np.asarray(segments[index], bool)
        found[index] = rank_regions(own, masks, fast=algorithm == "fast", min_pixels=max(min_pixel_diff, 1)).maps
    return jnp.asarray(found)


@explainer(family="region", cost=601, signed=True, host=True)
def xrai(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    attribution: Any = None,
    segments: Any = None,
    steps: Count = 100,
    dilation: Pixels = 5,
    min_pixel_diff: Pixels = 50,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """XRAI: regions, in the order of the attribution that each adds.

    `S(p)` = mean attribution of the pixels that came with p's region; regions are taken greedily by the mean over their
    *new* pixels, ties to the first. Attribution: Integrated Gradients from the constant images of least and largest
    value (both ends and the plain mean, as PAIR), mean of the two, maximum over channels. Regions: Felzenszwalb
    segments at scales 50 to 1200 of the image at 224 x 224 in [-1, 1], sigma 0.8, at least 150 pixels, dilated.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        attribution: `[B, H, W]` maps to use instead of Integrated Gradients.
        segments: one `[M, H, W]` bool array per image instead of Felzenszwalb's; they are not dilated.
        steps: points on each of the two paths.
        dilation: radius in pixels by which segments grow.
        min_pixel_diff: regions that add fewer new pixels are dropped.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most path points in flight.

    Returns:
        `[B, H, W]` float32, unit of the score per pixel, signed, piecewise constant.

    Raises:
        TypeError: inside `jit`, `vmap` or `grad`.

    Differences:
        None to saliency 0.2.1's `full`: ranks are the same. It recomputes all gains at every step; here they are
        updated.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019, algorithm 1.

    Example:
        >>> import numpy as np
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, np.eye(3), input_shape=(1, 4, 3))
        >>> left, right = np.array([[1, 1, 0, 0]], bool), np.array([[0, 0, 1, 1]], bool)
        >>> attribution = np.array([[[1.0, 3.0, 0.0, 1.0]]])
        >>> options = {"attribution": attribution, "segments": [np.stack([left, right])], "min_pixel_diff": 1}
        >>> xrai(model, np.zeros((1, 1, 4, 3)), **options).tolist()
        [[[2.0, 2.0, 0.5, 0.5]]]
    """
    return _maps(
        classifier,
        images,
        labels,
        "full",
        attribution,
        segments,
        steps,
        dilation,
        min_pixel_diff,
        target,
        batch_size,
    )


@explainer(family="region", cost=601, signed=True, host=True)
def xrai_fast(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    attribution: Any = None,
    segments: Any = None,
    steps: Count = 100,
    dilation: Pixels = 5,
    min_pixel_diff: Pixels = 50,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Fast XRAI: regions in one order, that of their mean attribution; overlaps are not reconsidered.

    `S(p)` = mean attribution of the pixels that came with p's region; otherwise as `xrai`. (The medical study's "Fast
    XRAI 30 %" is the full map above its 70th percentile, not this.)

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        attribution: `[B, H, W]` maps to use instead of Integrated Gradients.
        segments: one `[M, H, W]` bool array per image instead of Felzenszwalb's; they are not dilated.
        steps: points on each of the two paths.
        dilation: radius in pixels by which segments grow.
        min_pixel_diff: regions that add fewer new pixels are dropped.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most path points in flight.

    Returns:
        `[B, H, W]` float32, unit of the score per pixel, signed, piecewise constant.

    Raises:
        TypeError: inside `jit`, `vmap` or `grad`.

    Differences:
        None to saliency 0.2.1's `fast`: ranks are the same.

    References:
        Kapishnikov et al., ICCV 2019; the fast variant is that of the authors' package, saliency.

    Example:
        >>> import numpy as np
        >>> from xaijax.classifier import Classifier
        >>> model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, np.eye(3), input_shape=(1, 4, 3))
        >>> left, right = np.array([[1, 1, 0, 0]], bool), np.array([[0, 0, 1, 1]], bool)
        >>> attribution = np.array([[[1.0, 3.0, 0.0, 1.0]]])
        >>> options = {"attribution": attribution, "segments": [np.stack([left, right])], "min_pixel_diff": 1}
        >>> xrai_fast(model, np.zeros((1, 1, 4, 3)), **options).tolist()
        [[[2.0, 2.0, 0.5, 0.5]]]
    """
    return _maps(
        classifier,
        images,
        labels,
        "fast",
        attribution,
        segments,
        steps,
        dilation,
        min_pixel_diff,
        target,
        batch_size,
    )
