"""Gradient rollout: attention rollout whose weights are multiplied by their gradients first.

The mean over heads is taken before the ReLU, so that heads for and against the class cancel; generic attention takes
the ReLU first.
"""

from collections.abc import Sequence

import jax

from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.attention import _layers
from xaijax.explain.attention._rollout import Discard, with_identity, without_lowest
from xaijax.explain.cams import _maps


@explainer(family="cam", cost=3, needs={"attention"})
def gradient_rollout(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    last: _layers.Last = None,
    discard_ratio: Discard = 0.0,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Gradient rollout: attention rollout of the weights that speak for the class.

    `S = row of the class token of Â_L ... Â_1`, `Â_l` = `(relu(mean over heads of G_l A_l) + I)/2` with rows scaled to
    sum 1, `A_l` the attention weights `[heads, T, T]` of block l, `G_l = dy/dA_l`. Where the head does not read a class
    token, the mean over the rows of the patches.

    Args:
        classifier: a vision transformer with attention weights among its layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: the attention layers, first block first; None to find them.
        last: how many of the last blocks are used; None for all.
        discard_ratio: share of the fused weights of each block that is set to zero, the lowest first, per image.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, at least 0, shares of the class token's row.

    Raises:
        InputError: for a model that shows no attention weights.

    Differences:
        vit-explain pairs the attention of the first block with the gradient of the last one, and so on, and discards a
        share of 0.9 by default; here each block has its own gradient. Chefer et al., CVPR 2021, is another method: it
        propagates relevance in place of attention.

    References:
        Abnar, Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020; Gildenblat, vit-explain, 2020
        (gradients).

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def attention(p, x):  # one head that spreads evenly over a class token and four patches
        ...     return jnp.full((x.shape[0], 1, 5, 5), 0.2) + 0 * x.sum()
        >>> model = Classifier.from_functions(  # the class token's weight for the first patch is evidence
        ...     attention, lambda p, a: a[:, 0, 0, :2] * p, 5 * jnp.ones(2), input_shape=(2, 2, 1), layer="attention"
        ... )
        >>> print(gradient_rollout(model, jnp.zeros((1, 2, 2, 1)), 1).round(3)[0])  # 1/(1 + 1)
        [[0.5 0. ]
         [0.  0. ]]
    """
    names = _layers.chosen_layers(classifier, layer, "gradient_rollout")[-(last or 0) :]

    def combined(weights: Sequence[jax.Array], grads: Sequence[jax.Array]) -> jax.Array:
        product = None
        for A, G in zip(weights, grads, strict=True):
            product = with_identity(product, without_lowest(jax.nn.relu((G * A).mean(1)), discard_ratio))
        assert product is not None
        return product

    return _layers.read_maps(classifier, images, labels, names, target, batch_size, combined)
