"""`xaijax calibrate` from beginning to end on stripes that a black box sees: verdicts, budget, resuming, sabotage."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from xaijax import cli
from xaijax._errors import InputError
from xaijax._runs import checksums
from xaijax.calibrate import CalibrateConfig, run, store
from xaijax.metrics import calibration

DECIDING = ("view", "mosaic", "parts")


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory):
    """A whole calibration: its folder."""
    return run(CalibrateConfig(**options, out=tmp_path_factory.mktemp("runs") / "whole"), quiet=True).out


def files(root):
    """What a calibration found: every file but the description of the run, as bytes."""
    kept = ("scores/*.parquet", "calibration.json", "summary.csv", "figures/*.png")
    return {str(path.relative_to(root)): path.read_bytes() for one in kept for path in sorted(root.glob(one))}


def test_a_metric_that_sees_the_stripes_is_believed_and_one_that_never_looks_is_not(whole, options):
    found = json.loads((whole / "calibration.json").read_text())
    verdicts = {name: one["verdict"] for name, one in found["metrics"].items()}
    assert verdicts["deletion_mean"] == "believe"
    assert verdicts["sparseness"] == "no"
    assert verdicts["iou"] == "not_judged"
    assert found["metrics"]["sparseness"]["twin"] == 0.5
    assert found["controls"]["passed"]
    assert found["data"]["images"] == options["count"]
    assert found["settings"]["perturbation"]["steps"] == 8
    assert {name: one["cases"] for name, one in found["constructions"].items()} == dict.fromkeys(DECIDING, 20)
    assert {answer["image"] for answer in found["answers"]} == {"black", "mean", "blurred", "filled", "scattered"}
    assert calibration.Calibration.from_json(found).metrics["deletion_mean"].verdict == "believe"


def test_the_rows_are_those_of_the_library(whole):
    rows = store.read_rows(whole)
    assert {row[0] for row in rows} == set(DECIDING)
    assert len(store.SCHEMA) == len(calibration.Row._fields)
    assert tuple(store.SCHEMA.names) == calibration.Row._fields
    reasons = {row[7] for row in rows if row[5] == "iou"}
    assert reasons == {"reads_mask"}
    assert all(np.isfinite(row[6]) for row in rows if row[5] == "deletion_mean")
    assert checksums.problems(whole, "run.json") == []


def test_the_run_says_what_it_takes_to_repeat_it(whole, options):
    described = json.loads((whole / "run.json").read_text())
    words = described["command"].split()
    assert words[:2] == ["xaijax", "calibrate"]
    again = cli.parse("calibrate", words[2:])
    assert (again.count, again.metrics, again.set) == (options["count"], options["metrics"], options["set"])
    assert described["kind"] == "calibration"
    assert described["cases"] == described["cases_done"] == 60
    page = (whole / "report.html").read_text()
    assert "1 of 3 metrics can be believed" in page
    assert described["command"] in page


@pytest.mark.parametrize("killed_in", ["write", "score"])
def test_an_interrupted_calibration_resumes_to_the_same_bytes(whole, options, tmp_path, monkeypatch, killed_in):
    out = tmp_path / "run"
    calls = []
    original = {"write": store.write_part, "score": calibration.score_case}[killed_in]

    def interrupted(*args, **more):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append(args)
        return original(*args, **more)

    target = (store, "write_part") if killed_in == "write" else (calibration, "score_case")
    monkeypatch.setattr(*target, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(CalibrateConfig(**options, out=out), quiet=True)
    monkeypatch.undo()
    assert not (out / "calibration.json").exists()
    before = store.finished(out)
    assert before == (5 if killed_in == "write" else 1)
    run(CalibrateConfig(**options, out=out, resume=True), quiet=True)
    assert files(out) == files(whole)


def test_a_killed_process_loses_only_its_part(whole, options, tmp_path):
    """SIGKILL at whatever moment the process is in once its first part is there."""
    out = tmp_path / "run"
    words = ["--data", options["data"], "--mask-role", "lesion", "--model", *options["model"], "--count", "20"]
    words += ["--metrics", *options["metrics"], "--set", *options["set"], "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "xaijax", "calibrate", *words],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"XAIJAX_DEBUG": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not store.finished(out) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert store.finished(out)
    assert cli.main(["calibrate", "--resume", "--out", str(out)]) == 0
    assert files(out) == files(whole)


def test_a_budget_stops_in_balance_and_more_time_adds_the_rest(whole, options, tmp_path, monkeypatch):
    clock = iter(np.arange(0.0, 100_000.0, 7.0))
    monkeypatch.setattr("xaijax.calibrate.scoring.time.monotonic", lambda: float(next(clock)))
    out = tmp_path / "run"
    found = run(CalibrateConfig(**options, minutes=2, out=out), quiet=True).calibration
    monkeypatch.undo()
    described = json.loads((out / "run.json").read_text())
    assert 0 < described["cases_done"] < described["cases"]
    counts = [one["cases"] for one in found["constructions"].values()]
    assert sum(counts) == described["cases_done"]
    assert max(counts) - min(counts) <= 1
    assert sum(one["left_out"]["no_time"] for one in found["constructions"].values()) == 60 - sum(counts)
    labels = {}
    for row in store.read_rows(out):
        labels.setdefault((row[0], row[1]), row[3])
    for name in DECIDING:
        own = [label for (construction, _), label in labels.items() if construction == name]
        assert abs(own.count("across") - own.count("down")) <= 1
    run(CalibrateConfig(**options, out=out, resume=True), quiet=True)
    assert files(out) == files(whole)


def test_a_plan_says_the_cost_and_leaves_nothing(options, tmp_path, capsys):
    out = tmp_path / "run"
    found = run(CalibrateConfig(**options, plan=True, out=out))
    said = capsys.readouterr().err
    assert found.calibration is None
    assert not out.exists()
    assert "60 cases (20 view, 20 mosaic, 20 parts) of" in said
    assert "model passes of" in said


def negated(row):
    return row._replace(value=-row.value)


def blind(row):
    return row._replace(value=1.0)


@pytest.mark.parametrize("sabotage", [negated, blind])
def test_sabotage_of_a_metric_turns_its_verdict(options, tmp_path, monkeypatch, sabotage):
    original = calibration.score_case

    def scored(*args, **more):
        return [sabotage(row) if row.metric == "deletion_mean" else row for row in original(*args, **more)]

    monkeypatch.setattr(calibration, "score_case", scored)
    found = run(CalibrateConfig(**options, out=tmp_path / "run"), quiet=True).calibration
    assert found["metrics"]["deletion_mean"]["verdict"] == "no"
    assert found["metrics"]["sparseness"]["verdict"] == "no"


def test_scores_of_other_images_turn_the_verdict(options, tmp_path, monkeypatch):
    """The scores that the metric gave to the maps of one case are taken for those of the next, in another order."""
    original = calibration.score_case
    rng = np.random.default_rng(0)

    def scored(*args, **more):
        rows = original(*args, **more)
        own = [number for number, row in enumerate(rows) if row.metric == "deletion_mean"]
        for number, other in zip(own, rng.permutation([rows[number].value for number in own]), strict=True):
            rows[number] = rows[number]._replace(value=float(other))
        return rows

    monkeypatch.setattr(calibration, "score_case", scored)
    found = run(CalibrateConfig(**options, out=tmp_path / "run"), quiet=True).calibration
    assert found["metrics"]["deletion_mean"]["verdict"] == "no"


def test_a_control_that_fails_vetoes_every_verdict(options, tmp_path, monkeypatch):
    original = calibration.score_case

    def scored(*args, **more):
        return [blind(row) if row.metric == "control:pearson" else row for row in original(*args, **more)]

    monkeypatch.setattr(calibration, "score_case", scored)
    out = tmp_path / "run"
    found = run(CalibrateConfig(**options, out=out), quiet=True).calibration
    assert found["metrics"]["deletion_mean"]["verdict"] == "no_verdict"
    assert "No verdict on 3 metrics" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": ("a", "b")}, "--model takes one model to calibrate for; got 2"),
        ({"constructions": ("view", "view")}, "--constructions names one twice"),
        ({"metrics": ("nothing",)}, "unknown metric 'nothing'"),
        ({"minutes": 0.0}, "--minutes is 0.0"),
        ({"set": ("perturbation.step=3",)}, "perturbation has no option 'step'"),
        ({"output": "sigmoid"}, "calibrate takes models of classes that exclude each other"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(options, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        run(CalibrateConfig(**options | change, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_model_that_predicts_nothing_right_cannot_be_calibrated_for(options, place, tmp_path):
    text = (place / "stripes.py").read_text().replace("[1 - p, p]", "[p, 1 - p]")
    (tmp_path / "wrong.py").write_text(text)
    changed = options | {"model": (f"{tmp_path}/wrong.py:predict",)}
    with pytest.raises(InputError, match="the model does not predict the label"):
        run(CalibrateConfig(**changed, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_calibration_is_resumed_only_as_it_was_started(whole, options, place, tmp_path, monkeypatch):
    import shutil

    out = tmp_path / "run"
    shutil.copytree(whole, out)
    with pytest.raises(InputError, match="was started with other options: --count was 20, now 10"):
        run(CalibrateConfig(**options | {"count": 10}, out=out, resume=True))
    with pytest.raises(InputError, match="already holds a calibration; add --resume"):
        run(CalibrateConfig(**options, out=out))
    # A damaged part is computed again.
    (out / "scores" / "00003.parquet").write_bytes(b"half")
    run(CalibrateConfig(**options, out=out, resume=True), quiet=True)
    assert files(out) == files(whole)
    monkeypatch.setattr("xaijax.calibrate.plan.Work.pixels", lambda self: "other")
    with pytest.raises(InputError, match=r"cannot be resumed: the images of .* are others; put back what changed"):
        run(CalibrateConfig(**options, out=out, resume=True))
