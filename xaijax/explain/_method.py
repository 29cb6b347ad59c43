"""What all explainers share: argument checks, one compilation per shape, scores, gradients and random keys.

`explainer` turns a pure function `(classifier, images, labels, *, options) -> maps` into the public method: it checks
what can be checked from shapes, scales integer images to [0, 1], rewrites what XLA does slowly on the CPU
(`xaijax._cpu`), and compiles. Options that are arrays (a baseline, a key, masks) are operands of the compiled program;
all others are part of it.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from xaijax import _cpu
from xaijax.classifier import Classifier, to_float
from xaijax.explain import _chunk
from xaijax.explain._targets import Target, check_target, score

P = ParamSpec("P")
R = TypeVar("R")


class _Operand:
    """Marks the place of an array among the static options."""


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.Array | np.ndarray)


def check_batch(classifier: Classifier, images: Any, labels: Any) -> tuple[Any, Any]:
    """`(images, labels)` as arrays, or one sentence that says what is wrong with their shapes and types."""
    if not isinstance(classifier, Classifier):
        raise TypeError(f"classifier must be a xaijax.classifier.Classifier; got {type(classifier).__name__}")
    images = images if _is_array(images) else np.asarray(images)
    if images.ndim != 4 or 0 in images.shape:
        raise ValueError(f"images must be a non-empty [B, H, W, C]; got shape {tuple(images.shape)}")
    if tuple(images.shape[1:]) != classifier.input_shape:
        raise ValueError(
            f"images must be [B, {', '.join(map(str, classifier.input_shape))}] for this classifier; got shape "
            f"{tuple(images.shape)}"
        )
    if labels is None:
        return images, None
    known = not isinstance(labels, jax.Array)  # reading a device array here would wait for the device
    labels = np.asarray(labels) if known else labels
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integers (class indices) or None; got {labels.dtype}")
    if labels.ndim == 0:
        labels = np.full(images.shape[0], labels) if known else jnp.broadcast_to(labels, images.shape[:1])
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must be [B] with B = {images.shape[0]}; got shape {tuple(labels.shape)}")
    classes = len(classifier.classes)
    if known and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(f"labels must be from 0 to {classes - 1}; got {int(labels.min())} to {int(labels.max())}")
    return images, labels.astype(np.int32)


def explainer(function: Callable[P, R], *, host: bool = False) -> Callable[P, R]:
    """Makes a pure map function a public, checked, compiled method (see the module); not compiled with `host=True`."""
    parameters = inspect.signature(function).parameters
    defaults = {name: p.default for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}

    def run(layout: Any, static: tuple, classifier: Any, images: Any, labels: Any, arrays: list) -> Any:
        operands = iter(arrays)
        leaves = [next(operands) if leaf is _Operand else leaf for leaf in static]
        options = jax.tree.unflatten(layout, leaves)
        return function(classifier, to_float(images).astype(jnp.float32), labels, **options)

    run.__name__ = function.__name__  # the name in profiles and in the HLO
    compiled = _cpu.jit(run, static_argnums=(0, 1))

    @functools.wraps(function)
    def method(classifier: Any, images: Any, labels: Any = None, **options: Any) -> Any:
        unknown = options.keys() - defaults.keys()
        if unknown:
            raise TypeError(
                f"{function.__name__} has no option {', '.join(sorted(unknown))}; it has {', '.join(sorted(defaults))}"
            )
        options = {**defaults, **options}
        size = options.get("batch_size", 1)
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"batch_size must be a positive integer; got {size!r}")
        if "target" in options and not (options["target"] is None and defaults["target"] is None):
            check_target(options["target"])
        images, labels = check_batch(classifier, images, labels)
        if host:
            return function(classifier, to_float(images).astype(jnp.float32), labels, **options)
        # None is a value here, not an empty subtree.
        leaves, layout = jax.tree.flatten(options, is_leaf=lambda x: x is None)
        static = tuple(_Operand if _is_array(leaf) else leaf for leaf in leaves)
        return compiled(layout, static, classifier, images, labels, [leaf for leaf in leaves if _is_array(leaf)])

    return method  # type: ignore[return-value]


def scores(classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """The explained score `[N]` of `[N, H, W, C]` images, in one forward pass."""
    return score(classifier.logits(classifier.params, images), labels, target)


def input_gradients(classifier: Classifier, images: jax.Array, labels: jax.Array | None, target: Target) -> jax.Array:
    """`dy/dx` `[N, H, W, C]`, in one forward and backward pass; rows of a batch do not mix."""
    return jax.grad(lambda x: scores(classifier, x, labels, target).sum())(images)


def resolve_labels(classifier: Classifier, images: jax.Array, labels: jax.Array | None, batch_size: int) -> jax.Array:
    """`labels`, or the predicted class of every image: a perturbed image is scored for the class of the intact one."""
    if labels is not None:
        return labels
    logits = _chunk.map_images(lambda x: classifier.logits(classifier.params, x), images, batch_size)
    return jnp.argmax(logits, axis=1).astype(jnp.int32)


def require_key(key: jax.Array | None, method: str) -> jax.Array:
    """`key`, or one sentence that says where to get one."""
    if key is None:
        raise ValueError(f"{method} draws random numbers and needs key=jax.random.key(seed); got None")
    return key


def image_keys(key: jax.Array, images: jax.Array) -> jax.Array:
    """One key per image, from `key` and the image's own pixels.

    So an image gets the same draws alone and anywhere in any batch, and different images get independent ones: a key
    per place in the batch would break the first, one key for all images the second. Pixels are taken at 16 bits: a
    rounding error of one program or another must not change the draws.
    """
    bits = jnp.round(images * 65535.0).astype(jnp.int32).astype(jnp.uint32).reshape(images.shape[0], -1)
    place = jnp.arange(bits.shape[1], dtype=jnp.uint32)
    odd = (place * jnp.uint32(2654435761)) | jnp.uint32(1)  # Knuth's multiplicative hash
    digest = ((bits ^ (bits >> 15)) * odd).sum(1, dtype=jnp.uint32)
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, digest)
