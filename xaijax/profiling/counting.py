"""Floating-point operations of a program, counted on its jaxpr.

XLA's own count takes the body of a loop once and our kernels as nothing, and explainers loop over chunks; here a
`scan` counts its body as often as it runs. Multiplications and additions count one each: a matrix product `[m, k] @
[k, n]` is `2 m k n`, a convolution two for every tap that meets the image (not the padding, nor the holes of a
dilation). Elementwise functions and reductions count one for each element, data movement nothing.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from xaijax.profiling import formulas

# One operation for each element of the result.
_ELEMENTWISE = frozenset(
    (
        *("add", "sub", "mul", "div", "rem", "max", "min", "neg", "abs", "sign", "floor", "ceil", "round"),
        *("exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "cbrt", "sin", "cos", "erf"),
        *("integer_pow", "pow", "square", "erf_inv", "add_any", "atan2", "clamp", "select_n"),
        *("eq", "ne", "lt", "le", "gt", "ge"),
    )
)
# One for each element that goes in.
_REDUCTIONS = frozenset(
    (
        *("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "argmax", "argmin"),
        *("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"),
    )
)
_WINDOWS = frozenset(("reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window"))


@dataclasses.dataclass(frozen=True)
class Count:
    """Operations of a program.

    Attributes:
        flops: all of them.
        once: with every loop's body counted once, as XLA counts.
        unknown: what could not be counted: loops of unknown length (counted once), kernels without a formula.
    """

    flops: float = 0.0
    once: float = 0.0
    unknown: frozenset[str] = frozenset()

    def __add__(self, other: "Count") -> "Count":
        return Count(self.flops + other.flops, self.once + other.once, self.unknown | other.unknown)

    def times(self, count: float) -> "Count":
        """The same, in a loop that runs `count` times."""
        return Count(self.flops * count, self.once, self.unknown)


def count(jaxpr: Any) -> Count:
    """Operations of a jaxpr, open or closed.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> def loop(x):
        ...     return jax.lax.scan(lambda c, _: (c @ c, None), x, length=5)[0]
        >>> found = count(jax.make_jaxpr(loop)(jnp.ones((8, 8))))
        >>> found.flops == 5 * 2 * 8**3, found.once == 2 * 8**3
        (True, True)
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    total = Count()
    for equation in jaxpr.eqns:
        total = total + _equation(equation)
    return total


def _equation(equation: Any) -> Count:
    name, params = equation.primitive.name, equation.params
    out = [math.prod(getattr(v.aval, "shape", ())) for v in equation.outvars]
    if name == "scan":
        return count(params["jaxpr"]).times(params["length"])
    if name == "while":
        body = count(params["body_jaxpr"]) + count(params["cond_jaxpr"])
        return body + Count(unknown=frozenset(("a loop of unknown length",)))
    if name == "cond":
        return max((count(branch) for branch in params["branches"]), key=lambda found: found.flops)
    if name == "dot_general":
        (over, _), _ = params["dimension_numbers"]
        return _plain(2.0 * out[0] * math.prod(equation.invars[0].aval.shape[axis] for axis in over))
    if name == "conv_general_dilated":
        return _plain(convolution(equation))
    if name == "ffi_call":
        target = str(params["target_name"]).removeprefix("xaijax_")
        shapes = [tuple(v.aval.shape) for v in equation.invars], [tuple(v.aval.shape) for v in equation.outvars]
        operations = formulas.operations(target, *shapes)
        return _plain(operations) if operations is not None else Count(unknown=frozenset((f"the kernel {target}",)))
    bodies = [value for value in params.values() if hasattr(getattr(value, "jaxpr", value), "eqns")]
    if bodies:  # jit, remat, a function with a derivative of its own, shard_map
        return count(bodies[0])
    if name in _ELEMENTWISE:
        return _plain(out[0])
    if name in _REDUCTIONS:
        return _plain(math.prod(equation.invars[0].aval.shape))
    if name in _WINDOWS:
        return _plain(out[0] * math.prod(params["window_dimensions"]))
    if name == "select_and_scatter_add":
        return _plain(math.prod(equation.invars[0].aval.shape) * math.prod(params["window_dimensions"]))
    return Count()


def _plain(operations: float) -> Count:
    return Count(float(operations), float(operations))


def convolution(equation: Any) -> float:
    """Twice the taps that meet a value of the image, over all outputs."""
    params = equation.params
    image, kernel = (v.aval.shape for v in equation.invars)
    out = equation.outvars[0].aval.shape
    numbers = params["dimension_numbers"]
    taps = 1
    for axis, (low, _), stride, hole, spread in zip(
        range(len(numbers.lhs_spec) - 2),
        params["padding"],
        params["window_strides"],
        params["lhs_dilation"],
        params["rhs_dilation"],
        strict=True,
    ):
        size, width = image[numbers.lhs_spec[2 + axis]], kernel[numbers.rhs_spec[2 + axis]]
        taps *= _meeting(out[numbers.out_spec[2 + axis]], width, size, int(low), stride, hole, spread)
    batch, outputs = out[numbers.out_spec[0]], out[numbers.out_spec[1]]
    inputs = kernel[numbers.rhs_spec[1]]  # of one group
    return 2.0 * taps * batch * outputs * inputs


def _meeting(out: int, width: int, size: int, low: int, stride: int, hole: int, spread: int) -> int:
    """Pairs of an output and a tap, along one axis, whose place in the padded and dilated image holds a value."""
    places: Sequence[int] = [o * stride + k * spread - low for o in range(out) for k in range(width)]
    return sum(1 for place in places if place % hole == 0 and 0 <= place // hole < size)
