"""The one loop of all class activation maps that need activations and gradients: a file for each gives its formula."""

from collections.abc import Callable

import jax

from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._targets import Target
from xaijax.explain.cams import _maps as _cam


def gradient_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    formula: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    layer: _cam.Layers,
    target: Target,
    convention: str,
    batch_size: int,
) -> jax.Array:
    """`[B, H, W]` from `formula(A [B, h, w, C], g [B, h, w, C]) -> [B, h, w]` at each layer."""
    names = _cam.layer_names(classifier, layer)
    size = (images.shape[1], images.shape[2])

    def maps(group: tuple) -> jax.Array:
        taps, grads = _cam.activations_and_gradients(classifier, group[0], group[1], names, target)
        low = [formula(taps[name], grads[name]) for name in names]
        return _cam.finish(low, size, convention)

    return _chunk.map_images(maps, (images, labels), batch_size)
