"""Keras's activations, by name or configuration."""

from collections.abc import Callable, Mapping
from typing import Any

from xaijax.models.importers.keras_graph.builder import Builder, Value

SIMPLE = {
    "relu": "relu",
    "relu6": "relu6",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "elu": "elu",
    "selu": "selu",
    "celu": "celu",
    "silu": "silu",
    "swish": "silu",
    "mish": "mish",
    "exponential": "exp",
    "hard_sigmoid": "hardsigmoid",
    "hard_silu": "hardswish",
    "hard_swish": "hardswish",
    "log_sigmoid": "log_sigmoid_forward",
}


def activated(builder: Builder, value: Value, activation: Any) -> Value:
    """A value behind an activation: None, a name, or the configuration of a function or a layer."""
    options: Mapping[str, Any] = {}
    if isinstance(activation, Mapping):
        inside = activation.get("config")
        module = str(activation.get("module") or "")
        is_own = module.partition(".")[0] in ("", "keras", "builtins") and ">" not in str(
            activation.get("registered_name")
        )
        if not is_own:
            raise builder.refused(f"has an activation of its own, {activation.get('registered_name') or inside}")
        if isinstance(inside, Mapping):
            return layered(builder, value, str(activation.get("class_name")), inside)
        activation = inside
    name = "linear" if activation is None else str(activation)
    if name == "linear":
        return value
    if name in SIMPLE:
        return builder.apply(SIMPLE[name], value)
    if name in SPECIAL:
        return SPECIAL[name](builder, value, options)
    raise builder.refused(f"has the activation {name}, which xaijax does not have")


def layered(builder: Builder, value: Value, kind: str, config: Mapping[str, Any]) -> Value:
    """A value behind a layer that is an activation."""
    if kind == "Activation":
        return activated(builder, value, config.get("activation"))
    if kind not in LAYERS:
        raise builder.refused(f"has the activation {kind}, which xaijax does not have")
    return LAYERS[kind](builder, value, config)


def relu(builder: Builder, value: Value, config: Mapping[str, Any]) -> Value:
    """ReLU with a slope below 0 and a maximum."""
    slope = float(config.get("negative_slope") or 0.0)
    top = config.get("max_value")
    if float(config.get("threshold") or 0.0):
        raise builder.refused("is a ReLU with a threshold")
    if top is None:
        return builder.apply("leaky_relu", value, negative_slope=slope) if slope else builder.apply("relu", value)
    if slope:
        raise builder.refused("is a ReLU with both a slope and a maximum")
    return builder.apply("hardtanh", value, min_val=0.0, max_val=float(top))


def softmax(builder: Builder, value: Value, config: Mapping[str, Any], op: str = "softmax") -> Value:
    """Softmax over one axis."""
    axis = config.get("axis", -1)
    if isinstance(axis, list | tuple):
        if len(axis) != 1:
            raise builder.refused("is a softmax over several axes")
        axis = axis[0]
    return builder.apply(op, value, dim=value.axis(int(axis)))


def _leaky(builder: Builder, value: Value, config: Mapping[str, Any]) -> Value:
    slope = config.get("negative_slope", config.get("alpha", 0.3))
    return builder.apply("leaky_relu", value, negative_slope=float(slope))


def _softplus(builder: Builder, value: Value, config: Mapping[str, Any]) -> Value:
    del config
    return builder.apply("softplus", value)


def _softsign(builder: Builder, value: Value, config: Mapping[str, Any]) -> Value:
    del config
    return builder.combine("div", value, builder.combine("add", builder.apply("abs", value), 1.0))


def _gelu(builder: Builder, value: Value, config: Mapping[str, Any]) -> Value:
    return builder.apply("gelu", value, approximate="tanh" if config.get("approximate") else "none")


Activation = Callable[[Builder, Value, Mapping[str, Any]], Value]
SPECIAL: dict[str, Activation] = {
    "softmax": softmax,
    "log_softmax": lambda builder, value, config: softmax(builder, value, config, "log_softmax"),
    "leaky_relu": lambda builder, value, config: _leaky(builder, value, {"negative_slope": 0.2} | dict(config)),
    "gelu": _gelu,
    "softplus": _softplus,
    "softsign": _softsign,
}
LAYERS: dict[str, Activation] = {
    "ReLU": relu,
    "LeakyReLU": _leaky,
    "ELU": lambda builder, value, config: builder.apply("elu", value, alpha=float(config.get("alpha", 1.0))),
    "Softmax": softmax,
}
