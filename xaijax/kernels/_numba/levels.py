"""Reveal levels from sorted maps."""

import math

import numba
import numpy as np

from xaijax.kernels._numba.batch import for_each


def _threshold(ordered: np.ndarray, fraction: float) -> np.floating:
    """`np.quantile(map, 1 - fraction)` of the sorted values: position in float64, interpolation in their dtype."""
    dtype = ordered.dtype.type
    place = (len(ordered) - 1) * (1.0 - fraction)
    if place >= len(ordered) - 1:
        low, high, weight = ordered[-1], ordered[-1], place + 1.0
    else:
        low, high, weight = ordered[math.floor(place)], ordered[math.floor(place) + 1], place - math.floor(place)
    if weight >= 0.5:
        return high - (high - low) * dtype(1.0 - weight)
    return low + (high - low) * dtype(weight)


@numba.njit(nogil=True)
def _first_revealing(values, thresholds, levels):  # type: ignore[no-untyped-def]
    for i in range(len(values)):
        level = len(thresholds) + 1
        for k in range(len(thresholds)):
            if values[i] >= thresholds[k]:
                level = k + 1
                break
        levels[i] = level


def reveal_levels(
    maps: np.ndarray, fractions: tuple[float, ...], always: np.ndarray | None, num_threads: int
) -> np.ndarray:
    """`[..., H, W]` -> `[..., H, W]` uint16."""
    pixels = maps.shape[-2] * maps.shape[-1]
    flat = maps.reshape(math.prod(maps.shape[:-2]), pixels)
    levels = np.empty(flat.shape, np.uint16)

    def one(i: int) -> None:
        if np.isnan(flat[i]).any():
            levels[i] = len(fractions) + 1
            return
        ordered = np.sort(flat[i])
        with np.errstate(all="ignore"):
            thresholds = np.array([_threshold(ordered, fraction) for fraction in fractions], maps.dtype)
        _first_revealing(flat[i], thresholds, levels[i])

    for_each(one, len(flat), num_threads)
    if always is not None:
        levels[np.broadcast_to(always, maps.shape).reshape(flat.shape)] = 0
    return levels.reshape(maps.shape)
