"""The masks and blurred images of extremal perturbation.

A mask is made from parameters p in [0, 1] on a grid, `spacing` pixels apart, the first one on the first pixel. Each
spreads over a disc of radius `sigma/2` with soft borders, and a soft maximum joins them, so that a mask can be large or
small but has no detail finer than `sigma`. The mask is larger than the image by a margin of at least `sigma` pixels on
the left and above, so that pixels at the border cost as much area as others.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from xaijax.explain import _filters as filters

COLDNESS = 20.0  # of the soft maximum
LEVELS = 8  # of the pyramid


def grid_shape(size: tuple[int, int], spacing: int) -> tuple[int, int]:
    """Rows and columns of the parameters of a mask for images of this size."""
    return math.ceil(size[0] / spacing), math.ceil(size[1] / spacing)


def margin(spacing: int, sigma: int) -> int:
    """Pixels of the mask above and to the left of the image: `sigma`, rounded up to whole spacings."""
    return spacing * math.ceil(sigma / spacing)


def _weights(spacing: int, sigma: int) -> np.ndarray:
    """`[2r + 1, 2r + 1, spacing, spacing]` float32: the weight of each neighbour for each place within a cell."""
    radius = 1 + math.ceil(sigma / spacing)
    # Distance from pixel q of a cell to the parameter k cells further; k from -radius to radius.
    away = np.arange(spacing)[None, :] - spacing * np.arange(-radius, radius + 1)[:, None]
    distance = np.hypot(away[:, None, :, None], away[None, :, None, :]) / sigma
    return np.exp(-2 * np.maximum(distance - 0.5, 0.0) ** 2).astype(np.float32)


def smooth_masks(parameters: jax.Array, spacing: int, sigma: int) -> jax.Array:
    """Masks with their margin.

    `m(u) = Σ_i v_i exp(20 v_i) / Σ_i exp(20 v_i)`, `v_i = p_i exp(-2 max(|u - u_i|/σ - 1/2, 0)²)` over the `(2r + 1)²`
    parameters around the cell of u, `r = 1 + ceil(σ/spacing)`; p is 0 outside the grid.

    Args:
        parameters: `[N, h, w]` in [0, 1].
        spacing: pixels between two of them.
        sigma: σ in pixels.

    Returns:
        `[N, H', W']` in [0, 1]; the image begins at `margin` on both axes.

    Example:
        >>> smooth_masks(jnp.zeros((1, 2, 3)), 4, 8).shape, margin(4, 8)
        ((1, 21, 25), 8)
    """
    around = math.ceil(sigma / spacing)
    radius = 1 + around
    count, height, width = parameters.shape
    rows, columns = height + 2 * around, width + 2 * around  # cells, those of the margin included
    padded = jnp.pad(parameters, ((0, 0), (around + radius,) * 2, (around + radius,) * 2))
    side = 2 * radius + 1
    near = jnp.stack(
        [padded[:, down : down + rows, right : right + columns] for down in range(side) for right in range(side)]
    )
    weights = jnp.asarray(_weights(spacing, sigma).reshape(side * side, 1, 1, spacing, 1, spacing))
    values = near[:, :, :, None, :, None] * weights  # [K, N, rows, spacing, columns, spacing]
    cold = jnp.exp(COLDNESS * values)  # at most e^20
    whole = ((values * cold).sum(0) / cold.sum(0)).reshape(count, rows * spacing, columns * spacing)
    return whole[:, : whole.shape[1] - spacing + 1, : whole.shape[2] - spacing + 1]


def blur_pyramid(images: jax.Array, max_sigma: float) -> jax.Array:
    """`[N, 8, H, W, C]`: level k is the image blurred by `max_sigma (1 - k/7)` pixels, with zeros around it."""
    tables = filters.gaussian_table(max_sigma * (1 - np.arange(LEVELS) / (LEVELS - 1)))
    rows, columns = (
        jnp.stack([filters.band(jnp.asarray(table, images.dtype), size) for table in tables])
        for size in images.shape[1:3]
    )
    return jax.vmap(filters.separable, in_axes=(None, 0, 0), out_axes=1)(images, rows, columns)


def blurred(pyramid: jax.Array, masks: jax.Array) -> jax.Array:
    """`[N, H, W, C]`: the image where the mask `[N, H, W]` is 1, the strongest blur where it is 0, levels between."""
    place = (LEVELS - 1) * masks
    low = jnp.clip(jnp.floor(jax.lax.stop_gradient(place)), 0, LEVELS - 2)
    share = (place - low)[..., None]
    index = low.astype(jnp.int32)[:, None, :, :, None]
    below = jnp.take_along_axis(pyramid, index, axis=1)[:, 0]
    above = jnp.take_along_axis(pyramid, index + 1, axis=1)[:, 0]
    return (1 - share) * below + share * above
