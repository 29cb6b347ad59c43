"""Weights kept as plain arrays in `.npz` files: a quantised MobileNetV2 and a compressed SqueezeNet.

MobileNetV2: `L/weight_q` (int8) times `L/scale` (one number, or one for each output channel), and `L/bias`, with
TensorFlow's layer names and batch norm already in the convolutions. SqueezeNet: `L/weight` (OIHW) and `L/bias` with
Caffe's layer names, for BGR pixels.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax.classifier import Classifier
from xaijax.models.importers.convert import Rule
from xaijax.models.importers.importing import Dense, build
from xaijax.models.importers.sources import Source
from xaijax.preprocess import Preprocess

CAFFE_MEAN = Preprocess(scale=255.0, mean=(104.0, 117.0, 123.0), order="bgr")


def _rules(source: str, target: str, view: str) -> list[Rule]:
    return [(f"{source}/weight", f"{target}.kernel", view), (f"{source}/bias", f"{target}.bias", "same")]


MOBILENET = Source(
    "arrays",
    "mobilenet_v2",
    "folded",
    (
        *_rules("Conv1_relu", "stem.conv", "ohwi"),
        *_rules("expanded_conv_depthwise_relu", "blocks.block0.depthwise.conv", "1hwc"),
        *_rules("expanded_conv_project_BN", "blocks.block0.project.conv", "ohwi"),
        *_rules(r"block_(\d+)_depthwise_relu", "blocks.block{0}.depthwise.conv", "1hwc"),
        *_rules(r"block_(\d+)_(expand|project)_(?:relu|BN)", "blocks.block{0}.{1}.conv", "ohwi"),
        *_rules("out_relu", "top.conv", "ohwi"),
    ),
    1280,
    ("block_16_project_BN/weight", "out_relu/weight"),
    style="tf",
)
SQUEEZENET = Source(
    "arrays",
    "squeezenet",
    "caffe",
    (
        *_rules("conv1", "stem", "conv"),
        *_rules(r"(fire\d)/conv1x1_1", "{0}.squeeze", "conv"),
        *_rules(r"(fire\d)/conv1x1_2", "{0}.expand1", "conv"),
        *_rules(r"(fire\d)/conv3x3_2", "{0}.expand3", "conv"),
        *_rules("conv_final", "class_maps", "conv"),
    ),
    0,
    ("fire9/conv3x3_2/weight", "conv_final/weight"),
    first="stem.kernel",
    classes_at="conv_final/weight",
)


class _Scaled:
    """int8 times its scale, by slices of the first axis."""

    def __init__(self, values: np.ndarray, scale: np.ndarray) -> None:
        self.values, self.scale, self.shape = values, scale, values.shape

    def __getitem__(self, index: Any) -> np.ndarray:
        scale = self.scale
        if self.shape[0] == len(scale):
            scale = scale.reshape(-1, *[1] * (len(self.shape) - 1))[index]
        return self.values[index] * scale


def from_arrays(
    source: str | Path | Mapping[str, np.ndarray],
    *,
    input_shape: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
) -> Classifier:
    """A classifier from an `.npz` file in one of the two layouts of this module.

    Args:
        source: the file, or its arrays.
        input_shape: (H, W, C); default: (224, 224, 3) for MobileNetV2, (227, 227, 3) for SqueezeNet.
        classes: K names; default "0", "1", ...

    Returns:
        The classifier, with float32 parameters and the preprocessing of the weights.

    Raises:
        FileNotFoundError: where there is no such file.
        ValueError: for a file that is no `.npz`, other arrays, or arrays that do not fit: all are listed.

    Example:
        >>> from xaijax.models.importers.arrays import from_arrays
        >>> from_arrays({})
        Traceback (most recent call last):
        ...
        ValueError: the arrays are neither MobileNetV2 nor SqueezeNet as xaijax.models.importers.arrays describes them
    """
    what = "the arrays"
    if not isinstance(source, Mapping):
        path = Path(source).expanduser()
        what = path.name
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}")
        try:
            with np.load(path, allow_pickle=False) as file:
                source = {name: file[name] for name in file.files}
        except (ValueError, zipfile.BadZipFile, AttributeError) as error:
            raise ValueError(f"{what} is no .npz file of arrays: {error}") from error
    entries: dict[str, Any] = {}
    for name, array in source.items():
        if name.endswith("/weight_q"):
            layer = name.removesuffix("/weight_q")
            entries[f"{layer}/weight"] = _Scaled(array, np.asarray(source[f"{layer}/scale"]))
        elif not name.endswith("/scale"):
            entries[name] = array
    row = next((row for row in (MOBILENET, SQUEEZENET) if row.matches(entries)), None)
    if row is None:
        raise ValueError(
            f"{what} are neither MobileNetV2 nor SqueezeNet as xaijax.models.importers.arrays describes them"
        )
    squeeze = row is SQUEEZENET
    return build(
        row,
        entries,
        [] if squeeze else [Dense("predictions/weight", "predictions/bias")],
        what=what,
        outputs_first=True,
        pool=None,
        input_shape=input_shape or ((227, 227, 3) if squeeze else None),
        classes=classes,
        preprocess=CAFFE_MEAN if squeeze else None,
    )
