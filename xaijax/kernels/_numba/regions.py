"""XRAI's region ranking in NumPy: boolean masks, every mean taken anew in every round."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

Mask = NDArray[np.bool_]


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if values.size else -np.inf


def _full(values: NDArray[Any], masks: list[Mask], min_pixels: int, area: float) -> list[tuple[float, Mask]]:
    covered, left, chosen = np.zeros(values.shape, bool), list(masks), []
    while left and covered.mean() <= area:
        added = [mask & ~covered for mask in left]
        enough = [i for i, new in enumerate(added) if new.sum() >= min_pixels]
        if not enough:
            break
        gains = [_mean(values[added[i]]) for i in enough]
        best = enough[int(np.argmax(gains))]  # the first of equal ones
        chosen.append((max(gains), added[best]))
        covered |= added[best]
        left = [left[i] for i in enough if i != best]
    return chosen


def _fast(values: NDArray[Any], masks: list[Mask], min_pixels: int) -> list[tuple[float, Mask]]:
    covered, chosen = np.zeros(values.shape, bool), []
    for i in np.argsort([-_mean(values[mask]) for mask in masks], kind="stable"):
        new = masks[i] & ~covered
        if new.sum() >= min_pixels:
            chosen.append((_mean(values[new]), new))
            covered |= new
    return chosen


def rank_regions(
    attribution: NDArray[Any], masks: NDArray[np.uint8], dilate: int, fast: bool, min_pixels: int, area: float
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The compiled kernel's arguments and results, without threads."""
    shape = attribution.shape[-2:]
    sets = masks[None] if masks.ndim == 3 else masks
    y, x = np.mgrid[-dilate : dilate + 1, -dilate : dilate + 1]
    disk = x * x + y * y <= dilate * dilate
    maps = np.empty(attribution.shape, np.float64)
    ranks = np.zeros(attribution.shape, np.int32)
    for n, values in enumerate(attribution.reshape(-1, *shape)):
        given = sets[n if len(sets) > 1 else 0] != 0
        regions = [binary_dilation(mask, disk) if dilate else mask for mask in given]
        chosen = _fast(values, regions, min_pixels) if fast else _full(values, regions, min_pixels, area)
        map_, rank = maps.reshape(-1, *shape)[n], ranks.reshape(-1, *shape)[n]
        rest = ~np.any([new for _, new in chosen], axis=0) if chosen else np.ones(shape, bool)
        for gain, new in chosen:
            map_[new] = gain
        for place, i in enumerate(np.argsort([-gain for gain, _ in chosen], kind="stable")):
            rank[chosen[i][1]] = place + 1
        map_[rest] = _mean(values[rest])
        rank[rest] = len(chosen) + 1
    return maps, ranks
