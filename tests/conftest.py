"""For all tests: compiled programs do not pile up over a session."""

import os
import sys
from pathlib import Path

import pytest

LIMIT = 1.5 * 2**30  # bytes


def resident():
    """Bytes of memory that this process holds, or 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_dropped():
    """After a module that left much behind: JAX keeps each program it compiles, several GB in a session."""
    yield
    if "jax" in sys.modules and resident() > LIMIT:
        sys.modules["jax"].clear_caches()
