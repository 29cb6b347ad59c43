"""The cells of a study: trainings, an evaluation of each data set, and for each chapter and data set a run.

A training lies in a folder that its content names, the options and a hash of the data. Another study with the same
options on the same data takes it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xaijax._errors import InputError
from xaijax._runs import command_line, options, training
from xaijax._runs.data import digest_of, is_phantoms, open_data
from xaijax._runs.models import training_of
from xaijax.data import Dataset
from xaijax.evaluate import EvaluateConfig
from xaijax.evaluate.report import file_name
from xaijax.study.reading import CLASSIFIERS, Chapter, Study, configured
from xaijax.train import TrainConfig

FREE = options.FREE | training.FREE
Kind = Literal["training", "evaluation", "bench", "cascade"]
FINISHED = "checksums.json"
"""A run folder has it once its command came to its end."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """A data set as far as the plan needs it.

    Attributes:
        name: in the study.
        dataset: opened, or None where it is not there.
        images: how many it has, or should have.
        why_not: why it cannot be opened; "" where it can.
    """

    name: str
    dataset: Dataset | None = dataclasses.field(repr=False)
    images: int
    why_not: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of its masks."""
        return () if self.dataset is None else tuple(self.dataset.roles)


@dataclasses.dataclass(frozen=True)
class Cell:
    """A unit of work with a folder of its own.

    Attributes:
        kind: what it is.
        name: unique in the study.
        data: the data set.
        models: their names in the study; of a training and a cascade one. Empty where the models are yet to be chosen.
        folder: of its run.
        chapter: that it belongs to.
        repeat: of a training: `seed 0`, `fold 2`.
        config: of a training; other configurations need the trainings.
    """

    kind: Kind
    name: str
    data: str
    models: tuple[str, ...]
    folder: Path
    chapter: str = CLASSIFIERS
    repeat: str = ""
    config: TrainConfig | None = None

    @property
    def finished(self) -> bool:
        """Whether its run came to its end."""
        return (self.folder / FINISHED).is_file()

    @property
    def begun(self) -> bool:
        """Whether its run can be resumed."""
        return (self.folder / "run.json").is_file()


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study and its cells, in the order in which they are done."""

    study: Study
    opened: Mapping[str, Opened]
    cells: tuple[Cell, ...]

    def of(self, kind: Kind, **wanted: str) -> list[Cell]:
        """The cells of a kind, with these values."""
        return [
            cell
            for cell in self.cells
            if cell.kind == kind and all(getattr(cell, name) == value for name, value in wanted.items())
        ]

    def models_of(self, chapter: Chapter) -> tuple[str, ...] | None:
        """The models of a chapter; None where they are chosen after the trainings."""
        if chapter.models == ("chosen",):
            return None if self.study.choose is not None else tuple(self.study.models)
        return tuple(self.study.models) if chapter.models == ("all",) else chapter.models


def open_all(study: Study, *, must: bool) -> dict[str, Opened]:
    """Opens the data sets of a study; one that is not there is counted by what its file says, unless it `must` be."""
    found = {}
    for name, one in study.data.items():
        config = configured("train", dict(one.options) | {"out": "."}, f"data {name}")
        try:
            size = study.training.get("size")
            dataset = open_data(config, size=size, findings=True)
        except (FileNotFoundError, NotADirectoryError) as error:
            if must:
                raise type(error)(f"data {name}: {error}; say where the data lie with --paths {name}=PATH") from None
            found[name] = Opened(name, None, one.images or 0, str(error))
            continue
        count = one.options.get("count")
        images = len(dataset) if not count or is_phantoms(config.data) else min(int(count), len(dataset))
        found[name] = Opened(name, dataset, images)
    return found


def plan(study: Study, opened: Mapping[str, Opened], out: Path, trainings: Path, device: str = "auto") -> Plan:
    """The cells of a study.

    Args:
        study: what is wanted.
        opened: its data sets.
        out: folder of the study.
        trainings: folder of the trainings.
        device: where to compute.
    """
    cells: list[Cell] = []
    trained = {name for chapter in study.chapters.values() if chapter.command == "bench" for name in chapter.data}
    # A study of cascades alone trains its own classifiers.
    sets = [name for name in study.data if name in trained]
    for name in sets:
        for model in study.models:
            for repeat, given in repeats(study):
                config = _training(study, name, model, given, trainings, device)
                key = content_key(config, opened[name].dataset)
                words = "-".join(filter(None, (name, model, repeat.replace(" ", ""))))
                folder = trainings / key / file_name(words)  # its name is what reports call the model
                config = dataclasses.replace(config, out=folder)
                cells.append(Cell("training", words, name, (model,), folder, repeat=repeat, config=config))
        cells.append(Cell("evaluation", f"evaluation-{name}", name, tuple(study.models), out / "evaluations" / name))
    made = Plan(study, opened, ())
    for chapter_name, chapter in study.chapters.items():
        models = made.models_of(chapter)
        for name in chapter.data:
            if chapter.command == "bench":
                words = f"{chapter_name}-{name}"
                cells.append(Cell("bench", words, name, models or (), out / "cells" / file_name(words), chapter_name))
            else:
                for model in models or tuple(study.models):
                    words = f"{chapter_name}-{name}-{model}"
                    folder = out / "cells" / file_name(words)
                    cells.append(Cell("cascade", words, name, (model,), folder, chapter_name))
    owners: dict[Path, str] = {}
    for cell in cells:
        other = owners.setdefault(cell.folder, cell.name)
        if other != cell.name:
            raise InputError(
                f"{other} and {cell.name} of the study would have one folder, {cell.folder}: give the data, models or "
                "chapters names that differ in more than signs"
            )
    return Plan(study, opened, tuple(cells))


def repeats(study: Study) -> list[tuple[str, dict[str, Any]]]:
    """The repeats of every training: their names, "" where there is one alone, and the options that differ."""
    if study.folds is not None:
        # The first seed divides and trains; a fold is a repeat of its own.
        return [
            (f"fold {fold}", {"folds": study.folds, "fold": fold, "seed": study.seeds[0]})
            for fold in range(1, study.folds + 1)
        ]
    if len(study.seeds) == 1:
        return [("", {"seed": study.seeds[0]})]
    return [(f"seed {seed}", {"seed": seed}) for seed in study.seeds]


def _training(
    study: Study, data: str, model: str, given: Mapping[str, Any], trainings: Path, device: str
) -> TrainConfig:
    own = {"model": model} | dict(study.training) | dict(study.models[model]) | dict(study.data[data].options)
    if "weights" in study.models[model] and "model" not in study.models[model]:
        own.pop("model", None)  # that of the weights
    where = f"training of {model} on {data}"
    made = configured("train", own | dict(given) | {"out": str(trainings), "device": device}, where)
    assert isinstance(made, TrainConfig)
    return made


def content_key(config: TrainConfig, dataset: Dataset | None) -> str:
    """A short hash of what a training is made of: its options and its data, not where they lie.

    The images are known by names, labels and a few pixels; the training itself refuses to resume with others.
    """
    plain = {name: value for name, value in command_line.plain(config).items() if name not in FREE}
    if dataset is not None and not is_phantoms(config.data):
        plain["data"] = digest_of(dataset)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:10]


def evaluation(plan: Plan, cell: Cell, device: str) -> EvaluateConfig:
    """The configuration of an evaluation, of the trainings that came to their end."""
    own = plan.study.data[cell.data].options
    names = set(EvaluateConfig.__dataclass_fields__)
    plain = configured("train", dict(own) | {"out": "."}, cell.name)
    given = {name: getattr(plain, name) for name in own if name in names and name != "data"}
    paths = [str(one.folder) for one in plan.of("training", data=cell.data) if one.finished]
    if not is_phantoms(plain.data):
        given.pop("count", None)  # which images the trainings took stands with them
    return EvaluateConfig(data=(plain.data,), model=tuple(paths), out=cell.folder, device=device, **given)  # type: ignore[arg-type]


def bench(plan: Plan, cell: Cell, models: Sequence[Cell], device: str, dropped: list[str]) -> Any:
    """The configuration of a run that explains and scores; None where nothing is left to score.

    Args:
        plan: the study.
        cell: of the run.
        models: their trainings.
        device: where to compute.
        dropped: sentences on what is left out are added here.
    """
    from xaijax import models as model_files
    from xaijax.explain import METHODS
    from xaijax.metrics import METRICS

    chapter = plan.study.chapters[cell.chapter]
    own = dict(plan.study.data[cell.data].options)
    if not is_phantoms(str(own["data"])):
        own.pop("count", None)
    given = own | {"seed": plan.study.seeds[0]} | dict(chapter.options)
    roles = set(plan.opened[cell.data].roles)
    metrics = given.get("metrics")
    if metrics is not None:
        without = [name for name in metrics if not set(METRICS[name].roles) <= roles]
        if without:
            wanted = sorted({role for name in without for role in METRICS[name].roles})
            dropped.append(f"{cell.data} has no {' and '.join(wanted)} masks: not scored are {', '.join(without)}")
        alone = [name for name in metrics if "variants" in METRICS[name].needs and len(models) < 2]
        if alone:
            dropped.append(f"one model has no others to agree with: not scored are {', '.join(alone)}")
        given["metrics"] = [name for name in metrics if name not in (*without, *alone)]
        if not given["metrics"]:
            return None
    if "methods" in given:
        opened = [(one.models[0], model_files.load(one.folder)) for one in models]
        kept = []
        for name in given["methods"]:
            refusing = [(model, METHODS[name].refusal(found)) for model, found in opened]
            why = next(((model, text) for model, text in refusing if text), None)
            if why is None:
                kept.append(name)
            else:
                dropped.append(f"{name} is left out: {why[0]} does not allow it ({why[1]})")
        given["methods"] = kept
        if not kept:
            return None
    given |= {"model": [str(one.folder) for one in models], "out": str(cell.folder), "device": device}
    return configured("bench", given, cell.name)


def cascade(plan: Plan, cell: Cell, device: str) -> Any:
    """The configuration of a cascade, which trains its own classifiers."""
    study = plan.study
    (model,) = cell.models
    given = {"model": model} | dict(study.training) | dict(study.models[model]) | dict(study.data[cell.data].options)
    given |= {"seed": study.seeds[0]} | dict(study.chapters[cell.chapter].options)
    names = set(TrainConfig.__dataclass_fields__) - {"interventions"}
    own = set(study.chapters[cell.chapter].options)
    given = {name: value for name, value in given.items() if name in names or name in own}
    return configured("cascade", given | {"out": str(cell.folder), "device": device}, cell.name)


def validation_score(cell: Cell, by: str) -> float:
    """A score of a finished training on its validation images."""
    from xaijax._runs.folder import read_json

    return float(read_json(cell.folder / "metrics.json", "training")[by])


def sides_of(cell: Cell) -> dict[str, int]:
    """Images of each side of a finished training."""
    known = training_of(cell.folder).get("data", {})
    return {side: len(known.get(side, ())) for side in ("training", "validation", "test")}
