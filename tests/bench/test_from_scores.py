"""`xaijax.report`: the report of a benchmark from scores and arrays of the user's own."""

import csv
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import xaijax
from xaijax import metrics
from xaijax._errors import InputError
from xaijax.bench.store import Store

COUNT, SIDE = 5, 16
IDS = [f"ward/{n}.png" for n in range(COUNT)]
CLASSES = ["dark", "bright"]
METRICS = ["sic_shannon", "deletion_black", "iou"]


class Brightness:
    """Somebody's own model: the brighter the middle, the more probable is class 1."""

    classes = CLASSES

    def predict(self, images):
        p = images[:, 4:12, 4:12].mean(axis=(1, 2, 3))
        return np.stack([1 - p, p], axis=1)


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    masks = np.zeros((COUNT, SIDE, SIDE), bool)
    masks[:, 4:12, 4:12] = True
    maps = {"Grad-CAM": masks + 0.1 * rng.random(masks.shape), "random": rng.random(masks.shape)}
    labels = np.array([0, 1, 1, 0, 1])
    return {"images": images, "maps": maps, "masks": masks, "labels": labels}


@pytest.fixture(scope="module")
def scores(arrays):
    return metrics.evaluate(Brightness(), **arrays, metrics=METRICS, ids=IDS)


@pytest.fixture(scope="module")
def predictions(arrays):
    return Brightness().predict(arrays["images"] / 255)


@pytest.fixture(scope="module")
def written(tmp_path_factory, arrays, scores, predictions):
    out = tmp_path_factory.mktemp("report") / "mine"
    path = xaijax.report(
        scores,
        out=out,
        **arrays,
        predictions=predictions,
        classes=CLASSES,
        ids=IDS,
        model="our net",
        notes=["By hand."],
    )
    assert path == out / "report.html"
    return out


def test_the_page_has_the_numbers_of_the_scores_and_loads_nothing(written, scores):
    text = (written / "report.html").read_text("utf-8")
    for row in scores.summary(seed=0):
        assert f">{row.mean:.3f}<" in text
    assert all(load.startswith("data:") for load in re.findall(r'(?:src|href)="([^"]*)"', text))
    assert "<title>mine" in text
    assert "By hand." in text
    assert "were given to <code>xaijax.report</code>" in text
    assert "To repeat this run" not in text
    assert "our net" in text


def test_what_is_written_is_what_a_benchmark_writes(written, scores):
    names = {path.name for path in written.iterdir()}
    assert {"run.json", "report.html", "summary.csv", "statistics.csv", "ranks.csv", "stability.csv"} <= names
    assert {"scores", "curves", "responses", "predictions", "gallery", "figures", "checksums.json"} <= names
    drawn = {path.name for path in (written / "figures").iterdir()}
    assert {"our-net-gallery.png", "our-net-sic-shannon.svg", "our-net-curve-deletion_black.svg"} <= drawn
    kept = metrics.Scores.from_arrow(Store(written).scores())
    assert str(list(kept)) == str(list(scores))  # NaN is NaN
    with (written / "summary.csv").open(newline="") as file:
        rows = {(row["method"], row["metric"]): float(row["mean"]) for row in csv.DictReader(file)}
    means = {(row.method, row.metric): row.mean for row in scores.summary(seed=0)}
    assert rows == pytest.approx(means)


def test_accuracy_is_that_of_the_predictions(written, arrays, predictions):
    right = int((predictions.argmax(1) == arrays["labels"]).sum())
    assert f"our net, {right} of {COUNT}" in (written / "report.html").read_text("utf-8")
    table = Store(written).predictions()
    assert table["label"].to_pylist() == [CLASSES[label] for label in arrays["labels"]]
    assert table["image"].to_pylist() == IDS


def test_the_gallery_shows_images_maps_masks_and_what_was_predicted(written, arrays, predictions):
    from xaijax.bench.drawing import captions

    (kept,) = Store(written).galleries().values()
    np.testing.assert_array_equal(kept["images"], arrays["images"])
    np.testing.assert_array_equal(kept["masks"], arrays["masks"])
    np.testing.assert_allclose(kept["maps"][0], arrays["maps"]["Grad-CAM"], rtol=1e-6)
    first = predictions[0]
    expected = f"dark\npredicted {first.max():.2f}\n{CLASSES[first.argmax()]}"
    assert captions(kept, CLASSES)[0] == expected


def test_scores_alone_are_enough(scores, tmp_path):
    path = xaijax.report(scores, out=tmp_path / "plain")
    text = path.read_text("utf-8")
    assert "Heat maps" not in text
    assert "classified right" not in text
    assert json.loads((tmp_path / "plain" / "run.json").read_text())["data"]["images"] == IDS


def test_maps_without_labels_and_predictions_are_drawn(arrays, scores, tmp_path):
    from xaijax.bench.drawing import captions

    some = {"Grad-CAM": arrays["maps"]["Grad-CAM"]}
    path = xaijax.report(scores, out=tmp_path / "a", images=arrays["images"] / 255, maps=some, ids=IDS, gallery=2)
    assert "Maps of random were not given and are not shown." in path.read_text("utf-8")
    (kept,) = Store(path.parent).galleries().values()
    assert captions(kept, []) == ["0.png", "1.png"]


def test_findings_have_a_map_and_a_table_each(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.random((3, SIDE, SIDE, 1)).astype(np.float32)
    labels = np.array([[1, 0], [1, 1], [0, np.nan]])

    class Findings:
        classes, output = ("effusion", "nodule"), "sigmoid"

        def predict(self, images):
            return np.stack([images[:, :8].mean((1, 2, 3)), images[:, 8:].mean((1, 2, 3))], axis=1)

    maps = {"cam": rng.random((3, SIDE, SIDE)), "other": rng.random((3, 2, SIDE, SIDE))}
    scores = metrics.evaluate(Findings(), images, labels, maps, metrics=["deletion_black"])
    chances = Findings().predict(images)
    path = xaijax.report(
        scores,
        out=tmp_path / "findings",
        images=images,
        maps=maps,
        labels=labels,
        predictions=chances,
        classes=Findings.classes,
        output="sigmoid",
    )
    from xaijax.bench.drawing import captions

    text = path.read_text("utf-8")
    assert "<summary>effusion alone</summary>" in text
    right = int(((chances >= 0.5) == (labels == 1))[~np.isnan(labels)].sum())
    assert f"model, {right} of 5" in text
    (kept,) = Store(path.parent).galleries().values()
    assert kept["maps"].shape == (2, 3, SIDE, SIDE)
    np.testing.assert_allclose(kept["maps"][1, 2], maps["other"][1, 1], rtol=1e-6)
    assert captions(kept, Findings.classes)[1] == f"effusion\nprobability {chances[1, 0]:.2f}"


def test_a_regression_shows_its_numbers(tmp_path):
    rng = np.random.default_rng(2)
    images = rng.random((3, SIDE, SIDE, 1)).astype(np.float32)

    class Age:
        classes, output = ("age",), "regression"

        def predict(self, images):
            return 90 * images.mean((1, 2, 3))[:, None]

    maps, labels = {"cam": rng.random((3, SIDE, SIDE))}, np.array([40.0, 50.0, 60.0])
    scores = metrics.evaluate(Age(), images, labels, maps, metrics=["deletion_black"])
    path = xaijax.report(
        scores,
        out=tmp_path / "age",
        images=images,
        maps=maps,
        labels=labels,
        predictions=Age().predict(images),
        classes=Age.classes,
        output="regression",
    )
    from xaijax.bench.drawing import captions

    (kept,) = Store(path.parent).galleries().values()
    assert captions(kept, Age.classes)[0] == f"0\npredicted {Age().predict(images)[0, 0]:.3g}"
    assert "classified right" not in path.read_text("utf-8")


def wrong(arrays, predictions):
    images, maps, labels = arrays["images"], arrays["maps"], arrays["labels"]
    return [
        ({"images": images.transpose(0, 3, 1, 2), "ids": IDS}, r"channels first: give images.transpose\(0, 2, 3, 1\)"),
        ({"images": images}, "scores has the image 'ward/0.png'.*give the ids that evaluate got"),
        ({"images": images[:2], "labels": labels}, "must be equally many; got 2 images, 5 labels"),
        ({"maps": maps, "ids": IDS}, "maps and masks are drawn over the images: give images too"),
        ({"images": images, "maps": {"GradCAM++": maps["random"]}, "ids": IDS}, "'GradCAM\\+\\+', which scores lacks"),
        ({"images": images, "maps": {"random": maps["random"][:, :8]}, "ids": IDS}, r"must be \[B, H, W\]"),
        ({"predictions": 9 * predictions, "ids": IDS}, "predictions must give probabilities.*are these logits"),
        ({"predictions": predictions, "classes": ["a", "b", "c"], "ids": IDS}, "predictions must return 3 columns"),
        ({"labels": labels + 1, "classes": CLASSES, "ids": IDS}, r"labels must be in \[0, 2\)"),
        ({"output": "multi-label"}, "it must be softmax, sigmoid, binary or regression"),
        ({"gallery": -1}, "gallery is -1"),
        ({"gallery": "some"}, "gallery is 'some'"),
        ({"groups": {"site": ["north"]}}, r"groups\['site'\] has 1 values and there are"),
        ({"model": ""}, "model is ''"),
    ]


@pytest.mark.parametrize("case", range(14))
def test_what_does_not_fit_is_refused_in_one_sentence_and_nothing_is_written(
    case, arrays, scores, predictions, tmp_path
):
    options, message = wrong(arrays, predictions)[case]
    with pytest.raises(InputError, match=message) as caught:
        xaijax.report(scores, out=tmp_path / "no", **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_scores_of_other_metrics_and_other_objects_are_refused(tmp_path):
    with pytest.raises(TypeError, match="must be the Scores"):
        xaijax.report([1.0], out=tmp_path / "no")
    with pytest.raises(InputError, match="no rows"):
        xaijax.report(metrics.Scores.from_rows([]), out=tmp_path / "no")
    with pytest.raises(InputError, match="the metric 'io': did you mean iou"):
        xaijax.report(metrics.Scores.from_rows([("a", "m", "io", 0.5, "")]), out=tmp_path / "no")


def test_only_a_report_is_replaced_and_only_when_asked(scores, tmp_path):
    out = tmp_path / "out"
    xaijax.report(scores, out=out)
    with pytest.raises(InputError, match="holds a report already; replace it with overwrite"):
        xaijax.report(scores, out=out)
    (out / "note.txt").write_text("left")
    xaijax.report(scores, out=out, overwrite=True, model="second")
    assert not (out / "note.txt").exists()
    for name, content in (("thesis.tex", "work"), ("run.json", '{"kind": "run"}')):
        other = tmp_path / name.replace(".", "-")
        other.mkdir()
        (other / name).write_text(content)
        with pytest.raises(InputError, match="is not empty and holds no report"):
            xaijax.report(scores, out=other, overwrite=True)
        assert (other / name).read_text() == content
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file; name a folder for the report"):
        xaijax.report(scores, out=tmp_path / "file", overwrite=True)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_importing_xaijax_still_imports_nothing():
    code = (
        "import sys, xaijax; assert not {'numpy', 'jax', 'pyarrow'} & set(sys.modules); assert callable(xaijax.report)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "report" in xaijax.__all__
