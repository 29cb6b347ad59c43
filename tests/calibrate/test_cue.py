"""`xaijax calibrate --constructions ... cue`: a small network learns the cue, is checked, kept and taken up again."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from xaijax import cli, models, training
from xaijax._errors import InputError
from xaijax._runs import checksums
from xaijax.calibrate import CalibrateConfig, run, store
from xaijax.metrics import calibration
from xaijax.training import _cue
from xaijax.training._trainer import Trainer

CLASSES = ("across", "down")
SHAPE = (32, 32, 1)


def stripes(count, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    values = rng.choice([70, 180], (count, 8)).repeat(4, axis=1)[:, None].repeat(32, axis=1)
    values[labels == 0] = values[labels == 0].transpose(0, 2, 1)
    return (values + rng.integers(-4, 5, values.shape)).astype(np.uint8)[..., None], labels


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """A folder with 440 images of stripes, and a network that was trained to tell their direction."""
    root = tmp_path_factory.mktemp("cue")
    for name in CLASSES:
        (root / "data" / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(*stripes(440, 0), strict=True)):
        Image.fromarray(image[..., 0]).save(root / "data" / CLASSES[label] / f"{number}.png")
    start = models.create("small_cnn", 2, SHAPE, classes=CLASSES, width=8)
    how = training.Options(epochs=4, batch_size=16, learning_rate=5e-3, augmentation=None)
    done = training.train(start, *stripes(128, 1), validation=stripes(32, 2), options=how)
    assert done.metrics["accuracy"] > 0.9
    models.save(done.classifier, root / "model")
    return {
        "data": str(root / "data"),
        "model": (str(root / "model"),),
        "metrics": ("deletion_mean", "sparseness"),
        "set": ("perturbation.steps=4",),
        "constructions": ("view", "mosaic", "parts", "cue"),
        "count": 8,
    }


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory):
    return run(CalibrateConfig(**options, out=tmp_path_factory.mktemp("runs") / "whole"), quiet=True).out


def files(root):
    kept = ("scores/*.parquet", "calibration.json", "summary.csv", "figures/*.png", "cue/*")
    return {str(path.relative_to(root)): path.read_bytes() for one in kept for path in sorted(root.glob(one))}


def test_the_copy_passes_the_gate_and_its_cases_are_scored(whole, options):
    found = json.loads((whole / "calibration.json").read_text())
    one = found["constructions"]["cue"]
    assert one["cases"] == 8
    assert one["gate"]["passed"]
    assert one["gate"]["images"] == 299
    assert (one["gate"]["with_cue"], one["gate"]["with_rest"]) == (299, 0)
    assert found["metrics"]["sparseness"]["constructions"]["cue"]["twin"] == 0.5
    assert found["metrics"]["deletion_mean"]["decided_by"] != "cue"
    assert found["controls"]["passed"]
    assert {row[3] for row in store.read_rows(whole) if row[0] == "cue"} == set(CLASSES)
    described = json.loads((whole / "run.json").read_text())
    assert described["cases"] == described["cases_done"] == sum(c["cases"] for c in found["constructions"].values())
    kept = json.loads((whole / "cue" / "gate.json").read_text())
    assert kept["stopped"] == ""
    assert kept["gate"]["sentence"] in (whole / "report.html").read_text()
    assert sorted(path.name for path in (whole / "cue").iterdir()) == ["gate.json", "model.safetensors"]
    assert checksums.problems(whole, "run.json") == []
    assert cli.main(["verify", str(whole)]) == 0
    # The user's own network is as it was.
    assert described["models"][0]["digest"] == found["model"]["digest"] != kept["model"]


def test_a_fine_tuning_that_was_killed_resumes_to_the_same_bytes(whole, options, tmp_path, monkeypatch):
    out = tmp_path / "run"
    original = Trainer.epoch

    def epoch(self, number):
        for step, loss in enumerate(original(self, number)):
            if number == 2 and step == 3:
                raise KeyboardInterrupt
            yield loss

    monkeypatch.setattr(Trainer, "epoch", epoch)
    with pytest.raises(KeyboardInterrupt):
        run(CalibrateConfig(**options, out=out), quiet=True)
    monkeypatch.undo()
    assert (out / "cue" / "checkpoints").is_dir()
    assert not (out / "cue" / "gate.json").exists()
    run(CalibrateConfig(**options, out=out, resume=True), quiet=True)
    assert files(out) == files(whole)


def test_what_was_learnt_is_not_learnt_again(whole, options, tmp_path, monkeypatch):
    out = tmp_path / "run"
    original, calls = store.write_part, []

    def interrupted(*args, **more):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(args)
        return original(*args, **more)

    monkeypatch.setattr(store, "write_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(CalibrateConfig(**options, out=out), quiet=True)
    monkeypatch.undo()
    monkeypatch.setattr(_cue, "tune_to_cue", None)
    run(CalibrateConfig(**options, out=out, resume=True), quiet=True)
    assert files(out) == files(whole)
    assert {"cue/gate.json", "cue/model.safetensors"} <= set(checksums.listed(out))


def test_a_worker_computes_the_same_bytes(whole, options):
    from xaijax.calibrate import config, cue, plan, scoring

    planned = plan.prepare(config.checked(CalibrateConfig(**options, out=whole)))
    text = scoring.described(cue.taken_up(planned, whole / "cue"), whole)
    compute = scoring.opened(text)
    last = len(list((whole / "scores").iterdir())) - 1
    for number in (0, last):
        assert compute((number,)) == (whole / "scores" / f"{number:05d}.parquet").read_bytes()
    with pytest.raises(InputError, match=r"gate\.json"):
        scoring.opened(text.replace(str(whole / "cue"), str(whole / "nowhere")))


def test_weights_that_were_changed_are_refused(whole, tmp_path, capsys):
    copy = shutil.copytree(whole, tmp_path / "copy")
    (copy / "cue" / "model.safetensors").write_bytes(b"other")
    assert cli.main(["calibrate", "--resume", "--out", str(copy)]) == 2
    assert "cue/model.safetensors was changed after it was written" in capsys.readouterr().err


def test_a_copy_that_does_not_learn_is_left_out_in_one_sentence(options, tmp_path, monkeypatch, capsys):
    slow = replace(_cue.OPTIONS, epochs=1, learning_rate=1e-9)
    monkeypatch.setattr(_cue, "OPTIONS", slow)
    found = run(CalibrateConfig(**options, out=tmp_path / "run"), quiet=True).calibration
    one = found["constructions"]["cue"]
    assert (one["cases"], one["left_out"], one["gate"]["passed"]) == (0, {"gate": 8}, False)
    (said,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cue: ")]
    assert "left out, and no number rests on it: on 299 unseen images the prediction changed with the cue in" in said
    assert (
        "the fine-tuning ended after epoch 1 before the cue was learnt; start again in another folder with more images"
        in said
    )
    assert all("cue" not in metric["constructions"] for metric in found["metrics"].values())
    # The others are what they are without it.
    plain = options | {"constructions": ("view", "mosaic", "parts")}
    other = run(CalibrateConfig(**plain, out=tmp_path / "plain"), quiet=True).calibration
    assert found["metrics"] == other["metrics"]


def test_time_is_kept(options, tmp_path, capsys):
    out = tmp_path / "run"
    found = run(CalibrateConfig(**options, minutes=0.001, out=out), quiet=True).calibration
    assert not found["constructions"]["cue"]["gate"]["passed"]
    assert "the time was spent in epoch 1 of the fine-tuning; start again in another folder with more --minutes" in (
        capsys.readouterr().err
    )
    assert json.loads((out / "run.json").read_text())["cases_done"] == 4  # one part is always scored
    assert found["left_out"]["no_time"] == json.loads((out / "run.json").read_text())["cases"] - 4


def test_a_plan_says_what_the_cue_costs_and_leaves_nothing(options, tmp_path, capsys):
    out = tmp_path / "run"
    run(CalibrateConfig(**options, plan=True, out=out))
    said = capsys.readouterr().err
    assert re.search(r"\d+ cases \(\d view, \d mosaic, \d parts, up to 8 cue\) of", said)
    passes = 20 * (3 * 1024 + 256) + 3 * 299
    assert f"at most the time of {passes:,} more passes".replace(",", " ") in said
    assert "is checked on 299 others" in said
    assert not out.exists()
    assert sum(_cue.cue_passes(unseen=299)) == passes
    with_cue = run_passes(options, tmp_path / "a")
    without = run_passes(options | {"constructions": ("view", "mosaic", "parts")}, tmp_path / "b")
    assert with_cue > without


def run_passes(options, out):
    from xaijax.calibrate import config, plan

    return plan.prepare(config.checked(CalibrateConfig(**options, out=out))).passes()


def test_what_cannot_be_planted_is_refused_before_anything_is_written(options, place, tmp_path, capsys):
    out = tmp_path / "run"
    few = ("--metrics", "sparseness", "--constructions", "view", "mosaic", "parts", "cue", "--out", str(out))
    box = ("--data", str(place / "data"), "--mask-role", "lesion", "--model", f"{place}/stripes.py:predict")
    assert cli.main(["calibrate", *box, *few]) == 2
    assert "stripes.py:predict is a black box, which cannot be trained here: leave the construction cue out" in (
        capsys.readouterr().err
    )
    small = ("--data", str(place / "data"), "--mask-role", "lesion", "--model", *options["model"])
    assert cli.main(["calibrate", *small, *few]) == 2
    assert "the construction cue needs 299 images for its gate" in capsys.readouterr().err
    with pytest.raises(InputError, match="names cue alone, and no verdict rests on it"):
        run(CalibrateConfig(**options | {"constructions": ("cue",)}, out=out))
    assert not out.exists()


def test_images_are_divided_by_patients():
    """No image of a patient is learnt on and measured on."""
    from xaijax.calibrate import cue
    from xaijax.data import open_dataset

    dataset = open_dataset("phantoms", count=700, size=32)
    dataset = replace(
        dataset, cases=tuple(replace(case, group=f"p{number // 2}") for number, case in enumerate(dataset.cases))
    )

    class Model:
        classifier = models.create("small_cnn", 4, SHAPE)
        path = "small"

    config = CalibrateConfig(data="folder", count=20)
    found = cue.sides(config, Model(), dataset, list(range(0, 40, 2)), list(range(300)))
    people = [{number // 2 for number in side} for side in (range(0, 40, 2), found.unseen, found.training)]
    people.append({number // 2 for number in found.validation})
    assert sum(map(len, people)) == len(set.union(*people))
    assert len(found.unseen) == len(people[1]) == 299 - 20
    assert len(found.training) >= 48
    assert calibration.Gate(299, 299, 0).passed
