"""The JAX side of the kernels: registration of the FFI targets, once, and the call."""

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from xaijax.kernels import _backend


def runtime_version() -> tuple[int, int] | None:
    """Major and minor version of the FFI that the installed jaxlib speaks, from the headers it ships."""
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    try:
        found = dict(re.findall(r"#define\s+XLA_FFI_API_(MAJOR|MINOR)\s+(\d+)", header.read_text()))
        return int(found["MAJOR"]), int(found["MINOR"])
    except (OSError, KeyError):
        return None


def check_version(built: tuple[int, int], runtime: tuple[int, int] | None) -> None:
    """Raises where XLA would refuse the extension's handlers, which it says only at the first call and obscurely.

    Raises:
        BackendError: when the extension was built for another major or a newer minor version than jaxlib's.
    """
    if runtime is None or (built[0] == runtime[0] and built[1] <= runtime[1]):
        return
    import jaxlib

    raise _backend.BackendError(
        f"xaijax was built for XLA FFI {built[0]}.{built[1]}, and jaxlib {jaxlib.__version__} has "
        f"{runtime[0]}.{runtime[1]}; reinstall xaijax with this jaxlib (pip install --no-build-isolation .) "
        "or install a newer jax"
    )


@functools.cache
def _register() -> None:
    core = _backend.core()
    check_version(tuple(core.build_info()["ffi_version"]), runtime_version())
    for name, capsule in core.ffi_targets().items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    cuda = _backend._module("xaijax._cuda")
    if cuda is not None:
        for name, capsule in cuda.ffi_targets().items():
            jax.ffi.register_ffi_target(name, capsule, platform="CUDA")


def real_dtype() -> Any:
    """float64 when JAX runs with x64, float32 otherwise."""
    return jax.dtypes.canonicalize_dtype(np.float64)


def call(
    target: str,
    result: jax.ShapeDtypeStruct | Sequence[jax.ShapeDtypeStruct],
    *operands: jax.Array,
    vmap_method: str = "expand_dims",
    fallback: Callable[..., Any] | None = None,
    **attributes: Any,
) -> Any:
    """Calls the FFI target `xaijax_<target>`; attributes are static: NumPy scalars or arrays, bools or strings.

    Where the numba backend serves (forced, or no extension built), `fallback(*operands)` runs on the host instead:
    it takes NumPy arrays with the same leading axes as the FFI call would see and returns the result.
    """
    if fallback is not None and _backend.use_numba(jax_arrays=True):

        def on_host(*arrays: Any) -> Any:
            values = fallback(*(np.asarray(array) for array in arrays))
            if isinstance(result, jax.ShapeDtypeStruct):
                return np.asarray(values, result.dtype)
            return [np.asarray(value, like.dtype) for value, like in zip(values, result, strict=True)]

        return jax.pure_callback(on_host, result, *operands, vmap_method=vmap_method)
    _register()
    return jax.ffi.ffi_call(f"xaijax_{target}", result, vmap_method=vmap_method)(*operands, **attributes)
