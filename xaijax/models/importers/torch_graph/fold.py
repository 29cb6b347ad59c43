"""A graph made faster for inference: batch norms go into the convolutions and dense layers before them.

As in `xaijax._network.fold`: behind a convolution that nothing else uses, batch norm's factor goes into the kernel and
the rest into the bias. Layers keep their names; a folded convolution's own layer gives what its batch norm gave.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from xaijax._network.trees import flatten, get, put
from xaijax.models.importers.torch_graph.graph import Graph, Operation, Ref, Tensor
from xaijax.models.importers.torch_graph.network import GraphNetwork

FOLDED_INTO = ("convolution", "conv1d", "conv2d")
BATCH_NORM = "_native_batch_norm_legit_no_training"


def optimized(
    network: GraphNetwork, params: Mapping[str, Any], dtype: str | None
) -> tuple[GraphNetwork, dict[str, Any]]:
    """The faster network and its parameters; `dtype` is what it computes in, None for that of the parameters."""
    graph = network.graph
    uses: dict[str, int] = {graph.output: 1}
    for operation in graph.operations:
        for name in operation.refs():
            uses[name] = uses.get(name, 0) + 1
    values: dict[str, Any] = {}
    for path, leaf in flatten(params):
        put(values, path, leaf)
    tensors, changed = dict(graph.tensors), {}
    gone: dict[str, str] = {}  # batch norm -> the operation that it went into
    for norm in graph.operations:
        if norm.op != BATCH_NORM or not all(
            _is_tensor(graph, norm.inputs[key]) for key in ("running_mean", "running_var")
        ):
            continue
        ref = norm.inputs["input"]
        before = graph.operation(ref.name) if isinstance(ref, Ref) else None
        if before is None or before.op not in FOLDED_INTO or uses[before.name] != 1 or before.inputs.get("transposed"):
            continue
        weight, bias = before.inputs["weight"], before.inputs.get("bias")
        if not _is_tensor(graph, weight) or uses[weight.name] != 1 or not (bias is None or _is_tensor(graph, bias)):
            continue
        kernel, shift = _folded(network, values, before, norm)
        put(values, tuple(graph.tensors[weight.name].of.split(".")), kernel)
        name = f"{weight.name}_folded_bias"
        path = f"{graph.tensors[weight.name].of.rpartition('.')[0]}.bias"
        tensors[name] = Tensor(path, "parameter")
        put(values, tuple(path.split(".")), shift)
        changed[before.name] = replace(before, inputs={**before.inputs, "bias": Ref(name)})
        gone[norm.name] = before.name
    operations = []
    for operation in graph.operations:
        if operation.name in gone:
            continue
        first = operation.inputs.get("input")
        if operation.op == "getitem" and isinstance(first, Ref) and first.name in gone:
            operation = replace(operation, op="alias", inputs={"input": Ref(gone[first.name])})
        operations.append(changed.get(operation.name, operation))
    used = {name for operation in operations for name in operation.refs()}
    tensors = {name: tensor for name, tensor in tensors.items() if name in used}
    made = GraphNetwork(
        replace(graph, operations=tuple(operations), tensors=tensors, _by_name={}), network.constants, dtype
    )
    kept: dict[str, Any] = {}
    for tensor in tensors.values():
        if tensor.kind != "constant":
            path = tuple(tensor.of.split("."))
            put(kept, path, get(values, path))
    return made, kept


def _is_tensor(graph: Graph, value: Any) -> bool:
    return isinstance(value, Ref) and value.name in graph.tensors


def _folded(
    network: GraphNetwork, params: Mapping[str, Any], before: Operation, norm: Operation
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel, as it is stored, and bias of a convolution that does what it and its batch norm did."""

    def array(operation: Operation, key: str, otherwise: float) -> np.ndarray:
        ref = operation.inputs.get(key)
        if ref is None:
            return np.asarray(otherwise)
        return np.asarray(network.tensor(params, ref.name).logical(), np.float64)

    factor = array(norm, "weight", 1.0) / np.sqrt(array(norm, "running_var", 1.0) + float(norm.inputs["eps"]))
    shift = (array(before, "bias", 0.0) - array(norm, "running_mean", 0.0)) * factor + array(norm, "bias", 0.0)
    tensor = network.graph.tensors[before.inputs["weight"].name]
    stored = np.asarray(get(params, tuple(tensor.of.split("."))))
    outputs = 0 if tensor.arrangement is None else tensor.arrangement.index(0)
    shape = [1] * stored.ndim
    shape[outputs] = -1
    kernel = np.asarray(stored, np.float64) * factor.reshape(shape)
    return kernel.astype(stored.dtype), np.broadcast_to(shift, (stored.shape[outputs],)).astype(stored.dtype)
