"""For all tests: compiled programs do not pile up over a session."""

import sys

import pytest


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_dropped():
    """After every module. JAX keeps each program it compiles; a worker would grow to several GB."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
