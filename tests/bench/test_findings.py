"""Findings end to end: phantoms with several per image, trained, scored, explained, reported. Black boxes likewise."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from xaijax import data, models
from xaijax._errors import InputError
from xaijax.bench import BenchConfig, reading, run
from xaijax.bench.store import Store
from xaijax.evaluate import EvaluateConfig
from xaijax.evaluate import run as evaluate
from xaijax.explain import METHODS
from xaijax.metrics import evaluate as score
from xaijax.train import TrainConfig
from xaijax.train import run as train

PHANTOMS = {"data": "phantoms:chest_xray", "findings": True}
FINDINGS = ["opacity", "ground_glass", "nodule"]
METRICS = ("deletion_black", "sic_shannon", "iou", "average_drop")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "model"
    train(TrainConfig(**PHANTOMS, count=32, size=32, epochs=1, model="small_cnn", out=out))
    return out


@pytest.fixture(scope="module")
def scored(trained, tmp_path_factory):
    out = tmp_path_factory.mktemp("scored") / "run"
    config = BenchConfig(
        **PHANTOMS, count=6, model=(str(trained),), methods=("gradient", "random"), metrics=METRICS, part=4, gallery=3,
        out=out,
    )  # fmt: skip
    run(config)
    return out


def test_a_training_of_findings_keeps_what_it_needs(trained):
    classifier = models.load(trained)
    assert (classifier.output, list(classifier.classes)) == ("sigmoid", FINDINGS)
    metrics = json.loads((trained / "metrics.json").read_text())
    assert set(metrics["per_finding"]) == set(FINDINGS)
    row = metrics["per_finding"]["opacity"]
    assert row["auroc_low"] <= row["auroc"] <= row["auroc_high"]
    assert models.read_info(trained)["validation"]["macro_auroc"] == pytest.approx(metrics["macro_auroc"])


def test_the_scores_of_a_run_are_those_of_the_library(scored, trained):
    """Image by image and finding by finding, with the mask of that finding."""
    table = Store(scored).scores()
    assert table.column_names == ["model", "image", "method", "metric", "value", "reason", "target"]
    classifier = models.load(trained)
    plan = json.loads((scored / "run.json").read_text())
    seed = plan["config"]["seed"] + 1_000_003
    dataset = data.open_dataset("phantoms:chest_xray", findings=True, count=6, seed=seed)
    batch = dataset.read(shape=classifier.input_shape)
    masks = np.zeros((6, 3, 32, 32), bool)
    for i, elements in enumerate(batch.elements):
        for one in elements:
            masks[i, FINDINGS.index(one.name.rstrip(" 12"))] |= one.mask
    rows, labels = np.nonzero(batch.labels == 1)
    raw = METHODS["gradient"].maps(classifier, batch.images[rows], labels.astype(np.int32))
    maps = {"gradient": METHODS["gradient"].evidence(raw)}
    found = score(classifier, batch.images, batch.labels, maps, masks, list(METRICS), ids=list(batch.ids), oracle=True)
    expected = {(r.image, r.target, r.method, r.metric): r.value for r in found}
    names = ("image", "target", "method", "metric", "value")
    seen = 0
    for *key, value in zip(*(table[name].to_pylist() for name in names), strict=True):
        if key[2] != "random":
            np.testing.assert_allclose(value, expected[tuple(key)], rtol=1e-5, atol=1e-6)
            seen += 1
    assert seen == len(expected) == len(rows) * 2 * len(METRICS) - len(rows)  # the oracle has no average drop here


def test_tables_and_report_name_the_findings(scored):
    lines = (scored / "summary.csv").read_text().splitlines()
    assert lines[0].endswith(",target")
    targets = {line.rpartition(",")[2] for line in lines[1:]}
    assert targets == {"", *FINDINGS}
    text = (scored / "report.html").read_text()
    for finding in FINDINGS:
        assert f"<summary>{finding} alone</summary>" in text
    assert "An image counts once for each of its findings" in text
    assert "pairs of image and finding</small>" in text
    alone = text[text.index("<summary>opacity alone</summary>") :]
    assert "images</small>" in alone[: alone.index("</table>")]
    predictions = Store(scored).predictions()
    assert predictions.num_rows == 18
    assert set(predictions["target"].to_pylist()) == set(FINDINGS)
    assert reading.read(Store(scored)).right["model"][1] == 18
    assert (scored / "statistics.csv").read_text().count("\n") > 1
    run_json = json.loads((scored / "run.json").read_text())
    assert run_json["models"][0]["output"] == "sigmoid"


def test_an_image_without_a_finding_has_no_row_and_its_part_is_whole(scored):
    """The first phantom has no finding; a part of such images alone has tables without rows."""
    images = set(Store(scored).scores()["image"].to_pylist())
    assert len(images) == 5
    assert len(list((scored / "scores").glob("*.parquet"))) == 2


def test_a_run_resumes(trained, tmp_path):
    config = {**PHANTOMS, "count": 3, "model": (str(trained),), "methods": ("random",), "metrics": ("deletion_black",)}
    out = tmp_path / "run"
    run(BenchConfig(**config, part=1, out=out, gallery=0))
    whole = {path.name: pq.read_table(path).to_pylist() for path in (out / "scores").glob("*.parquet")}
    first = sorted(whole)[-1]
    (out / "scores" / first).unlink()
    run(BenchConfig(**config, part=1, out=out, gallery=0, resume=True))
    assert pq.read_table(out / "scores" / first).to_pylist() == whole[first]


@pytest.mark.parametrize("target", ["predicted", "nodule"])
def test_what_is_explained_can_be_chosen(trained, tmp_path, target):
    run(
        BenchConfig(
            **PHANTOMS, count=4, model=(str(trained),), methods=("random",), metrics=("deletion_black",), target=target,
            out=tmp_path / "run", oracle=False,
        )
    )  # fmt: skip
    table = Store(tmp_path / "run").scores()
    predictions = Store(tmp_path / "run").predictions()
    if target == "nodule":
        assert set(table["target"].to_pylist()) == {"nodule"}
        assert table.num_rows == 4
    else:
        assert table.num_rows == predictions["predicted"].to_pylist().count("present")


def test_evaluate_scores_each_finding(trained, tmp_path):
    given = {**PHANTOMS, "data": (PHANTOMS["data"],), "data_seed": 9, "split": "all", "count": 16}
    found = evaluate(EvaluateConfig(**given, model=(str(trained),), out=tmp_path / "scores"))
    (metrics,) = found.metrics
    assert metrics["images"] == 16
    assert metrics["per_finding"]["nodule"]["present"] == 8
    lines = (tmp_path / "scores" / "predictions.csv").read_text().splitlines()
    assert lines[0].split(",") == ["id", *FINDINGS, *(f"{name}: probability" for name in FINDINGS)]
    assert len(lines) == 17


FINDINGS_SCRIPT = """
import numpy as np
input_shape = (32, 32, 1)
classes = {classes!r}
output = "sigmoid"
def predict(images):
    found = np.stack([images[:, :16].mean((1, 2, 3)), images[:, 16:].mean((1, 2, 3)), images.std((1, 2, 3))], axis=1)
    return np.clip(found, 0, 1)[:, {order}]
"""


def test_two_classifiers_of_findings_are_compared(trained, tmp_path):
    """The second script has its findings in another order: the same probabilities, so no difference."""
    paths = [str(trained)]
    for name, order in (("one", [0, 1, 2]), ("two", [2, 0, 1])):
        (tmp_path / f"{name}.py").write_text(FINDINGS_SCRIPT.format(classes=[FINDINGS[k] for k in order], order=order))
        paths.append(f"{tmp_path / name}.py:predict")
    options = {**PHANTOMS, "data": (PHANTOMS["data"],), "data_seed": 9, "split": "all", "count": 16}
    (same,) = evaluate(EvaluateConfig(**options, model=tuple(paths[1:]), out=tmp_path / "same")).data[0]["comparisons"]
    assert same["scores"]["macro_auroc"] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    found = evaluate(EvaluateConfig(**options, model=tuple(paths[:2]), out=tmp_path / "scores"))
    first, second = found.metrics
    (pair,) = found.data[0]["comparisons"]
    assert (pair["resampled"], pair["units"]) == ("images", 16)
    for finding in FINDINGS:
        expected = second["per_finding"][finding]["auroc"] - first["per_finding"][finding]["auroc"]
        assert pair["per_finding"][finding]["auroc"]["difference"] == pytest.approx(expected, abs=1e-9)
    kept = json.loads((tmp_path / "scores" / "evaluation.json").read_text())
    assert kept["data"][0]["comparisons"] == [pair]
    mean = found.metrics[0]["intervals"]["macro_auroc"]
    assert mean["low"] <= mean["value"] == first["macro_auroc"] <= mean["high"]
    assert "The best AUROC is" in (tmp_path / "scores" / "evaluation.html").read_text("utf-8")
    head = (tmp_path / "scores" / "predictions.csv").read_text().splitlines()[0].split(",")
    assert head[:2] == ["id", "opacity"]
    assert sum(cell.endswith(": probability") for cell in head) == 2 * len(FINDINGS)


OBSERVATIONS = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
    *("Fracture", "Support Devices"),
)


def test_chexpert_as_published_is_trained_scored_and_explained(tmp_path):
    """Its tables, with uncertain (-1) and blank cells; two images of each patient; a side for validation of its own."""
    random, shown = np.random.default_rng(0), {"Cardiomegaly": (4, 12), "Pleural Effusion": (20, 28)}
    home = tmp_path / "CheXpert-v1.0-small"
    tables = {"train": [], "valid": []}
    for number in range(24):
        side = "valid" if number // 2 % 4 == 3 else "train"
        findings = dict.fromkeys(OBSERVATIONS, "")
        pixels = random.integers(60, 100, (32, 32)).astype(np.uint8)
        for bit, (name, rows) in enumerate(shown.items()):
            there = number >> bit & 1
            findings[name] = str(float(there))
            pixels[slice(*rows)] += np.uint8(100 * there)
        findings["Edema"] = "-1.0" if number % 2 and side == "train" else ""
        findings["No Finding"] = "" if number % 4 else "1.0"
        name = f"{side}/patient{number // 2:05d}/study{number % 2 + 1}/view1_frontal.jpg"
        (home / name).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(home / name)
        row = [f"CheXpert-v1.0-small/{name}", "Female", "60", "Frontal", "AP", *findings.values()]
        tables[side].append(",".join(row))
    columns = ",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS))
    for side, rows in tables.items():
        (home / f"{side}.csv").write_text("\n".join([columns, *rows]) + "\n")
    out = tmp_path / "model"
    train(TrainConfig(data=str(home), size=32, epochs=1, model="small_cnn", own_split=True, out=out))
    classifier = models.load(out)
    assert (classifier.output, classifier.classes) == ("sigmoid", OBSERVATIONS)
    found = evaluate(EvaluateConfig(data=(str(home),), model=(str(out),), split="validation", out=tmp_path / "scores"))
    rows = found.metrics[0]["per_finding"]
    assert found.metrics[0]["images"] == 6
    assert rows["Cardiomegaly"]["present"] == rows["Cardiomegaly"]["absent"] == 3
    assert rows["Fracture"]["auroc"] is None
    whole = evaluate(EvaluateConfig(data=(str(home),), model=(str(out),), split="all", out=tmp_path / "whole"))
    assert whole.metrics[0]["resampled"] == "patients"
    assert whole.metrics[0]["per_finding"]["Edema"]["unknown"] == sum(",-1.0," in row for row in tables["train"]) == 9
    config = {"methods": ("gradient",), "metrics": ("deletion_black",), "gallery": 0}
    run(BenchConfig(data=str(home), model=(str(out),), count=4, split="all", out=tmp_path / "run", **config))
    scored = {name for name in Store(tmp_path / "run").scores()["target"].to_pylist() if name}
    assert "Cardiomegaly" in scored
    assert scored <= {"Cardiomegaly", "Pleural Effusion", "No Finding"}


def test_data_and_output_must_be_about_the_same(trained, tmp_path):
    with pytest.raises(InputError, match="is softmax, which needs data with one class per image"):
        run(BenchConfig(**PHANTOMS, count=3, model=(str(trained),), output="softmax", out=tmp_path / "a"))
    with pytest.raises(InputError, match="needs data with several findings to an image"):
        run(BenchConfig(data="phantoms", count=3, output="sigmoid", methods=("random",), out=tmp_path / "b"))
    with pytest.raises(InputError, match="compares models by one class per image"):
        run(
            BenchConfig(
                **PHANTOMS, count=3, model=(str(trained), str(trained)), methods=("random",),
                metrics=("agreement_ssim",), out=tmp_path / "c",
            )
        )  # fmt: skip
    with pytest.raises(InputError, match="--output is sigmoid, for several findings to an image"):
        train(TrainConfig(data="phantoms", count=12, output="sigmoid", out=tmp_path / "d"))
    with pytest.raises(InputError, match="data sets have classes or findings, not numbers"):
        train(TrainConfig(data="phantoms", count=12, output="regression", out=tmp_path / "e"))


SCRIPT = """
import numpy as np
input_shape = (16, 16, 1)

def predict(images):
    p = images.reshape(len(images), -1)[:, :2].astype(float) * 0.8 + 0.1
    p = np.concatenate([p, 2 - p.sum(1, keepdims=True)], axis=1)
    return p / p.sum(1, keepdims=True)
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    return f"{tmp_path}/mine.py:predict"


def test_a_black_box_runs_with_the_default_methods(script, tmp_path):
    """What needs gradients or layers is left out with a note, and refused where it was asked for."""
    config = {"data": "phantoms", "count": 3, "model": (script,), "metrics": ("deletion_black", "sic_shannon")}
    config["calibration"] = ("none",)
    run(BenchConfig(**config, out=tmp_path / "run", gallery=1))
    table = Store(tmp_path / "run").scores()
    assert set(table["method"].to_pylist()) == {"rise", "random", "sobel", "oracle"}
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert any("is a black box: gradient, integrated_gradients, grad_cam" in note for note in described["notes"])
    assert described["models"][0]["classes"] == ["glioma", "meningioma", "pituitary"]
    with pytest.raises(InputError, match="predictions alone: use occlusion, rise, lime, kernel_shap, sobol or hsic"):
        run(BenchConfig(**config, methods=("gradient",), out=tmp_path / "other"))
    with pytest.raises(InputError, match="has none to choose from"):
        run(BenchConfig(**config, layer="top", out=tmp_path / "third"))
    # Another function under the same name is noticed.
    (tmp_path / "mine.py").write_text(SCRIPT.replace("0.8", "0.7"))
    with pytest.raises(InputError, match="cannot be resumed: the model mine: digest was"):
        run(BenchConfig(**config, out=tmp_path / "run", gallery=1, resume=True))


def test_a_black_box_is_explained_and_evaluated(script, tmp_path):
    from xaijax.cli import main

    image = tmp_path / "one.png"
    Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).save(image)
    words = ["explain", str(image), "--model", script, "--methods", "rise", "--set", "rise.count=8"]
    assert main([*words, "--out", str(tmp_path / "drawn")]) in (0, None)
    assert (tmp_path / "drawn" / "one.rise.png").is_file()
    found = evaluate(EvaluateConfig(data=("phantoms",), count=6, model=(script,), out=tmp_path / "scores"))
    assert found.metrics[0]["images"] == 6


def test_a_layer_is_checked_against_the_model(tmp_path):
    config = {"data": "phantoms", "count": 2, "methods": ("grad_cam",), "metrics": ("deletion_black",)}
    config["calibration"] = ("none",)
    with pytest.raises(InputError, match=r"--layer is 'blok', which is not a layer of builtin"):
        run(BenchConfig(**config, layer="blok", out=tmp_path / "a"))
    layers = [name for name, shape in models.builtin().layers().items() if len(shape) == 3]
    tables = []
    for number, layer in enumerate((layers[-1], layers[len(layers) // 2])):
        run(BenchConfig(**config, layer=layer, out=tmp_path / f"run{number}", gallery=0))
        tables.append(Store(tmp_path / f"run{number}").scores())
    values = [[v for v, m in zip(t["value"].to_pylist(), t["method"].to_pylist(), strict=True) if m == "grad_cam"]
              for t in tables]  # fmt: skip
    assert values[0] != values[1]
