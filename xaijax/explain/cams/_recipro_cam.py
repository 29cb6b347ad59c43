"""Recipro-CAM: the score of the model when one position of a layer is all that it sees. It needs no gradient.

What lies before the layer runs once; what follows runs once for each position.
"""

import math

import jax
import jax.numpy as jnp

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, resolve_labels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps, _reruns


def _stamps(index: jax.Array, shape: tuple[int, int], gaussian: bool) -> jax.Array:
    """`[p, h, w]`: the kernel (1 2 1; 2 4 2; 1 2 1)/16 around each position, cut at the edges; or 1 there alone."""
    sides = []
    for at, length in zip(jnp.unravel_index(index, shape), shape, strict=True):
        far = jnp.abs(jnp.arange(length)[None] - at[:, None])
        near = jnp.where(far == 0, 0.5, jnp.where(far == 1, 0.25, 0.0)) if gaussian else jnp.where(far == 0, 1.0, 0.0)
        sides.append(near.astype(jnp.float32))
    return sides[0][:, :, None] * sides[1][:, None, :]


@explainer(family="cam", cost=math.nan, per="position", needs={"layer"})
def recipro_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    gaussian: bool = True,
    target: Target = "probability",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Recipro-CAM: the class's probability from the activations of one position alone.

    `S = y(F')` at position (i, j), `F'(u) = A(i, j) k(u - (i, j))`, k the kernel (1 2 1; 2 4 2; 1 2 1)/16, cut at the
    edges: the vector of one position, spread over its neighbours; zeros elsewhere.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
            Token layers of vision transformers work as they are; class and register tokens stay.
        gaussian: spread the vector by the kernel; False keeps it at its position.
        target: what y is: `"probability"`, `"logit"`, `"log_probability"`, or a function of logits and labels.
        batch_size: most sets of activations in flight; an image needs one pass of what follows the layer per position.

    Returns:
        `[B, H, W]` float32, unit of the target; in [0, 1] for probabilities and for several layers.

    Differences:
        The authors scale the map to [0, 1], which is left to `postprocess`. OpenVINO's explainer takes logits
        (`target="logit"`) and no kernel for convolutional networks (`gaussian=False`).

    References:
        Byun, Lee, "Recipro-CAM: Fast gradient-free visual explanations for convolutional neural networks", 2022.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> recipro_cam(model, image, 0, gaussian=False, target="logit").tolist()
        [[[2.0, 1.0]]]
    """
    names = _maps.layer_names(classifier, layer)
    labels = resolve_labels(classifier, images, labels, batch_size)

    def seen(group: tuple, name: str) -> jax.Array:
        x, y = group
        _, A, scores = _reruns.split_at(classifier, x, y, name, target)
        batch, height, width, channels = A.shape
        vectors = A.reshape(batch, height * width, channels)

        def alone(index: jax.Array) -> jax.Array:
            stamps = _stamps(index, (height, width), gaussian).astype(A.dtype)
            one = jnp.moveaxis(vectors[:, index], 1, 0)[:, :, None, None, :] * stamps[:, None, :, :, None]
            return one - A[None]

        return scores(alone, height * width, batch_size).reshape(batch, height, width)

    def maps(group: tuple) -> jax.Array:
        low = [seen(group, name) for name in names]
        return _maps.finish(low, (images.shape[1], images.shape[2]), "paper")

    return _chunk.map_images(maps, (images, labels), batch_size)
