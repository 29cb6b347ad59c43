"""`xaijax bench` obeys a calibration: where it comes from, what is refused, what the report says and does not say."""

import csv
import dataclasses
import json

import pytest

from xaijax._errors import InputError
from xaijax._runs import folder
from xaijax._runs.metrics import complete_settings
from xaijax.bench import BenchConfig, calibrated, conclusion, report, results, run, statistics
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store
from xaijax.calibrate import Found

IDS = [f"case {n}" for n in range(12)]
THRESHOLDS = {"concordance": 0.7, "twin": 0.8, "random_dominance": 0.1, "scored": 0.5}
VERDICTS = {"sic_webp": "believe", "iou": "not_judged"}


def calibration(model, data, verdicts, settings=None):
    """The values of a calibration with these verdicts."""
    metrics = {}
    for name, verdict in verdicts.items():
        good = verdict == "believe"
        metrics[name] = {
            "verdict": verdict,
            "why": "it reads the mask, not the model",
            "concordance": 0.85 if good else 0.55,
            "interval": [0.8, 0.9] if good else [0.5, 0.6],
            "twin": 0.95,
            "twin_interval": [0.9, 1.0],
            "random_dominance": 0.0 if good else 0.6,
            "scored": {},
            "constructions": {"view": {}},
        }
    return {
        "schema": 1,
        "depth": "full",
        "model": {"name": "tiny", "digest": model},
        "data": {"name": "there", "digest": data, "images": 300},
        "settings": settings or {},
        "textures": ["white", "edges"],
        "thresholds": THRESHOLDS,
        "controls": {"passed": True, "reason": ""},
        "constructions": {},
        "answers": [],
        "metrics": metrics,
    }


def kept(store, model, verdicts, why="", notes=()):
    values = None if verdicts is None else calibration("0", "d", verdicts)
    stored = {"source": "runs/cal", "why": why, "notes": list(notes), "calibration": values}
    folder.write_json(calibrated.files_of(store.root, [model])[model], stored)


@pytest.fixture
def written(made, tmp_path):
    """Makes the report of a run whose metrics have these verdicts."""

    def write(verdicts, why="", **more):
        root = tmp_path / "run"
        store = made.started(root, made.run_description(IDS))
        if verdicts is not None or why:
            kept(store, "m", verdicts, why, **more)
        store.write_part("00-m-0000", made.tables(*made.parts(IDS)))
        done = report.write_report(store)
        return done, done.path.read_text("utf-8"), store

    return write


def test_columns_that_are_not_believed_stand_apart_and_have_no_best(written):
    done, text, store = written(VERDICTS)
    marked = {"sic_webp": ["grad_cam"], "iou": ["grad_cam"]}
    believed, apart = results.tables(done.rows, "m", done.judged["m"], marked)
    assert [metric["name"] for metric in believed["metrics"]] == ["sic_webp"]
    assert [metric["name"] for metric in apart["metrics"]] == ["iou"]
    assert not believed["apart"]
    assert apart["apart"]
    assert apart["metrics"][0]["why"] == "it reads the mask, not the model"
    assert sum(cell["best"] for line in believed["lines"] for cell in line["cells"]) == 1
    assert not any(cell["best"] for line in apart["lines"] for cell in line["cells"])
    assert "Not believed for this model and these images" in text
    assert done.best["m"]["sic_webp"] == []  # too few images
    assert 'class="best"' not in text
    lines = list(csv.DictReader((store.root / "summary.csv").read_text().splitlines()))
    assert {(line["metric"], line["verdict"]) for line in lines} == set(VERDICTS.items())


def test_no_sentence_concludes_from_what_is_not_believed(written):
    def about_methods(done):
        return [one.text for one in done.said if one.kind in ("worse", "level", "oracle", "artefact")]

    free, text, _ = written(None)
    assert any("iou" in one for one in about_methods(free))
    assert free.conclusion == []
    assert "The metrics were not calibrated" in text


def test_the_sentences_that_remain_are_about_believed_metrics(written):
    done, text, _ = written(VERDICTS)
    sentences = [one.text for one in done.said if one.kind in ("worse", "level", "oracle", "artefact")]
    assert not any("iou" in one for one in sentences)
    assert not any("IoU" in one for one in done.conclusion)
    assert done.conclusion[0].startswith("By the one metric that calibration supports here (SIC (webp))")
    assert text.index(done.conclusion[0]) < text.index('id="results"')
    start = text.index('id="statistics"')
    shown = text[start : text.index("Metrics that are not believed", start)]
    assert "SIC (webp)" in shown
    assert "IoU" not in shown


def test_nothing_is_concluded_where_no_metric_is_believed(written):
    done, text, _ = written(dict.fromkeys(VERDICTS, "no"))
    assert done.conclusion[0].startswith("Nothing can be concluded about the methods: no metric of this run")
    assert 'class="best"' not in text
    assert "No metric of this run can be believed here, so no method is called best." in text
    assert not [one for one in done.said if one.kind in ("worse", "level", "oracle")]


def test_why_there_is_no_calibration_is_said(written):
    why = "The metrics were not calibrated: no image gives a case."
    done, text, _ = written(None, why)
    assert why in text
    assert any(one.text == why and one.warns for one in done.said)
    assert done.conclusion[0] == f"Nothing can be concluded about the methods: t{why[1:]}"


def test_other_data_are_said(written):
    note = "The metrics were calibrated on there, other data than these: the verdicts are taken from there."
    done, _, _ = written(VERDICTS, notes=(note,))
    assert any(one.text == note and one.warns for one in done.said)


# ------------------------------------------------------------------------------------------------------- conclusions


def judged(verdicts):
    return {"m": calibrated.Judged({name: (verdict, "") for name, verdict in verdicts.items()}, "here")}


def sentences(stats, verdicts):
    return [line for one in conclusion.conclude(stats, verdicts) for line in one.sentences()]


def found(made, quality, metrics=("deletion_mean", "irof"), n=30):
    """Statistics of made-up scores: {method: its quality}, equal in all metrics; lower is better in both."""
    import numpy as np

    from xaijax.bench import columns
    from xaijax.bench.store import SCORES

    rng = np.random.default_rng(0)
    rows = []
    for number in range(n):
        for metric in metrics:
            for method, one in quality.items():
                sign = -1 if metric == "deletion_mean" else 1
                rows.append(("m", f"case {number}", method, metric, sign * (one + 0.1 * rng.random()), ""))
    return statistics.tabulate(columns.of_table(made.table(rows, SCORES)))


def test_the_best_method_is_named_and_what_random_beats_is_not_recommended(made):
    stats = found(made, {"grad_cam": 0.9, "gradient": 0.2, "random": 0.2, "oracle": 2.0})
    lines = sentences(stats, judged({"deletion_mean": "believe", "irof": "believe"}))
    assert lines[0].endswith("(deletion mean and irof) grad cam is the best explanation.")
    assert "gradient" in lines[1]
    assert lines[1].startswith("Not shown to be better than a random map: ")
    assert lines[-1] == "Next: use grad cam for this model, and do not rely on gradient."


def test_a_best_method_that_is_no_better_than_random_is_not_recommended(made):
    stats = found(made, {"grad_cam": 0.5, "gradient": 0.1, "random": 0.5})
    lines = sentences(stats, judged({"deletion_mean": "believe", "irof": "no"}))
    assert lines[-1] == "Next: try other methods: none of the best is shown to explain more than a random map."


@pytest.mark.parametrize(
    ("level", "images", "marked"),
    [
        ({"grad_cam": 0.9, "gradient": 0.5, "random": 0.2, "oracle": 2.0}, 30, ["grad_cam"]),
        ({"grad_cam": 0.9, "gradient": 0.5, "random": 0.2}, 9, []),  # too few images
        ({"grad_cam": 0.5, "gradient": 0.1, "random": 0.5}, 30, []),  # no better than the control
        ({"grad_cam": 0.9, "gradient": 0.9, "random": 0.2}, 30, []),  # all alike
        ({"grad_cam": 0.9, "gradient": 0.9, "occlusion": 0.3, "random": 0.1}, 30, ["grad_cam", "gradient"]),
    ],
)
def test_the_best_is_marked_where_the_images_show_it(made, level, images, marked):
    stats = found(made, level, n=images)
    assert sorted(conclusion.best("deletion_mean", stats.models["m"]["deletion_mean"])) == marked


def test_methods_that_cannot_be_told_apart_are_not_ranked(made):
    stats = found(made, {"grad_cam": 0.5, "gradient": 0.5, "random": 0.5})
    lines = sentences(stats, judged({"deletion_mean": "believe"}))
    assert lines[0].endswith("not distinguishable, and none is shown to be better than a random map.")
    assert sentences(stats, {}) == []
    above = found(made, {"grad_cam": 0.9, "gradient": 0.9, "random": 0.2})
    lines = sentences(above, judged({"deletion_mean": "believe"}))
    assert "both methods explain more than a random map, and the methods are not distinguishable" in lines[0]
    assert lines[1].startswith("Next: use any of these")
    without = found(made, {"grad_cam": 0.9, "gradient": 0.9})
    lines = sentences(without, judged({"deletion_mean": "believe"}))
    assert lines[0].endswith("the methods are not distinguishable on these images.")


# ------------------------------------------------------------------------------------------------ where it comes from


@pytest.fixture
def options(checkpoint):
    return {
        "model": (str(checkpoint),),
        "methods": ("gradient", "random"),
        "metrics": ("deletion_mean", "iou"),
        "count": 4,
        "part": 4,
        "gallery": 0,
        "set": ("perturbation.steps=4",),
    }


def stored(root, options, verdicts, *, data=None, model=None):
    """A calibration in a folder, of the model and data of these options."""
    from xaijax._runs.data import digest_of as data_digest

    plan = prepare(BenchConfig(**options))
    values = calibration(model or plan.models[0].digest, data or data_digest(plan.dataset), verdicts)
    values["settings"] = complete_settings(["deletion_mean", "sic_mutual"], plan.settings)
    folder.write_json(root / "calibration.json", values)
    return values


def test_a_calibration_that_is_named_is_used_and_kept(options, tmp_path):
    values = stored(tmp_path / "cal", options, {"deletion_mean": "believe"})
    out = run(BenchConfig(**options, calibration=(str(tmp_path / "cal"),), out=tmp_path / "run"))
    kept = json.loads((out / "calibration" / "tiny.json").read_text())
    assert kept["calibration"] == values
    assert kept["source"] == str(tmp_path / "cal")
    assert calibrated.read(out, Store(out).read_run())["tiny"].believed == ["deletion_mean"]
    assert "Conclusion" in (out / "report.html").read_text()
    # A run that is resumed keeps the verdicts that it was started with.
    (tmp_path / "cal" / "calibration.json").write_text(json.dumps(values | {"metrics": {}}))
    again = BenchConfig(**options, calibration=(str(tmp_path / "cal"),), out=out, resume=True)
    run(again)
    assert calibrated.read(out, Store(out).read_run())["tiny"].believed == ["deletion_mean"]


def test_auto_takes_the_calibration_next_to_the_run(options, tmp_path):
    stored(tmp_path / "cal", options, {"deletion_mean": "no"})
    plan = prepare(BenchConfig(**options))
    found = calibrated.look_up(plan, tmp_path / "run")
    assert found["tiny"].source == str(tmp_path / "cal")
    # One that says nothing of a metric of the run, or of other settings, is no answer.
    for change in ({"metrics": ("deletion_mean", "irof")}, {"set": ("perturbation.steps=5",)}):
        assert calibrated.look_up(prepare(BenchConfig(**options | change)), tmp_path / "run") == {"tiny": None}
    stored(tmp_path / "cal", options, {"deletion_mean": "no"}, data="other")
    assert calibrated.look_up(plan, tmp_path / "run") == {"tiny": None}


def test_by_default_the_metrics_are_those_that_a_calibration_supports(options, tmp_path):
    known = {"deletion_blur": "believe", "sic_webp": "believe", "deletion_mean": "no", "pixel_flipping": "undecided"}
    default = {key: value for key, value in options.items() if key not in ("metrics", "set")}
    stored(tmp_path / "cal", default, known)
    config = BenchConfig(**default, out=tmp_path / "run")
    plan = prepare(config)
    assert set(plan.metrics) == {"deletion_blur", "sic_webp", "pointing_game", "average_precision", "top15_energy"}
    assert any("those that the calibration supports best: " in note for note in plan.notes)
    # Made with other settings they are not known to be good, and what is named is taken as it is.
    other = prepare(dataclasses.replace(config, set=("perturbation.steps=9",)))
    assert set(other.metrics) == {"sic_webp", "pointing_game", "average_precision", "top15_energy"}
    assert prepare(dataclasses.replace(config, metrics=("irof",))).metrics == ("irof",)
    assert "deletion_mean" in prepare(dataclasses.replace(config, calibration=("none",))).metrics
    # A run that is resumed keeps the metrics it was started with.
    folder.write_json(tmp_path / "run" / "run.json", {"metrics": ["irof", "iou"]})
    assert prepare(dataclasses.replace(config, resume=True)).metrics == ("irof", "iou")


def test_auto_takes_the_calibration_that_comes_with_the_package(options, tmp_path, monkeypatch):
    values = stored(tmp_path / "cal" / "deep", options, {"deletion_mean": "believe"})
    monkeypatch.setattr("xaijax.calibrate.shipped", lambda: [Found(values, "the calibration that comes with xaijax")])
    found = calibrated.look_up(prepare(BenchConfig(**options)), tmp_path / "run")
    assert found["tiny"].source == "the calibration that comes with xaijax"


def test_a_calibration_of_another_model_is_refused_and_of_other_data_said(options, tmp_path):
    stored(tmp_path / "cal", options, {"deletion_mean": "believe"}, model="ffff")
    named = BenchConfig(**options, calibration=(str(tmp_path / "cal"),), out=tmp_path / "run")
    with pytest.raises(InputError, match=r"--calibration has none of model .*: .*cal is of tiny \(ffff\)"):
        run(named)
    assert not (tmp_path / "run").exists()
    stored(tmp_path / "cal", options, {"deletion_mean": "believe"}, data="ffff")
    text = (run(named) / "report.html").read_text()
    assert "The metrics were calibrated on there, other data than these" in text


@pytest.mark.parametrize("words", [("auto", "runs/cal"), ("none", "none"), ()])
def test_words_and_folders_do_not_mix(options, words):
    with pytest.raises(InputError, match="give auto, quick or none alone, or folders of xaijax calibrate"):
        prepare(BenchConfig(**options, calibration=words))


def test_a_folder_without_a_calibration_is_refused(options, tmp_path):
    with pytest.raises(InputError, match=r"which holds no calibration\.json"):
        run(BenchConfig(**options, calibration=(str(tmp_path / "no"),), out=tmp_path / "run"))


def test_metrics_that_only_read_masks_ask_for_no_calibration(options, tmp_path):
    plan = prepare(BenchConfig(**options | {"metrics": ("iou", "pointing_game"), "set": ()}))
    assert calibrated.look_up(plan, tmp_path / "run") == {}


def test_a_quick_calibration_has_the_settings_of_the_run(options, tmp_path):
    plan = prepare(BenchConfig(**options | {"metrics": ("deletion_mean", "irof", "iou")}))
    config = calibrated.quick_config(plan, plan.models[0].path, ("deletion_mean", "irof"), tmp_path)
    assert config.metrics == ("deletion_mean", "irof")
    assert "perturbation.steps=4" in config.set
    regions = plan.settings_in_use()["perturbation"]["regions"]
    assert f"perturbation.regions={regions}" in config.set
    assert (config.minutes, config.count, config.depth) == (calibrated.MINUTES, calibrated.IMAGES, "quick")


def test_where_no_truth_can_be_built_auto_goes_on_without_conclusion_and_quick_stops(options, tmp_path, monkeypatch):
    def refused(config, **more):
        raise InputError("no image gives a case")

    monkeypatch.setattr("xaijax.calibrate.run", refused)
    out = run(BenchConfig(**options, out=tmp_path / "run"))
    done = calibrated.read(out, Store(out).read_run())["tiny"]
    assert done.why == "The metrics were not calibrated: no image gives a case."
    assert done.believed == []
    assert "Nothing can be concluded about the methods" in (out / "report.html").read_text()
    with pytest.raises(InputError, match="no image gives a case"):
        run(BenchConfig(**options, calibration=("quick",), out=tmp_path / "other"))
    assert not (tmp_path / "other").exists()
