"""What the algorithms share: the check of a batch, labels, scores, gradients and random keys."""

from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax._options import Range
from xaijax._ranges import check_range, native
from xaijax.classifier import Classifier
from xaijax.explain import _chunk
from xaijax.explain._targets import Target, score

BatchSize = Annotated[int, Range(1)]
"""Images in flight, perturbed ones included: memory grows with it, results do not change."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
Key = Seed | jax.Array | None
"""A `jax.random` key, or the seed to make one from; None is seed 0."""


_MEANING = {
    "softmax": "class indices",
    "sigmoid": "the index of a finding for each image",
    "binary": "class indices, 0 or 1",
    "regression": "indices of outputs",
}


def is_array(x: Any) -> bool:
    """Whether a value is an array, of JAX (a tracer too) or of NumPy."""
    return isinstance(x, jax.Array | np.ndarray)


def check_batch(classifier: Classifier, images: Any, labels: Any) -> tuple[Any, Any]:
    """`(images, labels)` as arrays, or an error of one sentence about their shapes and types."""
    if not isinstance(classifier, Classifier):
        raise TypeError(f"classifier must be a xaijax.classifier.Classifier; got {type(classifier).__name__}")
    images = native(images if is_array(images) else np.asarray(images))
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"images must be a non-empty [B, H, W, C]; got shape {tuple(images.shape)}")
    if tuple(images.shape[1:]) != classifier.input_shape:
        raise InputError(
            f"images must be [B, {', '.join(map(str, classifier.input_shape))}] for this classifier; got shape "
            f"{tuple(images.shape)}"
        )
    check_range(images)
    if labels is None:
        return images, None
    known = not isinstance(labels, jax.Array)  # reading a device array here would wait for the device
    labels = native(np.asarray(labels)) if known else labels
    if classifier.output == "regression" and np.issubdtype(labels.dtype, np.floating):
        raise TypeError("labels of a regression say which of its outputs is explained (0 is the first); got numbers")
    if not (np.issubdtype(labels.dtype, np.integer)):
        raise TypeError(f"labels must be integers ({_MEANING[classifier.output]}) or None; got {labels.dtype}")
    if labels.ndim == 0:
        labels = np.full(images.shape[0], labels) if known else jnp.broadcast_to(labels, images.shape[:1])
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels must be [B] with B = {images.shape[0]}; got shape {tuple(labels.shape)}")
    count = len(classifier.targets)
    if known and (labels.min() < 0 or labels.max() >= count):
        negative = f" ({len(classifier.classes)} + k: finding k is absent)" if classifier.output == "sigmoid" else ""
        raise InputError(
            f"labels must be from 0 to {count - 1}{negative}; got {int(labels.min())} to {int(labels.max())}"
        )
    return images, labels.astype(np.int32)


def scores(classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """The explained score `[N]` of `[N, H, W, C]` images, in one forward pass."""
    return score(classifier.output, classifier.logits(classifier.params, images), labels, target)


def input_gradients(classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """`dy/dx` `[N, H, W, C]`, in one forward and backward pass; rows of a batch do not mix."""
    return jax.grad(lambda x: scores(classifier, x, labels, target).sum())(images)


def resolve_labels(classifier: Classifier, images: jax.Array, labels: jax.Array | None, batch_size: int) -> jax.Array:
    """`labels`, or the predicted class of every image: a perturbed image is scored for the class of the intact one."""
    if labels is not None:
        return labels
    logits = _chunk.map_images(lambda x: classifier.logits(classifier.params, x), images, batch_size)
    return _outputs.predicted(classifier.output, logits)


def as_key(key: Key) -> jax.Array:
    """The key of a seed; None is seed 0, and a key is its own."""
    return key if is_array(key) else jax.random.key(0 if key is None else key)  # type: ignore[return-value]


def image_keys(key: Key, images: jax.Array) -> jax.Array:
    """One key per image, from `key` and the image's own pixels.

    So an image gets the same draws alone and anywhere in any batch, and different images get independent ones: a key
    per place in the batch would break the first, one key for all images the second. Pixels are taken at 16 bits: a
    rounding error of one program or another must not change the draws.
    """
    bits = jnp.round(images * 65535.0).astype(jnp.int32).astype(jnp.uint32).reshape(images.shape[0], -1)
    place = jnp.arange(bits.shape[1], dtype=jnp.uint32)
    odd = (place * jnp.uint32(2654435761)) | jnp.uint32(1)  # Knuth's multiplicative hash
    digest = ((bits ^ (bits >> 15)) * odd).sum(1, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(as_key(key), digest)
