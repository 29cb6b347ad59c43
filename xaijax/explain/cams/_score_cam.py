"""Score-CAM: channels weighted by the score of the image seen through them, without gradients.

Channels are upsampled a chunk at a time; the masked images are never all in memory. pytorch-grad-cam upsamples with
corners aligned; tf-keras-vis weights by the probability itself, without a softmax over channels.
"""

import math

import jax
import jax.numpy as jnp

from xaijax._options import Count
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._method import BatchSize, resolve_labels, scores
from xaijax.explain._postprocess import minmax
from xaijax.explain._registry import explainer
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps


@explainer(family="cam", cost=math.nan, needs={"layer"}, signed=True)
def score_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None = None,
    *,
    layer: _maps.Layers = None,
    max_channels: Count | None = None,
    target: Target | None = None,
    convention: _maps.ThreeConventions = "paper",
    batch_size: BatchSize = 32,
) -> jax.Array:
    """Score-CAM.

    `S = Σ_c w_c A_c`, `w = softmax_c(y(x H_c) - y(x))`, `H_c` the channel resized to the image and scaled to [0, 1].
    (The difference from y(x) is the same for all channels, so the softmax does not change.)

    Args:
        classifier: a classifier with layers.
        images: `[B, H, W, C]`, floats in [0, 1] or integers of their type's full range.
        labels: `[B]` int class indices, or None for the predicted class.
        layer: name of a layer, several to fuse, or None for the classifier's default.
        max_channels: keep the N channels of largest standard deviation over positions, per image; None for all.
        target: what is explained; default the logit, with `convention="tf-keras-vis"` the probability.
        convention: `"paper"`; `"pytorch-grad-cam"` (corners aligned, post-processed); `"tf-keras-vis"` (`w_c` is the
            score itself).
        batch_size: most masked images in flight; an image needs one forward pass per channel.

    Returns:
        `[B, H, W]` float32, unit of the activations, negative only where the activations are; in [0, 1] with several
        layers or `convention="pytorch-grad-cam"`.

    Differences:
        pytorch-grad-cam resizes channels with corners aligned, and tf-keras-vis weights by the probability without a
        softmax: their conventions. The authors' code skips constant channels; here such a channel masks the image to
        zeros and is weighted like any other.

    References:
        Wang et al., "Score-CAM: Score-Weighted Visual Explanations for CNNs", CVPR workshops 2020, algorithm 1.

    Example:
        >>> import jax.numpy as jnp
        >>> from xaijax.classifier import Classifier
        >>> weights = jnp.array([[4.0, 0.0], [0.0, 4.0]])
        >>> model = Classifier.from_functions(  # the layer is the image itself
        ...     lambda w, x: x, lambda w, a: a.mean((1, 2)) @ w, weights, input_shape=(1, 2, 2)
        ... )
        >>> image = jnp.array([[[[1.0, 0.0], [0.5, 1.0]]]])  # two pixels, two channels
        >>> print(score_cam(model, image, 0).round(3)[0])  # softmax of the scores 2 and 1
        [[0.731 0.634]]
    """
    names = _maps.layer_names(classifier, layer)
    size = (images.shape[1], images.shape[2])
    target = target if target is not None else "probability" if convention == "tf-keras-vis" else "logit"
    labels = resolve_labels(classifier, images, labels, batch_size)

    def tap(x: jax.Array) -> dict[str, jax.Array]:
        return classifier.tapped(classifier.params, x, dict.fromkeys(names))[1]

    taps = _chunk.map_images(tap, images, batch_size)
    low = []
    for name in names:
        A = taps[name]
        if max_channels is not None and max_channels < A.shape[-1]:
            _, kept = jax.lax.top_k(A.std((1, 2)), max_channels)
            A = jnp.take_along_axis(A, kept[:, None, None], axis=-1)

        def masked_scores(group: tuple, index: jax.Array) -> jax.Array:
            x, y, channels = group
            masks = resize(
                jnp.moveaxis(channels[..., index], -1, 1), size, align_corners=convention == "pytorch-grad-cam"
            )
            masked = x[:, None] * minmax(masks)[..., None]
            found = scores(classifier, _chunk.flatten(masked), _chunk.repeat(y, len(index)), target)
            return found.reshape(masked.shape[:2])

        weights = _chunk.map_variants(masked_scores, (images, labels, A), A.shape[-1], batch_size)
        if convention != "tf-keras-vis":
            weights = jax.nn.softmax(weights, axis=1)
        low.append(jnp.einsum("bhwc,bc->bhw", A, weights, precision=jax.lax.Precision.HIGHEST))
    return _maps.finish(low, size, convention)
