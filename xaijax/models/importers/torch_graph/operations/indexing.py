"""Operations that pick or set elements by indices."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations._table import operation


def _index(indices: Sequence[Laid | None]) -> tuple[Any, ...]:
    return tuple(slice(None) if index is None else index.logical() for index in indices)


@operation("index")
def index(input: Laid, indices: Sequence[Laid | None]) -> Laid:
    return Laid.of(input.logical()[_index(indices)])


@operation("index_put")
def index_put(input: Laid, indices: Sequence[Laid | None], values: Laid, accumulate: bool = False, **_: Any) -> Laid:
    at = input.logical().at[_index(indices)]
    new = values.logical().astype(input.dtype)
    return Laid.of(at.add(new) if accumulate else at.set(new))


@operation("index_select")
def index_select(input: Laid, dim: int, index: Laid) -> Laid:
    return input.kept(jnp.take(input.array, index.logical().reshape(-1), axis=input.axis(dim)))


@operation("gather")
def gather(input: Laid, dim: int, index: Laid, sparse_grad: bool = False) -> Laid:
    del sparse_grad
    x, places = input.logical(), index.logical()
    dim %= x.ndim
    # PyTorch takes the corner of the size of `index` along the other axes.
    corner = tuple(slice(None) if axis == dim else slice(0, side) for axis, side in enumerate(places.shape))
    return Laid.of(jnp.take_along_axis(x[corner], places, dim))


@operation("embedding")
def embedding(weight: Laid, indices: Laid, **_: Any) -> Laid:
    return Laid.of(jnp.take(weight.logical(), indices.logical(), axis=0))


@operation("slice_scatter")
def slice_scatter(
    input: Laid, src: Laid, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Laid:
    place: list[Any] = [slice(None)] * input.ndim
    place[dim % input.ndim] = slice(start, end, step)
    return Laid.of(input.logical().at[tuple(place)].set(src.logical().astype(input.dtype)))


@operation("select_scatter")
def select_scatter(input: Laid, src: Laid, dim: int, index: int) -> Laid:
    place: list[Any] = [slice(None)] * input.ndim
    place[dim % input.ndim] = index
    return Laid.of(input.logical().at[tuple(place)].set(src.logical().astype(input.dtype)))


@operation("tril")
def tril(input: Laid, diagonal: int = 0) -> Laid:
    return Laid.of(jnp.tril(input.logical(), diagonal))


@operation("triu")
def triu(input: Laid, diagonal: int = 0) -> Laid:
    return Laid.of(jnp.triu(input.logical(), diagonal))


@operation("diagonal")
def diagonal(input: Laid, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Laid:
    return Laid.of(jnp.diagonal(input.logical(), offset, dim1, dim2))
