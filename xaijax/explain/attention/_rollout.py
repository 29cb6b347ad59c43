"""Attention rollout for vision transformers.

The model must have its attention weights as layers of shape `(heads, T, T)`; they are found by that shape and by "att"
in their name, or named with `layer=`.
"""

import math

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax._network.grids import token_grid
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._resize import resize
from xaijax.explain.cams import _maps


def attention_layers(classifier: Classifier) -> tuple[str, ...]:
    """Names of the layers that give attention weights, from the first block to the last."""
    return tuple(
        name
        for name, shape in classifier.layers().items()
        if len(shape) == 3 and shape[1] == shape[2] and "att" in name.lower()
    )


@explainer(family="cam", cost=1, needs={"attention"})
def attention_rollout(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Attention rollout: how much of each patch reaches the class token. It does not depend on the class.

    `S = row of the class token of Â_L ... Â_1`, `Â_l` = `(mean over heads of attention_l + I)/2` with rows scaled to
    sum 1; without a class token the mean over rows.

    Args:
        classifier: a vision transformer with attention weights among its layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: not used.
        layer: the attention layers, first block first; None to find them.
        batch_size: most images in one forward pass.

    Returns:
        `[B, H, W]` float32, at least 0; before the resize the patches' shares sum to less than 1, the rest is the class
        token's own.

    Raises:
        InputError: for a model that shows no attention weights.

    Differences:
        The mean over heads, as in the paper; later variants with a maximum or with the smallest weights discarded are
        not here.

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
    names = attention_layers(classifier) if layer is None else (layer,) if isinstance(layer, str) else tuple(layer)
    if not names:
        raise InputError(
            "attention_rollout needs a vision transformer that shows its attention weights as layers (heads, T, T); "
            "this model has none"
        )
    size = (images.shape[1], images.shape[2])

    def maps(x: jax.Array) -> jax.Array:
        taps = classifier.tapped(classifier.params, x, dict.fromkeys(names))[1]
        product = None
        for name in names:
            weights = taps[name].mean(1)
            mixed = weights + jnp.eye(weights.shape[-1], dtype=weights.dtype)[None]
            mixed = mixed / mixed.sum(-1, keepdims=True)
            product = mixed if product is None else jnp.matmul(mixed, product, precision=jax.lax.Precision.HIGHEST)
        assert product is not None
        tokens = product.shape[-1]
        grid = token_grid(tokens, size)
        if grid is None:
            raise InputError(f"{tokens} tokens fit no grid of square patches of a {size[0]} x {size[1]} image")
        prefix = tokens - math.prod(grid)
        row = product[:, 0] if prefix else product.mean(1)
        return resize(row[:, prefix:].reshape(-1, *grid), size).astype(jnp.float32)

    return _chunk.map_images(maps, images, batch_size)
