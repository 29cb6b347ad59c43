"""Canvases of 2 x 2 images at half their size, and the cells of a canvas at the size that the model takes.

A canvas is `[2 (H//2), 2 (W//2), C]`. Cells are numbered row by row. Images are shrunk by the mean of 2 x 2 pixels and
enlarged by repetition.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

K = 2
"""Cells along a side."""
CELLS = K * K


def shrink(images: NDArray[Any]) -> NDArray[Any]:
    """`[..., H, W, C]` -> `[..., H//2, W//2, C]`, means of 2 x 2 pixels, same dtype; whole numbers are rounded.

    Example:
        >>> shrink(np.array([[[0], [2]], [[4], [6]]], np.uint8)).tolist()
        [[[3]]]
    """
    height, width = images.shape[-3] // K, images.shape[-2] // K
    parts = [
        images[..., row : row + K * height : K, column : column + K * width : K, :].astype(np.float64)
        for row in range(K)
        for column in range(K)
    ]
    means = sum(parts[1:], start=parts[0]) / len(parts)
    return (np.rint(means) if images.dtype.kind in "iu" else means).astype(images.dtype)


def enlarge(cells: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """`[..., h, w, C]` -> `[..., H, W, C]` by repetition; an odd side repeats its last pixel once more.

    Example:
        >>> enlarge(np.array([[[1], [2]]]), (2, 5))[..., 0].tolist()
        [[1, 1, 2, 2, 2], [1, 1, 2, 2, 2]]
    """
    *lead, height, width, channels = cells.shape
    each = np.broadcast_to(cells[..., :, None, :, None, :], (*lead, height, K, width, K, channels))
    made = each.reshape(*lead, K * height, K * width, channels)
    missing = [(0, 0)] * len(lead) + [(0, size[0] - K * height), (0, size[1] - K * width), (0, 0)]
    return np.pad(made, missing, mode="edge") if (K * height, K * width) != size else made


def canvas(cells: NDArray[Any]) -> NDArray[Any]:
    """`[4, h, w, C]` -> `[2h, 2w, C]`.

    Example:
        >>> canvas(np.arange(4).reshape(4, 1, 1, 1))[..., 0].tolist()
        [[0, 1], [2, 3]]
    """
    return np.concatenate([np.concatenate([cells[K * row + i] for i in range(K)], axis=1) for row in range(K)], axis=0)


def cell_of(images: NDArray[Any], number: int) -> NDArray[Any]:
    """`[..., 2h, 2w, C]` -> `[..., h, w, C]`.

    Example:
        >>> cell_of(np.arange(4).reshape(2, 2, 1), 2).tolist()
        [[[2]]]
    """
    height, width = images.shape[-3] // K, images.shape[-2] // K
    row, column = divmod(number, K)
    return images[..., row * height : (row + 1) * height, column * width : (column + 1) * width, :]


def spread(values: Any, shape: tuple[int, int]) -> NDArray[np.float64]:
    """One number per cell -> a map `[2h, 2w]`, each number spread evenly over its cell.

    Example:
        >>> spread([1.0, 2.0, 3.0, 4.0], (2, 2)).tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    height, width = shape[0] // K, shape[1] // K
    numbers = np.asarray(values, np.float64).reshape(K, K) / (height * width)
    return numbers.repeat(height, axis=0).repeat(width, axis=1)
