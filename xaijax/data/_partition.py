"""Several sides at once: training, validation and test images, or the folds of a cross-validation.

As in `split`, cases of one group and cases with identical pixels stay together. These units are dealt out one by one,
large ones first, each to the side that misses most of its classes for its share (after Sechidis et al., "On the
Stratification of Multi-Label Data", ECML PKDD 2011, with units instead of single images; of a multi-label data set
every finding counts as a class). Of several orders the one that comes nearest to the shares is taken. Then every class
that has a unit for each side gets one there.

The result depends on the ids and the seed, and not on the order of the cases.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from xaijax._errors import InputError
from xaijax.data._split import check_units, class_counts, units_of
from xaijax.data.dataset import Dataset

SHARES: Mapping[str, float] = {"training": 0.8, "validation": 0.1, "test": 0.1}
# Orders of dealing that are tried, and how many units are dealt at most for it: with many units any order is good.
_TRIES = 16
_DEALT = 50_000


def partition(
    dataset: Dataset, shares: Mapping[str, float] = SHARES, *, seed: int, pixels: bool = True
) -> dict[str, np.ndarray]:
    """Divide a data set into sides by groups and duplicates, stratified by class.

    Args:
        dataset: the cases.
        shares: side -> its share of every class; together 1. A side of share 0 stays empty.
        seed: the same seed gives the same sides.
        pixels: compare decoded pixels to find duplicates (reads every image once); False uses the groups only.

    Returns:
        side -> ascending int64 positions in `dataset.cases`; every case is on one side. A class that has a unit (a
        group, or an image of its own) for every side is on every side; one that has fewer is on the sides of the
        largest shares. Whole groups may move a side away from its share.

    Raises:
        InputError: for shares that are not a division, fewer units than sides, or a class of several images that form
            one unit.

    Example:
        >>> from xaijax.data import open_dataset, partition
        >>> sides = partition(open_dataset("phantoms", count=60, size=64), seed=0)
        >>> {side: len(positions) for side, positions in sides.items()}
        {'training': 48, 'validation': 6, 'test': 6}
    """
    wanted = {side: float(share) for side, share in shares.items() if share}
    if len(wanted) < 2 or not all(0 < share < 1 for share in wanted.values()) or abs(sum(wanted.values()) - 1) > 1e-9:
        raise InputError(f"shares must be those of two sides or more, from 0 to 1 and together 1; got {dict(shares)!r}")
    found = _sides(dataset, list(wanted.values()), seed, pixels)
    named = dict(zip(wanted, found, strict=True))
    return {side: named.get(side, np.zeros(0, np.int64)) for side in shares}


def folds(dataset: Dataset, k: int, seed: int, *, pixels: bool = True) -> list[np.ndarray]:
    """Divide a data set into folds of equal size for a cross-validation; see `partition`.

    Args:
        dataset: the cases.
        k: how many folds, 2 or more.
        seed: the same seed gives the same folds.
        pixels: compare decoded pixels to find duplicates (reads every image once); False uses the groups only.

    Returns:
        k arrays of ascending int64 positions in `dataset.cases`, together all cases.

    Raises:
        InputError: for fewer than 2 folds, fewer units than folds, or a class of several images that form one unit.

    Example:
        >>> from xaijax.data import folds, open_dataset
        >>> [len(fold) for fold in folds(open_dataset("phantoms", count=30, size=64), 5, seed=0)]
        [6, 6, 6, 6, 6]
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 2:
        raise InputError(f"k must be a whole number of 2 or more; got {k!r}")
    return _sides(dataset, [1 / k] * int(k), seed, pixels)


class _Unit(NamedTuple):
    """Cases that stay together."""

    members: np.ndarray
    counts: tuple[tuple[int, int], ...]  # (class, images) of those that it has; the last class is "any"


def _sides(dataset: Dataset, shares: Sequence[float], seed: int, pixels: bool) -> list[np.ndarray]:
    members = units_of(dataset, pixels)
    if len(members) < len(shares):
        raise InputError(
            f"data set {dataset.name!r} cannot be divided into {len(shares)} sides: its {len(dataset)} images form "
            f"{len(members)} group{'s' if len(members) != 1 else ''} (patients, or identical pixels)"
        )
    # By name: the same images in another order get the same sides.
    members.sort(key=lambda unit: min(dataset.cases[index].id for index in unit))
    table = class_counts(dataset, members)
    check_units(dataset, table[:, : len(dataset.classes)])
    if not dataset.multi_label:
        table = np.column_stack([table, table.sum(axis=1)])
    units = [
        _Unit(unit, tuple((int(label), int(row[label])) for label in np.flatnonzero(row)))
        for unit, row in zip(members, table, strict=True)
    ]
    chosen = _best(units, table.sum(axis=0), np.asarray(shares), np.random.default_rng(seed))
    found: list[list[np.ndarray]] = [[] for _ in shares]
    for unit, side in zip(units, chosen, strict=True):
        found[side].append(unit.members)
    return [np.sort(np.concatenate(parts)).astype(np.int64) for parts in found]


def _best(units: Sequence[_Unit], totals: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> list[int]:
    """The side of every unit, of the order that comes nearest to the shares."""
    targets = np.outer(shares, totals)
    scale = 1 / np.maximum(totals, 1)
    # Of units whose weights differ by less than a factor of two, the order is drawn: each seed gives other sides.
    weight = [sum((count * scale[label]) ** 2 for label, count in unit.counts) for unit in units]
    octave = -np.floor(np.log2(weight) / 2).astype(int)
    best: tuple[float, list[int]] | None = None
    for _ in range(max(1, min(_TRIES, _DEALT // len(units)))):
        order = rng.permutation(len(units))
        order = order[np.argsort(octave[order], kind="stable")]
        chosen = _deal(units, order, targets, scale, rng)
        have = _fill(units, chosen, targets, scale)
        error = float(((((have - targets) * scale) ** 2).sum(axis=1) / shares).sum())
        if best is None or error < best[0]:
            best = (error, chosen)
    assert best is not None
    return best[1]


def _deal(
    units: Sequence[_Unit], order: np.ndarray, targets: np.ndarray, scale: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """Gives each unit to the side where it lowers the error most: that misses most of its classes, for its share."""
    ranks = [int(side) for side in rng.permutation(len(targets))]  # which side wins a tie
    missing = [list(map(float, row)) for row in targets]
    squares = [float(value) ** 2 for value in scale]
    shares = [float(row[-1]) * squares[-1] ** 0.5 for row in targets]
    chosen = [0] * len(units)
    for at in order:
        counts = units[at].counts
        best, side = -np.inf, 0
        for candidate in ranks:
            row = missing[candidate]
            gain = sum(count * squares[label] * (2 * row[label] - count) for label, count in counts) / shares[candidate]
            if gain > best + 1e-12:
                best, side = gain, candidate
        chosen[at] = side
        for label, count in counts:
            missing[side][label] -= count
    return chosen


def _fill(units: Sequence[_Unit], chosen: list[int], targets: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Moves units to sides that lack a class where there are enough units of it; gives the images `[sides, classes]`.

    A class of fewer units than sides goes to the first sides in the order of their shares.
    """
    sides = len(targets)
    have = np.zeros(targets.shape)
    holders: list[list[int]] = [[] for _ in range(targets.shape[1])]
    number = np.zeros(targets.shape, int)  # of units
    for at, unit in enumerate(units):
        for label, count in unit.counts:
            have[chosen[at], label] += count
            number[chosen[at], label] += 1
            holders[label].append(at)
    first = np.argsort(-targets[:, -1], kind="stable")
    due = [set(first[: len(holding)].tolist()) for holding in holders]  # the sides that each class must be on

    def costs(at: int, side: int) -> tuple[int, float]:
        """Of a unit that moves to a side: how many classes its own side would lack, and by how much the error grows."""
        own = chosen[at]
        lost, total = 0, 0.0
        for label, count in units[at].counts:
            lost += number[own, label] == 1 and own in due[label]
            for place, change in ((own, -count), (side, count)):
                error = have[place, label] - targets[place, label]
                total += ((error + change) ** 2 - error**2) * scale[label] ** 2 / targets[place, -1]
        return lost, total

    # Rare classes first: they have the fewest units to choose from. Last, no side stays empty, whatever that costs.
    for label in sorted(range(targets.shape[1]), key=lambda one: len(holders[one])):
        anything = label == targets.shape[1] - 1
        for side in range(sides):
            if side not in due[label] or number[side, label]:
                continue
            moved = (at for at in holders[label] if number[chosen[at], label] > 1 or chosen[at] not in due[label])
            (lost, _), at = min(((costs(at, side), at) for at in moved), default=((1, 0.0), -1))
            if at < 0 or (lost and not anything):
                continue
            for one, count in units[at].counts:
                have[chosen[at], one] -= count
                number[chosen[at], one] -= 1
                have[side, one] += count
                number[side, one] += 1
            chosen[at] = side
    return have
