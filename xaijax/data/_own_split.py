"""The split that a data set comes with: its sides, or folds of which one is the test side."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import spelling
from xaijax.data._split import split
from xaijax.data.dataset import Dataset

_FOLD = re.compile(r"fold(\d+)")

Sides = dict[str, np.ndarray]
"""side -> ascending int64 positions in `Dataset.cases`."""


def own_split(
    dataset: Dataset, *, validation: float = 0.1, fold: int | None = None, seed: int = 0, pixels: bool = True
) -> tuple[Sides, list[str]]:
    """The data set's own split, as `Case.split` says.

    Args:
        dataset: the cases.
        validation: where the set has no validation side: the share of its training images that becomes one, by groups.
        fold: where the set has folds: the one that is the test side; the next one is the validation side (of two folds
            the validation side is taken from the other one), and training is the rest.
        seed: of what is drawn.
        pixels: keep identical pixels together in what is drawn (reads the training images once).

    Returns:
        The sides training, validation and test, and sentences on what was assumed or left out. The test side is empty
        where the set has none.

    Raises:
        InputError: for a set without a split of its own or without training images, folds without `fold`, or a fold
            that it does not have.

    Example:
        >>> import dataclasses
        >>> from xaijax.data import open_dataset, own_split
        >>> dataset = open_dataset("phantoms", count=40, size=32)
        >>> sides = ["test" if at < 10 else "training" for at in range(40)]
        >>> cases = [dataclasses.replace(case, split=side) for case, side in zip(dataset.cases, sides)]
        >>> found, notes = own_split(dataclasses.replace(dataset, cases=tuple(cases)))
        >>> {side: len(positions) for side, positions in found.items()}
        {'training': 27, 'validation': 3, 'test': 10}
    """
    own = dataset.splits
    numbers = {int(match[1]): name for name in own if (match := _FOLD.fullmatch(normal(name)))}
    if not own:
        raise InputError(
            f"data set {dataset.name!r} has no split of its own: leave out --own-split, or give --split-file"
        )
    notes: list[str] = []
    if "training" in own:
        if fold is not None:
            raise InputError(
                f"data set {dataset.name!r} has no folds; its own split is {_listed(own)}: leave out --fold"
            )
        found = {side: own.get(side, np.zeros(0, np.int64)) for side in spelling.SIDES}
    elif len(numbers) > 1:
        found = _of_folds(dataset, numbers, fold)
        notes.append(_sentence_of_fold(numbers, fold, drawn=not len(found["validation"])))
    else:
        raise InputError(
            f"the split of data set {dataset.name!r} has no training side: it has {_listed(own)}; leave out --own-split"
        )
    inside = sum(map(len, found.values()))
    if inside < len(dataset):
        notes.append(f"{len(dataset) - inside} images are on no side of the data's own split and are left out.")
    if not len(found["validation"]):
        found, note = with_validation(dataset, found, "The data's own split", validation, seed, pixels)
        notes += [] if "training" not in own else [note]
    if not len(found["test"]):
        notes.append("The data's own split has no test side.")
    return found, notes


def with_validation(
    dataset: Dataset, sides: Sides, what: str, share: float, seed: int, pixels: bool
) -> tuple[Sides, str]:
    """Sides with a validation side that is taken from the training images by groups, and a sentence on it."""
    training = sides["training"]
    kept, drawn = split(dataset.take(training), share, seed, pixels=pixels)
    note = f"{what} has no validation side: {len(drawn)} of its {len(training)} training images are taken for it."
    return sides | {"training": training[kept], "validation": training[drawn]}, note


def _of_folds(dataset: Dataset, numbers: Mapping[int, str], fold: int | None) -> Sides:
    known = sorted(numbers)
    if fold is None:
        raise InputError(
            f"the split of data set {dataset.name!r} is {len(known)} folds: name the test side with --fold, "
            f"{known[0]} to {known[-1]}"
        )
    if fold not in numbers:
        raise InputError(f"--fold is {fold}, and data set {dataset.name!r} has the folds {', '.join(map(str, known))}")
    parts = {number: dataset.splits[name] for number, name in numbers.items()}
    return fold_sides([parts[number] for number in known], known.index(fold))


def fold_sides(parts: Sequence[np.ndarray], test: int) -> Sides:
    """The sides of one run of a cross-validation.

    Args:
        parts: the folds.
        test: position of the one that is the test side; the next one is the validation side.

    Returns:
        Training, validation and test; of two folds the validation side is empty.
    """
    following = (test + 1) % len(parts)
    nothing = np.zeros(0, np.int64)
    validation = parts[following] if len(parts) > 2 else nothing
    rest = [part for at, part in enumerate(parts) if at != test and (len(parts) == 2 or at != following)]
    return {"training": np.sort(np.concatenate(rest)), "validation": validation, "test": parts[test]}


def _sentence_of_fold(numbers: Mapping[int, str], fold: int | None, *, drawn: bool) -> str:
    known = sorted(numbers)
    assert fold is not None  # `_of_folds` refuses that
    if drawn:
        return (
            f"Fold {fold} of the data's own {len(known)} is the test side, and some images of the other one are for "
            "validation."
        )
    after = known[(known.index(fold) + 1) % len(known)]
    return f"Fold {fold} of the data's own {len(known)} is the test side, and fold {after} the validation side."


def side_name(text: str) -> str | None:
    """The side of a split that a name means: "training", "validation", "test", "fold 1"; None for other names.

    Example:
        >>> side_name("Train"), side_name("val"), side_name("Fold-2"), side_name("holdout")
        ('training', 'validation', 'fold 2', None)
    """
    fold = _FOLD.fullmatch(normal(text))
    if fold:
        return f"fold {int(fold[1])}"
    return spelling.side(text)


def _listed(own: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{side} ({len(positions)})" for side, positions in own.items())
