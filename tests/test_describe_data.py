"""`xaijax data` as a user calls it."""

import json

import numpy as np
import pytest
from PIL import Image

from xaijax import cli


@pytest.fixture
def scans(tmp_path):
    for number, name in enumerate(("benign", "malignant")):
        for copy in range(3):
            path = tmp_path / "scans" / name / f"{copy}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng([number, copy]).integers(0, 256, (20 + number, 24), np.uint8)
            Image.fromarray(pixels).save(path)
    mask = np.zeros((20, 24), np.uint8)
    mask[4:9, 3:12] = 255
    (tmp_path / "scans" / "masks" / "benign").mkdir(parents=True)
    Image.fromarray(mask).save(tmp_path / "scans" / "masks" / "benign" / "1.png")
    return tmp_path / "scans"


def test_text(scans, capsys):
    assert cli.main(["data", str(scans), "--mask-role", "lesion"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "scans: 6 images, 2 classes"
    assert "layout: class folders" in lines
    assert "  benign: 3" in lines
    assert "  sizes (height x width): 20x24 (3), 21x24 (3)" in lines
    assert "  masks of role lesion: 1 images, 1 mask, covering 9.38% to 9.38% (median 9.38%) of the image" in lines


def test_json_and_sheet(scans, tmp_path, capsys):
    sheet = tmp_path / "new" / "look.png"
    assert cli.main(["data", str(scans), "--json", "--sheet", str(sheet)]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert found["classes"] == {"benign": 3, "malignant": 3}
    assert found["options"]["source"] == str(scans)
    assert found["found"]["layout"] == "class folders"
    assert "give --mask-role" not in captured.out
    with Image.open(sheet) as drawn:
        assert drawn.size[0] == 900


def test_without_pixels(scans, capsys):
    for path in scans.rglob("*.png"):
        path.write_bytes(b"broken")
    assert cli.main(["data", str(scans), "--no-decode"]) == 0
    assert "decoded" not in capsys.readouterr().out
    assert cli.main(["data", str(scans)]) == 0
    assert "6 images cannot be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no/such"], "there is no folder no/such"),
        (["phantoms", "--count", "3", "--sheet", "look.jpg"], "its name must end in .png"),
        (["phantoms", "--window", "5"], "--window is 5; give two numbers, LOW below HIGH, or auto, or file"),
        (["phantoms", "--mask-values", "lesion"], "lesion: 'lesion' is not a value"),
        (["phantoms", "--mask-values", "lesion=1", "organ=1"], "gives the value 1 twice"),
        (["phantoms", "--classes", "gliom"], "unknown class 'gliom': did you mean glioma"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message, capsys):
    assert cli.main(["data", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_one_class_alone(capsys):
    assert cli.main(["data", "phantoms", "--count", "6", "--classes", "Glioma"]) == 0
    assert capsys.readouterr().out.startswith("phantoms-brain_mri: 2 images, 1 class")


def test_one_class_is_a_warning(scans, capsys):
    for path in (scans / "malignant").iterdir():
        path.unlink()
    assert cli.main(["data", str(scans)]) == 0
    warning = "warning: data set 'scans' has images of 1 class (benign); training and benchmarks need at least 2: give"
    assert warning in capsys.readouterr().out
    assert cli.main(["data", str(scans), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["warnings"]) == 1
    assert cli.main(["data", "phantoms", "--count", "6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == []


def test_the_sheet_shows_as_many_images_as_count_says(scans, tmp_path, monkeypatch):
    from xaijax.plot import _samples

    drawn = []
    monkeypatch.setattr(_samples, "write_samples", lambda dataset, *_, **__: drawn.append(dataset.class_counts()))
    for count in ("2", "0"):
        assert cli.main(["data", str(scans), "--count", count, "--sheet", str(tmp_path / "look.png")]) == 0
    assert drawn == [{"benign": 1, "malignant": 1}, {"benign": 3, "malignant": 3}]
