"""Calibrations as files: read, refused, matched with a model and its data."""

import json

import pytest

from xaijax import calibrate, data
from xaijax._errors import InputError
from xaijax._runs.data import digest_of
from xaijax._runs.models import digest_of as model_digest
from xaijax.calibrate import files
from xaijax.metrics import METRICS, calibration


def keep(root, values):
    root.mkdir(parents=True)
    (root / "calibration.json").write_text(json.dumps(values))
    return root


def test_a_calibration_comes_back(found, tmp_path):
    one = calibrate.load(keep(tmp_path / "cal", found))
    assert (one.model, one.data) == ("0123456789abcdef", "data0123")
    assert one.values == found


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 7}, "has the schema 7; this version reads 1"),
        ({"metrics": {"irof": {"verdict": "maybe"}}}, "has the verdict 'maybe'"),
    ],
)
def test_other_files_are_refused(found, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        calibrate.load(keep(tmp_path / "cal", found | change))


def test_what_is_missing_is_named(found, tmp_path):
    del found["answers"]
    with pytest.raises(InputError, match="has no answers; calibrate again"):
        calibrate.load(keep(tmp_path / "cal", found))
    with pytest.raises(InputError, match=r"which holds no calibration\.json: give the folder of xaijax calibrate"):
        calibrate.load(tmp_path / "nothing")


def test_a_verdict_holds_for_the_settings_it_was_made_with(found):
    one = files.Found(found, "here")
    family = METRICS["irof"].family
    assert one.verdict("irof", {"perturbation": {"steps": 20}}, family)[0] == "believe"
    verdict, why = one.verdict("irof", {"perturbation": {"steps": 9}}, family)
    assert verdict == "not_judged"
    assert why == "it was judged with perturbation.steps=20, not 9"
    assert one.verdict("deletion_blur", {}, family) == ("not_judged", "the calibration was made for other metrics")


def test_calibrations_are_found_by_model_and_data(found, made, tmp_path):
    keep(tmp_path / "one", found)
    keep(tmp_path / "other", made.calibration(model="ffff"))
    keep(tmp_path / "broken", {})
    near = calibrate.nearby(tmp_path)
    assert [one.source for one in near] == [str(tmp_path / "one"), str(tmp_path / "other")]
    assert calibrate.matching(near, "ffff", "data0123").source == str(tmp_path / "other")
    assert calibrate.matching(near, "ffff", "elsewhere") is None
    # Those that benchmarks made are found too, and a full one goes first.
    keep(tmp_path / "bench" / "calibration" / "small", found | {"depth": "full"})
    best = calibrate.matching(calibrate.nearby(tmp_path), "0123456789abcdef", "data0123")
    assert best.source == str(tmp_path / "bench" / "calibration" / "small")


def test_what_comes_with_the_package_is_of_the_models_that_come_with_it():
    from xaijax import models

    known = {model_digest(models.builtin())}
    for one in calibrate.shipped():
        assert one.model in known
        assert calibration.Calibration.from_json(one.values).controls.passed


def test_the_digest_of_data_is_about_their_content(place, tmp_path):
    import shutil

    shutil.copytree(place / "data", tmp_path / "moved")
    first = digest_of(data.open_dataset(place / "data", mask_role="lesion"))
    assert digest_of(data.open_dataset(tmp_path / "moved", mask_role="lesion")) == first
    assert digest_of(data.open_dataset(tmp_path / "moved", mask_role="lesion", transpose=True)) != first
    (tmp_path / "moved" / "across" / "3.png").unlink()
    assert digest_of(data.open_dataset(tmp_path / "moved", mask_role="lesion")) != first
    shutil.copy(place / "data" / "down" / "0.png", tmp_path / "moved" / "across" / "3.png")
    assert digest_of(data.open_dataset(tmp_path / "moved", mask_role="lesion")) == first  # a pixel in between
    shutil.copy(place / "data" / "down" / "1.png", tmp_path / "moved" / "across" / "0.png")
    assert digest_of(data.open_dataset(tmp_path / "moved", mask_role="lesion")) != first  # the first image


def test_phantoms_are_one_source_whatever_their_seed_and_number():
    first = digest_of(data.open_dataset("phantoms", count=3, size=32, seed=0))
    assert digest_of(data.open_dataset("phantoms", count=4, size=32, seed=9)) == first
    assert digest_of(data.open_dataset("phantoms", count=3, size=48, seed=0)) != first
    assert digest_of(data.open_dataset("phantoms:lung_ct", count=3, size=32, seed=0)) != first
