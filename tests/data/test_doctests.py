"""The examples in the docstrings of the data package run."""

import doctest
import importlib
import pkgutil

import pytest

from xaijax import data

MODULES = [module.name for module in pkgutil.walk_packages(data.__path__, "xaijax.data.")]


@pytest.mark.parametrize("name", ["xaijax.data", *MODULES])
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
