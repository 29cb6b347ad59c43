"""Smooth Grad-CAM++: Grad-CAM++ from gradients averaged over noisy copies of the image.

`convention="torch-cam"` is what the package of that name computes: the product with the activations of the image inside
the sum, and outside it the activations and the ReLU of the last noisy copy alone.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from xaijax._options import Count, NonNegative
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, Key, image_keys, resolve_labels
from xaijax.explain._registry import explainer
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps


def _weights(A: jax.Array, first: jax.Array, second: jax.Array, third: jax.Array) -> jax.Array:
    """`w_c` `[B, C]` from the mean gradient, its square and its cube at every position."""
    below = 2.0 * second + A.sum((1, 2), keepdims=True) * third
    used = (second != 0) & (below != 0)
    alpha = jnp.where(used, second / jnp.where(used, below, jnp.ones_like(below)), jnp.zeros_like(below))
    return (alpha * jax.nn.relu(first)).sum((1, 2))


def _torch_cam_weights(A: jax.Array, last: jax.Array, second: jax.Array, third: jax.Array) -> jax.Array:
    alpha = second / (2.0 * second + (third * A).sum((1, 2), keepdims=True) + 1e-8)
    return (alpha * jax.nn.relu(last)).sum((1, 2))


@explainer(family="cam", cost=26, needs={"layer", "key"}, signed=True)
def smooth_grad_cam_pp(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    draws: Count | None = None,
    std: NonNegative | jax.Array | None = None,
    key: Key = 0,
    layer: _maps.Layers = None,
    target: Target = "logit",
    convention: Literal["paper", "torch-cam"] = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Smooth Grad-CAM++: Grad-CAM++ with gradients averaged over noisy copies of the image.

    `S = Σ_c w_c A_c`, `w_c = Σ α_c relu(mean g_c)`, `α = mean g²/(2 mean g² + (ΣA_c) mean g³)`, 0 where the numerator
    is 0; means over the copies `x + σ ε`, `ε ~ N(0, 1)` per value, sums over positions, A of the image itself.

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class of the image itself.
        draws: noisy copies per image; None for 25, and for 4 with `convention="torch-cam"`.
        std: noise, as a share of each image's own range, None for 0.15; with `convention="torch-cam"` in the unit of
            the images, None for 0.3.
        key: a `jax.random` key, or the seed of one; an image's noise depends on it and on the image's own pixels.
        layer: name of a layer, several to fuse, or None for the classifier's default (the last convolutional block).
        target: what is explained: `"logit"`, `"probability"`, `"log_probability"`, or a function of logits and labels.
        convention: `"paper"` or `"torch-cam"` (see the module).
        batch_size: most noisy images in flight.

    Returns:
        `[B, H, W]` float32, signed, unit of the score per position; in [0, 1] with several layers.

    Differences:
        The paper prints the mean of g in the numerator of α; its square makes one draw without noise Grad-CAM++.
        torch-cam sums `(mean g³) A` position by position, adds 1e-8, and takes the ReLU of the last copy's gradient and
        weighs the last copy's activations: its convention. torch-cam adds noise to normalised images, here to images in
        [0, 1]. ReLU is left to `postprocess`.

    References:
        Omeiza et al., "Smooth Grad-CAM++: An Enhanced Inference Level Visualization Technique for Deep Convolutional
        Neural Network Models", 2019.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> print(smooth_grad_cam_pp(model, image, 0, draws=3).round(3)[0])  # a linear model: Grad-CAM++
        [[0.8 0.4]]
    """
    names = _maps.layer_names(classifier, layer)
    peer = convention == "torch-cam"
    count = draws if draws is not None else 4 if peer else 25
    level = std if std is not None else 0.3 if peer else 0.15
    spread = images.max((1, 2, 3)) - images.min((1, 2, 3))
    scale = level * (jnp.ones_like(spread) if peer else spread)
    labels = resolve_labels(classifier, images, labels, batch_size)

    def noise(image_key: jax.Array, index: jax.Array) -> jax.Array:
        each = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(image_key, index)
        return jax.vmap(lambda k: jax.random.normal(k, images.shape[1:], jnp.float32))(each)

    def part(group: tuple, index: jax.Array, valid: jax.Array) -> dict[str, tuple]:
        x, y, keys, own_scale = group
        unit = jax.vmap(noise, in_axes=(0, None))(keys, index)
        noisy = _chunk.flatten(x[:, None] + own_scale[:, None, None, None, None] * unit)
        repeated = _chunk.repeat(y, len(index))
        taps, grads = _maps.activations_and_gradients(classifier, noisy, repeated, names, target)
        is_last = valid * (index == count - 1).astype(jnp.float32)

        def total(values: jax.Array, weights: jax.Array) -> jax.Array:
            return jnp.tensordot(weights, values.reshape(x.shape[0], len(index), *values.shape[1:]), axes=((0,), (1,)))

        found = {}
        for name in names:
            A, g = taps[name].astype(jnp.float32), grads[name].astype(jnp.float32)
            ends = (total(A, is_last), total(g, is_last)) if peer else ()
            found[name] = (total(g, valid), total(g**2, valid), total(g**3, valid), *ends)
        return found

    def clean(x: jax.Array) -> dict[str, jax.Array]:
        return classifier.tapped(classifier.params, x, dict.fromkeys(names))[1]

    rows = (images, labels, image_keys(key, images), scale)
    sums = _chunk.sum_variants(part, rows, count, batch_size)
    taps = _chunk.map_images(clean, images, batch_size)
    low = []
    for name in names:
        first, second, third = (each / count for each in sums[name][:3])
        A = taps[name]
        if peer:
            copied, last = sums[name][3:]
            weights, A = _torch_cam_weights(A.astype(jnp.float32), last, second, third), copied
        else:
            weights = _weights(A.astype(jnp.float32), first, second, third)
        low.append(jnp.einsum("bhwc,bc->bhw", A, weights.astype(A.dtype), precision=jax.lax.Precision.HIGHEST))
    return _maps.finish(low, (images.shape[1], images.shape[2]), "paper")
