"""The docstrings are the reference: every section is there, every example runs, and the page's table is theirs."""

import inspect
from pathlib import Path

import pytest

import xaijax.explain
from xaijax.explain import METHODS
from xaijax.explain import _table as table

PAGE = Path(__file__).parents[2] / "docs" / "explainers.md"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_computes_and_where_it_differs(name):
    doc = inspect.getdoc(METHODS[name].function)
    places = [doc.find(f"\n{section}:\n") for section in ("Args", "Returns", "Differences", "References", "Example")]
    assert min(places) > 0, places
    assert places == sorted(places)
    assert table.formula(METHODS[name]).startswith("`S")
    assert "\nRaises:\n" not in doc or places[1] < doc.index("\nRaises:\n") < places[2]
    assert ">>>" in doc
    assert f"{name}(" in doc[places[-1] :]


@pytest.mark.parametrize("name", [name for name in xaijax.explain.__all__ if name not in METHODS and name != "METHODS"])
def test_everything_else_that_is_public_has_an_example_too(name):
    doc = inspect.getdoc(getattr(xaijax.explain, name))
    assert ">>>" in doc


def test_the_table_of_the_page_is_up_to_date():
    """`python -m xaijax.explain._table docs/explainers.md` writes it."""
    text = PAGE.read_text("utf-8")
    assert table.insert(text, table.rows()) == text


def test_a_page_without_the_marks_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no lines"):
        table.insert("# Methods\n", ["| a |"])
