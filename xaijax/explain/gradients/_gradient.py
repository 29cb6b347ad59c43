"""Gradient and input x gradient.

`dy/dx` of the score with respect to the displayed image in [0, 1]: the weights' own preprocessing is inside the model,
so the unit is score per grey level of the full range. `vanilla` saliency of other packages is `reduce="abs_max"`.
"""

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, input_gradients
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target


@explainer(family="gradient", cost=3)
def gradient(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    target: Target = "logit",
    reduce: Reduce = "abs_max",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Gradient of the score with respect to the image.

    `S = reduce_c dy/dx_c`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"abs_max"` (as Simonyan et al.), `"abs_sum"`, `"sum"` (signed), `"none"` (keep C).
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, score per unit of image intensity; signed only with `reduce="sum"`.

    Differences:
        saliency and Captum keep the channels (`reduce="none"`), Captum takes absolute values, and both differentiate by
        the normalised input; here the weights' preprocessing is in the model.

    References:
        Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks", ICLR workshop 2014.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.arange(8.0).reshape(4, 2)
        >>> model = Classifier.from_function(lambda w, x: x.reshape(-1, 4) @ w, weights, input_shape=(2, 2, 1))
        >>> gradient(model, jnp.ones((1, 2, 2, 1)), 1)[0].tolist()
        [[1.0, 3.0], [5.0, 7.0]]
    """
    grads = _chunk.map_images(
        lambda group: input_gradients(classifier, group[0], group[1], target), (images, labels), batch_size
    )
    return reduce_channels(grads, reduce)


@explainer(family="gradient", cost=3, signed=True)
def input_x_gradient(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    target: Target = "logit",
    reduce: Reduce = "sum",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Image times gradient, the first-order estimate of what each pixel adds to the score of a black image.

    `S = reduce_c x_c dy/dx_c`.

    Args:
        classifier: any classifier.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"sum"` (signed), `"abs_sum"`, `"abs_max"`, `"none"` (keep C).
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, unit of the score, signed with `reduce="sum"`.

    Differences:
        Captum multiplies by the normalised input, here by the displayed image in [0, 1]: the zero reference is a black
        image.

    References:
        Shrikumar et al., "Not Just a Black Box", 2016.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> square = lambda w, x: (x**2).sum((1, 2, 3))[:, None] * w
        >>> model = Classifier.from_function(square, jnp.array([3.0, 1.0]), input_shape=(1, 2, 1))
        >>> image = jnp.array([[[[1.0], [0.5]]]])
        >>> input_x_gradient(model, image, 0).tolist()
        [[[6.0, 1.5]]]
    """
    grads = _chunk.map_images(
        lambda group: input_gradients(classifier, group[0], group[1], target), (images, labels), batch_size
    )
    return reduce_channels(images * grads, reduce)
