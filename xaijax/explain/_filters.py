"""Gaussian blur and image gradients, as matrix products on the last axes of `[..., H, W, C]`.

A blur along one axis is a banded matrix; building it from a small host-side table of kernel values keeps the kernel's
normalisation in float64 and lets the standard deviation vary inside a compiled loop.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError


def gaussian_table(sigmas: np.ndarray, truncate: float = 4.0) -> np.ndarray:
    """Half kernels `[S, R + 1]` float64, normalised to sum 1 over both sides and cut at `int(truncate σ + 0.5)`.

    The same kernels as `scipy.ndimage.gaussian_filter1d`; σ = 0 is the identity.
    """
    sigmas = np.asarray(sigmas, np.float64).reshape(-1, 1)
    radii = (truncate * sigmas + 0.5).astype(np.int64)
    place = np.arange(int(radii.max()) + 1)
    inside = place <= radii
    kernel = np.where(inside, np.exp(-0.5 * (place / np.where(sigmas > 0, sigmas, 1.0)) ** 2), 0.0)
    kernel[:, 0] = 1.0
    return kernel / (2 * kernel.sum(1, keepdims=True) - kernel[:, :1])


def band(row: jax.Array, size: int) -> jax.Array:
    """`[size, size]` symmetric banded matrix of one half kernel `[R + 1]`: zero padding outside the image."""
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    matrix = jnp.take(row, jnp.asarray(np.minimum(distance, row.shape[0] - 1)))
    return jnp.where(jnp.asarray(distance < row.shape[0]), matrix, jnp.zeros_like(matrix))


def separable(images: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """`rows · image · columnsᵀ` for `[..., H, W, C]`."""
    highest = jax.lax.Precision.HIGHEST
    images = jnp.einsum("ij,...jwc->...iwc", rows, images, precision=highest)
    return jnp.einsum("kw,...iwc->...ikc", columns, images, precision=highest)


def gaussian_blur(images: jax.Array, sigma: float, *, truncate: float = 4.0, normalize: bool = False) -> jax.Array:
    """Gaussian blur with zero padding.

    Args:
        images: `[..., H, W, C]` float.
        sigma: standard deviation in pixels, 0 for none.
        truncate: kernel radius in standard deviations.
        normalize: divide by the kernel's mass inside the image, so that a constant image stays constant at its border.

    Returns:
        `[..., H, W, C]`, unit of `images`.

    Example:
        >>> import jax.numpy as jnp
        >>> gaussian_blur(jnp.ones((3, 3, 1)), 2.0, normalize=True)[0, 0].tolist()
        [1.0]
    """
    if not math.isfinite(sigma) or sigma < 0:
        raise InputError(f"sigma must be a finite number of pixels, at least 0; got {sigma!r}")
    row = jnp.asarray(gaussian_table(np.array([sigma]), truncate)[0], images.dtype)
    height, width = images.shape[-3:-1]
    matrices = [band(row, height), band(row, width)]
    if normalize:
        matrices = [matrix / matrix.sum(1, keepdims=True) for matrix in matrices]
    return separable(images, *matrices)


def sobel_magnitude(images: jax.Array) -> jax.Array:
    """`sqrt(Gx² + Gy²)` of the channel mean, borders mirrored with the edge repeated (`scipy.ndimage.sobel`).

    Args:
        images: `[..., H, W, C]` float.

    Returns:
        `[..., H, W]`, 8 times the slope per pixel.
    """
    grey = images.mean(-1)
    pad = [(0, 0)] * (grey.ndim - 2) + [(1, 1), (1, 1)]
    grey = jnp.pad(grey, pad, mode="symmetric")
    down, across = grey[..., 2:, :] - grey[..., :-2, :], grey[..., :, 2:] - grey[..., :, :-2]
    gy = down[..., :, :-2] + 2 * down[..., :, 1:-1] + down[..., :, 2:]
    gx = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    # hypot's gradient at 0 is NaN; this keeps a map of a flat image differentiable.
    square = gx * gx + gy * gy
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, jnp.ones_like(square))), jnp.zeros_like(square))
