"""Ranking of overlapping regions by the attribution they add: the second half of XRAI, in NumPy.

Every mask keeps the number and the attribution sum of its pixels that are not covered yet; a pixel is subtracted once,
when it is covered, so the whole ranking reads each mask once. Sums updated in that way differ from fresh ones in the
last bits, so masks within rounding of the best are compared again by fresh means: ties go to the first mask.
"""

import numpy as np


def rank_regions(
    attribution: np.ndarray, masks: np.ndarray, *, algorithm: str = "full", min_pixel_diff: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """XRAI map and ranks of one image.

    Args:
        attribution: `[H, W]` float.
        masks: `[M, H, W]` bool, may overlap; taken as given.
        algorithm: `"full"`: again and again the mask whose *new* pixels have the largest mean attribution; `"fast"`:
            one order, by the mean over whole masks.
        min_pixel_diff: masks that add fewer new pixels are dropped.

    Returns:
        `(map [H, W] float64, ranks [H, W] int64)`: mean attribution of the region a pixel came with, and that region's
        place by that mean, from 1; pixels in no region form the last one.
    """
    if algorithm not in ("full", "fast"):
        raise ValueError(f'algorithm must be "full" or "fast"; got {algorithm!r}')
    values = np.asarray(attribution, np.float64).ravel()
    flat = np.asarray(masks, bool).reshape(len(masks), -1)
    covered = np.zeros(values.size, bool)
    regions: list[tuple[np.ndarray, float]] = []

    def take(index: int) -> np.ndarray:
        new = np.flatnonzero(flat[index] & ~covered)
        regions.append((new, float(values[new].mean())))
        covered[new] = True
        return new

    if algorithm == "fast":
        means = np.array([values[mask].mean() if mask.any() else -np.inf for mask in flat])
        for index in np.argsort(-means, kind="stable"):
            if np.count_nonzero(flat[index] & ~covered) >= max(min_pixel_diff, 1):
                take(int(index))
    else:
        counts = flat.sum(1)
        sums = flat @ values
        tolerance = 1e-9 * (np.abs(values).max() if values.size else 0.0)
        while True:
            left = np.flatnonzero(counts >= max(min_pixel_diff, 1))
            if not left.size:
                break
            gains = sums[left] / counts[left]
            close = left[gains >= gains.max() - tolerance]
            best = close[0]
            if close.size > 1:
                best = close[int(np.argmax([values[flat[index] & ~covered].mean() for index in close]))]
            new = take(int(best))
            within = flat[:, new]
            counts = counts - within.sum(1)
            sums = sums - within @ values[new]
            counts[best] = 0
    found = np.empty(values.size)
    ranks = np.zeros(values.size, np.int64)
    order = sorted(range(len(regions)), key=lambda index: -regions[index][1])
    for rank, index in enumerate(order, start=1):
        pixels, mean = regions[index]
        found[pixels], ranks[pixels] = mean, rank
    rest = ~covered
    if rest.any():
        found[rest], ranks[rest] = values[rest].mean(), len(regions) + 1
    return found.reshape(attribution.shape), ranks.reshape(attribution.shape)
