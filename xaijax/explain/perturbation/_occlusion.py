"""Occlusion: the score's drop when a window is covered.

Windows start at every `stride`-th pixel, and the last ones are cut off at the far border (as Captum's are), so that
every pixel is covered at least once.
"""

import math

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._options import Count
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._baselines import Baseline, make_baselines
from xaijax.explain._method import BatchSize, resolve_labels, scores
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target


@explainer(family="perturbation", cost=44101, signed=True)
def occlusion(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    window: Count = 15,
    stride: Count = 1,
    baseline: Baseline = "black",
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Occlusion sensitivity.

    `S(p) = mean over windows j that cover p of y(x) - y(x with window j replaced by the baseline)`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        window: side of the square window, in pixels.
        stride: distance between windows, in pixels, at most `window`; the cost is
            `(H - window + stride)(W - window + stride)/stride²` forward passes an image: 44 100 at 224 by default.
        baseline: one baseline, as in `integrated_gradients`: `"black"`, `"mean"`, ...
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most occluded images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score, positive where covering lowers it.

    Differences:
        As Captum's with one window over all channels; Captum's default stride is 1 and its windows at the far border
        are cut off too. Zeiler and Fergus covered with grey.

    References:
        Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [4.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> occlusion(model, image, 0, window=1).tolist()
        [[[2.0, 2.0]]]
    """
    height, width = images.shape[1:3]
    if window > min(height, width):
        raise InputError(f"window must be from 1 to {min(height, width)} pixels for these images; got {window!r}")
    if stride > window:
        raise InputError(f"stride must be from 1 to window = {window} pixels, to cover every pixel; got {stride!r}")
    labels = resolve_labels(classifier, images, labels, batch_size)
    fills = make_baselines(images, baseline)
    if fills.shape[1] != 1:
        raise InputError(f"occlusion takes one baseline; got {fills.shape[1]}")
    down, across = (math.ceil((n - window) / stride) + 1 for n in (height, width))
    whole = _chunk.map_images(lambda g: scores(classifier, g[0], g[1], target), (images, labels), batch_size)

    def inside(start: jax.Array, size: int) -> jax.Array:
        place = jnp.arange(size)[None, :] - start[:, None] * stride
        return ((place >= 0) & (place < window)).astype(jnp.float32)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> jax.Array:
        x, fill, y, intact = group
        rows, columns = inside(index // across, height), inside(index % across, width)
        covered = (rows[:, :, None] * columns[:, None, :])[None, ..., None]
        hidden = jnp.where(covered > 0, fill, x[:, None])
        after = scores(classifier, _chunk.flatten(hidden), _chunk.repeat(y, len(index)), target)
        drops = (intact[:, None] - after.reshape(-1, len(index))) * valid
        return jnp.einsum("gp,ph,pw->ghw", drops, rows, columns, precision=jax.lax.Precision.HIGHEST)

    total = _chunk.sum_variants(part, (images, fills, labels, whole), down * across, batch_size)
    hits_down, hits_across = (
        inside(jnp.arange(count), size).sum(0) for count, size in ((down, height), (across, width))
    )
    return total / (hits_down[:, None] * hits_across[None, :])[None]
