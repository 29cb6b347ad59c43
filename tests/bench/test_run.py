import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax._runs import checksums, folder
from xaijax._runs.data import choose
from xaijax._runs.models import match_classes
from xaijax.bench import BenchConfig, run
from xaijax.bench.store import Store

METHODS = ("gradient", "grad_cam", "random")


@pytest.fixture(scope="module")
def config(checkpoint, tmp_path_factory):
    return BenchConfig(
        model=(str(checkpoint),),
        methods=METHODS,
        metrics=("sic_shannon", "sic_mutual", "aic_shannon", "aic_mutual", "iou", "pointing_game"),
        count=5,
        part=2,
        gallery=2,
        calibration=("none",),
        out=tmp_path_factory.mktemp("runs") / "whole",
    )


@pytest.fixture(scope="module")
def whole(config):
    return Store(run(config))


def measured(store):
    """What a run found out, without when and where."""
    tables = [store.scores(), store.curves(), store.predictions()]
    return [table.to_pydict() for table in tables], (store.root / "summary.csv").read_text()


def same(first, second):
    """Equality with NaN equal to itself, bit for bit elsewhere."""
    return repr(first) == repr(second)


def test_a_run_has_every_row(whole, config):
    scores = whole.scores()
    metrics = ["sic_shannon", "sic_mutual", "aic_shannon", "aic_mutual", "iou", "pointing_game"]
    images = whole.read_run()["data"]["images"]
    keys = list(zip(*(scores[name].to_pylist() for name in ("image", "method", "metric")), strict=True))
    localization = {"iou", "pointing_game"}
    wanted = {(i, m, k) for i in images for m in (*METHODS, "oracle") for k in metrics}
    wanted = {(i, m, k) for i, m, k in wanted if m != "oracle" or k not in localization}
    assert len(keys) == len(set(keys))
    assert set(keys) == wanted
    values, reasons = scores["value"].to_numpy(), scores["reason"].to_pylist()
    assert all(bool(reason) == np.isnan(value) for value, reason in zip(values, reasons, strict=True))
    assert whole.curves().num_rows > 0
    assert set(whole.curves()["entropy"].to_pylist()) <= {"shannon", "mutual"}
    assert [path.stem for path in sorted(whole.root.glob("scores/*"))] == [f"00-tiny-{n:04d}" for n in range(3)]
    assert len(whole.galleries()) == 1


def test_run_json_says_what_it_takes_to_repeat_the_run(whole, config):
    import shlex

    import tyro

    run = whole.read_run()
    words = shlex.split(run["command"])[2:]
    again = tyro.cli(BenchConfig, args=words, use_underscores=False)
    assert dataclasses.replace(again, out=config.out) == config
    assert run["seeds"]["random_masks"] == config.seed
    assert run["versions"]["jax"]
    assert run["machine"]["threads"] >= 1
    assert len(run["models"][0]["digest"]) == 16
    assert "finished" in run


def test_scores_do_not_depend_on_how_images_are_parted(whole, config, tmp_path):
    other = Store(run(dataclasses.replace(config, part=5, out=tmp_path / "run")))
    rows = [store.scores().sort_by([("image", "ascending"), ("method", "ascending"), ("metric", "ascending")])
            for store in (whole, other)]  # fmt: skip
    assert rows[0].drop(["value"]).equals(rows[1].drop(["value"]))
    # XLA may reorder sums when the batch is larger, which moves the maps of the gradient methods by rounding.
    a, b = (table["value"].to_numpy() for table in rows)
    exact = np.array([method in ("random", "oracle") for method in rows[0]["method"].to_pylist()])
    np.testing.assert_array_equal(a[exact], b[exact])
    np.testing.assert_allclose(a, b, atol=0.05)


@pytest.mark.parametrize("killed_in", [0, 1, 2])
def test_an_interrupted_run_resumes_to_the_same_result(whole, config, tmp_path, monkeypatch, killed_in):
    out = tmp_path / "run"
    original = Store.write_part
    written = []

    def interrupted(self, part, tables, made):
        if len(written) == killed_in:
            raise KeyboardInterrupt
        written.append(part)
        original(self, part, tables, made)

    monkeypatch.setattr(Store, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(dataclasses.replace(config, out=out))
    monkeypatch.undo()
    if killed_in == 0:
        assert not out.exists()  # nothing was finished, so nothing is left
        return
    assert not (out / "report.html").exists()
    before = {path: path.stat().st_mtime_ns for path in out.glob("scores/*")}
    assert len(before) == killed_in
    run(dataclasses.replace(config, out=out, resume=True))
    assert {path: path.stat().st_mtime_ns for path in before} == before  # finished parts are not done again
    assert same(measured(Store(out)), measured(whole))


def test_a_killed_process_loses_only_its_part(config, tmp_path):
    """SIGKILL at whatever moment the process is in once its first part is there."""
    out = tmp_path / "run"
    options = ["--model", *config.model, "--methods", "random", "sobel", "--metrics", "sic_mutual", "--part", "1"]
    options += ["--calibration", "none"]
    command = [sys.executable, "-m", "xaijax", "bench", *options, "--count", "40", "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
    deadline = time.monotonic() + 120
    while not list(out.glob("parts/*.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "report.html").exists(), "the run was over before it could be killed"
    small = dataclasses.replace(
        config, methods=("random", "sobel"), metrics=("sic_mutual",), part=1, count=40, gallery="all",
    )  # fmt: skip
    resumed = Store(run(dataclasses.replace(small, out=out, resume=True)))
    fresh = Store(run(dataclasses.replace(small, out=tmp_path / "fresh")))
    assert same(measured(resumed), measured(fresh))


def environment():
    """The test's interpreter must find the package it is testing, wherever that is."""
    import xaijax

    root = os.path.dirname(os.path.dirname(xaijax.__file__))
    return os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}


def test_a_finished_run_can_be_resumed_and_only_draws_its_report_again(whole, config, monkeypatch):
    monkeypatch.setattr(Store, "write_part", lambda *_: pytest.fail("no part is missing"))
    before = (whole.root / "summary.csv").read_bytes()
    run(dataclasses.replace(config, resume=True))
    assert (whole.root / "summary.csv").read_bytes() == before


def test_a_run_is_resumed_only_as_it_was_started(whole, config, tmp_path, checkpoint):
    with pytest.raises(InputError, match="started with other options: --seed was 0, now 5"):
        run(dataclasses.replace(config, resume=True, seed=5))
    with pytest.raises(InputError, match="already holds a run; add --resume"):
        run(config)
    with pytest.raises(InputError, match="no run to resume"):
        run(dataclasses.replace(config, resume=True, out=tmp_path / "none"))
    with pytest.raises(InputError, match="needs --out"):
        run(dataclasses.replace(config, resume=True, out=None))
    described = whole.read_run()
    try:
        changed = json.loads(json.dumps(described))
        changed["models"][0]["digest"] = "other"
        checksums.write_signed(whole.root / folder.DESCRIPTION, changed)
        with pytest.raises(InputError, match=r"the model tiny: digest was other and is \w+"):
            run(dataclasses.replace(config, resume=True))
    finally:
        checksums.write_signed(whole.root / folder.DESCRIPTION, described)


def test_a_part_larger_than_the_run_computes_on_no_more_images(config, tmp_path, monkeypatch):
    from xaijax.classifier import Classifier

    seen = []
    original = Classifier.predict
    monkeypatch.setattr(Classifier, "predict", lambda self, images: seen.append(len(images)) or original(self, images))
    run(dataclasses.replace(config, methods=("random",), metrics=("iou",), part=300, count=3, out=tmp_path / "run"))
    assert seen
    assert max(seen) == 3


def test_nan_in_maps_is_refused_and_leaves_nothing(config, tmp_path, monkeypatch):
    from xaijax.explain import METHODS, gradient

    broken = dataclasses.replace(METHODS["gradient"], function=lambda *a, **k: gradient(*a, **k) * np.nan)
    monkeypatch.setattr("xaijax.bench.part.METHODS", dict(METHODS) | {"gradient": broken})
    with pytest.raises(InputError, match="method gradient gives NaN"):
        run(dataclasses.replace(config, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def pictures(tmp_path):
    """Two classes of pictures larger than the model's, without masks."""
    rng = np.random.default_rng(0)
    for name in ("glioma", "pituitary"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(3):
            picture = Image.fromarray(rng.integers(0, 256, (40, 48), np.uint8))
            picture.save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def test_folders_without_masks_run_without_localization(pictures, config, tmp_path):
    (pictures / "glioma" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    wanted = dataclasses.replace(
        config,
        data=str(pictures),
        count=0,
        methods=("random", "sobel"),
        metrics=BenchConfig.metrics,
        out=tmp_path / "r",
    )
    store = Store(run(wanted))
    described = store.read_run()
    assert [name for name, _ in described["data"]["skipped"]] == ["glioma/bad.png"]
    assert len(described["data"]["images"]) == 6
    assert described["methods"] == ["random", "sobel"]
    assert not any("iou" in metric for metric in described["metrics"])
    assert any("brought to the 32 × 32 grey" in note for note in described["notes"])
    assert any("Localization was not scored" in note for note in described["notes"])
    assert "bad.png" in (store.root / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"data": "no/such/folder"}, "no folder no/such/folder"),
        ({"methods": ("gradcan",)}, "unknown method 'gradcan': did you mean grad_cam"),
        ({"metrics": ("sic_webb",)}, "unknown metric 'sic_webb': did you mean sic_webp"),
        ({"model": ("no/such/model",), "metrics": ("sic_mutual",)}, "no/such/model"),
        ({"metrics": ("iou",)}, "metric iou cannot be computed: .* no masks"),
        ({"methods": ("oracle",)}, "method oracle cannot be scored"),
        ({"model": ("builtin",), "size": 7}, "size is 7; it must be at least 16"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(pictures, config, tmp_path, change, sentence):
    changed = {"data": str(pictures), "out": tmp_path / "run"} | change
    with pytest.raises((ValueError, OSError), match=sentence) as caught:
        run(dataclasses.replace(config, **changed))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_one_class_and_unreadable_images_are_refused(pictures, config, tmp_path):
    out = tmp_path / "run"
    for path in pictures.glob("*/*.png"):
        path.write_bytes(path.read_bytes()[:60])
    metrics = ("sic_mutual",)
    with pytest.raises(InputError, match="none of the 5 images chosen"):
        run(dataclasses.replace(config, data=str(pictures), metrics=metrics, out=out))
    for path in (pictures / "glioma").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="1 class"):
        run(dataclasses.replace(config, data=str(pictures), metrics=metrics, out=out))
    assert not out.exists()


def test_a_model_of_other_classes_is_refused(pictures, config, tmp_path):
    (pictures / "glioma").rename(pictures / "cat")
    with pytest.raises(InputError, match="'cat' is missing"):
        run(dataclasses.replace(config, data=str(pictures), metrics=("sic_mutual",), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_classes_are_matched_by_name():
    assert match_classes(["b", "a"], ["a", "b", "c"], "model m", "the data d") == (1, 0)
    assert match_classes(["cat", "dog"], ["0", "1"], "model m", "the data d") == (0, 1)
    with pytest.raises(InputError, match="'cat' is missing"):
        match_classes(["cat"], ["dog", "fox"], "model m", "the data d")
    with pytest.raises(InputError, match=r"^model m has 3 outputs, .*the data d have 2 classes \(cat, dog\): give"):
        match_classes(["cat", "dog"], ["0", "1", "2"], "model m", "the data d")


def test_images_are_drawn_evenly_over_the_classes():
    labels = np.repeat([0, 1, 2], [50, 5, 20])
    chosen = choose(labels, 12, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 4]
    assert chosen == choose(labels, 12, seed=1) != choose(labels, 12, seed=2)
    assert sorted(choose(labels, 0, seed=0)) == list(range(75))
    assert np.bincount(labels[choose(labels, 60, seed=0)]).tolist() == [35, 5, 20]


def test_images_of_the_training_are_left_out(pictures, config, checkpoint, tmp_path):
    import shutil

    trained = tmp_path / "trained"
    shutil.copytree(checkpoint, trained)
    names = [f"{name}/{number}.png" for name in ("glioma", "pituitary") for number in range(3)]
    training = [name for name in names if not name.endswith("0.png")]
    held_out = [name for name in names if name.endswith("0.png")]
    (trained / "run.json").write_text(
        json.dumps(
            {
                "kind": "training",
                "data": {"training": training, "validation": held_out, "options": {"source": str(pictures)}},
            }
        )
    )
    wanted = dataclasses.replace(
        config,
        data=str(pictures),
        model=(str(trained),),
        methods=("random",),
        metrics=("sic_mutual",),
        out=tmp_path / "r",
    )
    described = Store(run(wanted)).read_run()
    assert sorted(described["data"]["images"]) == held_out
    with pytest.raises(InputError, match="does not name its validation images"):
        run(dataclasses.replace(wanted, model=(str(checkpoint),), split="validation", out=tmp_path / "s"))


def test_several_models_share_a_run(config, checkpoint, tmp_path):
    import shutil

    other = tmp_path / "other"
    shutil.copytree(checkpoint, other)
    wanted = dataclasses.replace(
        config, model=(str(checkpoint), str(other)), methods=("grad_cam", "random"), metrics=("sic_mutual",), count=2,
        out=tmp_path / "run",
    )  # fmt: skip
    store = Store(run(wanted))
    table = store.scores()
    values = {
        (model, method): [row["value"] for row in table.to_pylist() if (row["model"], row["method"]) == (model, method)]
        for model in ("tiny", "other")
        for method in ("grad_cam", "random")
    }
    assert repr(values["tiny", "grad_cam"]) == repr(values["other", "grad_cam"])
    assert repr(values["tiny", "random"]) != repr(values["other", "random"])  # a control has maps of its own on each
    assert "Figures: other" in (store.root / "report.html").read_text()
