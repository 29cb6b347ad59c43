"""Operations that make arrays, copy them or change their dtype."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations._table import operation


def kind(dtype: Any, otherwise: Any = jnp.float32) -> Any:
    """A dtype that this process has: 64 bits only where JAX is allowed them."""
    return jax.dtypes.canonicalize_dtype(otherwise if dtype is None else dtype)


@operation("clone", "alias", "detach")
def alias(input: Laid, *_: Any, **__: Any) -> Laid:
    return input


@operation("copy")
def copy(input: Laid, src: Laid, **_: Any) -> Laid:
    return Laid.of(jnp.broadcast_to(src.logical(), input.shape).astype(input.dtype))


@operation("_to_copy")
def to_copy(input: Laid, dtype: Any = None, **_: Any) -> Laid:
    return input if dtype is None else input.kept(input.array.astype(kind(dtype)))


def _of_value(value: Any) -> Any:
    return np.bool_ if isinstance(value, bool) else np.int64 if isinstance(value, int) else np.float32


@operation("full")
def full(size: Sequence[int], fill_value: Any, dtype: Any = None, **_: Any) -> Laid:
    return Laid.of(jnp.full(tuple(size), fill_value, kind(dtype, _of_value(fill_value))))


@operation("full_like")
def full_like(input: Laid, fill_value: Any, dtype: Any = None, **_: Any) -> Laid:
    return Laid.of(jnp.full(input.shape, fill_value, kind(dtype, input.dtype)))


@operation("zeros", "new_zeros", "empty")
def zeros(size: Sequence[int], input: Laid | None = None, dtype: Any = None, **_: Any) -> Laid:
    return full(size, 0, kind(dtype, np.float32 if input is None else input.dtype))


@operation("ones", "new_ones")
def ones(size: Sequence[int], input: Laid | None = None, dtype: Any = None, **_: Any) -> Laid:
    return full(size, 1, kind(dtype, np.float32 if input is None else input.dtype))


@operation("zeros_like")
def zeros_like(input: Laid, dtype: Any = None, **_: Any) -> Laid:
    return full_like(input, 0, dtype)


@operation("ones_like")
def ones_like(input: Laid, dtype: Any = None, **_: Any) -> Laid:
    return full_like(input, 1, dtype)


@operation("scalar_tensor")
def scalar_tensor(s: Any, dtype: Any = None, **_: Any) -> Laid:
    return Laid.of(jnp.asarray(s, kind(dtype)))


@operation("arange")
def arange(end: Any, start: Any = 0, step: Any = 1, dtype: Any = None, **_: Any) -> Laid:
    of_ints = all(isinstance(value, int) for value in (start, end, step))
    return Laid.of(jnp.asarray(np.arange(start, end, step), kind(dtype, np.int64 if of_ints else np.float32)))


@operation("linspace")
def linspace(start: float, end: float, steps: int, dtype: Any = None, **_: Any) -> Laid:
    return Laid.of(jnp.asarray(np.linspace(start, end, steps), kind(dtype)))


@operation("getitem")
def getitem(input: Sequence[Laid], index: int) -> Laid:
    return input[index]
