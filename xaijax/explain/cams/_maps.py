"""What the class activation maps share: activations and gradients at a layer, fusion, conventions.

`convention="paper"` (default): the signed map of one layer, resized to the image; several layers are first scaled to
[0, 1] each (ReLU, min-max), then resized and averaged. `convention="pytorch-grad-cam"`: every layer's map goes through
ReLU, `(S - min)/(max - min + 1e-7)` at its own low resolution, and a bilinear resize; the layers' mean is scaled once
more. The order matters: after a resize the maximum is a different one.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._postprocess import minmax
from xaijax.explain._resize import resize
from xaijax.explain._targets import Target, score

Layers = tuple[str, ...] | str | None
Convention = Literal["paper", "pytorch-grad-cam"]
ThreeConventions = Literal["paper", "pytorch-grad-cam", "tf-keras-vis"]


def layer_names(classifier: Classifier, layer: Layers) -> tuple[str, ...]:
    """The requested layers, or the classifier's default one; refuses layers without positions."""
    names = (classifier.default_layer,) if layer is None else (layer,) if isinstance(layer, str) else tuple(layer)
    if not names:
        raise InputError("layer must name at least one layer; got none")
    known = classifier.layers()
    for name in names:
        if name not in known:
            raise InputError(f"this model has no layer {name!r}; it has {', '.join(known)}")
        shape = known[name]
        if len(shape) != 3:
            raise InputError(
                f"layer {name!r} has no positions (its output is {shape} per image): choose a layer with (h, w, C)"
            )
    return names


def activations_and_gradients(
    classifier: Classifier, images: jax.Array, labels: jax.Array | None, names: Sequence[str], target: Target
) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """Activations `A` and `g = dy/dA` per layer: one forward pass, and a backward pass that ends at the first layer."""

    def value(offsets: dict[str, jax.Array]) -> tuple[jax.Array, dict[str, jax.Array]]:
        logits, taps = classifier.tapped(classifier.params, images, offsets)
        return score(classifier.output, logits, labels, target).sum(), taps

    grads, taps = jax.grad(value, has_aux=True)(classifier.zero_offsets(images, names))
    return taps, grads


def finish(maps: Sequence[jax.Array], size: tuple[int, int], convention: ThreeConventions) -> jax.Array:
    """Low-resolution maps of one or several layers, `[B, h, w]` each, to `[B, H, W]` float32 (see the module)."""
    if convention == "pytorch-grad-cam":
        scaled = [resize(minmax(jax.nn.relu(each), 1e-7), size) for each in maps]
        return minmax(sum(scaled[1:], scaled[0]) / len(scaled), 1e-7).astype(jnp.float32)
    if len(maps) == 1:
        return resize(maps[0], size).astype(jnp.float32)
    scaled = [resize(minmax(jax.nn.relu(each)), size) for each in maps]
    return (sum(scaled[1:], scaled[0]) / len(scaled)).astype(jnp.float32)


def gradient_cam(
    classifier: Classifier,
    images: jax.Array,
    labels: jax.Array | None,
    formula: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    layer: Layers,
    target: Target,
    convention: ThreeConventions,
    batch_size: int,
) -> jax.Array:
    """`[B, H, W]` from `formula(A [B, h, w, C], g [B, h, w, C]) -> [B, h, w]` at each layer."""
    names = layer_names(classifier, layer)
    size = (images.shape[1], images.shape[2])

    def maps(group: tuple) -> jax.Array:
        taps, grads = activations_and_gradients(classifier, group[0], group[1], names, target)
        low = [formula(taps[name], grads[name]) for name in names]
        return finish(low, size, convention)

    return _chunk.map_images(maps, (images, labels), batch_size)
