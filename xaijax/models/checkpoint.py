"""Classifiers in files: arrays as safetensors, everything else as JSON in the file's header. Never pickle.

A checkpoint is a folder with `model.safetensors`, or such a file itself. The header's entry `xaijax` says the
architecture, classes, input shape, preprocessing and whatever the training wrote down. Loading reads one array after
another into place, so that it needs little more memory than the weights, and runs no code from the file.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from xaijax._errors import InputError
from xaijax._files import with_temporary
from xaijax._network.trees import flatten, put
from xaijax._outputs import Output, check_output, class_names
from xaijax.classifier import Architecture, Classifier, UnsupportedError
from xaijax.models import _files
from xaijax.models._files import Stored, reading, regular_file
from xaijax.models.importers.torch_graph import store
from xaijax.models.zoo import _create, entry
from xaijax.preprocess import PixelStatistics, Preprocess

FILE = "model.safetensors"
FORMAT = 1
HEADER = "xaijax"
DIGEST = "sha256"
EXPECTED = "a readable safetensors file"
GRAPH = "graph"  # in the place of an architecture: the header has the operations
READABLE = "a checkpoint that this version of xaijax reads"


def save(
    classifier: Classifier,
    path: str | Path,
    *,
    info: Mapping[str, Any] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> Path:
    """Write a classifier of the registry, or a converted PyTorch model, to a file.

    The file is written under another name and renamed, so that a killed process leaves no half of it.

    Args:
        classifier: made by `xaijax.models` (its architecture must be known to rebuild it).
        path: a file ending in `.safetensors`, or a folder, in which `model.safetensors` is written.
        info: JSON values to keep with it: metrics, the training command.
        dtype: of the stored weights; float16 halves the file and rounds the weights.

    Returns:
        The file's path.

    Raises:
        UnsupportedError: for a classifier from elsewhere.
        ValueError: for another dtype.
    """
    is_graph = store.is_graph(classifier)
    if classifier.architecture is None and not is_graph:
        raise UnsupportedError(
            "only classifiers made by xaijax.models can be saved; keep the module that made this one"
        )
    if dtype not in ("float32", "float16"):
        raise InputError(f"dtype must be float32 or float16; got {dtype!r}")
    header = {"format": FORMAT} | describe(classifier) | {"info": dict(info or {})}
    if is_graph:
        header |= store.header(classifier)
        tensors = store.tensors(classifier, dtype)
    else:
        tensors = {".".join(path): np.asarray(leaf, dtype) for path, leaf in flatten(classifier.params)}
    return write(Path(path) if Path(path).suffix == ".safetensors" else Path(path) / FILE, tensors, header)


def load(path: str | Path) -> Classifier:
    """Read a classifier.

    Loading one architecture twice does not compile anything twice.

    Args:
        path: a file, or a folder that holds `model.safetensors`.

    Returns:
        The classifier, with float32 parameters.

    Raises:
        FileNotFoundError: where there is no checkpoint.
        ValueError: for a file that is not a checkpoint of xaijax, or whose arrays are not those of its architecture:
            all differences are listed.
    """
    file, header = open_one(path)
    check_whole(file)
    return _graph(file, header) if is_graph(header) else rebuild(file, header)[0]


def is_graph(header: Mapping[str, Any]) -> bool:
    """Whether a file holds a converted graph, not a model of the registry."""
    return bool(header.get("architecture") == GRAPH)


def _graph(file: Path, header: Mapping[str, Any]) -> Classifier:
    """A converted graph from a file and its header."""
    with reading(str(file), READABLE, own=True):
        parts = store.parse(header)
        network, params = store.read(file, parts.graph)
        channels, height, width = parts.graph.image
        return Classifier.from_network(
            network,
            params,
            input_shape=(height, width, channels),
            classes=[str(name) for name in header["classes"]],
            preprocess=_preprocess(header),
            layer=parts.layer,
            output=check_output(str(header.get("output", "softmax"))),
            thresholds=tuple(map(float, header["thresholds"])) if "thresholds" in header else None,
        )


def _preprocess(header: Mapping[str, Any]) -> Preprocess:
    style = header["preprocess"]
    pixels = PixelStatistics.from_plain(style["pixels"]) if "pixels" in style else None
    return Preprocess(style["scale"], tuple(style["mean"]), tuple(style["std"]), style["order"], pixels)


def open_one(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """The file of one classifier and its header; refuses a cascade."""
    file = find(path)
    header = read_header(file)
    if "cascade" in header:
        raise InputError(f"{file} holds a cascade of several models; load it with xaijax.cascade.load")
    return file, header


def describe(classifier: Classifier) -> dict[str, Any]:
    """What a header says of a classifier of the registry, parameters apart."""
    architecture = classifier.architecture or Architecture(GRAPH)
    preprocess = classifier.preprocess
    # A file without it is a softmax, as all files were once.
    kind: dict[str, Any] = {} if classifier.output == "softmax" else {"output": classifier.output}
    kind |= {} if classifier.thresholds is None else {"thresholds": list(classifier.thresholds)}
    return {
        "architecture": architecture.name,
        "options": dict(architecture.options),
        "classes": list(classifier.classes),
        "input_shape": list(classifier.input_shape),
        "preprocess": preprocess.describe()
        | ({} if preprocess.pixels is None else {"pixels": preprocess.pixels.plain()}),
    } | kind


def rebuild(file: Path, header: Mapping[str, Any], *, stacked: int | None = None) -> tuple[Classifier, Any]:
    """A classifier from a file and its header.

    Args:
        file: that holds the arrays.
        header: of the file.
        stacked: how many parameter sets the arrays hold along a leading axis; None: one, without that axis.

    Returns:
        The classifier (of the first set), and all the parameters.

    Raises:
        ValueError: as `load`.
    """
    model = parse(file, header)
    architecture = model.architecture
    with reading(str(file), READABLE, own=True):  # the options are used for the first time
        shapes = _create.param_shapes(architecture, model.logits, model.input_shape)
    lead = () if stacked is None else (stacked,)
    expected = {key: (*lead, *leaf.shape) for key, leaf in flatten(shapes)}
    params: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        with reading(str(file), EXPECTED):
            tensors = stack.enter_context(safe_open(file, framework="numpy"))
            stored = {name: Stored(tensors.get_slice(name), str(file), EXPECTED) for name in tensors.keys()}  # noqa: SIM118
        found = {name: array.shape for name, array in stored.items()}
        check_tensors({".".join(key): own for key, own in expected.items()}, found, f"{file}", architecture.name)
        for key, own in expected.items():
            array = _files.zeros(own)
            _files.fill(array, stored[".".join(key)])
            put(params, key, _files.adopt(array))
    first = params if stacked is None else jax.tree.map(lambda leaf: leaf[0], params)
    made = _create.assemble(
        architecture,
        first,
        model.input_shape,
        model.classes,
        model.preprocess,
        output=model.output,
        thresholds=model.thresholds,
    )
    return made, params


@dataclass(frozen=True)
class Model:
    """What a header says of a model."""

    architecture: Architecture
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    preprocess: Preprocess
    info: Mapping[str, Any]
    output: Output = "softmax"
    thresholds: tuple[float, ...] | None = None

    @property
    def logits(self) -> int:
        """How many logits it returns for an image."""
        return 1 if self.output == "binary" else len(self.classes)


def parse(file: Path, header: Mapping[str, Any]) -> Model:
    """The header of a file as what it means; refuses a model that this version of xaijax cannot make."""
    if is_graph(header):
        raise InputError(f"{file} holds a converted model, none of an architecture of xaijax; open it with models.load")
    with reading(str(file), READABLE, own=True):
        made, options = entry(str(header["architecture"])), dict(header["options"])
        model = Model(
            architecture=Architecture(made.name, _create.frozen(options)),
            classes=tuple(str(name) for name in header["classes"]),
            input_shape=_create.image_shape(header["input_shape"]),
            preprocess=_preprocess(header),
            info=dict(header.get("info", {})),
            output=check_output(str(header.get("output", "softmax"))),
            thresholds=tuple(map(float, header["thresholds"])) if "thresholds" in header else None,
        )
        made.check(model.logits, model.input_shape, options)
        class_names(model.output, model.logits, model.classes)
    return model


def read_info(path: str | Path) -> dict[str, Any]:
    """What was kept with a checkpoint: metrics, the training command.

    Args:
        path: as for `load`.

    Returns:
        The `info` given to `save`, together with `architecture`, `classes`, `input_shape`.

    Raises:
        FileNotFoundError, ValueError: as `load`.
    """
    file = find(path)
    header = read_header(file)
    with reading(str(file), READABLE):
        info = dict(header.get("info", {}))
    return {key: header.get(key) for key in ("architecture", "classes", "input_shape")} | info


def check_tensors(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], source: str, model: str
) -> None:
    """Compare the arrays of a file with those of a model.

    Args:
        expected: name -> shape, as the model has them.
        found: name -> shape, as the file has them.
        source: what to call the file.
        model: what to call the model.

    Raises:
        ValueError: listing every missing, unknown and mis-shaped array.
    """
    problems = [f"missing {name} {list(shape)}" for name, shape in expected.items() if name not in found]
    problems += [f"unknown {name} {list(shape)}" for name, shape in found.items() if name not in expected]
    problems += [
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in found and tuple(found[name]) != tuple(shape)
    ]
    if problems:
        count = f"{len(problems)} array{'s' * (len(problems) > 1)} differ{'s' * (len(problems) == 1)}"
        raise InputError(f"{source} does not fit {model}: {count}: {'; '.join(problems)}")


def find(path: str | Path) -> Path:
    """The checkpoint file that `path` (a file or its folder) means; refuses a path without one."""
    path = Path(path).expanduser()
    if path.is_file():
        return path
    if (path / FILE).is_file():
        return path / FILE
    if not path.exists():
        raise FileNotFoundError(f"there is no checkpoint {path}; give a folder of xaijax train or a file of weights")
    if not path.is_dir():
        return regular_file(path)  # which refuses it
    raise FileNotFoundError(f"the folder {path} holds no {FILE}; give the folder that xaijax train wrote")


def description(file: Path) -> str | None:
    """The text in a safetensors file's header that makes it a checkpoint, or None; refuses what is not such a file."""
    with reading(str(file), EXPECTED), safe_open(file, framework="numpy") as tensors:
        return (tensors.metadata() or {}).get(HEADER)


def read_header(file: Path) -> dict[str, Any]:
    """The description in a checkpoint's header."""
    text = description(file)
    if text is None:
        raise InputError(
            f"{file} is not a checkpoint of xaijax: its header does not say the model; "
            "weights from elsewhere are converted with models.from_torch or models.from_keras"
        )
    with reading(str(file), READABLE):
        header = dict(json.loads(text))
    if header.get("format") != FORMAT:
        raise InputError(f"{file} has format {header.get('format')!r}; this version of xaijax reads format {FORMAT}")
    return header


def write(file: Path, tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> Path:
    """Write arrays and a JSON header, whole or not at all."""
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    text = json.dumps(header)
    metadata = {HEADER: text, DIGEST: _digest(text, sorted(arrays.items()))}
    with_temporary(file, lambda path: save_file(arrays, path, metadata=metadata))
    return file


def check_whole(file: Path) -> None:
    """Refuses a file whose arrays or header are not those that were written; one without a digest is not in question.

    Raises:
        InputError: naming the file.
    """
    with reading(str(file), EXPECTED), safe_open(file, framework="numpy") as tensors:
        metadata = tensors.metadata() or {}
        if DIGEST not in metadata:
            return
        arrays = ((name, tensors.get_tensor(name)) for name in sorted(tensors.keys()))
        found = _digest(metadata.get(HEADER, ""), arrays)
    if found != metadata[DIGEST]:
        raise InputError(
            f"{file} was changed after it was written: its checksum is another one; take a copy of it or train again"
        )


def _digest(text: str, arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    found = hashlib.sha256(text.encode())
    for name, array in arrays:
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
