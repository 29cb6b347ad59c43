"""Normalisations: batch norm with running statistics, and those whose statistics come from the image itself."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from xaijax.models.importers.torch_graph.laid import Laid, together
from xaijax.models.importers.torch_graph.operations._table import operation


def _normalised(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    """`(x - mean) / sqrt(variance + eps)` over some axes, in float32 at least; and the mean and the factor."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = wide.mean(axes, keepdims=True)
    factor = lax.rsqrt(jnp.square(wide - mean).mean(axes, keepdims=True) + eps)
    return ((wide - mean) * factor).astype(x.dtype), mean, factor


def _scaled(x: Laid, weight: Laid | None, bias: Laid | None, dim: int) -> Laid:
    """Times a vector, plus a vector, along an axis."""
    array = x.array
    if weight is not None:
        array = array * x.along(weight.logical().astype(array.dtype), dim)
    if bias is not None:
        array = array + x.along(bias.logical().astype(array.dtype), dim)
    return x.kept(array)


def scale_and_shift(weight: Any, bias: Any, running_mean: Any, running_var: Any, eps: float) -> tuple[Any, Any]:
    """Batch norm with running statistics as `x * scale + shift`: `γ / sqrt(σ² + ε)` and `β - μ γ / sqrt(σ² + ε)`."""
    scale = lax.rsqrt(running_var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -running_mean * scale
    return scale, shift if bias is None else bias + shift


@operation("_native_batch_norm_legit_no_training")
def batch_norm_inference(
    input: Laid,
    weight: Laid | None,
    bias: Laid | None,
    running_mean: Laid,
    running_var: Laid,
    momentum: float,
    eps: float,
) -> tuple[Laid, Laid, Laid]:
    del momentum
    # The mean comes off first: a large one would cost digits otherwise.
    scale, _ = scale_and_shift(_value(weight), None, running_mean.logical(), running_var.logical(), eps)
    dtype = input.dtype
    array = (input.array - input.along(running_mean.logical().astype(dtype), 1)) * input.along(scale.astype(dtype), 1)
    empty = Laid.of(jnp.zeros((0,), dtype))
    return _scaled(input.kept(array), None, bias, 1), empty, empty


def _value(laid: Laid | None) -> Any:
    return None if laid is None else laid.logical()


@operation("batch_norm")
def batch_norm(
    input: Laid,
    weight: Laid | None,
    bias: Laid | None,
    running_mean: Laid | None,
    running_var: Laid | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Laid:
    del cudnn_enabled
    return native_batch_norm(input, weight, bias, training, momentum, eps, running_mean, running_var)[0]


@operation("_native_batch_norm_legit", "native_batch_norm")
def native_batch_norm(
    input: Laid,
    weight: Laid | None,
    bias: Laid | None,
    training: bool,
    momentum: float,
    eps: float,
    running_mean: Laid | None = None,
    running_var: Laid | None = None,
) -> tuple[Laid, Laid, Laid]:
    if not training and running_mean is not None and running_var is not None:
        return batch_norm_inference(input, weight, bias, running_mean, running_var, momentum, eps)
    axes = input.axes([dim for dim in range(input.ndim) if dim != 1])
    array, mean, factor = _normalised(input.array, axes, eps)
    return (
        _scaled(input.kept(array), weight, bias, 1),
        Laid.of(mean.reshape(-1)),
        Laid.of(factor.reshape(-1)),
    )


@operation("instance_norm")
def instance_norm(
    input: Laid,
    weight: Laid | None,
    bias: Laid | None,
    running_mean: Laid | None,
    running_var: Laid | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Laid:
    del cudnn_enabled
    if not use_input_stats and running_mean is not None and running_var is not None:
        return batch_norm_inference(input, weight, bias, running_mean, running_var, momentum, eps)[0]
    array, _, _ = _normalised(input.array, input.axes(range(2, input.ndim)), eps)
    return _scaled(input.kept(array), weight, bias, 1)


@operation("native_layer_norm")
def native_layer_norm(
    input: Laid, normalized_shape: Sequence[int], weight: Laid | None, bias: Laid | None, eps: float
) -> tuple[Laid, Laid, Laid]:
    axes = input.axes(range(-len(normalized_shape), 0))
    array, mean, factor = _normalised(input.array, axes, eps)
    result = input.kept(array)
    if weight is not None:
        result = together(lambda x, w: x * w.astype(x.dtype), result, weight)
    if bias is not None:
        result = together(lambda x, b: x + b.astype(x.dtype), result, bias)
    return result, input.kept(mean), input.kept(factor)


@operation("layer_norm")
def layer_norm(
    input: Laid,
    normalized_shape: Sequence[int],
    weight: Laid | None = None,
    bias: Laid | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Laid:
    del cudnn_enable
    return native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


@operation("rms_norm")
def rms_norm(
    input: Laid, normalized_shape: Sequence[int], weight: Laid | None = None, eps: float | None = None
) -> Laid:
    axes = input.axes(range(-len(normalized_shape), 0))
    x = input.array.astype(jnp.promote_types(input.dtype, jnp.float32))
    eps = float(jnp.finfo(input.dtype).eps) if eps is None else eps
    result = input.kept((x * lax.rsqrt(jnp.square(x).mean(axes, keepdims=True) + eps)).astype(input.dtype))
    return result if weight is None else together(lambda a, w: a * w.astype(a.dtype), result, weight)


@operation("group_norm")
def group_norm(
    input: Laid,
    num_groups: int,
    weight: Laid | None = None,
    bias: Laid | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Laid:
    del cudnn_enabled
    channels = input.shape[1]
    last = (0, *range(2, input.ndim), 1)
    x = input.arranged(last)
    grouped = x.reshape(*x.shape[:-1], num_groups, channels // num_groups)
    axes = (*range(1, x.ndim - 1), x.ndim)
    array, _, _ = _normalised(grouped, axes, eps)
    return _scaled(Laid.arranged_as(array.reshape(x.shape), last), weight, bias, 1)


@operation("native_group_norm")
def native_group_norm(
    input: Laid, weight: Laid | None, bias: Laid | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Laid, Laid, Laid]:
    del C, HxW
    result = group_norm(input, group, weight, bias, eps)
    empty = Laid.of(jnp.zeros((N, group), input.dtype))
    return result, empty, empty
