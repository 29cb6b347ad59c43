"""RISE: the mean score of randomly masked images, credited to the pixels that were visible.

Masks are smooth: a coarse random grid, enlarged bilinearly to one cell more than the image and cropped at a random
place. They are made chunk by chunk from the key, the same for all images of a call, and never stacked.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp

from xaijax._options import Count, Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, as_key, resolve_labels, scores
from xaijax.explain._registry import checked, explainer
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target


def rise_mask(key: jax.Array, size: tuple[int, int], grid: int, probability: float) -> jax.Array:
    """One mask `[H, W]` in [0, 1]."""
    cells, place = jax.random.split(key)
    step = [math.ceil(n / grid) for n in size]
    coarse = jax.random.bernoulli(cells, probability, (grid, grid)).astype(jnp.float32)
    fine = resize(coarse, ((grid + 1) * step[0], (grid + 1) * step[1]))
    keys = jax.random.split(place)
    row, column = (jax.random.randint(k, (), 0, s) for k, s in zip(keys, step, strict=True))
    return jax.lax.dynamic_slice(fine, (row, column), size)


@explainer(family="perturbation", cost=4000, needs={"key"})
def rise(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    count: Count = 4000,
    grid: Annotated[int, Range(1, 4096)] = 7,
    probability: Annotated[float, Range(0, 1, without_low=True)] = 0.5,
    key: Key = 0,
    target: Target = "probability",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """RISE: Randomized Input Sampling for Explanation.

    `S = Σ_j y(x M_j) M_j / (n p)`, `M_j` random masks in [0, 1] with mean p at every pixel.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        count: n, masks; one forward pass each.
        grid: cells along each side of the coarse mask.
        probability: p, chance that a cell is visible.
        key: a `jax.random` key, or the seed of one; the masks depend on it alone.
        target: what is explained: `"probability"` as in the paper, `"logit"`, `"log_probability"`, or a function of
            logits and labels.
        batch_size: most masked images in flight.

    Returns:
        `[B, H, W]` float32, unit of the score: at each pixel the mean score of the images that show it.

    Differences:
        As the authors' code, which makes all masks beforehand and keeps them; here they are made chunk by chunk from
        the key.

    References:
        Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
        equation 6.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> lit = lambda w, x: jnp.stack([x[:, 2, 6, 0], 0 * x[:, 0, 0, 0]], 1) + w  # class 0 looks at one pixel
        >>> model = Classifier.from_function(lit, jnp.zeros(2), input_shape=(8, 8, 1))
        >>> maps = rise(model, jnp.ones((1, 8, 8, 1)), 0, count=500, grid=8, target="logit", key=jax.random.key(0))
        >>> divmod(int(maps.argmax()), 8)
        (2, 6)
    """
    labels = resolve_labels(classifier, images, labels, batch_size)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> jax.Array:
        x, y = group
        found, masks = masked_scores(classifier, x, y, index, as_key(key), grid, probability, target)
        return jnp.einsum("gp,phw->ghw", found * valid, masks, precision=jax.lax.Precision.HIGHEST)

    return _chunk.sum_variants(part, (images, labels), count, batch_size) / (count * probability)


def masked_scores(
    classifier: Classifier,
    x: jax.Array,
    y: jax.Array,
    index: jax.Array,
    key: jax.Array,
    grid: int,
    probability: float,
    target: Target,
) -> tuple[jax.Array, jax.Array]:
    """Scores `[g, p]` of g images under the masks `[p, H, W]` with these numbers, and the masks."""
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, index)
    size = (x.shape[1], x.shape[2])
    masks = jax.vmap(lambda k: rise_mask(k, size, grid, probability))(keys)
    masked = x[:, None] * masks[None, ..., None]
    found = scores(classifier, _chunk.flatten(masked), _chunk.repeat(y, len(index)), target)
    return found.reshape(-1, len(index)), masks


@checked
def rise_moments(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array,
    *,
    start: jax.Array,
    count: Count,
    grid: Annotated[int, Range(1, 4096)],
    probability: Annotated[float, Range(0, 1, without_low=True)],
    key: Key,
    target: Target,
    batch_size: BatchSize,
) -> tuple[jax.Array, jax.Array]:
    """`(Σ v, Σ v²)` `[B, H, W]` of `v = y(x M) M/p` over `count` masks from number `start` on; the mean is `rise`."""

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, y = group
        found, masks = masked_scores(classifier, x, y, start + index, as_key(key), grid, probability, target)
        found = found * valid / probability
        first = jnp.einsum("gp,phw->ghw", found, masks, precision=jax.lax.Precision.HIGHEST)
        return first, jnp.einsum("gp,phw->ghw", found**2, masks**2, precision=jax.lax.Precision.HIGHEST)

    return _chunk.sum_variants(part, (images, labels), count, batch_size)
