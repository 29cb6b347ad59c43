"""One mechanism to bound the perturbed images in flight.

A perturbation method evaluates `count` variants of every image. Stacking them would need `B * count` images of memory;
here a group of images and a chunk of their variants are taken at a time, at most `batch_size` images together, and what
a chunk yields is added to (or, for scalars, stored next to) what the chunks before it yielded. Groups and chunks are
made equally large, so that little of the last one is padding. Loops are `lax.scan`: one compilation of the model,
differentiable, and inside `shard_map` each device loops over its own images only. That a loop costs no more than its
passes outside one is the work of `xaijax._cpu`. For a black box, which cannot run inside a compiled program, the same
loops run on the host (`on_host`).
"""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from xaijax._network.base import zeros

Tree = Any
_host: contextvars.ContextVar[bool] = contextvars.ContextVar("xaijax_chunks_on_host", default=False)


@contextlib.contextmanager
def on_host() -> Iterator[None]:
    """Inside it loops are Python's, and nothing that they call is traced."""
    token = _host.set(True)
    try:
        yield
    finally:
        _host.reset(token)


def _loop(function: Callable[[Tree], Tree], tree: Tree) -> Tree:
    """`jax.lax.map`, or the same loop on the host."""
    if not _host.get():
        return jax.lax.map(function, tree)
    count = jax.tree.leaves(tree)[0].shape[0]
    parts = [function(jax.tree.map(lambda leaf, i=i: leaf[i], tree)) for i in range(count)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)


def plan(count: int, size: int) -> tuple[int, int]:
    """`(number of chunks, chunk size <= size)` that cover `count` with the least padding."""
    chunks = max(1, math.ceil(count / size))
    return chunks, math.ceil(count / chunks)


def map_images(function: Callable[[Tree], Tree], tree: Tree, batch_size: int) -> Tree:
    """`function(tree)` over groups of at most `batch_size` images, leaves `[B, ...]` in and out."""
    batch = jax.tree.leaves(tree)[0].shape[0]
    groups, size = plan(batch, batch_size)
    if groups == 1:
        return function(tree)
    missing = groups * size - batch

    def split(x: jax.Array) -> jax.Array:
        if missing:  # repeat the last image; its second result is dropped below
            x = jnp.concatenate([x, jnp.broadcast_to(x[-1:], (missing, *x.shape[1:]))])
        return x.reshape(groups, size, *x.shape[1:])

    out = _loop(function, jax.tree.map(split, tree))
    return jax.tree.map(lambda y: y.reshape(groups * size, *y.shape[2:])[:batch], out)


def _sizes(count: int, batch_size: int) -> tuple[int, int, int]:
    chunks, size = plan(count, batch_size)
    return chunks, size, max(1, batch_size // size)


def sum_variants(
    function: Callable[[Tree, jax.Array, jax.Array], Tree], tree: Tree, count: int, batch_size: int
) -> Tree:
    """`Σ_k` over `count` variants of every image.

    Args:
        function: `(group leaves [g, ...], variants [p] int32, weights [p]) -> leaves [g, ...]`, the weighted sum over
            the p variants; a weight is 1, or 0 for padding. `g * p <= batch_size`.
        tree: leaves `[B, ...]`.
        count: variants per image.
        batch_size: most perturbed images in flight.

    Returns:
        leaves `[B, ...]`.
    """
    chunks, size, group_size = _sizes(count, batch_size)

    def one_group(group: Tree) -> Tree:
        index = jnp.arange(size, dtype=jnp.int32)
        if chunks == 1:
            return function(group, index, jnp.ones(size, jnp.float32))

        def part_of(start: jax.Array) -> Tree:
            at = start + index
            return function(group, jnp.minimum(at, count - 1), (at < count).astype(jnp.float32))

        def add(total: Tree, start: jax.Array) -> tuple[Tree, None]:
            return jax.tree.map(jnp.add, total, part_of(start)), None

        starts = jnp.arange(chunks, dtype=jnp.int32) * size
        if _host.get():
            total = part_of(starts[0])
            for start in starts[1:]:
                total, _ = add(total, start)
            return total
        like = jax.tree.leaves(group)[0]
        shapes = jax.eval_shape(function, group, index, jnp.ones(size, jnp.float32))
        total = jax.tree.map(lambda s: zeros(s.shape, like, s.dtype), shapes)
        return jax.lax.scan(add, total, starts)[0]

    return map_images(one_group, tree, group_size)


def map_variants(
    function: Callable[[Tree, jax.Array], jax.Array], tree: Tree, count: int, batch_size: int
) -> jax.Array:
    """One small result (a score) per variant of every image.

    Args:
        function: `(group leaves [g, ...], variants [p] int32) -> [g, p, ...]`. `g * p <= batch_size`.
        tree: leaves `[B, ...]`.
        count: variants per image.
        batch_size: most perturbed images in flight.

    Returns:
        `[B, count, ...]`.
    """
    chunks, size, group_size = _sizes(count, batch_size)

    def one_group(group: Tree) -> jax.Array:
        index = jnp.arange(size, dtype=jnp.int32)
        if chunks == 1:
            return function(group, index)
        starts = jnp.arange(chunks, dtype=jnp.int32) * size
        parts = _loop(lambda start: function(group, jnp.minimum(start + index, count - 1)), starts)
        parts = jnp.moveaxis(parts, 0, 1)  # [g, chunks, p, ...]
        return parts.reshape(parts.shape[0], chunks * size, *parts.shape[3:])[:, :count]

    return map_images(one_group, tree, group_size)


def flatten(x: jax.Array) -> jax.Array:
    """`[g, p, ...]` -> `[g * p, ...]`."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def repeat(x: jax.Array, times: int) -> jax.Array:
    """`[g, ...]` -> `[g * times, ...]`, every row `times` times in a row; matches `flatten` of `[g, times, ...]`."""
    return jnp.repeat(x, times, axis=0)
