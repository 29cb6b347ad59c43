"""What XLA's CPU compiler does slowly, done in another way: a rewriter of jaxprs, and a compiler option.

`fast` rewrites a function. Values and derivatives are the same; among equal maxima the first takes the gradient, as
before.

* **Convolutions in a loop.** XLA's fast convolution on the CPU takes `[B, H, W, C]` images and `[H, W, I, O]` kernels
  only. Others are brought into that order first, but in the program's entry alone: in the body of a `while` they fall
  to plain loops, several times slower (JAX issue 12868, "Convolution is significantly slower inside a loop
  body"). The gradient of a convolution with respect to its input swaps the kernel's I and O, so every gradient method
  that loops over chunks would pay. Here each convolution gets its operands transposed by hand, and XLA hoists what
  does not change (the kernels) out of the loop.
* **The gradient of max pooling.** XLA scatters it, one value at a time. Here the place of each window's maximum is
  found once, and the gradient is a sum over the window's places.

`jit` compiles with `compiler_options`: jaxlib 0.10 hands convolutions to the YNNPACK library, which keeps one of two
cores idle; with Eigen's a ResNet-50 is quicker and a MobileNet a little slower (depthwise convolutions are YNNPACK's
better side). JAX takes such options for a whole program only, so inside a program of the user's own they are the
user's.
"""

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

# Calls and loops that are looked into; a function with a derivative of its own is kept whole.
_WITH_BODIES = frozenset(("jit", "pjit", "closed_call", "remat", "remat2", "checkpoint", "scan", "while", "cond"))
_MOST_PLACES = 16  # of a pooling window: the sum is unrolled


def fast(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, rewritten where the default backend is the CPU; others get it as it is."""

    def rewritten(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = jax.core.eval_jaxpr(_rewrite(closed.jaxpr), closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rewritten


def compiler_options() -> dict[str, Any]:
    """Options for `jax.jit(..., compiler_options=)`; empty where the default backend is not the CPU."""
    return dict(_known_options()) if jax.default_backend() == "cpu" else {}


@functools.cache
def _known_options() -> dict[str, Any]:
    """The options that this jaxlib knows: they are no stable interface."""
    options = {"xla_cpu_experimental_ynn_fusion_type": ""}
    try:
        jax.jit(lambda x: x + 1, compiler_options=options).lower(jnp.float32(0)).compile()
    except Exception:  # an unknown option raises whatever the compiler raises
        return {}
    return options


# `(jitted function, positions of its static arguments, arguments) -> result`
Runner = Callable[[Any, tuple[int, ...], tuple[Any, ...]], Any]
_runner: ContextVar[Runner | None] = ContextVar("runner", default=None)


@contextlib.contextmanager
def run_by(runner: Runner) -> Iterator[None]:
    """Hands every program that `jit` would run to `runner`, which runs it: so the profiler sees them all."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def jit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`jax.jit(function, **options)`, with `compiler_options` where it is a program of its own."""
    nested = jax.jit(function, **options)
    given = options.get("static_argnums", ())
    static = (given,) if isinstance(given, int) else tuple(given)

    @functools.cache
    def outermost() -> Callable[..., Any]:
        return jax.jit(function, compiler_options=compiler_options(), **options)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        # Inside a trace even a constant is a tracer.
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in (jnp.zeros(()), *jax.tree.leaves(args)))
        if traced:
            return nested(*args)
        runner = _runner.get()
        return outermost()(*args) if runner is None else runner(outermost(), static, args)

    return call


def _canonical(lhs: jax.Array, rhs: jax.Array, params: dict[str, Any]) -> jax.Array:
    """The convolution of an equation, with transposes around one in canonical order."""
    numbers = params["dimension_numbers"]  # each spec: batch (or O), feature (or I), then space
    space = range(1, lhs.ndim - 1)
    images = (0, lhs.ndim - 1, *space)
    kernels = (lhs.ndim - 1, lhs.ndim - 2, *range(lhs.ndim - 2))
    order = type(numbers)(images, kernels, images)

    def to(spec: tuple[int, ...], target: tuple[int, ...]) -> list[int]:
        """The permutation that moves axis `spec[i]` to `target[i]`."""
        return [spec[target.index(axis)] for axis in range(lhs.ndim)]

    out = jax.lax.conv_general_dilated(
        jax.lax.transpose(lhs, to(numbers.lhs_spec, images)),
        jax.lax.transpose(rhs, to(numbers.rhs_spec, kernels)),
        **{name: params[name] for name in _KEPT},
        dimension_numbers=order,
    )
    return jax.lax.transpose(out, to(images, numbers.out_spec))


_KEPT = (
    *("window_strides", "padding", "lhs_dilation", "rhs_dilation", "feature_group_count", "batch_group_count"),
    *("precision", "preferred_element_type"),
)


def _is_canonical(numbers: Any) -> bool:
    rank = len(numbers.lhs_spec)
    images = (0, rank - 1, *range(1, rank - 1))
    return tuple(numbers.lhs_spec) == tuple(numbers.out_spec) == images and tuple(numbers.rhs_spec) == (
        rank - 1,
        rank - 2,
        *range(rank - 2),
    )


def _max_pool_gradient(source: jax.Array, operand: jax.Array, params: dict[str, Any]) -> jax.Array:
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


def _replacement(equation: Any) -> Callable[..., jax.Array] | None:
    """The function to call instead of an equation, or None to keep it."""
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated" and not _is_canonical(params["dimension_numbers"]):
        return lambda lhs, rhs: _canonical(lhs, rhs, params)
    if (
        name == "select_and_scatter_add"
        and params["select_prim"].name == "ge"
        and math.prod(params["window_dimensions"]) <= _MOST_PLACES
    ):
        return lambda source, operand: _max_pool_gradient(source, operand, params)
    return None


def _rewrite(jaxpr: Any) -> Any:
    """The jaxpr with its equations replaced; the same object where there is nothing to do."""
    equations = [_rewrite_equation(equation) for equation in jaxpr.eqns]
    changed = any(new is not old for new, old in zip(equations, jaxpr.eqns, strict=True))
    return jaxpr.replace(eqns=equations) if changed else jaxpr


def _rewrite_equation(equation: Any) -> Any:
    replacement = _replacement(equation)
    if replacement is not None:  # as a call of a compiled function: one equation for one equation
        call = jax.make_jaxpr(jax.jit(replacement))(*(v.aval for v in equation.invars)).jaxpr.eqns[0]
        return call.replace(invars=equation.invars, outvars=equation.outvars)
    if equation.primitive.name not in _WITH_BODIES:
        return equation
    params = {key: _rewrite_body(value) for key, value in equation.params.items()}
    changed = any(params[key] is not value for key, value in equation.params.items())
    return equation.replace(params=params) if changed else equation


def _rewrite_body(value: Any) -> Any:
    """A parameter of an equation: a jaxpr, several, or something else, which is kept."""
    if isinstance(value, core.ClosedJaxpr):
        body = _rewrite(value.jaxpr)
        return value if body is value.jaxpr else core.ClosedJaxpr(body, value.consts)
    if isinstance(value, core.Jaxpr):
        return _rewrite(value)
    if isinstance(value, tuple) and any(isinstance(item, core.ClosedJaxpr | core.Jaxpr) for item in value):
        items = tuple(_rewrite_body(item) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value
