"""Convolutions in the one order of axes that XLA runs fast in a loop on the CPU.

XLA's CPU compiler calls its fast convolution for `[B, H, W, C]` images and `[H, W, I, O]` kernels only. Others it
brings into that order first, but in the program's entry alone: in the body of a `while` they fall to plain loops, four
to eight times slower. The gradient of a convolution with respect to its input swaps the kernel's I and O, so every
gradient method that loops over chunks would pay. Here the jaxpr is rewritten: each convolution gets its operands
transposed by hand, and XLA hoists what does not change (the kernels) out of the loop. Values and derivatives are the
same. Known to JAX as issue 12868, "Convolution is significantly slower inside a loop body (CPU)".
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

# Calls and loops that are looked into; a function with a derivative of its own is kept whole.
_WITH_BODIES = frozenset(("jit", "pjit", "closed_call", "remat", "remat2", "checkpoint", "scan", "while", "cond"))


def fast_in_loops(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with canonical convolutions, where the default backend is the CPU; others want no transposes."""

    def rewritten(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = jax.core.eval_jaxpr(_rewrite(closed.jaxpr), closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rewritten


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


def _rewrite(jaxpr: Any) -> Any:
    """The jaxpr with canonical convolutions; the same object where there is nothing to do."""
    equations = [_rewrite_equation(equation) for equation in jaxpr.eqns]
    changed = any(new is not old for new, old in zip(equations, jaxpr.eqns, strict=True))
    return jaxpr.replace(eqns=equations) if changed else jaxpr


def _rewrite_equation(equation: Any) -> Any:
    name = equation.primitive.name
    if name == "conv_general_dilated" and not _is_canonical(equation.params["dimension_numbers"]):
        function = jax.jit(lambda lhs, rhs: _canonical(lhs, rhs, equation.params))  # one equation for one equation
        call = jax.make_jaxpr(function)(*(v.aval for v in equation.invars)).jaxpr.eqns[0]
        return call.replace(invars=equation.invars, outvars=equation.outvars)
    if name not in _WITH_BODIES:
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
