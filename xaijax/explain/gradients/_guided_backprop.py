"""Guided backpropagation: the gradient with another rule at every ReLU.

Known to depend little on the weights of the upper layers (Adebayo et al., NeurIPS 2018): compare it with the controls.
"""

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, input_gradients
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target


@explainer(family="gradient", cost=3, needs={"relu"})
def guided_backprop(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    target: Target = "logit",
    reduce: Reduce = "abs_max",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Guided backpropagation.

    `S = reduce_c (dy/dx_c)'`, where every ReLU passes back `max(g, 0)` where its input was positive, else 0.

    Args:
        classifier: a classifier with ReLUs that `with_relu` reaches.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"abs_max"`, `"abs_sum"`, `"sum"` (signed), `"none"` (keep C).
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, score per unit of image intensity.

    Raises:
        InputError: for a model without ReLU.

    Differences:
        Captum's module hooks reach `nn.ReLU` modules that are used once; here every ReLU of the traced program gets the
        rule.

    References:
        Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR workshop 2015.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> def logits(w, x):  # the second unit is evidence against class 0: it gets no gradient
        ...     return jax.nn.relu(x.reshape(-1, 2)) @ w
        >>> model = Classifier.from_function(logits, jnp.array([[2.0, 0.0], [-4.0, 1.0]]), input_shape=(1, 2, 1))
        >>> guided_backprop(model, jnp.ones((1, 1, 2, 1)), 0).tolist()
        [[[2.0, 0.0]]]
    """
    guided = classifier.with_relu("guided")
    grads = _chunk.map_images(
        lambda group: input_gradients(guided, group[0], group[1], target), (images, labels), batch_size
    )
    return reduce_channels(grads, reduce)
