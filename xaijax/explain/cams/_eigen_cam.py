"""Eigen-CAM and EigenGrad-CAM: the first principal component of the activations.

The sign of a singular vector is arbitrary. `sign="auto"` makes the side of larger magnitude positive, so that the
answer does not depend on the linear algebra library. The paper does not centre the activations; pytorch-grad-cam
subtracts each channel's mean. The component comes from the smaller of the two Gram
matrices, which is far cheaper than an SVD of positions by channels.
"""

import jax
import jax.numpy as jnp

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps


def first_projection(values: jax.Array, *, center: bool) -> jax.Array:
    """`[..., N, C]` projected on its first right singular vector, `[..., N]`; the larger-magnitude side positive."""
    highest = jax.lax.Precision.HIGHEST
    basis = values - values.mean(-2, keepdims=True) if center else values
    positions, channels = values.shape[-2:]
    if positions <= channels:
        gram = jnp.einsum("...nc,...mc->...nm", basis, basis, precision=highest)
        u = jnp.linalg.eigh(gram)[1][..., -1]
        direction = jnp.einsum("...nc,...n->...c", basis, u, precision=highest)
    else:
        gram = jnp.einsum("...nc,...nd->...cd", basis, basis, precision=highest)
        direction = jnp.linalg.eigh(gram)[1][..., -1]
    norm = jnp.sqrt((direction**2).sum(-1, keepdims=True))
    safe = jnp.where(norm > 0, norm, jnp.ones_like(norm))
    projection = jnp.einsum("...nc,...c->...n", basis, direction / safe, precision=highest)
    flip = -projection.min(-1, keepdims=True) > projection.max(-1, keepdims=True)
    return jnp.where(flip, -projection, projection)


def _project(A: jax.Array, center: bool) -> jax.Array:
    batch, h, w, channels = A.shape
    return first_projection(A.reshape(batch, h * w, channels), center=center).reshape(batch, h, w)


@explainer(family="cam", cost=1, needs={"layer"}, signed=True)
def eigen_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Eigen-CAM: the activations' first principal component. It does not depend on the class.

    `S = A v`, `A` `[positions, channels]`, `v` its first right singular vector, sign such that the side of larger
    magnitude is positive.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: not used.
        layer: name of a layer, several to fuse, or None for the classifier's default.
        convention: `"paper"` (not centred), or `"pytorch-grad-cam"` (channel means subtracted; post-processed).
        batch_size: most images in one forward pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the activations; in [0, 1] with several layers or
        `convention="pytorch-grad-cam"`.

    Differences:
        pytorch-grad-cam centres the channels, the paper does not; its sign is that of the linear algebra library, so
        its map may be the ReLU of the negative of ours.

    References:
        Muhammad, Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 0.0]]]])  # two pixels, two channels
        >>> eigen_cam(model, image).round(3).tolist()
        [[[1.0, 0.5]]]
    """
    names = _maps.layer_names(classifier, layer)

    def maps(x: jax.Array) -> jax.Array:
        taps = classifier.tapped(classifier.params, x, dict.fromkeys(names))[1]
        low = [_project(taps[name], convention == "pytorch-grad-cam") for name in names]
        return _maps.finish(low, (x.shape[1], x.shape[2]), convention)

    return _chunk.map_images(maps, images, batch_size)


@explainer(family="cam", cost=1, needs={"layer"}, signed=True)
def eigen_grad_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    target: Target = "logit",
    convention: _maps.Convention = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """EigenGrad-CAM: the first principal component of activations times gradients.

    `S = (g·A) v`, `g·A` `[positions, channels]`, `v` its first right singular vector, sign such that the side of larger
    magnitude is positive.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"` (not centred), or `"pytorch-grad-cam"` (channel means subtracted; post-processed).
        batch_size: most images in one pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the score; in [0, 1] with several layers or
        `convention="pytorch-grad-cam"`.

    Differences:
        As for `eigen_cam`: centring and sign.

    References:
        Muhammad, Yeasin, IJCNN 2020, with the gradient factor of pytorch-grad-cam 1.5.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> eigen_grad_cam(model, image, 0).round(3).tolist()
        [[[2.0, 1.0]]]
    """

    def formula(A: jax.Array, g: jax.Array) -> jax.Array:
        return _project(g * A, convention == "pytorch-grad-cam")

    return _maps.gradient_cam(
        classifier, images, labels, formula, layer=layer, target=target, convention=convention, batch_size=batch_size
    )
