"""Operations of `keras.ops` in a functional model, such as those of `preprocess_input`: class -> function."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax.models.importers.keras_graph import activations
from xaijax.models.importers.keras_graph.builder import Builder, Value
from xaijax.models.importers.torch_graph.graph import Ref

Config = Mapping[str, Any]
Op = Callable[[Builder, Sequence[Any], Config], Value]


def _binary(op: str) -> Op:
    return lambda builder, args, config: builder.combine(op, args[0], args[1])


def _unary(op: str) -> Op:
    return lambda builder, args, config: builder.apply(op, args[0])


def _activation(name: str) -> Op:
    def run(builder: Builder, args: Sequence[Any], config: Config) -> Value:
        value = args[0]
        if name in activations.LAYERS:
            return activations.layered(builder, value, name, config)
        if name in activations.SPECIAL:
            return activations.SPECIAL[name](builder, value, config)
        return activations.activated(builder, value, name)

    return run


def _reduced(op: str) -> Op:
    def run(builder: Builder, args: Sequence[Any], config: Config) -> Value:
        value: Value = args[0]
        asked = config.get("axis", args[1] if len(args) > 1 else None)
        axes = list(range(value.ndim)) if asked is None else [asked] if isinstance(asked, int) else list(asked)
        if 0 in [axis % value.ndim for axis in axes]:
            raise builder.refused(f"computes {op} over the batch")
        keep = bool(config.get("keepdims"))
        if value.first and not keep:
            # What is left has fewer axes, in Keras's order.
            value = builder.plain(value) if [axis % 4 for axis in axes] != [1, 2] else value
        name = builder.emit(op, input=Ref(value.name), dim=[value.axis(axis) for axis in axes], keepdim=keep)
        return builder.value(name, value.first and keep)

    return run


def power(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """To a power that is a number."""
    del config
    if isinstance(args[1], Value):
        raise builder.refused("raises to a power that is an array")
    return builder.apply("pow", args[0], exponent=float(np.asarray(args[1]).reshape(())))


def get_item(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """`x[..., 0]`, `x[:, 1:, ::2]`."""
    del config
    value: Value = builder.plain(args[0])
    key = list(args[1]) if isinstance(args[1], list | tuple) else [args[1]]
    if Ellipsis in key:
        at = key.index(Ellipsis)
        key[at : at + 1] = [slice(None)] * (value.ndim - sum(one is not None for one in key) + 1)
    dim = 0
    for one in key:
        if one is None:
            value = builder.value(builder.emit("unsqueeze", input=Ref(value.name), dim=dim))
            dim += 1
        elif isinstance(one, slice):
            value = _sliced(builder, value, dim, one)
            dim += 1
        elif isinstance(one, int) and dim:
            value = builder.value(builder.emit("select", input=Ref(value.name), dim=dim, index=one))
        else:
            raise builder.refused(f"takes the part {one!r} of axis {dim}")
    return value


def _sliced(builder: Builder, value: Value, dim: int, part: slice) -> Value:
    if part == slice(None):
        return value
    if part.step == -1 and part.start is None and part.stop is None:
        return builder.apply("flip", value, dims=[dim])
    if dim == 0 or (part.step is not None and part.step < 1):
        raise builder.refused(f"takes the part {part} of axis {dim}")
    start, stop, step = part.indices(value.shape[dim])
    return builder.apply("slice", value, dim=dim, start=start, end=stop, step=step)


def stack(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """Along an axis that is new."""
    values = [builder.plain(value) for value in args[0]]
    axis = int(config.get("axis", 0)) % (values[0].ndim + 1)
    return builder.value(builder.emit("stack", tensors=[Ref(value.name) for value in values], dim=axis))


def concatenate(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """Along an axis."""
    values = [builder.plain(value) for value in args[0]]
    axis = int(config.get("axis", -1)) % values[0].ndim
    return builder.value(builder.emit("cat", tensors=[Ref(value.name) for value in values], dim=axis))


def reshape(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """With the batch left as it is."""
    value: Value = args[0]
    wanted = list(config.get("newshape", args[1] if len(args) > 1 else ()))
    if not wanted or wanted[0] not in (-1, None) or not all(isinstance(side, int) for side in wanted[1:]):
        raise builder.refused(f"reshapes to {wanted}; the batch must be -1")
    if -1 in wanted[1:]:
        known = math.prod(side for side in wanted[1:] if side != -1)
        wanted[1 + wanted[1:].index(-1)] = math.prod(value.shape[1:]) // known
    return builder.reshape(value, wanted[1:])


def transpose(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """With the batch left as it is."""
    axes = config.get("axes", args[1] if len(args) > 1 else None)
    if axes is None or axes[0] != 0:
        raise builder.refused("moves the batch")
    return builder.value(builder.emit("permute", input=Ref(builder.plain(args[0]).name), dims=list(axes)))


def expand_dims(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """A new axis."""
    value = builder.plain(args[0])
    axis = int(config.get("axis", args[1] if len(args) > 1 else -1)) % (value.ndim + 1)
    return builder.value(builder.emit("unsqueeze", input=Ref(value.name), dim=axis))


def clip(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """Between two numbers."""
    low = config.get("x_min", args[1] if len(args) > 1 else None)
    high = config.get("x_max", args[2] if len(args) > 2 else None)
    return builder.apply("clamp", args[0], min=low, max=high)


def cast(builder: Builder, args: Sequence[Any], config: Config) -> Value:
    """To another float: everything is computed in the dtype of the images."""
    dtype = str(config.get("dtype", args[1] if len(args) > 1 else "float32"))
    if "float" not in dtype:
        raise builder.refused(f"casts to {dtype}")
    value: Value = args[0]
    return value


OPS: dict[str, Op] = {
    "Add": _binary("add"),
    "Subtract": _binary("sub"),
    "Multiply": _binary("mul"),
    "Divide": _binary("div"),
    "TrueDivide": _binary("div"),
    "Maximum": _binary("maximum"),
    "Minimum": _binary("minimum"),
    "Power": power,
    "Negative": _unary("neg"),
    "Absolute": _unary("abs"),
    "Abs": _unary("abs"),
    "Sqrt": _unary("sqrt"),
    "Square": _unary("square"),
    "Exp": _unary("exp"),
    "Log": _unary("log"),
    "Reciprocal": _unary("reciprocal"),
    "Mean": _reduced("mean"),
    "Sum": _reduced("sum"),
    "Max": _reduced("amax"),
    "Min": _reduced("amin"),
    "GetItem": get_item,
    "Stack": stack,
    "Concatenate": concatenate,
    "Reshape": reshape,
    "Transpose": transpose,
    "ExpandDims": expand_dims,
    "Clip": clip,
    "Cast": cast,
    "Relu": _activation("relu"),
    "Relu6": _activation("relu6"),
    "LeakyRelu": _activation("leaky_relu"),
    "Elu": _activation("elu"),
    "Selu": _activation("selu"),
    "Sigmoid": _activation("sigmoid"),
    "Silu": _activation("silu"),
    "Swish": _activation("silu"),
    "Gelu": lambda builder, args, config: activations.SPECIAL["gelu"](
        builder, args[0], {"approximate": True} | dict(config)
    ),
    "HardSigmoid": _activation("hard_sigmoid"),
    "HardSilu": _activation("hard_silu"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Softmax": _activation("softmax"),
    "LogSoftmax": _activation("log_softmax"),
    "Tanh": _activation("tanh"),
}
