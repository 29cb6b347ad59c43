"""Convolutions, in any number of dimensions, computed with the channels last; and dense layers."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from xaijax._network.convolution import conv_general_dilated
from xaijax.models.importers.torch_graph.laid import Laid, dot, together
from xaijax.models.importers.torch_graph.operations._table import operation


def _spread(value: int | Sequence[int], count: int) -> tuple[int, ...]:
    """One number for each of `count` axes."""
    values = (value,) if isinstance(value, int) else tuple(int(v) for v in value)
    return values * count if len(values) == 1 else values


@operation("convolution")
def convolution(
    input: Laid,
    weight: Laid,
    bias: Laid | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    **_: Any,
) -> Laid:
    count = weight.ndim - 2
    stride, dilation = _spread(stride, count), _spread(dilation, count)
    padding, output_padding = _spread(padding, count), _spread(output_padding, count)
    if transposed:
        return _transposed(input, weight, bias, stride, padding, dilation, output_padding, int(groups))
    return _convolved(input, weight, bias, stride, [(side, side) for side in padding], dilation, int(groups))


@operation("conv1d", "conv2d")
def conv(
    input: Laid,
    weight: Laid,
    bias: Laid | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Laid:
    count = weight.ndim - 2
    stride, dilation = _spread(stride, count), _spread(dilation, count)
    if isinstance(padding, str):
        totals = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    else:
        pairs = [(side, side) for side in _spread(padding, count)]
    return _convolved(input, weight, bias, stride, pairs, dilation, int(groups))


@operation("conv_transpose1d", "conv_transpose2d")
def conv_transpose(
    input: Laid,
    weight: Laid,
    bias: Laid | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
) -> Laid:
    count = weight.ndim - 2
    spread = [_spread(value, count) for value in (stride, padding, dilation, output_padding)]
    return _transposed(input, weight, bias, *spread, int(groups))


def _transposed(
    input: Laid,
    weight: Laid,
    bias: Laid | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    output_padding: Sequence[int],
    groups: int,
) -> Laid:
    """The convolution whose gradient it is: of the input with zeros between its pixels, by the mirrored kernel."""
    kernel = weight.logical()  # [I, O / groups, ...]
    inputs, outputs, *sides = kernel.shape
    kernel = jnp.flip(kernel, tuple(range(2, kernel.ndim)))
    kernel = jnp.swapaxes(kernel.reshape(groups, inputs // groups, outputs, *sides), 1, 2)
    kernel = kernel.reshape(groups * outputs, inputs // groups, *sides)
    pairs = []
    for d, k, p, extra in zip(dilation, sides, padding, output_padding, strict=True):
        reach = d * (k - 1) - p
        pairs.append((reach, reach + extra))
    return _convolved(input, Laid.of(kernel), bias, (1,) * len(sides), pairs, dilation, groups, spread=stride)


def _convolved(
    input: Laid,
    weight: Laid,
    bias: Laid | None,
    stride: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    spread: Sequence[int] | None = None,
) -> Laid:
    count = weight.ndim - 2
    if input.ndim == count + 1:  # an image without a batch axis
        batched = Laid.of(input.logical()[None])
        found = _convolved(batched, weight, bias, stride, padding, dilation, groups, spread)
        return Laid.of(found.logical()[0])
    spatial = range(2, 2 + count)
    last = (0, *spatial, 1)
    letters = "DHW"[3 - count :]
    dtype = jnp.promote_types(input.dtype, weight.dtype)
    result = conv_general_dilated(
        input.arranged(last).astype(dtype),
        weight.arranged((*spatial, 1, 0)).astype(dtype),
        stride,
        padding,
        lhs_dilation=spread,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"),
        feature_group_count=groups,
    )
    if bias is not None:
        result = result + bias.logical()
    return Laid.arranged_as(result, last)


@operation("linear")
def linear(input: Laid, weight: Laid, bias: Laid | None = None) -> Laid:
    product = dot(input, weight, 1)
    return product if bias is None else together(lambda x, b: x + b, product, bias)


@operation("addmm")
def addmm(input: Laid, mat1: Laid, mat2: Laid, beta: float = 1, alpha: float = 1) -> Laid:
    return together(
        lambda x, b: (x if alpha == 1 else alpha * x) + (b if beta == 1 else beta * b), mm(mat1, mat2), input
    )


@operation("mm")
def mm(input: Laid, mat2: Laid) -> Laid:
    return dot(input, mat2, 0)


@operation("bmm", "matmul")
def matmul(input: Laid, mat2: Laid | None = None, other: Laid | None = None) -> Laid:
    second = mat2 if other is None else other
    assert second is not None
    if input.ndim > 2 and second.ndim == 2:
        return dot(input, second, 0)
    return Laid.of(jnp.matmul(input.logical(), second.logical()))


@operation("baddbmm")
def baddbmm(input: Laid, batch1: Laid, batch2: Laid, beta: float = 1, alpha: float = 1) -> Laid:
    product = matmul(batch1, batch2)
    return together(lambda x, b: alpha * x + (0 if beta == 0 else beta * b), product, input)


@operation("einsum")
def einsum(equation: str, tensors: Sequence[Laid], path: Any = None) -> Laid:
    del path
    return Laid.of(jnp.einsum(equation, *(tensor.logical() for tensor in tensors)))
