"""Rewriting a function's jaxpr, equation by equation."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from xaijax._cpu import convolution, pooling

# Calls and loops that are looked into; a function with a derivative of its own is kept whole.
_WITH_BODIES = frozenset(("jit", "pjit", "closed_call", "remat", "remat2", "checkpoint", "scan", "while", "cond"))


def fast(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, rewritten where the default backend is the CPU; others get it as it is."""

    def rewritten(*args: Any) -> Any:
        if jax.default_backend() != "cpu":
            return function(*args)
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        results = jax.core.eval_jaxpr(_rewrite(closed.jaxpr), closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return rewritten


def _replacement(equation: Any) -> Callable[..., jax.Array] | None:
    """The function to call instead of an equation, or None to keep it."""
    name, params = equation.primitive.name, equation.params
    if name == "conv_general_dilated":
        shapes = {"lhs_shape": equation.invars[0].aval.shape, "rhs_shape": equation.invars[1].aval.shape}
        return convolution.replacement(params | shapes)
    if name == "select_and_scatter_add" and pooling.is_gradient_of_max(params):
        return lambda source, operand: pooling.gradient(source, operand, params)
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
