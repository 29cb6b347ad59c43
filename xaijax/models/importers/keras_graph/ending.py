"""What the end of a graph says of its output, and what its beginning says of its pixels."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax.models.importers.torch_graph.graph import Graph, Operation, Ref
from xaijax.models.importers.torch_graph.network import TRANSPARENT, GraphNetwork, run

AFFINE = ("linear", "convolution", "_native_batch_norm_legit_no_training")
THROUGH = (*TRANSPARENT, "mean", "add", "sub", "rsub", "mul", "div", "amax", "slice", "cat", "constant_pad_nd")
LARGEST = 0.05  # factor on a pixel in 0 .. 255 that brings it near 1: 1/255, 1/127.5, 1/58


def without_ending(graph: Graph, what: str) -> tuple[Graph, str]:
    """The graph that gives logits, and the activation that was its end.

    Args:
        graph: of a whole model.
        what: what errors call it.

    Returns:
        The graph without a softmax or sigmoid at its end; `"softmax"`, `"sigmoid"` or `"linear"`.

    Raises:
        InputError: for another ending, whose results are no logits.
    """
    last = graph.operation(graph.output)
    if last is not None and last.op in ("softmax", "sigmoid"):
        before = last.inputs["input"]
        kept = tuple(operation for operation in graph.operations if operation is not last)
        shorter = replace(graph, output=before.name, operations=kept, _by_name={})
        _check_linear(shorter, what, behind=last.op)
        return shorter, last.op
    _check_linear(graph, what)
    return graph, "linear"


def _check_linear(graph: Graph, what: str, behind: str = "") -> None:
    """Refuse an output that is not the sum of weighted inputs."""
    waiting, seen = [graph.output], set()
    while waiting:
        name = waiting.pop()
        operation = graph.operation(name)
        if operation is None or name in seen or operation.op in AFFINE:
            continue
        seen.add(name)
        if operation.op not in THROUGH:
            before = f", before its {behind}," if behind else ""
            raise InputError(
                f"{what} ends{before} in {operation.op.strip('_')} (layer {graph.where(operation)}); xaijax reads "
                "models that end in softmax, sigmoid or no activation: use it as a black box with models.from_predict"
            )
        waiting.extend(operation.refs())


def pixels(graph: Graph, params: Any, constants: Any) -> tuple[float, str] | None:
    """What the layers before the first weights say of the pixels that the model takes.

    Args:
        graph: of a whole model.
        params: of it.
        constants: of it.

    Returns:
        The largest pixel, 255 or 1, and the path of the first layer that says so; None where there are no such layers.
    """
    first = next((operation for operation in graph.operations if _has_weights(graph, operation)), None)
    if first is None or not isinstance(first.inputs.get("input"), Ref):
        return None
    name = first.inputs["input"].name
    scaled = graph.operation(name)
    if scaled is None:
        return None
    front = graph.operations[: graph.operations.index(first)]
    network = GraphNetwork(replace(graph, output=name, operations=front, layers=(), _by_name={}), constants)
    channels, height, width = graph.image

    def middle(value: float) -> np.ndarray:
        found = run(network, params, jnp.full((1, height, width, channels), value, jnp.float32)).logical()
        return np.asarray(jax.device_get(found)).reshape(found.shape)[..., found.shape[-2] // 2, found.shape[-1] // 2]

    black, white = middle(0.0), middle(1.0)
    factor, shift = float(np.abs(white - black).max()), float(np.abs(black).max())
    if factor == 1 and shift == 0:  # padding alone
        return None
    largest = 255.0 if factor < LARGEST or shift > 20 * factor else 1.0
    where = next((operation for operation in front if operation.op in ("mul", "add", "sub", "div")), scaled)
    return largest, graph.where(where)


def _has_weights(graph: Graph, operation: Operation) -> bool:
    return any(name in graph.tensors and graph.tensors[name].kind != "constant" for name in operation.refs())
