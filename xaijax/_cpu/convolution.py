"""Convolutions that XLA's CPU compiler does slowly, written as others that it does well.

* **Order of axes.** XLA's fast convolution takes `[B, H, W, C]` images and `[H, W, I, O]` kernels only. Others are
  brought into that order first, but in the program's entry alone: in the body of a `while` they fall to plain loops,
  several times slower (JAX issue 12868, "Convolution is significantly slower inside a loop body"). The gradient of a
  convolution with respect to its input swaps the kernel's I and O, so every gradient method that loops over chunks
  would pay. Here operands are transposed by hand, and XLA hoists what does not change (the kernels) out of the loop.
* **Depthwise** convolutions have no fast form at all. Here they are a sum over the kernel's places of shifted
  multiples, which XLA fuses into one loop over memory.
* **The gradient with respect to the image** of a first layer with a stride is a convolution to three channels of an
  array that is mostly zeros. Here every pixel of a block becomes a channel of the result, which leaves a convolution of
  stride 1 without zeros, and channels are spread to pixels afterwards (depth to space). Strided convolutions with many
  channels are kept: their gradients split into dense convolutions, one for each phase of the stride, gained next to
  nothing, because XLA already leaves the zeros out.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_MOST_PLACES = 49  # of a depthwise kernel: the sum is unrolled
_FEW = 4  # channels of a displayed image, and one to spare


def replacement(params: dict[str, Any]) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
    """The function to call in place of `conv_general_dilated` with these parameters, or None to keep it."""
    form = _form(params)
    if form is _plain and _is_canonical(params["dimension_numbers"]):
        return None
    return lambda lhs, rhs: _in_canonical_order(form, lhs, rhs, params)


def _form(params: dict[str, Any]) -> Callable[..., jax.Array]:
    """Which of the functions below does it."""
    numbers = params["dimension_numbers"]
    lhs, rhs = params["lhs_shape"], params["rhs_shape"]
    groups, channels = params["feature_group_count"], lhs[numbers.lhs_spec[1]]
    inputs, outputs = rhs[numbers.rhs_spec[1]], rhs[numbers.rhs_spec[0]]
    kernel = [rhs[axis] for axis in numbers.rhs_spec[2:]]
    strides, spread = params["window_strides"], params["lhs_dilation"]
    if params["batch_group_count"] != 1 or not kernel:
        return _plain
    if groups == channels == outputs > 1 and inputs == 1 and math.prod(kernel) <= _MOST_PLACES:
        return _depthwise
    if groups != 1 or any(step != 1 for step in params["rhs_dilation"]):
        return _plain
    if outputs <= _FEW < inputs and any(step > 1 for step in spread) and all(step == 1 for step in strides):
        return _to_image
    return _plain


def _in_canonical_order(
    form: Callable[..., jax.Array], lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]
) -> jax.Array:
    """`form` of operands transposed to channels last and back."""
    numbers = params["dimension_numbers"]  # each spec: batch (or O), feature (or I), then space
    images, kernels = _canonical_specs(lhs.ndim)

    def to(spec: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
        """The permutation that moves axis `spec[i]` to `target[i]`."""
        return [spec[target.index(axis)] for axis in range(lhs.ndim)]

    out = form(
        jax.lax.transpose(lhs, to(numbers.lhs_spec, images)),
        jax.lax.transpose(rhs, to(numbers.rhs_spec, kernels)),
        params | {"dimension_numbers": type(numbers)(images, kernels, images)},
    )
    return jax.lax.transpose(out, to(images, numbers.out_spec))


def _canonical_specs(rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return (0, rank - 1, *range(1, rank - 1)), (rank - 1, rank - 2, *range(rank - 2))


def _is_canonical(numbers: Any) -> bool:
    images, kernels = _canonical_specs(len(numbers.lhs_spec))
    return tuple(numbers.lhs_spec) == tuple(numbers.out_spec) == images and tuple(numbers.rhs_spec) == kernels


_KEPT = (
    *("window_strides", "padding", "lhs_dilation", "rhs_dilation", "feature_group_count", "batch_group_count"),
    *("precision", "preferred_element_type", "dimension_numbers"),
)


def _plain(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> jax.Array:
    return jax.lax.conv_general_dilated(lhs, rhs, **{name: params[name] for name in _KEPT})


def _sizes(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> list[int]:
    """Height, width... of the result."""
    sizes = []
    for axis, (low, high) in enumerate(params["padding"]):
        there = (lhs.shape[1 + axis] - 1) * params["lhs_dilation"][axis] + 1 + low + high
        window = (rhs.shape[axis] - 1) * params["rhs_dilation"][axis] + 1
        sizes.append((there - window) // params["window_strides"][axis] + 1)
    return sizes


def _depthwise(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> jax.Array:
    """`out[o] = Σ_t rhs[t] lhs[stride o + dilation t - low]`, one shifted copy for each place t of the kernel."""
    strides, padding = params["window_strides"], params["padding"]
    out = _sizes(lhs, rhs, params)
    wide = np.promote_types(lhs.dtype, np.float32)  # half precision is summed in float32, as XLA does
    zero = jnp.zeros((), lhs.dtype)
    total = jnp.zeros((lhs.shape[0], *out, lhs.shape[-1]), wide)
    if all(step == 1 for step in params["lhs_dilation"]):
        padded = jax.lax.pad(lhs, zero, [(0, 0, 0), *((low, high, 0) for low, high in padding), (0, 0, 0)])
    for place in itertools.product(*map(range, rhs.shape[:-2])):
        starts = [t * step for t, step in zip(place, params["rhs_dilation"], strict=True)]
        if all(step == 1 for step in params["lhs_dilation"]):
            ends = [s + (size - 1) * step + 1 for s, size, step in zip(starts, out, strides, strict=True)]
            shifted = jax.lax.slice(padded, (0, *starts, 0), (lhs.shape[0], *ends, lhs.shape[-1]), (1, *strides, 1))
        else:
            shifted = _shifted_apart(lhs, starts, out, params)
        total = total + shifted.astype(wide) * rhs[place][0].astype(wide)
    return total.astype(params["preferred_element_type"] or lhs.dtype)


def _shifted_apart(lhs: jax.Array, starts: Sequence[int], out: Sequence[int], params: dict[str, Any]) -> jax.Array:
    """`lhs` with zeros between its values, from `starts` on, every stride-th: negative padding cuts off."""
    edges = []
    for axis, (start, size) in enumerate(zip(starts, out, strict=True)):
        spread, stride = params["lhs_dilation"][axis], params["window_strides"][axis]
        low = params["padding"][axis][0] - start
        needed = (size - 1) * stride + 1
        edges.append((low, needed - low - ((lhs.shape[1 + axis] - 1) * spread + 1), spread - 1))
    found = jax.lax.pad(lhs, jnp.zeros((), lhs.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    return found[(slice(None), *(slice(None, None, step) for step in params["window_strides"]))]


def _with_steps(params: dict[str, Any], padding: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Parameters of the same convolution without strides and dilations."""
    ones = (1,) * len(padding)
    return params | {"window_strides": ones, "lhs_dilation": ones, "rhs_dilation": ones, "padding": tuple(padding)}


def _to_space(array: jax.Array, steps: Sequence[int]) -> jax.Array:
    """Depth to space, `[B, h, w, s s C]` -> `[B, s h, s w, C]`: channels become a block of pixels in reading order."""
    batch, *space, channels = array.shape
    rank = len(steps)
    apart = array.reshape(batch, *space, *steps, channels // math.prod(steps))
    pairs = [axis for i in range(rank) for axis in (1 + i, 1 + rank + i)]
    joined = apart.transpose(0, *pairs, 1 + 2 * rank)
    return joined.reshape(batch, *(n * step for n, step in zip(space, steps, strict=True)), -1)


def _to_image(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> jax.Array:
    """Few channels out of an array spread by s: each pixel of a block of s becomes a channel of the result.

    `out[s i + a] = Σ_m lhs[i + m] rhs[s m + low - a]`: with b = s - 1 - a the kernel's places are again `s j + b`, from
    a multiple of s at or below `low - s + 1` on.
    """
    steps, out = params["lhs_dilation"], _sizes(lhs, rhs, params)
    before, more, blocks = [], [], []
    for axis, (step, size) in enumerate(zip(steps, out, strict=True)):
        low, window = params["padding"][axis][0], rhs.shape[axis]
        first = -(low // step)  # the least m
        offset = step * first + low - step + 1  # the kernel's place for j = b = 0; not positive
        count = (window - 1 - offset) // step + 1
        more.append((-offset, step * count - window + offset, 0))
        blocks.append(-(-size // step))
        before.append((-first, blocks[-1] - 1 + first + count - lhs.shape[1 + axis]))
    zero = jnp.zeros((), rhs.dtype)
    kernel = jax.lax.pad(rhs, zero, [*more, (0, 0, 0), (0, 0, 0)])  # [s j + b, I, O]
    rank = len(steps)
    apart = kernel.reshape(
        *(n for k, s in zip(kernel.shape, steps, strict=False) for n in (k // s, s)), *rhs.shape[-2:]
    )
    apart = jax.lax.rev(apart, tuple(range(1, 2 * rank, 2)))  # b -> a
    order = (*range(0, 2 * rank, 2), 2 * rank, *range(1, 2 * rank, 2), 2 * rank + 1)  # [j, I, a, O]
    kernel = apart.transpose(order).reshape(*apart.shape[0 : 2 * rank : 2], rhs.shape[-2], -1)
    found = _to_space(_plain(lhs, kernel, _with_steps(params, before)), steps)
    return jax.lax.slice(found, (0,) * found.ndim, (found.shape[0], *out, found.shape[-1]))
