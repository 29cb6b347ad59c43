"""LayerCAM.

Meant for early layers too, where one weight per channel is too coarse; the paper fuses layers by a maximum after a
`tanh` scaling, here (as in pytorch-grad-cam) several layers are averaged after min-max.
"""

import jax

from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps


def _formula(A: jax.Array, g: jax.Array) -> jax.Array:
    return (jax.nn.relu(g) * A).sum(-1)


@explainer(family="cam", cost=1, needs={"layer"}, signed=True)
def layer_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    target: Target = "logit",
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """LayerCAM: activations weighted by the positive gradient at each position.

    `S = Σ_c relu(g_c) A_c`.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
            Token layers of vision transformers work as they are.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"`, or `"pytorch-grad-cam"` (ReLU and min-max at low resolution, then resize).
        batch_size: most images in one pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the score per position;
        in [0, 1] with several layers or `convention="pytorch-grad-cam"`.

    Differences:
        pytorch-grad-cam applies ReLU and min-max at low resolution and resizes then: `convention="pytorch-grad-cam"`.
        Several layers are averaged after min-max as there; the paper takes their maximum after a `tanh`.

    References:
        Jiang et al., "LayerCAM", IEEE TIP 2021, equations 6 and 7.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> layer_cam(model, image, 0).tolist()
        [[[2.0, 1.0]]]
    """
    return _maps.gradient_cam(
        classifier, images, labels, _formula, layer=layer, target=target, convention=convention, batch_size=batch_size
    )
