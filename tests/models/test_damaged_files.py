"""Files that are damaged, or something else than their name says: one sentence that names the file, for each format."""

import contextlib
import importlib.util
import io
import json
import os
import shutil
import signal
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from safetensors.numpy import save, save_file

from xaijax import models
from xaijax._errors import InputError

TORCH = importlib.util.find_spec("torch") is not None
FORMATS = ("model.safetensors", "foreign.safetensors", "m.keras", "m.h5", "m.weights.h5", "m.npz", "m.pth")
PARTS = (0.0, 0.01, 0.1, 0.5, 0.9, 0.999)


def refused(path, **options):
    """What `models.load` says of a file: one line of at most 600 letters that names it."""

    def give_up(*_):
        raise AssertionError(f"{path} was waited for")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    try:
        with pytest.raises((InputError, FileNotFoundError, ImportError)) as caught:
            models.load(path, **options)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    if isinstance(caught.value, ImportError):
        assert not TORCH
        assert "needs PyTorch" in str(caught.value)
    text = str(caught.value)
    assert Path(path).name in text
    assert "\n" not in text
    assert len(text) < 600
    return text


def hdf5(write):
    """The bytes of an HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write(file)
    return buffer.getvalue()


def archive(**members):
    """The bytes of a zip archive; `__` in a name stands for a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, value in members.items():
            file.writestr(name.replace("__", "."), value)
    return buffer.getvalue()


def old_keras(file):
    """Two layers in Keras' old layout."""
    file.attrs["layer_names"] = [b"conv", b"dense"]
    for layer, shape in (("conv", (3, 3, 3, 8)), ("dense", (8, 3))):
        group = file.create_group(layer)
        group.attrs["weight_names"] = [f"{layer}/kernel:0".encode()]
        group[f"{layer}/kernel:0"] = np.ones(shape, np.float32)


def new_keras(file):
    """Two layers in the layout of Keras 3."""
    for layer, shape in (("conv2d", (3, 3, 3, 8)), ("dense", (8, 3))):
        group = file.create_group(f"layers/{layer}/vars")
        group.attrs["name"] = layer
        group["0"] = np.ones(shape, np.float32)


def header(value):
    """The bytes of a safetensors file with this header and no arrays."""
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A file of each format that its library reads; all but the first hold layers of no known architecture."""
    folder = tmp_path_factory.mktemp("whole")
    models.save(models.create("small_cnn", 3, (32, 32, 1), width=4), folder / "model.safetensors")
    save_file({"conv.weight": np.ones((8, 3, 3, 3), np.float32)}, folder / "foreign.safetensors")
    (folder / "m.h5").write_bytes(hdf5(old_keras))
    (folder / "m.weights.h5").write_bytes(hdf5(new_keras))
    config = {"class_name": "Functional", "config": {"layers": []}}
    (folder / "m.keras").write_bytes(
        archive(config__json=json.dumps(config), **{"model__weights__h5": hdf5(new_keras)})
    )
    np.savez(folder / "m.npz", **{"conv/weight": np.ones((8, 3, 3, 3), np.float32)})
    if TORCH:
        import torch

        torch.save({"conv.weight": torch.ones((8, 3, 3, 3))}, folder / "m.pth")
    else:
        (folder / "m.pth").write_bytes(b"PK")
    return folder


@pytest.mark.parametrize("name", FORMATS[1:])
def test_a_whole_file_of_an_unknown_architecture_is_said_to_be_one(name, whole):
    text = refused(whole / name)
    assert "is not recognised" in text or "holds neither" in text or not TORCH


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_of_a_file_is_refused(name, whole, tmp_path):
    content = (whole / name).read_bytes()
    for part in PARTS:
        (tmp_path / name).write_bytes(content[: int(part * len(content))])
        assert "is not a readable" in refused(tmp_path / name) or name == "m.pth"


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_of_another_kind_is_refused(name, whole, tmp_path):
    others = {other: (whole / other).read_bytes() for other in FORMATS}
    others |= {"text": b"weights of the model, in words\n" * 100, "list": b"[1, 2, 3]", "noise": bytes(range(256)) * 8}
    others |= {"lengths": b"\xff" * 64, "zip": archive(notes="words")}
    for other, content in others.items():
        if Path(other).suffix != Path(name).suffix:
            (tmp_path / name).write_bytes(content)
            refused(tmp_path / name)


@pytest.mark.parametrize("name", [name for name in FORMATS if not name.endswith(".h5")])
def test_changed_bytes_are_read_or_refused(name, whole, tmp_path):
    """Not of bare HDF5 files: they have no checksums, and their library can wait for ever on a changed byte."""
    content = bytearray((whole / name).read_bytes())
    random = np.random.default_rng(3)
    for _ in range(12):
        changed = content.copy()
        for position in random.integers(0, min(len(content), 2000), 3):
            changed[position] = int(random.integers(0, 256))
        (tmp_path / name).write_bytes(changed)
        with contextlib.suppress(InputError, ImportError):
            models.load(tmp_path / name)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_a_file_is_not_opened(name, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / name).mkdir()
    assert "holds no model.safetensors" in refused(tmp_path / "there" / name)
    (tmp_path / name).symlink_to(tmp_path / "gone" / name)
    assert "there is no checkpoint" in refused(tmp_path / name)
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / name).symlink_to(tmp_path / "loop" / name)
    refused(tmp_path / "loop" / name)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / f"pipe-{name}")
        assert "neither a file nor a folder" in refused(tmp_path / f"pipe-{name}")


def test_a_folder_with_a_pipe_for_a_checkpoint_is_refused(tmp_path):
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "model.safetensors")
        assert "holds no model.safetensors" in refused(tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        7,
        "words",
        {"conv.weight": []},
        {"conv.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}},
        {"conv.weight": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}},
        {"__metadata__": []},
        {"__metadata__": {"xaijax": 3}},
    ],
    ids=str,
)
def test_headers_of_safetensors_files(value, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(header(value))
    assert "is not a readable safetensors file" in refused(tmp_path / "m.safetensors")


GOOD = {
    "format": 1,
    "architecture": "small_cnn",
    "options": {"width": 4},
    "classes": ["a", "b"],
    "input_shape": [32, 32, 1],
    "preprocess": {"scale": 1.0, "mean": [0.0], "std": [1.0], "order": "rgb"},
    "info": {},
}
BAD = {
    "architecture": (None, 3, [], {}, "resnet999", ""),
    "options": (None, 3, [1], "width", {"width": None}, {"width": "x"}, {"width": [1, 2]}, {"width": {}}, {"depth": 1}),
    "classes": (None, 3, [], ["a"]),
    "input_shape": (None, 3, [], [32, 32], [32, 32, 1, 1], ["a", "b", "c"], [0, 0, 0], [32, 32, 7]),
    "preprocess": (None, 3, [], {}, {"scale": None}, GOOD["preprocess"] | {"std": [0.0]}, {"scale": 1, "mean": 3}),
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values], ids=str)
def test_descriptions_of_checkpoints(key, value, tmp_path):
    description = json.dumps(GOOD | {key: value})
    (tmp_path / "m.safetensors").write_bytes(save({"a": np.ones(2)}, metadata={"xaijax": description}))
    assert "is not a checkpoint that this version of xaijax reads" in refused(tmp_path / "m.safetensors")


@pytest.mark.parametrize("text", ["", "words", "[]", "null", "3", '"words"', "[1]", "{}", "[" * 100_000])
def test_descriptions_that_are_not_objects(text, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(save({"a": np.ones(2)}, metadata={"xaijax": text}))
    refused(tmp_path / "m.safetensors")
    with pytest.raises(InputError):
        models.read_info(tmp_path / "m.safetensors")


def test_arrays_of_words_are_not_weights(whole, tmp_path):
    """An array whose type is not a number's is noticed when it is read."""
    file = tmp_path / "m.safetensors"
    shutil.copy(whole / "model.safetensors", file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"F32"', b'"BOO"', 1))
    refused(file)


def keras_config(value):
    def write(file):
        file.attrs["model_config"] = value
        old_keras(file)

    return write


def loop(file):
    file.attrs["layer_names"] = [b"conv"]
    file["conv"] = h5py.SoftLink("/other")
    file["other"] = h5py.SoftLink("/conv")


def numbered_loop(file):
    new_keras(file)
    file["layers/conv2d/vars/1"] = h5py.SoftLink("/layers/conv2d/vars/1")


def elsewhere(file):
    file.attrs["layer_names"] = [b"conv"]
    file["conv"] = h5py.ExternalLink("none.h5", "/conv")


def group_for_an_array(file):
    old_keras(file)
    del file["conv/conv/kernel:0"]
    file.create_group("conv/conv/kernel:0")


def no_names(file):
    file.attrs["layer_names"] = 7


@pytest.mark.parametrize(
    "write",
    [
        lambda file: None,
        loop,
        numbered_loop,
        elsewhere,
        group_for_an_array,
        no_names,
        lambda file: file.create_dataset("model_weights", data=3),
        keras_config("words"),
        keras_config("[]"),
        keras_config("null"),
        keras_config('{"config": {"layers": 3}}'),
        keras_config('{"class_name": "Dense", "config": [1]}'),
        keras_config(7),
    ],
    ids=lambda write: getattr(write, "__name__", "x"),
)
def test_hdf5_files_of_another_build(write, tmp_path):
    (tmp_path / "m.h5").write_bytes(hdf5(write))
    refused(tmp_path / "m.h5")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"config__json": "{}"},
        {"model__weights__h5": hdf5(new_keras)},
        {"config__json": "[]", "model__weights__h5": hdf5(new_keras)},
        {"config__json": "words", "model__weights__h5": hdf5(new_keras)},
        {"config__json": "{}", "model__weights__h5": b"words"},
        {"config__json": "[" * 100_000, "model__weights__h5": hdf5(new_keras)},
    ],
    ids=lambda members: "+".join(members) or "empty",
)
def test_keras_archives_of_another_build(members, tmp_path):
    (tmp_path / "m.keras").write_bytes(archive(**members))
    assert "m.keras is not a readable Keras file" in refused(tmp_path / "m.keras")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_archives_of_arrays_of_another_build(tmp_path):
    file = tmp_path / "m.npz"
    np.save(tmp_path / "m.npy", np.ones(3))
    shutil.move(tmp_path / "m.npy", file)
    assert "m.npz is not a readable .npz file of arrays" in refused(file)
    file.write_bytes(archive(a__npy=b"words"))
    assert "m.npz is not a readable .npz file of arrays" in refused(file)
    file.write_bytes(archive(**{"block_16_project_BN/weight__npy": npy(np.array([None])), "out_relu/weight__npy": b""}))
    refused(file)
    file.write_bytes(archive(**{"out_relu/weight_q__npy": npy(np.ones((2, 2), np.int8))}))
    assert "must have out_relu/scale" in refused(file)


def test_large_arrays_are_not_unpacked_before_their_names_are_known(tmp_path):
    """A member that says it holds 4 TB is refused by its name; its values would not even be there."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)})
    (tmp_path / "m.npz").write_bytes(archive(a__npy=buffer.getvalue()))
    assert "holds neither MobileNetV2 nor SqueezeNet" in refused(tmp_path / "m.npz")


def test_a_full_memory_and_ctrl_c_are_not_a_damaged_file():
    from xaijax.models._files import reading

    for error in (MemoryError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), reading("m.h5", "a readable file"):
            raise error
    with pytest.raises(InputError, match=r"\Aour own\Z"), reading("m.h5", "a readable file"):
        raise InputError("our own")
    message = r"\Am\.h5 is not a readable file: ZeroDivisionError\Z"
    with pytest.raises(InputError, match=message), reading("m.h5", "a readable file"):
        raise ZeroDivisionError
