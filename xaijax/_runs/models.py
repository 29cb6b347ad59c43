"""The trained models of a run: opened once, with the classes of the data, and what their training left."""

import dataclasses
import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from xaijax import models
from xaijax._errors import InputError
from xaijax._names import BUILTIN, closest, short
from xaijax._network.host import HostNetwork
from xaijax._runs import folder
from xaijax._runs.options import ModelOptions, preprocess_of
from xaijax.classifier import Classifier, UnsupportedError
from xaijax.data import Dataset
from xaijax.models._load import is_named, is_unnamed
from xaijax.models._shapes import OpenSizeError

UNSTEADY = 1e-3  # predictions of one image may differ by so much of the largest, as rounding makes them


@dataclasses.dataclass(frozen=True)
class Model:
    """A classifier of a run.

    Attributes:
        name: a short one, unique in the run.
        path: where it came from.
        classifier: itself.
        digest: a hash of its parameters.
        class_index: position of each class of the data among the classes of the model.
    """

    name: str
    path: str
    classifier: Classifier = dataclasses.field(repr=False)
    digest: str
    class_index: tuple[int, ...]

    def describe(self) -> dict[str, Any]:
        """What `run.json` keeps."""
        return {
            "name": self.name,
            "path": self.path,
            "digest": self.digest,
            "classes": list(self.classifier.classes),
            "input_shape": list(self.classifier.input_shape),
            "output": self.classifier.output,
            "preprocess": self.classifier.preprocess.describe(),
        }


def open_models(options: ModelOptions, dataset: Dataset, source: str) -> tuple[tuple[Model, ...], list[str]]:
    """Opens the models of a run and checks that they know the classes of the data.

    Args:
        options: which models, and what their files do not say.
        dataset: the data.
        source: its name on the command line, for messages.

    Returns:
        The models, and notes on what had to be assumed.

    Raises:
        InputError, FileNotFoundError, ValueError: for models that cannot be read or do not know the classes.
    """
    notes: list[str] = []
    loaded = load(options.model, options, source, notes)
    found, more = with_classes(options.model, loaded, dataset, source)
    return found, notes + more


def load(paths: Sequence[str], options: ModelOptions, source: str, notes: list[str]) -> list[Classifier]:
    """The classifiers alone, for where the data depend on them: phantoms are made at their size. See `open_models`."""
    refuse_untrained(paths, source)
    return [open_one(path, options, notes) for path in paths]


def open_one(path: str | Path, options: ModelOptions, notes: list[str]) -> Classifier:
    """One model as the options say it is read; sentences on what had to be assumed are added to `notes`."""
    named: dict[str, Any] = {}
    if is_named(path):
        named = {"weights": options.weights}
        if options.size is not None:
            named["input_shape"] = (options.size, options.size)  # the channels are the model's
    elif options.weights is not None:
        raise InputError(f"--weights are for a model that is named, such as timm:resnet18; {path} has its own")
    named |= {"output": options.output, "preprocess": preprocess_of(options), "notes": notes}
    try:
        found = models.load(path, **named)
    except OpenSizeError:
        if options.size is None:
            raise
        found = models.load(path, input_shape=(options.size, options.size), **named)
    if options.size is not None and not named:
        found = found.with_input_shape((options.size, options.size, found.input_shape[-1]))
    notes += unsteady(found, str(path))
    layer = getattr(options, "layer", None)
    return found if layer is None else with_layer(found, str(path), layer)


def unsteady(found: Classifier, path: str) -> list[str]:
    """A sentence for a black box that gives an image another prediction in another call, or next to other images.

    Dropout and batch norm in training mode do, and all scores are noise then.
    """
    if not found.network.host:
        return []
    images = np.random.default_rng(0).random((3, *found.input_shape), np.float32)
    try:
        together, turned, alone = (found.predict(some) for some in (images, images[::-1], images[:1]))
    except InputError:  # what is wrong with the predictions is said where they are used
        return []
    apart = np.abs(np.concatenate([turned[::-1] - together, alone - together[:1]]))
    most = float(np.max(apart, initial=0.0, where=np.isfinite(apart)))
    if most <= UNSTEADY * max(1.0, float(np.max(np.abs(together), initial=0.0, where=np.isfinite(together)))):
        return []
    return [
        f"{path} gives the same image other predictions in another call or next to other images (by up to {most:.2g}): "
        "is it in training mode, with dropout or batch norm? Call its eval() first."
    ]


def with_layer(found: Classifier, path: str, layer: str) -> Classifier:
    """A classifier with the layer that --layer names as its default one; `path` is its name in messages."""
    try:
        known = found.layers()
    except UnsupportedError as error:
        raise InputError(f"--layer is {layer!r}, but {path} has none to choose from: {error}") from error
    if layer not in known:
        raise InputError(f"--layer is {layer!r}, which is not a layer of {path}: {closest(layer, list(known))}")
    return dataclasses.replace(found, layer=layer)


def with_classes(
    paths: Sequence[str], classifiers: Sequence[Classifier], dataset: Dataset, source: str
) -> tuple[tuple[Model, ...], list[str]]:
    """The models of a run from their classifiers; see `open_models`."""
    found: list[Model] = []
    notes: list[str] = []
    for name, path, classifier in zip(short(paths), paths, classifiers, strict=True):
        if is_unnamed(classifier.classes) and len(classifier.classes) == len(dataset.classes):
            classes = tuple(dataset.classes)
            if classes != classifier.classes:
                notes.append(f"Model {name} does not name its classes: taken as {', '.join(classes)}, in this order.")
            classifier = dataclasses.replace(classifier, classes=classes)
        index = match_classes(dataset.classes, classifier.classes, f"model {path}", f"the data {source}")
        found.append(Model(name, path, classifier, digest_of(classifier), index))
    return tuple(found), notes


def labels_of(model: Model, labels: np.ndarray) -> np.ndarray:
    """Labels of the data as the model counts its classes; findings that the data do not have are not known (NaN)."""
    if labels.ndim == 1:
        return np.asarray(model.class_index, np.int32)[labels]
    found = np.full((len(labels), len(model.classifier.classes)), np.nan, np.float32)
    found[:, list(model.class_index)] = labels
    return found


def refuse_untrained(paths: Sequence[str], source: str) -> None:
    """Refuses architectures that are named where trained models are needed, and describes how to train them."""
    known = models.list_models()
    bare = [name for name in paths if name in known and not Path(name).exists()]
    if not bare:
        return
    train = shlex.join(["xaijax", "train", "--data", source, "--model", bare[0], "--out", f"runs/{bare[0]}"])
    others = f" (likewise {', '.join(bare[1:])})" if len(bare) > 1 else ""
    folders = " ".join(f"runs/{name}" for name in bare)
    raise InputError(
        f"the model{'s' if len(bare) > 1 else ''} {', '.join(bare)} must be trained first: run `{train}`{others}, then "
        f"give --model {folders}"
    )


def match_classes(wanted: Sequence[str], known: Sequence[str], model: str, source: str) -> tuple[int, ...]:
    """Where each class of the data stands among the classes of the model; names must agree, their order need not.

    Example:
        >>> match_classes(["cat", "dog"], ["dog", "cat", "fox"], "model m", "the data d")
        (1, 0)
    """
    known = list(known)
    unnamed = known == [str(number) for number in range(len(known))]
    if unnamed and len(known) == len(wanted):
        return tuple(range(len(known)))
    absent = [name for name in wanted if name not in known]
    if unnamed and absent:
        raise InputError(
            f"{model} has {len(known)} output{'s' * (len(known) != 1)}, which it does not name, and {source} have "
            f"{len(wanted)} classes ({', '.join(wanted)}): give a model that was trained on these classes, or that "
            "names its own"
        )
    if absent:
        raise InputError(
            f"{model} knows the classes {', '.join(known)}, but {source} have {', '.join(wanted)}: give a model "
            f"that was trained on these classes ({absent[0]!r} is missing)"
        )
    return tuple(known.index(name) for name in wanted)


def digest_of(classifier: Classifier) -> str:
    """A short hash of a model: of its parameters, or of what a black box says of itself."""
    if isinstance(classifier.network, HostNetwork):
        return classifier.network.fingerprint
    return digest(classifier.params)


def digest(params: Any) -> str:
    """A short hash of all parameters, so that a run that resumes notices another model under the same path."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        array = np.asarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def training_of(path: str | Path) -> dict[str, Any]:
    """What `xaijax train` left in `run.json` next to a model; empty where there is none."""
    if str(path) == BUILTIN:
        return {}
    file = Path(path).expanduser()
    file = (file if file.is_dir() else file.parent) / folder.DESCRIPTION
    try:
        found = folder.read_json(file, "training")
    except InputError:
        return {}
    return found if found.get("kind") == "training" else {}


def sides_of(trained: dict[str, Any], dataset: Dataset) -> dict[str, list[int]] | None:
    """The sides of a training, or None where it does not know this data set.

    Args:
        trained: of `training_of`.
        dataset: the data.

    Returns:
        side -> positions of its images: "training", "validation", and "test" where the training kept such images.
    """
    known_data = trained.get("data", {})
    try:
        validation, training = set(known_data["validation"]), set(known_data["training"])
        test = set(known_data.get("test", ()))
        # Images that --count left out may show the patients of the others.
        left_out = set(known_data.get("left_out", ()))
    except (KeyError, TypeError):
        return None
    options = known_data.get("options", {})
    # Generated images of another seed have the same names.
    if "source" not in options and options != dict(dataset.options):
        return None
    ids = [case.id for case in dataset.cases]
    # The same file names in another data set say nothing: the training must know nearly all of these images.
    every = training | validation | test | left_out
    if sum(name in every for name in ids) < len(ids) / 2:
        return None
    places = {name: position for position, name in enumerate(ids)}
    found = {"training": sorted(places[name] for name in training if name in places)}
    if test:
        named = {"validation": validation, "test": test}
        return found | {side: sorted(places[name] for name in own if name in places) for side, own in named.items()}
    # All that the training did not see.
    rest = [position for position, name in enumerate(ids) if name not in training and name not in left_out]
    return found | {"validation": rest}
