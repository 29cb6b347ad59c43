"""One equation of a traced program on its own, for the methods that run a program in another way."""

from collections.abc import Sequence
from typing import Any

from jax.extend import core


def evaluate(jaxpr: Any, equation: Any, operands: Sequence[Any]) -> list:
    """An equation of a jaxpr on values or tracers, through JAX's own evaluator.

    Args:
        jaxpr: the program that holds the equation.
        equation: one of its equations.
        operands: one for each of the equation's inputs.

    Returns:
        One result for each output, None for those that the program drops.

    Example:
        >>> import jax
        >>> jaxpr = jax.make_jaxpr(lambda x: x + x)(1.0).jaxpr
        >>> float(evaluate(jaxpr, jaxpr.eqns[0], [3.0, 3.0])[0])
        6.0
    """
    variables = [a for a in equation.invars if not isinstance(a, core.Literal)]
    values = [v for a, v in zip(equation.invars, operands, strict=True) if not isinstance(a, core.Literal)]
    unique = dict(zip(variables, values, strict=True))
    kept = [v for v in equation.outvars if not isinstance(v, core.DropVar)]
    names = jaxpr.debug_info.with_unknown_names()  # those of the whole function's arguments do not fit
    body = jaxpr.replace(constvars=(), invars=list(unique), outvars=kept, eqns=[equation], debug_info=names)
    results = iter(core.jaxpr_as_fun(core.ClosedJaxpr(body, ()))(*unique.values()))
    return [None if isinstance(v, core.DropVar) else next(results) for v in equation.outvars]
