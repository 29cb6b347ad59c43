"""Masks of two values whose edges were smoothed, or whose values were disturbed by lossy compression.

More than two values are such a mask, and cut half way between its ends, if

1. the ends, its lowest and highest value, differ by at least 128 (half of what 8 bits hold; 0.5 in files of floats);
2. at most 20 % of the pixels lie in between, farther than 5 % of this range from both ends, and at least 95 % of these
   lie on an edge: within 8 pixels, a block of JPEG, of a pixel near the one end and of one near the other end;
3. no value makes up more than three quarters of the pixels in between: an edge has many values, the border of a
   trimap has one;
4. of pixels that have neither end's value, on average at least 45 % of the four neighbours have another value (not
   asked of JPEG files): a straight edge has half, noise has more, the regions of a label map have less.

Everything else is a label map: what its values mean must be said.
"""

import numpy as np
from scipy import ndimage

NEAR = 0.05
BETWEEN = 0.2
RANGE = 128
REACH = 8
ON_EDGE = 0.95
COMMONEST = 0.75
DIFFERENT = 0.45


def threshold(values: np.ndarray, *, lossy: bool = False) -> float | None:
    """Where a mask with soft edges is cut; None where the values are a label map.

    Args:
        values: `[h, w]` numbers, more than two different ones.
        lossy: whether they come from a format that changes values.

    Example:
        >>> ramp = np.array([[0, 0, 0, 0, 0, 40, 180, 255, 255, 255]] * 8)
        >>> threshold(ramp), threshold(np.array([[0, 0, 128, 128, 255, 255]] * 8))
        (127.5, None)
    """
    low, high = float(values.min()), float(values.max())
    if high - low < (RANGE if values.dtype.kind in "iu" else 0.5):
        return None
    margin = NEAR * (high - low)
    is_low, is_high = values <= low + margin, values >= high - margin
    between = ~(is_low | is_high)
    if between.mean() > BETWEEN:
        return None
    if between.any():
        edge = between_two(is_low, is_high)
        if edge[between].mean() < ON_EDGE:
            return None
        counts = np.unique(values[between], return_counts=True)[1]
        if counts.max() > COMMONEST * counts.sum():
            return None
    others = (values != low) & (values != high)
    if not lossy and others.any() and grain(values)[others].mean() < DIFFERENT:
        return None
    return (low + high) / 2


def between_two(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """`[h, w]` bool, the pixels within `REACH` of both regions."""
    side = 2 * REACH + 1
    return np.asarray(ndimage.maximum_filter(low, side) & ndimage.maximum_filter(high, side))


def grain(values: np.ndarray) -> np.ndarray:
    """`[h, w]`, for each pixel the share of its four neighbours that have another value."""
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    shifts = ((0, 1), (2, 1), (1, 0), (1, 2))
    differing = sum((padded[y : y + height, x : x + width] != values).astype(np.float32) for y, x in shifts)
    return np.asarray(differing) / 4


def is_noise(inside: np.ndarray) -> bool:
    """Whether the pixels of a mask are spread over it as if at random, without regions or lines.

    Neighbours then differ about as often as independent pixels do, 2 p (1 - p) of a share p inside; a square of two
    pixels reaches half of that, a line of one pixel's width half, and regions much less.
    """
    share = float(inside.mean())
    different = [inside[1:] != inside[:-1], inside[:, 1:] != inside[:, :-1]]
    pairs = sum(one.size for one in different)
    if not 0 < share < 1 or not pairs:
        return False
    return sum(int(one.sum()) for one in different) / pairs > 0.75 * 2 * share * (1 - share)
