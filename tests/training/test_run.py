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

from xaijax import cli, models, train, training
from xaijax._errors import InputError
from xaijax._runs import command_line
from xaijax._runs.training import Images


def test_run_train_writes_everything(finished, folder):
    out = finished.out
    names = {path.name for path in out.iterdir()}
    assert names == {
        "model.safetensors", "checkpoints", "run.json", "metrics.json", "log.jsonl", "training.png",
        "confusion.png", "reliability.png", "embedding.png",
        "checksums.json",
    }  # fmt: skip
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["4"]
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == list(range(1, len(log) + 1))
    written = json.loads((out / "metrics.json").read_text())
    assert written["macro_f1"] == finished.metrics["macro_f1"]
    assert written["classes"] == ["high", "low", "middle"]
    description = json.loads((out / "run.json").read_text())
    data = description["data"]
    sides = [name for side in ("training", "validation", "test") for name in data[side]]
    assert len(sides) == len(set(sides)) == 48
    assert data["split"]["images"] == {"training": 39, "validation": 5, "test": 5}  # the unreadable one included
    assert data["split"]["how"] == "by shares"
    assert data["found"]["taken"] == {"image": 49}
    assert written["test"] == finished.test
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
    ids = json.loads((finished.out / "run.json").read_text())["data"]["validation"]
    images = np.stack([np.asarray(Image.open(folder / name))[..., None] for name in ids if "broken" not in name])
    labels = np.array([model.classes.index(name.split("/")[0]) for name in ids if "broken" not in name])
    assert training.classification_scores(model, images, labels)["confusion"] == finished.metrics["confusion"]


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
from xaijax.training._checkpoints import Checkpoints
before = Checkpoints.save
def kill(self, epoch, *rest):
    if epoch == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # the best weights may be written, the checkpoint is not
    before(self, epoch, *rest)
Checkpoints.save = kill
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_killed_training_goes_on_to_the_same_result(finished, config, tmp_path, console):
    out = tmp_path / "run"
    words = shlex.split(command_line.repeat("train", config(out)))[1:]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / "metrics.json").exists()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["2"]
    # What a kill in the middle of writing leaves behind is cleared away.
    half = out / "checkpoints" / "3.orbax-checkpoint-tmp"
    (half / "state").mkdir(parents=True)
    resumed = train.run(config(out, resume=True), console=console)
    assert "resuming after epoch 2" in console.file.getvalue()
    assert resumed.metrics == finished.metrics
    assert_same_training(out, finished.out)
    assert (out / "log.jsonl").read_text() == (finished.out / "log.jsonl").read_text()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["4"]


def test_a_finished_training_that_is_resumed_says_the_same_again(finished, config, console):
    before = (finished.out / "metrics.json").read_text()
    assert train.run(config(finished.out, resume=True), console=console).metrics == finished.metrics
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
        ({"size": 1_000_000}, InputError, "--size is 1000000; it must be a whole number from 1 to 8192 or none"),
        ({"lesions": 3}, ValueError, "option of phantoms"),
        ({"validation": 1.5}, InputError, "--validation is 1.5; it must be a number above 0 up to below 1"),
        ({"epochs": 0}, InputError, "--epochs is 0; it must be a whole number from 1"),
        ({"keep": 0}, InputError, "--keep is 0; it must be a whole number from 1"),
        ({"frozen_epochs": 2}, InputError, "needs --weights"),
        ({"frozen_epochs": 9, "weights": full}, InputError, "--frozen-epochs is 9; it must be at most --epochs, 4"),
        ({"weights": tmp_path / "w.pth"}, FileNotFoundError, "there is no checkpoint"),
        ({"weights": full, "model": "vgg16"}, ValueError, "those of small_cnn, not of vgg16; leave out --model"),
        ({"weights": full, "channels": "3"}, ValueError, "for images of 1 channel, not 3; leave out channels"),
        ({"devices": 3}, ValueError, "at most 1, which is how many there are"),
        ({"out": full}, InputError, "already holds a training; add --resume to resume it, or name another folder"),
        ({"out": full, "resume": True, "epochs": 9}, InputError, "--epochs was 4, now 9"),
        ({"out": folder, "resume": True}, InputError, "holds no training to resume"),
        ({"out": full / "log.jsonl"}, InputError, "is a file"),
    ):
        with pytest.raises(error, match=message):
            train.run(config(**({"out": out} | changes)), console=console)
        assert not out.exists()


def test_the_command_repeats_the_configuration():
    made = train.TrainConfig(
        data="a b",
        model="small_cnn",
        out="runs/x",
        weights="w.npz",
        balance=False,
        count=7,
        augmentation=training.Augmentation(flip="none"),
        resume=True,
    )
    command = command_line.repeat("train", made)
    assert command == (
        "xaijax train --data 'a b' --count 7 --model small_cnn --weights w.npz --no-balance "
        "--augmentation.flip none --out runs/x"
    )
    parsed = cli.parse("train", shlex.split(command)[2:])
    assert dataclasses.replace(parsed, resume=True, out="runs/x", weights="w.npz") == made


def test_images_that_do_not_fit_into_memory_are_read_as_they_are_needed(folder, monkeypatch):
    from xaijax.data import open_dataset

    dataset = open_dataset(folder)
    whole = Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    monkeypatch.setattr("xaijax._runs.training.CACHE_BYTES", 0)
    lazy = Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    assert lazy.pixels is None
    assert lazy.skipped == whole.skipped
    np.testing.assert_array_equal(lazy.labels, whole.labels)
    some = np.array([5, 0, 30])
    np.testing.assert_array_equal(lazy[some], whole[some])
