"""CAM, for models that end in global average pooling and one dense layer."""

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain.cams import _maps


@explainer(family="cam", cost=1, needs={"layer", "head"}, signed=True)
def cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Class activation map: activations weighted by the dense layer's weights of the class.

    `S = Σ_c W[c, class] A_c`, `A` the activations before global average pooling; no bias. Grad-CAM of such a model is
    this divided by the number of positions.

    Args:
        classifier: a classifier whose `head` is pooling and one dense layer.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        convention: `"paper"`, or `"pytorch-grad-cam"` (ReLU and min-max at low resolution, then resize).
        batch_size: most images in one forward pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the logit: the mean over the layer's positions is the logit less its bias;
        in [0, 1] with `convention="pytorch-grad-cam"`.

    Raises:
        InputError: for a model that ends in another way.

    Differences:
        The authors' code scales to [0, 255] and resizes by OpenCV; here the map is raw and `postprocess` scales.

    References:
        Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, equation 2.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> cam(model, image, 0).tolist()
        [[[4.0, 2.0]]]
    """
    if not classifier.has_head():
        raise InputError("cam needs a model that ends in global average pooling and one dense layer; use grad_cam")

    def by_weights(A: jax.Array, g: jax.Array) -> jax.Array:
        # The gradient is the class's weight spread evenly over the positions. All classes' weights are not needed.
        return jnp.einsum("bhwc,bc->bhw", A, g.sum((1, 2)), precision=jax.lax.Precision.HIGHEST)

    return _maps.gradient_cam(
        classifier, images, labels, by_weights, layer=None, target="logit", convention=convention, batch_size=batch_size
    )
