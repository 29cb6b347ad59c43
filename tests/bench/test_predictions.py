"""What `bench`, `calibrate`, `clusters` and `models --data` say of a model whose predictions are suspicious."""

import dataclasses
import json
import re

import numpy as np
import pytest
from PIL import Image

from xaijax import cli
from xaijax._errors import InputError
from xaijax._runs import answers
from xaijax.bench import BenchConfig, report, run
from xaijax.bench.store import PREDICTIONS
from xaijax.calibrate import CalibrateConfig
from xaijax.calibrate import run as calibrate
from xaijax.clusters import ClustersConfig
from xaijax.clusters import run as clusters

CLASSES = ("benign", "malignant", "normal")
MODEL = """
import numpy as np
input_shape = (16, 16, 1)
{lines}
def predict(images):
    level = np.asarray(images, np.float64).mean(axis=(1, 2, 3)){scale}
    found = np.stack([np.exp(-((level - place) * 6) ** 2) + 1e-9 for place in {places}], axis=1)
    return found / found.sum(axis=1, keepdims=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images, dark, middle and bright, in the folders of three classes."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name, level in zip(CLASSES, (40, 120, 210), strict=True):
        (root / name).mkdir()
        for number in range(4):
            Image.fromarray((level + rng.integers(-12, 13, (16, 16))).astype(np.uint8)).save(
                root / name / f"{number}.png"
            )
    return root


def model(place, lines="", scale="", places=(0.16, 0.47, 0.82)):
    file = place / "ultra.py"
    file.write_text(MODEL.format(lines=lines, scale=scale, places=places))
    return f"{file}:predict"


WRONG = {"scale": " * 0 + 0.45"}  # every image looks the same to it
SHIFTED = {"places": (0.47, 0.82, 0.16)}  # its outputs are malignant, normal, benign


def counts(**pairs):
    return {tuple(name.split("_")): count for name, count in pairs.items()}


def test_one_class_for_all_images_is_a_caution_unless_all_images_are_of_it():
    wanted = ["model m predicts b for all 8 images (4 of them are): its preprocessing may be another (--preprocess), "
              "or the images are not what it was trained on"]  # fmt: skip
    assert answers.cautions("m", counts(a_b=4, b_b=4), ["a", "b"], "m.onnx") == wanted
    assert answers.cautions("m", counts(a_b=3, b_b=4), ["a", "b"], "m.onnx") == []  # too few
    assert answers.cautions("m", counts(b_b=20), ["a", "b"], "m.onnx") == []
    assert answers.cautions("m", counts(a_b=3, b_b=60), ["a", "b"], "m.onnx") == []  # three of another class
    assert answers.cautions("m", counts(a_b=28, a_a=1, b_b=31), ["a", "b"])[0].startswith(
        "model m predicts b for 59 of 60"
    )
    assert answers.cautions("m", counts(a_b=7, a_a=3, b_b=90), ["a", "b"]) == []  # it tells some apart


def test_an_accuracy_of_chance_is_a_caution_and_a_better_one_is_not():
    (line,) = answers.cautions("m", counts(a_a=3, a_b=3, b_a=3, b_b=3), ["a", "b"])
    assert line.startswith(
        "model m predicts 6 of 12 images right, chance would be 6: its preprocessing may be another,"
    )
    assert line.endswith(", or its classes have another order")
    assert answers.cautions("m", counts(a_a=4, a_b=2, b_a=3, b_b=3), ["a", "b"]) == []
    assert answers.cautions("m", counts(a_a=2, a_b=3, b_a=3, b_b=3), ["a", "b"]) == []  # 11 images
    # Most images are of one class: 26 of 40 right is less than predictions in random order have.
    (line,) = answers.cautions("m", counts(a_a=26, a_b=10, b_a=4), ["a", "b"])
    assert "26 of 40 images right, chance would be 28" in line
    assert answers.cautions("m", counts(a_a=26, a_b=10, b_b=4), ["a", "b"]) == []


def test_a_model_of_a_folder_that_keeps_preprocessing_and_classes_may_have_learned_too_little(tmp_path):
    doubt = ": it may have learned too little, or the images are not what it was trained on"
    (line,) = answers.cautions("m", counts(a_a=3, a_b=3, b_a=3, b_b=3), ["a", "b"], str(tmp_path))
    assert line == f"model m predicts 6 of 12 images right, chance would be 6{doubt}"
    (line,) = answers.cautions("m", counts(a_b=4, b_b=4), ["a", "b"], str(tmp_path))
    assert line == f"model m predicts b for all 8 images (4 of them are){doubt}"


def test_the_order_of_the_classes_that_would_be_right_is_named():
    shifted = counts(normal_malignant=4, malignant_benign=4, benign_normal=4)
    (line,) = answers.cautions("ultra", shifted, CLASSES, "ultra.py:predict")
    assert line == (
        "model ultra predicts 0 of 12 images right, chance would be 4: with the classes in the order malignant, "
        "normal, benign 12 of 12 would be right. They are taken in the order benign, malignant, normal: write "
        "classes = ['malignant', 'normal', 'benign'] into ultra.py"
    )
    # Two of four swapped: better than chance, and still wrong.
    (line,) = answers.cautions("m", counts(a_a=5, b_b=5, c_d=5, d_c=5), ["a", "b", "c", "d"], "m.pt2")
    assert "10 of 20 images right, chance would be 5: with the classes in the order a, b, d, c 20 of 20" in line
    assert "models.load(..., classes=['a', 'b', 'd', 'c'])" in line
    assert "Python file" in answers.cautions("m", shifted, CLASSES, "m.onnx")[0]
    assert "its file names them so" in answers.cautions("m", shifted, CLASSES, "runs/m")[0]
    # A class that no image is of could be any of the others.
    (line,) = answers.cautions("m", counts(a_b=6, b_a=6), ["a", "b", "c"])
    assert "order a" not in line
    # Predictions of a bundle may have names that the data do not have.
    assert len(answers.cautions("m", counts(a_x=6, b_y=6), ["a", "b"])) == 1


def benched(folder, path, out):
    config = BenchConfig(
        data=str(folder), model=(path,), methods=("random",), metrics=("deletion_mean",), calibration=("none",),
        count=12, gallery=0, out=out,
    )  # fmt: skip
    run(config)
    return page(out)


def page(out):
    """A report's text, without the marks of options."""
    text = (out / "report.html").read_text("utf-8")
    return re.sub(r'<code class="option">(.*?)</code>', r"\1", text)


@pytest.mark.parametrize(
    ("given", "hits", "caution"),
    [
        ({}, 12, ""),
        (WRONG, 4, "Model ultra predicts malignant for all 12 images (4 of them are): its preprocessing"),
        (
            SHIFTED,
            0,
            "predicts 0 of 12 images right, chance would be 4: with the classes in the order malignant, normal,",
        ),
    ],
)
def test_bench_says_it_in_the_terminal_and_in_the_report(folder, tmp_path, capsys, monkeypatch, given, hits, caution):
    monkeypatch.setenv("COLUMNS", "400")
    text = benched(folder, model(tmp_path, **given), tmp_path / "run")
    printed = capsys.readouterr().out
    assert f"{hits} of 12 images predicted right" in printed
    told = [line for line in printed.splitlines() if line.startswith("! ") and "predicts" in line]
    assert len(told) == bool(caution)
    if caution:
        assert caution in told[0]
        assert f'<li class="warns">{told[0][2:]}'.replace("'", "&#39;") in text
        assert "What the models predict: 1 caution" in text
        assert text.count(told[0][2:].replace("'", "&#39;")) == 2  # in the box at the top, too


def test_the_order_that_is_named_is_right(folder, tmp_path, capsys):
    lines = "classes = ['malignant', 'normal', 'benign']"
    benched(folder, model(tmp_path, lines=lines, **SHIFTED), tmp_path / "run")
    assert "12 of 12 images predicted right" in capsys.readouterr().out


def test_findings_and_regressions_are_not_judged(made, tmp_path):
    pairs = counts(a_b=6, b_b=6)
    for output, many in (("softmax", 1), ("binary", 1), ("sigmoid", 0), ("regression", 0)):
        entry = {"name": "m", "path": "m.onnx", "classes": ["a", "b"], "output": output}
        assert len(answers.of_run({"models": [entry]}, {"m": pairs})) == many
    ids = [f"case {n}" for n in range(12)]
    store = made.started(tmp_path / "run", made.run_description(ids))
    rows = [("m", image, "ab"[n % 2], "a", 0.9) for n, image in enumerate(ids)]
    found = dataclasses.replace(made.tables(*made.parts(ids)), predictions=made.table(rows, PREDICTIONS))
    store.write_part("00-m-0000", found)
    written = report.write_report(store)
    assert list(written.accuracy) == ["model m: 6 of 12 images predicted right"]
    assert [one.warns for one in written.said if one.kind == "predicts"] == [True]


def calibrated(folder, path, out):
    return CalibrateConfig(
        data=str(folder), model=(path,), metrics=("deletion_mean",), constructions=("view",), depth="quick", count=12,
        out=out,
    )  # fmt: skip


def test_calibrate_says_it(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    calibrate(calibrated(folder, model(tmp_path, scale=" * 0.3 + 0.33"), tmp_path / "run"), quiet=True)
    told = capsys.readouterr().err.splitlines()
    assert "model ultra: 4 of 12 images predicted right" in told
    (line,) = [line for line in told if line.startswith("! ")]
    assert "predicts malignant for all 12 images (4 of them are)" in line
    assert json.loads((tmp_path / "run" / "run.json").read_text())["cautions"] == [line[2:]]
    assert f'<li class="warns">{line[2:]}' in page(tmp_path / "run")


def test_calibrate_names_the_order_where_no_image_is_predicted_right(folder, tmp_path):
    with pytest.raises(
        InputError, match=r"does not predict the label.*in the order malignant, normal, benign 12 of 12"
    ):
        calibrate(calibrated(folder, model(tmp_path, **SHIFTED), tmp_path / "run"), quiet=True)


def test_clusters_says_it(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    path = model(tmp_path, **WRONG)
    config = ClustersConfig(
        data=str(folder), model=(path,), methods=("random",), clusters=2, count=12, out=tmp_path / "clusters"
    )
    found = clusters(config).found
    printed = capsys.readouterr().out
    assert "4 of 12 images predicted right" in printed
    (said,) = found["predictions"]["cautions"]
    assert f"! {said}" in printed
    assert "predicts malignant for all 12 images (4 of them are)" in said
    assert said in page(tmp_path / "clusters")


def test_models_says_it(folder, tmp_path, capsys):
    for given, hits, words in (
        (WRONG, 4, "predicts malignant for all 12"),
        (SHIFTED, 0, "in the order malignant"),
        ({}, 12, ""),
    ):
        path = model(tmp_path, **given)
        assert cli.main(["models", path, "--data", str(folder), "--count", "12"]) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert f"right: {hits} of 12" in printed
        assert "in this order" in printed  # the file names no classes
        assert ("WARNING" in printed) == bool(words)
        assert words in printed
