"""What `xaijax compare` leaves out, and when it calls no run better: counted, with the reason."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from xaijax import compare
from xaijax._runs import checksums, folder
from xaijax.bench.store import SCORES, of_findings
from xaijax.compare import CompareConfig
from xaijax.compare._run import _line, summary
from xaijax.compare.runs import open_runs
from xaijax.compare.scores import Change
from xaijax.compare.scores import compare as compared
from xaijax.metrics import METRICS

IDS = [f"scan {n}" for n in range(20)]
NAN = float("nan")


def rows(values, reason="constant_map", model="m", metric="irof"):
    """Scores of methods, `values` {method: [image]}; NaN has the reason."""
    return [
        (model, image, method, metric, float(value), "" if np.isfinite(value) else reason)
        for method, own in values.items()
        for image, value in zip(IDS, own, strict=False)
    ]


@pytest.fixture
def written(made, tmp_path):
    """Writes a run with these score rows; the methods and images are those of the rows."""

    def write(name, scores, *, models=("m",), classes=("a", "b"), schema=SCORES, groups=None, **more):
        ids = list(dict.fromkeys(row[1] for row in scores))
        run = made.run_description(more.pop("planned", ids)) | {"metrics": ["irof"], "kind": "run", "settings": {}}
        run["models"] = [run["models"][0] | {"name": model, "classes": list(classes)} for model in models]
        run["methods"] = list(dict.fromkeys(row[2] for row in scores))
        run["data"] |= {"digests": [f"pixels of {image}" for image in run["data"]["images"]]} | (groups or {})
        store = made.started(tmp_path / name, run | more)
        store.write_part("00-m-0000", made.tables(made.table(scores, schema), made.CURVES.empty_table()))
        return tmp_path / name

    return write


def test_what_has_no_value_in_a_run_is_counted_with_its_reason(written):
    level = np.linspace(0, 1, 20)
    first = rows({"grad_cam": level, "gradient": level, "random": level})
    second = rows({"grad_cam": [NAN] * 20, "gradient": [NAN] * 3 + list(level[3:] + 0.5), "random": level})
    changes, said = compared(*open_runs([written("a", first), written("b", second)]))
    assert said == ["1 comparison is left out: grad cam by irof (b has no value: 20 constant map)."]
    gradient, random = changes
    assert (gradient.method, gradient.n, gradient.note) == (
        "gradient",
        17,
        "the difference is the same on every image, so t and d have no value; without a value: 3 in b (3 constant map)",
    )
    assert gradient.mean_first == pytest.approx(level[3:].mean())
    assert gradient.difference == pytest.approx(0.5)
    assert (random.n, random.better, random.difference) == (20, "", 0)


def test_where_no_score_has_a_value_nothing_is_said_of_the_runs(written):
    nothing = rows({"grad_cam": [NAN] * 20})
    changes, said = compared(*open_runs([written("a", nothing), written("b", nothing)]))
    assert changes == []
    assert said == [
        "1 comparison is left out: grad cam by irof (a has no value: 20 constant map; b has no value: 20 constant map)."
    ]
    assert summary(changes) == "Nothing can be said: no score has values of enough images in both runs."


def test_a_method_that_one_run_did_not_score_by_a_metric_is_counted(written):
    level = np.linspace(0, 1, 20)
    a = rows({"grad_cam": level}) + rows({"grad_cam": level, "random": level}, metric="deletion_mean")
    b = rows({"grad_cam": level, "random": level}) + rows({"random": level}, metric="deletion_mean")
    first, second = (
        written("a", a, metrics=["irof", "deletion_mean"]),
        written("b", b, metrics=["irof", "deletion_mean"]),
    )
    changes, said = compared(*open_runs([first, second]))
    assert {(one.method, one.metric) for one in changes} == {("grad_cam", "irof"), ("random", "deletion_mean")}
    title = METRICS["deletion_mean"].title
    assert said == [
        f"2 comparisons are left out: random by irof (a did not score it), grad cam by {title} (b did not score it)."
    ]


def test_models_that_only_one_run_has_are_named(written):
    level = np.linspace(0, 1, 20)
    both = rows({"grad_cam": level}) + rows({"grad_cam": level}, model="other")
    a = written("a", both, models=("m", "other"))
    b = written("b", rows({"grad_cam": level}) + rows({"grad_cam": level}, model="new"), models=("m", "new"))
    changes, said = compared(*open_runs([a, b]))
    assert {one.model for one in changes} == {"m"}
    assert said == ["Only a has the model other.", "Only b has the model new."]


@pytest.mark.parametrize(("count", "better"), [(9, ""), (10, "b")])
def test_no_run_is_called_better_on_fewer_than_ten_images(count, better, written):
    level = np.linspace(0, 1, count)
    a, b = written("a", rows({"grad_cam": level})), written("b", rows({"grad_cam": level + 0.1 + 0.01 * level}))
    (one,), _ = compared(*open_runs([a, b]))
    assert one.low > 0
    assert one.better == better
    assert ("too few to call a run better (9 of 10)" in one.note) == (not better)
    assert ("1 of 1 intervals exclude 0, on fewer than 10 images" in summary([one])) == (not better)


def test_the_images_of_a_patient_count_once(written):
    """Ten patients of two images each: p is that of the ten means, and the interval is over patients."""
    rng = np.random.default_rng(3)
    ours = rng.random(20)
    theirs = ours + np.repeat(rng.normal(0.1, 0.1, 10), 2)
    who = {"patients": [n // 2 for n in range(20)]}
    a, b = (written(n, rows({"grad_cam": v}), groups=who) for n, v in (("a", ours), ("b", theirs)))
    (one,), _ = compared(*open_runs([a, b]))
    each = (theirs - ours).reshape(10, 2).mean(axis=1)
    assert one.p == pytest.approx(stats.wilcoxon(each).pvalue)
    assert one.difference == pytest.approx(each.mean())
    assert one.note == "interval and p by 10 patients"
    # As wide as for ten values, which is wider than for twenty that come in equal pairs.
    assert one.high - one.low == pytest.approx(2 * 1.96 * each.std() / np.sqrt(10), rel=0.15)


def test_one_patient_alone_gives_no_interval(written):
    """Every draw of one patient is the same: an interval of no width would call one of the runs better."""
    others = [("m", f"new {n}", "grad_cam", "irof", 2 + 0.01 * n, "") for n in range(12)]
    a = written("a", rows({"grad_cam": np.linspace(0, 1, 20)}), groups={"patients": [0] * 20})
    b = written("b", others, groups={"patients": [7] * 12})
    (one,), said = compared(*open_runs([a, b]))
    assert not one.paired
    assert np.isnan([one.low, one.high, one.p]).all()
    assert one.better == ""
    assert "interval and p by 1 and 1 patients" in one.note
    assert said[0].startswith("The runs share no images")


def test_a_patient_is_not_an_image_of_the_same_name(written):
    """Patient "scan 1" of image "scan 0", and the image "scan 1" of nobody, are two."""
    scores = rows({"grad_cam": [0.0, 1.0]})
    a = written("a", scores)
    own = open_runs([a, written("b", rows({"grad_cam": [1.0, 3.0]}))])
    own[0].patients["scan 0"] = "scan 1"
    (one,), _ = compared(*own)
    assert np.isfinite(one.low)


def test_findings_that_only_one_run_has_are_counted(written):
    found = [("m", image, "cam", "irof", 0.5, "", "edema") for image in IDS]
    more = found + [("m", image, "cam", "irof", 0.25, "", "mass") for image in IDS]
    a = written("a", found, schema=of_findings(SCORES))
    b = written("b", more, schema=of_findings(SCORES))
    (one,), _ = compared(*open_runs([a, b]))
    assert (one.n, one.mean_second) == (20, 0.5)
    assert "20 scored in b alone" in one.note


def test_other_classes_versions_and_unfinished_runs_are_said(written):
    level = np.linspace(0, 1, 20)
    a = written("a", rows({"grad_cam": level}), planned=[*IDS, "scan 20", "scan 21"])
    b = written("b", rows({"grad_cam": level}), classes=("a", "c"), versions={"xaijax": "9"})
    _, said = compared(*open_runs([a, b]))
    assert said == [
        "a has scores of 20 of its 22 images: it has not come to its end, and the others are left out.",
        "The classifiers have different classes (m of a and m of b: a, b and a, c): scores from their output do not "
        "answer the same question.",
        "The runs were made by different versions of xaijax (0 and 9): the version can be what makes a difference.",
    ]


def test_a_metric_that_this_version_lacks_is_left_out_with_a_word(written):
    scores = rows({"grad_cam": np.linspace(0, 1, 20)})
    old = written("old", scores, metrics=["irof", "phlogiston"])
    changes, said = compared(*open_runs([old, written("new", scores)]))
    assert {one.metric for one in changes} == {"irof"}
    assert said == ["This version of xaijax does not have the metric phlogiston of old: not compared."]


def change(believed, low=0.1, better="b"):
    return Change("a", "b", "m", "cam", "irof", True, 20, 0, 1, 1, low, 2, 0.01, 0.06, better, believed)


def test_nothing_is_concluded_from_metrics_that_the_calibrations_do_not_support():
    assert summary([change(False)]) == "Nothing can be said: no metric is supported by the calibrations of both runs."
    assert summary([change(False), change(True), change(None)]) == (
        "By metrics that both calibrations support 1 of 1 comparisons differ (95 % interval excludes 0; 0 of these "
        "with p ≤ 0.05 after Holm): 1 better in b."
    )
    assert summary([change(None), change(None, low=NAN, better="")]).startswith(
        "By metrics that are not known to be believed 1 of 1 comparisons differ"
    )


def test_a_metric_that_is_not_believed_names_no_better_run():
    line = _line(change(False))
    assert (line["better"], line["differs"]) == ("metric not believed", False)
    for known in (True, None):
        assert (_line(change(known))["better"], _line(change(known))["differs"]) == ("b", True)


def test_a_model_that_could_not_be_calibrated_is_not_called_disbelieved(written):
    scores = rows({"grad_cam": np.linspace(0, 1, 20)})
    a, b = written("a", scores), written("b", scores)
    for place in (a, b):
        kept = {"source": "", "why": "The metrics were not calibrated: no time.", "notes": [], "calibration": None}
        folder.write_json(place / "calibration/m.json", kept)
    changes, _ = compared(*open_runs([a, b]))
    assert [one.believed for one in changes] == [None]
    first, second = open_runs([a, b])
    second.believed["m"] = ["iou"]  # one calibration that does not support the metric is enough
    assert [one.believed for one in compared(first, second)[0]] == [False]
    second.believed["m"] = ["irof"]
    assert [one.believed for one in compared(first, second)[0]] == [None]
    first.believed["m"] = ["irof"]
    assert [one.believed for one in compared(first, second)[0]] == [True]


def test_names_of_any_signs_are_shown_as_they_are(written, tmp_path, capsys):
    """Runs called like a column, with signs of HTML, Markdown and rich; a class with a script."""
    scores = rows({"grad_<i>cam_|": np.linspace(0, 1, 20)})
    classes = {"classes": ["<script>alert(1)</script>", "a|b"]}
    names = ("what", "[red]about_x", "<script>&")
    paths = [written(name, scores, **({} if n else {"groups": classes})) for n, name in enumerate(names)]
    out = tmp_path / "out"
    compare.run(CompareConfig(runs=tuple(paths), out=out))
    text = capsys.readouterr().out
    assert "[red]about_x against what" in text
    page = (out / "compare.html").read_text("utf-8")
    assert "<script" not in page.split("</style>")[1]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;, a|b" in page
    with (out / "configuration.csv").open(newline="") as file:
        head, line = list(csv.reader(file))
    assert head == ["about", "what", *names]
    assert line == ["data", "classes", "<script>alert(1)</script>, a|b", "a, b", "a, b"]
    with (out / "compare.csv").open(newline="") as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"grad_<i>cam_|"}
    assert not checksums.problems(out, folder.DESCRIPTION)
    compare.run(CompareConfig(runs=tuple(paths), json=True))
    assert json.loads(capsys.readouterr().out)["runs"] == list(names)
