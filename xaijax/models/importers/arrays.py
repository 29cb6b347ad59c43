"""Weights kept as plain arrays in `.npz` files: a quantised MobileNetV2 and a compressed SqueezeNet.

MobileNetV2: `L/weight_q` (int8) times `L/scale` (one number, or one for each output channel), and `L/bias`, with
TensorFlow's layer names and batch norm already in the convolutions. SqueezeNet: `L/weight` (OIHW) and `L/bias` with
Caffe's layer names, for BGR pixels.
"""

import contextlib
import functools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._outputs import Output
from xaijax.classifier import Classifier
from xaijax.models._files import Stored, reading, regular_file
from xaijax.models.importers.importing import Dense, build
from xaijax.models.zoo._entry import sources

LIBRARY = "arrays"
EXPECTED = "a readable .npz file of arrays"


def from_arrays(
    source: str | Path | Mapping[str, np.ndarray],
    *,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    output: Output | None = None,
    notes: list[str] | None = None,
) -> Classifier:
    """A classifier from an `.npz` file in one of the two layouts of this module.

    Args:
        source: the file, or its arrays.
        input_shape: (H, W, C); default: (224, 224, 3) for MobileNetV2, (227, 227, 3) for SqueezeNet.
        classes: K names; default "0", "1", ...
        output: what the logits mean, see `Classifier`; default: softmax.
        notes: a list that gets a sentence for each assumption that the file does not settle.

    Returns:
        The classifier, with float32 parameters and the preprocessing of the weights.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for a file that is not an `.npz`, other arrays, or arrays that do not fit: all are listed.

    Example:
        >>> from xaijax.models.importers import from_arrays
        >>> from_arrays({})
        Traceback (most recent call last):
        ...
        xaijax._errors.InputError: the mapping holds neither MobileNetV2 nor SqueezeNet in the layout of ...
    """
    if isinstance(source, Mapping):
        return _convert(source, "the mapping", input_shape, classes, output, notes)
    path = regular_file(source)
    with _opened(path) as arrays:
        return _convert(arrays, path.name, input_shape, classes, output, notes)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[dict[str, Any]]:
    """The arrays of an `.npz` file by name; none is unpacked before it is read."""
    with contextlib.ExitStack() as stack:
        with reading(path.name, EXPECTED):
            archive = stack.enter_context(zipfile.ZipFile(path))
            members = {name.removesuffix(".npy"): _Member(archive, name) for name in archive.namelist()}
            arrays = {name: Stored(member, path.name, EXPECTED) for name, member in members.items()}
        yield arrays


class _Member:
    """An array of the archive: its shape is read at once, its values when they are wanted."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.archive, self.name = archive, name
        with archive.open(name) as file:
            version = np.lib.format.read_magic(file)
            layout = np.lib.format
            header = (layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0)(file)
            self.shape = header[0]

    @functools.cached_property
    def values(self) -> np.ndarray:
        with self.archive.open(self.name) as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def __getitem__(self, index: Any) -> np.ndarray:
        return self.values[index]


class _Scaled:
    """int8 times its scale, by slices of the first axis."""

    def __init__(self, values: Any, scale: Any) -> None:
        self.values, self.shape = values, values.shape
        self.scale = scale

    def __getitem__(self, index: Any) -> np.ndarray:
        scale = np.atleast_1d(np.asarray(self.scale[...]))
        if self.shape[0] == len(scale):
            scale = scale.reshape(-1, *[1] * (len(self.shape) - 1))[index]
        return self.values[index] * scale


def _convert(
    arrays: Mapping[str, Any],
    what: str,
    input_shape: Sequence[int] | None,
    classes: Sequence[str] | None,
    output: Output | None,
    notes: list[str] | None,
) -> Classifier:
    entries: dict[str, Any] = {}
    for name, array in arrays.items():
        if name.endswith("/weight_q"):
            layer = name.removesuffix("/weight_q")
            scale = arrays.get(f"{layer}/scale")
            shape = tuple(array.shape)
            if scale is None or tuple(scale.shape) not in {(), (1,), shape[:1], shape[-1:]}:
                raise InputError(f"{what} must have {layer}/scale for {name}: one number, or one for each channel")
            entries[f"{layer}/weight"] = _Scaled(array, scale)
        elif not name.endswith("/scale"):
            entries[name] = array
    row = next((row for row in sources() if row.library == LIBRARY and row.matches(entries)), None)
    if row is None:
        raise InputError(
            f"{what} holds neither MobileNetV2 nor SqueezeNet in the layout of `from_arrays`: save the model as "
            ".safetensors, .keras or .onnx"
        )
    return build(
        row,
        entries,
        [] if row.classes_at else [Dense("predictions/weight", "predictions/bias")],
        what=what,
        outputs_first=True,
        pool=None,
        input_shape=input_shape,
        classes=classes,
        preprocess=row.style,  # the layout is that of two files, whose pixels are known
        output=output,
        notes=notes,
    )
