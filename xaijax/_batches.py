"""Batches of one shape, so that what is compiled is compiled once: the last batch is filled up."""

from collections.abc import Callable
from typing import Any

import numpy as np


def positions(count: int, size: int) -> list[tuple[np.ndarray, int]]:
    """Positions in batches of one size, the last filled up with its last position, and how many of each are wanted.

    Args:
        count: of all positions, 1 or more.
        size: of a batch, 1 or more.

    Returns:
        `(positions [min(size, count)], wanted)` of each batch.

    Example:
        >>> [(batch.tolist(), wanted) for batch, wanted in positions(3, 2)]
        [([0, 1], 2), ([2, 2], 1)]
    """
    size = min(size, count)
    found = []
    for start in range(0, count, size):
        batch = np.arange(start, start + size)
        found.append((np.minimum(batch, count - 1), min(size, count - start)))
    return found


def padded(values: np.ndarray, size: int) -> np.ndarray:
    """Values filled up to `size` along the first axis with copies of the last; unchanged where there are as many.

    Example:
        >>> padded(np.array([1, 2]), 4).tolist()
        [1, 2, 2, 2]
    """
    missing = size - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


def in_batches(function: Callable[..., Any], size: int, *arrays: np.ndarray) -> np.ndarray:
    """`function(*arrays)` in calls of exactly `size` rows, so that it is compiled once; the last call is padded.

    Args:
        function: from arrays `[size, ...]` to an array `[size, ...]`, row by row.
        size: rows in a call, at least 1.
        arrays: each `[N, ...]`, N at least 1.

    Returns:
        `[N, ...]`, equivalent to `function(*arrays)`.

    Example:
        >>> in_batches(lambda a, b: a + b, 2, np.arange(3), np.arange(3)).tolist()
        [0, 2, 4]
    """
    found = []
    for start in range(0, len(arrays[0]), size):
        parts = [array[start : start + size] for array in arrays]
        found.append(np.asarray(function(*(padded(part, size) for part in parts)))[: len(parts[0])])
    return np.concatenate(found)
