"""Keras models as graphs against Keras's JAX backend: the table of docs/studies/models.md, and the files of the tests.

python -m venv peer && peer/bin/pip install keras==3.15.1 jax==0.10.2 h5py . && export JAX_PLATFORMS=cpu
peer/bin/python tests/parity/keras_models.py --rows rows.jsonl [--only NAME ...] [--write docs/studies/models.md]
peer/bin/python tests/parity/keras_models.py --data tests/models/data/graphs_of_keras

Each model has random weights, batch-norm statistics, scales and biases. Errors are the largest difference over the
largest magnitude, of the logits and of the gradient of a random mixture of them with respect to the image, in float32
(custom models also in float64) on both sides. Models of `keras.applications` are converted layer by layer, also where
the registry has their architecture. `--data` writes narrow models as `.keras` files, with what Keras gives for them in
float64.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import keras
import numpy as np
from keras import layers as L  # noqa: N812  Keras's own examples do so

from xaijax.classifier import Classifier
from xaijax.models.importers import keras_models
from xaijax.models.importers.keras_graph import files

MARKS = ("<!-- keras: written by tests/parity/keras_models.py -->", "<!-- end of keras -->")


def sequential() -> Any:
    """Rescaling, convolutions with activations, poolings with both paddings, flattening."""
    return keras.Sequential(
        [
            L.Input((29, 31, 3)),
            L.RandomFlip(),
            L.Rescaling(1 / 255),
            L.Conv2D(8, 5, strides=2, padding="same", activation="relu", name="first"),
            L.MaxPooling2D(3, 2, padding="same"),
            L.Conv2D(8, (3, 2), padding="same", activation="swish"),
            L.AveragePooling2D(2, 1, padding="same"),
            L.ZeroPadding2D(((1, 0), (0, 2))),
            L.Conv2D(12, 3, dilation_rate=2, activation="gelu", use_bias=False, name="last"),
            L.AveragePooling2D(3, 2, padding="same"),
            L.Flatten(),
            L.Dropout(0.5),
            L.Dense(16, activation="elu"),
            L.Dense(4, activation="softmax", name="out"),
        ],
        name="cnn",
    )


def functional() -> Any:
    """Branches that are joined, a squeeze-and-excitation block, operators, batch norm behind dense layers."""
    image = L.Input((32, 32, 3), name="image")
    x = keras.applications.imagenet_utils.preprocess_input(image, mode="tf")
    x = L.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    x = L.ReLU(6.0)(L.BatchNormalization(scale=False, name="stem_norm")(x))
    a = L.Conv2D(8, 3, strides=2, padding="same", name="a")(x)
    b = L.MaxPooling2D()(L.Conv2D(8, 1, name="b")(x))
    s = L.GlobalAveragePooling2D()(a)
    s = L.Dense(8, activation="hard_sigmoid", name="gate")(L.Dense(4, activation="relu", name="squeeze")(s))
    a = L.Multiply()([a, L.Reshape((1, 1, 8))(s)])
    x = L.Add()([a, b]) * 0.5 + keras.ops.relu(a - b)
    x = L.Concatenate()([x, L.Average()([a, b]), L.Maximum()([a, b])])
    x = L.LeakyReLU(negative_slope=0.1)(L.GroupNormalization(4, name="group")(x))
    x = L.Conv2D(16, 3, groups=2, name="grouped")(x)
    x = keras.ops.mean(x, axis=(1, 2))
    x = L.BatchNormalization(name="head_norm")(x)
    x = L.Activation("softplus")(L.Dense(10, name="hidden")(x))
    x = L.BatchNormalization(name="hidden_norm", center=False)(x)
    return keras.Model(image, L.Activation("softmax", name="end")(L.Dense(5, name="out")(x)), name="branches")


def nested() -> Any:
    """A model in a model in a model; the same block twice; a sigmoid for each of 14 findings."""
    block = keras.Sequential(
        [L.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, name="conv"), L.LayerNormalization(name="norm")],
        name="block",
    )
    inner_input = L.Input((32, 32, 8))
    x = L.PReLU(shared_axes=[1, 2], name="slopes")(block(block(inner_input)))
    inner = keras.Model(inner_input, L.DepthwiseConv2D(3, strides=2, padding="same", name="down")(x), name="inner")
    image = L.Input((32, 32, 3), name="image")
    x = keras.applications.imagenet_utils.preprocess_input(image, mode="caffe")
    x = inner(L.Conv2D(8, 3, padding="same", activation="tanh", name="stem")(x))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="selu", name="up")(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(L.Cropping2D(((3, 2), (1, 4)))(x))
    x = L.Conv2D(12, 3, activation="silu", name="last")(x)
    x = L.GlobalMaxPooling2D()(x)
    return keras.Model(image, L.Dense(14, activation="sigmoid", name="findings")(x), name="outer")


def grey() -> Any:
    """One channel, normalised pixels, no activation at the end."""
    return keras.Sequential(
        [
            L.Input((24, 24, 1)),
            L.Normalization(mean=110.0, variance=2500.0),
            L.Conv2D(6, 3, strides=2, name="c1"),
            L.BatchNormalization(name="n1"),
            L.Activation("mish"),
            L.Conv2D(8, 3, name="c2"),
            L.ReLU(negative_slope=0.2),
            L.GlobalAveragePooling2D(),
            L.Dense(3, name="out"),
        ],
        name="grey",
    )


def attention() -> Any:
    """Patches, multi-head attention, layer norm: a small transformer."""
    image = L.Input((32, 32, 3), name="image")
    x = L.Conv2D(12, 8, strides=8, name="patches")(L.Rescaling(1 / 127.5, offset=-1.0)(image))
    x = L.Reshape((-1, 12))(x)
    for index in range(2):
        y = L.LayerNormalization(epsilon=1e-6, name=f"norm{index}")(x)
        x = L.Add()([x, L.MultiHeadAttention(3, 4, name=f"attention{index}")(y, y)])
        y = L.Dense(24, activation="gelu", name=f"wide{index}")(L.LayerNormalization(name=f"second{index}")(x))
        x = x + L.Dense(12, name=f"narrow{index}")(y)
    x = L.GlobalAveragePooling1D()(L.LayerNormalization(name="last")(x))
    return keras.Model(image, L.Dense(3, activation="softmax", name="out")(x), name="tokens")


CUSTOM: dict[str, Callable[[], Any]] = {
    "sequential": sequential,
    "functional": functional,
    "nested": nested,
    "grey": grey,
    "attention": attention,
}
SIDES = {
    "VGG16": 32,
    "Xception": 75,
    "InceptionV3": 80,
    "InceptionResNetV2": 80,
    "NASNetMobile": 64,
    "ConvNeXtTiny": 64,
}
APPLICATIONS = ["MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0"]
APPLICATIONS += ["EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121", "ResNet50", "ResNet50V2", "VGG16", "Xception"]
APPLICATIONS += ["InceptionV3", "InceptionResNetV2", "NASNetMobile"]


def application(name: str) -> Callable[[], Any]:
    """A model of `keras.applications` with ten classes, at a small size."""
    side = SIDES.get(name, 64)
    kind = getattr(keras.applications, name)
    return lambda: kind(weights=None, input_shape=(side, side, 3), classes=10)


def fill(model: Any) -> None:
    """Random weights that float32 holds exactly."""
    generator = np.random.default_rng(7)
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.rpartition("/")[2]
        # A live Normalization layer has its own copy of its statistics.
        if "seed" in name or name in ("count", "mean", "variance"):
            continue
        if name in ("gamma", "moving_variance"):
            values = generator.uniform(0.5, 1.5, shape)
        elif "kernel" in name:
            fan = max(np.prod(shape[:-1]), 1) if "depthwise" not in variable.path else np.prod(shape[:2])
            values = generator.standard_normal(shape) * np.sqrt(2 / fan)
        else:
            values = 0.2 * generator.standard_normal(shape)
        variable.assign(values.astype(np.float32))


def made(make: Callable[[], Any], floatx: str) -> Any:
    """The model, filled, computing in `floatx`."""
    keras.utils.clear_session()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    model = make()
    fill(model)
    return model


def peer(
    model: Any, images: np.ndarray, mixture: np.ndarray, scale: float, with_output: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What Keras gives: the output, the logits, and the gradient of a mixture of them with respect to the images."""
    trained = [variable.value for variable in model.trainable_variables]
    other = [variable.value for variable in model.non_trainable_variables]

    def call(images: Any) -> Any:
        return model.stateless_call(trained, other, images * scale, training=False)[0]

    output = np.asarray(jax.jit(call)(images)) if with_output else np.zeros(0)
    if hasattr(model.layers[-1], "activation"):
        model.layers[-1].activation = keras.activations.linear
    gradient, logits = both(call, images, mixture)
    return output, logits, gradient


def both(call: Callable[[Any], Any], images: np.ndarray, mixture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of a mixture of the logits, and the logits."""

    def mixed(images: Any) -> Any:
        logits = call(images)
        return (logits * mixture).sum(), logits

    gradient, logits = jax.jit(jax.grad(mixed, has_aux=True))(images)
    return np.asarray(gradient), np.asarray(logits)


def converted(model: Any) -> Any:
    """The classifier of the saved model, layer by layer; its logits alone are compared, whatever they mean."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with files.opened(path) as contents:
            found = keras_models.convert(contents, "model.keras", None, None, None, [])
    return Classifier.from_network(
        found.network,
        found.params,
        input_shape=found.input_shape,
        preprocess=found.preprocess,
        layer=found.network.graph.default_layer,
    )


def measure(name: str, make: Callable[[], Any]) -> dict[str, Any]:
    """One row."""
    row: dict[str, Any] = {"name": name}
    for floatx in ("float32", "float64") if name in CUSTOM else ("float32",):
        model = made(make, floatx)
        classifier = converted(model)
        generator = np.random.default_rng(3)
        images = generator.uniform(size=(2, *classifier.input_shape)).astype(np.float32).astype(floatx)
        mixture = generator.uniform(size=(2, len(classifier.classes))).astype(floatx)
        scale = classifier.preprocess.scale
        row |= {"input": list(classifier.input_shape), "layers": len(classifier.network.graph.calls)}
        row |= {"default_layer": classifier.default_layer, "pixels": scale}
        _, logits, gradient = peer(model, images, mixture, scale)
        slope, ours = both(lambda x, one=classifier: one.logits(one.params, x), images, mixture)
        row[floatx] = [error(ours, logits), error(slope, gradient)]
    return row


def error(ours: Any, theirs: np.ndarray) -> float:
    """The largest difference over the largest magnitude."""
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


def table(rows: list[dict[str, Any]]) -> str:
    """As Markdown."""
    lines = [
        "| model | input | logits, float32 | gradient, float32 | logits, float64 | gradient, float64 |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = [f"{value:.0e}" for value in row["float32"]]
        numbers += [f"{value:.0e}" for value in row["float64"]] if "float64" in row else ["", ""]
        size = " x ".join(map(str, row["input"]))
        lines.append(f"| {row['name']} | {size} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def write_data(folder: Path) -> None:
    """The files of the tests."""
    kept: dict[str, np.ndarray] = {}
    for name, make in CUSTOM.items():
        small = made(make, "float32")
        small.save(folder / f"{name}.keras")
        if name == "nested":
            small.save(folder / f"{name}.h5")
        classifier = converted(small)
        generator = np.random.default_rng(3)
        images = generator.uniform(size=(2, *classifier.input_shape)).astype(np.float32)
        mixture = generator.uniform(size=(2, len(classifier.classes))).astype(np.float32)
        wide = made(make, "float64")
        layer = next(one for one in wide.layers if one.name == TAPPED[name])
        tapped = jax.jit(keras.Model(wide.inputs, layer.output).call)
        scale = classifier.preprocess.scale
        kept[f"{name}/activations"] = np.asarray(tapped(images * scale))
        kept[f"{name}/output"], kept[f"{name}/logits"], kept[f"{name}/gradient"] = peer(
            wide, images.astype(np.float64), mixture, scale, True
        )
        kept[f"{name}/layer"] = np.asarray(TAPPED[name])
        kept[f"{name}/pixels"] = np.asarray(scale)
    kept = {key: value.astype(np.float32) if value.ndim else value for key, value in kept.items()}
    np.savez_compressed(folder / "expected.npz", **kept)


TAPPED = {"sequential": "last", "functional": "grouped", "nested": "last", "grey": "c2", "attention": "norm1"}


def main() -> None:
    """Compute rows that are not there yet, or write the files of the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    if options.data is not None:
        write_data(options.data)
        return
    rows = [json.loads(line) for line in options.rows.read_text().splitlines()] if options.rows.exists() else []
    makers = CUSTOM | {name: application(name) for name in APPLICATIONS}
    for name in options.only or makers:
        if name not in {row["name"] for row in rows}:
            rows.append(measure(name, makers[name]))
            print(json.dumps(rows[-1]), flush=True)
            options.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if options.write is not None:
        text = options.write.read_text()
        start, end = (text.index(mark) for mark in MARKS)
        options.write.write_text(f"{text[:start]}{MARKS[0]}\n\n{table(rows)}\n\n{text[end:]}")


if __name__ == "__main__":
    main()
