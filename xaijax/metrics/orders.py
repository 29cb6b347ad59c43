"""In which order a map gives up its pixels: the levels behind every perturbation curve.

Levels are `[..., H, W]` uint16 as in `xaijax.kernels.reveal`: 1 = changed first, n = changed last, n + 1 = never.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax._errors import InputError

Levels = NDArray[np.uint16]


def by_quantile(
    maps: NDArray[Any], fractions: Sequence[float], *, num_threads: int | None = None
) -> tuple[Levels, int]:
    """The largest pixels first, in steps of these shares of the pixels; tied pixels go together.

    Args:
        maps: `[M, H, W]` float32 or float64, finite.
        fractions: ascending in (0, 1].
        num_threads: threads over the maps.

    Returns:
        `(levels [M, H, W], n)`, n = `len(fractions)`.

    Example:
        >>> by_quantile(np.array([[[0.0, 1.0, 2.0, 2.0]]]), (0.25, 1.0))[0].tolist()
        [[[2, 2, 1, 1]]]
    """
    return kernels.reveal_levels(np.ascontiguousarray(maps), fractions, num_threads=num_threads), len(fractions)


def by_share(maps: NDArray[Any], fractions: Sequence[float]) -> tuple[Levels, int]:
    """As `by_quantile`, with tied pixels taken one by one: of tied pixels the first goes first.

    A map without ties gets the levels of `by_quantile`: share t takes the pixels at or above position
    `(pixels - 1)(1 - t)` of the sorted map.

    Args:
        maps: `[M, H, W]`, finite.
        fractions: ascending in (0, 1].

    Returns:
        `(levels [M, H, W], n)`, n = `len(fractions)`.

    Raises:
        InputError: for more levels than there can be.

    Example:
        >>> by_share(np.array([[[0.0, 1.0, 2.0, 2.0]]]), (0.25, 1.0))[0].tolist()
        [[[2, 2, 1, 2]]]
    """
    _check(len(fractions), "fractions", "give fewer (perturbation.fractions)")
    flat = maps.reshape(len(maps), -1)
    pixels = flat.shape[1]
    counts = pixels - np.ceil((pixels - 1) * (1.0 - np.asarray(fractions, np.float64))).astype(np.int64)
    level = (np.searchsorted(counts, np.arange(pixels), side="right") + 1).astype(np.uint16)
    levels = np.empty(flat.shape, np.uint16)
    np.put_along_axis(levels, np.argsort(-flat, axis=1, kind="stable"), level[None], axis=1)
    return levels.reshape(maps.shape), len(fractions)


def by_rank(maps: NDArray[Any], steps: int) -> tuple[Levels, int]:
    """The largest pixels first, in steps of as nearly equal size as can be; of tied pixels the first goes first.

    Args:
        maps: `[M, H, W]`, finite.
        steps: at least 1; as many as there are pixels at most.

    Returns:
        `(levels [M, H, W], n)`.

    Raises:
        InputError: for more levels than there can be.

    Example:
        >>> by_rank(np.array([[[0.0, 1.0, 2.0, 2.0]]]), 4)[0].tolist()
        [[[4, 3, 1, 2]]]
    """
    flat = maps.reshape(len(maps), -1)
    pixels = flat.shape[1]
    n = min(steps, pixels)
    _check(n, "steps", "take fewer")
    level = (np.arange(pixels, dtype=np.int64) * n // pixels + 1).astype(np.uint16)
    levels = np.empty(flat.shape, np.uint16)
    np.put_along_axis(levels, np.argsort(-flat, axis=1, kind="stable"), level[None], axis=1)
    return levels.reshape(maps.shape), n


def by_patch(maps: NDArray[Any], side: int, count: int) -> tuple[Levels, int]:
    """The squares of a grid, the one of the largest mean first; after `count` of them the rest never.

    Where the side does not divide the image, the last squares of rows and columns are cut.

    Args:
        maps: `[M, H, W]`, finite.
        side: of a square, pixels.
        count: squares at most.

    Returns:
        `(levels [M, H, W], n)`, n = `count`, or the number of squares if that is smaller.

    Raises:
        InputError: for more levels than there can be.

    Example:
        >>> by_patch(np.array([[[0.0, 1.0, 2.0, 2.0, 1.0]]]), 2, 2)[0].tolist()
        [[[3, 3, 1, 1, 2]]]
    """
    height, width = maps.shape[1:]
    rows, columns = np.arange(height) // side, np.arange(width) // side
    ranks, squares = _ranks(maps, rows[:, None] * (columns[-1] + 1) + columns)
    n = min(count, squares)
    _check(n, "squares", "hide fewer, or make them larger (perturbation.patch)")
    return np.minimum(ranks, n + 1).astype(np.uint16), n


def by_sum(maps: NDArray[Any], side: int) -> tuple[Levels, int]:
    """All squares of a grid, the one of the largest sum first; ties to the first.

    Where the side does not divide the image, the last squares of rows and columns are cut.

    Args:
        maps: `[M, H, W]`, finite.
        side: of a square, pixels.

    Returns:
        `(levels [M, H, W], n)`, n = number of squares.

    Raises:
        InputError: for more levels than there can be.

    Example:
        >>> by_sum(np.array([[[0.0, 1.0, 2.0, 2.0, 3.0]]]), 2)[0].tolist()
        [[[3, 3, 1, 1, 2]]]
    """
    height, width = maps.shape[1:]
    tall, wide = (np.minimum(side, n - np.arange(n) // side * side) for n in (height, width))
    sums = maps.astype(np.float64) * (tall[:, None] * wide)  # a square's mean of these is its sum
    return by_patch(sums, side, -(-height // side) * -(-width // side))


def by_segment(maps: NDArray[Any], segments: NDArray[np.integer]) -> tuple[Levels, int]:
    """Whole segments, the one of the largest mean first; ties to the smaller number.

    Args:
        maps: `[M, H, W]`, finite.
        segments: `[H, W]`, numbered from 0 without gaps.

    Returns:
        `(levels [M, H, W], n)`, n = number of segments.

    Raises:
        InputError: for more segments than there are levels.

    Example:
        >>> by_segment(np.array([[[0.0, 1.0, 0.25, 0.5]]]), np.array([[0, 1, 0, 2]]))[0].tolist()
        [[[3, 1, 3, 2]]]
    """
    ranks, count = _ranks(maps, segments)
    _check(count, "segments", "ask for fewer (perturbation.segments)")
    return ranks.astype(np.uint16), count


def _check(count: int, what: str, advice: str) -> None:
    """Refuses more levels than 16 bits hold: they would wrap around, and the last pixels go first."""
    if count > kernels.MAX_FRACTIONS:
        raise InputError(
            f"{count:,} {what} are more than the {kernels.MAX_FRACTIONS:,} that can be hidden one by one: {advice}"
        )


def _ranks(maps: NDArray[Any], segments: NDArray[np.integer]) -> tuple[NDArray[np.int64], int]:
    """The place of each pixel's segment, from 1, and the number of segments; an image may have more than levels can."""
    flat, sizes = segments.reshape(-1), np.bincount(segments.reshape(-1))
    ranks = np.empty((len(maps), flat.size), np.int64)
    for one, ranked in zip(maps, ranks, strict=True):
        means = np.bincount(flat, weights=one.reshape(-1).astype(np.float64)) / sizes
        rank = np.empty(len(sizes), np.int64)
        rank[np.argsort(-means, kind="stable")] = np.arange(1, len(sizes) + 1)
        ranked[:] = rank[flat]
    return ranks.reshape(maps.shape), len(sizes)
