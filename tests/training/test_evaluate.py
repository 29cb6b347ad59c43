"""`xaijax evaluate`: the scores of a training again, the comparison of two checkpoints, and what is refused."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from xaijax import cli, evaluate, models, train
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
        "run.json", "evaluation.json", "evaluation.html", "predictions.csv", "summary.csv", "tests.csv",
        "per_class.csv", "scores.svg", "confusion.png", "reliability.png", "embedding.png", "checksums.json",
    }  # fmt: skip
    (written,) = json.loads((out / "evaluation.json").read_text())["data"]
    assert written["comparisons"] == []
    about = [written[name] for name in ("name", "which", "images", "classes")]
    assert about == [folder.name, f"{side} images", said["images"], ["high", "low", "middle"]]
    (metrics,) = written["models"]
    (recipe,) = written["recipes"]
    assert (recipe["recipe"], recipe["trainings"], recipe["interval"]) == ("run", 1, "bootstrap over images")
    for name in ("accuracy", "macro_f1", "micro_f1"):
        found = metrics["intervals"][name]
        assert found["value"] == pytest.approx(said[name])
        assert found["low"] <= found["value"] <= found["high"]
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
        assert written["data"][0]["which"] == "test images"
        losses[name] = written["data"][0]["models"][0]["loss"]
    assert losses["covered"] == pytest.approx(finished.test["loss"], rel=1e-5)
    assert abs(losses["planted"] - losses["covered"]) > 0.01


def test_two_checkpoints_are_compared_image_by_image(finished, other, folder, tmp_path, console):
    """They differ in size, channels and the order of their classes; the comparison is by the data's classes."""
    out = tmp_path / "both"
    config = EvaluateConfig(data=(str(folder),), model=(str(finished.out), str(other)), out=out, split="all", seed=5)
    done = evaluate.run(config, console=console)
    heading, *table = rows(out)
    classes = ["high", "low", "middle"]
    assert heading[2:] == [f"{name}: {what}" for name in ("run", "untrained") for what in ("predicted", *classes)]
    assert len(table) == 48
    (found,) = done.data
    assert [item[0] for item in found["skipped"]] == ["low/broken.png"]
    labels, first, second = (np.array([classes.index(row[column]) for row in table]) for column in (1, 2, 6))
    chances = [np.array([row[start : start + 3] for row in table], float) for start in (3, 7)]
    for predicted, p, metrics in zip((first, second), chances, done.metrics, strict=True):
        assert np.mean(predicted == labels) == pytest.approx(metrics["accuracy"])
        areas = [roc_auc_score(labels == k, p[:, k]) for k in range(3)]
        assert metrics["auroc"] == pytest.approx(np.mean(areas), abs=1e-3)  # six digits of the table
    assert done.metrics[1]["classes"] == ["middle", "low", "high"]
    (pair,) = found["comparisons"]
    assert {name: pair[name] for name in ("only_first_right", "only_second_right", "p_value")} == mcnemar(
        labels, first, second
    )
    expected = bootstrap_difference(labels, *chances, seed=5)
    for name in ("accuracy", "macro_f1"):
        assert pair["scores"][name] == pytest.approx(expected[name], abs=1e-9)
    assert (pair["first"], pair["second"], pair["over"], pair["resampled"]) == ("run", "untrained", "images", "images")
    assert pair["p_holm"] == pair["p_value"]
    for kind in ("confusion", "reliability", "embedding"):
        assert (out / f"{kind}-run.png").stat().st_size > 5000
        assert (out / f"{kind}-untrained.png").stat().st_size > 5000
    said = console.file.getvalue()
    assert "McNemar, exact: p " in said
    assert "run has a higher accuracy than untrained, by" in said
    page = (out / "evaluation.html").read_text("utf-8")
    assert "untrained − run" in page
    assert "run has a higher accuracy" in page


def test_three_models_on_two_data_sets_and_json(finished, other, folder, tmp_path, capsys):
    """Each is scored where it knows the classes; Holm's correction is over the pairs."""
    fox = tmp_path / "fox"
    models.save(models.create("small_cnn", 2, (24, 24, 3), classes=["fox", "hen"], width=1), fox)
    animals = tmp_path / "animals"
    for number, name in enumerate(("fox", "hen")):
        (animals / name).mkdir(parents=True)
        for place in range(3):
            Image.fromarray(np.full((24, 24), 40 * (place + 3 * number), np.uint8)).save(
                animals / name / f"{place}.png"
            )
    third = tmp_path / "third"
    models.save(models.create("small_cnn", 3, (24, 24, 1), key=2, classes=["high", "low", "middle"], width=4), third)
    out = tmp_path / "all"
    paths = [str(path) for path in (finished.out, other, fox, third)]
    words = ["--data", str(folder), str(animals), "--model", *paths, "--out", str(out), "--split", "all", "--json"]
    assert cli.main(["evaluate", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "evaluation.json").read_text())
    shapes, beasts = printed["data"]
    assert [row["name"] for row in shapes["models"]] == ["run", "untrained", "third"]
    assert [row["name"] for row in beasts["models"]] == ["fox"]
    assert set(shapes["left_out"]) == {str(fox)}
    assert "knows the classes fox, hen" in shapes["left_out"][str(fox)]
    pairs = shapes["comparisons"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [
        ("run", "untrained"), ("run", "third"), ("untrained", "third"),
    ]  # fmt: skip
    smallest = min(pairs, key=lambda pair: pair["p_value"])
    assert smallest["p_holm"] == pytest.approx(min(1, 3 * smallest["p_value"]))
    assert {path.name for path in out.glob("predictions*")} == {
        f"predictions-{folder.name}.csv",
        "predictions-animals.csv",
    }
    table = list(csv.DictReader((out / "summary.csv").read_text().splitlines()))
    assert [(row["data"], row["recipe"]) for row in table] == [
        (folder.name, "run"), (folder.name, "untrained"), (folder.name, "third"), ("animals", "fox"),
    ]  # fmt: skip
    assert all(float(row["macro_f1_low"]) <= float(row["macro_f1"]) <= float(row["macro_f1_high"]) for row in table)
    tests = list(csv.DictReader((out / "tests.csv").read_text().splitlines()))
    assert len(tests) == 3 * 4  # pairs and scores
    assert "fewer than 10 images of fox, hen" in (out / "evaluation.html").read_text("utf-8")


def test_data_sets_whose_names_are_one_file_name_keep_tables_of_their_own(tmp_path, console):
    rng = np.random.default_rng(0)
    for place in ("a b", "a-b"):
        for name in ("fox", "hen"):
            (tmp_path / place / name).mkdir(parents=True)
            for number in range(2):
                pixels = rng.integers(0, 256, (24, 24), np.uint8)
                Image.fromarray(pixels).save(tmp_path / place / name / f"{place[1]}{number}.png")
    models.save(models.create("small_cnn", 2, (24, 24, 1), classes=["fox", "hen"], width=1), tmp_path / "model")
    both = (str(tmp_path / "a b"), str(tmp_path / "a-b"))
    out = tmp_path / "out"
    evaluate.run(EvaluateConfig(data=both, model=(str(tmp_path / "model"),), split="all", out=out), console=console)
    found = {path.name: path.read_text() for path in out.glob("predictions*")}
    assert set(found) == {"predictions-a-b.csv", "predictions-a-b-2.csv"}
    assert " 0.png" in found["predictions-a-b.csv"]
    assert "-0.png" in found["predictions-a-b-2.csv"]
    assert len(list(out.glob("confusion*.png"))) == 2


def test_trainings_of_one_recipe_are_compared_over_seeds(config, tmp_path, console):
    """Two recipes of two seeds each: every training on its own test images, the paired t-test over the seeds."""
    paths = []
    for name, width in (("short", 1), ("long", 3)):
        for seed in (0, 1):
            done = train.run(config(tmp_path / f"{name}{seed}", epochs=width, seed=seed), console=console)
            paths.append(str(done.out))
    out = tmp_path / "all"
    given = EvaluateConfig(data=(config(out).data,), model=tuple(paths), out=out)
    (found,) = evaluate.run(given, console=console).data
    assert [(row["recipe"], row["trainings"]) for row in found["recipes"]] == [("short", 2), ("long", 2)]
    assert [row["repeat"] for row in found["models"]] == ["seed 0", "seed 0", "seed 1", "seed 1"]
    each = {row["name"]: row["accuracy"] for row in found["models"]}
    (pair,) = found["comparisons"]
    assert (pair["over"], pair["repeats"]) == ("repeats", ["seed 0", "seed 1"])
    means = [np.mean([each[f"{name}{seed}"] for seed in (0, 1)]) for name in ("short", "long")]
    assert pair["scores"]["accuracy"]["difference"] == pytest.approx(means[1] - means[0])
    assert found["recipes"][1]["scores"]["accuracy"]["value"] == pytest.approx(means[1])
    sides = json.loads((tmp_path / "long1" / "run.json").read_text())["data"]
    assert pair["overlap"] == pytest.approx(len(sides["test"]) / len(sides["training"]), rel=0.2)
    _heads, *table = rows(out)
    blank = [[cell == "" for cell in row[2:]] for row in table]
    assert any(all(row[:4]) for row in blank)  # an image of seed 1 alone has no prediction of seed 0
    assert {row[0] for row in table} >= set(sides["test"])
    # One recipe of several seeds is not compared with itself.
    alone = EvaluateConfig(data=given.data, model=tuple(paths[:2]), out=tmp_path / "alone")
    (found,) = evaluate.run(alone, console=console).data
    assert found["comparisons"] == []
    assert found["recipes"][0]["recipe"] == "small_cnn"


def test_the_interval_over_repeats_is_students_and_ends_where_shares_end():
    """Shares 0.7 and 0.8: mean 0.75, 0.05 sqrt(2) / sqrt(2) times 12.706 to either side, cut off at 0 and 1."""
    from xaijax.evaluate.scoring import _over_repeats

    def found(*values):
        return _over_repeats([{"accuracy": {"value": value}} for value in values])["accuracy"]

    two = found(0.7, 0.8)
    assert (two["value"], two["low"], two["high"]) == (pytest.approx(0.75), pytest.approx(0.75 - 0.6353, abs=1e-4), 1.0)
    assert found(0.01, 0.03)["low"] == 0.0
    three = found(0.5, 0.52, 0.54)  # 4.3027 times 0.02 / sqrt(3)
    assert (three["low"], three["high"]) == (pytest.approx(0.4703, abs=1e-4), pytest.approx(0.5697, abs=1e-4))
    assert found(0.5, 0.5)["low"] is None


def test_patients_are_drawn_together(tmp_path, console):
    """Where several images are of one patient, the bootstrap and the test of two classifiers take whole patients."""
    root = tmp_path / "patients"
    root.mkdir()
    random = np.random.default_rng(0)
    lines = ["file,class,patient"]
    for patient in range(6):
        for number in range(3):
            name = f"{patient}-{number}.png"
            Image.fromarray(random.integers(0, 255, (24, 24), dtype=np.uint8)).save(root / name)
            lines.append(f"{name},{'ab'[patient % 2]},p{patient}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    for key in (0, 1):
        made = models.create("small_cnn", 2, (24, 24, 1), key=key, classes=["a", "b"], width=2)
        models.save(made, tmp_path / f"m{key}")
    paths = (str(tmp_path / "m0"), str(tmp_path / "m1"))
    done = evaluate.run(EvaluateConfig(data=(str(root),), model=paths, out=tmp_path / "out"), console=console)
    assert done.metrics[0]["resampled"] == "patients"
    (pair,) = done.data[0]["comparisons"]
    assert (pair["resampled"], pair["units"], pair["test"]) == ("patients", 6, "permutation of patients")


def test_bad_input_is_refused_and_nothing_is_written(finished, other, folder, tmp_path, console):
    out = tmp_path / "out"
    fox = tmp_path / "fox"
    models.save(models.create("small_cnn", 2, (24, 24, 3), classes=["fox", "hen"], width=1), fox)
    for changes, error, message in (
        ({"model": (str(other),) * 2}, InputError, "--model names .* twice; name each once"),
        ({"model": ()}, InputError, "--model names nothing"),
        ({"data": (str(folder), str(fox.parent / "fox-data")), "model": (str(finished.out),)}, FileNotFoundError, "no"),
        ({"model": (str(tmp_path / "none"),)}, FileNotFoundError, "there is no checkpoint"),
        ({"model": (str(fox),)}, InputError, "knows the classes fox, hen"),
        ({"model": (str(other),), "split": "validation"}, ValueError, "does not name its validation images"),
        ({"data": (str(tmp_path / "none"),)}, FileNotFoundError, "there is no folder"),
        ({"out": finished.out}, InputError, "is not empty; name another folder"),
        ({"transpose": True}, ValueError, "was trained without --transpose"),
        ({"window": ("0", "99")}, InputError, "was trained on these images with --window file, which makes other"),
    ):
        given = {"data": (str(folder),), "model": (str(finished.out),), "out": out} | changes
        with pytest.raises(error, match=message):
            evaluate.run(EvaluateConfig(**given), console=console)
        assert not out.exists()
