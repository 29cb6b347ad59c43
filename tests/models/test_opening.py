"""models.load takes files of Keras and PyTorch, and so does bench; no code from them runs, little memory is used."""

import importlib.util
import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from xaijax import bench, models
from xaijax.bench import BenchConfig
from xaijax.bench.store import Store

DATA = Path(__file__).parent / "data"
_spec = importlib.util.spec_from_file_location("zoo_recipe", Path(__file__).parents[1] / "parity" / "zoo_recipe.py")
recipe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(recipe)

CLASSES = ("glioma", "meningioma", "pituitary")  # of the brain MRI phantoms


def weights(source):
    with np.load(DATA / f"{source}.npz") as file:
        shapes = json.loads(file["small/spec"].tobytes())["entries"]
    torch = not source.startswith("keras")
    return {name: recipe.weight(name, tuple(shape), torch) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def torch_file(tmp_path_factory):
    """SqueezeNet for three classes, as `safetensors.torch.save_file(model.state_dict(), ...)` leaves it."""
    state = weights("torchvision_squeezenet")
    state["classifier.1.weight"], state["classifier.1.bias"] = (
        state[f"classifier.1.{part}"][:3].copy() for part in ("weight", "bias")
    )
    file = tmp_path_factory.mktemp("torch") / "tuned.safetensors"
    save_file(state, file, metadata={"format": "pt"})
    return file


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """MobileNetV2 with another head in Keras' old HDF5 layout: groups by layer, the configuration as an attribute."""
    entries = {name: value for name, value in weights("keras_mobilenet_v2").items() if "predictions" not in name}
    backbone = dict.fromkeys(name.split("/")[0] for name in entries)
    kinds = {name: "BatchNormalization" if f"{name}/gamma" in entries else "Conv2D" for name in backbone}
    layers = [
        {"class_name": "InputLayer", "config": {"name": "input", "batch_shape": [None, 64, 64, 3]}},
        {"class_name": "Rescaling", "config": {"name": "rescaling", "scale": 1 / 127.5, "offset": -1}},
        *({"class_name": kind, "config": {"name": name}} for name, kind in kinds.items()),
        {"class_name": "ReLU", "config": {"name": "out_relu"}},
        {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}},
        {"class_name": "Dense", "config": {"name": "dense", "activation": "softmax"}},
    ]
    entries["dense/kernel"] = recipe.weight("dense/kernel", (1280, 3), False)
    entries["dense/bias"] = recipe.weight("dense/bias", (3,), False)
    file = tmp_path_factory.mktemp("keras") / "tuned.h5"
    with h5py.File(file, "w") as out:
        out.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"layers": layers}})
        root = out.create_group("model_weights")
        names = [*backbone, "dense"]
        root.attrs["layer_names"] = [name.encode() for name in names]
        for layer in names:
            group = root.create_group(layer)
            mine = [name for name in entries if name.split("/")[0] == layer]
            group.attrs["weight_names"] = [name.encode() for name in mine]
            for name in mine:
                group[name] = entries[name]
    return file


def test_the_kind_of_a_file_is_found_out(torch_file, keras_file, tmp_path):
    one = models.load(torch_file, classes=CLASSES)
    assert (one.architecture.name, one.classes, one.preprocess.std[0]) == ("squeezenet", CLASSES, 0.229)
    two = models.load(str(keras_file))
    assert (two.architecture.name, two.classes, two.input_shape) == ("mobilenet_v2", ("0", "1", "2"), (64, 64, 3))
    assert two.preprocess.mean == pytest.approx((0.5,))
    own = models.load(models.save(two, tmp_path), classes=["a", "b", "c"])
    assert own.classes == ("a", "b", "c")
    named = models.load(models.save(own, tmp_path), classes=["x", "y", "z"])
    assert named.classes == ("a", "b", "c")  # a file's own names stay
    models.save(two, tmp_path)
    with pytest.raises(ValueError, match="classes must be 3 names"):
        models.load(tmp_path, classes=["a", "b"])


@pytest.mark.parametrize("kind", ["torch", "keras"])
def test_a_tuned_model_of_somebody_else_goes_through_bench(kind, request, tmp_path):
    file = request.getfixturevalue(f"{kind}_file")
    config = BenchConfig(
        model=(str(file),),
        methods=("grad_cam", "random"),
        metrics=("sic_shannon",),
        count=3,
        size=64,
        gallery=0,
        out=tmp_path / "run",
    )
    run = Store(bench.run(config)).read_run()
    assert run["models"][0]["classes"] == list(CLASSES)
    assert any("does not name its classes" in note for note in run["notes"])


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


def test_code_in_a_file_does_not_run(tmp_path):
    trap = pickle.dumps({"state_dict": Trap(tmp_path / "ran")})
    names = ["old.pth", "old.pt", "old.bin", "a.safetensors", "a.h5", "a.keras"]
    for name in names:
        (tmp_path / name).write_bytes(trap)
    with zipfile.ZipFile(tmp_path / "new.pth", "w") as archive:  # the layout of torch.save
        archive.writestr("new/data.pkl", trap)
        archive.writestr("new/version", "3\n")
    config = {"class_name": "Functional", "config": {"layers": [{"class_name": "Lambda", "config": {"name": "code"}}]}}
    with zipfile.ZipFile(tmp_path / "lambda.keras", "w") as archive, io.BytesIO() as buffer:
        with h5py.File(buffer, "w"):
            pass
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    for name in [*names, "new.pth", "lambda.keras"]:
        # A .pth file is refused by PyTorch (weights_only) where it is installed, and without it by us.
        with pytest.raises((ValueError, ImportError)):
            models.load(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    pickle.loads(trap)
    assert (tmp_path / "ran").exists()  # the trap is one


MEASURE = """
import sys, threading, time
import jax
from xaijax import models

def held():
    # what the process holds itself; pages of a mapped file belong to the system, which takes them back at need
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))

models.load(sys.argv[1])  # imports and traces
before, peak, loaded = held(), 0, threading.Event()

def watch():
    global peak
    while not loaded.is_set():
        peak = max(peak, held())
        time.sleep(0.001)

thread = threading.Thread(target=watch)
thread.start()
model = models.load(sys.argv[2])
loaded.set()
thread.join()
size = sum(leaf.nbytes for leaf in jax.tree.leaves(model.params))
print((peak - before) / size, size)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("kind", ["torch", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("ours", "keras"))])
def test_loading_takes_little_more_memory_than_the_weights(kind, tmp_path):
    """A head of 40 million weights makes the file 160 MB, so that what the interpreter itself takes does not count."""
    small, large = (tmp_path / f"{size}.{'h5' if kind == 'keras' else 'safetensors'}" for size in ("small", "large"))
    for file, width in ((small, 8), (large, 30000)):
        if kind == "keras":
            entries = {k: v for k, v in weights("keras_mobilenet_v2").items() if "predictions" not in k}
            entries["dense/kernel"], entries["dense/bias"] = np.ones((1280, width), np.float32), np.ones(width, "f4")
            entries["last/kernel"], entries["last/bias"] = np.ones((width, 3), np.float32), np.ones(3, "f4")
            with h5py.File(file, "w") as out:
                layers = list(dict.fromkeys(name.split("/")[0] for name in entries))
                out.attrs["layer_names"] = layers
                for layer in layers:
                    group = out.create_group(layer)
                    group.attrs["weight_names"] = [name for name in entries if name.split("/")[0] == layer]
                for name, value in entries.items():
                    out[f"{name.split('/')[0]}/{name}"] = value
            continue
        state = {k: v for k, v in weights("torchvision_mobilenet_v2").items() if not k.startswith("classifier")}
        state["classifier.1.weight"], state["classifier.1.bias"] = np.ones((width, 1280), "f4"), np.ones(width, "f4")
        state["classifier.3.weight"], state["classifier.3.bias"] = np.ones((3, width), "f4"), np.ones(3, "f4")
        save_file(state, file)
        if kind == "ours":
            models.save(models.load(file), file)
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, str(small), str(large)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(found[1]) > 150e6
    assert 0.9 < float(found[0]) < 1.3, found


def test_what_overrides_a_file_is_noted():
    notes = []
    found = models.load("builtin", output="sigmoid", preprocess="tf", notes=notes)
    assert found.output == "sigmoid"
    assert notes == [
        "the output of builtin is softmax, and is read as sigmoid because --output is given",
        "the preprocessing that builtin states is replaced because --preprocess is given",
    ]
    notes.clear()
    models.load("builtin", output="softmax", notes=notes)
    assert notes == []
