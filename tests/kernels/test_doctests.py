"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import xaijax.kernels

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(xaijax.kernels.__path__, "xaijax.kernels.")
    if "._numba" not in module.name
)


@pytest.mark.parametrize("name", ["xaijax.kernels", *MODULES])
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


@pytest.mark.parametrize("name", [name for name in xaijax.kernels.__all__ if name[0].islower()])
def test_every_public_function_has_an_example(name):
    assert ">>>" in getattr(xaijax.kernels, name).__doc__
