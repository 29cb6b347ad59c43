"""The work of `xaijax evaluate`: any number of classifiers on any number of data sets, scored and compared.

    xaijax evaluate --data brain_mri/ --model runs/brain --out runs/brain_scores
    xaijax evaluate --data brain_mri/ chest/ --model runs/brain_* runs/chest_* --out runs/all

The out folder holds `evaluation.html` (one page), `evaluation.json` (all numbers), `summary.csv` (a row for each data
set and recipe), `tests.csv` (every pair), `per_class.csv`, `predictions.csv` (one line per image), `run.json`
(configuration, versions) and the figures `scores.svg`, `confusion.png`, `reliability.png` and `embedding.png`, the last
three one for each classifier. With several data sets or classifiers their names carry these.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import _names
from xaijax._errors import InputError
from xaijax._files import safe_names
from xaijax._runs import (
    classifier_figures,
    command_line,
    data,
    epochs,
    folder,
    models,
    options,
    progress,
    provenance,
)
from xaijax._runs.training import Images
from xaijax.data import Dataset
from xaijax.evaluate import gathering, report
from xaijax.evaluate.comparing import compare
from xaijax.evaluate.config import EvaluateConfig, OneData, checked, with_data
from xaijax.evaluate.gathering import Block, Recipe
from xaijax.evaluate.scoring import Scored, of_recipes, score

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class EvaluateResult:
    """What `run` gives.

    Attributes:
        out: the out folder.
        data: of each data set what `evaluation.json` says: `models`, `recipes`, `comparisons`.
    """

    out: Path
    data: tuple[dict[str, Any], ...]

    @property
    def metrics(self) -> tuple[dict[str, Any], ...]:
        """The scores of every classifier, of one data set after the other."""
        return tuple(row for one in self.data for row in one["models"])


@dataclass(frozen=True)
class _Opened:
    """A data set with the classifiers that know its classes."""

    name: str
    config: OneData
    dataset: Dataset
    recipes: tuple[Recipe, ...]
    blocks: list[Block]
    lines: list[str]
    left_out: dict[str, str]


def run(config: EvaluateConfig, *, console: "Console | None" = None) -> EvaluateResult:
    """The command `xaijax evaluate`.

    Args:
        config: what to score on what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder and the scores.

    Raises:
        InputError: for an out folder that is not empty, no classifier, a classifier or a data set that fits no other,
            or one that does not name its validation images where they are wanted.
        FileNotFoundError, NotADirectoryError: for data or classifiers that are not there.
        ValueError: for data of one class.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    config = checked(config)
    options.use_device(config)
    out = config.out.expanduser()
    folder.check_free(out, "evaluation", resume=None)
    assumed: list[str] = []
    classifiers = dict(zip(config.model, models.load(config.model, config, config.data[0], assumed), strict=True))
    opened = [_open(config, name, classifiers) for name in zip(_names.short(config.data), config.data, strict=True)]
    _refuse_unused(config, opened)
    for line in assumed:
        progress.say(console, line)
    command = command_line.repeat("evaluate", config, skip=("config", "json"))
    safe = safe_names([*(one.name for one in opened), *(model.name for model in _models(opened))])
    with folder.RunFolder(out, "evaluation", resume=None) as place:
        found: list[dict[str, Any]] = []
        described = []
        every: list[tuple[str, list[Scored]]] = []
        for one in opened:
            for line in one.lines:
                progress.say(console, line)
            scored = _score(config, one, out, console, safe, alone=len(opened) == 1)
            every.append((safe[one.name], scored))
            found.append(_found(one, scored, config.seed))
            described.append(_described(one, scored))
        place.describe(
            {
                "command": command,
                "config": command_line.plain(config),
                "models": [model.describe() for model in _models(opened)],
                # One data set as other commands describe theirs; several as a list.
                "data": described[0] if len(described) == 1 else described,
            }
            | provenance.describe()
        )
        whole = {"command": command, "data": found}
        folder.write_json(out / "evaluation.json", whole)
        report.write(out, whole, every, place.description())
    report.say(console, whole)
    progress.say(console, f"written to {out}")
    if config.json:
        print(json.dumps(whole, indent=2, ensure_ascii=False))
    return EvaluateResult(out, tuple(found))


def _open(config: EvaluateConfig, named: tuple[str, str], classifiers: dict[str, Any]) -> _Opened:
    name, source = named
    own = with_data(config, source)
    first = next(iter(classifiers.values()))
    dataset = data.open_data(own, size=first.input_shape[0], findings=True)
    chosen, notes, left_out = gathering.fitting(own, classifiers, dataset, only=len(config.data) == 1)
    found = gathering.recipes(chosen)
    blocks = gathering.blocks(own, found, dataset)
    drawn = [note for block in blocks for note in block.drawn.notes]
    lines = [*data.found_lines(dataset), *notes, *dict.fromkeys(drawn)]
    lines += [f"not scored on {name}: {why}" for why in left_out.values()]
    return _Opened(name, own, dataset, found, blocks, lines, left_out)


def _models(opened: Sequence[_Opened]) -> list[models.Model]:
    return list({model.path: model for one in opened for block in one.blocks for model in block.models}.values())


def _refuse_unused(config: EvaluateConfig, opened: Sequence[_Opened]) -> None:
    """Refuses a classifier that knows the classes of no data set."""
    used = {model.path for model in _models(opened)}
    for path in config.model:
        if path not in used:
            raise InputError(f"the model {path} fits none of the data sets: {opened[0].left_out[path]}")


def _score(
    config: EvaluateConfig, one: _Opened, out: Path, console: "Console", safe: Mapping[str, str], *, alone: bool
) -> list[Scored]:
    """Scores and figures of every classifier on its images of a data set; `safe` are names as parts of file names."""
    recipe_of = {model.path: (recipe.name, len(recipe.models)) for recipe in one.recipes for model, _ in recipe.models}
    many = len({model.path for block in one.blocks for model in block.models}) > 1
    found: list[Scored] = []
    for block in one.blocks:
        positions = np.asarray(data.counted(one.config, one.dataset, block.drawn.positions))
        images = Images.read(one.dataset, positions, block.models[0].classifier.input_shape)
        which = f"{block.drawn.which} of {one.dataset.name}" + (f" ({block.repeat})" if block.repeat else "")
        for line in (f"{len(images)} {which}", *data.note_lines(images.notes)):
            progress.say(console, line)
        epochs.say_skipped(console, images.skipped)
        for model in block.models:
            name = recipe_of[model.path][0]
            made = score(model, images, name, block.repeat, seed=config.seed, batch_size=config.batch_size)
            found.append(made)
            words = [] if alone else [safe[one.name]]
            words += [safe[model.name]] if many else []
            words += [block.repeat.replace(" ", "").replace(",", "-")] if _twice(model.path, one.blocks) else []
            suffix = "".join(f"-{word}" for word in words)
            classifier_figures.write_figures(
                out, model.classifier, made.images, models.labels_of(model, made.images.labels),
                _own_places(made), made.metrics, f"{model.name} on {which}", suffix,
            )  # fmt: skip
            made.metrics["figures"] = suffix
    return found


def _twice(path: str, blocks: Sequence[Block]) -> bool:
    return sum(path == model.path for block in blocks for model in block.models) > 1


def _own_places(made: Scored) -> np.ndarray:
    """`[N]` predicted classes as the model counts them, from their places among the data's."""
    order = list(made.model.class_index)
    order += [column for column in range(made.chances.shape[1]) if column not in order]
    return np.asarray(order)[made.predicted]


def _found(one: _Opened, scored: Sequence[Scored], seed: int) -> dict[str, Any]:
    """What `evaluation.json` says of a data set."""
    which = list(dict.fromkeys(block.drawn.which for block in one.blocks))
    skipped = {tuple(item): None for made in scored for item in made.images.skipped}
    return {
        "name": one.name,
        "source": one.config.data,
        "which": " and ".join(which),
        "images": len({name for made in scored for name in made.images.ids}),
        "classes": list(one.dataset.classes),
        "skipped": [list(item) for item in skipped],
        "left_out": one.left_out,
        "models": [
            {"model": made.model.path, "name": made.model.name, "recipe": made.recipe, "repeat": made.repeat}
            | made.metrics
            for made in scored
        ],
        "recipes": of_recipes(one.recipes, scored),
        "comparisons": compare(one.recipes, scored, seed=seed),
    }


def _described(one: _Opened, scored: Sequence[Scored]) -> dict[str, Any]:
    """What `run.json` says of a data set: its images by block where there are several."""
    blocks = {made.repeat: made.images for made in scored}
    notes = data.added_notes(*(images.notes for images in blocks.values()))
    ids = {repeat: images.ids for repeat, images in blocks.items()}
    return data.described(one.dataset, notes) | {
        "which": " and ".join(dict.fromkeys(block.drawn.which for block in one.blocks)),
        "images": next(iter(ids.values())) if len(ids) == 1 else ids,
    }
