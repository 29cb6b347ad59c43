"""Makes tests/models/photographs/mobilenet_v2_keras.npz: the classes that Keras's MobileNetV2 gives 200 photographs.

python -m venv peer && peer/bin/pip install keras==3.15.1 jax==0.10.2 h5py pillow
peer/bin/python tests/parity/pretrained_keras.py DATA tests/models/photographs/mobilenet_v2_keras.npz

DATA holds `pretrained/mobilenet_v2_1.0_224_int8.npz` and `imagenet-samples`. Batch normalisation is in the file's
convolutions: Keras's layers of it get the bias and a scale that cancels their epsilon.
"""

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax
import keras
import numpy as np
from PIL import Image

SIDE = 224


def weight(arrays: Any, name: str) -> np.ndarray:
    """`[out, kh, kw, in]`, of depthwise convolutions `[1, kh, kw, channels]`, of the dense layer `[out, in]`."""
    quantised, scale = arrays[f"{name}/weight_q"].astype(np.float32), arrays[f"{name}/scale"]
    return quantised * (scale if quantised.shape[0] == 1 else scale.reshape(-1, *[1] * (quantised.ndim - 1)))


def load(model: Any, arrays: Any) -> None:
    """Every layer's weights from the entries under TensorFlow's names."""
    there = {key.rsplit("/", 1)[0] for key in arrays.files}
    odd = {"Conv_1": "out_relu", "Conv_1_bn": "out_relu", "bn_Conv1": "Conv1_relu"}
    for layer in model.layers:
        short = layer.name.removesuffix("_BN")
        found = [odd.get(layer.name), *(f"{short}{end}" for end in ("", "_relu", "_BN"))]
        name = next((entry for entry in found if entry in there), None)
        if isinstance(layer, keras.layers.BatchNormalization):
            bias = arrays[f"{name}/bias"]
            layer.set_weights([np.full_like(bias, (1 + layer.epsilon) ** 0.5), bias, 0 * bias, np.ones_like(bias)])
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            layer.set_weights([weight(arrays, name).transpose(1, 2, 3, 0)])
        elif isinstance(layer, keras.layers.Dense):
            layer.set_weights([weight(arrays, name).T, arrays[f"{name}/bias"]])


def centre_crop(path: Path) -> np.ndarray:
    """The short side to 256 pixels, bilinear, and the middle of that."""
    with Image.open(path) as image:
        picture = image.convert("RGB")
    scale = 256 / min(picture.size)
    width, height = (max(SIDE, round(length * scale)) for length in picture.size)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    whole = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(whole.crop((left, top, left + SIDE, top + SIDE)))


def main(data: Path, out: Path) -> None:
    model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
    with np.load(data / "pretrained" / "mobilenet_v2_1.0_224_int8.npz") as arrays:
        load(model, arrays)
    with (data / "imagenet-samples" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = np.stack([centre_crop(data / "imagenet-samples" / row["file"]) for row in rows])
    logits = np.concatenate([np.asarray(model(part / np.float32(127.5) - 1)) for part in np.split(images, 10)])
    largest = np.sort(logits, axis=1)
    made = {"keras": keras.__version__, "jax": jax.__version__, "command": "tests/parity/pretrained_keras.py DATA OUT"}
    np.savez_compressed(
        out,
        classes=logits.argmax(1).astype(np.uint16),
        margins=(largest[:, -1] - largest[:, -2]).astype(np.float32),
        made=json.dumps(made),
    )
    right = logits.argmax(1) == np.array([int(row["index"]) for row in rows])
    print(f"{right.sum()} of {right.size} right")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
