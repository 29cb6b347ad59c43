"""Names and bytes of the parameters, and logits, of every architecture and of every importer."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import adapters
import numpy as np
from dump import Dump

# What the importers are tested with: the names and shapes of the entries of published weights, without the weights.
HERE = Path(__file__).resolve().parent
SPECS = next((place for place in (HERE / "specs", HERE.parent / "models" / "data") if place.is_dir()), HERE)
CLASSES = 5
# Optimising these programs, which run once, costs five times as long as running them.
QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def leaves(params: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Parameters by their dotted names, in their own order."""
    if isinstance(params, Mapping):
        for name, inner in params.items():
            yield from leaves(inner, (*path, str(name)))
    else:
        yield ".".join(path), params


def logits(classifier: Any, images: np.ndarray) -> np.ndarray:
    """Logits by a program that is quick to compile."""
    import jax

    return np.asarray(jax.jit(lambda c, x: c.logits(c.params, x), compiler_options=QUICK_COMPILE)(classifier, images))


def keep(dump: Dump, name: str, classifier: Any) -> None:
    """Names, shapes and bytes of the parameters, the layers, what else a classifier says, and its logits."""
    import small_models

    found = dict(leaves(classifier.params))
    dump.text(f"{name}/params", {key: [list(leaf.shape), str(leaf.dtype)] for key, leaf in found.items()})
    for key, leaf in found.items():
        # The bytes of all models together are gigabytes.
        digest = hashlib.sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()
        dump.text(f"{name}/sha256/{key}", digest)
    dump.text(f"{name}/layers", {key: list(shape) for key, shape in classifier.layers().items()})
    dump.text(f"{name}/default_layer", classifier.default_layer)
    dump.text(f"{name}/classes", list(classifier.classes))
    dump.text(f"{name}/input_shape", list(classifier.input_shape))
    dump.array(f"{name}/logits", logits(classifier, small_models.scenes(2, classifier.input_shape)))


def zoo(dump: Dump) -> None:
    """Every architecture with seeded weights, at a small size."""
    from xaijax import models

    dump.text("models", list(models.list_models()))
    for name in ("small_cnn", "mobilenet_v2") if dump.quick else models.list_models():
        side = 96 if name in ("inception_v3", "inception_resnet_v2", "xception") else 64
        with dump.piece(name):
            keep(dump, name, models.create(name, CLASSES, (side, side, 3), key=1))
    with dump.piece("grey"):
        keep(dump, "grey", models.create("small_resnet", 3, (32, 32, 1), key=2, classes=["a", "b", "c"]))
    with dump.piece("builtin"):
        keep(dump, "builtin", models.builtin())
        info = models.read_info(adapters.place("BUILTIN_FILE"))
        dump.text("builtin/info", {key: info[key] for key in ("architecture", "classes")})
    with dump.piece("optimized"):
        made = models.create("mobilenet_v2", CLASSES, (64, 64, 3), key=1).optimized()
        keep(dump, "optimized", made)
    with dump.piece("saved"):
        made = models.create("small_cnn", 3, (32, 32, 1), key=3, width=8)
        path = models.save(made, "kept", info={"note": "none"})
        keep(dump, "saved", models.load("kept"))
        keep(dump, "halved", models.load(models.save(made, "halved.safetensors", dtype="float16")))
        dump.text("saved/info", models.read_info(path))


def weight(name: str, shape: tuple[int, ...], torch: bool) -> np.ndarray:
    """Weights of one entry of a file, by its name and kind: kernels of a size that keeps activations near one."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    last = name.replace("/", ".").split(".")[-1]
    u = rng.random(shape, np.float32)
    if last in ("running_var", "moving_variance", "variance"):
        return u + np.float32(0.5)
    if len(shape) == 1 and last in ("weight", "gamma"):
        return np.float32(0.6) * u + np.float32(0.7)
    if len(shape) >= 2:
        inputs = int(np.prod(shape[1:] if torch else shape[:-1]))
        return (u - np.float32(0.5)) * np.float32(2 * (6 / max(inputs, 1)) ** 0.5)
    return np.float32(0.2) * u - np.float32(0.1)


def specs(library: tuple[str, ...], quick: bool) -> Iterator[tuple[str, int, dict[str, tuple[int, ...]]]]:
    """(name, side of the images, shapes by name) of each kind of file that is known, smallest files first."""
    found = []
    for path in sorted(SPECS.glob("*.npz")):
        if path.stem.startswith(library):
            with np.load(path) as file:
                spec = json.loads(file["small/spec"].tobytes())
            found.append((path.stem, spec["side"], {name: tuple(shape) for name, shape in spec["entries"].items()}))
    found.sort(key=lambda item: sum(int(np.prod(shape)) for shape in item[2].values()))
    yield from found[: 1 if quick else None]


def torch_files(dump: Dump) -> None:
    """State dictionaries of torchvision and timm, and one of them as a file."""
    from xaijax import models

    for number, (name, side, entries) in enumerate(specs(("torchvision", "timm"), dump.quick)):
        with dump.piece(name):
            state = {entry: weight(entry, shape, True) for entry, shape in entries.items()}
            keep(dump, name, models.from_torch(state, input_shape=(side, side, 3)))
            if number == 0:
                from safetensors.numpy import save_file

                save_file(state, "weights.safetensors")
                keep(dump, "safetensors", models.load("weights.safetensors"))
                keep(dump, "torch-grey", models.from_torch(state, input_shape=(side, side, 1), preprocess="tf"))


def keras_files(dump: Dump) -> None:
    """HDF5 files in Keras' old layout; of the smallest also the layouts of Keras 3."""
    from xaijax import models

    for number, (name, side, entries) in enumerate(specs(("keras",), dump.quick)):
        with dump.piece(name):
            write_old(Path(f"{name}.h5"), entries)
            keep(dump, name, models.from_keras(f"{name}.h5", input_shape=(side, side, 3)))
            Path(f"{name}.h5").unlink()
        if number == 0:
            with dump.piece("weights.h5"):
                write_new(Path("model.weights.h5"), entries)
                keep(dump, "weights.h5", models.load("model.weights.h5"))
            with dump.piece("keras"):
                write_archive(Path("model.keras"), entries, side)
                keep(dump, "keras", models.load("model.keras"))


def by_layer(entries: Mapping[str, tuple[int, ...]]) -> dict[str, list[str]]:
    """The variables of each layer, in order."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        layer, _, variable = entry.rpartition("/")
        found.setdefault(layer, []).append(variable)
    return found


def write_old(path: Path, entries: Mapping[str, tuple[int, ...]]) -> None:
    """A group for each layer that says the names of its weights."""
    import h5py

    layers = by_layer(entries)
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, variables in layers.items():
            group = root.create_group(layer)
            names = [f"{layer}/{variable}:0" for variable in variables]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for variable, name in zip(variables, names, strict=True):
                group[name] = weight(f"{layer}/{variable}", entries[f"{layer}/{variable}"], False)


def write_new(path: Path, entries: Mapping[str, tuple[int, ...]]) -> None:
    """Numbered variables, with the layer's name as an attribute."""
    import h5py

    with h5py.File(path, "w") as file:
        for number, (layer, variables) in enumerate(by_layer(entries).items()):
            group = file.create_group(f"layers/{kind_of(variables)}_{number}/vars")
            group.attrs["name"] = layer
            for index, variable in enumerate(variables):
                entry = f"{layer}/{variable}"
                group[str(index)] = weight(entry, entries[entry], False)


def kind_of(variables: list[str]) -> str:
    """The kind of a layer in the group names of Keras 3."""
    if "moving_mean" in variables:
        return "batch_normalization"
    if "depthwise_kernel" in variables and "pointwise_kernel" in variables:
        return "separable_conv2d"
    return "depthwise_conv2d" if "depthwise_kernel" in variables else "conv2d"


def write_archive(path: Path, entries: Mapping[str, tuple[int, ...]], side: int) -> None:
    """The `.keras` file: a configuration, and weights in the new layout."""
    layers = [{"class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, side, side, 3]}}]
    for layer, variables in by_layer(entries).items():
        kind = {"batch_normalization": "BatchNormalization", "depthwise_conv2d": "DepthwiseConv2D"}
        shape = entries[f"{layer}/{variables[0]}"]
        own = "Dense" if len(shape) == 2 else kind.get(kind_of(variables), "Conv2D")
        if own == "Dense":
            layers.append({"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}})
        layers.append({"class_name": own, "config": {"name": layer}})
    write_new(Path("inside.weights.h5"), entries)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": layers}}))
        archive.write("inside.weights.h5", "model.weights.h5")


def array_files(dump: Dump) -> None:
    """A SqueezeNet in Caffe's names and a quantised MobileNetV2 in TensorFlow's, as `.npz`."""
    from xaijax import models

    with dump.piece("squeezenet"):
        made = dict(leaves(models.create("squeezenet", CLASSES, (64, 64, 3), key=1, variant="caffe").params))
        arrays = {}
        for name, leaf in made.items():
            owner, _, last = name.rpartition(".")
            source = caffe_name(owner)
            value = weight(name, leaf.shape, False)
            arrays[f"{source}/{'weight' if last == 'kernel' else 'bias'}"] = (
                value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
            )
        np.savez("squeezenet.npz", **arrays)
        keep(dump, "squeezenet", models.load("squeezenet.npz"))
    with dump.piece("mobilenet_v2"):
        made = dict(leaves(models.create("mobilenet_v2", CLASSES, (64, 64, 3), key=1, variant="folded").params))
        arrays = {}
        for name, leaf in made.items():
            owner, _, last = name.rpartition(".")
            source = tensorflow_name(owner)
            if source is None:
                continue
            if last == "bias":
                arrays[f"{source}/bias"] = weight(name, leaf.shape, False)
                continue
            view = (
                leaf.transpose(2, 0, 1, 3) if leaf.shape[2] == 1 and leaf.shape[3] > 1 else leaf.transpose(3, 0, 1, 2)
            )
            rng = np.random.default_rng(zlib.crc32(name.encode()))
            arrays[f"{source}/weight_q"] = rng.integers(-127, 128, view.shape).astype(np.int8)
            arrays[f"{source}/scale"] = np.full(1, 2 / 127 / np.sqrt(np.prod(leaf.shape[:3])), np.float32)
        arrays["predictions/weight"] = weight("predictions/weight", (CLASSES, 1280), True)
        arrays["predictions/bias"] = weight("predictions/bias", (CLASSES,), True)
        np.savez("mobilenet.npz", **arrays)
        keep(dump, "mobilenet_v2", models.load("mobilenet.npz"))


def caffe_name(owner: str) -> str:
    """What a layer of SqueezeNet is called in Caffe's file."""
    parts = owner.split(".")
    fire = {"squeeze": "conv1x1_1", "expand1": "conv1x1_2", "expand3": "conv3x3_2"}
    if parts[0].startswith("fire"):
        return f"{parts[0]}/{fire[parts[1]]}"
    return {"stem": "conv1", "class_maps": "conv_final"}[parts[0]]


def tensorflow_name(owner: str) -> str | None:
    """What a layer of MobileNetV2 is called in TensorFlow's file; None for what the file does not have."""
    parts = owner.split(".")
    if parts[0] == "blocks":
        number = parts[1].removeprefix("block")
        first = {"depthwise": "expanded_conv_depthwise_relu", "project": "expanded_conv_project_BN"}
        if number == "0":
            return first[parts[2]]
        return f"block_{number}_{parts[2]}_{'BN' if parts[2] == 'project' else 'relu'}"
    return {"stem": "Conv1_relu", "top": "out_relu"}.get(parts[0])


TABLES: dict[str, Callable[[Dump], None]] = {
    "models/zoo": zoo,
    "models/torch": torch_files,
    "models/keras": keras_files,
    "models/arrays": array_files,
}
