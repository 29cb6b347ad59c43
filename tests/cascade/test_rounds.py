"""`xaijax cascade`, retrained: what the rounds hand on, what is written, and going on after a kill."""

import json
import shlex
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from xaijax import cascade, explain, models
from xaijax._errors import InputError
from xaijax._runs import command_line
from xaijax.cascade import rounds
from xaijax.data import open_dataset, partition
from xaijax.explain.cascade import Cascade
from xaijax.training._checkpoints import Checkpoints

DATA = {"count": 30, "size": 32, "cues": ("text",)}


def arrays(out):
    """Every array of the rounds, by its place."""
    found = {path.relative_to(out): np.load(path) for path in sorted(out.glob("rounds/*/*.npy"))}
    for path in [*sorted(out.glob("rounds/*/*.safetensors")), out / "cascade.safetensors"]:
        found |= {(path.relative_to(out), name): array for name, array in load_file(path).items()}
    return found


def assert_same(left, right):
    """The same images, maps and weights in every round, bit for bit."""
    one, other = arrays(left), arrays(right)
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=str(name))


def np_minmax(values):
    span = values.max() - values.min()
    return np.zeros_like(values) if span == 0 else (values - values.min()) / span


def test_everything_is_written(finished):
    out = finished.out
    names = {path.name for path in out.iterdir()}
    assert names == {
        "rounds", "rounds.jsonl", "run.json", "cascade.png", "cascade.safetensors", "evaluation.json",
        "evaluation.md", "scores.csv", "tests.csv", "checksums.json",
    }  # fmt: skip
    lines = [json.loads(line) for line in (out / "rounds.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [0, 1, 2]
    for number, line in enumerate(lines):
        assert 1 <= line["best_epoch"] <= line["epochs"] <= 3
        assert line["stopped_early"] == (line["epochs"] < 3)
        assert set(line["seconds"]) == {"training", "maps", "thresholds", "saving"}
        assert line["seconds"]["training"] > 0
        assert (line["seconds"]["thresholds"] > 0) == (number > 0)
        epochs = [json.loads(row) for row in (out / "rounds" / f"{number:02d}" / "log.jsonl").read_text().splitlines()]
        assert len(epochs) == line["epochs"]
        assert epochs[line["best_epoch"] - 1]["validation_accuracy"] == line["validation"]["accuracy"]
    with Image.open(out / "cascade.png") as image:
        assert min(image.size) > 200


def test_each_round_is_the_definition_on_the_files_of_the_round_before(finished):
    """`X^(k+1) = mm(exp(-θ TH(map_k)) X^(k))` in NumPy, and maps that are those of the saved model on `X^(k)`."""
    data = open_dataset("phantoms", **DATA)
    sides = partition(data, {"training": 0.5, "validation": 0.2, "test": 0.3}, seed=0)
    description = json.loads((finished.out / "run.json").read_text())
    for side, positions in sides.items():
        assert description["data"][side] == [data.cases[i].id for i in positions]
    batch = data.read(np.concatenate([*sides.values()]), (32, 32, 1))
    seen = batch.images.astype(np.float32) / 255
    for number in range(3):
        here = rounds.place(finished.out, number)
        if number:
            stored = np.load(here / "images.npy")
            assert stored.dtype == np.float32
            np.testing.assert_allclose(stored, seen, atol=1e-6)
            grey = stored * 255
            assert np.abs(grey - np.rint(grey)).max() > 0.3  # not rounded to 8 bits on the way
            seen = stored
        maps = np.load(here / "maps.npy")
        expected = explain.postprocess(explain.grad_cam(models.load(here), seen, batch.labels), "minmax")
        np.testing.assert_allclose(maps, expected, atol=2e-5)
        following = np.empty_like(seen)
        for i, own in enumerate(maps):
            kept = np.where(own >= np.sort(own.ravel())[-103], own, 0)  # 10 % of 1,024 pixels
            following[i] = np_minmax(np.exp(-2.0 * kept)[..., None] * seen[i])
        seen = following


def test_all_rounds_start_from_the_same_weights_and_differ_in_what_they_learn(finished):
    trained = finished.cascade
    kernels = [np.asarray(leaf) for leaf in jax.tree.leaves(trained.params)]
    assert all(len(leaf) == 3 for leaf in kernels)
    assert any(not np.array_equal(leaf[0], leaf[1]) for leaf in kernels)


def test_a_cascade_is_one_file_that_explains_any_image(finished, tmp_path):
    loaded = cascade.load(finished.out)
    assert isinstance(loaded, Cascade)
    assert loaded.base == ("grad_cam",) * 3
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    labels = np.array([0, 2])
    maps = loaded.maps(images, labels)
    for number in range(3):
        own = models.load(rounds.place(finished.out, number))
        expected = explain.postprocess(explain.grad_cam(own, images, labels), "minmax")
        np.testing.assert_allclose(maps[number], expected, atol=2e-5)
    np.testing.assert_array_equal(loaded.explain(images, labels), finished.cascade.explain(images, labels))
    copied = cascade.load(cascade.save(loaded, tmp_path / "copy.safetensors"))
    np.testing.assert_array_equal(copied.explain(images, labels), loaded.explain(images, labels))
    with pytest.raises(ValueError, match=r"holds a cascade of several models; load it with xaijax\.cascade\.load"):
        models.load(finished.out / "cascade.safetensors")
    with pytest.raises(ValueError, match="holds one classifier and no cascade"):
        cascade.load(rounds.place(finished.out, 0) / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no cascade"):
        cascade.load(tmp_path)


class Killed(BaseException):
    """What no handler of the package catches."""


@pytest.mark.parametrize("where", ["in an epoch", "in the maps", "in the images", "between rounds"])
def test_a_killed_cascade_goes_on_to_the_same_result(where, finished, config, tmp_path, console, monkeypatch):
    out = tmp_path / "run"
    seen = {"epochs": 0, "writes": 0}
    with monkeypatch.context() as patch:
        if where == "in an epoch":
            before = Checkpoints.save

            def save(checkpoints, *rest):
                seen["epochs"] += 1
                if seen["epochs"] == 5:  # the second of round 1: weights may be saved, the checkpoint is not
                    raise KeyboardInterrupt
                before(checkpoints, *rest)

            patch.setattr(Checkpoints, "save", save)
        elif where in ("in the maps", "in the images"):
            write = rounds.store.write

            def half(path, shape, fill):
                seen["writes"] += 1
                if seen["writes"] == {"in the maps": 3, "in the images": 2}[where]:

                    def broken(array):
                        array[:5] = 1
                        raise Killed

                    write(path, shape, broken)
                write(path, shape, fill)

            patch.setattr(rounds.store, "write", half)
        else:
            patch.setattr(rounds, "_hide", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises((Killed, KeyboardInterrupt)):
            cascade.run(config(out), console=console)
    if where == "in an epoch":
        assert "interrupted; what is finished stays" in console.file.getvalue()
    assert rounds.ended(out, 0) is not None
    assert rounds.ended(out, 1) is None
    times = {path: path.stat().st_mtime_ns for path in rounds.place(out, 0).rglob("*") if path.is_file()}
    with pytest.raises(InputError, match="already holds a cascade; add --resume to resume it"):
        cascade.run(config(out), console=console)
    cascade.run(config(out, resume=True), console=console)
    assert "round 1/3 is finished" in console.file.getvalue()
    assert times == {path: path.stat().st_mtime_ns for path in times}  # finished rounds are untouched
    assert_same(out, finished.out)


KILLED = """
import os, signal, sys
from xaijax import cli
from xaijax.cascade import store
before = store.write
def write(path, shape, fill):
    def half(array):
        fill(array)
        if path.parent.name == "01" and path.name == "maps.npy":
            os.kill(os.getpid(), signal.SIGKILL)  # the array is filled, and still has its other name
    before(path, shape, half)
store.write = write
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_cascade_that_is_killed_by_a_signal_goes_on_to_the_same_result(finished, config, tmp_path, console):
    out = tmp_path / "run"
    words = shlex.split(command_line.repeat("cascade", config(out)))[1:]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (rounds.place(out, 1) / "maps.npy").exists()
    cascade.run(config(out, resume=True), console=console)
    assert_same(out, finished.out)


def test_more_rounds_fewer_rounds_and_another_decay_train_only_what_is_missing(
    finished, config, tmp_path, console, monkeypatch
):
    out = tmp_path / "run"
    short = cascade.run(config(out, rounds=2, store="last"), console=console)
    assert short.cascade.rounds == 2
    trained = []
    before = rounds._train

    def train(*arguments):
        trained.append(arguments[4])
        return before(*arguments)

    monkeypatch.setattr(rounds, "_train", train)
    longer = cascade.run(config(out, rounds=3, store="last", resume=True), console=console)
    assert trained == [2]
    assert not (rounds.place(out, 1) / "images.npy").exists()  # the images of the last round alone are kept
    whole = arrays(finished.out)
    for name, array in arrays(out).items():
        np.testing.assert_array_equal(array, whole[name], err_msg=str(name))
    other = cascade.run(config(out, rounds=1, decay=0.5, resume=True), console=console)
    assert trained == [2]
    assert other.cascade.rounds == 1
    assert other.cascade.decay == 0.5
    assert longer.cascade.rounds == 3


def test_bad_input_is_refused_and_nothing_is_written(finished, config, tmp_path, console):
    out = tmp_path / "out"
    full = finished.out
    for changes, error, message in (
        ({"rounds": 0}, InputError, "--rounds is 0; it must be a whole number from 1"),
        ({"threshold": "top"}, ValueError, "threshold must be"),
        ({"sweep_threshold": ("top_k:200",)}, ValueError, "at most 100"),
        ({"base": ("cam", "grad_cam")}, ValueError, "one for each of the 3 rounds"),
        ({"compare": ("gradcan",)}, InputError, "did you mean grad_cam"),
        ({"compare": ("cam", "CAM")}, InputError, "'cam' was given twice"),
        (
            {"sweep_theta": (float("nan"), -1.0)},
            InputError,
            r"--sweep-theta is \(nan, -1.0\); it must be a number of at least 0",
        ),
        ({"sweep_decay": (-1.0,)}, InputError, "--sweep-decay is"),
        ({"size": 1_000_000}, InputError, "--size is 1000000; it must be a whole number from 1 to 8192"),
        ({"split": "all"}, InputError, "--split is for --form frozen"),
        ({"epochs": 2, "frozen_epochs": 1}, InputError, "--frozen-epochs needs --weights"),
        ({"model": "small_cn"}, ValueError, "did you mean small_cnn"),
        ({"form": "frozen", "model": None}, ValueError, "give its folder or file as --model"),
        ({"form": "frozen", "model": str(tmp_path / "none")}, FileNotFoundError, "there is no checkpoint"),
        ({"out": full}, InputError, "already holds a cascade; add --resume to resume it, or name another folder"),
        ({"out": full, "resume": True, "theta": 1.0}, InputError, r"--theta was 2\.0, now 1\.0"),
        ({"out": full / "rounds", "resume": True}, InputError, "holds no cascade to resume"),
        ({"out": rounds.place(full, 0), "resume": True}, InputError, "holds a training and no cascade to resume"),
        ({"out": full / "rounds.jsonl"}, InputError, "is a file"),
    ):
        with pytest.raises(error, match=message):
            cascade.run(config(**({"out": out} | changes)), console=console)
        assert not out.exists()
