"""LeGrad: how the score read off each block changes with that block's attention, added up over the blocks."""

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.attention import _blocks, _layers


@explainer(family="cam", cost=3, needs={"attention"})
def legrad(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    last: _layers.Last = None,
    target: Target = "logit",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """LeGrad: how sensitive the score after each block is to the attention in it.

    `S = Σ_l E_l`, `E_l` = mean over heads and over all query rows of `relu(ds_l/dA_l)`, `A_l` the attention weights
    `[heads, T, T]` of block l, `s_l` the score if the model ended after block l: its output tokens go to the final
    norm, the pooling and the head. The gradient is with respect to block l's attention, never through other blocks.

    Args:
        classifier: a vision transformer whose attention weights and blocks are among its layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the class that the whole model predicts.
        last: how many of the last blocks are used; None for all.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, at least 0, unit of the score.

    Raises:
        InputError: for a model that shows no attention weights, or no output of its blocks.

    Differences:
        The authors' package uses the last blocks alone (`last=2` there), pools the mean of all tokens of CLIP, which it
        normalises, and scales the sum to [0, 1] before it is resized; here the model's own pooling and head are used,
        and `postprocess` scales.

    References:
        Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
        ICCV 2025.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def attention(p, x):  # one head that spreads evenly over a class token and four patches
        ...     return jnp.full((x.shape[0], 1, 5, 5), 0.2) + 0 * x.sum()
        >>> model = Classifier.from_functions(  # the class token's weight for the first patch is evidence
        ...     attention, lambda p, a: a[:, 0, 0, :2] * p, 5 * jnp.ones(2), input_shape=(2, 2, 1), layer="attention"
        ... )
        >>> print(legrad(model, jnp.zeros((1, 2, 2, 1)), 1).round(3)[0])  # one of five rows has a gradient of 5
        [[1. 0.]
         [0. 0.]]
    """
    every = _layers.chosen_layers(classifier, None, "legrad")
    names = every[-(last or 0) :]
    size = (images.shape[1], images.shape[2])
    block = _blocks.block_of(classifier, every, "legrad") if len(every) > 1 else {}

    def maps(group: tuple) -> jax.Array:
        x, y = group
        if block:
            blocks = [block[name] for name in every]
            grads = _blocks.gradients_of_own_blocks(classifier, x, y, names, blocks, target)
        else:  # the only block's score is the model's
            grads = _layers.weights_and_gradients(classifier, x, y, names, target)[1]
        parts = [jax.nn.relu(each).mean((1, 2)) for each in grads]
        return _layers.on_image(sum(parts[1:], parts[0]), size)

    return _chunk.map_images(maps, (images, labels), batch_size)
