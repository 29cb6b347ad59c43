"""The JAX side of the kernels: registration of the FFI targets, once, and the call."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from xaijax.kernels import _backend


@functools.cache
def _register() -> None:
    core = _backend.core()
    for name, capsule in core.ffi_targets().items():
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
    cuda = _backend._module("xaijax._cuda")
    if cuda is not None:
        for name, capsule in cuda.ffi_targets().items():
            jax.ffi.register_ffi_target(name, capsule, platform="CUDA")


def real_dtype() -> Any:
    """float64 when JAX runs with x64, float32 otherwise."""
    return jnp.float64 if jax.config.jax_enable_x64 else jnp.float32


def call(
    target: str,
    result: jax.ShapeDtypeStruct | Sequence[jax.ShapeDtypeStruct],
    *operands: jax.Array,
    vmap_method: str = "expand_dims",
    **attributes: Any,
) -> Any:
    """Calls the FFI target `xaijax_<target>`; attributes are static and must be NumPy scalars, bools or strings."""
    _register()
    return jax.ffi.ffi_call(f"xaijax_{target}", result, vmap_method=vmap_method)(*operands, **attributes)
