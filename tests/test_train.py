"""Training: scores against scikit-learn, augmentation, learning, resuming, and what is refused."""

import dataclasses
import io
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from sklearn import metrics as sklearn_metrics

from xaijax import models, train
from xaijax._training import augment, loop, scores
from xaijax.classifier import Classifier


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes that differ by the position of a bright spot on noise; one unreadable file."""
    root = tmp_path_factory.mktemp("spots")
    random = np.random.default_rng(0)
    for label, (name, row) in enumerate((("high", 6), ("middle", 16), ("low", 26))):
        (root / name).mkdir()
        for number in range(20 - 4 * label):
            image = random.integers(0, 90, (32, 32)).astype(np.uint8)
            column = random.integers(8, 24)
            image[row - 3 : row + 3, column - 3 : column + 3] = 220
            Image.fromarray(image).save(root / name / f"{number:02d}.png")
    (root / "low" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return root


def config(folder, out, **changes):
    given = {
        "data": str(folder),
        "out": out,
        "size": 32,
        "epochs": 4,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "augmentation": train.Augmentation(flip="horizontal", shift=0.05, rotation=5, zoom=0.05),
    }
    return train.TrainConfig(**(given | changes))


@pytest.fixture(scope="module")
def finished(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "run"
    return train.run_train(config(folder, out), console=quiet())


def test_scores_equal_scikit_learn():
    random = np.random.default_rng(0)
    for classes in (2, 3, 5):
        labels, predictions = random.integers(0, classes, (2, 200))
        confusion = scores.confusion_matrix(labels, predictions, classes)
        np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(labels, predictions))
        got = scores.scores(confusion, [str(k) for k in range(classes)])
        assert got["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions), abs=1e-12)
        macro = sklearn_metrics.f1_score(labels, predictions, average="macro")
        assert got["macro_f1"] == pytest.approx(macro, abs=1e-12)
        each = sklearn_metrics.precision_recall_fscore_support(labels, predictions)
        for k in range(classes):
            row = got["per_class"][str(k)]
            assert [row[w] for w in ("precision", "recall", "f1", "images")] == pytest.approx([e[k] for e in each])


def test_a_class_that_nobody_has_or_predicts_does_not_count():
    labels, predictions = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    got = scores.scores(scores.confusion_matrix(labels, predictions, 4), "abcd")
    expected = sklearn_metrics.f1_score(labels, predictions, average="macro")
    assert got["macro_f1"] == pytest.approx(expected, abs=1e-12)


def test_class_weights_make_classes_count_alike():
    weights = loop.class_weights(np.array([0, 0, 0, 2]), 3)
    np.testing.assert_allclose(weights, [4 / 6, 0, 2], rtol=1e-6)
    assert weights[[0, 0, 0, 2]].mean() == pytest.approx(1)


def test_no_augmentation_amounts_leave_the_image():
    images = jnp.asarray(np.random.default_rng(0).random((3, 9, 12, 2)), jnp.float32)
    nothing = augment.Augmentation("none", 0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_allclose(nothing(images, jax.random.key(0)), images, atol=1e-6)


def test_flips_mirror_half_of_the_images():
    images = jnp.asarray(np.random.default_rng(0).random((64, 6, 8, 1)), jnp.float32)
    for flip, mirrors in (("horizontal", {(1, 1), (1, -1)}), ("both", {(1, 1), (1, -1), (-1, 1), (-1, -1)})):
        changed = np.asarray(augment.Augmentation(flip, 0.0, 0.0, 0.0, 0.0, 0.0)(images, jax.random.key(1)))
        seen = [
            next(
                (y, x)
                for y, x in itertools.product((1, -1), (1, -1))
                if np.allclose(image[::y, ::x], result, atol=1e-5)
            )
            for image, result in zip(np.asarray(images), changed, strict=True)
        ]
        assert set(seen) == mirrors
        assert max(seen.count(m) for m in mirrors) < 64 * 1.6 / len(mirrors)


def test_shift_rotation_and_zoom_move_a_ramp_as_they_say():
    """A linear ramp is reproduced exactly by bilinear sampling, so its slopes tell the affine map."""
    rows, columns = np.mgrid[0:41, 0:41].astype(np.float32)
    images = jnp.asarray(np.stack([rows, columns], -1)[None] / 80 + 0.2)
    images = jnp.repeat(images, 200, 0)
    moved = augment.Augmentation("none", 0.1, 20.0, 0.2, 0.0, 0.0)(images, jax.random.key(3))
    middle = (np.asarray(moved)[:, 10:31, 10:31] - 0.2) * 80
    down = np.diff(middle, axis=1).mean((1, 2))
    scale, angle = np.hypot(down[:, 0], down[:, 1]), np.degrees(np.arctan2(down[:, 1], down[:, 0]))
    centre = middle[:, 10, 10] - 20
    for values, bound in ((scale - 1, 0.2), (angle, 20.0), (centre[:, 0], 4.1), (centre[:, 1], 4.1)):
        assert 0.85 * bound < np.abs(values).max() <= bound * 1.001
        assert abs(values.mean()) < 0.25 * bound


def test_brightness_and_contrast_stay_in_range():
    images = jnp.asarray(np.random.default_rng(0).random((16, 8, 8, 1)), jnp.float32)
    changed = augment.Augmentation("none", 0.0, 0.0, 0.0, 0.5, 0.5)(images, jax.random.key(0))
    assert float(changed.min()) == 0
    assert float(changed.max()) == 1
    again = augment.Augmentation("none", 0.0, 0.0, 0.0, 0.5, 0.5)(images, jax.random.key(0))
    np.testing.assert_array_equal(changed, again)


def test_train_learns_and_keeps_the_best_epoch():
    random = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = random.random((48, 16, 16, 1)).astype(np.float32) * 0.4
    images[labels == 1, 4:8, 4:8] += 0.5
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    seen = []
    options = train.Options(epochs=6, batch_size=16, learning_rate=1e-2, augmentation=None)
    before = jax.tree.map(np.array, start.params)
    done = train.train(
        start, images[:32], labels[:32], validation=(images[32:], labels[32:]), options=options, on_epoch=seen.append
    )
    jax.tree.map(np.testing.assert_array_equal, before, start.params)
    assert done.metrics["macro_f1"] > 0.9
    assert len(done.log) == len(seen) <= 6
    best = max(done.log, key=lambda row: (row["validation_macro_f1"], -row["validation_loss"]))
    assert best["epoch"] == done.best_epoch
    again = train.evaluate(done.classifier, images[32:], labels[32:], batch_size=5)
    assert again["confusion"] == done.metrics["confusion"]
    assert again["loss"] == pytest.approx(done.metrics["loss"], rel=1e-4)
    statistics = done.classifier.params["stem"]["norm"]["mean"]
    assert np.abs(statistics - before["stem"]["norm"]["mean"]).max() > 1e-3


def test_batch_statistics_are_those_of_the_training_images():
    """Of the first batch norm, whose input can be computed by hand, over all images in two batches."""
    images = np.random.default_rng(0).random((32, 16, 16, 1)).astype(np.float32)
    start = models.create("small_cnn", 2, (16, 16, 1), width=4)
    options = train.Options(epochs=6, batch_size=16, learning_rate=1e-2)  # augmentation must not show
    trainer = loop.Trainer(start, images, np.arange(32) % 2, options)
    for _ in trainer.epoch(1):
        pass
    made = trainer.trained()
    convolved = np.asarray(made.tapped(made.params, images, {"stem.conv": None})[1]["stem.conv"], np.float64)
    np.testing.assert_allclose(made.params["stem"]["norm"]["mean"], convolved.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.params["stem"]["norm"]["var"], convolved.var((0, 1, 2)), rtol=1e-2)
    running = trainer.state[1]["stem.norm.mean"]
    assert np.abs(running - made.params["stem"]["norm"]["mean"]).max() > 1e-3  # training goes on with its own


def validation(macro_f1, loss):
    return {"macro_f1": macro_f1, "loss": loss, "accuracy": macro_f1}


def test_early_stopping_waits_for_patience_and_prefers_f1_then_loss():
    record = train._Record()
    course = [(0.5, 1.0), (0.6, 2.0), (0.6, 1.5), (0.55, 0.1), (0.6, 1.5)]
    better = [record.add(epoch, [1.0, 3.0], validation(*values)) for epoch, values in enumerate(course, 1)]
    assert better == [True, True, True, False, False]
    assert record.best_epoch == 3
    assert record.log[0]["train_loss"] == 2.0
    assert record.is_stale(2)
    assert not record.is_stale(3)


def test_a_loss_that_is_no_number_is_an_error():
    for losses, loss in (([1.0, float("nan")], 1.0), ([1.0], float("inf"))):
        with pytest.raises(ValueError, match="the loss is not a number any more in epoch 1; use a smaller learning"):
            train._Record().add(1, losses, validation(0.5, loss))


def test_bad_labels_and_models_are_refused():
    start = models.create("small_cnn", 2, (16, 16, 1), width=1)
    images = np.zeros((4, 16, 16, 1), np.uint8)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.1; got 0 to 2"):
        train.train(start, images, [0, 1, 2, 0], validation=(images, [0] * 4))
    with pytest.raises(ValueError, match="as many and not none; got 4, 3"):
        train.train(start, images, [0, 1, 0], validation=(images, [0] * 4))
    function = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.ones((1, 2)), input_shape=(16, 16, 1))
    with pytest.raises(ValueError, match="made from a plain function cannot be trained"):
        train.train(function, images, [0, 1, 0, 1], validation=(images, [0] * 4))
    for bad, message in (
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"warmup": 1.0}, "warmup"),
    ):
        with pytest.raises(ValueError, match=message):
            train.Options(**bad)


def test_run_train_writes_everything(finished, folder):
    out = finished.out
    names = {path.name for path in out.iterdir()}
    assert names == {
        "model.safetensors", "state.safetensors", "train.json", "metrics.json", "log.jsonl", "training.png",
        "confusion.png",
    }  # fmt: skip
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
    for figure in ("training.png", "confusion.png"):
        with Image.open(out / figure) as image:
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


def test_a_killed_training_goes_on_to_the_same_result(finished, folder, tmp_path, monkeypatch):
    out = tmp_path / "run"
    epochs = itertools.count()
    original = train._print_epoch

    def kill(console, record):
        if next(epochs) == 1:
            raise KeyboardInterrupt  # after the best weights were written, before the state was
        original(console, record)

    monkeypatch.setattr(train, "_print_epoch", kill)
    with pytest.raises(KeyboardInterrupt):
        train.run_train(config(folder, out), console=quiet())
    assert not (out / "metrics.json").exists()
    monkeypatch.undo()
    console = quiet()
    resumed = train.run_train(config(folder, out, resume=True), console=console)
    assert "going on after epoch 1" in console.file.getvalue()
    assert resumed.metrics == finished.metrics
    for name in ("model.safetensors", "state.safetensors"):
        left, right = ((where / name).read_bytes() for where in (out, finished.out))
        assert left[-100_000:] == right[-100_000:]
    assert (out / "log.jsonl").read_text() == (finished.out / "log.jsonl").read_text()
    # A finished training that is resumed says the same again.
    assert train.run_train(config(folder, out, resume=True), console=quiet()).metrics == finished.metrics


def test_bad_input_is_refused_and_nothing_is_written(folder, finished, tmp_path):
    out = tmp_path / "out"
    (tmp_path / "one" / "only").mkdir(parents=True)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "one" / "only" / "a.png")
    full = finished.out
    for changes, error, message in (
        ({"folder": tmp_path / "nowhere"}, FileNotFoundError, "nowhere"),
        ({"folder": tmp_path / "one"}, ValueError, "1 class"),
        ({"model": "small_cn"}, ValueError, "did you mean small_cnn"),
        ({"size": 8}, ValueError, "16 pixels a side"),
        ({"images": 3}, ValueError, "option of phantoms"),
        ({"validation": 1.5}, ValueError, "fraction"),
        ({"epochs": 0}, ValueError, "epochs"),
        ({"out": full}, FileExistsError, "is not empty; give another folder, or --resume"),
        ({"out": full, "resume": True, "epochs": 9}, ValueError, "epochs was 4, now 9"),
        ({"out": folder, "resume": True}, FileNotFoundError, "holds no training to resume"),
        ({"out": full / "log.jsonl"}, FileExistsError, "is a file"),
    ):
        with pytest.raises(error, match=message):
            train.run_train(config(**({"folder": folder, "out": out} | changes)), console=quiet())
        assert not out.exists()


def test_the_command_repeats_the_configuration():
    import tyro

    made = train.TrainConfig(
        data="a b", out="runs/x", balance=False, images=7, augmentation=train.Augmentation(flip="none"), resume=True
    )
    command = made.command()
    assert command == (
        "xaijax train --data 'a b' --model small_cnn --out runs/x --no-balance --augmentation.flip none --images 7"
    )
    parsed = tyro.cli(train.TrainConfig, args=__import__("shlex").split(command)[2:], use_underscores=False)
    assert dataclasses.replace(parsed, resume=True, out="runs/x") == made


def test_images_that_do_not_fit_into_memory_are_read_as_they_are_needed(folder, monkeypatch):
    from xaijax.data import open_dataset

    dataset = open_dataset(folder)
    whole = train._Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    monkeypatch.setattr(train, "CACHE_BYTES", 0)
    lazy = train._Images.read(dataset, np.arange(len(dataset)), (16, 16, 1))
    assert lazy.pixels is None
    assert lazy.skipped == whole.skipped
    np.testing.assert_array_equal(lazy.labels, whole.labels)
    some = np.array([5, 0, 30])
    np.testing.assert_array_equal(lazy[some], whole[some])
