"""Attention rollout for vision transformers: attention multiplied up over the blocks.

The model must have its attention weights as layers of shape `(heads, T, T)`; they are found by that shape and by "att"
in their name, or named with `layer=`.
"""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from xaijax._options import Range
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain.attention import _layers
from xaijax.explain.cams import _maps

Fuse = Literal["mean", "max", "min"]
Discard = Annotated[float, Range(0, 1, without_high=True)]
"""A share below 1: what is discarded must leave something."""


def with_identity(product: jax.Array | None, attention: jax.Array) -> jax.Array:
    """`rownorm((attention + I)/2) product` `[B, T, T]`: one block more, from the left."""
    mixed = attention + jnp.eye(attention.shape[-1], dtype=attention.dtype)[None]
    mixed = mixed / mixed.sum(-1, keepdims=True)
    return mixed if product is None else jnp.matmul(mixed, product, precision=jax.lax.Precision.HIGHEST)


def without_lowest(attention: jax.Array, ratio: float) -> jax.Array:
    """`[B, T, T]` with the lowest share of each image's values set to zero; of equal ones the first go first."""
    count = int(ratio * attention.shape[1] * attention.shape[2])
    if count == 0:
        return attention

    def discard(flat: jax.Array) -> jax.Array:
        lowest = jnp.argsort(flat, stable=True)[:count]
        return flat.at[lowest].set(0)

    return jax.vmap(discard)(attention.reshape(attention.shape[0], -1)).reshape(attention.shape)


@explainer(family="cam", cost=1, needs={"attention"})
def attention_rollout(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    fuse: Fuse = "mean",
    discard_ratio: Discard = 0.0,
    rows: Literal["class", "mean"] = "class",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Attention rollout: how much of each patch reaches the class token. It does not depend on the class.

    `S = row of the class token of Â_L ... Â_1`, `Â_l` = `(mean over heads of attention_l + I)/2` with rows scaled to
    sum 1; without a class token the mean over rows. Heads may be fused by their maximum or minimum, and the lowest
    share of the fused weights may be set to zero before I is added.

    Args:
        classifier: a vision transformer with attention weights among its layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: not used.
        layer: the attention layers, first block first; None to find them.
        fuse: over heads, `"mean"`, `"max"` or `"min"`.
        discard_ratio: share of the fused weights of each block that is set to zero, the lowest first, per image.
        rows: `"class"`, the row of the first token where tokens stand in front of the patches; `"mean"`, the mean over
            the patches' rows, for a head that reads the patches although there is a class token (BEiT).
        batch_size: most images in one forward pass.

    Returns:
        `[B, H, W]` float32, at least 0; before the resize the patches' shares sum to less than 1, the rest is the class
        token's own.

    Raises:
        InputError: for a model that shows no attention weights.

    Differences:
        The mean over heads and nothing discarded, as in the paper. vit-explain discards 90 % by default, never the
        weight of the class token for itself, and for the first image of a batch alone; it divides by the sums of the
        rows along the wrong axis. Here each image loses its own lowest weights, and rows sum to 1.

    References:
        Abnar, Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, equation 1.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def attention(p, x):  # one head that spreads evenly over a class token and four patches
        ...     return jnp.full((x.shape[0], 1, 5, 5), 0.2) + 0 * x.sum()
        >>> model = Classifier.from_functions(
        ...     attention, lambda p, a: a[:, 0, 0, :2] * p, jnp.ones(2), input_shape=(2, 2, 1), layer="attention"
        ... )
        >>> print(attention_rollout(model, jnp.zeros((1, 2, 2, 1))).round(3)[0])
        [[0.1 0.1]
         [0.1 0.1]]
    """
    names = _layers.chosen_layers(classifier, layer, "attention_rollout")
    size = (images.shape[1], images.shape[2])

    def maps(x: jax.Array) -> jax.Array:
        taps = classifier.tapped(classifier.params, x, dict.fromkeys(names))[1]
        product = None
        for name in names:
            heads = taps[name]
            fused = heads.mean(1) if fuse == "mean" else heads.max(1) if fuse == "max" else heads.min(1)
            product = with_identity(product, without_lowest(fused, discard_ratio))
        assert product is not None
        prefix = _layers.patch_grid(product.shape[-1], size)[1]
        row = product[:, 0] if prefix and rows == "class" else product[:, prefix:].mean(1)
        return _layers.on_image(row, size)

    return _chunk.map_images(maps, images, batch_size)
