"""What the beginning of a graph says of the pixels that the model takes."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax.models.importers.torch_graph.graph import Graph, Operation, Ref
from xaijax.models.importers.torch_graph.network import GraphNetwork, run

LARGEST = 0.05  # factor on a pixel in 0 .. 255 that brings it near 1: 1/255, 1/127.5, 1/58


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
