"""What is in Keras' files and models, as plain data: `layer/variable` -> array, and the list of layers.

Four layouts: Keras 3 weights (`.weights.h5`, groups `.../vars/0`), the archive `.keras` around them (with
`config.json`), the old HDF5 model (`.h5`, groups named by layer) with or without its configuration, and a model object.
"""

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax.models._files import Stored, reading

EXPECTED = "a readable Keras file"
NESTED = ("Functional", "Sequential", "Model")
# Variables of a layer by their number in Keras 3 files.
VARIABLES = {
    "conv2d": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "depthwise_conv2d": ("kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "normalization": ("mean", "variance", "count"),
}
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclass(frozen=True)
class Layer:
    """Class name, name and configuration of one layer."""

    kind: str
    name: str
    config: Mapping[str, Any] = field(hash=False, compare=False)


@dataclass(frozen=True)
class Contents:
    """What a file or model holds.

    Args:
        entries: `layer/variable` -> array, or what gives it by slices.
        layers: all layers in order, those of nested models in place of the model; None where the file does not say.
        input_shape: (H, W, C), or None.
    """

    entries: Mapping[str, Any]
    layers: list[Layer] | None
    input_shape: tuple[int, int, int] | None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Contents]:
    """The contents of a file, which stays open while they are read."""
    try:
        import h5py
    except ImportError:
        raise ImportError(f"reading {path.name} needs h5py; pip install 'xaijax[medical]'") from None
    what = path.name
    with contextlib.ExitStack() as stack:
        with reading(what, EXPECTED):
            config, weights = None, path
            if path.suffix.lower() == ".keras":
                archive = stack.enter_context(zipfile.ZipFile(path))
                config = json.loads(archive.read("config.json"))
                # HDF5 jumps to and fro, which is slow inside an archive.
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                weights = Path(archive.extract("model.weights.h5", folder))
            file = stack.enter_context(h5py.File(weights, "r"))
            if config is None and "model_config" in file.attrs:
                config = json.loads(_text(file.attrs["model_config"]))
            layers = None if config is None else list(_flat(config))
            if "layer_names" in file.attrs or "model_weights" in file:
                entries = _by_name(file.get("model_weights", file))
            else:
                entries = _by_number(file, what)
            stored = [(name, Stored(array, what, EXPECTED)) for name, array in entries]
            contents = Contents(_unique(stored, what), layers, None if layers is None else _input_shape(layers))
        yield contents


def from_model(model: Any) -> Contents:
    """The contents of a `keras.Model`."""
    layers: list[Layer] = []
    entries: list[tuple[str, Any]] = []

    def walk(layer: Any) -> None:
        if hasattr(layer, "layers"):
            for child in layer.layers:
                walk(child)
            return
        kind = type(layer).__name__
        config = layer.get_config() if kind not in ("Lambda",) else {}
        layers.append(Layer(kind, layer.name, config))
        entries.extend((f"{layer.name}/{_variable(weight.name)}", _Variable(weight)) for weight in layer.weights)

    walk(model)
    shape = _shape(getattr(model, "input_shape", None))
    return Contents(_unique(entries, f"the model {model.name}"), layers, shape or _input_shape(layers))


class _Variable:
    """A Keras variable of any backend, by slices."""

    def __init__(self, variable: Any) -> None:
        self.variable = variable
        self.shape = tuple(variable.shape)

    def __getitem__(self, index: Any) -> Any:
        return self.variable.numpy()[index]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _variable(name: str) -> str:
    return name.rsplit("/", 1)[-1].split(":")[0]


def _flat(config: Mapping[str, Any]) -> Iterator[Layer]:
    """Layers of a configuration, in order."""
    inside = config.get("config") or {}
    if config.get("class_name") in NESTED or "layers" in inside:
        layers = inside["layers"] if isinstance(inside, Mapping) else inside
        for layer in layers:
            yield from _flat(layer)
    else:
        yield Layer(str(config.get("class_name")), str(inside.get("name", config.get("name"))), inside)


def _shape(shape: Any) -> tuple[int, int, int] | None:
    if isinstance(shape, list | tuple) and len(shape) == 4 and all(isinstance(side, int) for side in shape[1:]):
        return (shape[1], shape[2], shape[3])
    return None


def _input_shape(layers: list[Layer]) -> tuple[int, int, int] | None:
    for layer in layers:
        if layer.kind == "InputLayer":
            found = _shape(layer.config.get("batch_shape") or layer.config.get("batch_input_shape"))
            if found:
                return found
    return None


def _by_name(group: Any) -> list[tuple[str, Any]]:
    """The old layout: each layer's group says the names of its weights."""
    entries = []
    for layer in group.attrs["layer_names"]:
        inside = group[_text(layer)]
        for name in map(_text, inside.attrs["weight_names"]):
            parts = name.split("/")
            owner = parts[-2] if len(parts) > 1 else _text(layer)
            entries.append((f"{owner}/{_variable(name)}", inside[name]))
    return entries


def _by_number(file: Any, what: str) -> list[tuple[str, Any]]:
    """The layout of Keras 3: variables have numbers, and the group of a layer has its name as an attribute."""
    entries: list[tuple[str, Any]] = []
    unnamed: list[str] = []

    def visit(path: str, node: Any) -> None:
        if not path.endswith("/vars") or path.startswith("optimizer") or "seed_generator" in path or not len(node):
            return
        numbers = sorted(node, key=int)
        if "name" not in node.attrs:
            unnamed.append(path)
            return
        kind = path.split("/")[-2].rstrip("0123456789").rstrip("_")
        name = _text(node.attrs["name"])
        names = _variables(kind, [node[number].shape for number in numbers])
        entries.extend((f"{name}/{variable}", node[number]) for variable, number in zip(names, numbers, strict=True))

    file.visititems(visit)
    if unnamed:
        raise InputError(
            f"{what} does not say the names of {len(unnamed)} layers (it was written by Keras 3.4 or older); "
            "load it with Keras and give the model itself"
        )
    return entries


def _variables(kind: str, shapes: list[tuple[int, ...]]) -> list[str]:
    if kind.startswith("batch_normalization"):
        # Without gamma (Inception) or, in fewer models, without beta: applications have no such one.
        return list(NORM[4 - len(shapes) :])
    names = next((names for known, names in VARIABLES.items() if kind == known), None)
    if kind.startswith(("conv2d", "depthwise_conv2d", "separable_conv2d")) and names is None:
        names = VARIABLES[kind.split("2d")[0] + "2d"]
    return [names[index] if names and index < len(names) else str(index) for index in range(len(shapes))]


def _unique(entries: list[tuple[str, Any]], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    twice = []
    for name, value in entries:
        if name in found:
            twice.append(name)
        found[name] = value
    if twice:
        raise InputError(f"{what} has several layers of one name: {', '.join(twice)}")
    return found
