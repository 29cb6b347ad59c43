"""Keras's convolutions and dense layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax.models.importers.keras_graph.activations import activated
from xaijax.models.importers.keras_graph.builder import Builder, Value
from xaijax.models.importers.keras_graph.weights import Place
from xaijax.models.importers.torch_graph.graph import Ref

KERNEL = (2, 3, 1, 0)  # stored [H, W, I, O], as Keras has it
Config = Mapping[str, Any]


def pair(value: Any) -> tuple[int, int]:
    """A number, or one for each of two axes."""
    first, second = (value, value) if isinstance(value, int) else value
    return int(first), int(second)


def same_padding(
    sides: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int] = (1, 1)
) -> list[tuple[int, int]]:
    """What "same" adds before and after each axis: the odd pixel at the end."""
    found = []
    for side, k, s, d in zip(sides, kernel, stride, dilation, strict=True):
        total = max((-(-side // s) - 1) * s + (k - 1) * d + 1 - side, 0)
        found.append((total // 2, total - total // 2))
    return found


def check_last(builder: Builder, config: Config) -> None:
    """Refuse channels first."""
    if config.get("data_format", "channels_last") != "channels_last":
        raise builder.refused("has channels first; save the model with channels last")


def convolve(
    builder: Builder, value: Value, kernel: Ref, size: Sequence[int], bias: Ref | None, groups: int, config: Config
) -> Value:
    """A convolution with the padding and strides of a configuration."""
    check_last(builder, config)
    value = builder.first(value)
    stride, dilation = pair(config.get("strides", 1)), pair(config.get("dilation_rate", 1))
    pads = [(0, 0), (0, 0)]
    if config.get("padding", "valid") == "same":
        pads = same_padding(value.shape[1:3], size, stride, dilation)
    elif config.get("padding", "valid") != "valid":
        raise builder.refused(f"has the padding {config['padding']}")
    if any(low != high for low, high in pads):
        value = builder.apply("constant_pad_nd", value, pad=[*pads[1], *pads[0]], value=0.0)
        pads = [(0, 0), (0, 0)]
    name = builder.emit(
        "convolution",
        input=Ref(value.name),
        weight=kernel,
        bias=bias,
        stride=list(stride),
        padding=[low for low, _ in pads],
        dilation=list(dilation),
        transposed=False,
        output_padding=[0, 0],
        groups=groups,
    )
    return builder.value(name, True)


def _bias(builder: Builder, place: Place, config: Config, number: int) -> Ref | None:
    return builder.parameter("bias", place.array(number, "bias")) if config.get("use_bias", True) else None


def conv2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Conv2D`."""
    array = place.array(0, "kernel")
    kernel, bias = builder.parameter("kernel", array, KERNEL), _bias(builder, place, config, 1)
    made = convolve(builder, value, kernel, array.shape[:2], bias, int(config.get("groups", 1)), config)
    return activated(builder, made, config.get("activation"))


def _depthwise(builder: Builder, value: Value, config: Config, array: np.ndarray, name: str, bias: Ref | None) -> Value:
    height, width, inputs, multiplier = array.shape
    kernel = builder.parameter(name, array.reshape(height, width, 1, inputs * multiplier), KERNEL)
    return convolve(builder, value, kernel, (height, width), bias, inputs, config)


def depthwise_conv2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`DepthwiseConv2D`; its variable was called `depthwise_kernel` by Keras 2."""
    array = place.array(0, "kernel")
    made = _depthwise(builder, value, config, array, "kernel", _bias(builder, place, config, 1))
    return activated(builder, made, config.get("activation"))


def separable_conv2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`SeparableConv2D`: depthwise, then 1 x 1."""
    made = _depthwise(builder, value, config, place.array(0, "depthwise_kernel"), "depthwise_kernel", None)
    pointwise = builder.parameter("pointwise_kernel", place.array(1, "pointwise_kernel"), KERNEL)
    made = convolve(builder, made, pointwise, (1, 1), _bias(builder, place, config, 2), 1, {})
    return activated(builder, made, config.get("activation"))


def conv2d_transpose(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Conv2DTranspose`: the output is cut to what Keras's padding leaves."""
    check_last(builder, config)
    value = builder.first(value)
    array = place.array(0, "kernel")  # [H, W, O, I]
    stride, dilation = pair(config.get("strides", 1)), pair(config.get("dilation_rate", 1))
    if config.get("output_padding") is not None or dilation != (1, 1):
        raise builder.refused("is a transposed convolution with output padding or dilation")
    kernel = builder.parameter("kernel", array, (2, 3, 1, 0))
    name = builder.emit(
        "convolution",
        input=Ref(value.name),
        weight=kernel,
        bias=_bias(builder, place, config, 1),
        stride=list(stride),
        padding=[0, 0],
        dilation=[1, 1],
        transposed=True,
        output_padding=[max(s - k, 0) for k, s in zip(array.shape[:2], stride, strict=True)],
        groups=1,
    )
    made = builder.value(name, True)
    if config.get("padding", "valid") == "same":
        for axis, (side, k, s) in enumerate(zip(value.shape[1:3], array.shape[:2], stride, strict=True)):
            low = max(k - s, 0) // 2
            made = builder.apply("slice", made, dim=2 + axis, start=low, end=low + side * s)
    return activated(builder, made, config.get("activation"))


def linear(builder: Builder, value: Value, kernel: Ref, bias: Ref | None) -> Value:
    """A dense layer over the last axis."""
    return builder.value(builder.emit("linear", input=Ref(builder.plain(value).name), weight=kernel, bias=bias))


def dense(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Dense`."""
    kernel = builder.parameter("kernel", place.array(0, "kernel"), (1, 0))
    made = linear(builder, value, kernel, _bias(builder, place, config, 1))
    return activated(builder, made, config.get("activation"))


def multi_head_attention(builder: Builder, values: Sequence[Value], config: Config, place: Place) -> Value:
    """`MultiHeadAttention` over tokens `[B, T, C]`, with query, value and key given in this order."""
    query, value = values[0], values[1]
    key = values[2] if len(values) > 2 else value
    if any(one.ndim != 3 for one in (query, value, key)) or config.get("use_gate") or config.get("sliding_window"):
        raise builder.refused("is an attention that is not over tokens [B, T, C], or has a gate or a window")
    heads = int(config["num_heads"])
    tokens = []
    for one, name in ((query, "query"), (key, "key"), (value, "value")):
        part = place.part(f"{name}_dense", name)
        array = part.array(0, "kernel")  # [C, heads, D]
        kernel = builder.parameter(f"{name}.kernel", array.reshape(array.shape[0], -1), (1, 0))
        bias = None
        if config.get("use_bias", True):
            bias = builder.parameter(f"{name}.bias", part.array(1, "bias").reshape(-1))
        made = linear(builder, one, kernel, bias)
        made = builder.reshape(made, (one.shape[1], heads, array.shape[2]))
        tokens.append(builder.emit("permute", input=Ref(made.name), dims=[0, 2, 1, 3]))
    name = builder.emit(
        "scaled_dot_product_attention",
        query=Ref(tokens[0]),
        key=Ref(tokens[1]),
        value=Ref(tokens[2]),
        scale=1 / float(np.sqrt(config["key_dim"])),
    )
    mixed = builder.value(builder.emit("permute", input=Ref(name), dims=[0, 2, 1, 3]))
    mixed = builder.reshape(mixed, (mixed.shape[1], mixed.shape[2] * mixed.shape[3]))
    part = place.part("output_dense", "attention_output")
    array = part.array(0, "kernel")  # [heads, D, C]
    kernel = builder.parameter("attention_output.kernel", array.reshape(-1, array.shape[-1]), (1, 0))
    bias = builder.parameter("attention_output.bias", part.array(1, "bias")) if config.get("use_bias", True) else None
    return linear(builder, mixed, kernel, bias)
