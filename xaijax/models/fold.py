"""Batch normalisation put into the convolutions before it, for faster inference.

In inference batch normalisation is affine: `γ (x - μ) / sqrt(σ² + ε) + β`. Behind a convolution with nothing between
them its factor goes into the kernel and the rest into the bias. A module of the zoo says in `FOLDS` which of its
convolutions are followed so; other normalisations (before a convolution, as in DenseNet) stay.

References:
    Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
    CVPR 2018, section 3.2.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from xaijax._network import nnx_module
from xaijax._network.nnx_module import NNXNetwork
from xaijax.classifier import Classifier, UnsupportedError


class Folded(nnx.Module):
    """What is left of a normalisation: nothing. Its layer keeps its name and its activations."""

    def __call__(self, x: Any) -> Any:
        return x


def optimized(classifier: Classifier) -> Classifier:
    """The same classifier with batch normalisation folded into convolutions, for explaining.

    Args:
        classifier: any; only models of `xaijax.models` change.

    Returns:
        A classifier with the same classes, layers and logits (within 1e-4 of the largest in float32). A folded
        convolution's own layer gives what its normalisation gave. It can neither be trained nor saved.

    Raises:
        UnsupportedError: for a classifier that is not made from an NNX module.

    Example:
        >>> from xaijax import models
        >>> model = models.create("small_cnn", 3, (32, 32, 1))
        >>> "mean" in model.params["stem"]["norm"], "norm" in models.optimized(model).params["stem"]
        (True, False)
    """
    network = classifier.network
    if not isinstance(network, NNXNetwork):
        raise UnsupportedError(f"batch norm can be folded in NNX modules; this classifier is made from {network.kind}")
    module = network.merge(classifier.params)
    for _, child in list(nnx.iter_modules(module)):
        for conv_name, norm_name in getattr(child, "FOLDS", ()):
            norm = getattr(child, norm_name)
            if isinstance(norm, nnx.BatchNorm):
                setattr(child, conv_name, _fold(getattr(child, conv_name), norm))
                setattr(child, norm_name, Folded())
    made, params = nnx_module.split(module, arguments=dict(network.arguments), output=network.output)
    folded = Classifier.from_network(
        made,
        params,
        input_shape=classifier.input_shape,
        classes=classifier.classes,
        preprocess=classifier.preprocess,
        layer=classifier.layer,
    )
    return folded.with_relu(classifier.relu_rule)


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
            rngs=nnx.Rngs(0),
        )
    )
    dtype = conv.kernel.dtype
    folded.kernel = nnx.Param(jnp.asarray(kernel, dtype))
    folded.bias = nnx.Param(jnp.asarray(bias, dtype))
    return folded
