"""Decides what is clustered: data, images, and where their maps come from.

Everything that can be refused is refused here, before a run folder exists.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax import _names, _options
from xaijax._batches import padded
from xaijax._errors import InputError
from xaijax._runs.bundle import Bundle
from xaijax._runs.data import (
    choose,
    found_lines,
    held_out,
    note_lines,
    open_data,
    readable,
    scoring_seed,
    strata,
)
from xaijax._runs.given import matched, open_bundles
from xaijax._runs.models import Model, labels_of, open_models, refuse_untrained
from xaijax.clusters.config import ClustersConfig
from xaijax.data import Batch, Dataset
from xaijax.explain import METHODS, methods

PART = 16
"""Images in one part: the most that a killed run can lose."""
FEWEST = 12
"""Maps of fewer images are not clustered."""
SHOWN = 160
"""Pixels of the longer side of images whose maps come from a bundle, at least."""


@dataclasses.dataclass(frozen=True)
class Work:
    """A clustering, decided.

    Attributes:
        config: what was requested, with its defaults.
        dataset: where the images come from.
        cases: positions of the images in it.
        shape: (H, W, C) that images are brought to.
        skipped: (id, reason) of images that were chosen and cannot be read, or have no map in the bundle.
        reading: what was noted while they were read -> images.
        digests: of the pixels, masks and label of each image.
        method: whose maps are clustered, by its name in `METHODS` or in the bundle.
        options: of the method, those that were given.
        model: opened; None where the maps come from a bundle.
        bundle: the maps, or None where they are computed.
        rows: position of an image in the data set -> in the bundle.
        notes: sentences on what was assumed or left out.
    """

    config: ClustersConfig
    dataset: Dataset = dataclasses.field(repr=False)
    cases: tuple[int, ...]
    shape: tuple[int, int, int]
    skipped: tuple[tuple[str, str], ...]
    reading: Mapping[str, int]
    digests: tuple[str, ...] = dataclasses.field(repr=False)
    method: str
    options: Mapping[str, Any]
    model: Model | None
    bundle: Bundle | None
    rows: Mapping[int, int] = dataclasses.field(repr=False)
    notes: tuple[str, ...]

    @property
    def ids(self) -> list[str]:
        """Names of the images, in the order of the parts."""
        return [self.dataset.cases[case].id for case in self.cases]

    def parts(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and cases of each part."""
        starts = range(0, len(self.cases), PART)
        return [(f"{start // PART:05d}", self.cases[start : start + PART]) for start in starts]

    def read(self, cases: Sequence[int]) -> Batch:
        """Images with their masks.

        Raises:
            InputError: for an image that went away since the run was planned.
        """
        batch = self.dataset.read(list(cases), self.shape)
        if batch.skipped:
            name, reason = batch.skipped[0]
            raise InputError(f"the image {name} could be read when the run was planned but no longer can: {reason}")
        return batch

    def lines(self) -> list[str]:
        """What to say before work starts."""
        source = f"of the bundle {self.bundle.label}" if self.bundle else f"on {self.model.name}"  # type: ignore[union-attr]
        return [
            *found_lines(self.dataset),
            *self.notes,
            f"maps of {self.method} {source}, {len(self.cases)} images of {self.dataset.name}",
        ]


@dataclasses.dataclass(frozen=True)
class Answers:
    """What is known of the answers about some images, by the names of classes, `""` where it is not known."""

    label: list[str]
    predicted: list[str]
    explained: list[str]


def prepare(config: ClustersConfig, report: Callable[[float], None] | None = None) -> Work:
    """Opens data, and a model or a bundle, and chooses the images.

    Args:
        config: checked.
        report: called as `report(share)` while the images are looked through.

    Returns:
        The work.

    Raises:
        InputError: where anything is unknown, missing, or does not fit together, or too few images are left.
    """
    return _of_bundle(config, report) if config.maps else _of_model(config, report)


def _of_model(config: ClustersConfig, report: Callable[[float], None] | None) -> Work:
    (method,) = _names.match_all("method", config.methods, methods(without="masks"))
    options = _options.from_texts(config.set, {name: one.kinds for name, one in METHODS.items()}, used=(method,))
    refuse_untrained(config.model, config.data)
    dataset = open_data(config, seed=scoring_seed(config), classes=1)
    (model,), notes = open_models(config, dataset, config.data)
    classifier = model.classifier
    if classifier.output not in ("softmax", "binary"):
        raise InputError(
            f"the output of the model {model.path} is {classifier.output}; clusters takes models of classes that "
            "exclude each other: give --output softmax or binary where that is what it is"
        )
    why = METHODS[method].refusal(classifier)
    if why is not None:
        raise InputError(f"model {model.path}: {why}")
    if config.target not in ("label", "predicted", *classifier.classes):
        known = ["label", "predicted", *classifier.classes]
        raise InputError(
            f"--target is {config.target!r}, which is not a class of model {model.path}: "
            f"{_names.closest(config.target, known)}"
        )
    drawn = held_out(config, config.model, dataset)
    chosen = [drawn.positions[place] for place in choose(strata(dataset, drawn.positions), config.count, config.seed)]
    notes = [*notes, *drawn.notes]
    shape: Any = tuple(classifier.input_shape)
    given: dict[str, Any] = {"method": method, "options": options.get(method, {}), "model": model}
    return _work(config, dataset, chosen, shape, notes, report, given)


def _of_bundle(config: ClustersConfig, report: Callable[[float], None] | None) -> Work:
    (bundle,) = open_bundles(config.maps)
    if config.methods:
        (method,) = _names.match_all("method", config.methods, bundle.methods)
    elif len(bundle.methods) == 1:
        (method,) = bundle.methods
    else:
        raise InputError(
            f"the bundle {bundle.path} has maps of {', '.join(bundle.methods)}: name the one to cluster with --methods"
        )
    dataset = open_data(config, seed=scoring_seed(config), classes=1)
    pool = list(range(len(dataset)))
    if config.split not in ("auto", "all"):
        if config.split not in dataset.splits:
            there = ", ".join(dataset.splits) or "no split of their own"
            raise InputError(f"--split is {config.split}, and the data {config.data} have {there}")
        pool = [int(position) for position in dataset.splits[config.split]]
    rows = matched(bundle, dataset, pool, report or (lambda share: None))
    stored = bundle.maps(method, list(rows.values()))
    mapped = {case for case, heat in zip(rows, stored, strict=True) if np.isfinite(heat).all()}
    pool = [case for case in pool if case in mapped]
    if not pool:
        raise InputError(f"no image of {config.data} has a map of {method} in the bundle {bundle.path}")
    notes = []
    absent = len(dataset) - len(pool) if config.split in ("auto", "all") else 0
    if absent:
        notes.append(f"{absent} of the {len(dataset)} images have no map in the bundle {bundle.label}: left out.")
    chosen = [pool[place] for place in choose(strata(dataset, pool), config.count, config.seed)]
    height, width = bundle.methods[method].shape[1:]
    factor = max(1, -(-SHOWN // max(height, width)))
    given: dict[str, Any] = {"method": method, "bundle": bundle, "rows": rows}
    return _work(config, dataset, chosen, (factor * height, factor * width, 3), notes, report, given)


def _work(
    config: ClustersConfig,
    dataset: Dataset,
    chosen: Sequence[int],
    shape: tuple[int, int, int],
    notes: Sequence[str],
    report: Callable[[float], None] | None,
    given: Mapping[str, Any],
) -> Work:
    looked = readable(dataset, chosen, shape, report)
    if len(looked.cases) < FEWEST:
        why = f"; {looked.skipped[0][0]} cannot be read: {looked.skipped[0][1]}" if looked.skipped else ""
        raise InputError(
            f"{len(looked.cases)} images of {config.data} are left{why}; clusters need at least {FEWEST}: give "
            "more with --count, --split all or other data"
        )
    if config.clusters is not None and config.clusters > len(looked.cases) // 2:
        raise InputError(f"--clusters is {config.clusters}; it must be at most half of the {len(looked.cases)} images")
    lines = [*notes, *(f"{line}." for line in note_lines(looked.notes))]
    groups = [dataset.cases[case].group for case in looked.cases]
    known = [group for group in groups if group]
    if len(set(known)) < len(known):
        lines.append(
            f"The {len(looked.cases)} images are of {len(set(known))} patients: the tests count images of one patient "
            "as independent, so that their p-values are too small."
        )
    defaults: dict[str, Any] = {"options": {}, "model": None, "bundle": None, "rows": {}}
    return Work(
        config=config,
        dataset=dataset,
        cases=tuple(looked.cases),
        shape=shape,
        skipped=tuple(looked.skipped),
        reading=looked.notes,
        digests=tuple(looked.digests),
        notes=tuple(lines),
        **{**defaults, **given},
    )


def maps_of(work: Work, batch: Batch) -> tuple[np.ndarray, Answers]:
    """Evidence of some images, where higher means more important, and what was explained.

    Args:
        work: the clustering.
        batch: of `Work.read`.

    Returns:
        `[n, H, W]` float32, and the answers.

    Raises:
        InputError: for a model or a method that gives NaN.
    """
    names = work.dataset.classes
    labels = [names[label] for label in batch.labels]
    if work.bundle is not None:
        rows = [work.rows[int(case)] for case in batch.indices]
        evidence = work.bundle.evidence(work.method, work.bundle.maps(work.method, rows))
        predicted = [work.bundle.predicted[row] for row in rows]
        return evidence, Answers(labels, predicted, [work.bundle.targets[row] for row in rows])
    assert work.model is not None  # `prepare` gives one of the two
    return _computed(work, work.model, batch, labels)


def _computed(work: Work, model: Model, batch: Batch, labels: list[str]) -> tuple[np.ndarray, Answers]:
    size = min(PART, len(work.cases))  # one shape for all parts, so that what is compiled is compiled once
    classifier, config = model.classifier, work.config
    images = padded(batch.images, size)
    chances = np.asarray(classifier.predict(images))
    if not np.isfinite(chances).all():
        raise InputError(f"model {model.name} gives NaN or infinite probabilities; its checkpoint is damaged")
    guesses = chances.argmax(axis=1).astype(np.int32)
    if config.target == "predicted":
        explained = guesses
    elif config.target == "label":
        explained = padded(labels_of(model, batch.labels), size)
    else:
        explained = np.full(size, classifier.classes.index(config.target), np.int32)
    given = {"seed": config.seed, "batch_size": config.batch_size} | dict(work.options)
    method = METHODS[work.method]
    raw = np.asarray(method.maps(classifier, images, explained, **given), np.float32)[: len(batch)]
    bad = ~np.isfinite(raw).all(axis=(1, 2))
    if bad.any():
        raise InputError(
            f"the method {work.method} gives NaN or infinity on model {model.name} for {bad.sum()} of {len(batch)} "
            f"images ({batch.ids[int(np.argmax(bad))]} is the first); choose another method, or check the model"
        )
    classes = classifier.classes
    count = len(batch)
    answers = Answers(labels, [classes[k] for k in guesses[:count]], [classes[k] for k in explained[:count]])
    return np.asarray(method.evidence(raw), np.float32), answers
