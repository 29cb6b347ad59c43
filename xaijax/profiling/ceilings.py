"""What this machine can do at best, measured in the run that it is compared with: arithmetic and memory."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_SIDE = 1024  # of the matrix product
_COPIED = 1 << 26  # bytes: beyond any cache
_ROUNDS = 8


def measure(precisions: tuple[str, ...]) -> dict[str, Any]:
    """The best of several rounds of a square matrix product and of a copy, on JAX's default device.

    Args:
        precisions: "float32", "bfloat16".

    Returns:
        `flops` {precision: operations per second} and `bytes`, bytes read and written per second.
    """
    flops = {precision: _product(jnp.dtype(precision)) for precision in precisions}
    return {"flops": flops, "bytes": _copy(), "product_side": _SIDE, "copied_bytes": _COPIED}


def _best(function: Any, *args: Any) -> float:
    jax.block_until_ready(function(*args))
    found = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        jax.block_until_ready(function(*args))
        found.append(time.perf_counter() - begun)
    return min(found)


def _product(dtype: Any) -> float:
    a = jnp.asarray(np.random.default_rng(0).standard_normal((_SIDE, _SIDE)), dtype)
    return 2.0 * _SIDE**3 / _best(jax.jit(lambda x, y: x @ y), a, a)


def _copy() -> float:
    """Bytes per second of copying, the better of XLA's and, on the CPU, of the C library's."""
    x = jnp.zeros(_COPIED // 4, jnp.float32)
    seconds = _best(jax.jit(lambda v: v + 1), x)
    if jax.default_backend() == "cpu":
        from_, to = np.ones(_COPIED // 4, np.float32), np.empty(_COPIED // 4, np.float32)
        seconds = min(seconds, _best(lambda: np.copyto(to, from_)))
    return 2.0 * _COPIED / seconds
