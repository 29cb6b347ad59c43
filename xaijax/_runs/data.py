"""The data of a run: opened as the options say, and those images of it that may be used."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from xaijax import data
from xaijax._errors import InputError
from xaijax._runs import models
from xaijax._runs.options import DataOptions
from xaijax.data import Dataset
from xaijax.data.dataset import count_notes
from xaijax.data.reading import parse_window

PHANTOMS = "phantoms"
# Phantoms that are scored must be none of those that a model was trained on; training starts at seed 0.
SCORED_PHANTOMS = 1_000_003


def is_phantoms(source: str) -> bool:
    """Whether images are generated."""
    return source.partition(":")[0] == PHANTOMS


def open_data(
    options: DataOptions,
    *,
    size: int | None = None,
    seed: int | None = None,
    classes: int = 2,
    findings: bool = False,
) -> Dataset:
    """Opens the data of a run.

    Args:
        options: which.
        size: side in pixels of phantoms, where the model says it; None for their own default.
        classes: how many must have images.
        seed: of phantoms and cues where `--data-seed` does not give it; None for the readers' own.
        findings: whether the command takes data with several findings per image.

    Returns:
        The data set.

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
        fixed_anatomy=options.fixed_anatomy,
        cues=options.cues,
        correlation=options.correlation,
        covered=options.covered,
    )
    if dataset.multi_label and not findings:
        raise InputError(
            f"data set {dataset.name!r} gives an image several findings, and this command needs one class per image; "
            + ("leave --findings out" if options.findings else "name a column of classes with --label-column")
        )
    needed = 1 if dataset.multi_label else classes
    there = [name for name, count in dataset.class_counts().items() if count]
    if len(there) < needed and options.classes:
        raise InputError(
            f"--classes leaves images of {', '.join(there) or 'no class'} alone in {dataset.name}; at least {needed} "
            "classes are needed: name more, or leave --classes out"
        )
    if len(there) < needed and generated and options.count:
        raise InputError(
            f"--count is {options.count}, which generates images of {', '.join(there)} alone; at least {needed} "
            f"classes are needed: give --count {needed} or more"
        )
    dataset.require_classes(1 if dataset.multi_label else classes)
    return dataset


def scoring_seed(options: DataOptions) -> int | None:
    """The seed of phantoms and cues where explanations are scored; a folder has one for its cues alone."""
    if is_phantoms(options.data):
        return SCORED_PHANTOMS + options.seed
    return options.seed if options.cues else None


def digest_of(dataset: Dataset) -> str:
    """A short hash of a data set as a source of images, whichever of them a run draws.

    Generated images: how they are made, without seed and number. Files: how they are read, the classes, the name and
    class of every image, and the pixels of the first, middle and last; not where they lie.

    Example:
        >>> one, other = (data.open_dataset("phantoms", count=n, size=32, seed=n) for n in (3, 6))
        >>> digest_of(one) == digest_of(other)
        True
    """
    found = hashlib.sha256()
    options = dict(dataset.options)
    if is_phantoms(str(options.get("source", ""))):
        kept = {key: value for key, value in options.items() if not key.endswith("seed") and key != "count"}
        found.update(json.dumps([dataset.name, kept, list(dataset.classes)], sort_keys=True, default=str).encode())
        return found.hexdigest()[:16]
    options.pop("source", None)
    found.update(json.dumps([options, list(dataset.classes)], sort_keys=True, default=str).encode())
    for case in dataset.cases:
        found.update(f"{case.id}\n{case.label}\n{case.findings}\n".encode())
    for place in sorted({0, len(dataset) // 2, len(dataset) - 1}):
        try:
            pixels = dataset.cases[place].source.fingerprint()
        except (OSError, ValueError):
            pixels = "cannot be read"
        found.update(pixels.encode())
    return found.hexdigest()[:16]


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
    queues = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    turns = np.concatenate([np.arange(len(queue)) for queue in queues]) if queues else np.zeros(0, int)
    order = [int(case) for case in np.concatenate([*queues, np.zeros(0, int)])[np.argsort(turns, kind="stable")]]
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


class _Read(Protocol):
    """How images are read: `ReadingOptions`."""

    @property
    def transpose(self) -> bool: ...
    @property
    def window(self) -> tuple[str, ...]: ...


class _Split(_Read, Protocol):
    """What `held_out` needs to know: `DataOptions` with `SplitOptions`."""

    @property
    def data(self) -> str: ...
    @property
    def split(self) -> str: ...


@dataclass(frozen=True)
class Drawn:
    """The images to draw from.

    Attributes:
        positions: in the data set, ascending.
        which: what they are, in words: "test images", "images".
        unseen: whether all models name their training images, and these are none of them.
        notes: sentences on what had to be assumed.
    """

    positions: list[int]
    which: str = "images"
    unseen: bool = False
    notes: list[str] = field(default_factory=list)


def held_out(options: _Split, paths: Sequence[str], dataset: Dataset) -> Drawn:
    """The images that `--split` takes, as far as the models' folders and the data name their sides.

    Args:
        options: which split.
        paths: of the models.
        dataset: the data.

    Returns:
        The images, and notes on models that do not name theirs.

    Raises:
        InputError: where no image is left, where a side is wanted that neither a model nor the data name, or where a
            model was trained on the transposed images.
    """
    if options.split == "all":
        return Drawn(list(range(len(dataset))), notes=[note for path in paths for note in reading_notes(options, path)])
    if options.split.startswith("fold "):
        return _own_fold(options, dataset)
    inside: list[set[int]] = []  # of each model that names its sides
    sides: list[str] = []
    strangers: list[str] = []
    notes: list[str] = []
    for path in paths:
        known = _sides_of(options, path, dataset)
        if known is None:
            strangers.append(path)
            continue
        side = ("test" if "test" in known else "validation") if options.split == "auto" else options.split
        if not known.get(side):
            raise InputError(
                f"model {path} has no {side} images of {options.data}: use --split {' or '.join([*known, 'all'])}"
            )
        if options.split == "auto" and side == "validation":
            notes.append(f"Model {path} names no test images: its validation images are taken, which chose its epoch.")
        inside.append(set(known[side]))
        sides.append(side)
    own = dataset.splits
    wanted = "test" if options.split == "auto" else options.split
    unseen = not strangers and wanted != "training"
    if strangers and wanted in own and (options.split != "auto" or not inside):
        inside.append({int(position) for position in own[wanted]})
        sides.append(wanted)
        notes.append(
            f"Model {' and '.join(strangers)} does not say which images it was trained on: the data's own {wanted} "
            "side is taken."
        )
    elif strangers and options.split != "auto":
        raise InputError(
            f"model {strangers[0]} does not name its {options.split} images of {options.data}, and the data have no "
            "such side: use --split all"
        )
    elif not is_phantoms(options.data):
        notes += [
            f"Model {path} does not say which images it was trained on: some may be among these." for path in strangers
        ]
    if not inside:
        return Drawn(list(range(len(dataset))), notes=notes)
    left = set.intersection(*inside)
    if not left:
        what = "is on the training side" if wanted == "training" else "was left out of the training"
        raise InputError(
            f"no image {what} of all models: use --split all, fewer models, or models that were trained with the same "
            "--seed"
        )
    which = f"{sides[0]} images" if len(set(sides)) == 1 else "test and validation images"
    return Drawn(sorted(left), which, unseen, notes)


def _sides_of(options: _Split, path: str, dataset: Dataset) -> dict[str, list[int]] | None:
    """The sides of a model's training, or None where it does not know the data."""
    trained = models.training_of(path)
    found = models.sides_of(trained, dataset)
    if found is None:
        return None
    turned = bool(trained.get("config", {}).get("transpose", options.transpose))
    if turned != options.transpose:
        raise InputError(
            f"model {path} was trained with{'' if turned else 'out'} --transpose and this run is "
            f"with{'out' if turned else ''} it: give {'--transpose' if turned else 'no --transpose'}"
        )
    window = trained.get("config", {}).get("window", options.window)
    if parse_window(window) != parse_window(options.window):
        raise InputError(
            f"model {path} was trained on these images with --window {' '.join(map(str, window))}, which makes other "
            "pixels of them: give the same --window"
        )
    return found


def reading_notes(options: _Read, path: str) -> list[str]:
    """Sentences on how a model's training read images in another way than this run does, for images of any origin."""
    config = models.training_of(path).get("config", {})
    notes = []
    window = config.get("window", options.window)
    if parse_window(window) != parse_window(options.window):
        before, now = (" ".join(map(str, one)) for one in (window, options.window))
        notes.append(f"Model {path} was trained with --window {before}, and this run reads images with {now}.")
    if bool(config.get("transpose", options.transpose)) != options.transpose:
        notes.append(f"Model {path} was trained with{'out' if options.transpose else ''} --transpose, unlike this run.")
    return notes


def _own_fold(options: _Split, dataset: Dataset) -> Drawn:
    own = dataset.splits
    if options.split not in own:
        there = ", ".join(own) or "no split of their own"
        raise InputError(f"--split is {options.split}, and the data {options.data} have {there}: use --split all")
    note = f"Images are drawn from {options.split} of the data's own split, whatever the models were trained on."
    return Drawn([int(position) for position in own[options.split]], f"images of {options.split}", False, [note])


def described(dataset: Dataset, notes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """What `run.json` says of the data of a run.

    Args:
        dataset: the data.
        notes: what was noted while reading -> images; see `count_notes`.

    Returns:
        JSON values: the name, how the data were opened, images of each class, the roles of masks, the files that were
        found and left out, and the notes.
    """
    return {
        "name": dataset.name,
        "options": dict(dataset.options),
        "classes": dataset.class_counts(),
        "mask_role": dataset.mask_role,
        "roles": list(dataset.roles),
        "found": None if dataset.found is None else dataset.found.describe(),
        "notes": dict(notes or {}),
    }


def added_notes(*notes: Mapping[str, int]) -> dict[str, int]:
    """The notes of several sets of images together."""
    total: Counter[str] = Counter()
    for one in notes:
        total.update(one)
    return dict(total.most_common())


def note_lines(notes: Mapping[str, int]) -> list[str]:
    """A line for each note."""
    return [f"{count} image{'' if count == 1 else 's'}: {note}" for note, count in notes.items()]


def found_lines(dataset: Dataset) -> list[str]:
    """What to say of the files before work starts: what was left out, and what was assumed."""
    if dataset.found is None:
        return []
    lines = [
        f"{one.count} file{'' if one.count == 1 else 's'} left out: {reason} ({', '.join(one.examples)}"
        f"{' ...' if one.count > len(one.examples) else ''})"
        for reason, one in dataset.found.left_out.items()
    ]
    return [*lines, *dataset.found.notes]


@dataclass(frozen=True)
class Readable:
    """Those images that can be read.

    Attributes:
        cases: positions in the data set.
        skipped: (id, reason) of the others.
        notes: what was noted while reading -> images.
        roles: role -> images of which a mask was read.
        digests: of the pixels, masks and label of each, see `Batch.digests`.
    """

    cases: list[int]
    skipped: list[tuple[str, str]]
    notes: dict[str, int]
    roles: dict[str, int]
    digests: list[str]


def readable(dataset: Dataset, cases: Sequence[int], shape: Any, report: Any = None) -> Readable:
    """Looks through images once, so that the list of images is fixed before work starts.

    Args:
        dataset: the data.
        cases: positions in it.
        shape: (H, W, C) that they are brought to.
        report: called as `report(share)`, 0 to 1.

    Returns:
        Those that can be read, the others with the reason, and what was noted on the way.
    """
    good: list[int] = []
    skipped: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    digests: list[str] = []
    roles = dict.fromkeys(dataset.roles, 0)
    for number, case in enumerate(cases):
        try:
            batch = dataset.read([case], tuple(shape), digests=True)
            notes += batch.notes
            digests += batch.digests
            for role in roles:
                roles[role] += bool(batch.has_role[role][0])
            good.append(case)
        except ValueError as error:
            # The sentence names the data set and the image; the list of skipped images has both already.
            name = dataset.cases[case].id
            skipped.append((name, str(error).rpartition(f"{name}: ")[2]))
        if report is not None:
            report((number + 1) / len(cases))
    return Readable(good, skipped, count_notes(notes), roles, digests)
