"""`xaijax evaluate`: the scores of a training again, the comparison of two checkpoints, and what is refused."""

import csv
import json

import numpy as np
import pytest

from xaijax import cli, evaluate, models
from xaijax._errors import InputError
from xaijax.evaluate import EvaluateConfig
from xaijax.training import bootstrap_difference, mcnemar


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """An untrained checkpoint that counts the classes in another order and takes other images."""
    out = tmp_path_factory.mktemp("other")
    model = models.create("small_cnn", 3, (24, 24, 3), key=1, classes=["middle", "low", "high"], width=4)
    models.save(model, out / "untrained")
    return out / "untrained"


def rows(out):
    return list(csv.reader((out / "predictions.csv").read_text().splitlines()))


@pytest.mark.parametrize("side", ["test", "validation"])
def test_one_checkpoint_scores_as_its_training_said(finished, folder, tmp_path, side):
    """The test images without any option; those that chose the epoch where they are wanted."""
    out = tmp_path / "scores"
    words = ["evaluate", "--data", str(folder), "--model", str(finished.out), "--out", str(out)]
    assert cli.main(words if side == "test" else [*words, "--split", side]) == 0
    said = finished.test if side == "test" else finished.metrics
    assert {path.name for path in out.iterdir()} == {
        "run.json", "evaluation.json", "predictions.csv", "confusion.png", "reliability.png", "embedding.png",
        "checksums.json",
    }  # fmt: skip
    written = json.loads((out / "evaluation.json").read_text())
    assert written["comparison"] is None
    assert written["data"] == {"name": folder.name, "which": f"{side} images", "images": said["images"]}
    (metrics,) = written["models"]
    for name in ("confusion", "per_class", "classes", "macro_f1", "micro_f1", "accuracy"):
        assert metrics[name] == said[name]
    assert metrics["loss"] == pytest.approx(said["loss"], rel=1e-5)
    assert metrics["reliability"]["ece"] == pytest.approx(said["reliability"]["ece"], abs=1e-5)
    heading, *table = rows(out)
    assert heading == ["id", "class", "predicted", "high", "low", "middle"]
    named = json.loads((finished.out / "run.json").read_text())["data"][side]
    assert [row[0] for row in table] == named
    described = json.loads((out / "run.json").read_text())["data"]
    assert (described["images"], described["which"]) == (named, f"{side} images")
    assert described["found"]["taken"] == {"image": 49}
    assert np.mean([row[1] == row[2] for row in table]) == pytest.approx(metrics["accuracy"])
    np.testing.assert_allclose([sum(map(float, row[3:])) for row in table], 1, atol=1e-5)
    assert all(row[2] == heading[3 + int(np.argmax([float(cell) for cell in row[3:]]))] for row in table)


def test_planted_and_covered_cues_are_scored_on_the_same_images(finished, folder, tmp_path):
    """Cues are planted in the test images of a training without them; covered, they are as if never planted."""
    losses = {}
    planting = ["--cues", "text", "ruler:high", "--correlation", "0.5"]
    for name, options in (("planted", planting), ("covered", [*planting, "--covered"])):
        out = tmp_path / name
        given = ["evaluate", "--data", str(folder), "--model", str(finished.out), "--out", str(out), *options]
        assert cli.main(given) == 0
        written = json.loads((out / "evaluation.json").read_text())
        assert " ".join(options) in written["command"]
        assert written["data"]["which"] == "test images"
        losses[name] = written["models"][0]["loss"]
    assert losses["covered"] == pytest.approx(finished.test["loss"], rel=1e-5)
    assert abs(losses["planted"] - losses["covered"]) > 0.01


def test_two_checkpoints_are_compared_image_by_image(finished, other, folder, tmp_path, console):
    """They differ in size, channels and the order of their classes; the comparison is by the data's classes."""
    out = tmp_path / "both"
    config = EvaluateConfig(data=str(folder), model=(str(finished.out), str(other)), out=out, split="all", seed=5)
    done = evaluate.run(config, console=console)
    heading, *table = rows(out)
    classes = ["high", "low", "middle"]
    assert heading[2:] == [f"{name}: {what}" for name in ("run", "untrained") for what in ("predicted", *classes)]
    assert len(table) == 48
    assert [item[0] for item in json.loads((out / "evaluation.json").read_text())["skipped"]] == ["low/broken.png"]
    labels, first, second = (np.array([classes.index(row[column]) for row in table]) for column in (1, 2, 6))
    for predicted, metrics in zip((first, second), done.metrics, strict=True):
        assert np.mean(predicted == labels) == pytest.approx(metrics["accuracy"])
    assert done.metrics[1]["classes"] == ["middle", "low", "high"]
    assert done.comparison["mcnemar"] == mcnemar(labels, first, second)
    assert done.comparison["bootstrap"] == bootstrap_difference(labels, first, second, 3, seed=5)
    assert done.comparison["resampled"] == "images"
    for kind in ("confusion", "reliability", "embedding"):
        assert (out / f"{kind}_1.png").stat().st_size > 5000
        assert (out / f"{kind}_2.png").stat().st_size > 5000
    assert "McNemar p =" in console.file.getvalue()


def test_bad_input_is_refused_and_nothing_is_written(finished, other, folder, tmp_path, console):
    out = tmp_path / "out"
    fox = tmp_path / "fox"
    models.save(models.create("small_cnn", 2, (24, 24, 3), classes=["fox", "hen"], width=1), fox)
    for changes, error, message in (
        ({"model": (str(other),) * 3}, InputError, "one classifier, or two to compare; got 3"),
        ({"model": (str(tmp_path / "none"),)}, FileNotFoundError, "there is no checkpoint"),
        ({"model": (str(fox),)}, InputError, "knows the classes fox, hen"),
        ({"model": (str(other),), "split": "validation"}, ValueError, "does not name its validation images"),
        ({"data": str(tmp_path / "none")}, FileNotFoundError, "there is no folder"),
        ({"out": finished.out}, InputError, "is not empty; name another folder"),
        ({"transpose": True}, ValueError, "was trained without --transpose"),
        ({"window": ("0", "99")}, InputError, "was trained on these images with --window file, which makes other"),
    ):
        given = {"data": str(folder), "model": (str(finished.out),), "out": out} | changes
        with pytest.raises(error, match=message):
            evaluate.run(EvaluateConfig(**given), console=console)
        assert not out.exists()
