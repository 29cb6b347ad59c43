"""The Python of the pages on data and phantoms runs and gives what its comments say."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "phantoms.md"


def test_python_of_the_page_runs():
    exchanged, cues = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(exchanged, names)
    assert names["swapped"].labels.tolist() == [0, 1, 2]
    exec(cues, names)
    assert names["batch"].roles["artefact"].shape == (3, 64, 64)
    assert [element.name for element in names["batch"].elements[1]] == ["lesion", "text", "ruler"]
    assert names["planted"].cases[1].extra["text agrees"] == "yes"


def test_every_cue_modality_and_picture_is_there():
    from xaijax.data.cues import CUES
    from xaijax.data.phantoms import MODALITIES

    text = PAGE.read_text("utf-8")
    for name in (*MODALITIES, *CUES):
        assert f"`{name}" in text or f"`phantoms:{name}`" in text
    for picture in re.findall(r"\]\((images/[^)]+)\)", text):
        assert (PAGE.parent / picture).is_file()


def test_the_page_on_data_runs_on_a_folder(tmp_path, monkeypatch, capsys):
    from xaijax import cli

    rng = np.random.default_rng(0)
    for name in ("glioma", "meningioma"):
        for number in range(12):
            pixels = rng.integers(0, 256, (40, 32), np.uint8)
            mask = np.zeros_like(pixels)
            mask[5:12, 4:20] = 255
            for folder, array in (("brain_mri", pixels), ("brain_mri/masks", mask)):
                path = tmp_path / folder / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "data.md").read_text("utf-8")
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    batch = names["batch"]
    assert batch.images.shape == (8, 128, 128, 3)
    assert batch.masks.shape == batch.roles["lesion"].shape == (8, 128, 128)
    assert batch.has_role["lesion"].all()
    assert capsys.readouterr().out.startswith(
        "Dataset('brain_mri', 24 images, 2 classes (glioma, meningioma), masks: lesion"
    )
    assert Path("look.png").is_file()
    Path("look.png").unlink()
    (line,) = re.findall(r"^    xaijax (data .*--sheet.*)", text, re.MULTILINE)
    assert cli.main(shlex.split(line)) == 0
    with Image.open("look.png") as written:
        assert written.width == 900


def test_the_page_on_data_names_every_column_and_kind_of_file():
    from xaijax.data import files
    from xaijax.data.tables import labelled

    text = (DOCS / "data.md").read_text("utf-8")
    for column in ("file", "label", *labelled.MASKS, "mask_role", "file_clean", "patient", "source_id", "index"):
        assert re.search(rf"^\|.*`{column}`", text, re.MULTILINE)
    for suffix in files.SUFFIXES:
        kind = {".jpg": "JPEG", ".tif": "TIFF", ".dcm": "`.dcm`", ".dicom": "`.dicom`", ".webp": "WebP"}.get(suffix)
        assert (kind or suffix[1:].upper()) in text or f"`{suffix}`" in text
