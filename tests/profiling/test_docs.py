"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import xaijax.profiling

MODULES = sorted(module.name for module in pkgutil.iter_modules(xaijax.profiling.__path__, "xaijax.profiling."))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
