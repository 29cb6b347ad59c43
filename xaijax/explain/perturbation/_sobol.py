"""Sobol indices: the share of the score's variance that a region takes part in, under random shades of all regions.

The points are SciPy's Sobol sequence with its matrix scrambling, which is fixed; the key gives a random digital shift
of every coordinate, after which each point is uniform. So another seed needs no new program, and the maps of different
seeds are independent replicates.
"""

from functools import lru_cache
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._options import Form, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, as_key, resolve_labels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.perturbation import _regions

BITS = 24  # of a float32 in [0, 1)


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise InputError(f"design must be a power of two, such as 32; got {value}")
    return value


Design = Annotated[int, Range(2, 2**14), Form(_power_of_two, "a power of two from 2 to 16384")]
Enlarge = Literal["bicubic", "nearest"]


@lru_cache(maxsize=8)
def sobol_bits(design: int, players: int) -> np.ndarray:
    """`[design, 2 M]` uint32 below 2^24: scrambled points; columns 0 .. M - 1 are A, the others B."""
    from scipy.stats import qmc

    points = qmc.Sobol(2 * players, scramble=True, bits=BITS, rng=0).random(design)
    return (points * 2**BITS).astype(np.uint32)


def sobol_points(design: int, players: int, key: jax.Array) -> jax.Array:
    """`[design, 2 M]` float32 in [0, 1), shifted by the key."""
    shift = jax.random.bits(key, (2 * players,), jnp.uint32) >> (32 - BITS)
    return (jnp.asarray(sobol_bits(design, players)) ^ shift[None]).astype(jnp.float32) * np.float32(2.0**-BITS)


def total_indices(at_a: jax.Array, at_c: jax.Array) -> jax.Array:
    """Jansen's total indices `[B, M]` from `f(A)` `[B, N]` and `f(C_i)` `[B, N, M]`; zeros where f(A) does not vary."""
    spread = at_a.max(1) - at_a.min(1)
    varies = ~(spread <= _regions.ROUNDING * jnp.abs(at_a).max(1))  # missing scores (NaN) stay missing
    variance = jnp.where(varies, at_a.var(1, ddof=1), 1.0)
    total = ((at_a[:, :, None] - at_c) ** 2).mean(1) / (2 * variance[:, None])
    return jnp.where(varies[:, None], total, 0.0)


def enlarge(values: jax.Array, places: jax.Array, regions: _regions.Regions, how: Enlarge) -> jax.Array:
    """`[B, M]` of regions as `[B, H, W]`; cells of a grid bicubically, where negative overshoot becomes 0."""
    if how == "nearest" or not isinstance(regions, int):
        return _regions.paint(values, places)
    cells = values.reshape(-1, regions, regions)
    return jnp.maximum(jax.image.resize(cells, places.shape, "bicubic", antialias=False), 0.0)


@explainer(family="perturbation", cost=2080, needs={"key"})
def sobol(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    design: Design = 32,
    regions: _regions.Regions = 8,
    baseline: _regions.Fill = "black",
    enlargement: Enlarge = "bicubic",
    key: Key = 0,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Sobol attribution: the total Sobol index of each region.

    `S = T_region`, `T_i = Σ_j (y(A_j) - y(C_ij))²/(2 N var_j y(A_j))`, `y(z)` the score of `z x + (1 - z) b` for shares
    `z` of the regions in [0, 1), `A_j` and `B_j` N Sobol points, `C_ij` = `A_j` with share i from `B_j`; the variance
    is divided by N - 1.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        design: N, a power of two; the cost is `N (M + 1)` forward passes.
        regions: side of a grid of cells, `"slic:COUNT"` for at most COUNT superpixels, or masks `[M, H, W]` or
            `[B, M, H, W]` (the first one that covers a pixel counts; pixels outside all are never hidden).
        baseline: b: one as in `integrated_gradients`, or `"region_mean"`, the mean colour of each region.
        enlargement: of a grid's cells to the image: `"bicubic"` as in the authors' code (negative overshoot becomes 0)
            or `"nearest"`; other regions keep their shape.
        key: a `jax.random` key, or the seed of one; the points depend on it alone.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most perturbed images in flight.

    Returns:
        `[B, H, W]` float32, at least 0, a share of variance (the shares of all regions sum to 1 or more, up to the
        error of the estimate); zeros where the score does not vary.

    Differences:
        The authors' code (Xplique) also evaluates B, which Jansen's estimator does not use: N more passes. Its sequence
        is not scrambled; here the key shifts a scrambled one.

    References:
        Fel et al., "Look at the Variance! Efficient Black-box Explanations with Sobol-based Sensitivity Analysis",
        NeurIPS 2021; Jansen, "Analysis of variance designs for model output", 1999.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[2.0, 0.0], [1.0, 1.0]])  # [pixels, classes]
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 2) @ w, weights, input_shape=(1, 2, 1))
        >>> pixels = jnp.array([[[1, 0]], [[0, 1]]])  # two regions; the variances are as 2² to 1²
        >>> sobol(model, jnp.ones((1, 1, 2, 1)), 0, regions=pixels, design=1024).round(1).tolist()
        [[[0.800000011920929, 0.20000000298023224]]]
    """
    labels = resolve_labels(classifier, images, labels, batch_size)
    places, players = _regions.make_regions(images, regions)
    fills = _regions.fill_images(images, places, players, baseline, "sobol")
    points = sobol_points(design, players, as_key(key))
    rows = players + 1  # A_j, then C_ij for each region

    def at(group: tuple, index: jax.Array) -> jax.Array:
        x, fill, place, y = group
        one = points[index // rows]
        changed = jnp.arange(players)[None, :] == (index % rows - 1)[:, None]
        z = jnp.where(changed, one[:, players:], one[:, :players])
        return _regions.kept_scores(classifier, x, fill, place, y, z, target)

    found = _chunk.map_variants(at, (images, fills, places, labels), design * rows, batch_size)
    found = found.reshape(-1, design, rows)
    return enlarge(total_indices(found[:, :, 0], found[:, :, 1:]), places, regions, enlargement)
