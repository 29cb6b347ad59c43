"""DeepLIFT's rescale rule for any model, by running its traced program with other derivatives.

Image and baseline go through the program as the two halves of one batch. What is linear in the activations keeps its
derivative; a non-linearity applied value by value gets the slope between the two halves; a maximum pool sends its
difference to the place that won. Everything else (products of activations, softmax, norms over an image's own values)
has no rescale rule, and is refused.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from xaijax._errors import InputError
from xaijax.explain._equation import evaluate

EPSILON = 1e-10  # differences below it get the derivative

_LINEAR = {
    *("add", "sub", "add_any", "neg", "convert_element_type", "reshape", "transpose", "broadcast_in_dim", "squeeze"),
    *(
        "expand_dims",
        "concatenate",
        "pad",
        "slice",
        "rev",
        "reduce_sum",
        "cumsum",
        "reduce_window_sum",
        "copy",
        "pvary",
    ),
}
_LINEAR_IN_ONE = {"mul", "dot_general", "conv_general_dilated", "gather", "dynamic_slice"}
_VALUE_BY_VALUE = {
    *("max", "min", "clamp", "logistic", "tanh", "erf", "erfc", "exp", "exp2", "expm1", "log", "log1p", "abs", "sign"),
    *("integer_pow", "pow", "square", "sqrt", "rsqrt", "sin", "cos"),
}
_INSIDE = {*_VALUE_BY_VALUE, "add", "sub", "mul", "div", "neg", "convert_element_type", "broadcast_in_dim", "pvary"}
_INSIDE |= {"select_n", "ge", "gt", "le", "lt", "eq", "ne", "and", "or", "not"}
_CALLS = {"jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "remat", "checkpoint"}
_WORDS = {"mul": "a product", "div": "a quotient", "dot_general": "a product", "reduce_max": "a maximum"}


def with_rescale(function: Callable[[jax.Array], jax.Array], both: jax.Array, method: str) -> jax.Array:
    """`function(both)`, whose derivative is DeepLIFT's multiplier.

    Args:
        function: `[2 N, ...] -> [2 N, K]`, rows do not mix.
        both: N images, then their N baselines.
        method: its name, for the refusal.

    Returns:
        `[2 N, K]`; the gradient of the first N rows by the first half of `both` is the multiplier.
    """
    closed = jax.make_jaxpr(function)(both)
    return _Program(both.shape[0], method).run(closed.jaxpr, closed.consts, [both], [True])[0][0]


class _Program:
    """Runs a jaxpr equation by equation and knows which values depend on the image."""

    def __init__(self, rows: int, method: str) -> None:
        self.rows, self.method = rows, method

    def run(self, jaxpr: Any, consts: Any, arguments: list, depends: list[bool]) -> tuple[list, list[bool]]:
        """Results, and which of them depend on the image."""
        values: dict[Any, Any] = dict(zip(jaxpr.constvars, consts, strict=True))
        values |= dict(zip(jaxpr.invars, arguments, strict=True))
        lively = {variable for variable, live in zip(jaxpr.invars, depends, strict=True) if live}

        def read(operand: Any) -> tuple[Any, bool]:
            return (operand.val, False) if isinstance(operand, core.Literal) else (values[operand], operand in lively)

        for equation in jaxpr.eqns:
            operands, live = map(list, zip(*map(read, equation.invars), strict=True)) if equation.invars else ([], [])
            results, live_results = self.equation(jaxpr, equation, operands, live)
            for variable, result, is_live in zip(equation.outvars, results, live_results, strict=True):
                values[variable] = result
                if is_live:
                    lively.add(variable)
        found = [read(operand) for operand in jaxpr.outvars]
        return [value for value, _ in found], [live for _, live in found]

    def equation(self, jaxpr: Any, equation: Any, operands: list, live: list[bool]) -> tuple[list, list[bool]]:
        name, count = equation.primitive.name, sum(live)

        def plain(*operands: Any) -> list:
            return evaluate(jaxpr, equation, operands)

        if count == 0:
            return plain(*operands), [False] * len(equation.outvars)
        body = _body(equation) if name in _CALLS else None
        if body is not None and not (count == 1 and _is_value_by_value(body.jaxpr) and self.is_alike(equation, live)):
            return self.run(body.jaxpr, body.consts, operands, live)
        first = live.index(True)
        if name == "stop_gradient":
            return plain(*operands), [True]
        if name in _LINEAR or (name in _LINEAR_IN_ONE and count == 1) or (name == "div" and live == [True, False]):
            return plain(*operands), [True] * len(equation.outvars)
        if name == "select_n" and not live[0]:
            return plain(*operands), [True]
        single = count == 1 and len(equation.outvars) == 1 and self.is_alike(equation, live)

        def of_one(value: jax.Array) -> jax.Array:
            return plain(*operands[:first], value, *operands[first + 1 :])[0]

        if single and (name in _VALUE_BY_VALUE or body is not None or (name == "div" and live == [False, True])):
            return [_rescaled(of_one, operands[first])], [True]
        if name == "reduce_window_max" and self.is_batch(equation.outvars[0]):
            return [_pooled(of_one, operands[first])], [True]
        raise InputError(
            f"{self.method} has no rule for {_WORDS.get(name, name)} in this model (products of activations as in "
            "attention and gates, softmax, layer norm): use integrated_gradients"
        )

    def is_batch(self, variable: Any) -> bool:
        return variable.aval.ndim > 0 and variable.aval.shape[0] == self.rows

    def is_alike(self, equation: Any, live: list[bool]) -> bool:
        """Whether result and operand have one shape, with the batch in front."""
        operand = equation.invars[live.index(True)]
        alike = len(equation.outvars) == 1 and equation.outvars[0].aval.shape == operand.aval.shape
        return alike and self.is_batch(operand)


def _body(equation: Any) -> Any:
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        body = equation.params.get(name)
        if isinstance(body, core.ClosedJaxpr):
            return body
        if isinstance(body, core.Jaxpr):
            return core.ClosedJaxpr(body, ())
    return None


def _is_value_by_value(jaxpr: Any) -> bool:
    """Whether a body maps one array value by value (`relu`, `silu`): no sums, no shapes that change."""
    shapes = {v.aval.shape for v in jaxpr.invars if v.aval.ndim} | {v.aval.shape for v in jaxpr.outvars if v.aval.ndim}
    if len(shapes) != 1:
        return False
    for equation in jaxpr.eqns:
        body = _body(equation) if equation.primitive.name in _CALLS else None
        if body is not None:
            if not _is_value_by_value(body.jaxpr):
                return False
        elif equation.primitive.name not in _INSIDE:
            return False
    return True


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    half = x.shape[0] // 2
    return x[:half], x[half:]


def _ratio(change: jax.Array, inside: jax.Array, otherwise: jax.Array) -> jax.Array:
    near = jnp.abs(inside) < EPSILON
    return jnp.where(near, otherwise, change / jnp.where(near, jnp.ones_like(inside), inside))


def _rescaled(function: Callable[[jax.Array], jax.Array], value: jax.Array) -> jax.Array:
    """`function(value)` with the slope between the halves as its derivative in the first."""
    return _with_slope(function, value, lambda change, v, out, back: change)


def _pooled(pool: Callable[[jax.Array], jax.Array], value: jax.Array) -> jax.Array:
    """A maximum pool: a window's difference goes to the image's winner where it grew, to the baseline's where it fell.

    A tie of the baseline's window is decided for the image's winner: a baseline of one value ties everywhere.
    """

    def routed(change: jax.Array, v: jax.Array, out: jax.Array, back: Callable[..., Any]) -> jax.Array:
        baseline, (x_out, b_out) = _halves(v)[1], _halves(out)
        # The derivative of a pool picks values at the winners: here those of the baseline at the image's.
        there = _halves(jax.jvp(pool, (v,), (jnp.concatenate([baseline, baseline]),))[1])[0]
        to_winner = (x_out > b_out) | (there == b_out)
        parts = jnp.concatenate([jnp.where(to_winner, change, 0), jnp.where(to_winner, 0, change)])
        to_image, to_baseline = _halves(back(parts)[0])
        return to_image + to_baseline

    return _with_slope(pool, value, routed)


def _with_slope(
    function: Callable[[jax.Array], jax.Array], value: jax.Array, routed: Callable[..., jax.Array]
) -> jax.Array:
    """`function(value)`; its derivative in the first half is a change of the results by the difference of the values.

    Args:
        function: of both halves.
        value: images, then baselines.
        routed: brings the change, times the incoming gradient, to the shape of the values: a function of it, of the
            values, of the results, and of the function's own backward pass.
    """

    @jax.custom_vjp
    def apply(v: jax.Array) -> jax.Array:
        return function(v)

    def forward(v: jax.Array) -> tuple[jax.Array, tuple]:
        out = function(v)
        return out, (v, out)

    def backward(kept: tuple, gradient: jax.Array) -> tuple[jax.Array]:
        v, out = kept
        (x, b), (x_out, b_out), own = _halves(v), _halves(out), _halves(gradient)[0]
        back = jax.vjp(function, v)[1]
        plain = _halves(back(gradient)[0])[0]
        found = _ratio(routed(own * (x_out - b_out), v, out, back), x - b, plain)
        return (jnp.concatenate([found, jnp.zeros_like(found)]),)

    apply.defvjp(forward, backward)
    return apply(value)
