"""Which classifier is scored on which images: recipes of several trainings, and blocks of shared images.

A recipe is how a classifier was trained, without seed and fold. Trainings of one recipe are its repeats. Where every
recipe has one training, all classifiers are scored on the same images. Where one has several, the trainings of one seed
and fold are scored on the test images that they have in common: a block.
"""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from xaijax._errors import InputError
from xaijax._runs import data, models, options, training
from xaijax._runs.data import Drawn
from xaijax._runs.models import Model
from xaijax.data import Dataset
from xaijax.evaluate.config import OneData

REPEATED = ("seed", "fold", "split_file")
"""Options of a training in which the repeats of a recipe differ."""
FREE = {*REPEATED, *options.FREE, *training.FREE}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How some classifiers were trained.

    Attributes:
        name: a short one, unique in the evaluation.
        models: its trainings, with what their folders say of the repeat: `seed 0, fold 2`, or "".
    """

    name: str
    models: tuple[tuple[Model, str], ...]


@dataclasses.dataclass(frozen=True)
class Block:
    """Some classifiers on images that they have in common.

    Attributes:
        repeat: of their trainings; "" where no recipe has several.
        models: of each recipe at most one.
        drawn: the images.
    """

    repeat: str
    models: tuple[Model, ...]
    drawn: Drawn


def recipes(chosen: Sequence[Model]) -> tuple[Recipe, ...]:
    """The recipes of some classifiers, in their order; a classifier that no training left is one of its own."""
    found: dict[str, list[tuple[Model, str]]] = {}
    for model in chosen:
        config = models.training_of(model.path).get("config")
        if not isinstance(config, dict):
            found[model.path] = [(model, "")]
            continue
        key = json.dumps({name: value for name, value in config.items() if name not in FREE}, sort_keys=True)
        own = found.setdefault(key, [])
        repeat = _repeat(config)
        if any(repeat == one for _, one in own):
            found[model.path] = [(model, repeat)]  # the same options twice: not a repeat, whatever differs
        else:
            own.append((model, repeat))
    names = _names([[model for model, _ in own] for own in found.values()])
    return tuple(Recipe(name, tuple(own)) for name, own in zip(names, found.values(), strict=True))


def _repeat(config: dict[str, Any]) -> str:
    said = [f"seed {config.get('seed', 0)}"]
    if config.get("fold") is not None:
        said.append(f"fold {config['fold']}")
    if config.get("split_file"):
        said.append(f"split {config['split_file']}")
    return ", ".join(said)


def _names(groups: Sequence[Sequence[Model]]) -> list[str]:
    """A name for each recipe: that of its one model, else the architecture where no other recipe has it, else what the
    names of its models begin with."""
    found: list[str] = []
    kinds = [{_architecture(model) for model in group} for group in groups]
    for group, own in zip(groups, kinds, strict=True):
        name = group[0].name
        if len(group) > 1:
            (kind,) = own if len(own) == 1 else ("",)
            unique = kind and sum(kind in other for other in kinds) == 1
            name = kind if unique else _common([model.name for model in group])
        while name in found:
            name += "'"
        found.append(name)
    return found


def _architecture(model: Model) -> str:
    made = model.classifier.architecture
    return made.name if made is not None else ""


def _common(names: Sequence[str]) -> str:
    first, last = min(names), max(names)
    length = next((place for place, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    return first[:length].rstrip("-_ 0123456789") or names[0]


def blocks(config: OneData, found: Sequence[Recipe], dataset: Dataset) -> list[Block]:
    """The classifiers by the images that they share; see the module.

    Raises:
        InputError: where classifiers of a block have no image in common, and as `held_out`.
    """
    if all(len(recipe.models) == 1 for recipe in found):
        chosen = tuple(recipe.models[0][0] for recipe in found)
        return [Block("", chosen, data.held_out(config, [model.path for model in chosen], dataset))]
    repeats = list(dict.fromkeys(repeat for recipe in found if len(recipe.models) > 1 for _, repeat in recipe.models))
    made = []
    for repeat in repeats:
        shared: list[Model] = []
        for recipe in found:
            own = [model for model, name in recipe.models if name == repeat]
            if not own and len(recipe.models) == 1:
                model = recipe.models[0][0]
                # One that names no images of these data can be scored on those of every block.
                own = [model] if models.sides_of(models.training_of(model.path), dataset) is None else []
            shared += own
        made.append(Block(repeat, tuple(shared), data.held_out(config, [model.path for model in shared], dataset)))
    left = [
        recipe for recipe in found if not any(model in block.models for model, _ in recipe.models for block in made)
    ]
    for recipe in left:
        (model, repeat) = recipe.models[0]
        made.append(Block(repeat, (model,), data.held_out(config, [model.path], dataset)))
    return made


def fitting(
    config: OneData, classifiers: dict[str, Any], dataset: Dataset, *, only: bool
) -> tuple[tuple[Model, ...], list[str], dict[str, str]]:
    """The classifiers that know the classes of a data set.

    Args:
        config: of this data set.
        classifiers: path -> classifier.
        dataset: the data.
        only: whether it is the only data set: then one that does not fit is refused.

    Returns:
        The models, notes on what was assumed, and path -> why another one does not fit.

    Raises:
        InputError: as the argument `only` says.
    """
    fit: list[str] = []
    left_out: dict[str, str] = {}
    for path, classifier in classifiers.items():
        try:
            _check_output(config, path, classifier, dataset)
            models.with_classes([path], [classifier], dataset, config.data)
        except InputError as error:
            if only:
                raise
            left_out[path] = str(error)
        else:
            fit.append(path)
    if not fit:
        raise InputError(
            f"no model knows the classes of {config.data} ({', '.join(dataset.classes)}); add one that was trained on "
            "them, or leave these data out"
        )
    chosen, notes = models.with_classes(fit, [classifiers[path] for path in fit], dataset, config.data)
    return chosen, notes, left_out


def _check_output(config: OneData, path: str, classifier: Any, dataset: Dataset) -> None:
    """Refuses labels that a classifier's output is not about."""
    if classifier.output == "regression":
        raise InputError(f"the model {path} predicts numbers; data sets have classes or findings to score against")
    if (classifier.output == "sigmoid") != dataset.multi_label:
        wanted = "several findings to an image" if classifier.output == "sigmoid" else "one class per image"
        raise InputError(
            f"the output of the model {path} is {classifier.output}, which needs data with {wanted}; those of "
            f"{config.data} have {'several findings' if dataset.multi_label else 'one class per image'}: give "
            "--output, or other data"
        )
