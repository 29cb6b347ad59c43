"""A map as a detector: what its regions above a threshold find of the lesions, at every threshold.

A map is scaled to [0, 1] by its own minimum and maximum. At a threshold its regions are the 8-connected components of
the pixels at or above it; the peak of a region is its largest pixel (the first in reading order where several are).
A lesion is a component of the mask. It is found where a region's peak lies in it, and a region whose peak lies in no
lesion is a false one: these two, over all thresholds, are the free-response curve (FROC).

References:
    Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016 (box of the largest region).
    Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right", CVPR 2020 (sweep of the threshold).
    Chakraborty, "Maximum likelihood analysis of free-response receiver operating characteristic (FROC) data", Medical
    Physics 1989.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of a map's own range."""
NEIGHBOURS = np.ones((3, 3), bool)


@dataclasses.dataclass(frozen=True, eq=False)
class Detection:
    """One map against the mask of its image.

    Attributes:
        lesions: components of the mask.
        hit: whether the map's largest pixel lies in one of them.
        iou: `[T]` of the pixels above each threshold and the mask.
        box_iou: `[T]` of the box around the largest region and the box around the mask.
        found: `[T]` lesions with a region's peak in them.
        false: `[T]` regions whose peak lies in none.
    """

    lesions: int
    hit: bool
    iou: NDArray[np.float64]
    box_iou: NDArray[np.float64]
    found: NDArray[np.int64]
    false: NDArray[np.int64]

    def __repr__(self) -> str:
        hit = "hit" if self.hit else "missed"
        return f"Detection({self.lesions} lesions, {hit}, {len(self.iou)} thresholds, best IoU {self.iou.max():.2f})"


def detect(
    heat: NDArray[np.floating], mask: NDArray[np.bool_], thresholds: tuple[float, ...] = THRESHOLDS
) -> Detection:
    """What a map finds of the lesions of an image.

    Args:
        heat: `[H, W]`, higher means more important.
        mask: `[H, W]` bool, with a lesion.
        thresholds: in (0, 1], ascending.

    Returns:
        A `Detection`. A constant map has no region at any threshold.

    Raises:
        ValueError: for shapes that differ, an empty mask, or a map that is not finite.

    Example:
        >>> heat, mask = np.zeros((8, 8)), np.zeros((8, 8), bool)
        >>> mask[:2, :2] = heat[:2, :2] = True
        >>> heat[6, 6] = 0.5
        >>> one = detect(heat, mask, (0.5, 1.0))
        >>> one.iou.tolist(), one.found.tolist(), one.false.tolist()
        ([0.8, 1.0], [1, 1], [1, 0])
    """
    heat, mask = np.asarray(heat, np.float64), np.asarray(mask, bool)
    if heat.shape != mask.shape or heat.ndim != 2:
        raise ValueError(f"heat and mask must be [H, W] alike; got {heat.shape} and {mask.shape}")
    if not mask.any():
        raise ValueError("the mask is empty: there is nothing to find")
    if not np.isfinite(heat).all():
        raise ValueError("heat must be finite; it holds NaN or infinity: leave the map out or repair it")
    if np.abs(heat).max() > np.finfo(np.float64).max / 2:
        heat = heat / 2  # so that its range is finite
    lesions, count = ndimage.label(mask, NEIGHBOURS)
    low, high = heat.min(), heat.max()
    size = len(thresholds)
    iou, box = np.zeros(size), np.zeros(size)
    found, false = np.zeros(size, np.int64), np.zeros(size, np.int64)
    flat = lesions.ravel()
    if not high > low:
        return Detection(count, False, iou, box, found, false)
    scaled = (heat - low) / (high - low)
    order = np.argsort(-scaled, axis=None, kind="stable")
    truth = _box(mask)
    for place, threshold in enumerate(thresholds):
        above = scaled >= threshold
        iou[place] = (above & mask).sum() / (above | mask).sum()
        regions, _ = ndimage.label(above, NEIGHBOURS)
        sorted_regions = regions.ravel()[order[: int(above.sum())]]
        _, first = np.unique(sorted_regions, return_index=True)
        peaks = flat[order[first]]
        found[place] = len(set(peaks[peaks > 0].tolist()))
        false[place] = int((peaks == 0).sum())
        largest = int(np.bincount(sorted_regions).argmax())
        box[place] = _box_iou(truth, _box(regions == largest))
    return Detection(count, bool(flat[order[0]] > 0), iou, box, found, false)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right (behind the last pixel) of what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _box_iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    both = max(height, 0) * max(width, 0)
    areas = sum((one[2] - one[0]) * (one[3] - one[1]) for one in (a, b))
    return both / (areas - both)
