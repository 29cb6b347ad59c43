"""A training and a validation side that share no patient and no image.

What must stay together is joined first: cases of one group (`Case.group`), and cases whose decoded pixels are
identical, whatever their file names or formats. The joined units are then dealt out so that the share of every class
is as close to the requested one as whole units allow.
"""

import contextlib
from collections.abc import Hashable

import numpy as np

from xaijax._errors import InputError
from xaijax.data.dataset import Dataset

# Orders of dealing that are tried; the best balanced one is taken. Large units make a single order a lottery.
_TRIES = 16


def split(dataset: Dataset, fraction: float, seed: int, *, pixels: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Split a data set by groups and duplicates, stratified by class.

    Args:
        dataset: the cases.
        fraction: share of the validation side in every class, between 0 and 1.
        seed: the same seed gives the same split.
        pixels: compare decoded pixels to find duplicates (reads every image once); False uses the groups only.

    Returns:
        `(training, validation)`: ascending int64 positions in `dataset.cases`, together all cases, both not empty.
        A case that cannot be read is dealt out too; `Dataset.read` reports it.

    Raises:
        InputError: for a fraction outside (0, 1), or a class of several images that form one group and so cannot be on
            both sides.

    Example:
        >>> from xaijax.data import open_dataset, split
        >>> train, validation = split(open_dataset("phantoms", count=30, size=64), 0.2, seed=0)
        >>> len(train), len(validation)
        (24, 6)
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction must lie between 0 and 1, both excluded; got {fraction!r}")
    units = _units(dataset, pixels)
    member = _member(dataset)
    counts = np.stack([member[unit].sum(axis=0) for unit in units])
    totals = counts.sum(axis=0)
    _check_units(dataset, counts, totals)
    target = np.where(totals > 1, np.clip(np.rint(fraction * totals), 1, np.maximum(totals - 1, 1)), 0)
    rng = np.random.default_rng(seed)
    best: tuple[tuple[int, float], np.ndarray] | None = None
    for _ in range(_TRIES):
        chosen = _deal(counts, target, rng.permutation(len(units)))
        held = counts[chosen].sum(axis=0)
        # A class missing on one side is worse than any imbalance.
        missing = int(((totals > 1) & ((held == 0) | (held == totals))).sum())
        error = (missing, float((((held - target) / np.maximum(totals, 1)) ** 2).sum()))
        if best is None or error < best[0]:
            best = (error, chosen)
    assert best is not None
    inside = np.zeros(len(dataset), bool)
    for chosen_unit in np.flatnonzero(best[1]):
        inside[units[chosen_unit]] = True
    if inside.all() or not inside.any():
        raise InputError(f"data set {dataset.name!r} cannot be split: it has no class with two images")
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def _member(dataset: Dataset) -> np.ndarray:
    """`[N, K]` 1 where a case is of a class; several findings have a column each, and one for none of them."""
    labels = dataset.labels
    if dataset.multi_label:
        present = (labels == 1).astype(np.int64)
        return np.concatenate([present, 1 - present.max(axis=1, keepdims=True)], axis=1)
    return (labels[:, None] == np.arange(len(dataset.classes))).astype(np.int64)


def _deal(counts: np.ndarray, target: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Take units in this order while each brings the class counts nearer to the target."""
    chosen = np.zeros(len(counts), bool)
    missing = target.astype(np.float64)
    for row in order:
        after = missing - counts[row]
        if (after**2).sum() < (missing**2).sum():
            chosen[row] = True
            missing = after
    return chosen


def _check_units(dataset: Dataset, counts: np.ndarray, totals: np.ndarray) -> None:
    for label, name in enumerate(dataset.classes):
        if totals[label] > 1 and (counts[:, label] > 0).sum() == 1:
            raise InputError(
                f"class {name!r} of data set {dataset.name!r} cannot be on both sides of a split: its {totals[label]} "
                "images are one group (one patient, or identical pixels); add images or leave the class out"
            )


def _units(dataset: Dataset, pixels: bool) -> list[np.ndarray]:
    """Cases joined by group or identical pixels: a list of index arrays, in the order of their first case."""
    parent = list(range(len(dataset)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, case in enumerate(dataset.cases):
        keys: list[Hashable] = []
        if case.group is not None:
            keys.append(("group", case.group))
        if pixels:
            with contextlib.suppress(OSError, ValueError):  # unreadable: reading the batch will name it
                keys.append(("pixels", case.source.fingerprint()))
        for key in keys:
            other = root(first.setdefault(key, index))
            mine = root(index)
            parent[max(other, mine)] = min(other, mine)
    members: dict[int, list[int]] = {}
    for index in range(len(dataset)):
        members.setdefault(root(index), []).append(index)
    return [np.array(unit) for unit in members.values()]
