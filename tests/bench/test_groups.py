"""Tables by class, finding and group, maps as detectors, and the tables for a paper."""

import csv
import io

import numpy as np
import pytest

from xaijax._runs import checksums
from xaijax._runs.tables import latex, to_latex
from xaijax.bench import by_group, columns, localization, paper, report
from xaijax.bench.store import DETECTIONS, PREDICTIONS, Tables, of_findings
from xaijax.bench.tables import detections_of, groups_of
from xaijax.metrics.detection import THRESHOLDS
from xaijax.metrics.statistics import mean_interval

IDS = [f"scan {n}" for n in range(12)]
NAMED = [
    {"patient": str(n // 3), "site": "north" if n < 6 else "south", "sex": "F" if n % 2 else ""} for n in range(12)
]


def tables_of_run(made):
    scores, _ = made.parts(IDS)
    predictions = made.table([("m", image, "ab"[n % 2], "a", 0.9) for n, image in enumerate(IDS)], PREDICTIONS)
    return scores, predictions, groups_of(IDS, NAMED)


def test_a_group_has_the_mean_of_its_images_and_an_interval_by_patient(made):
    scores, predictions, groups = tables_of_run(made)
    models = columns.of_tables([(scores, predictions)])
    rows, said = by_group.by_group(models, groups, ["b", "a"], seed=5)
    assert not said
    assert list(dict.fromkeys((row.group, row.value) for row in rows)) == [
        ("all images", "all images"), ("class", "b"), ("class", "a"), ("patient", "0"), ("patient", "1"),
        ("patient", "2"), ("patient", "3"), ("site", "north"), ("site", "south"),
    ]  # fmt: skip  # sex has one value alone: it tells nothing apart
    values = {(row[1], row[2]): row[4] for row in made.score_rows(IDS) if row[3] == "sic_webp"}
    for row in rows:
        if (row.metric, row.method) != ("sic_webp", "grad_cam") or row.group not in ("site", "class"):
            continue
        own = [n for n in range(12) if (NAMED[n]["site"] if row.group == "site" else "ab"[n % 2]) == row.value]
        scored = [n for n in own if np.isfinite(values[IDS[n], "grad_cam"])]
        numbers = [values[IDS[n], "grad_cam"] for n in scored]
        assert row.mean == pytest.approx(np.mean(numbers))
        assert row.n == len(scored)
        assert row.clusters == len({n // 3 for n in scored})
        if len(scored) == len(own):
            wanted = mean_interval(numbers, groups=[str(n // 3) for n in scored], seed=5)
            assert (row.low, row.high) == pytest.approx(wanted, abs=1e-12)
    one = next(row for row in rows if row.group == "patient" and row.metric == "iou")
    assert np.isnan(one.low)  # one patient has no interval


def test_findings_have_a_table_each_and_keep_images_together(made):
    schema = of_findings(made.SCORES)
    rows = [("m", image, "cam", "iou", n + 10.0 * (k == 1), "", finding)
            for n, image in enumerate(IDS) for k, finding in enumerate(("edema", "mass"))]  # fmt: skip
    scores = made.table(rows, schema)
    found, _ = by_group.by_group(columns.of_table(scores), groups_of([], []), [], seed=0)
    assert [(row.group, row.value, row.mean, row.clusters) for row in found] == [
        ("finding", "edema", 5.5, 12),
        ("finding", "mass", 15.5, 12),
    ]


def test_a_group_of_too_many_values_is_said(made):
    many = [f"image {n}" for n in range(50)]
    rows = [("m", image, "cam", "iou", 0.5, "") for image in many]
    groups = groups_of(many, [{"site": str(n)} for n in range(50)])
    found, said = by_group.by_group(columns.of_table(made.table(rows, made.SCORES)), groups, [])
    assert said == ["There is no table by site: it has 50 values, more than 40."]
    assert not [row for row in found if row.group == "site"]


def detected(count=10, size=24):
    """A map that marks the lesion, one that marks another place, and noise, for `count` images with a lesion each."""
    rng = np.random.default_rng(0)
    masks = np.zeros((count, size, size), bool)
    maps = {name: np.zeros((count, size, size)) for name in ("good", "wrong", "random")}
    for n in range(count):
        top, left = rng.integers(0, size - 6, 2)
        masks[n, top : top + 6, left : left + 6] = True
        maps["good"][n] = masks[n] * 0.8 + 0.05 * rng.random((size, size))
        maps["wrong"][n] = np.roll(masks[n], 9, axis=0) & ~masks[n]
        maps["random"][n] = rng.random((size, size))
    return [f"scan {n}" for n in range(count)], masks, maps


def test_maps_as_detectors_are_summed_up():
    ids, masks, maps = detected()
    masks[0] = False  # has no lesion, so no row
    table = detections_of("m", ids, masks, maps, {"wrong": np.arange(10) != 3})
    assert table.schema.equals(DETECTIONS)
    assert table.num_rows == 9 + 8 + 9
    found = localization.read(table)
    rows = {row["method"]: row for row in localization.summary(found, {image: image for image in ids})}
    good, wrong = rows["good"], rows["wrong"]
    assert (good["hit"], good["iou"], good["box_right"], good["found"]) == (1.0, 1.0, 1.0, 1.0)
    assert (wrong["hit"], wrong["images"], wrong["found"]) == (0.0, 8, 0.0)
    assert rows["random"]["found"] < 0.5
    false, share = localization.froc(found["m"]["good"])
    assert (np.diff(share) >= -1e-12).all()  # thresholds fall, so more is found
    assert (false[0], share[0]) == (0.0, 1.0)
    lines = list(csv.DictReader(io.StringIO(localization.to_csv(found))))
    assert len(lines) == 3 * 9
    assert {line["lesions"] for line in lines if line["method"] == "good"} == {"9"}


def test_no_image_is_scored_with_a_threshold_that_it_chose():
    # Every image is best at a threshold of its own; on the others' best it scores nothing.
    values = np.eye(8)
    chosen = localization._crossed(values, [str(n) for n in range(8)], seed=0)
    assert values[np.arange(8), chosen].sum() == 0
    # The images of one patient are on one side.
    same = localization._crossed(values, ["a"] * 4 + ["b"] * 4, seed=0)
    assert len(set(same[:4])) == len(set(same[4:])) == 1


def test_a_single_patient_chooses_no_threshold_for_itself():
    values = np.eye(9)[:3]
    assert localization._crossed(values, ["a"] * 3, seed=0).tolist() == [THRESHOLDS.index(0.5)] * 3


def run_of(made, root):
    store = made.started(root, made.run_description(IDS))
    scores, predictions, groups = tables_of_run(made)
    _, masks, maps = detected(12)
    detections = detections_of("m", IDS, masks, {"grad_cam": maps["good"], "random": maps["random"]})
    tables = Tables(scores, made.parts(IDS)[1], made.tables(scores, scores).responses, predictions, {}, groups=groups,
                    detections=detections)  # fmt: skip
    store.write_part("00-m-0000", tables)
    return store


def test_the_report_has_the_sections_and_their_files(made, tmp_path):
    store = run_of(made, tmp_path / "run")
    text = report.write_report(store).path.read_text("utf-8")
    for heading in ("By class and group", "Maps as masks, boxes and detections", "By site", "By patient"):
        assert heading in text
    assert {"m-froc.svg", "m-sweep-iou.svg", "m-sweep-box_iou.svg"} <= {
        p.name for p in (store.root / "figures").iterdir()
    }
    with (store.root / "groups.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows} == {"all images", "class", "patient", "site"}
    made_names = {path.name for path in (store.root / paper.FOLDER).iterdir()}
    wanted = {"results-m-pic", "results-m-localization", "ranks-m", "pairs-m", "by-site-m", "localization-m"}
    assert {f"{name}.{ending}" for name in wanted for ending in ("csv", "tex")} <= made_names
    with (store.root / "tables/results-m-pic.csv").open(newline="") as file:
        numbers = {row["method"]: float(row["mean"]) for row in csv.DictReader(file)}
    with (store.root / "summary.csv").open(newline="") as file:
        summary = {row["method"]: float(row["mean"]) for row in csv.DictReader(file) if row["metric"] == "sic_webp"}
    assert numbers == summary


def test_tables_are_vouched_for(made, tmp_path):
    import shutil

    store = run_of(made, tmp_path / "run")
    report.write_report(store)
    checksums.seal(store.root, ["tables", "figures", "report.html"])
    assert not checksums.problems(store.root, "run.json")
    (store.root / "tables/ranks-m.tex").write_text("other")
    (problem,) = checksums.problems(store.root, "run.json")
    assert (problem.file, problem.what) == ("tables/ranks-m.tex", "was changed after it was written")
    shutil.rmtree(store.root / "tables")
    report.write_report(store)  # is written again
    assert not checksums.problems(store.root, "run.json")


def test_a_latex_table_has_balanced_braces_and_escapes_everything():
    rows = [{"a_b": r"50 % & $1 #2 {x} ~ ^ \ < >", "n": 0.25}, {"a_b": "↑", "n": None}]
    text = to_latex(rows, caption="15 % of_all", label="tab:x", bold=[(0, "n")])
    body = text.replace(r"\{", "").replace(r"\}", "")
    assert body.count("{") == body.count("}")
    assert (
        r"50 \% \& \$1 \#2 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{} \textgreater{}"
        in text
    )
    assert r"\textbf{0.250}" in text
    assert "a b & n" in text
    assert r"$\uparrow$ & --" in text
    assert r"\caption{15 \% of\_all}" in text
    for line in text.splitlines():
        if line.endswith(r"\\"):
            assert line.replace(r"\&", "").count("&") == 1
    assert latex("plain") == "plain"
