"""HSIC: how much the score depends on whether a region is kept, in the sense of the Hilbert-Schmidt criterion.

Masks are a Latin hypercube, rounded: every region is kept in half of them. For binary masks the criterion of each
region is a quadratic form of the output kernel, so that no kernel of the inputs is made. The output kernel is n x n for
each image, one image at a time.
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from xaijax._options import Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, as_key, resolve_labels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.perturbation import _regions
from xaijax.explain.perturbation._sobol import Enlarge, enlarge

Convention = Literal["paper", "xplique"]


def hypercube_masks(key: jax.Array, count: int, players: int) -> jax.Array:
    """`[n, M]` of 0 and 1: rounded Latin hypercube points; with n odd the middle one falls to either side."""
    strata, inside = jax.random.split(key)
    rank = jnp.argsort(jax.random.uniform(strata, (count, players)), axis=0)
    place = (rank.astype(jnp.float32) + jax.random.uniform(inside, (count, players))) / count
    return (place >= 0.5).astype(jnp.float32)


def kernel_width(found: jax.Array, convention: Convention) -> jax.Array:
    """The width of the output kernel from scores `[n]`: median `|y_j - y_k|`, j < k, or the median of y (xplique)."""
    if convention == "xplique":
        return jnp.median(found)
    first, second = jnp.triu_indices(found.shape[0], 1)
    return jnp.median(jnp.abs(found[first] - found[second]))


def criteria(found: jax.Array, z: jax.Array, convention: Convention) -> jax.Array:
    """`[M]`: `HSIC_i = (2/n) z̃_iᵀ L z̃_i` of scores `[n]` and binary masks `[n, M]`; zeros where the width is 0."""
    width = kernel_width(found, convention)
    valid = ~(jnp.abs(width) <= _regions.ROUNDING * jnp.abs(found).max())  # missing scores (NaN) stay missing
    safe = jnp.where(valid, width, 1.0)
    kernel = jnp.exp(-((found[:, None] - found[None, :]) ** 2) / (2 * safe**2))
    # Centred on both sides before it meets the masks: the same form, with less cancellation.
    kernel = kernel - kernel.mean(0) - kernel.mean(1, keepdims=True) + kernel.mean()
    centred = z - z.mean(0)
    form = jnp.einsum("jm,jk,km->m", centred, kernel, centred, precision=jax.lax.Precision.HIGHEST)
    return jnp.where(valid, jnp.maximum(2 * form / found.shape[0], 0.0), 0.0)


@explainer(family="perturbation", cost=500, needs={"key"})
def hsic(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    count: Annotated[int, Range(2, 4096)] = 500,
    regions: _regions.Regions = 7,
    baseline: _regions.Fill = "black",
    convention: Convention = "paper",
    enlargement: Enlarge = "bicubic",
    key: Key = 0,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """HSIC attribution: the dependence of the score on each region.

    `S = D_region`, `D_i = tr(H K_i H L)/n`, `K_i = 1 - (z_ji - z_ki)²`, `L = exp(-(y_j - y_k)²/(2 w²))`,
    `H = I - 11ᵀ/n`, over n binary masks `z_j` with scores `y_j` of `z x + (1 - z) b`; w = median of `|y_j - y_k|`,
    j < k.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        count: n, masks; one forward pass each, and memory for a kernel of n x n.
        regions: side of a grid of cells, `"slic:COUNT"` for at most COUNT superpixels, or masks `[M, H, W]` or
            `[B, M, H, W]` (the first one that covers a pixel counts; pixels outside all are never hidden).
        baseline: b: one as in `integrated_gradients`, or `"region_mean"`, the mean colour of each region.
        convention: `"xplique"` takes the median of the scores themselves as w, which means little for logits near 0.
        enlargement: of a grid's cells to the image: `"bicubic"` as in the authors' code (negative overshoot becomes 0)
            or `"nearest"`; other regions keep their shape.
        key: a `jax.random` key, or the seed of one; the masks depend on it alone.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most perturbed images in flight.

    Returns:
        `[B, H, W]` float32, at least 0, without a unit; larger is more dependent, for or against the class. Zeros where
        w is 0.

    Differences:
        The authors' code (Xplique) takes the median of the scores as the width: `convention="xplique"`. Its masks are
        rounded Sobol points; here they are a rounded Latin hypercube, as in the paper.

    References:
        Novello, Fel, Vigouroux, "Making Sense of Dependence: Efficient Black-box Explanations Using Dependence
        Measure", NeurIPS 2022.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> lit = lambda w, x: jnp.stack([x[:, 2, 6, 0], 0 * x[:, 0, 0, 0]], 1) + w  # class 0 looks at one pixel
        >>> model = Classifier.from_function(lit, jnp.zeros(2), input_shape=(8, 8, 1))
        >>> maps = hsic(model, jnp.ones((1, 8, 8, 1)), 0, regions=8, count=99, enlargement="nearest")
        >>> divmod(int(maps.argmax()), 8)
        (2, 6)
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    places, players = _regions.make_regions(images, regions)
    fills = _regions.fill_images(images, places, players, baseline, "hsic")
    z = hypercube_masks(as_key(key), count, players)

    def at(group: tuple, index: jax.Array) -> jax.Array:
        x, fill, place, y = group
        return _regions.kept_scores(classifier, x, fill, place, y, z[index], target)

    found = _chunk.map_variants(at, (images, fills, places, labels), count, batch_size)
    values = _chunk.map_images(lambda rows: criteria(rows[0], z, convention)[None], found, 1)
    return enlarge(values, places, regions, enlargement)
