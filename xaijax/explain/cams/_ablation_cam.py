"""Ablation-CAM: channels weighted by how much the score drops without them.

The backbone below the layer runs once per image; only what depends on the layer's activations runs again per channel
(`_reruns`). pytorch-grad-cam, where the smallest activation is not 0, sets a channel to the minimum less 1e7 instead of
zero; that is not reproduced.
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


@explainer(family="cam", cost=math.nan, needs={"layer"}, signed=True)
def ablation_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    target: Target = "logit",
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Ablation-CAM.

    `S = Σ_c w_c A_c`, `w_c = (y - y_c)/y`, `y_c` the score with channel c of the layer set to zero; weights are 0 where
    y is 0.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"`, or `"pytorch-grad-cam"` (ReLU and min-max at low resolution, then resize).
        batch_size: most ablated activations in flight.

    Returns:
        `[B, H, W]` float32, signed, unit of the activations; in [0, 1] with several layers or
        `convention="pytorch-grad-cam"`.

    Differences:
        pytorch-grad-cam sets a channel to the smallest activation less 1e7 where that is not 0; here channels are set
        to zero, as in the paper, in every convention.

    References:
        Desai, Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
        Localization", WACV 2020, equations 3 to 5.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> ablation_cam(model, image, 0).tolist()
        [[[1.0, 0.5]]]
    """
    names = _maps.layer_names(classifier, layer)
    labels = resolve_labels(classifier, images, labels, batch_size)

    def weighted(group: tuple, name: str) -> jax.Array:
        x, y = group
        whole, A, scores = _reruns.split_at(classifier, x, y, name, target)

        def ablated(index: jax.Array) -> jax.Array:
            one_hot = jax.nn.one_hot(index, A.shape[-1], dtype=A.dtype)
            return -A[None] * one_hot[:, None, None, None, :]

        drops = whole[:, None] - scores(ablated, A.shape[-1], batch_size)
        weights = jnp.where(whole[:, None] == 0, 0.0, drops / jnp.where(whole == 0, 1.0, whole)[:, None])
        return jnp.einsum("bhwc,bc->bhw", A, weights, precision=jax.lax.Precision.HIGHEST)

    def maps(group: tuple) -> jax.Array:
        low = [weighted(group, name) for name in names]
        return _maps.finish(low, (images.shape[1], images.shape[2]), convention)

    return _chunk.map_images(maps, (images, labels), batch_size)
