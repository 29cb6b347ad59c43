"""The data of a run: opened as the options say, and those images of it that may be used."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from xaijax import data
from xaijax._errors import InputError
from xaijax._runs import models
from xaijax._runs.options import DataOptions
from xaijax.data import Dataset

PHANTOMS = "phantoms"


def is_phantoms(source: str) -> bool:
    """Whether images are generated."""
    return source.partition(":")[0] == PHANTOMS


def open_data(
    options: DataOptions, *, size: int | None = None, seed: int | None = None, findings: bool = False
) -> Dataset:
    """Opens the data of a run.

    Args:
        options: which.
        size: side in pixels of phantoms, where the model says it; None for their own default.
        seed: of phantoms and cues where `--data-seed` does not give it; None for the readers' own.
        findings: whether the command takes data with several findings per image.

    Returns:
        The data set, with two classes at least.

    Raises:
        InputError, FileNotFoundError, NotADirectoryError, ValueError: for data that are not there or not known.
    """
    generated = is_phantoms(options.data)
    dataset = data.open_dataset(
        options.data,
        mask_role=options.mask_role,
        mask_values=options.mask_values,
        window=options.window,
        transpose=options.transpose,
        classes=options.classes,
        allow_outside=options.allow_outside,
        labels=options.labels,
        image_column=options.image_column,
        label_column=options.label_column,
        group_column=options.group_column,
        split_column=options.split_column,
        count=(options.count or None) if generated else None,
        size=size if generated else None,
        seed=seed if options.data_seed is None else options.data_seed,
        lesions=options.lesions,
        findings=options.findings,
        cues=options.cues,
        correlation=options.correlation,
        covered=options.covered,
    )
    if dataset.multi_label and not findings:
        raise InputError(
            f"data set {dataset.name!r} gives an image several findings, and this command needs one class per image; "
            "name a column of classes with --label-column"
        )
    dataset.require_classes(1 if dataset.multi_label else 2)
    return dataset


def strata(dataset: Dataset, positions: Sequence[int] | None = None) -> np.ndarray:
    """`[N]` what images are drawn evenly over: their classes, or in a multi-label data set their sets of findings."""
    labels = dataset.labels if positions is None else dataset.labels[list(positions)]
    if not dataset.multi_label:
        return labels
    return np.unique(labels == 1, axis=0, return_inverse=True)[1].reshape(-1)


def choose(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Draws images evenly over the classes: shuffled within each class, then one class after the other in turn.

    Args:
        labels: `[N]` class of each image.
        count: how many; 0 for all. Fewer are returned where there are fewer.
        seed: of the shuffle.

    Returns:
        Positions in `labels`.

    Example:
        >>> [int(label) for label in np.array([0, 0, 0, 1, 1])[choose(np.array([0, 0, 0, 1, 1]), 4, seed=0)]]
        [0, 1, 0, 1]
    """
    rng = np.random.default_rng(seed)
    queues = [list(rng.permutation(np.flatnonzero(labels == label))) for label in np.unique(labels)]
    order: list[int] = []
    while any(queues):
        order += [int(queue.pop(0)) for queue in queues if queue]
    return order[: count or None]


def counted(options: DataOptions, dataset: Dataset, positions: Sequence[int] | None = None) -> list[int]:
    """The images that `--count` takes, drawn evenly over the classes by `--seed`.

    Args:
        options: of the run. Phantoms are all taken: as many were generated.
        dataset: the data.
        positions: to draw from; default: all.

    Returns:
        Positions, ascending.
    """
    given = list(range(len(dataset))) if positions is None else sorted(positions)
    if not options.count or is_phantoms(options.data) or options.count >= len(given):
        return given
    return sorted(given[place] for place in choose(strata(dataset, given), options.count, options.seed))


class _Split(Protocol):
    """What `held_out` needs to know: `DataOptions` with `SplitOptions`."""

    @property
    def data(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def transpose(self) -> bool: ...


def held_out(options: _Split, paths: Sequence[str], dataset: Dataset) -> tuple[list[int], bool, list[str]]:
    """The images that no model was trained on, as far as the models' folders tell.

    Args:
        options: which split.
        paths: of the models.
        dataset: the data.

    Returns:
        Positions in the data set, whether all models' training images are left out, and notes on models that do not
        name theirs.

    Raises:
        InputError: where no image is left, where `--split validation` is asked of a model that does not name its
            images, or where a model was trained on the transposed images.
    """
    everything = list(range(len(dataset)))
    if options.split == "all":
        return everything, False, []
    left: set[int] | None = None
    notes: list[str] = []
    for path in paths:
        trained = models.training_of(path)
        inside = models.validation_of(trained, dataset)
        if inside is None:
            if options.split == "validation":
                raise InputError(f"model {path} does not name its validation images of {options.data}: use --split all")
            if not is_phantoms(options.data):
                notes.append(f"Model {path} does not say which images it was trained on: some may be among these.")
            continue
        turned = bool(trained.get("config", {}).get("transpose", options.transpose))
        if turned != options.transpose:
            raise InputError(
                f"model {path} was trained with{'' if turned else 'out'} --transpose and this run is "
                f"with{'out' if turned else ''} it: give {'--transpose' if turned else 'no --transpose'}"
            )
        left = set(inside) if left is None else left & set(inside)
    if left is None:
        return everything, False, notes
    if not left:
        raise InputError(
            "no image was left out of the training of all models: use --split all, fewer models, or models that were "
            "trained with the same --seed"
        )
    return sorted(left), not notes, notes


def readable(
    dataset: Dataset, cases: Sequence[int], shape: Any, report: Any = None
) -> tuple[list[int], list[tuple[str, str]]]:
    """Looks through images once, so that the list of images is fixed before work starts.

    Args:
        dataset: the data.
        cases: positions in it.
        shape: (H, W, C) that they are brought to.
        report: called as `report(share)`, 0 to 1.

    Returns:
        Positions of those that can be read, and (id, reason) of the others.
    """
    good: list[int] = []
    skipped: list[tuple[str, str]] = []
    for number, case in enumerate(cases):
        try:
            dataset.read([case], tuple(shape))
            good.append(case)
        except ValueError as error:
            # The sentence names the data set and the image; the list of skipped images has both already.
            name = dataset.cases[case].id
            skipped.append((name, str(error).rpartition(f"{name}: ")[2]))
        if report is not None:
            report((number + 1) / len(cases))
    return good, skipped
