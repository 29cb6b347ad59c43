"""The gradient of max pooling. XLA scatters it, one value at a time.

Here the place of each window's maximum is found once, and the gradient is a sum over the window's places.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp

_MOST_PLACES = 16  # of a pooling window: the sum is unrolled


def is_gradient_of_max(params: dict[str, Any]) -> bool:
    """Whether a `select_and_scatter_add` with these parameters is one that `gradient` can stand in for."""
    return params["select_prim"].name == "ge" and math.prod(params["window_dimensions"]) <= _MOST_PLACES


def gradient(source: jax.Array, operand: jax.Array, params: dict[str, Any]) -> jax.Array:
    """Each value of `source` `[windows]` goes to the first maximum of its window in `operand`."""
    window, strides, padding = params["window_dimensions"], params["window_strides"], params["padding"]
    lowest = jnp.asarray(-jnp.inf, operand.dtype)
    padded = jax.lax.pad(operand, lowest, [(low, high, 0) for low, high in padding])
    places = list(itertools.product(*map(range, window)))
    ends = [stride * (count - 1) + 1 for stride, count in zip(strides, source.shape, strict=True)]

    def values(place: tuple[int, ...]) -> jax.Array:
        return jax.lax.slice(padded, place, [p + end for p, end in zip(place, ends, strict=True)], strides)

    best = values(places[0])
    which = jnp.zeros(source.shape, jnp.int32)
    for index, place in enumerate(places[1:], start=1):
        value = values(place)
        which = jnp.where(value > best, index, which)
        best = jnp.maximum(value, best)
    # Without the barrier the search would be fused into, and repeated in, every term below.
    which, source = jax.lax.optimization_barrier((which, source))
    total = jnp.zeros(operand.shape, source.dtype)
    zero = jnp.zeros((), source.dtype)
    for index, place in enumerate(places):
        edges = [
            (p - low, size - (p - low) - end, stride - 1)
            for p, (low, _), size, end, stride in zip(place, padding, operand.shape, ends, strides, strict=True)
        ]
        total = total + jax.lax.pad(jnp.where(which == index, source, zero), zero, edges)
    return total
