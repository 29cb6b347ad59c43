"""Another backward rule for the ReLUs of any model, by rewriting its jaxpr.

A model's forward pass is traced, and in its equations `jax.nn.relu` (which `flax.nnx.relu` and `flax.linen.relu`
are), `jax.nn.relu6` and `maximum(x, 0)` of a picture of activations are replaced by a function of the same value and
another gradient. It reaches the ReLUs of every model, whoever wrote it, and
leaves no trace in it. See "Writing custom Jaxpr interpreters in JAX" in the JAX documentation.

References:
    Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR workshop 2015 (guided);
    Zeiler & Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (deconvnet).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core

from xaijax._network.base import UnsupportedError

RULES = ("guided", "deconvnet")


def replace(function: Callable[..., Any], rule: str) -> Callable[..., Any]:
    """`function` with another backward rule in its ReLUs; refuses a function that has none within reach."""

    def replaced(*args: Any) -> Any:
        closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        jaxpr, count = _rewrite(closed.jaxpr, rule)
        if not count:
            raise UnsupportedError(
                "this model has no ReLU within reach (jax.nn.relu, jax.nn.relu6), so its backward rule cannot be "
                "replaced; use a method without a ReLU rule"
            )
        results = jax.core.eval_jaxpr(jaxpr, closed.consts, *jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return replaced


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _relu(x: Any, rule: str, top: float) -> Any:
    return jnp.clip(x, 0, top)


def _relu_forward(x: Any, rule: str, top: float) -> tuple[Any, Any]:
    return _relu(x, rule, top), x


def _relu_backward(rule: str, top: float, x: Any, gradient: Any) -> tuple[Any]:
    passed = jnp.maximum(gradient, 0)
    if rule == "guided":
        passed = jnp.where((x > 0) & (x < top), passed, 0)
    return (passed,)


_relu.defvjp(_relu_forward, _relu_backward)


def _relu_top(equation: Any) -> float | None:
    """Where a ReLU saturates (6 or infinity); None for an equation that is no ReLU."""
    name = equation.primitive.name
    if name == "custom_jvp_call":
        return _body_top(equation.params["call_jaxpr"].jaxpr)
    # Layer and group norm clip variances with maximum(x, 0): these have fewer axes than a picture of activations.
    if name == "max" and equation.outvars[0].aval.ndim == 4 and _zero_operand(equation) is not None:
        return float("inf")
    return None


def _body_top(jaxpr: Any) -> float | None:
    """The same for the body of `jax.nn.relu` or `relu6`, which may be wrapped in a jit."""
    while len(jaxpr.eqns) == 1 and jaxpr.eqns[0].primitive.name in ("jit", "pjit"):
        jaxpr = jaxpr.eqns[0].params["jaxpr"].jaxpr
    # Inside shard_map a constant is first made to vary over the mesh.
    varying = {e.outvars[0]: e.invars[0] for e in jaxpr.eqns if e.primitive.name == "pvary"}
    equations = [
        equation.replace(invars=[varying.get(v, v) if isinstance(v, core.Var) else v for v in equation.invars])
        for equation in jaxpr.eqns
        if equation.primitive.name != "pvary"
    ]
    names = [equation.primitive.name for equation in equations]
    if names not in (["max"], ["max", "min"]) or _zero_operand(equations[0]) is None:
        return None
    if names == ["max"]:
        return float("inf")
    tops = [operand.val for operand in equations[1].invars if isinstance(operand, core.Literal)]
    return float(tops[0]) if tops else None


def _zero_operand(equation: Any) -> int | None:
    for index, operand in enumerate(equation.invars):
        if isinstance(operand, core.Literal) and jnp.ndim(operand.val) == 0 and operand.val == 0:
            return index
    return None


def _rewrite(jaxpr: Any, rule: str) -> tuple[Any, int]:
    """The jaxpr with its ReLUs replaced, also inside jit, remat, scan and cond, and how many there were."""
    equations, total = [], 0
    for equation in jaxpr.eqns:
        top = _relu_top(equation)
        if top is not None:
            index = 1 if equation.primitive.name == "max" and _zero_operand(equation) == 0 else 0
            operand = equation.invars[index]
            template = jax.make_jaxpr(partial(_relu, rule=rule, top=top))(operand.aval).jaxpr.eqns[0]
            equations.append(template.replace(invars=[operand], outvars=equation.outvars))
            total += 1
            continue
        params, count = {}, 0
        for name, value in equation.params.items():
            params[name], found = _rewrite_inside(value, rule)
            count += found
        if count and equation.primitive.name.startswith(("custom_jvp", "custom_vjp")):
            raise UnsupportedError(
                "a ReLU of this model lies inside a function with a derivative of its own "
                f"({equation.primitive.name}), where its backward rule cannot be replaced; use a method without one"
            )
        equations.append(equation.replace(params=params) if count else equation)
        total += count
    return (jaxpr.replace(eqns=equations) if total else jaxpr), total


def _rewrite_inside(value: Any, rule: str) -> tuple[Any, int]:
    """The same for a parameter of an equation: a jaxpr, several, or something else."""
    if isinstance(value, core.ClosedJaxpr):
        jaxpr, count = _rewrite(value.jaxpr, rule)
        return (core.ClosedJaxpr(jaxpr, value.consts) if count else value), count
    if isinstance(value, core.Jaxpr):
        return _rewrite(value, rule)
    if isinstance(value, tuple) and any(isinstance(item, core.ClosedJaxpr | core.Jaxpr) for item in value):
        items = [_rewrite_inside(item, rule) for item in value]
        return tuple(item for item, _ in items), sum(count for _, count in items)
    return value, 0
