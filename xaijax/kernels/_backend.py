"""Which implementation answers a call: the compiled extension, CUDA, or the numba fallback."""

import functools
import importlib
import importlib.util
import os
from types import ModuleType
from typing import Any

from xaijax.kernels._checks import integer

NAMES = ("native", "numba", "cuda")


class BackendError(RuntimeError):
    """The backend asked for is not there."""


@functools.cache
def _module(name: str) -> ModuleType | None:
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


@functools.cache
def _found(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def core() -> ModuleType:
    """The compiled extension; raises `BackendError` where it was not built."""
    module = _module("xaijax._core")
    if module is None:
        raise BackendError(
            "the native backend is not built; reinstall with a C++17 compiler present (pip install .), "
            "or set XAIJAX_BACKEND=numba"
        )
    return module


def forced() -> str | None:
    """The backend named by the environment variable XAIJAX_BACKEND, if any."""
    name = os.environ.get("XAIJAX_BACKEND", "").strip().lower()
    if not name:
        return None
    if name not in NAMES:
        raise BackendError(f"XAIJAX_BACKEND is {name!r}; it must be one of {', '.join(NAMES)}")
    return name


def use_numba(*, jax_arrays: bool = False) -> bool:
    """Whether a call goes to the numba fallback: when forced, or when there is no extension.

    Raises:
        BackendError: when the forced backend is not there, or is "cuda" and the arrays are not JAX's.
    """
    name = forced()
    if name == "cuda":
        if not jax_arrays:
            raise BackendError(
                "XAIJAX_BACKEND=cuda serves JAX arrays on a CUDA device; NumPy arrays need native or numba"
            )
        if _module("xaijax._cuda") is None:
            raise BackendError("XAIJAX_BACKEND is 'cuda', but there is no CUDA module; reinstall with nvcc present")
        return False
    if name == "native":
        core()
    if name == "numba" and not _found("numba"):
        raise BackendError("XAIJAX_BACKEND is 'numba', but numba is not installed; pip install numba")
    return name == "numba" or (name is None and _module("xaijax._core") is None)


def num_threads(requested: int | None) -> int:
    """The thread count of a NumPy call: what was asked for, else the processors this process may use."""
    if requested is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # More threads than there are images make no difference, however many they are.
    return min(integer(requested, "num_threads", "a positive integer or None", 1), 2**31 - 1)


def build_info() -> dict[str, Any]:
    """How the kernels were built and what they run on.

    Returns:
        A dictionary with `compiler`, `flags`, `simd` (the instruction set chosen at run time), `ffi_version` (of the
        headers, major and minor), `threads`, `cuda` (whether the CUDA module is built) and `backend`. Where the
        extension is not built the first four are None.

    Example:
        >>> from xaijax import kernels
        >>> sorted(kernels.build_info())
        ['backend', 'compiler', 'cuda', 'ffi_version', 'flags', 'simd', 'threads']
    """
    module = _module("xaijax._core")
    info: dict[str, Any] = {"compiler": None, "flags": None, "simd": None, "ffi_version": None}
    if module is not None:
        info |= module.build_info()
    info["threads"] = num_threads(None)
    info["cuda"] = _module("xaijax._cuda") is not None
    info["backend"] = forced() or ("native" if module is not None else "numba")
    return info
