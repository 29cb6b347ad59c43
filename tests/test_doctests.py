"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

import xaijax

ROOT = Path(xaijax.__file__).parent
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules():
    """The names of the modules with examples that take no minutes and no other package; nothing is imported yet."""
    for path in sorted(ROOT.rglob("*.py")):
        if any(">>>" in line and "+SKIP" not in line for line in path.read_text("utf-8").splitlines()):
            parts = path.relative_to(ROOT.parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_there_are_examples_in_most_parts():
    assert len({name.split(".")[1] for name in modules()}) > 15


@pytest.mark.parametrize("name", list(modules()))
def test_examples(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert found.attempted
    assert not found.failed
