"""FullGrad: input gradient plus the gradient of every bias, which together make up the score exactly.

For a network of linear layers and ReLUs `y = x·dy/dx + Σ_l b_l·g_l`, with `g_l = dy/d(output of l)` and every bias
counted: convolutions, dense layers, batch norm as `β - μγ/√(σ² + ε)`, the preprocessing's shift. All layers' gradients
come from one backward pass. `Σ_c resize(ψ_c)` is computed as `resize(Σ_c ψ_c)`: the resize is linear, and a channel's
full-size map is not made. Biases without positions (dense layers) enter the completeness gap, not the map.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize
from xaijax.explain._postprocess import minmax
from xaijax.explain._registry import checked, explainer
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target, score
from xaijax.explain.cams import _maps


def _terms(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target
) -> tuple[jax.Array, Mapping[str, jax.Array], jax.Array]:
    """`(x·dy/dx [B, H, W, C], {layer: b·g [B, ..., C]}, y [B])`."""
    biases = classifier.biases(classifier.params)
    if not biases:
        raise InputError("fullgrad needs a model with biases (batch norm counts); this one has none")

    def value(x: jax.Array, offsets: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        y = score(classifier.output, classifier.tapped(classifier.params, x, offsets)[0], labels, target)
        return y.sum(), y

    offsets = classifier.zero_offsets(images, tuple(biases))
    (to_image, to_layers), y = jax.grad(value, argnums=(0, 1), has_aux=True)(images, offsets)
    by_layer = {}
    for name, bias in biases.items():
        by_layer[name] = to_layers[name] * bias  # of channels, or of every pixel
    return images * to_image, by_layer, y


def _rescaled(values: jax.Array, epsilon: float) -> jax.Array:
    """`Σ_c ψ(values_c)`, ψ = absolute value, then min-max of each channel: `[B, h, w, C] -> [B, h, w]`.

    `postprocess.minmax` of the channels, with the channels left where they are: moving them would copy all layers.
    """
    size = jnp.abs(values)
    low = size.min((1, 2), keepdims=True)
    span = size.max((1, 2), keepdims=True) - low
    flat = span == 0
    scaled = (size - low) / (jnp.where(flat, jnp.ones_like(span), span) + epsilon)
    return jnp.where(flat, jnp.zeros_like(scaled), scaled).sum(-1)


def _group(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target, convention: _maps.Convention
) -> tuple[jax.Array, jax.Array]:
    from_image, by_layer, y = _terms(classifier, images, labels, target)
    size = (images.shape[1], images.shape[2])
    epsilon = 1e-7 if convention == "pytorch-grad-cam" else 0.0  # not negligible compared with a deep layer's gradients
    maps = _rescaled(from_image, epsilon)
    gap = from_image.sum((1, 2, 3)) - y
    for values in by_layer.values():
        gap = gap + values.reshape(values.shape[0], -1).sum(1)
        if values.ndim == 4:
            maps = maps + resize(_rescaled(values, epsilon), size)
    return (minmax(maps, epsilon) if convention == "pytorch-grad-cam" else maps).astype(jnp.float32), gap


@explainer(family="cam", cost=3, needs={"biases"})
def fullgrad(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    target: Target = "logit",
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """FullGrad: the input's and all biases' contributions, rescaled and added up over layers and channels.

    `S = Σ_c ψ(x_c dy/dx_c) + Σ_l Σ_c resize(ψ(b_lc g_lc))`, `ψ` = absolute value, then
    `(v - min)/(max - min)` per channel.

    Args:
        classifier: a classifier made from a module (its biases must be known).
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"`, or `"pytorch-grad-cam"` (1e-7 in every min-max, and one more at
            the end).
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, at least 0, at most the number of channels with a bias; in [0, 1] with
        `convention="pytorch-grad-cam"`.

    Raises:
        InputError: for a classifier whose biases are not known.

    Differences:
        pytorch-grad-cam knows the biases of convolutions and batch norm; here the preprocessing's shift is in the map
        as well, and dense biases, which have no place, in the completeness gap. `convention="pytorch-grad-cam"` adds
        its 1e-7 and a last min-max.

    References:
        Srinivas, Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019, equations 3
        and 7.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from xaijax.classifier import Classifier
        >>> net = nnx.Sequential(nnx.Linear(1, 2, rngs=nnx.Rngs(0)), nnx.relu, lambda a: a.mean((1, 2)))
        >>> net.layers[0].bias[...] = jnp.ones(2)
        >>> model = Classifier.from_nnx(net, input_shape=(2, 2, 1))
        >>> fullgrad(model, jnp.arange(4.0).reshape(1, 2, 2, 1) / 4, 0).shape
        (1, 2, 2)
    """
    return _chunk.map_images(
        lambda group: _group(classifier, group[0], group[1], target, convention)[0], (images, labels), batch_size
    )


@checked
def fullgrad_with_gap(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    target: Target = "logit",
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> tuple[jax.Array, jax.Array]:
    """`fullgrad`, and how far the contributions miss the score.

    `gap = Σ x·dy/dx + Σ_l b_l·g_l - y`, before any rescaling: 0 but for rounding when every layer is linear or a ReLU
    (or a pooling); other activations (GELU, sigmoid, softmax) leave a gap.

    Args:
        classifier: as in `fullgrad`, like all the options.
        images: as there.
        labels: as there.
        target: as there.
        convention: as there.
        batch_size: as there.

    Returns:
        `(maps [B, H, W], gap [B])`, float32; the gap in the unit of the score.

    Example:
        >>> import jax.numpy as jnp
        >>> from flax import nnx
        >>> from xaijax.classifier import Classifier
        >>> net = nnx.Sequential(nnx.Linear(1, 2, rngs=nnx.Rngs(0)), nnx.relu, lambda a: a.mean((1, 2)))
        >>> model = Classifier.from_nnx(net, input_shape=(2, 2, 1))
        >>> _, gap = fullgrad_with_gap(model, jnp.ones((1, 2, 2, 1)), 0)
        >>> abs(float(gap[0])) < 1e-6
        True
    """
    return _chunk.map_images(
        lambda group: _group(classifier, group[0], group[1], target, convention), (images, labels), batch_size
    )
