"""The example of the page on statistics runs, and its tables name what there is."""

import dataclasses
import re
from pathlib import Path

from xaijax.bench.decisions import Decision
from xaijax.metrics.statistics import Pair
from xaijax.metrics.statistics.pairs import NOTES

PAGE = (Path(__file__).parents[3] / "docs" / "statistics.md").read_text("utf-8")


def test_the_example_of_the_page_runs(capsys):
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    said = capsys.readouterr().out
    assert "grad_cam random 0." in said
    assert re.search(r"decided after \d+ images: 0\.\d+ to 0\.\d+", said)
    assert names["found"].ranking.methods[-1] == "random"


def test_every_column_and_note_is_explained():
    for field in dataclasses.fields(Pair):
        assert f"`{field.name}`" in PAGE or field.name in ("first", "second")
    for field in dataclasses.fields(Decision):
        assert f"`{field.name}`" in PAGE
    for note in NOTES.values():
        assert note.split(",")[0] in PAGE
