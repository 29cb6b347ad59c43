"""Bilinear resizing of maps `[..., h, w]`.

Half-pixel centres, edge values held, no anti-aliasing: the rule of OpenCV's `INTER_LINEAR`, of PyTorch with
`align_corners=False` and of TensorFlow 2. `align_corners=True` is there because pytorch-grad-cam's Score-CAM uses it.
"""

import jax
import jax.numpy as jnp
import numpy as np


def _weights(size: int, out: int, align_corners: bool) -> np.ndarray:
    """`[out, size]` interpolation matrix, float64, built on the host: shapes are static."""
    if align_corners:
        at: np.ndarray = np.linspace(0.0, size - 1.0, out) if out > 1 else np.zeros(1)
    else:
        at = (np.arange(out) + 0.5) * (size / out) - 0.5
    at = np.clip(at, 0.0, size - 1.0)
    low = np.minimum(at.astype(np.int64), max(size - 2, 0))
    matrix = np.zeros((out, size))
    rows = np.arange(out)
    matrix[rows, low] += 1.0 - (at - low)
    matrix[rows, np.minimum(low + 1, size - 1)] += at - low
    return matrix


def resize(maps: jax.Array, size: tuple[int, int], *, align_corners: bool = False) -> jax.Array:
    """Bilinear resize of the last two axes.

    `out[i] = (1 - t) in[k] + t in[k + 1]` with `k + t = (i + 0.5) h / H - 0.5`, held inside [0, h - 1], on each axis.

    Args:
        maps: `[..., h, w]`, any unit.
        size: `(H, W)` in pixels.
        align_corners: map corner pixel centres onto corner pixel centres instead (`k + t = i (h - 1)/(H - 1)`).

    Returns:
        `[..., H, W]`, the dtype, unit and range of `maps`.

    Example:
        >>> import jax.numpy as jnp
        >>> resize(jnp.array([[0.0, 1.0]]), (1, 4)).tolist()
        [[0.0, 0.25, 0.75, 1.0]]
    """
    height, width = maps.shape[-2:]
    if (height, width) != tuple(size):
        rows = jnp.asarray(_weights(height, size[0], align_corners), maps.dtype)
        columns = jnp.asarray(_weights(width, size[1], align_corners), maps.dtype)
        highest = jax.lax.Precision.HIGHEST  # matrix products in TF32 would show in the maps
        maps = jnp.einsum("Hh,...hw->...Hw", rows, maps, precision=highest)
        maps = jnp.einsum("...Hw,Ww->...HW", maps, columns, precision=highest)
    return maps
