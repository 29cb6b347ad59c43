"""Pooling and resizing."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations._table import operation

Sides = int | Sequence[int]


def _spread(value: Sides, count: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(int(v) for v in value)
    return values * count if len(values) == 1 else values


def _extra(length: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """What to pad at the end so that the last window is there: with `ceil_mode` one that begins inside counts."""
    reach = length + 2 * p - d * (k - 1) - 1
    count = (-(-reach // s) if ceil_mode else reach // s) + 1
    if ceil_mode and (count - 1) * s >= length + p:
        count -= 1
    return max((count - 1) * s + d * (k - 1) + 1 - length - p, 0)


class _Windows:
    """The windows of a pooling over the last axes, in the order in which an array lies."""

    def __init__(
        self,
        input: Laid,
        kernel: Sides,
        stride: Sides | None,
        padding: Sides,
        dilation: Sides,
        ceil_mode: bool,
        count: int,
    ) -> None:
        k = _spread(kernel, count)
        s = k if stride is None or (not isinstance(stride, int) and not len(stride)) else _spread(stride, count)
        p, d = _spread(padding, count), _spread(dilation, count)
        self.sizes, self.strides, self.dilations = [1] * input.ndim, [1] * input.ndim, [1] * input.ndim
        self.pads = [(0, 0)] * input.ndim
        self.own = [(0, 0)] * input.ndim  # the padding that an average may count
        for i in range(count):
            axis = input.axis(i - count)
            self.sizes[axis], self.strides[axis], self.dilations[axis] = k[i], s[i], d[i]
            length = input.array.shape[axis]
            self.pads[axis] = (p[i], _extra(length, k[i], s[i], p[i], d[i], ceil_mode))
            self.own[axis] = (p[i], min(p[i], self.pads[axis][1]))

    def reduce(self, x: Any, start: Any, function: Any, pads: Any = None) -> Any:
        """`lax.reduce_window` over them."""
        return lax.reduce_window(
            x, start, function, self.sizes, self.strides, self.pads if pads is None else pads, None, self.dilations
        )


def _max_pool(windows: _Windows, input: Laid) -> Laid:
    """The maximum of each window; the first of equal ones takes the derivative."""
    if all(dilation == 1 for dilation in windows.dilations):
        return input.kept(windows.reduce(input.array, -np.inf, lax.max))
    # JAX has no derivative of a pooling with dilation: one shifted copy for each place of the window.
    padded = jnp.pad(input.array, windows.pads, constant_values=-np.inf)
    spread = [(size - 1) * d for size, d in zip(windows.sizes, windows.dilations, strict=True)]
    best = None
    for place in itertools.product(*(range(size) for size in windows.sizes)):
        cut = tuple(
            slice(i * d, side - reach + i * d, stride)
            for i, d, side, reach, stride in zip(
                place, windows.dilations, padded.shape, spread, windows.strides, strict=True
            )
        )
        best = padded[cut] if best is None else jnp.where(padded[cut] > best, padded[cut], best)
    return input.kept(best)


@operation("max_pool2d")
def max_pool2d(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> Laid:
    return _max_pool(_Windows(input, kernel_size, stride, padding, dilation, ceil_mode, 2), input)


@operation("max_pool1d")
def max_pool1d(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> Laid:
    return _max_pool(_Windows(input, kernel_size, stride, padding, dilation, ceil_mode, 1), input)


@operation("max_pool2d_with_indices")
def max_pool2d_with_indices(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    dilation: Sides = 1,
    ceil_mode: bool = False,
) -> tuple[Laid]:
    """Without the indices: a graph that uses them is refused where it asks for them."""
    return (max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode),)


def _average(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None,
    padding: Sides,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
    count: int,
) -> Laid:
    windows = _Windows(input, kernel_size, stride, padding, 1, ceil_mode, count)
    sums = windows.reduce(input.array, 0.0, lax.add)
    if divisor_override:
        return input.kept(sums / divisor_override)
    if all(pair == (0, 0) for pair in windows.pads):
        return input.kept(sums / math.prod(windows.sizes))
    # How many pixels each window holds: known before anything runs.
    shape = [side if window > 1 else 1 for side, window in zip(input.array.shape, windows.sizes, strict=True)]
    ones = np.ones(shape)
    if count_include_pad:
        ones = np.pad(ones, windows.own, constant_values=1)
        pads = [(0, total - own) for (_, total), (_, own) in zip(windows.pads, windows.own, strict=True)]
    else:
        pads = windows.pads
    return input.kept(sums / jnp.asarray(_counts(ones, windows, pads), input.dtype))


def _counts(ones: np.ndarray, windows: _Windows, pads: Sequence[tuple[int, int]]) -> np.ndarray:
    """Sums of ones over the windows, one axis after another, in NumPy."""
    padded = np.pad(ones, pads)
    for axis, (size, stride) in enumerate(zip(windows.sizes, windows.strides, strict=True)):
        if size > 1:
            views = np.lib.stride_tricks.sliding_window_view(padded, size, axis).sum(-1)
            padded = views[(slice(None),) * axis + (slice(None, None, stride),)]
        elif stride > 1 and padded.shape[axis] > 1:
            padded = padded[(slice(None),) * axis + (slice(None, None, stride),)]
    return padded


@operation("avg_pool2d")
def avg_pool2d(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Laid:
    return _average(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2)


@operation("avg_pool1d")
def avg_pool1d(
    input: Laid,
    kernel_size: Sides,
    stride: Sides | None = None,
    padding: Sides = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Laid:
    return _average(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1)


def _adaptive(input: Laid, sizes: Sequence[int | None], function: Any) -> Laid:
    """Pooling to a given size: of `length` pixels, cell i holds those from `i length // n` to `(i + 1) length / n`."""
    array = input.array
    for back, size in enumerate(reversed(list(sizes)), 1):
        axis = input.axis(-back)
        length = array.shape[axis]
        if size is None or size == length:
            continue
        bounds = [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]
        cells = [
            function(lax.slice_in_dim(array, start, stop, axis=axis), axis=axis, keepdims=True)
            for start, stop in bounds
        ]
        array = cells[0] if len(cells) == 1 else jnp.concatenate(cells, axis)
    return input.kept(array)


@operation("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_avg_pool1d")
def adaptive_avg_pool(input: Laid, output_size: Sides) -> Laid:
    sizes = [output_size] if isinstance(output_size, int) else list(output_size)
    if all(size == 1 for size in sizes):
        return input.kept(input.array.mean(input.axes(range(-len(sizes), 0)), keepdims=True))
    return _adaptive(input, sizes, jnp.mean)


@operation("adaptive_max_pool2d", "adaptive_max_pool1d")
def adaptive_max_pool(input: Laid, output_size: Sides) -> tuple[Laid]:
    sizes = [output_size] if isinstance(output_size, int) else list(output_size)
    return (_adaptive(input, sizes, jnp.max),)


def _places(length: int, size: int, align_corners: bool, scale: float | None) -> np.ndarray:
    """Where the pixels of a resized axis lie in the original, in its pixels."""
    if align_corners:
        return np.arange(size) * ((length - 1) / (size - 1) if size > 1 else 0.0)
    step = 1 / scale if scale else length / size
    return (np.arange(size) + 0.5) * step - 0.5


def _resized(input: Laid, axis: int, weights: np.ndarray) -> Laid:
    """One axis multiplied by a matrix `[out, in]`."""
    product = jnp.tensordot(input.array, jnp.asarray(weights, input.dtype), ((axis,), (1,)))
    return input.kept(jnp.moveaxis(product, -1, axis))


def _bilinear_matrix(length: int, size: int, align_corners: bool, scale: float | None) -> np.ndarray:
    places = np.maximum(_places(length, size, align_corners, scale), 0)
    low = np.minimum(places.astype(int), length - 1)
    high = np.minimum(low + 1, length - 1)
    share = np.clip(places - low, 0, 1)
    matrix = np.zeros((size, length))
    np.add.at(matrix, (np.arange(size), low), 1 - share)
    np.add.at(matrix, (np.arange(size), high), share)
    return matrix


def _bicubic_matrix(length: int, size: int, align_corners: bool, scale: float | None) -> np.ndarray:
    places = _places(length, size, align_corners, scale)
    low = np.floor(places).astype(int)
    matrix = np.zeros((size, length))
    a = -0.75  # PyTorch's; Keys' own is -0.5
    for offset in range(-1, 3):
        distance = np.abs(places - low - offset)
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weight = np.where(distance <= 1, near, far)
        np.add.at(matrix, (np.arange(size), np.clip(low + offset, 0, length - 1)), weight)
    return matrix


def _nearest_matrix(length: int, size: int, align_corners: bool, scale: float | None) -> np.ndarray:
    del align_corners
    places = np.minimum(np.floor(np.arange(size) * (1 / scale if scale else length / size)).astype(int), length - 1)
    matrix = np.zeros((size, length))
    matrix[np.arange(size), places] = 1
    return matrix


def _upsampled(
    input: Laid,
    matrix: Any,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scales: Sequence[float | None] | None,
) -> Laid:
    for i in range(2):
        axis = input.axis(i - 2)
        length = input.array.shape[axis]
        scale = None if scales is None else scales[i]
        if output_size is None:
            assert scale is not None
            size = int(math.floor(length * scale))
        else:
            size = int(output_size[i])
        if size == length and not scale:
            continue
        input = _resized(input, axis, matrix(length, size, align_corners, scale))
    return input


@operation("upsample_bilinear2d")
def upsample_bilinear2d(
    input: Laid,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Laid:
    scales = scale_factors if scale_factors is not None else (scales_h, scales_w)
    return _upsampled(input, _bilinear_matrix, output_size, align_corners, scales)


@operation("upsample_bicubic2d")
def upsample_bicubic2d(
    input: Laid,
    output_size: Sequence[int] | None,
    align_corners: bool,
    scale_factors: Sequence[float] | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Laid:
    scales = scale_factors if scale_factors is not None else (scales_h, scales_w)
    return _upsampled(input, _bicubic_matrix, output_size, align_corners, scales)


@operation("upsample_nearest2d")
def upsample_nearest2d(
    input: Laid,
    output_size: Sequence[int] | None,
    scale_factors: Sequence[float] | None = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Laid:
    scales = scale_factors if scale_factors is not None else (scales_h, scales_w)
    return _upsampled(input, _nearest_matrix, output_size, False, scales)
