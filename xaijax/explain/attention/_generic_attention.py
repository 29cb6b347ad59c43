"""Gradient-weighted attention: the rule of Chefer et al. for self-attention, which needs no relevance propagation."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.attention import _layers
from xaijax.explain.cams import _maps


@explainer(family="cam", cost=3, needs={"attention"})
def generic_attention(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    last: _layers.Last = None,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Gradient-weighted attention (Chefer et al.): what reaches the class token through weights that raise the score.

    `S = row of the class token of R_L`, `R_l = R_{l-1} + Ā_l R_{l-1}`, `R_0 = I`, `Ā_l` = mean over heads of
    `relu(G_l A_l)`, `A_l` the attention weights `[heads, T, T]` of block l, `G_l = dy/dA_l`. Where the head does not
    read a class token, the mean over the rows of the patches.

    Args:
        classifier: a vision transformer with attention weights among its layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: the attention layers, first block first; None to find them.
        last: how many of the last blocks are used; None for all.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, at least 0; rows of R are not normalised.

    Raises:
        InputError: for a model that shows no attention weights.

    Differences:
        None to the authors' rule for self-attention, which starts at the first block; their notebook for CLIP starts at
        the last one: `last=1`. A head that reads the patches although there is a class token (BEiT) gets the rows of
        the patches.

    References:
        Chefer, Gur, Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
        Transformers", ICCV 2021, equations 5 and 6.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def attention(p, x):  # one head that spreads evenly over a class token and four patches
        ...     return jnp.full((x.shape[0], 1, 5, 5), 0.2) + 0 * x.sum()
        >>> model = Classifier.from_functions(  # the class token's weight for the first patch is evidence
        ...     attention, lambda p, a: a[:, 0, 0, :2] * p, 5 * jnp.ones(2), input_shape=(2, 2, 1), layer="attention"
        ... )
        >>> print(generic_attention(model, jnp.zeros((1, 2, 2, 1)), 1).round(3)[0])  # 5 x 0.2
        [[1. 0.]
         [0. 0.]]
    """
    names = _layers.chosen_layers(classifier, layer, "generic_attention")[-(last or 0) :]

    def combined(weights: Sequence[jax.Array], grads: Sequence[jax.Array]) -> jax.Array:
        batch, tokens = weights[0].shape[0], weights[0].shape[-1]
        relevance = jnp.broadcast_to(jnp.eye(tokens, dtype=weights[0].dtype), (batch, tokens, tokens))
        for A, G in zip(weights, grads, strict=True):
            step = jax.nn.relu(G * A).mean(1)
            relevance = relevance + jnp.matmul(step, relevance, precision=jax.lax.Precision.HIGHEST)
        return relevance

    return _layers.read_maps(classifier, images, labels, names, target, batch_size, combined)
