"""Operations that reduce axes: sums, means, maxima, norms, softmax."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from xaijax.models.importers.torch_graph.laid import Laid, together
from xaijax.models.importers.torch_graph.operations._table import operation

Dims = int | Sequence[int] | None


def _reduced(input: Laid, dim: Dims, keepdim: bool, function: Callable[[Any, tuple[int, ...]], Any]) -> Laid:
    """`function(array, axes)`, which keeps the axes, with them dropped unless `keepdim`; no axes means all."""
    dims = [dim] if isinstance(dim, int) else list(dim or range(input.ndim))
    axes = input.axes(dims)
    array = function(input.array, axes)
    if keepdim:
        return input.kept(array)
    gone = {d % input.ndim for d in dims}
    kept = [input.order[d] for d in range(input.ndim) if d not in gone]
    return Laid(jnp.squeeze(array, axes), tuple(axis - sum(lost < axis for lost in axes) for axis in kept))


@operation("mean")
def mean(input: Laid, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Laid:
    return _reduced(_cast(input, dtype), dim, keepdim, lambda x, axes: x.mean(axes, keepdims=True))


@operation("sum")
def sum_(input: Laid, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Laid:
    return _reduced(_cast(input, dtype), dim, keepdim, lambda x, axes: x.sum(axes, keepdims=True))


@operation("prod")
def prod(input: Laid, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Laid:
    return _reduced(_cast(input, dtype), dim, keepdim, lambda x, axes: x.prod(axes, keepdims=True))


def _cast(input: Laid, dtype: Any) -> Laid:
    return input if dtype is None else input.kept(input.array.astype(dtype))


@operation("amax")
def amax(input: Laid, dim: Dims = (), keepdim: bool = False) -> Laid:
    return _reduced(input, dim, keepdim, lambda x, axes: x.max(axes, keepdims=True))


@operation("amin")
def amin(input: Laid, dim: Dims = (), keepdim: bool = False) -> Laid:
    return _reduced(input, dim, keepdim, lambda x, axes: x.min(axes, keepdims=True))


@operation("argmax")
def argmax(input: Laid, dim: int | None = None, keepdim: bool = False) -> Laid:
    if dim is None:
        return Laid.of(input.logical().reshape(-1).argmax())
    return _reduced(input, dim, keepdim, lambda x, axes: x.argmax(axes[0], keepdims=True))


@operation("max")
def max_(input: Laid, dim: int | None = None, keepdim: bool = False, other: Laid | None = None) -> Any:
    return _extreme(input, dim, keepdim, other, jnp.argmax, jnp.max, jnp.maximum)


@operation("min")
def min_(input: Laid, dim: int | None = None, keepdim: bool = False, other: Laid | None = None) -> Any:
    return _extreme(input, dim, keepdim, other, jnp.argmin, jnp.min, jnp.minimum)


def _extreme(
    input: Laid, dim: int | None, keepdim: bool, other: Laid | None, place: Any, value: Any, pair: Any
) -> Laid | tuple[Laid, Laid]:
    """Of two arrays, of a whole array, or along an axis: there the first of equal values takes the derivative."""
    if other is not None:
        return together(pair, input, other)
    if dim is None:
        return Laid.of(value(input.array))
    indices = _reduced(input, dim, True, lambda x, axes: place(x, axes[0], keepdims=True))

    def taken(x: Any, axes: tuple[int, ...]) -> Any:
        return jnp.take_along_axis(x, indices.array, axes[0])

    return (
        _reduced(input, dim, keepdim, taken),
        _reduced(input, dim, keepdim, lambda x, axes: place(x, axes[0], keepdims=True)),
    )


@operation("any")
def any_(input: Laid, dim: Dims = None, keepdim: bool = False) -> Laid:
    return _reduced(input, dim, keepdim, lambda x, axes: (x != 0).any(axes, keepdims=True))


@operation("all")
def all_(input: Laid, dim: Dims = None, keepdim: bool = False) -> Laid:
    return _reduced(input, dim, keepdim, lambda x, axes: (x != 0).all(axes, keepdims=True))


def _correction(correction: float | None, unbiased: bool | None) -> float:
    return correction if correction is not None else float(unbiased is None or unbiased)


@operation("var")
def var(
    input: Laid,
    dim: Dims = None,
    correction: float | None = None,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> Laid:
    ddof = _correction(correction, unbiased)
    return _reduced(input, dim, keepdim, lambda x, axes: x.var(axes, ddof=ddof, keepdims=True))


@operation("std")
def std(
    input: Laid,
    dim: Dims = None,
    correction: float | None = None,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> Laid:
    found = var(input, dim, correction, keepdim, unbiased)
    return found.kept(jnp.sqrt(found.array))


@operation("var_mean")
def var_mean(
    input: Laid,
    dim: Dims = None,
    correction: float | None = None,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> tuple[Laid, Laid]:
    return var(input, dim, correction, keepdim, unbiased), mean(input, dim, keepdim)


@operation("linalg_vector_norm")
def vector_norm(
    input: Laid, ord: float = 2, dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Laid:
    power = float(ord)

    def norm(x: Any, axes: tuple[int, ...]) -> Any:
        if power == 2:
            return _root(jnp.square(x).sum(axes, keepdims=True), 0.5)
        if power == float("inf"):
            return jnp.abs(x).max(axes, keepdims=True)
        return _root((jnp.abs(x) ** power).sum(axes, keepdims=True), 1 / power)

    return _reduced(_cast(input, dtype), dim, keepdim, norm)


def _root(x: Any, power: float) -> Any:
    """`x ** power` of what is at least 0, with derivative 0 at 0, as PyTorch has it."""
    safe = jnp.where(x > 0, x, 1)
    return jnp.where(x > 0, safe**power, 0)


@operation("cumsum")
def cumsum(input: Laid, dim: int, dtype: Any = None) -> Laid:
    return input.kept(jnp.cumsum(_cast(input, dtype).array, input.axis(dim)))


@operation("logsumexp")
def logsumexp(input: Laid, dim: Dims, keepdim: bool = False) -> Laid:
    return _reduced(input, dim, keepdim, lambda x, axes: jax.scipy.special.logsumexp(x, axes, keepdims=True))


@operation("softmax", "_softmax")
def softmax(input: Laid, dim: int, half_to_float: bool = False, dtype: Any = None) -> Laid:
    del half_to_float
    return input.kept(jax.nn.softmax(_cast(input, dtype).array, input.axis(dim)))


@operation("log_softmax", "_log_softmax")
def log_softmax(input: Laid, dim: int, half_to_float: bool = False, dtype: Any = None) -> Laid:
    del half_to_float
    return input.kept(jax.nn.log_softmax(_cast(input, dtype).array, input.axis(dim)))
