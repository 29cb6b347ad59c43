"""Operations on each element: arithmetic, comparisons, activations.

Where a function has a kink, its derivative there is the one that PyTorch takes: 0 for ReLU at 0, 1 for a clamp at its
bounds, 0 for hardtanh at its bounds.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from xaijax.models.importers.torch_graph.laid import Laid, together
from xaijax.models.importers.torch_graph.operations._table import operation


def _matched(function: Callable[[Any, Any], Any], input: Any, other: Any) -> Laid:
    """A function of two operands, of which one may be a number; an array without axes takes the other's dtype."""

    def call(a: Any, b: Any) -> Any:
        if hasattr(a, "ndim") and hasattr(b, "ndim") and (a.ndim == 0) != (b.ndim == 0):
            if a.ndim == 0 and _kind(a) <= _kind(b):
                a = a.astype(b.dtype)
            elif b.ndim == 0 and _kind(b) <= _kind(a):
                b = b.astype(a.dtype)
        return function(a, b)

    return together(call, input, other)


def _kind(array: Any) -> int:
    """0 for booleans, 1 for integers, 2 for floats: what PyTorch promotes between, whatever the number of bits."""
    return 2 if jnp.issubdtype(array.dtype, jnp.floating) else int(array.dtype != jnp.bool_)


@operation("add")
def add(input: Any, other: Any, alpha: float = 1) -> Laid:
    return _matched(lambda a, b: a + (b if alpha == 1 else alpha * b), input, other)


@operation("sub")
def sub(input: Any, other: Any, alpha: float = 1) -> Laid:
    return _matched(lambda a, b: a - (b if alpha == 1 else alpha * b), input, other)


@operation("rsub")
def rsub(input: Any, other: Any, alpha: float = 1) -> Laid:
    return sub(other, input, alpha)


@operation("mul")
def mul(input: Any, other: Any) -> Laid:
    return _matched(lambda a, b: a * b, input, other)


@operation("div")
def div(input: Any, other: Any, rounding_mode: str | None = None) -> Laid:
    if rounding_mode == "floor":
        return _matched(lambda a, b: a // b, input, other)
    quotient = _matched(lambda a, b: a / b, input, other)
    return quotient.kept(jnp.trunc(quotient.array)) if rounding_mode == "trunc" else quotient


@operation("floor_divide")
def floor_divide(input: Any, other: Any) -> Laid:
    return div(input, other, "floor")


@operation("remainder")
def remainder(input: Any, other: Any) -> Laid:
    return _matched(jnp.mod, input, other)


@operation("fmod")
def fmod(input: Any, other: Any) -> Laid:
    return _matched(jnp.fmod, input, other)


@operation("pow")
def power(input: Any, exponent: Any) -> Laid:
    return _matched(lambda a, b: a**b, input, exponent)


@operation("maximum")
def maximum(input: Any, other: Any) -> Laid:
    return _matched(jnp.maximum, input, other)


@operation("minimum")
def minimum(input: Any, other: Any) -> Laid:
    return _matched(jnp.minimum, input, other)


@operation("where")
def where(condition: Laid, input: Any, other: Any) -> Laid:
    return together(jnp.where, condition, input, other)


@operation("masked_fill")
def masked_fill(input: Laid, mask: Laid, value: Any) -> Laid:
    return together(lambda x, m, v: jnp.where(m, jnp.asarray(v, x.dtype), x), input, mask, value)


@operation("lerp")
def lerp(input: Laid, end: Laid, weight: Any) -> Laid:
    return together(lambda a, b, w: a + w * (b - a), input, end, weight)


@operation("addcmul")
def addcmul(input: Laid, tensor1: Laid, tensor2: Laid, value: float = 1) -> Laid:
    return together(lambda a, b, c: a + value * b * c, input, tensor1, tensor2)


def _enter_pairs() -> None:
    pairs: dict[str, Callable[[Any, Any], Any]] = {
        "eq": lambda a, b: a == b,
        "ne": lambda a, b: a != b,
        "lt": lambda a, b: a < b,
        "le": lambda a, b: a <= b,
        "gt": lambda a, b: a > b,
        "ge": lambda a, b: a >= b,
        "logical_and": jnp.logical_and,
        "logical_or": jnp.logical_or,
        "bitwise_and": lambda a, b: a & b,
        "bitwise_or": lambda a, b: a | b,
        "atan2": jnp.arctan2,
    }
    for name, function in pairs.items():
        operation(name)(lambda input, other, function=function: _matched(function, input, other))


_enter_pairs()


@jax.custom_jvp
def _relu6(x: Any) -> Any:
    return jnp.minimum(jnp.maximum(x, 0), 6.0)


@_relu6.defjvp
def _relu6_jvp(primals: Any, tangents: Any) -> Any:
    (x,), (tangent,) = primals, tangents
    return _relu6(x), jnp.where((x > 0) & (x < 6), tangent, jnp.zeros_like(tangent))


def _clamped(x: Any, low: Any, high: Any) -> Any:
    """Between bounds, either of which may be None; at a bound the derivative is 1."""
    if low is not None:
        x = jnp.where(x < low, jnp.asarray(low, x.dtype), x)
    if high is not None:
        x = jnp.where(x > high, jnp.asarray(high, x.dtype), x)
    return x


def _hard(x: Any, low: float, high: float) -> Any:
    """Between bounds; at a bound the derivative is 0."""
    bounds = jnp.asarray(low, x.dtype), jnp.asarray(high, x.dtype)
    return jnp.where(x <= bounds[0], bounds[0], jnp.where(x >= bounds[1], bounds[1], x))


@operation("relu")
def relu(input: Laid) -> Laid:
    return input.kept(jax.nn.relu(input.array))


@operation("relu6")
def relu6(input: Laid) -> Laid:
    return input.kept(_relu6(input.array))


@operation("hardtanh")
def hardtanh(input: Laid, min_val: float = -1.0, max_val: float = 1.0) -> Laid:
    # ReLUs that methods may give another backward rule are recognised by their form.
    if (min_val, max_val) == (0, 6):
        return relu6(input)
    return input.kept(_hard(input.array, min_val, max_val))


@operation("clamp")
def clamp(input: Laid, min: Any = None, max: Any = None) -> Laid:
    if isinstance(min, Laid) or isinstance(max, Laid):
        bounds = [bound for bound in (min, max) if bound is not None]
        given = (min is not None, max is not None)
        return together(
            lambda x, *b: _clamped(x, b[0] if given[0] else None, b[-1] if given[1] else None), input, *bounds
        )
    return input.kept(_clamped(input.array, min, max))


@operation("clamp_min")
def clamp_min(input: Laid, min: Any) -> Laid:
    return relu(input) if min == 0 else clamp(input, min)


@operation("clamp_max")
def clamp_max(input: Laid, max: Any) -> Laid:
    return clamp(input, None, max)


@operation("threshold")
def threshold(input: Laid, threshold: float, value: float) -> Laid:
    if threshold == value == 0:
        return relu(input)
    return input.kept(jnp.where(input.array > threshold, input.array, jnp.asarray(value, input.dtype)))


@operation("leaky_relu")
def leaky_relu(input: Laid, negative_slope: float = 0.01) -> Laid:
    return input.kept(jnp.where(input.array > 0, input.array, negative_slope * input.array))


@operation("prelu", "_prelu_kernel")
def prelu(input: Laid, weight: Laid) -> Laid:
    slopes = weight.logical().reshape(-1)
    if input.ndim > 1:
        slopes = input.along(slopes, 1)
    return input.kept(jnp.where(input.array > 0, input.array, slopes * input.array))


@operation("elu")
def elu(input: Laid, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Laid:
    x = input.array
    below = alpha * jnp.expm1(jnp.where(x > 0, 0.0, x) * input_scale)
    return input.kept(scale * jnp.where(x > 0, x, below))


@operation("celu")
def celu(input: Laid, alpha: float = 1.0) -> Laid:
    return elu(input, alpha, 1.0, 1.0 / alpha)


@operation("selu")
def selu(input: Laid) -> Laid:
    return elu(input, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@operation("gelu")
def gelu(input: Laid, approximate: str = "none") -> Laid:
    return input.kept(jax.nn.gelu(input.array, approximate=approximate == "tanh"))


@operation("hardsigmoid")
def hardsigmoid(input: Laid) -> Laid:
    return input.kept(_hard(input.array / 6 + 0.5, 0.0, 1.0))


@operation("hardswish")
def hardswish(input: Laid) -> Laid:
    return input.kept(input.array * _hard(input.array / 6 + 0.5, 0.0, 1.0))


@operation("softplus")
def softplus(input: Laid, beta: float = 1.0, threshold: float = 20.0) -> Laid:
    x = input.array
    inner = jnp.where(x * beta > threshold, 0.0, x * beta)
    return input.kept(jnp.where(x * beta > threshold, x, jnp.log1p(jnp.exp(inner)) / beta))


@operation("mish")
def mish(input: Laid) -> Laid:
    return input.kept(input.array * jnp.tanh(jax.nn.softplus(input.array)))


def _enter_singles() -> None:
    singles: dict[str, Callable[[Any], Any]] = {
        "sigmoid": jax.nn.sigmoid,
        "silu": lambda x: x * jax.nn.sigmoid(x),
        "log_sigmoid_forward": jax.nn.log_sigmoid,
        "tanh": jnp.tanh,
        "exp": jnp.exp,
        "expm1": jnp.expm1,
        "log": jnp.log,
        "log1p": jnp.log1p,
        "log2": jnp.log2,
        "sqrt": jnp.sqrt,
        "rsqrt": lax.rsqrt,
        "reciprocal": lambda x: 1 / x,
        "neg": lambda x: -x,
        "abs": lambda x: x * jnp.sign(x),  # with derivative 0 at 0
        "sign": jnp.sign,
        "sin": jnp.sin,
        "cos": jnp.cos,
        "erf": special.erf,
        "floor": jnp.floor,
        "ceil": jnp.ceil,
        "round": jnp.round,
        "trunc": jnp.trunc,
        "square": lambda x: x * x,
        "logical_not": jnp.logical_not,
        "bitwise_not": lambda x: ~x,
        "isnan": jnp.isnan,
        "isinf": jnp.isinf,
    }
    for name, function in singles.items():
        operation(name)(lambda input, function=function: input.kept(function(input.array)))


_enter_singles()
