"""`xaijax train`: what it writes, going on after a kill, and what it refuses."""

import dataclasses
import json
import shlex
import signal
import subprocess
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from PIL import Image
from safetensors.numpy import load_file

from xaijax import models, train
from xaijax.training.images import Images


def test_run_train_writes_everything(finished, folder):
    out = finished.out
    names = {path.name for path in out.iterdir()}
    assert names == {
        "model.safetensors", "checkpoints", "train.json", "metrics.json", "log.jsonl", "training.png",
        "confusion.png", "calibration.png", "embedding.png",
    }  # fmt: skip
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["4"]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == list(range(1, len(log) + 1))
    written = json.loads((out / "metrics.json").read_text())
    assert written["macro_f1"] == finished.metrics["macro_f1"]
    assert written["classes"] == ["high", "low", "middle"]
    description = json.loads((out / "train.json").read_text())
    data = description["data"]
    assert not set(data["training"]) & set(data["validation"])
    assert len(data["training"]) + len(data["validation"]) == 48
    assert [item[0] for item in data["skipped"]] == ["low/broken.png"]
    assert description["input_shape"] == [32, 32, 1]  # grey was noticed
    for figure in out.glob("*.png"):
        with Image.open(figure) as image:
            assert min(image.size) > 200


def test_the_checkpoint_is_the_best_epoch_and_says_its_command(finished, folder):
    info = models.read_info(finished.out)
    assert info["epoch"] == finished.best_epoch
    assert info["validation"]["macro_f1"] == finished.metrics["macro_f1"]
    assert info["command"].startswith("xaijax train --data ")
    assert "--augmentation.shift 0.05" in info["command"]
    model = models.load(finished.out)
    assert model.classes == ("high", "low", "middle")
    ids = json.loads((finished.out / "train.json").read_text())["data"]["validation"]
    images = np.stack([np.asarray(Image.open(folder / name))[..., None] for name in ids if "broken" not in name])
    labels = np.array([model.classes.index(name.split("/")[0]) for name in ids if "broken" not in name])
    assert train.evaluate(model, images, labels)["confusion"] == finished.metrics["confusion"]


def assert_same_training(left, right):
    """The same best weights and the same state after the last epoch, bit for bit."""
    arrays = [load_file(where / "model.safetensors") for where in (left, right)]
    assert arrays[0].keys() == arrays[1].keys()
    for name, array in arrays[0].items():
        np.testing.assert_array_equal(array, arrays[1][name], strict=True)
    found = [
        ocp.StandardCheckpointer().restore((where / "checkpoints" / "4" / "state").absolute())
        for where in (left, right)
    ]
    assert jax.tree.structure(found[0]) == jax.tree.structure(found[1])
    jax.tree.map(np.testing.assert_array_equal, *found)


KILLED = """
import os, signal, sys
from xaijax import cli
from xaijax.training import printing
before = printing.epoch
def kill(console, record):
    if record.log[-1]["epoch"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # the best weights may be written, the checkpoint is not
    before(console, record)
printing.epoch = kill
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_killed_training_goes_on_to_the_same_result(finished, config, tmp_path, console):
    out = tmp_path / "run"
    words = shlex.split(config(out).command())[1:]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / "metrics.json").exists()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["2"]
    # What a kill in the middle of writing leaves behind is cleared away.
    half = out / "checkpoints" / "3.orbax-checkpoint-tmp"
    (half / "state").mkdir(parents=True)
    resumed = train.run_train(config(out, resume=True), console=console)
    assert "going on after epoch 2" in console.file.getvalue()
    assert resumed.metrics == finished.metrics
    assert_same_training(out, finished.out)
    assert (out / "log.jsonl").read_text() == (finished.out / "log.jsonl").read_text()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["4"]


def test_a_finished_training_that_is_resumed_says_the_same_again(finished, config, console):
    before = (finished.out / "metrics.json").read_text()
    assert train.run_train(config(finished.out, resume=True), console=console).metrics == finished.metrics
    assert (finished.out / "metrics.json").read_text() == before


def test_bad_input_is_refused_and_nothing_is_written(folder, finished, config, tmp_path, console):
    out = tmp_path / "out"
    (tmp_path / "one" / "only").mkdir(parents=True)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "one" / "only" / "a.png")
    full = finished.out
    for changes, error, message in (
        ({"data": str(tmp_path / "nowhere")}, FileNotFoundError, "nowhere"),
        ({"data": str(tmp_path / "one")}, ValueError, "1 class"),
        ({"model": "small_cn"}, ValueError, "did you mean small_cnn"),
        ({"size": 8}, ValueError, "16 pixels a side"),
        ({"images": 3}, ValueError, "option of phantoms"),
        ({"validation": 1.5}, ValueError, "fraction"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"keep": 0}, ValueError, "keep must be 1 or more"),
        ({"frozen_epochs": 2}, ValueError, "needs --weights"),
        ({"weights": tmp_path / "w.pth"}, FileNotFoundError, "there is no checkpoint"),
        ({"weights": full, "model": "vgg16"}, ValueError, "those of small_cnn, not of vgg16; leave out --model"),
        ({"weights": full, "channels": "3"}, ValueError, "for images of 1 channel, not 3; leave out channels"),
        ({"devices": 3}, ValueError, "at most 1, which is how many there are"),
        ({"out": full}, FileExistsError, "is not empty; give another folder, or --resume"),
        ({"out": full, "resume": True, "epochs": 9}, ValueError, "epochs was 4, now 9"),
        ({"out": folder, "resume": True}, FileNotFoundError, "holds no training to resume"),
        ({"out": full / "log.jsonl"}, FileExistsError, "is a file"),
    ):
        with pytest.raises(error, match=message):
            train.run_train(config(**({"out": out} | changes)), console=console)
        assert not out.exists()


def test_the_command_repeats_the_configuration():
    import tyro

    made = train.TrainConfig(
        data="a b",
        model="small_cnn",
        out="runs/x",
        weights="w.npz",
        balance=False,
        images=7,
        augmentation=train.Augmentation(flip="none"),
        resume=True,
    )
    command = made.command()
    assert command == (
        "xaijax train --data 'a b' --model small_cnn --out runs/x --weights w.npz --no-balance "
        "--augmentation.flip none --images 7"
    )
    parsed = tyro.cli(train.TrainConfig, args=shlex.split(command)[2:], use_underscores=False)
    assert dataclasses.replace(parsed, resume=True, out="runs/x", weights="w.npz") == made


def test_images_that_do_not_fit_into_memory_are_read_as_they_are_needed(folder, monkeypatch):
    from xaijax.data import open_dataset

    dataset = open_dataset(folder)
    whole = Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    monkeypatch.setattr("xaijax.training.images.CACHE_BYTES", 0)
    lazy = Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    assert lazy.pixels is None
    assert lazy.skipped == whole.skipped
    np.testing.assert_array_equal(lazy.labels, whole.labels)
    some = np.array([5, 0, 30])
    np.testing.assert_array_equal(lazy[some], whole[some])
