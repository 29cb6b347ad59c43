"""The Python of the page on phantoms runs and gives what its comments say."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "phantoms.md"


def test_python_of_the_page_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
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
