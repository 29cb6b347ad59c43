"""Operations that move, add, drop, cut or join axes."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from xaijax.models.importers.torch_graph.laid import Laid, aligned, inverse
from xaijax.models.importers.torch_graph.operations._table import operation


@operation("view", "reshape", "_unsafe_view")
def view(input: Laid, size: Sequence[int] | None = None, shape: Sequence[int] | None = None, **_: Any) -> Laid:
    wanted = [int(side) for side in (size if shape is None else shape) or ()]
    return Laid.of(input.logical().reshape(wanted))


@operation("flatten")
def flatten(input: Laid, start_dim: int = 0, end_dim: int = -1) -> Laid:
    shape = input.shape
    start, end = start_dim % input.ndim, end_dim % input.ndim
    return view(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@operation("unflatten")
def unflatten(input: Laid, dim: int, sizes: Sequence[int]) -> Laid:
    dim %= input.ndim
    return view(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


@operation("permute")
def permute(input: Laid, dims: Sequence[int]) -> Laid:
    return Laid(input.array, input.axes(dims))


@operation("transpose")
def transpose(input: Laid, dim0: int, dim1: int) -> Laid:
    order = list(range(input.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(input, order)


@operation("t")
def t(input: Laid) -> Laid:
    return permute(input, range(input.ndim)[::-1])


@operation("unsqueeze")
def unsqueeze(input: Laid, dim: int) -> Laid:
    dim %= input.ndim + 1
    order = list(input.order)
    order.insert(dim, input.ndim)
    return Laid(input.array[..., None], tuple(order))


@operation("squeeze")
def squeeze(input: Laid, dim: int | Sequence[int] | None = None) -> Laid:
    shape = input.shape
    asked = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    gone = {axis % input.ndim for axis in asked if shape[axis] == 1}
    return _without(input, gone)


def _without(input: Laid, dims: set[int]) -> Laid:
    """Without logical axes of length 1."""
    lost = sorted(input.axes(sorted(dims)))
    kept = [input.order[dim] for dim in range(input.ndim) if dim not in dims]
    return Laid(jnp.squeeze(input.array, tuple(lost)), tuple(axis - sum(gone < axis for gone in lost) for axis in kept))


@operation("expand")
def expand(input: Laid, size: Sequence[int], implicit: bool = False) -> Laid:
    del implicit
    missing = len(size) - input.ndim
    have = (1,) * missing + input.shape
    shape = tuple(own if side == -1 else int(side) for own, side in zip(have, size, strict=True))
    if missing:
        return Laid.of(jnp.broadcast_to(input.logical(), shape))
    return input.kept(jnp.broadcast_to(input.array, tuple(shape[axis] for axis in inverse(input.order))))


@operation("expand_as")
def expand_as(input: Laid, other: Laid) -> Laid:
    return expand(input, other.shape)


@operation("repeat")
def repeat(input: Laid, repeats: Sequence[int]) -> Laid:
    return Laid.of(jnp.tile(input.logical(), tuple(int(count) for count in repeats)))


@operation("repeat_interleave")
def repeat_interleave(input: Laid, repeats: int, dim: int | None = None, output_size: int | None = None) -> Laid:
    del output_size
    return Laid.of(jnp.repeat(input.logical(), repeats, axis=dim))


@operation("cat")
def cat(tensors: Sequence[Laid], dim: int = 0) -> Laid:
    # An empty vector joins anything in PyTorch.
    parts = [part for part in tensors if part.shape != (0,)]
    first = parts[0]
    arrangement = inverse(first.order)
    return first.kept(jnp.concatenate([aligned(part, first.ndim, arrangement) for part in parts], first.axis(dim)))


@operation("stack")
def stack(tensors: Sequence[Laid], dim: int = 0) -> Laid:
    dim %= tensors[0].ndim + 1
    return cat([unsqueeze(part, dim) for part in tensors], dim)


@operation("split_with_sizes")
def split_with_sizes(input: Laid, split_sizes: Sequence[int], dim: int = 0) -> tuple[Laid, ...]:
    starts = np.cumsum([int(size) for size in split_sizes])[:-1]
    return tuple(input.kept(part) for part in jnp.split(input.array, starts, input.axis(dim)))


@operation("split")
def split(input: Laid, split_size: int | Sequence[int], dim: int = 0) -> tuple[Laid, ...]:
    if not isinstance(split_size, int):
        return split_with_sizes(input, split_size, dim)
    length = input.shape[dim]
    starts = range(0, length, split_size)
    return split_with_sizes(input, [min(split_size, length - start) for start in starts], dim)


@operation("chunk")
def chunk(input: Laid, chunks: int, dim: int = 0) -> tuple[Laid, ...]:
    return split(input, -(-input.shape[dim] // chunks), dim)


@operation("unbind")
def unbind(input: Laid, dim: int = 0) -> tuple[Laid, ...]:
    return tuple(select(input, dim, index) for index in range(input.shape[dim]))


@operation("slice")
def slice_(input: Laid, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Laid:
    index: list[Any] = [slice(None)] * input.ndim
    index[input.axis(dim)] = slice(start, end, step)
    return input.kept(input.array[tuple(index)])


@operation("select")
def select(input: Laid, dim: int, index: int) -> Laid:
    length = input.shape[dim]
    cut = slice_(input, dim, index % length, index % length + 1)
    return _without(cut, {dim % input.ndim})


@operation("roll")
def roll(input: Laid, shifts: Sequence[int], dims: Sequence[int] = ()) -> Laid:
    if not dims:
        return Laid.of(jnp.roll(input.logical(), shifts[0]))
    return input.kept(jnp.roll(input.array, tuple(shifts), input.axes(dims)))


@operation("flip")
def flip(input: Laid, dims: Sequence[int]) -> Laid:
    return input.kept(jnp.flip(input.array, input.axes(dims)))


@operation("pixel_shuffle")
def pixel_shuffle(input: Laid, upscale_factor: int) -> Laid:
    *lead, channels, height, width = input.shape
    r = upscale_factor
    x = input.logical().reshape(*lead, channels // r**2, r, r, height, width)
    n = len(lead)
    x = x.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return Laid.of(x.reshape(*lead, channels // r**2, height * r, width * r))


@operation("pixel_unshuffle")
def pixel_unshuffle(input: Laid, downscale_factor: int) -> Laid:
    *lead, channels, height, width = input.shape
    r = downscale_factor
    x = input.logical().reshape(*lead, channels, height // r, r, width // r, r)
    n = len(lead)
    x = x.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return Laid.of(x.reshape(*lead, channels * r**2, height // r, width // r))


@operation("channel_shuffle")
def channel_shuffle(input: Laid, groups: int) -> Laid:
    batch, channels, *size = input.shape
    x = view(input, (batch, groups, channels // groups, *size))
    return view(transpose(x, 1, 2), input.shape)


@operation("constant_pad_nd")
def constant_pad_nd(input: Laid, pad: Sequence[int], value: float = 0) -> Laid:
    return pad_(input, pad, "constant", value)


@operation("reflection_pad1d", "reflection_pad2d")
def reflection_pad(input: Laid, padding: Sequence[int]) -> Laid:
    return pad_(input, padding, "reflect")


@operation("replication_pad1d", "replication_pad2d")
def replication_pad(input: Laid, padding: Sequence[int]) -> Laid:
    return pad_(input, padding, "replicate")


@operation("pad")
def pad_(input: Laid, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Laid:
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]  # of the last axis first
    if any(side < 0 for pair in pairs for side in pair):  # a negative side cuts
        for back, (low, high) in enumerate(pairs, 1):
            length = input.shape[-back]
            input = slice_(input, -back, max(-low, 0), length - max(-high, 0))
        pairs = [(max(low, 0), max(high, 0)) for low, high in pairs]
    widths = [(0, 0)] * input.ndim
    for back, pair in enumerate(pairs, 1):
        widths[input.axis(-back)] = pair
    if mode == "constant":
        return input.kept(jnp.pad(input.array, widths, constant_values=value or 0))
    kinds = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    return input.kept(jnp.pad(input.array, widths, mode=kinds[mode]))


@operation("unfold")
def unfold(input: Laid, dimension: int, size: int, step: int) -> Laid:
    x = input.logical()
    dim = dimension % x.ndim
    starts = np.arange(0, x.shape[dim] - size + 1, step)
    windows = jnp.take(x, (starts[:, None] + np.arange(size)).reshape(-1), axis=dim)
    windows = windows.reshape(*x.shape[:dim], len(starts), size, *x.shape[dim + 1 :])
    return Laid.of(jnp.moveaxis(windows, dim + 1, -1))


@operation("im2col")
def im2col(
    input: Laid, kernel_size: Sequence[int], dilation: Sequence[int], padding: Sequence[int], stride: Sequence[int]
) -> Laid:
    x = input.logical()
    x = jnp.pad(x, [(0, 0), (0, 0), (padding[0], padding[0]), (padding[1], padding[1])])
    parts = []
    counts = [(x.shape[2 + i] - dilation[i] * (kernel_size[i] - 1) - 1) // stride[i] + 1 for i in range(2)]
    for row in range(kernel_size[0]):
        for column in range(kernel_size[1]):
            top, left = row * dilation[0], column * dilation[1]
            bottom, right = top + (counts[0] - 1) * stride[0] + 1, left + (counts[1] - 1) * stride[1] + 1
            parts.append(x[:, :, top : bottom : stride[0], left : right : stride[1]])
    stacked = jnp.stack(parts, 2)
    return Laid.of(stacked.reshape(x.shape[0], -1, math.prod(counts)))
