"""Keras's layers other than convolutions, and the table of all of them: class -> function that writes it."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax.models.importers.keras_graph import activations, convolutions
from xaijax.models.importers.keras_graph.builder import Builder, Value
from xaijax.models.importers.keras_graph.convolutions import check_last, pair, same_padding
from xaijax.models.importers.keras_graph.weights import Place
from xaijax.models.importers.torch_graph.graph import Ref

Config = Mapping[str, Any]
Layer = Callable[[Builder, Value, Config, Place], Value]
Merge = Callable[[Builder, Sequence[Value], Config], Value]

# What does nothing in inference.
PASSIVE = frozenset(
    {
        "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
        "ActivityRegularization", "Identity", "StochasticDepth", "RandomFlip", "RandomRotation", "RandomZoom",
        "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation",
        "RandomShear", "RandomPerspective", "RandomGaussianBlur", "RandomSharpness", "RandomGrayscale",
        "RandomColorJitter", "RandomColorDegeneration", "RandomPosterization", "RandomErasing",
        "RandomElasticTransform", "RandomInvert", "MixUp", "CutMix", "RandAugment", "AugMix",
    }
)  # fmt: skip


def number_or_array(value: Any) -> Any:
    """A number or an array of a configuration."""
    if isinstance(value, Mapping):
        return np.asarray(value["config"]["value"] if "config" in value else value["value"])
    return np.asarray(value)


# ------------------------------------------------------------------------------------------------------ normalisation


def batch_normalization(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`BatchNormalization` with its moving statistics."""
    _check_axis(builder, value, config)
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]
    arrays = {name: place.array(number, name) for number, name in enumerate((*names, "moving_mean", "moving_variance"))}
    refs = {
        name: builder.parameter(name, array, kind="buffer" if name.startswith("moving") else "parameter")
        for name, array in arrays.items()
    }
    source = builder.first(value) if value.ndim == 4 else value
    name = source.name
    if value.ndim == 3:
        name = builder.emit("transpose", input=Ref(name), dim0=1, dim1=2)
    name = builder.emit(
        "_native_batch_norm_legit_no_training",
        input=Ref(name),
        weight=refs.get("gamma"),
        bias=refs.get("beta"),
        running_mean=refs["moving_mean"],
        running_var=refs["moving_variance"],
        momentum=0.0,
        eps=float(config.get("epsilon", 1e-3)),
    )
    if value.ndim == 3:
        name = builder.emit("transpose", input=Ref(name), dim0=1, dim1=2)
    return builder.value(name, source.first)


def _check_axis(builder: Builder, value: Value, config: Config) -> None:
    axis = config.get("axis", -1)
    axes = [axis] if isinstance(axis, int) else list(axis)
    if [int(one) % value.ndim for one in axes] != [value.ndim - 1]:
        raise builder.refused(f"normalises over axis {axis}; xaijax reads the last axis alone")


def layer_normalization(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`LayerNormalization` over the channels."""
    _check_axis(builder, value, config)
    if config.get("rms_scaling"):
        raise builder.refused("is a layer norm with RMS scaling")
    value = builder.plain(value)
    weight, bias = _gamma_beta(builder, config, place)
    return builder.apply(
        "layer_norm",
        value,
        normalized_shape=[value.shape[-1]],
        weight=weight,
        bias=bias,
        eps=float(config.get("epsilon", 1e-3)),
    )


def group_normalization(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`GroupNormalization` of images."""
    _check_axis(builder, value, config)
    value = builder.first(value)
    weight, bias = _gamma_beta(builder, config, place)
    groups = int(config.get("groups", 32))
    return builder.apply(
        "group_norm",
        value,
        num_groups=value.shape[-1] if groups == -1 else groups,
        weight=weight,
        bias=bias,
        eps=float(config.get("epsilon", 1e-3)),
    )


def _gamma_beta(builder: Builder, config: Config, place: Place) -> tuple[Ref | None, Ref | None]:
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if config.get(key, True)]
    refs = {name: builder.parameter(name, place.array(number, name)) for number, name in enumerate(names)}
    return refs.get("gamma"), refs.get("beta")


def normalization(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Normalization`: of pixels, with statistics that are stated or were measured."""
    if config.get("invert"):
        raise builder.refused("is an inverted normalisation")
    axis = config.get("axis", -1)
    if axis not in (None, [], ()):
        _check_axis(builder, value, config)
    if config.get("mean") is not None:
        mean, variance = number_or_array(config["mean"]), number_or_array(config["variance"])
    else:
        mean, variance = place.array(0, "mean"), place.array(1, "variance")
    std = np.maximum(np.sqrt(variance), 1e-7)
    if mean.size == value.shape[-1]:
        mean = mean.reshape(-1)
    if std.size == value.shape[-1]:
        std = std.reshape(-1)
    return builder.combine("div", builder.combine("sub", value, mean), std)


def rescaling(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Rescaling`."""
    del place
    scaled = builder.combine("mul", value, number_or_array(config["scale"]))
    offset = number_or_array(config.get("offset", 0.0))
    return builder.combine("add", scaled, offset) if np.any(offset) else scaled


def layer_scale(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`LayerScale` of ConvNeXt: a factor for each channel."""
    del config
    gamma = builder.parameter("gamma", place.array(0, "gamma"))
    value = builder.plain(value)
    return builder.value(builder.emit("mul", input=Ref(value.name), other=gamma))


# -------------------------------------------------------------------------------------------------------- activations


def activation(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Activation`."""
    del place
    return activations.activated(builder, value, config.get("activation"))


def _activation_layer(kind: str) -> Layer:
    return lambda builder, value, config, place: activations.layered(builder, value, kind, config)


def prelu(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`PReLU`, with slopes for each channel, or for each place too."""
    del config
    value = builder.plain(value)
    slopes = builder.parameter("alpha", place.array(0, "alpha"))
    below = builder.emit("mul", input=Ref(builder.apply("clamp", value, max=0.0).name), other=slopes)
    return builder.value(builder.emit("add", input=Ref(builder.apply("relu", value).name), other=Ref(below)))


# ------------------------------------------------------------------------------------------------------------ pooling


def _pooling(op: str) -> Layer:
    def pool(builder: Builder, value: Value, config: Config, place: Place) -> Value:
        del place
        check_last(builder, config)
        value = builder.first(value)
        size = pair(config["pool_size"])
        stride = size if config.get("strides") is None else pair(config["strides"])
        pads = [(0, 0), (0, 0)]
        if config.get("padding", "valid") == "same":
            pads = same_padding(value.shape[1:3], size, stride)
        inside = value.shape[1:3]
        if any(side for both in pads for side in both):
            filler = -math.inf if op == "max_pool2d" else 0.0
            value = builder.apply("constant_pad_nd", value, pad=[*pads[1], *pads[0]], value=filler)
        made = builder.apply(op, value, kernel_size=list(size), stride=list(stride))
        if op == "max_pool2d" or not any(side for both in pads for side in both):
            return made
        # An average is over the pixels of the image alone.
        shares = [
            _shares(length, both, k, s, count)
            for length, both, k, s, count in zip(inside, pads, size, stride, made.shape[1:3], strict=True)
        ]
        return builder.combine("mul", made, np.multiply.outer(*shares)[None, :, :, None])

    return pool


def _shares(length: int, pads: tuple[int, int], k: int, s: int, count: int) -> np.ndarray:
    """For each window along an axis: its length by how many of its pixels are in the image."""
    there = np.pad(np.ones(length), pads)
    return np.asarray([k / there[index * s : index * s + k].sum() for index in range(count)])


def _global_pooling(op: str) -> Layer:
    def pool(builder: Builder, value: Value, config: Config, place: Place) -> Value:
        del place
        check_last(builder, config)
        value = builder.first(value)
        keep = bool(config.get("keepdims"))
        name = builder.emit(op, input=Ref(value.name), dim=[2, 3], keepdim=keep)
        return builder.value(name, keep)

    return pool


def _global_pooling_1d(op: str) -> Layer:
    def pool(builder: Builder, value: Value, config: Config, place: Place) -> Value:
        del place
        check_last(builder, config)
        if value.ndim != 3:
            raise builder.refused(f"pools an array of {value.ndim} axes")
        return builder.value(builder.emit(op, input=Ref(value.name), dim=[1], keepdim=bool(config.get("keepdims"))))

    return pool


# -------------------------------------------------------------------------------------------------------------- shapes


def flatten(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Flatten`."""
    del place
    check_last(builder, config)
    return builder.reshape(value, (math.prod(value.shape[1:]),))


def reshape(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Reshape`."""
    del place
    wanted = [int(side) for side in config["target_shape"]]
    if -1 in wanted:
        rest = -math.prod(wanted)
        wanted[wanted.index(-1)] = math.prod(value.shape[1:]) // rest
    return builder.reshape(value, wanted)


def permute(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Permute`."""
    del place
    dims = [0, *(int(dim) for dim in config["dims"])]
    return builder.value(builder.emit("permute", input=Ref(builder.plain(value).name), dims=dims))


def zero_padding2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`ZeroPadding2D`."""
    del place
    check_last(builder, config)
    (top, bottom), (left, right) = _pairs(config["padding"])
    return builder.apply("constant_pad_nd", builder.first(value), pad=[left, right, top, bottom], value=0.0)


def cropping2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Cropping2D`."""
    del place
    check_last(builder, config)
    value = builder.first(value)
    for axis, (low, high) in enumerate(_pairs(config["cropping"])):
        value = builder.apply("slice", value, dim=2 + axis, start=low, end=value.shape[1 + axis] - high)
    return value


def center_crop(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`CenterCrop` of an image that is not smaller."""
    del place
    value = builder.first(value)
    for axis, side in enumerate((int(config["height"]), int(config["width"]))):
        length = value.shape[1 + axis]
        if side > length:
            raise builder.refused(f"crops {side} pixels from {length}")
        start = (length - side) // 2
        value = builder.apply("slice", value, dim=2 + axis, start=start, end=start + side)
    return value


def _pairs(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(value, int):
        return (value, value), (value, value)
    first, second = value
    return pair(first), pair(second)


def up_sampling2d(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`UpSampling2D`."""
    del place
    check_last(builder, config)
    factors = pair(config.get("size", 2))
    sides = [side * factor for side, factor in zip(value.shape[1:3], factors, strict=True)]
    return _resized(builder, value, sides, str(config.get("interpolation", "nearest")))


def resizing(builder: Builder, value: Value, config: Config, place: Place) -> Value:
    """`Resizing`, without cropping or padding."""
    del place
    check_last(builder, config)
    if any(config.get(key) for key in ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "antialias")):
        raise builder.refused("resizes with cropping, padding or antialiasing")
    sides = [int(config["height"]), int(config["width"])]
    return _resized(builder, value, sides, str(config.get("interpolation", "bilinear")))


def _resized(builder: Builder, value: Value, sides: list[int], how: str) -> Value:
    value = builder.first(value)
    if tuple(sides) == value.shape[1:3]:
        return value
    if how == "bilinear":
        return builder.apply("upsample_bilinear2d", value, output_size=sides, align_corners=False)
    # Keras takes the middle of a pixel and PyTorch its edge: the same where each pixel is repeated.
    if how == "nearest" and all(side % own == 0 for side, own in zip(sides, value.shape[1:3], strict=True)):
        return builder.apply("upsample_nearest2d", value, output_size=sides)
    raise builder.refused(f"resizes {value.shape[1:3]} to {tuple(sides)} by {how}")


# --------------------------------------------------------------------------------------------------------- several in


def _folded(op: str) -> Merge:
    def merge(builder: Builder, values: Sequence[Value], config: Config) -> Value:
        del config
        if len({value.ndim for value in values}) != 1:
            raise builder.refused("joins arrays with different numbers of axes")
        found = values[0]
        for value in values[1:]:
            found = builder.combine(op, found, value)
        return found

    return merge


def average(builder: Builder, values: Sequence[Value], config: Config) -> Value:
    """`Average`."""
    return builder.combine("div", _folded("add")(builder, values, config), float(len(values)))


def scaled_sum(builder: Builder, values: Sequence[Value], config: Config) -> Value:
    """`CustomScaleLayer` of `keras.applications.InceptionResNetV2`: the first and a multiple of the second."""
    if len(values) != 2:
        raise builder.refused(f"takes {len(values)} arrays")
    return builder.combine("add", values[0], builder.combine("mul", values[1], float(config["scale"])))


def concatenate(builder: Builder, values: Sequence[Value], config: Config) -> Value:
    """`Concatenate`."""
    alike = values
    if any(value.first for value in values):
        alike = [builder.first(value) for value in values]
    dim = alike[0].axis(int(config.get("axis", -1)))
    return builder.value(builder.emit("cat", tensors=[Ref(value.name) for value in alike], dim=dim), alike[0].first)


LAYERS: dict[str, Layer] = {
    "Conv2D": convolutions.conv2d,
    "DepthwiseConv2D": convolutions.depthwise_conv2d,
    "SeparableConv2D": convolutions.separable_conv2d,
    "Conv2DTranspose": convolutions.conv2d_transpose,
    "Dense": convolutions.dense,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "Normalization": normalization,
    "Rescaling": rescaling,
    "LayerScale": layer_scale,
    "Activation": activation,
    "PReLU": prelu,
    **{kind: _activation_layer(kind) for kind in activations.LAYERS},
    "MaxPooling2D": _pooling("max_pool2d"),
    "AveragePooling2D": _pooling("avg_pool2d"),
    "GlobalAveragePooling2D": _global_pooling("mean"),
    "GlobalMaxPooling2D": _global_pooling("amax"),
    "GlobalAveragePooling1D": _global_pooling_1d("mean"),
    "GlobalMaxPooling1D": _global_pooling_1d("amax"),
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "ZeroPadding2D": zero_padding2d,
    "Cropping2D": cropping2d,
    "CenterCrop": center_crop,
    "UpSampling2D": up_sampling2d,
    "Resizing": resizing,
}
MERGES: dict[str, Merge] = {
    "Add": _folded("add"),
    "Subtract": _folded("sub"),
    "Multiply": _folded("mul"),
    "Maximum": _folded("maximum"),
    "Minimum": _folded("minimum"),
    "Average": average,
    "CustomScaleLayer": scaled_sum,
    "Concatenate": concatenate,
}
