"""How a training divides its images: by shares, in folds, as the data say, or as a file says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax import data
from xaijax._runs.options import DivisionOptions
from xaijax.data import Dataset
from xaijax.data import Leaks as Shared
from xaijax.data._own_split import fold_sides


@dataclass(frozen=True)
class Division:
    """The sides of a training.

    Attributes:
        sides: "training", "validation" and "test" -> positions in the data set; the test side may be empty.
        how: in a few words.
        notes: sentences on what was assumed, left out, or is not as wanted.
        leaks: what two sides share; nothing where they were divided here.
    """

    sides: Mapping[str, np.ndarray]
    how: str
    notes: tuple[str, ...]
    leaks: Shared

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "how": self.how,
            "images": {side: len(positions) for side, positions in self.sides.items()},
            "leaks": self.leaks.describe(),
            "notes": list(self.notes),
        }


def divide(options: DivisionOptions, dataset: Dataset) -> Division:
    """Divides the images of a training.

    Args:
        options: how.
        dataset: the images.

    Returns:
        The sides, with what is to be said of them.

    Raises:
        InputError: for data that cannot be divided, or that have no split of their own where it is wanted; for a split
            file that cannot be used.
    """
    options.check_division()
    if options.own_split:
        sides, notes = data.own_split(dataset, validation=options.validation, fold=options.fold, seed=options.seed)
        return _given(dataset, sides, "the data's own split", notes)
    if options.split_file is not None:
        sides, notes = data.read_split(options.split_file, dataset, validation=options.validation, seed=options.seed)
        return _given(dataset, sides, f"the file {options.split_file.name}", notes)
    notes = _own_split_unused(dataset)
    if options.folds is not None:
        assert options.fold is not None  # `check_division` refuses that
        sides = fold_sides(data.folds(dataset, options.folds, options.seed), options.fold - 1)
        how = f"fold {options.fold} of {options.folds} for test"
        shares = {side: len(positions) / len(dataset) for side, positions in sides.items()}
        shares |= {"test": 1 / options.folds}
        if len(sides["validation"]):
            shares |= {"validation": 1 / options.folds}
        else:
            training = sides["training"]
            kept, drawn = data.split(dataset.take(training), options.validation, options.seed)
            sides = sides | {"training": training[kept], "validation": training[drawn]}
            shares |= {"validation": options.validation * len(training) / len(dataset)}
    elif options.test:
        shares = {
            "training": 1 - options.validation - options.test,
            "validation": options.validation,
            "test": options.test,
        }
        sides = data.partition(dataset, shares, seed=options.seed)
        how = "by shares"
    else:
        training, validation = data.split(dataset, options.validation, options.seed)
        sides = {"training": training, "validation": validation, "test": np.zeros(0, np.int64)}
        shares = {"validation": options.validation, "test": 0.0}
        how = "by shares"
    missed = _missed(dataset, sides, shares)
    return Division(sides, how, (*notes, *missed, *_absent(dataset, sides)), Shared())


def _given(dataset: Dataset, sides: Mapping[str, np.ndarray], how: str, notes: list[str]) -> Division:
    """A division that was made elsewhere is used unchanged; what its sides share is reported."""
    leaks = data.leaks(dataset, sides)
    return Division(sides, how, (*notes, *_absent(dataset, sides), *leaks.sentences()), leaks)


def _own_split_unused(dataset: Dataset) -> list[str]:
    own = dataset.splits
    if not own:
        return []
    there = ", ".join(f"{side} {len(positions)}" for side, positions in own.items())
    return [f"The data have a split of their own ({there}), which is not used: --own-split takes it."]


def _missed(dataset: Dataset, sides: Mapping[str, np.ndarray], shares: Mapping[str, float]) -> list[str]:
    """By how many images a side misses its share, where whole groups or small classes force it to."""
    said = []
    for side in ("validation", "test"):
        difference = len(sides[side]) - round(shares[side] * len(dataset))
        # Rounding in every class alone may come to that.
        if abs(difference) > max(1, len(dataset.classes) // 2):
            more = f"{abs(difference)} {'more' if difference > 0 else 'fewer'}"
            said.append(f"{side} has {len(sides[side])} images, {more} than its share of {shares[side]:.3g}")
    return (
        [f"Groups stay together, and every class is on every side where it can be: {'; '.join(said)}."] if said else []
    )


def _absent(dataset: Dataset, sides: Mapping[str, np.ndarray]) -> list[str]:
    """Classes of the data that have no image on a side."""
    everywhere = {name for name, count in dataset.class_counts().items() if count}
    notes = []
    for side, positions in sides.items():
        if not len(positions):
            continue
        counts = dataset.take(positions).class_counts()
        absent = [name for name in dataset.classes if name in everywhere and not counts[name]]
        if absent:
            notes.append(f"The {side} side has no image of {' and none of '.join(absent)}.")
    return notes
