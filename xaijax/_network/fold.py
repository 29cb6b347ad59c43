"""A module made faster for inference: batch normalisation in the convolutions before it, 1x1 convolutions as products.

In inference batch normalisation is affine: `γ (x - μ) / sqrt(σ² + ε) + β`. Behind a convolution with nothing between
them its factor goes into the kernel and the rest into the bias. A module says in `FOLDS` which of its convolutions are
followed so (those of `xaijax.models` do); other normalisations (before a convolution, as in DenseNet) stay.

References:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    CVPR 2018, section 3.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from xaijax._network import nnx_module
from xaijax._network.convolution import conv_general_dilated
from xaijax._network.nnx_module import NNXNetwork


class Folded(nnx.Module):
    """What is left of a normalisation: nothing. Its layer keeps its name and its activations."""

    def __call__(self, x: Any) -> Any:
        return x


@dataclass(frozen=True)
class Float32:
    """What picks the logits, and then float32 of them."""

    output: Callable[[Any], Any] | None

    def __call__(self, result: Any) -> Any:
        """The logits."""
        logits = result if self.output is None else self.output(result)
        return logits.astype(jnp.float32)


def optimized(network: NNXNetwork, params: Any, dtype: Any) -> tuple[NNXNetwork, dict[str, Any]]:
    """The network and parameters of the faster module; `dtype` is what it computes in, None for that of the arrays."""
    module: Any = network.merge(params)
    for _, child in list(nnx.iter_modules(module)):
        for conv_name, norm_name in getattr(child, "FOLDS", ()):
            norm = getattr(child, norm_name)
            if isinstance(norm, nnx.BatchNorm):
                setattr(child, conv_name, _fold(getattr(child, conv_name), norm))
                setattr(child, norm_name, Folded())
    layers: list[Any] = [layer for _, layer in nnx.iter_modules(module)]
    for layer in layers:
        if isinstance(layer, nnx.Conv) and layer.conv_general_dilated is jax.lax.conv_general_dilated:
            layer.conv_general_dilated = conv_general_dilated
        if dtype is not None and hasattr(layer, "promote_dtype"):
            layer.dtype = dtype
    output = network.output if dtype is None else Float32(network.output)
    return nnx_module.split(module, arguments=dict(network.arguments), output=output)


def _fold(conv: nnx.Conv, norm: nnx.BatchNorm) -> nnx.Conv:
    def array(value: Any, otherwise: float) -> np.ndarray:
        return np.asarray(otherwise) if value is None else np.asarray(value[...], np.float64)

    factor = array(norm.scale, 1.0) / np.sqrt(array(norm.var, 1.0) + norm.epsilon)
    kernel = array(conv.kernel, 0.0) * factor
    bias = (array(conv.bias, 0.0) - array(norm.mean, 0.0)) * factor + array(norm.bias, 0.0)
    folded = nnx.eval_shape(
        lambda: nnx.Conv(
            conv.in_features,
            conv.out_features,
            conv.kernel_size,
            conv.strides,
            padding=conv.padding,
            feature_group_count=conv.feature_group_count,
            use_bias=True,
            conv_general_dilated=conv.conv_general_dilated,
            rngs=nnx.Rngs(0),
        )
    )
    dtype = conv.kernel.dtype
    folded.kernel = nnx.Param(jnp.asarray(kernel, dtype))
    folded.bias = nnx.Param(jnp.asarray(bias, dtype))
    return folded
