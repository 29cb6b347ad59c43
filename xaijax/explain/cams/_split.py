"""Cuts a function in two at one of its arguments: what does not depend on it runs once, the rest as often as needed.

`jax.vmap` over an offset shares the backbone between offsets, but inside a loop over chunks of offsets the backbone
would run once per chunk. The cut is made on the function's jaxpr, so it holds for any model, skip connections included:
whatever the head needs of the backbone is handed over.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from xaijax.explain._equation import evaluate


def split(function: Callable[[Any, Any], Any], early: Any, late: Any) -> tuple[list[jax.Array], Callable[..., Any]]:
    """Evaluate what `function(early, late)` computes from `early` alone.

    Args:
        function: pure, traceable.
        early: pytree of arrays, known now.
        late: pytree of arrays (or of their shapes), known later.

    Returns:
        `(residuals, head)` with `head(residuals, late) == function(early, late)`; residuals keep their batch axes.
    """
    early_leaves, early_tree = jax.tree.flatten(early)
    late_leaves, late_tree = jax.tree.flatten(late)

    def flat(early_list: list, late_list: list) -> Any:
        return function(jax.tree.unflatten(early_tree, early_list), jax.tree.unflatten(late_tree, late_list))

    closed, shapes = jax.make_jaxpr(flat, return_shape=True)(early_leaves, late_leaves)
    out_tree = jax.tree.structure(shapes)
    head: list[tuple[Any, Any, list, list]] = []  # jaxpr, equation, operands, results

    def walk(jaxpr: Any, consts: Any, arguments: list) -> list:
        """Runs what is known; a `_Late` stands for what is not. Names are resolved through calls."""
        names: dict[Any, Any] = {}
        names.update(zip(jaxpr.constvars, consts, strict=True))
        names.update(zip(jaxpr.invars, arguments, strict=True))
        for equation in jaxpr.eqns:
            operands = [a.val if isinstance(a, core.Literal) else names[a] for a in equation.invars]
            late_ones = [isinstance(operand, _Late) for operand in operands]
            inner = _inner(equation)
            if any(late_ones) and inner is not None:
                results = walk(inner.jaxpr, inner.consts, operands)
            elif any(late_ones):
                results = [_Late(v.aval) for v in equation.outvars]
                head.append((jaxpr, equation, operands, results))
            else:
                results = evaluate(jaxpr, equation, operands)
            names.update(zip(equation.outvars, results, strict=True))
        return [a.val if isinstance(a, core.Literal) else names[a] for a in jaxpr.outvars]

    late_inputs = [_Late(leaf) for leaf in late_leaves]
    outputs = walk(closed.jaxpr, closed.consts, [*early_leaves, *late_inputs])
    residuals: list[jax.Array] = []
    place: dict[int, int] = {}

    def keep(operand: Any) -> None:
        if not isinstance(operand, _Late) and isinstance(operand, jax.Array) and id(operand) not in place:
            place[id(operand)] = len(residuals)
            residuals.append(operand)

    for _, _, operands, _ in head:
        for operand in operands:
            keep(operand)
    for output in outputs:
        keep(output)

    def run(values: list[jax.Array], late_values: Any) -> Any:
        found: dict[int, Any] = {
            id(name): leaf for name, leaf in zip(late_inputs, jax.tree.leaves(late_values), strict=True)
        }

        def read(operand: Any) -> Any:
            if isinstance(operand, _Late):
                return found[id(operand)]
            return values[place[id(operand)]] if id(operand) in place else operand

        for jaxpr, equation, operands, results in head:
            for name, result in zip(results, evaluate(jaxpr, equation, [read(o) for o in operands]), strict=True):
                found[id(name)] = result
        return jax.tree.unflatten(out_tree, [read(output) for output in outputs])

    return residuals, run


class _Late:
    """A value that is not known yet."""

    def __init__(self, aval: Any) -> None:
        self.aval = aval


def _inner(equation: Any) -> Any:
    """The body of a call that may be looked into, as a closed jaxpr; a custom rule is kept whole."""
    if equation.primitive.name not in ("jit", "pjit", "closed_call", "core_call"):
        return None
    for name in ("jaxpr", "call_jaxpr"):
        body = equation.params.get(name)
        if isinstance(body, core.ClosedJaxpr):
            return body
    return None
