"""Grad-CAM++.

`α` is computed as `1/(2 + g ΣA)`, which is the same number and neither under- nor overflows: at real gradient sizes of
1e-6, the 1e-6 that pytorch-grad-cam adds to the denominator decides the map there. `convention="pytorch-grad-cam"` does
add it; `convention="tf-keras-vis"` normalises α to sum 1 over positions. The score is the plain logit: with the
paper's `exp(y)` both derivatives gain the same factor, which leaves α and, after min-max, the map unchanged.
"""

import jax
import jax.numpy as jnp

from xaijax.classifier import Classifier
from xaijax.explain._method import BatchSize
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps


def _alpha(A: jax.Array, g: jax.Array) -> jax.Array:
    below = 2.0 + g * A.sum((1, 2), keepdims=True)
    used = (g != 0) & (below != 0)
    return jnp.where(used, 1.0 / jnp.where(used, below, jnp.ones_like(below)), jnp.zeros_like(below))


def _paper(A: jax.Array, g: jax.Array) -> jax.Array:
    return _combine(A, g, _alpha(A, g))


def _tf_keras_vis(A: jax.Array, g: jax.Array) -> jax.Array:
    alpha = _alpha(A, g)
    total = alpha.sum((1, 2), keepdims=True)
    return _combine(A, g, jnp.where(total == 0, jnp.zeros_like(alpha), alpha / jnp.where(total == 0, 1.0, total)))


def _pytorch_grad_cam(A: jax.Array, g: jax.Array) -> jax.Array:
    alpha = g**2 / (2.0 * g**2 + g**3 * A.sum((1, 2), keepdims=True) + 1e-6)
    return _combine(A, g, jnp.where(g == 0, jnp.zeros_like(alpha), alpha))


def _combine(A: jax.Array, g: jax.Array, alpha: jax.Array) -> jax.Array:
    weights = (jax.nn.relu(g) * alpha).sum((1, 2))
    return jnp.einsum("bhwc,bc->bhw", A, weights, precision=jax.lax.Precision.HIGHEST)


_FORMULAS = {"paper": _paper, "pytorch-grad-cam": _pytorch_grad_cam, "tf-keras-vis": _tf_keras_vis}


@explainer(family="cam", cost=1, needs={"layer"}, signed=True)
def grad_cam_pp(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    target: Target = "logit",
    convention: _maps.ThreeConventions = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Grad-CAM++: activations weighted by pixel-wise weighted positive gradients.

    `S = Σ_c w_c A_c`, `w_c = Σ relu(g_c) α_c`, `α = g²/(2 g² + g³ ΣA_c)`, 0 where g = 0; sums over positions.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
            Token layers of vision transformers work as they are.
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"`, `"pytorch-grad-cam"` or `"tf-keras-vis"` (see the module).
        batch_size: most images in one pass.

    Returns:
        `[B, H, W]` float32, signed, unit of the score per position;
        in [0, 1] with several layers or `convention="pytorch-grad-cam"`.

    Differences:
        pytorch-grad-cam adds 1e-6 to the denominator of α, which decides the map at real gradient sizes, and
        tf-keras-vis normalises α to sum 1; only their conventions do. The score is the logit, not the paper's `exp(y)`,
        which gives the same map after min-max.

    References:
        Chattopadhay et al., "Grad-CAM++", WACV 2018, equations 10, 11 and 19.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> print(grad_cam_pp(model, image, 0).round(3)[0])
        [[0.8 0.4]]
    """
    return _maps.gradient_cam(
        classifier,
        images,
        labels,
        _FORMULAS[convention],
        layer=layer,
        target=target,
        convention=convention,
        batch_size=batch_size,
    )
