"""Guided Grad-CAM: guided backpropagation where Grad-CAM is positive.

Defined for networks whose activations are ReLUs. Guided backpropagation fails the test with randomised weights (Adebayo
et al., NeurIPS 2018), and so does this: compare it with the controls.
"""

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._activations import need_relu_alone
from xaijax.explain._method import BatchSize, input_gradients
from xaijax.explain._postprocess import Reduce, reduce_channels
from xaijax.explain._registry import explainer
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target
from xaijax.explain.cams import _grad_cam, _maps


@explainer(family="cam", cost=4, needs={"layer", "relu"})
def guided_grad_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    target: Target = "logit",
    reduce: Reduce = "abs_max",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Guided Grad-CAM: Grad-CAM, resized, times guided backpropagation.

    `S = reduce_c resize(relu(L)) (dy/dx_c)'`, L the Grad-CAM map of the layer, `(dy/dx)'` the gradient with every ReLU
    passing back `max(g, 0)` where its input was positive, else 0.

    Args:
        classifier: a classifier with layers whose activations are ReLUs.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        reduce: over channels: `"abs_max"`, `"abs_sum"`, `"sum"` (signed), `"none"` (keep C).
        batch_size: most images in one forward and backward pass.

    Returns:
        `[B, H, W]` float32, score squared per position and unit of image intensity.

    Raises:
        InputError: for a model without ReLU, and for one with GELU, SiLU or another activation.

    Differences:
        Captum resizes the Grad-CAM map by its nearest position, and so shows squares; here it is bilinear, as in the
        paper. It keeps the channels: `reduce="none"`. The map hardly changes when the upper layers' weights are random.

    References:
        Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017, section 3.2.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(
        ...     lambda w, x: jax.nn.relu(x), lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> guided_grad_cam(model, image, 0).tolist()  # Grad-CAM (2, 1) times the gradient (2, 2) of the first channel
        [[[4.0, 2.0]]]
    """
    names = _maps.layer_names(classifier, layer)
    guided = classifier.with_relu("guided")
    need_relu_alone(classifier, "guided_grad_cam")
    size = (images.shape[1], images.shape[2])

    def maps(group: tuple) -> jax.Array:
        x, y = group
        taps, grads = _maps.activations_and_gradients(classifier, x, y, names, target)
        low = [_grad_cam._formula(taps[name], grads[name]) for name in names]
        coarse = _maps.finish(low, size, "paper") if len(low) > 1 else resize(jax.nn.relu(low[0]), size)
        return coarse[..., None] * input_gradients(guided, x, y, target)

    return reduce_channels(_chunk.map_images(maps, (images, labels), batch_size), reduce)
