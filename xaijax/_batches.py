"""Batches of one shape, so that what is compiled is compiled once: the last batch is filled up."""

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
