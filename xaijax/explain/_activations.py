"""Which activations a model has, read from the program that JAX traces of it.

A rule for the ReLUs alone would leave the others as they are and give a map of two methods at once.
"""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend import core

from xaijax._errors import InputError
from xaijax.classifier import Classifier

_PRIMITIVES = {"erf": "GELU", "erfc": "GELU", "tanh": "GELU or tanh", "expm1": "ELU", "log1p": "softplus"}
_CALLS = {"gelu": "GELU", "silu": "SiLU", "swish": "SiLU", "hard_silu": "hard SiLU", "hard_swish": "hard SiLU"}
_CALLS |= {"leaky_relu": "leaky ReLU", "elu": "ELU", "selu": "SELU", "celu": "CELU", "mish": "mish"}
_BENDS = {"logistic": "SiLU", "clamp": "hard SiLU", "max": "hard SiLU", "min": "hard SiLU"}
_KEEPS = {"add", "sub", "mul", "div", "convert_element_type", "copy", "neg", "pvary"}


def need_relu_alone(classifier: Classifier, method: str) -> None:
    """Refuses, in one sentence, a model with other activations than ReLU."""
    found = other_activations(classifier)
    if found:
        raise InputError(
            f"{method} is defined for networks whose activations are ReLUs; this model has {' and '.join(found)}: use "
            "grad_cam or integrated_gradients"
        )


def other_activations(classifier: Classifier) -> tuple[str, ...]:
    """Names of the activations of a model that are no ReLU; gates that weigh whole channels do not count."""
    image = jax.ShapeDtypeStruct((1, *classifier.input_shape), np.float32)
    closed = jax.make_jaxpr(classifier.logits)(classifier.params, image)
    return tuple(sorted(set(_names(closed.jaxpr))))


def _names(jaxpr: Any) -> Iterator[str]:
    made = {variable: equation for equation in jaxpr.eqns for variable in equation.outvars}
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        call = equation.params.get("name")
        if name in _PRIMITIVES:
            yield _PRIMITIVES[name]
        elif isinstance(call, str) and call in _CALLS:
            yield _CALLS[call]
        else:
            if name == "mul":
                one, two = equation.invars
                for source, gate in ((one, two), (two, one)):
                    bend = _bend(gate, source, made)
                    if bend:
                        yield bend
            for value in equation.params.values():
                for item in value if isinstance(value, tuple | list) else (value,):
                    if isinstance(item, core.ClosedJaxpr | core.Jaxpr):
                        yield from _names(item.jaxpr if isinstance(item, core.ClosedJaxpr) else item)


def _bend(gate: Any, source: Any, made: dict[Any, Any], bend: str = "", depth: int = 8) -> str:
    """What bends `source` into `gate`, value by value: `x sigmoid(x)` is a SiLU; "" where `gate` is something else."""
    if isinstance(source, core.Literal) or isinstance(gate, core.Literal):
        return ""
    if gate is source:
        return bend
    equation = made.get(gate)
    if equation is None or depth == 0:
        return ""
    name = equation.primitive.name
    inner = name in ("jit", "pjit", "custom_jvp_call", "closed_call")
    if inner:
        bend = bend or next((b for n in _primitives(equation) if (b := _BENDS.get(n))), "")
    elif name in _BENDS:
        bend = bend or _BENDS[name]
    elif name not in _KEEPS:
        return ""
    return next((b for v in equation.invars if (b := _bend(v, source, made, bend, depth - 1))), "")


def _primitives(equation: Any) -> Iterator[str]:
    for value in equation.params.values():
        if isinstance(value, core.ClosedJaxpr | core.Jaxpr):
            body = value.jaxpr if isinstance(value, core.ClosedJaxpr) else value
            for one in body.eqns:
                yield one.primitive.name
                yield from _primitives(one)
