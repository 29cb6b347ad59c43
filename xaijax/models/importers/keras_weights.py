"""Weights of `keras.applications` models, from files or model objects, without importing Keras.

What a file says about its layers is read as data (JSON, HDF5), and nothing in it is run: the Lambda layers and custom
classes of a `.keras` file are refused, not loaded.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import Output
from xaijax.classifier import Classifier
from xaijax.models._files import reading, regular_file
from xaijax.models._notes import Note
from xaijax.models.importers import keras_files
from xaijax.models.importers.importing import Dense, build
from xaijax.models.importers.keras_files import Contents, Layer
from xaijax.models.importers.sources import recognise
from xaijax.models.zoo._weights import Source
from xaijax.preprocess import Preprocess, Style

LIBRARIES = ("keras",)
# Layers that may stand before or behind the backbone and change nothing in inference.
PASSIVE = frozenset(
    {"InputLayer", "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "ActivityRegularization"}
)
POOLS = {"GlobalAveragePooling2D": "average", "GlobalMaxPooling2D": "max", "Flatten": "flatten"}
JOINS = ("Add", "Concatenate")  # of the backbone's last block
ACTIVATIONS = ("Activation", "ReLU", "Softmax")
ENDINGS = ("linear", "softmax", "sigmoid")  # activations of the last layer
IMAGENET_STD = (0.229, 0.224, 0.225)


def from_keras(
    source: Any,
    architecture: str | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    preprocess: Preprocess | Style | None = None,
    pool: str | None = None,
    output: Output | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A classifier with the weights of a `keras.applications` model.

    The head may be another one than the published: global pooling or flattening, dropout, dense layers with ReLU, any
    class count. The activation at the end decides the output: softmax, sigmoid (findings), one sigmoid (binary).
    Rescaling and normalisation layers in the model become the classifier's preprocessing.

    Args:
        source: a `keras.Model` of any backend, or a `.keras`, `.h5`, `.hdf5` or `.weights.h5` file.
        architecture: a name of `list_models()`; default: recognised by the layers' names.
        input_shape: (H, W, C); default: the model's, or the size that the architecture is made for. With C = 1,
            weights of three channels are summed over them.
        classes: K names; default "0", "1", ...
        preprocess: what the weights expect of pixels in [0, 1]; default: the layers for it in the model, else what the
            `preprocess_input` of the architecture does.
        pool: `"average"`, `"max"` or `"flatten"`, for a file that does not say it; default: inferred.
        output: what the logits mean, see `Classifier`; default: what the activation at the end says, else softmax for
            two logits or more.
        notes: a list that gets a sentence for each assumption that the file does not settle.

    Returns:
        The classifier, with float32 parameters.

    Raises:
        FileNotFoundError: where there is no such file.
        ImportError: for a file without h5py.
        ValueError: for an unknown architecture, layers that are not understood, or entries that do not fit: all are
            listed.

    Example:
        >>> from xaijax import models
        >>> models.from_keras("model.onnx")
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: model.onnx must end in .keras, .h5, .hdf5 or .weights.h5
    """
    if hasattr(source, "layers") and hasattr(source, "weights"):
        contents = keras_files.from_model(source)
        return _convert(
            contents, architecture, f"the model {source.name}", input_shape, classes, preprocess, pool, output, notes
        )
    if Path(source).suffix.lower() not in (".keras", ".h5", ".hdf5"):
        raise InputError(f"{Path(source).name} must end in .keras, .h5, .hdf5 or .weights.h5")
    path = regular_file(source)
    with keras_files.opened(path) as contents:
        return _convert(contents, architecture, path.name, input_shape, classes, preprocess, pool, output, notes)


def _convert(
    contents: Contents,
    architecture: str | None,
    what: str,
    input_shape: Sequence[int] | None,
    classes: Sequence[str] | None,
    preprocess: Preprocess | Style | None,
    pool: str | None,
    output: Output | None,
    notes: list[str] | None,
) -> Classifier:
    entries = contents.entries
    row = recognise(entries, LIBRARIES, architecture, what)
    names = row.names(entries)
    with reading(what, "a model whose layers are understood"):
        parts = _split(contents, row, names, what)
        front = _front(parts.front, entries, contents.layers is None)
    usual = 3 if row.architecture.startswith("vgg") else 1
    if contents.layers is None and len(parts.head) > usual and notes is not None:
        text = f"{what} has {len(parts.head)} dense layers behind its backbone: ReLU is assumed between them"
        notes.append(Note(text, "model"))
    for layer in parts.front:
        for variable in ("mean", "variance", "count"):
            names.pop(f"{layer.name}/{variable}", None)
    named = {known: entries[name] for name, known in names.items()}
    return build(
        row,
        named,
        parts.head,
        what=what,
        outputs_first=False,
        pool=pool or parts.pool,
        input_shape=input_shape or contents.input_shape,
        classes=classes,
        preprocess=preprocess or front,
        output=output,
        said=_said(parts, entries),
        notes=notes,
    )


@dataclass(frozen=True)
class _Parts:
    """What stands before the backbone, and behind it."""

    front: list[Layer]
    head: list[Dense]
    pool: str | None
    ending: str | None = None  # the activation at the end; None where the file does not say it


def _split(contents: Contents, row: Source, names: Mapping[str, str], what: str) -> _Parts:
    entries = contents.entries
    backbone = {name.rsplit("/", 1)[0] for name, known in names.items() if row.table.target(known)}
    if contents.layers is None:
        dense = [name for name in entries if name.endswith("/kernel") and len(entries[name].shape) == 2]
        found = [Layer("Normalization", name.split("/")[0], {}) for name in entries if name.endswith("/variance")]
        return _Parts(found, [_dense(name.removesuffix("/kernel"), entries) for name in dense], None, None)
    layers = contents.layers
    places = [index for index, layer in enumerate(layers) if layer.name in backbone]
    if not places:
        return _Parts([], [], None)
    front: list[Layer] = []
    head: list[Layer] = []
    pool: str | None = None
    wrong: list[str] = []
    # Rescaling stands before the first weights; the layers without weights in the backbone's middle are the backbone's.
    for layer in layers[: places[0]]:
        if layer.kind in ("Rescaling", "Normalization"):
            front.append(layer)
        elif not (layer.kind in PASSIVE or layer.kind.startswith("Random") or layer.kind == "ZeroPadding2D"):
            wrong.append(f"{layer.kind} {layer.name} before the backbone")
    behind = layers[places[-1] + 1 :]
    for index, layer in enumerate(behind):
        last = index == len(behind) - 1
        if layer.kind in POOLS and pool is None:
            pool = POOLS[layer.kind]
            continue
        if layer.kind == "Dense" and pool is not None:
            head.append(layer)
            continue
        if pool is None and (layer.kind in JOINS or layer.name == "block5_pool"):
            continue
        if layer.kind in ACTIVATIONS and (pool is None or last or _followed_by_relu(behind, behind[index - 1])):
            continue
        if layer.kind not in PASSIVE:
            wrong.append(f"{layer.kind} {layer.name} behind the backbone")
    for index, layer in enumerate(head):
        activation = layer.config.get("activation", "linear")
        followed = _followed_by_relu(behind, layer)
        if index < len(head) - 1 and activation != "relu" and not (activation == "linear" and followed):
            wrong.append(f"Dense {layer.name} with activation {activation!r} (hidden layers have relu)")
        if index == len(head) - 1 and activation not in (*ENDINGS, None):
            wrong.append(f"Dense {layer.name} with activation {activation!r} (the last has softmax, sigmoid or none)")
    ending = _ending(behind, head)
    if ending not in ENDINGS:
        wrong.append(f"{ending!r} as the activation at the end (choose from softmax, sigmoid or none)")
    if wrong:
        raise InputError(f"{what} has layers that are not understood:\n  " + "\n  ".join(dict.fromkeys(wrong)))
    return _Parts(front, [_dense(layer.name, entries) for layer in head], pool, ending)


def _ending(behind: Sequence[Layer], head: Sequence[Layer]) -> str:
    """The activation behind the last layer with weights."""
    found = str((head[-1].config.get("activation") if head else None) or "linear")
    for layer in behind[behind.index(head[-1]) + 1 :] if head else behind:
        if layer.kind in ACTIVATIONS:
            own = str(layer.config.get("activation", "linear")) if layer.kind == "Activation" else layer.kind.lower()
            found = own if found == "linear" else found if own == "linear" else f"{found}, then {own}"
    # Where there is no dense head the ReLU of the backbone stands behind its last weights.
    return found if head else found.removeprefix("relu, then ").replace("relu", "linear")


def _said(parts: _Parts, entries: Mapping[str, Any]) -> Output | None:
    """What the activation at the end says that the output is."""
    if parts.ending == "sigmoid" and parts.head:
        return "binary" if entries[parts.head[-1].kernel].shape[-1] == 1 else "sigmoid"
    return "softmax" if parts.ending == "softmax" else None


def _followed_by_relu(layers: Sequence[Layer], layer: Layer) -> bool:
    for later in layers[layers.index(layer) + 1 :]:
        if later.kind == "ReLU" or (later.kind == "Activation" and later.config.get("activation") == "relu"):
            return True
        if later.kind not in PASSIVE:
            return False
    return False


def _dense(name: str, entries: Mapping[str, Any]) -> Dense:
    return Dense(f"{name}/kernel", f"{name}/bias" if f"{name}/bias" in entries else None)


def _front(front: Sequence[Layer], entries: Mapping[str, Any], unknown: bool) -> Preprocess | None:
    """Rescaling and normalisation layers as one affine function of pixels, or None where there are none."""
    if not front:
        return None
    factor, shift = np.full(1, 255.0), np.zeros(1)  # of pixels in [0, 1]; Keras' are in [0, 255]
    for layer in front:
        if layer.kind == "Rescaling":
            scale = np.asarray(layer.config["scale"], np.float64).ravel()
            offset = np.asarray(layer.config.get("offset", 0.0), np.float64).ravel()
            factor, shift = factor * scale, shift * scale + offset
            continue
        if f"{layer.name}/variance" in entries:
            mean, variance = (np.asarray(entries[f"{layer.name}/{key}"][:], np.float64) for key in ("mean", "variance"))
        else:
            mean, variance = (np.asarray(layer.config[key], np.float64).ravel() for key in ("mean", "variance"))
        if unknown:
            # Only EfficientNet keeps such variables: its first layer divides by 255, and where it was trained on
            # ImageNet another one follows, because the variances that it was given are standard deviations.
            factor = factor / 255.0
        std = np.maximum(np.sqrt(variance), 1e-7)
        factor, shift = factor / std, (shift - mean) / std
        if unknown and len(variance) == 3 and np.allclose(variance, IMAGENET_STD, atol=1e-6):
            again = 1 / np.sqrt(np.asarray(IMAGENET_STD))
            factor, shift = factor * again, shift * again
    mean, std = -shift / factor, 1 / factor
    if all(math.isclose(value, mean[0]) for value in mean) and all(math.isclose(value, std[0]) for value in std):
        mean, std = mean[:1], std[:1]
    return Preprocess(mean=tuple(map(float, mean)), std=tuple(map(float, std)))
