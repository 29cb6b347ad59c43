"""Decides what a calibration does: data, model, images, metrics, and the cases of every construction.

Everything that can be refused is refused here, before a run folder exists.
"""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xaijax import _names, _options
from xaijax._batches import padded
from xaijax._errors import InputError
from xaijax._runs import answers, identity
from xaijax._runs.data import (
    choose,
    digest_of,
    found_lines,
    held_out,
    note_lines,
    open_data,
    readable,
    scoring_seed,
    strata,
)
from xaijax._runs.metrics import complete_settings, expand_metrics
from xaijax._runs.models import Model, labels_of, open_models, refuse_untrained
from xaijax.calibrate import cue
from xaijax.calibrate.config import CUE, DEFAULT_METRICS, CalibrateConfig
from xaijax.data import Batch, Dataset
from xaijax.metrics import FAMILIES, METRICS, calibration
from xaijax.metrics.calibration.cost import why_not

ALL = "all"
CASES = 4
"""Cases in one part: the most that a killed calibration can lose."""


@dataclasses.dataclass(frozen=True)
class Work:
    """A calibration, decided.

    Attributes:
        config: what was requested.
        dataset: where the images come from.
        model: opened.
        batch: the images that are read.
        skipped: (id, reason) of images that were chosen and cannot be read.
        reading: what was noted while they were read -> images.
        metrics: names.
        settings: {family: {option: value}} that were given, for those families that have them.
        plan: the cases; those of a planted cue come when it is there, see `xaijax.calibrate.cue`.
        groups: of the images: patients where they are named.
        sides: which images a cue is learnt on; None without the construction.
        notes: sentences on what was assumed or left out.
        predicted: (label, predicted class) -> images.
    """

    config: CalibrateConfig
    dataset: Dataset = dataclasses.field(repr=False)
    model: Model
    batch: Batch = dataclasses.field(repr=False)
    skipped: tuple[tuple[str, str], ...]
    reading: Mapping[str, int]
    metrics: tuple[str, ...]
    settings: Mapping[str, Mapping[str, Any]]
    plan: calibration.Plan = dataclasses.field(repr=False)
    notes: tuple[str, ...]
    groups: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    sides: cue.Sides | None = None
    predicted: answers.Pairs = dataclasses.field(default_factory=dict, repr=False)

    @property
    def parts(self) -> list[range]:
        """The numbers of the cases of each part."""
        many = len(self.plan.cases)
        return [range(start, min(start + CASES, many)) for start in range(0, many, CASES)]

    def passes(self) -> int:
        """Model passes that scoring takes, as an estimate; without the fine-tuning of a planted cue."""
        more = 0 if self.plan.planted is not None else cue.cases(self)
        return int(self.plan.passes(self.metrics, self.settings, more=more))

    def settings_in_use(self) -> dict[str, dict[str, Any]]:
        """All options of the families that are judged, defaults included, as JSON values."""
        return complete_settings(self.metrics, self.plan.settings(self.settings))

    def pixels(self) -> str:
        """A short hash of the images, masks and labels."""
        found = hashlib.sha256()
        for array in (self.batch.images, self.batch.masks, self.batch.labels):
            found.update(f"{array.shape} {array.dtype}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:16]

    def same(self) -> dict[str, Any]:
        """What must be the same on a worker, as JSON values: the pixels, the model, and the cases."""
        cases = hashlib.sha256()
        for one in self.plan.cases:
            cases.update(repr((one.construction, one.group, one.label, one.sources, one.weights)).encode())
            cases.update(b"" if one.visible is None else np.packbits(one.visible).tobytes())
        model = identity.of_model(self.model.describe())
        settings = self.settings_in_use()
        own = {
            "metrics": self.metrics,
            "settings": settings,
            "images": self.pixels(),
            f"model {self.model.name}": model,
        }
        return dict(json.loads(json.dumps(own | {"cases": cases.hexdigest()[:16]})))

    def data_digest(self) -> str:
        """A short hash of the data set; see `xaijax._runs.data.digest_of`."""
        return digest_of(self.dataset)

    def lines(self) -> list[str]:
        """What to say before work starts."""
        said = answers.lines(self.model.name, self.predicted, self.cautions)
        return [*found_lines(self.dataset), *self.notes, *said]

    @property
    def cautions(self) -> list[str]:
        """What is suspicious about the predictions of the model."""
        return answers.cautions(self.model.name, self.predicted, self.model.classifier.classes, self.model.path)


def prepare(config: CalibrateConfig, report: Callable[[float], None] | None = None) -> Work:
    """Opens data and model, chooses images and finds the cases.

    Args:
        config: checked.
        report: called as `report(share)` while the images are looked through.

    Returns:
        The work.

    Raises:
        InputError: where anything is unknown, missing, or does not fit together, or no image can be used.
    """
    metrics = _metrics(config)
    given = _options.from_texts(config.set, {name: one.kinds for name, one in FAMILIES.items()}, used=tuple(FAMILIES))
    refuse_untrained(config.model, config.data)
    dataset = open_data(config, seed=scoring_seed(config))
    (model,), notes = open_models(config, dataset, config.data)
    if model.classifier.output not in ("softmax", "binary"):
        raise InputError(
            f"the output of the model {model.path} is {model.classifier.output}; calibrate takes models of classes "
            "that exclude each other: give --output softmax or binary where that is what it is"
        )
    drawn = held_out(config, config.model, dataset)
    notes += drawn.notes
    shape: Any = tuple(model.classifier.input_shape)
    chosen = [drawn.positions[place] for place in choose(strata(dataset, drawn.positions), config.count, config.seed)]
    looked = readable(dataset, chosen, shape, report)
    if not looked.cases:
        first, reason = looked.skipped[0]
        raise InputError(
            f"none of the {len(looked.skipped)} images chosen from {config.data} can be read; the first, {first}: "
            f"{reason}"
        )
    notes += [f"{line}." for line in note_lines(looked.notes)]
    batch = dataset.read(looked.cases, shape)
    labels = labels_of(model, batch.labels)
    groups = [dataset.cases[case].group or dataset.cases[case].id for case in looked.cases]
    masks = batch.roles.get("lesion")
    if masks is None:
        notes.append("The data have no lesion masks: random parts that keep the prediction are shown instead.")
    made = calibration.plan(
        model.classifier,
        batch.images,
        labels,
        masks=masks,
        groups=groups,
        ids=list(batch.ids),
        depth=config.depth,
        constructions=[name for name in config.constructions if name != CUE] or None,
        seed=config.seed,
        batch_size=config.batch_size,
    )
    predicted = answers.pairs_of(model, batch, config.batch_size)
    if not made.cases:
        said = answers.cautions(model.name, predicted, model.classifier.classes, model.path)
        why = "; ".join([_why_none(made), *said])
        raise InputError(f"metrics cannot be calibrated for {model.path} on {config.data}: {why}")
    wanted = CUE in config.constructions
    planting = cue.sides(config, model, dataset, looked.cases, drawn.positions) if wanted else None
    settings = {family: given[family] for family in given if family in {METRICS[name].family for name in metrics}}
    unused = sorted(set(given) - set(settings))
    if unused:
        notes.append(f"Options of {' and '.join(unused)} change nothing here: no metric of theirs is judged.")
    return Work(
        config=config,
        dataset=dataset,
        model=model,
        batch=batch,
        skipped=tuple(looked.skipped),
        reading=looked.notes,
        metrics=metrics,
        settings=settings,
        plan=made,
        notes=tuple(notes),
        groups=tuple(groups),
        sides=planting,
        predicted=predicted,
    )


def seconds_per_pass(work: Work) -> float:
    """How long the model takes for one image in a full batch, measured."""
    size = work.config.batch_size
    images = padded(work.batch.images[:size], size)
    predict = work.model.classifier.predict
    np.asarray(predict(images))  # compiles
    begun = time.perf_counter()
    np.asarray(predict(images))
    return (time.perf_counter() - begun) / size


def _metrics(config: CalibrateConfig) -> tuple[str, ...]:
    if len(config.metrics) == 1 and _names.normal(config.metrics[0]) == ALL:
        return tuple(calibration.judgeable())
    found = expand_metrics(config.metrics)
    if not set(found) & set(calibration.judgeable()):
        why = "; ".join(f"{name}: {calibration.NOT_JUDGED[why_not(METRICS[name])]}" for name in found)
        raise InputError(
            f"--metrics names none that can be judged ({why}); name others, such as {' '.join(DEFAULT_METRICS[:2])}, "
            "or all"
        )
    return found


def _why_none(made: calibration.Plan) -> str:
    """Why no image gives a case, the most frequent reason of each construction."""
    found = []
    for construction, reasons in made.left_out.items():
        if reasons:
            reason, count = max(reasons.items(), key=lambda item: item[1])
            found.append(f"{construction}: {calibration.LEFT_OUT.get(reason, reason)} ({count} images)")
    return "; ".join(found) or "no image gives a case"
