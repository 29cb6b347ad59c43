"""Every implementation of a kernel goes through the same test body."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest

from xaijax import kernels
from xaijax.kernels import _backend

IMPLEMENTATIONS = ("reference", "numba", "native", "ffi", "jax-numba")


def _load(path):
    spec = importlib.util.spec_from_file_location(f"kernels_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference():
    """The plain NumPy and SciPy versions of the kernels (reference.py)."""
    return _load(Path(__file__).parent / "reference.py")


@pytest.fixture
def native():
    """Skips where the extension is not built."""
    return _backend._module("xaijax._core") or pytest.skip("the extension is not built")


@pytest.fixture(params=IMPLEMENTATIONS)
def implementation(request, monkeypatch, reference):
    """Gives a kernel by name, in one of its implementations: `implementation("reveal_levels")(maps, fractions)`.

    "ffi" and "jax-numba" are jitted calls on JAX arrays, in float64, by XLA FFI and by a callback to the host.
    NumPy arrays among the arguments are operands, everything else is static.
    """
    if request.param == "reference":
        yield lambda name: getattr(reference, name)
        return
    backend = "numba" if "numba" in request.param else "native"
    if backend == "native":
        request.getfixturevalue("native")
    monkeypatch.setenv("XAIJAX_BACKEND", backend)
    if request.param in ("numba", "native"):
        yield lambda name: getattr(kernels, name)
        return
    # Not the context manager: it holds for this thread only, and a host callback runs on another.
    jax.config.update("jax_enable_x64", True)
    yield lambda name: _jitted(getattr(kernels, name))
    jax.config.update("jax_enable_x64", False)


def _jitted(kernel):
    def call(*arguments, **options):
        is_operand = [isinstance(value, np.ndarray) for value in arguments]
        operand_options = {name: value for name, value in options.items() if isinstance(value, np.ndarray)}
        static_options = {name: value for name, value in options.items() if name not in operand_options}

        def body(operands, named):
            traced = iter(operands)
            merged = [next(traced) if is_operand[i] else value for i, value in enumerate(arguments)]
            return kernel(*merged, **named, **static_options)

        operands = [value for value, dynamic in zip(arguments, is_operand, strict=True) if dynamic]
        return jax.tree.map(np.asarray, jax.jit(body)(operands, operand_options))

    return call
