"""Arrays that become JAX arrays without a copy, so that loading a model takes little more memory than its weights.

JAX copies a NumPy array that it is given, and the largest of a model can be most of it (the first dense layer of VGG is
three quarters). Through DLPack it takes over memory that is aligned to 64 bytes.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ALIGNMENT = 64
PIECE = 16 << 20  # bytes read at once


def zeros(shape: tuple[int, ...]) -> np.ndarray:
    """float32 zeros in aligned memory, which costs nothing until it is written."""
    size = 4 * int(np.prod(shape))
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(np.float32).reshape(shape)


def adopt(array: np.ndarray) -> Any:
    """A JAX array of the same memory where the CPU is the device, else a copy there; nobody may write `array` again."""
    if jax.default_backend() == "cpu" and array.size:
        return jax.dlpack.from_dlpack(array)
    return jnp.asarray(array)


def fill(target: np.ndarray, source: Any) -> None:
    """Writes `source`, an array or what gives one by slices of its first axis, into `target`, in pieces."""
    if not target.ndim:
        target[...] = np.asarray(source[...])
        return
    rows = max(1, PIECE // max(4 * target.size // max(target.shape[0], 1), 1))
    for start in range(0, target.shape[0], rows):
        stop = min(start + rows, target.shape[0])  # safetensors' slices do not stop at the end by themselves
        target[start:stop] = np.asarray(source[start:stop]).reshape(target[start:stop].shape)
