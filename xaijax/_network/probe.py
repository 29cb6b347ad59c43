"""What is found out about a model without running it: its layers, its default layer, and whether it ends in a dense
layer behind global average pooling.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._network.base import Array, Call, Recorder

BATCH = 3  # odd, so that a batch axis is not taken for a channel axis


@dataclass(frozen=True, eq=False)
class Trace:
    """What one abstract forward pass shows."""

    outputs: int
    calls: dict[str, Call]  # those that can be tapped, in order
    paths: tuple[str, ...]  # of all calls, in order
    default_layer: str | None
    why: str  # it is the one


@functools.lru_cache(maxsize=256)
def trace(classifier: Any, treedef: Any, shapes: tuple[tuple[tuple[int, ...], Any], ...]) -> Trace:
    """Trace a classifier (without its parameters, of which only the shapes are needed)."""
    params = jax.tree.unflatten(treedef, [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes])
    found, _ = follow(classifier, params)
    if classifier.relu_rule is not None:
        images = jax.ShapeDtypeStruct((BATCH, *classifier.input_shape), jnp.float32)
        jax.eval_shape(classifier.logits, params, images)  # refuses a model without ReLU
    return found


def follow(classifier: Any, params: Any) -> tuple[Trace, Any]:
    """One abstract forward pass of `BATCH` images: what it shows, and the traced function, which is large and not kept.

    Args:
        classifier: a `Classifier`, whose own parameters are not looked at.
        params: their shapes and dtypes.
    """
    size = classifier.input_shape[:2]
    images = jax.ShapeDtypeStruct((BATCH, *classifier.input_shape), jnp.float32)
    recorder = Recorder(size)

    def run(params: Any, images: Any) -> tuple[Array, dict[str, Array]]:
        recorder.outputs.clear()
        recorder.counts.clear()
        logits = classifier._apply(params, images, recorder)
        return logits, {key: value for key, value in recorder.outputs.items() if isinstance(value, jax.Array)}

    traced = jax.jit(run).trace(params, images)
    logits, outputs = traced.out_info
    order = list(recorder.outputs)
    recorder.outputs = {key: outputs.get(key) for key in order}
    seen = recorder.calls(BATCH)
    calls = {call.name: call for call in seen if call.shape is not None}
    paths = tuple(dict.fromkeys(call.path for call in seen))
    return Trace(logits.shape[1], calls, paths, *_default_layer(calls)), traced


def _default_layer(calls: dict[str, Call]) -> tuple[str | None, str]:
    """The last convolutional block's output; in a transformer the first norm of the last block. And why it is that."""
    pictures = [call for call in calls.values() if _is_picture(call.shape)]
    tail = [call for call in pictures if call.role in ("conv", "attention")]
    if not tail:
        if not pictures:
            return None, "no layer has activations with places"
        return pictures[-1].name, "the last layer with activations that have places"
    last = pictures.index(tail[-1])
    if tail[-1].role == "attention":
        norms = [call for call in pictures[:last] if call.role == "norm"]
        if not norms:
            return tail[-1].name, "the last attention"
        return norms[-1].name, "the norm that feeds the last attention"
    # What follows the last convolution on the same grid with the same channels (its norm, its block) belongs to it.
    block = itertools.takewhile(lambda call: call.shape == tail[-1].shape, pictures[last:])
    return list(block)[-1].name, f"the output of the block of the last convolution, {tail[-1].name}"


def _is_picture(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 3 and shape[0] * shape[1] > 1


def is_pooling_and_dense(classifier: Any, layer: str, params: Any, shape: tuple[int, ...]) -> bool:
    """Whether the logits are `mean(activations) @ W + b` at `layer`, whatever the parameters."""
    if len(shape) != 3:
        return False
    leaves, treedef = jax.tree.flatten(params)
    shapes = tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    return _is_pooling_and_dense(classifier, layer, shape, treedef, shapes)


def head(classifier: Any, layer: str, params: Any, shape: tuple[int, ...]) -> Array | None:
    """`W [c, K]` where the logits are `mean(activations) @ W + b` at `layer`, else None."""
    if not is_pooling_and_dense(classifier, layer, params, shape):
        return None
    return _weights(classifier, layer, shape, params)


def _behind(classifier: Any, layer: str, params: Any, activations: Array) -> Array:
    """Logits as a function of the activations of `layer`; under jit the layers before it fall away."""
    images = jnp.zeros((activations.shape[0], *classifier.input_shape), activations.dtype)
    return classifier._forward(params, images, {}, {layer: activations})[0]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _weights(classifier: Any, layer: str, shape: tuple[int, ...], params: Any) -> Array:
    """Gradient of each logit, summed over positions: the dense layer's weights. 64 classes at a time."""
    logits, back = jax.vjp(lambda maps: _behind(classifier, layer, params, maps)[0], jnp.zeros((1, *shape)))

    def of_class(one: Array) -> Array:
        return back(one)[0].sum((0, 1, 2))

    return jax.lax.map(of_class, jnp.eye(logits.shape[0], dtype=logits.dtype), batch_size=64).T


@functools.lru_cache(maxsize=256)
def _is_pooling_and_dense(
    classifier: Any, layer: str, shape: tuple[int, ...], treedef: Any, shapes: tuple[tuple[tuple[int, ...], Any], ...]
) -> bool:
    """Try it on random activations and parameters: it is about structure, not about these weights.

    The logits must depend on the activations' mean alone, and be linear in it but for the bias.
    """
    random = np.random.default_rng(0)
    # Positive, for batch norm's variances; the activations have both signs and a large mean, so that a ReLU, a
    # softmax or a pooling by maximum behind the layer shows.
    params = jax.tree.unflatten(treedef, [random.uniform(0.5, 1.5, s).astype(d) for s, d in shapes])
    maps = (random.normal(size=(8, *shape)) + 3 * random.normal(size=(8, 1, 1, shape[-1]))).astype(np.float32)
    mixing = random.normal(size=(4, 8)).astype(np.float32)
    mixed = np.tensordot(mixing, maps, 1)
    even = np.broadcast_to(maps.mean((1, 2), keepdims=True), maps.shape)
    behind = jax.jit(_behind, static_argnums=(0, 1))

    def logits(batch: np.ndarray) -> np.ndarray:
        # One image at a time, so that the backbone's dead code stays small where it is not removed.
        with jax.ensure_compile_time_eval():
            rows = [np.asarray(behind(classifier, layer, params, batch[i : i + 1])) for i in range(len(batch))]
        return np.concatenate(rows).astype(np.float64)

    found, at_zero = logits(maps), logits(np.zeros_like(maps[:1]))
    expected = [(logits(even), found), (logits(mixed), mixing.astype(np.float64) @ (found - at_zero) + at_zero)]
    return all(np.allclose(one, other, rtol=1e-3, atol=1e-3 * np.abs(other).max()) for one, other in expected)
