"""Localization scores in plain NumPy, one map at a time, straight from the definitions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
EMPTY_MASK, FULL_MASK, FLAT_MAP, NOT_FINITE = 1, 2, 3, 4
NaN = float("nan")


class _Case:
    """One map against one mask, with what several scores share."""

    def __init__(self, raw: Floats, mask: Mask, relu: bool, threshold: float, percent: float, tolerance: float) -> None:
        self.raw, self.mask, self.tolerance = raw, mask, tolerance
        self.map = np.maximum(raw, 0.0) if relu else raw
        low, high = self.map.min(), self.map.max()
        self.flat = bool(low == high)
        if self.flat:
            self.scaled = np.zeros_like(self.map)
        elif np.isfinite(high - low):
            self.scaled = (self.map - low) / (high - low)
        else:
            self.scaled = (self.map / 2 - low / 2) / (high / 2 - low / 2)
        self.above = self.scaled >= threshold
        self.top = min(max(int(np.ceil(percent * self.map.size / 100.0 * (1 - 1e-12))), 1), self.map.size)

    def weights(self, k: int) -> Floats:
        """1 for the pixels above the k-th largest, an equal part of what is left for those tied with it."""
        cut = np.sort(self.map, axis=None)[-k]
        larger, tied = self.map > cut, self.map == cut
        return larger + tied * ((k - larger.sum()) / tied.sum())

    def counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pixels inside and outside the mask per distinct value, from the largest value down."""
        values, index = np.unique(self.map, return_inverse=True)
        index, flat = index.reshape(-1), self.mask.reshape(-1)
        inside = np.bincount(index[flat], minlength=values.size)[::-1]
        return inside, np.bincount(index[~flat], minlength=values.size)[::-1]


def _iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / (a | b).sum())


def _average_precision(case: _Case) -> float:
    inside, outside = case.counts()
    hits = np.cumsum(inside)
    return float(np.sum(inside * hits / (hits + np.cumsum(outside))) / hits[-1])


def _roc_auc(case: _Case) -> float:
    inside, outside = case.counts()
    below = outside.sum() - np.cumsum(outside)
    return float(np.sum(inside * (below + outside / 2)) / (inside.sum() * outside.sum()))


def _otsu(case: _Case) -> float:
    if case.flat:
        return 0.0
    counts = np.bincount(np.minimum((case.scaled * 256).astype(np.int64), 255).ravel(), minlength=256)
    weights = counts.astype(np.float32)
    moments = weights * ((np.arange(256) + 0.5) / 256)
    below: NDArray[np.float32] = np.cumsum(weights)
    above: NDArray[np.float32] = np.cumsum(weights[::-1])[::-1]
    apart = np.cumsum(moments)[:-1] / below[:-1] - np.cumsum(moments[::-1])[::-1][1:] / above[1:]
    threshold = (np.argmax(below[:-1] * above[1:] * apart**2) + 0.5) / 256
    return _iou(case.scaled > threshold, case.mask)


def _pointing_game(case: _Case) -> float:
    rows, columns = np.nonzero(case.mask)
    peaks = np.argwhere(case.map == case.map.max())
    squared = [np.min((rows - y) ** 2 + (columns - x) ** 2) for y, x in peaks]
    return float(np.mean(np.array(squared) <= case.tolerance**2))


def _energy(case: _Case) -> float:
    return float(case.scaled[case.mask].sum() / case.scaled.sum())


def _top_energy(case: _Case) -> float:
    mass = case.scaled * case.weights(case.top)
    return float(mass[case.mask].sum() / mass.sum())


def _mass_accuracy(case: _Case) -> float:
    positive = np.maximum(case.raw, 0.0)
    return float(positive[case.mask].sum() / positive.sum())


def _centroid_distance(case: _Case) -> float:
    height, width = case.map.shape
    y, x = np.arange(height)[:, None], np.arange(width)
    total, area = case.scaled.sum(), case.mask.sum()
    down = (case.scaled * y).sum() / total - (case.mask * y).sum() / area
    right = (case.scaled * x).sum() / total - (case.mask * x).sum() / area
    return float(np.hypot(down, right))


def _boundary(region: Mask) -> Mask:
    edge = np.zeros_like(region)
    for a, b in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differs = region[a] != region[b]
        edge[a] |= differs
        edge[b] |= differs
    return edge


def _boundary_f1(case: _Case) -> float:
    one, other = _boundary(case.above), _boundary(case.mask)
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


# In the kernel's order; beside each what leaves it without a value.
_SCORES: tuple[tuple[Callable[[_Case], float], int], ...] = (
    (_average_precision, 0),
    (_roc_auc, FULL_MASK),
    (lambda case: _iou(case.above, case.mask), 0),
    (lambda case: _iou(case.map >= np.sort(case.map, axis=None)[-case.top], case.mask), 0),
    (_otsu, 0),
    (lambda case: float(2 * (case.above & case.mask).sum() / (case.above.sum() + case.mask.sum())), 0),
    (_pointing_game, 0),
    (_energy, FLAT_MAP),
    (_top_energy, FLAT_MAP),
    (lambda case: float(case.weights(case.top)[case.mask].sum() / case.top), 0),
    (lambda case: float(case.weights(int(case.mask.sum()))[case.mask].sum() / case.mask.sum()), 0),
    (_mass_accuracy, 0),
    (_centroid_distance, FLAT_MAP),
    (_boundary_f1, FULL_MASK),
)


def localization_scores(
    maps: NDArray[np.floating],
    masks: NDArray[np.uint8],
    mask_of: NDArray[np.int64],
    wanted: int,
    relu: bool,
    threshold: float,
    percent: float,
    tolerance: float,
) -> tuple[Floats, NDArray[np.uint8]]:
    """The compiled kernel's arguments and results, without threads."""
    shape = maps.shape[-2:]
    chosen = [score for i, score in enumerate(_SCORES) if wanted >> i & 1]
    flat_maps, flat_masks = maps.reshape(-1, *shape), masks.reshape(-1, *shape)
    values = np.full((len(flat_maps), len(chosen)), np.nan)
    reasons = np.zeros(values.shape, np.uint8)
    for n, raw in enumerate(flat_maps.astype(np.float64)):
        mask = flat_masks[mask_of[n]] != 0
        if not np.isfinite(raw).all():
            reasons[n] = NOT_FINITE
            continue
        if not mask.any():
            reasons[n] = EMPTY_MASK
            continue
        case = _Case(raw, mask, relu, threshold, percent, tolerance)
        for i, (score, needs) in enumerate(chosen):
            no_mass = score is _mass_accuracy and not (raw > 0).any()
            if (needs == FLAT_MAP and case.flat) or no_mass:
                reasons[n, i] = FLAT_MAP
            elif needs == FULL_MASK and mask.all():
                reasons[n, i] = FULL_MASK
            else:
                values[n, i] = score(case)
    return values.reshape(*maps.shape[:-2], -1), reasons.reshape(*maps.shape[:-2], -1)
