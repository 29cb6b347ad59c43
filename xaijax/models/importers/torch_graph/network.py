"""The interpreter: a graph as a pure function of parameters and images, and the network that a classifier runs.

Everything but the images is static or a parameter: a Python loop over the operations calls one JAX function for each,
so what XLA sees is the model itself. Images enter as `[B, H, W, C]` and stay in that order through convolutions,
normalisations and activations (see `laid`). Sizes that grow with the batch are computed from the batch.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._network.base import Array, Call, Network, Recorder, UnsupportedError
from xaijax._network.trees import get, put
from xaijax.models.importers.torch_graph.graph import Dtype, Graph, Layer, Operation, Ref, Size, mapped
from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations import TABLE
from xaijax.models.importers.torch_graph.operations.attention import attention_weights, grouped, weighted
from xaijax.models.importers.torch_graph.operations.normalisation import scale_and_shift

ATTENTION = "scaled_dot_product_attention"
TRAINING = {"_native_batch_norm_legit_functional", "native_dropout", "bernoulli"}  # never in evaluation mode
BATCH_NORMS = ("_native_batch_norm_legit_no_training", "batch_norm", "_native_batch_norm_legit", "native_batch_norm")
# Operations with a bias, and the argument that it is.
BIASES = {
    "convolution": "bias",
    "conv1d": "bias",
    "conv2d": "bias",
    "conv_transpose2d": "bias",
    "linear": "bias",
    "addmm": "input",
    "layer_norm": "bias",
    "native_layer_norm": "bias",
    "group_norm": "bias",
    "native_group_norm": "bias",
    **dict.fromkeys(BATCH_NORMS, "bias"),
}


@dataclass(frozen=True, eq=False)
class GraphNetwork(Network):
    """A graph, and the constants of it that are no parameters.

    Args:
        graph: the operations.
        constants: name of a tensor -> array, as stored.
        dtype: what the operations compute in, or None for that of the parameters.
    """

    graph: Graph
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    dtype: str | None = None

    kind = "a converted graph"

    def layer_reason(self, layer: str) -> str | None:
        """What was found when the layers were named."""
        return self.graph.default_layer_reason if layer == self.graph.default_layer else None

    @cached_property
    def _key(self) -> tuple[str, str | None]:
        digest = hashlib.sha256(self.graph.text().encode())
        for name in sorted(self.constants):
            array = self.constants[name]
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest(), self.dtype

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, GraphNetwork) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def apply(self, params: Any, images: Array, recorder: Recorder) -> Array:
        channels, height, width = self.graph.image
        if tuple(images.shape[1:]) != (height, width, channels):
            raise UnsupportedError(
                f"this model was converted for images of {height} x {width} x {channels}; convert it again with "
                f"input_shape={tuple(images.shape[1:])}"
            )
        logits = run(self, params, images, self._seen_by(recorder)).logical()
        return logits if self.dtype is None else logits.astype(jnp.float32)

    def _seen_by(self, recorder: Recorder) -> Callable[[str, str | None, Laid], Laid]:
        """Shows the layers to a recorder, with their channels last."""

        def see(name: str, part: str | None, value: Laid) -> Laid:
            for layer in self.layers_at.get((name, part), ()):
                if recorder.everything or layer.path in recorder.paths:
                    recorder.note(layer.path, layer.role)  # type: ignore[arg-type]
                    arrangement = shown(value.ndim, layer.channels)
                    value = Laid.arranged_as(recorder(layer.path, value.arranged(arrangement)), arrangement)
            return value

        return see

    @cached_property
    def layers_at(self) -> dict[tuple[str, str | None], list[Layer]]:
        """Result -> the layers that it is, the innermost first."""
        found: dict[tuple[str, str | None], list[Layer]] = {}
        for layer in self.graph.layers:
            found.setdefault((layer.name, layer.part), []).append(layer)
        return found

    def biases(self, params: Any, calls: tuple[Call, ...]) -> dict[str, Array]:
        shapes = {call.name: call.shape for call in calls}
        counts: dict[str, int] = {}
        total: dict[str, int] = {}
        for layer in self.graph.layers:
            total[layer.path] = total.get(layer.path, 0) + 1
        found: dict[str, Array] = {}
        taken: set[str] = set()
        for layer in self.graph.layers:
            index = counts.get(layer.path, 0)
            counts[layer.path] = index + 1
            name = layer.path if total[layer.path] == 1 else f"{layer.path}@{index}"
            operation = source(self.graph, layer.name)
            shape = shapes.get(name)
            if layer.part is not None or operation is None or operation.name in taken or not shape:
                continue
            bias = self._bias(params, operation)
            if bias is not None and shape[-1:] == bias.shape:
                found[name] = bias
                taken.add(operation.name)
        return found

    def _bias(self, params: Any, operation: Operation) -> Array | None:
        """What an operation adds to its result whatever its input, `[C]`."""
        if operation.op not in BIASES:
            return None

        def value(name: str) -> Array | None:
            ref = operation.inputs.get(name)
            if not isinstance(ref, Ref) or ref.name not in self.graph.tensors:
                return None
            return self.tensor(params, ref.name).logical()

        bias = value(BIASES[operation.op])
        mean, var = value("running_mean"), value("running_var")
        if operation.op in BATCH_NORMS and mean is not None and var is not None:
            eps = float(operation.inputs["eps"])
            return scale_and_shift(value("weight"), bias, mean, var, eps)[1]
        return bias if bias is not None and bias.ndim == 1 else None

    def trained_leaves(self, params: Any) -> list[Array]:
        tensors = self.graph.tensors.values()
        paths = dict.fromkeys(tuple(tensor.of.split(".")) for tensor in tensors if tensor.kind == "parameter")
        return [get(params, path) for path in paths]

    def owners(self, params: Any) -> dict[str, Any]:
        groups: dict[str, Any] = {}
        for tensor in self.graph.tensors.values():
            if tensor.kind != "constant":
                path = tuple(tensor.of.split("."))
                put(groups.setdefault(".".join(path[:-1]), {}), path, get(params, path))
        return groups

    def optimized(self, params: Any, dtype: Any) -> tuple[Network, Any]:
        from xaijax.models.importers.torch_graph import fold  # which needs this module

        network, params = fold.optimized(self, params, None if dtype is None else jnp.dtype(dtype).name)
        return network, jax.tree.map(jnp.asarray, params)

    def tensor(self, params: Any, name: str) -> Laid:
        """A parameter, buffer or constant, with its axes as PyTorch means them."""
        tensor = self.graph.tensors[name]
        if tensor.kind == "constant":
            array = jnp.asarray(self.constants[name])
        else:
            array = jnp.asarray(get(params, tuple(tensor.of.split("."))))
        if self.dtype is not None and jnp.issubdtype(array.dtype, jnp.floating):
            array = array.astype(self.dtype)
        return Laid.of(array) if tensor.arrangement is None else Laid.arranged_as(array, tensor.arrangement)


def shown(ndim: int, channels: int | None) -> tuple[int, ...]:
    """The order of axes in which a layer is shown: channels last."""
    if channels is None or not 0 < channels < ndim:
        return tuple(range(ndim))
    return (*(axis for axis in range(ndim) if axis != channels), channels)


TRANSPARENT = {"view", "permute", "transpose", "t", "clone", "alias", "detach", "getitem", "_unsafe_view"}
TRANSPARENT |= {"reshape", "flatten", "squeeze", "unsqueeze", "expand", "_to_copy"}


def source(graph: Graph, name: str) -> Operation | None:
    """The operation whose values a result has, possibly in another shape or order; None for the images and tensors."""
    operation = graph.operation(name)
    while operation is not None and operation.op in TRANSPARENT:
        if operation.op == "getitem" and operation.inputs["index"] != 0:
            return operation
        ref = operation.inputs["input"]
        operation = graph.operation(ref.name) if isinstance(ref, Ref) else None
    return operation


def run(
    network: GraphNetwork,
    params: Any,
    images: Array,
    see: Callable[[str, str | None, Any], Any] = lambda name, part, value: value,
) -> Laid:
    """The graph's output for images `[B, H, W, C]`.

    Args:
        network: the graph and its constants.
        params: nested dictionaries of arrays.
        images: `[B, H, W, C]`, in the unit that the module expects.
        see: called with each result's name, its part and its value; the graph continues with what it returns.

    Returns:
        The output.
    """
    graph, batch = network.graph, images.shape[0]
    if network.dtype is not None:
        images = images.astype(network.dtype)
    values: dict[str, Any] = {graph.input: Laid.arranged_as(images, (0, 2, 3, 1))}
    last = _last_uses(graph)

    def resolved(item: Any) -> Any:
        if isinstance(item, Ref):
            if item.name not in values:
                values[item.name] = network.tensor(params, item.name)
            return values[item.name]
        if isinstance(item, Size):
            return item.per_image * batch + item.fixed
        return np.dtype(item.name) if isinstance(item, Dtype) else item

    for index, operation in enumerate(graph.operations):
        inputs = {key: mapped(value, resolved) for key, value in operation.inputs.items()}
        if operation.op not in TABLE:
            raise UnsupportedError(missing([(operation.op, graph.where(operation))]))
        if operation.op == ATTENTION and (operation.name, "weights") in network.layers_at:
            value: Any = _seen_attention(inputs, partial(see, operation.name, "weights"))
        else:
            value = TABLE[operation.op](**inputs)
        values[operation.name] = see(operation.name, None, value) if isinstance(value, Laid) else value
        for name in last.get(index, ()):
            values.pop(name, None)
    return values[graph.output]


def _seen_attention(inputs: Mapping[str, Any], see: Callable[[Laid], Laid]) -> Laid:
    """Attention in two steps, with its weights shown."""
    options = dict(inputs)
    query, key, value = (options.pop(name) for name in ("query", "key", "value"))
    key, value = grouped(query, key, value, options.pop("enable_gqa", False))
    options.pop("dropout_p", None)
    return weighted(see(attention_weights(query, key, **options)), value)


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """Number of an operation -> the results that nothing takes after it, so that tracing does not keep them."""
    last: dict[str, int] = {}
    for index, operation in enumerate(graph.operations):
        for name in operation.refs():
            last[name] = index
    found: dict[int, list[str]] = {}
    for name, index in last.items():
        if name != graph.output:
            found.setdefault(index, []).append(name)
    return found


def missing(found: list[tuple[str, str]]) -> str:
    """The error for operations that the table lacks: each with the paths of the modules that it is in."""
    training = sorted({op for op, _ in found} & TRAINING)
    if training:
        return (
            f"this model was exported in training mode (it has {', '.join(training)}): call its eval() before "
            "torch.export.export, and save it again"
        )
    places: dict[str, list[str]] = {}
    for op, where in found:
        if where not in places.setdefault(op, []):
            places[op].append(where)
    listed = "; ".join(
        f"{op} (in {', '.join(paths[:3])}{' and others' if len(paths) > 3 else ''})" for op, paths in places.items()
    )
    return (
        f"this model has operations that xaijax does not have in JAX: {listed}; use it as a black box with "
        "models.from_predict"
    )


def shapes(network: GraphNetwork, params: Any, batch: int = 3) -> dict[str, tuple[int, ...]]:
    """The logical shape of every array in a graph, without running it."""
    found: dict[str, tuple[int, ...]] = {}

    def see(name: str, part: str | None, value: Laid) -> Laid:
        found[name] = value.shape
        return value

    channels, height, width = network.graph.image
    images = jax.ShapeDtypeStruct((batch, height, width, channels), jnp.float32)
    jax.eval_shape(lambda params, images: run(network, params, images, see).logical(), params, images)
    found[network.graph.input] = (batch, channels, height, width)
    for name in network.graph.tensors:
        found.setdefault(name, jax.eval_shape(lambda p, name=name: network.tensor(p, name).logical(), params).shape)
    return found
