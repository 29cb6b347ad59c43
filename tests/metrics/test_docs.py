"""The page of metrics is the registry's, its example runs, and so do the docstrings'."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import xaijax.metrics
from xaijax.metrics import FAMILIES, METRICS, REASONS, _table

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
MODULES = sorted(module.name for module in pkgutil.walk_packages(xaijax.metrics.__path__, "xaijax.metrics."))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_the_tables_of_the_page_are_up_to_date():
    text = PAGE.read_text("utf-8")
    assert _table.insert(text) == text, "run: python -m xaijax.metrics._table docs/metrics.md"


def test_every_metric_and_reason_has_its_row():
    text = PAGE.read_text("utf-8")
    for name, metric in METRICS.items():
        assert text.count(f"| `{name}` |") == 1
        assert metric.parity, f"{name} does not say what it is validated against"
        assert metric.unit
    for code in REASONS:
        assert not code or text.count(f"| `{code}` |") == 1
    assert sum(len(family.metrics) for family in FAMILIES.values()) == len(METRICS)


def test_every_setting_has_its_row_and_its_words():
    import dataclasses

    text = PAGE.read_text("utf-8")
    for family in FAMILIES.values():
        for item in dataclasses.fields(family.settings):
            assert len(re.findall(rf"\| `{family.name}\.{item.name}` \| .+ \| \S.+ \|", text)) == 1


def test_the_example_of_the_page_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for code in blocks:
        exec(code, names)
    assert len(blocks) > 1
    assert names["values"].shape == (4, 2)
    assert (names["scores"].reason == "").mean() > 0.5
    assert (names["stable"].reason == "").mean() > 0.5
    assert "flip_spearman" in capsys.readouterr().out


def test_a_page_without_the_marks_is_refused():
    with pytest.raises(ValueError, match="has no lines"):
        _table.insert("# Metrics\n")
