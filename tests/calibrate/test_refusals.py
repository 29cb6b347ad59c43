"""Wrong uses of the commands around calibrations: one sentence, status 2, and nothing left behind."""

import json
import re
import shutil

import numpy as np
import pytest

from xaijax.calibrate._run import _several
from xaijax.cli import main

NAN = """
import numpy as np
classes = ("glioma", "meningioma", "pituitary", "no_tumour")
input_shape = (64, 64, 1)
def nan(images):
    return np.full((len(images), 4), np.nan)
def fails(images):
    return 1 / 0
def two(images, age):
    return np.full((len(images), 4), 0.25)
"""


def refused(capsys, *arguments):
    assert main([str(one) for one in arguments]) == 2
    return capsys.readouterr().err.strip()


def test_metrics_that_cannot_be_judged(tmp_path, capsys):
    out = tmp_path / "run"
    said = refused(capsys, "calibrate", "--metrics", "iou", "max_sensitivity", "--out", out)
    assert "--metrics names none that can be judged (iou: it reads the mask, not the model; max_sensitivity:" in said
    assert not out.exists()


@pytest.mark.parametrize("command", ["calibrate", "bench"])
def test_too_few_phantoms_for_two_classes(tmp_path, capsys, command):
    said = refused(capsys, command, "--count", "1", "--out", tmp_path / "run")
    assert "--count is 1, which generates images of" in said
    assert "give --count 2 or more" in said
    assert not (tmp_path / "run").exists()


def test_one_class_alone(tmp_path, capsys):
    said = refused(capsys, "calibrate", "--classes", "glioma", "--count", "4", "--out", tmp_path / "run")
    assert "--classes leaves images of glioma alone" in said


def test_findings_of_phantoms(tmp_path, capsys):
    said = refused(capsys, "calibrate", "--data", "phantoms:chest_xray", "--findings", "--out", tmp_path / "run")
    assert "this command needs one class per image; leave --findings out" in said


def test_a_model_that_answers_nan(tmp_path, capsys):
    (tmp_path / "model.py").write_text(NAN)
    out = tmp_path / "run"
    said = refused(capsys, "calibrate", "--count", "4", "--model", f"{tmp_path / 'model.py'}:nan", "--out", out)
    assert "metrics cannot be calibrated for" in said
    assert "the model answers NaN or infinity (4 images)" in said
    assert not out.exists()


def test_a_model_of_two_inputs(tmp_path, capsys):
    (tmp_path / "model.py").write_text(NAN)
    said = refused(capsys, "models", f"{tmp_path / 'model.py'}:two")
    assert "two(images, age) cannot be called with images alone" in said
    assert "give a function that fills in the rest" in said


def test_a_file_that_is_no_calibration(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no calibration")
    arguments = ("--count", "4", "--methods", "sobel", "random", "--metrics", "deletion_mean")
    said = refused(capsys, "bench", "--calibration", tmp_path / "notes.txt", *arguments, "--out", tmp_path / "run")
    assert "give the folder of xaijax calibrate, auto, quick or none" in said


def test_what_to_verify(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert f"{tmp_path / 'file'} is a file: give the folder" in refused(capsys, "verify", tmp_path / "file")
    assert f"{tmp_path / 'no'} is not there: give the folder" in refused(capsys, "verify", tmp_path / "no")
    assert "takes one PATH, and 'b' is one more: leave one out" in refused(capsys, "verify", "a", "b")
    assert "takes one NAME, and 'b' is one more" in refused(capsys, "methods", "a", "b")


def test_options_that_belong_to_others(tmp_path, capsys):
    out = tmp_path / "run"
    said = refused(capsys, "bench", "--recompute-changed", "--count", "4", "--out", out)
    assert "--recompute-changed belongs to --resume: add --resume, or leave it out" in said
    few = ("--calibration", "none", "--until", "decided", "--count", "4", "--methods", "sobel", "random")
    said = refused(capsys, "bench", *few, "--metrics", "sparseness", "--against", "grad_cam", "--out", out)
    assert "--against is grad_cam, which is not a method of this run: choose from sobel, random, or name it" in said
    assert not out.exists()


def test_counts_in_words():
    assert [_several(number, "metric") for number in (0, 1, 2)] == ["0 metrics", "1 metric", "2 metrics"]


def test_notes_of_a_report(tmp_path):
    import xaijax
    from xaijax._errors import InputError
    from xaijax.metrics import Scores

    scores = Scores.from_rows([("0", "sobel", "iou", float(np.float32(0.5)), "")])
    with pytest.raises(InputError, match="notes must be a list of sentences; got the string 'one'"):
        xaijax.report(scores, out=tmp_path / "mine", notes="one")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("command", ["calibrate", "bench"])
def test_a_model_that_fails(tmp_path, capsys, command):
    (tmp_path / "model.py").write_text(NAN)
    out = tmp_path / "run"
    model = f"{tmp_path / 'model.py'}:fails"
    said = refused(capsys, command, "--count", "4", "--model", model, "--metrics", "sparseness", "--out", out)
    assert "model.py:fails fails on images of shape" in said
    assert "ZeroDivisionError: division by zero" in said
    assert not out.exists()


def test_a_script_that_ends_the_process(tmp_path, capsys):
    (tmp_path / "model.py").write_text("import sys\nsys.exit(3)\n")
    assert "model.py fails when it is run: SystemExit: 3" in refused(capsys, "models", f"{tmp_path / 'model.py'}:f")


def test_a_benchmark_of_a_model_that_answers_nan_leaves_nothing(tmp_path, capsys):
    (tmp_path / "model.py").write_text(NAN)
    out = tmp_path / "run"
    few = ("--count", "4", "--methods", "sobel", "random", "--metrics", "deletion_mean", "--out", out)
    assert "NaN or infinite" in refused(capsys, "bench", "--model", f"{tmp_path / 'model.py'}:nan", *few)
    assert not out.exists()


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    out = tmp_path_factory.mktemp("cal") / "run"
    assert main(["calibrate", "--count", "4", "--metrics", "sparseness", "--out", str(out)]) == 0
    return out


@pytest.fixture
def copy(judged, tmp_path):
    return shutil.copytree(judged, tmp_path / "copy")


FEW = ("--count", "4", "--methods", "sobel", "random", "--metrics", "sparseness")


def test_verdicts_edited_by_hand(copy, tmp_path, capsys):
    file = copy / "calibration.json"
    file.write_text(re.sub('"verdict": "[a-z_]*"', '"verdict": "believe"', file.read_text()))
    said = refused(capsys, "bench", "--calibration", copy, *FEW, "--out", tmp_path / "run")
    assert f"calibration.json was changed after it was written; xaijax calibrate --resume --out {copy}" in said
    assert not (tmp_path / "run").exists()
    assert main(["calibrate", "--resume", "--out", str(copy)]) == 0
    assert main(["verify", str(copy)]) == 0


def test_a_damaged_calibration(copy, tmp_path, capsys):
    file = tmp_path / "mine.json"
    values = json.loads((copy / "calibration.json").read_text())
    for broken, said in ({"metrics": [1]}, "no table metrics"), ({"metrics": {"iou": 1}}, "no table metrics.iou"):
        file.write_text(json.dumps(values | broken))
        assert said in refused(capsys, "bench", "--calibration", file, *FEW, "--out", tmp_path / "run")


def test_parts_that_were_deleted_are_gone(copy, capsys):
    shutil.rmtree(copy / "parts")
    assert main(["verify", str(copy)]) == 2
    assert "is gone" in capsys.readouterr().out
    assert main(["calibrate", "--resume", "--out", str(copy)]) == 0
    capsys.readouterr()
    assert main(["verify", str(copy)]) == 0


def test_files_of_others_in_a_folder_are_not_the_runs(copy, capsys):
    (copy / "note.txt").write_text("look at this again")
    for text in ("first", "second"):
        assert main(["calibrate", "--resume", "--out", str(copy)]) == 0
        (copy / "note.txt").write_text(text)
        assert main(["verify", str(copy)]) == 0
    (copy / "note.txt").unlink()
    assert main(["calibrate", "--resume", "--out", str(copy)]) == 0
    assert "note.txt" not in (copy / "checksums.json").read_text()


def test_interventions_in_the_words_of_the_command_line(tmp_path, capsys):
    train = ("train", "--data", "phantoms", "--count", "12", "--out", tmp_path / "run")
    shares = ("--interventions.counterfactual", "0.5", "--interventions.evidence-free", "0.5")
    said = refused(capsys, *train, *shares)
    assert said == (
        "xaijax: error: --interventions.counterfactual, --interventions.evidence-free and "
        "--interventions.lesion-alone are 1 together; it must be below 1"
    )
    said = refused(capsys, *train, "--interventions.evidence-free", "0.5", "--interventions.kinds")
    assert said.startswith("xaijax: error: --interventions.kinds is empty; name one")
    assert said.endswith("or leave --interventions.evidence-free out")
