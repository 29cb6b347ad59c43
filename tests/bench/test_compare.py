"""`xaijax compare`: configuration first, paired where images are the same, refused where metrics differ."""

import csv
import json
import shutil

import numpy as np
import pytest
from scipy import stats

from xaijax import cli, compare
from xaijax._errors import InputError
from xaijax._runs import checksums, folder
from xaijax.bench.store import SCORES, of_findings
from xaijax.compare import CompareConfig
from xaijax.compare.configuration import differences
from xaijax.compare.runs import match, open_runs
from xaijax.compare.scores import compare as compared
from xaijax.metrics.statistics import mean_interval

IDS = [f"scan {n}" for n in range(20)]
SETTINGS = {"perturbation": {"steps": 32}}


def rows(ids, values, model="m"):
    """Scores of deletion (lower is better) and IROF of two methods; `values` [method][image]."""
    return [
        (model, image, method, metric, float(sign * values[method][n]), "")
        for n, image in enumerate(ids)
        for method in values
        for metric, sign in (("deletion_mean", -1), ("irof", 1))
    ]


@pytest.fixture
def written(made, tmp_path):
    """Writes a run: its name, images, scores and what is otherwise in run.json."""

    def write(name, ids, values, *, digests=None, model="m", scores=None, schema=SCORES, **more):
        run = made.run_description(ids, model) | {"metrics": ["deletion_mean", "irof"], "methods": list(values)}
        run |= {"settings": SETTINGS, "kind": "run"} | more
        if digests is not False:
            run["data"]["digests"] = [f"pixels of {image}" for image in ids] if digests is None else digests
        store = made.started(tmp_path / name, run)
        own = made.table(rows(ids, values, model) if scores is None else scores, schema)
        store.write_part("00-m-0000", made.tables(own, made.CURVES.empty_table()))
        return tmp_path / name

    return write


def quality(seed, shift=0.0, count=20):
    rng = np.random.default_rng(seed)
    base = rng.random(count)
    return {"grad_cam": base + shift, "random": rng.random(count)}


def of(changes, method, metric):
    (found,) = [one for one in changes if (one.method, one.metric) == (method, metric)]
    return found


def test_the_same_images_are_compared_one_by_one(written):
    noise = 0.01 * np.random.default_rng(9).random(20)
    first, second = quality(0), quality(0)
    second["grad_cam"] = first["grad_cam"] + 0.1 + noise
    a, b = open_runs([written("a", IDS, first), written("b", IDS, second)])
    changes, said = compared(a, b, seed=4)
    assert said == []
    irof = of(changes, "grad_cam", "irof")
    assert irof.paired
    assert irof.n == 20
    assert irof.difference == pytest.approx(0.1 + noise.mean())
    assert (irof.low, irof.high) == pytest.approx(mean_interval(0.1 + noise, seed=4), abs=1e-9)
    assert irof.p == pytest.approx(stats.wilcoxon(second["grad_cam"] - first["grad_cam"]).pvalue)
    assert irof.p_holm == pytest.approx(min(1, 2 * irof.p), rel=1)  # corrected over the comparisons
    assert irof.p_holm >= irof.p
    assert (irof.better, of(changes, "grad_cam", "deletion_mean").better) == ("b", "b")  # each by its direction
    assert of(changes, "random", "irof").better == ""
    assert of(changes, "random", "irof").difference == 0


def test_images_are_matched_by_content_whatever_their_names_and_order(written):
    values = quality(1)
    names = [f"other/{n}" for n in reversed(range(20))]
    turned = {method: own[::-1] for method, own in values.items()}
    digests = [f"pixels of scan {n}" for n in reversed(range(20))]
    a, b = open_runs([written("a", IDS, values), written("b", names, turned, digests=digests)])
    found = match(a, b)
    assert found.by == "content"
    assert found.pairs == tuple((f"scan {n}", f"other/{n}") for n in range(20))
    changes, _ = compared(a, b)
    assert all(one.difference == pytest.approx(0) for one in changes)


def test_an_image_that_changed_under_its_name_is_not_the_same_image(written):
    digests = [f"pixels of {image}" for image in IDS[:15]] + ["new"] * 5
    a, b = open_runs([written("a", IDS, quality(1)), written("b", IDS, quality(1), digests=digests)])
    changes, said = compared(a, b)
    assert {one.n for one in changes} == {15}
    assert "15 images are in both runs and compared; 5 of a and 5 of b are left out." in said
    assert any(line.startswith("5 images have the same name and other pixels") for line in said)


def test_images_that_are_stored_twice_are_matched_by_name(written):
    digests = ["same"] * 20
    a, b = open_runs([written("a", IDS, quality(1), digests=digests), written("b", IDS, quality(1), digests=digests)])
    assert match(a, b).pairs == tuple((image, image) for image in IDS)


def test_without_digests_names_are_taken_and_that_is_said(written):
    a, b = open_runs([written("a", IDS, quality(1)), written("b", IDS[:12], quality(1), digests=False)])
    changes, said = compared(a, b)
    assert {one.n for one in changes} == {12}
    assert any("12 images are compared by their names" in line for line in said)


def test_other_images_are_compared_as_independent_and_that_is_said(written):
    others = [f"new {n}" for n in range(30)]
    first, second = quality(0), quality(7, 0.5, 30)
    a, b = open_runs([written("a", IDS, first), written("b", others, second)])
    changes, said = compared(a, b)
    assert said[0].startswith("The runs share no images: means are compared as those of independent images")
    one = of(changes, "grad_cam", "irof")
    assert not one.paired
    assert one.difference == pytest.approx(second["grad_cam"].mean() - first["grad_cam"].mean())
    error = np.sqrt(np.var(first["grad_cam"], ddof=1) / 20 + np.var(second["grad_cam"], ddof=1) / 30)
    assert one.high - one.low == pytest.approx(2 * 1.96 * error, rel=0.12)
    assert one.p == pytest.approx(stats.mannwhitneyu(second["grad_cam"], first["grad_cam"]).pvalue)
    assert one.better == "b"


def test_a_metric_of_other_settings_is_refused_in_words(written):
    a = written("a", IDS, quality(0))
    b = written("b", IDS, quality(0), settings={"perturbation": {"steps": 16}})
    with pytest.raises(InputError, match=r"no metric in common .*perturbation.steps is 32 and 16"):
        compared(*open_runs([a, b]))
    scores = [("m", image, "grad_cam", "iou", 0.5, "") for image in IDS] + rows(IDS, quality(0))
    metrics = ["deletion_mean", "irof", "iou"]
    c = written("c", IDS, quality(0), scores=scores, metrics=metrics)
    d = written("d", IDS, quality(0), scores=scores, metrics=metrics, settings={"perturbation": {"steps": 16}})
    changes, said = compared(*open_runs([c, d]))
    assert {one.metric for one in changes} == {"iou"}
    assert sum("is not compared: it was scored with other settings" in line for line in said) == 2


def test_settings_that_are_not_known_are_assumed_and_that_is_said(written):
    a, b = written("a", IDS, quality(0)), written("b", IDS, quality(0), settings=None)
    changes, said = compared(*open_runs([a, b]))
    assert {one.metric for one in changes} == {"deletion_mean", "irof"}
    assert said == ["The settings of the metrics in b are not known: they are taken to be those of the other run."]


def test_findings_are_compared_each_with_itself(written):
    found = [("m", image, "cam", "irof", n / 10 + k, "", finding)
             for n, image in enumerate(IDS) for k, finding in enumerate(("edema", "mass"))]  # fmt: skip
    more = [(*row[:4], row[4] + 0.25, *row[5:]) for row in found]
    values = {"cam": np.zeros(20)}
    a = written("a", IDS, values, scores=found, schema=of_findings(SCORES), metrics=["irof"])
    b = written("b", IDS, values, scores=more, schema=of_findings(SCORES), metrics=["irof"])
    (one,), _ = compared(*open_runs([a, b]))
    assert one.n == 40
    assert one.difference == pytest.approx(0.25)


def test_models_of_other_names_are_compared_where_each_run_has_one(written):
    a, b = written("a", IDS, quality(0), model="small"), written("b", IDS, quality(0), model="large")
    changes, _ = compared(*open_runs([a, b]))
    assert {one.model for one in changes} == {"small → large"}
    many = json.loads((b / "run.json").read_text())["models"] * 2
    c = written("c", IDS, quality(0), model="large", models=[many[0], many[0] | {"name": "huge"}])
    with pytest.raises(InputError, match="have no model of one name: small and large, huge"):
        compared(*open_runs([a, c]))


def test_what_differs_in_the_configuration_comes_first(written):
    a = written("a", IDS, quality(0))
    b = written("b", IDS, quality(0), versions={"xaijax": "1", "jax": "0"}, settings={"perturbation": {"steps": 16}})
    found = differences(open_runs([a, b]))
    assert [(row["about"], row["what"], row["values"]) for row in found] == [
        ("settings", "perturbation.steps", ["32", "16"]),
        ("version", "xaijax", ["0", "1"]),
    ]
    assert differences(open_runs([a, written("c", IDS, quality(3))])) == []


def test_the_command_prints_and_writes_a_page_and_tables(written, tmp_path, capsys):
    first, second = quality(0), quality(0)
    second["grad_cam"] = first["grad_cam"] + 0.2 + 0.01 * np.arange(20)
    a, b = written("a", IDS, first), written("b", IDS, second, notes=["x"])
    c = written("c", IDS, quality(5), versions={"xaijax": "2"})
    out = tmp_path / "out"
    assert cli.main(["compare", str(a), str(b), str(c), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.index("What differs in the configuration") < text.index("b against a") < text.index("c against a")
    with (out / "compare.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 2 * 2
    one = next(row for row in lines if (row["second"], row["method"], row["metric"]) == ("b", "grad_cam", "irof"))
    assert float(one["difference"]) == pytest.approx(0.2 + 0.095)
    assert one["better"] == "b"
    page = (out / "compare.html").read_text("utf-8")
    assert page.index("What differs in the configuration") < page.index("b against a")
    assert "not known to be believed" in page
    assert not checksums.problems(out, folder.DESCRIPTION)
    assert cli.main(["compare", str(a), str(b), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == ["a", "b"]
    assert len(found["changes"]) == 4
    assert cli.main(["compare", str(a), str(b), "--out", str(out)]) == 2  # not replaced
    assert "holds a comparison already" in capsys.readouterr().err


def test_what_is_no_run_is_refused(written, tmp_path, made):
    a = written("a", IDS, quality(0))
    with pytest.raises(InputError, match="give two run folders or more"):
        open_runs([a])
    with pytest.raises(InputError, match="is named twice"):
        open_runs([a, a])
    with pytest.raises(InputError, match="is not there"):
        open_runs([a, tmp_path / "no"])
    folder.write_json(tmp_path / "training/run.json", {"kind": "training", "config": {}})
    with pytest.raises(InputError, match="holds a training and no run of xaijax bench"):
        open_runs([a, tmp_path / "training"])
    made.started(tmp_path / "empty", made.run_description(IDS))
    with pytest.raises(InputError, match="has no finished part"):
        open_runs([a, tmp_path / "empty"])
    path = a / "scores/00-m-0000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="was changed after it was written"):
        open_runs([a, written("b", IDS, quality(0))])


def test_runs_of_one_name_are_told_apart_by_their_folders(written, tmp_path):
    a = written("a", IDS, quality(0))
    for place in ("x", "y"):
        shutil.copytree(a, tmp_path / place / "run")
    found = compare.run(CompareConfig(runs=(tmp_path / "x/run", tmp_path / "y/run"), json=True))
    assert found.runs == ["x/run", "y/run"]
    assert all(one.difference == 0 and one.better == "" for one in found.changes)


def test_the_page_fits_a_phone(chromium, written, tmp_path):
    a, b = written("a", IDS, quality(0)), written("b", IDS, quality(5))
    compare.run(CompareConfig(runs=(a, b), out=tmp_path / "out"))
    for width in (1280, 390):
        chromium.open(tmp_path / "out/compare.html", width=width)
        assert chromium.js("document.documentElement.scrollWidth") <= width
