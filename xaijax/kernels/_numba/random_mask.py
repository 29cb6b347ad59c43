"""Random masks by a partial Fisher-Yates shuffle, drawn from SplitMix64."""

import numba
import numpy as np


@numba.njit(nogil=True)
def _mask(pixels, count, seed):  # type: ignore[no-untyped-def]
    # All operands are uint64: numba would turn a sum of uint64 and int64 into float64.
    state = np.uint64(seed)
    place = np.arange(pixels)
    mask = np.zeros(pixels, np.bool_)
    for i in range(count):
        largest = np.uint64(pixels - i - 1)
        bits = np.uint64(0)
        while (largest >> bits) != np.uint64(0):
            bits += np.uint64(1)
        draw = np.uint64(0)
        while bits > np.uint64(0):
            state += np.uint64(0x9E3779B97F4A7C15)
            z = state
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            draw = (z ^ (z >> np.uint64(31))) >> (np.uint64(64) - bits)
            if draw <= largest:
                break
        j = i + np.int64(draw)
        place[i], place[j] = place[j], place[i]
        mask[place[i]] = True
    return mask


def random_mask(height: int, width: int, count: int, seed: int) -> np.ndarray:
    """`[H, W]` bool with exactly `count` true."""
    return _mask(height * width, count, np.uint64(seed)).reshape(height, width)
