"""Converted graphs in files: a checkpoint of xaijax whose header holds the operations (`graph` says the format).

`model.safetensors` has the parameters and buffers under their names in the module, constants under `constant:NAME`, and
in its header the entry `xaijax`, JSON: `format`, `graph`, classes, input shape, preprocessing and `info`. Nothing but
NumPy, JAX and safetensors is needed to read it, and no code from the file runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import safe_open

from xaijax._errors import InputError
from xaijax._network.trees import flatten, put
from xaijax.classifier import Classifier
from xaijax.models._files import Stored, adopt, fill, reading, zeros
from xaijax.models.importers.torch_graph.graph import Graph
from xaijax.models.importers.torch_graph.network import GraphNetwork, missing
from xaijax.models.importers.torch_graph.operations import TABLE

CONSTANT = "constant:"
EXPECTED = "a readable safetensors file"


def is_graph(classifier: Classifier) -> bool:
    """Whether a classifier runs a converted graph that can be saved."""
    network = classifier.network
    return isinstance(network, GraphNetwork) and network.dtype is None


def tensors(classifier: Classifier, dtype: Any) -> dict[str, np.ndarray]:
    """The arrays of a file, by name."""
    network = classifier.network
    assert isinstance(network, GraphNetwork)
    found = {".".join(path): np.asarray(leaf, dtype) for path, leaf in flatten(classifier.params)}
    return found | {f"{CONSTANT}{name}": array for name, array in network.constants.items()}


@dataclass(frozen=True)
class Parts:
    """What a file says of a converted model, arrays apart."""

    graph: Graph
    layer: str | None


def header(classifier: Classifier) -> dict[str, Any]:
    """What a file's header says of the graph."""
    network = classifier.network
    assert isinstance(network, GraphNetwork)
    return {"graph": network.graph.to_json(), "layer": classifier.layer}


def parse(values: Mapping[str, Any]) -> Parts:
    """The graph of a header; refuses operations that this version does not have."""
    graph = Graph.from_json(values["graph"])
    lacking = [(operation.op, graph.where(operation)) for operation in graph.operations if operation.op not in TABLE]
    if lacking:
        raise InputError(missing(lacking))
    layer = values["layer"]
    return Parts(graph, None if layer is None else str(layer))


def read(file: Path, graph: Graph) -> tuple[GraphNetwork, dict[str, Any]]:
    """The network and its parameters; floats of other sizes than 32 bits become float32 where JAX has no others."""
    params: dict[str, Any] = {}
    constants: dict[str, np.ndarray] = {}
    wanted = {f"{CONSTANT}{name}" if tensor.kind == "constant" else tensor.of for name, tensor in graph.tensors.items()}
    with reading(str(file), EXPECTED), safe_open(file, framework="numpy") as opened:
        names = set(opened.keys())
        differing = [f"missing {name}" for name in sorted(wanted - names)]
        differing += [f"unknown {name}" for name in sorted(names - wanted)]
        if differing:
            raise InputError(f"{file} does not fit its graph: {'; '.join(differing)}")
        for name in sorted(wanted):
            if name.startswith(CONSTANT):
                constants[name.removeprefix(CONSTANT)] = opened.get_tensor(name)
                continue
            stored = Stored(opened.get_slice(name), str(file), EXPECTED)
            if opened.get_slice(name).get_dtype() == "F64" and jax.config.read("jax_enable_x64"):
                array: Any = jnp.asarray(opened.get_tensor(name))
            else:
                values = zeros(stored.shape)
                fill(values, stored)
                array = adopt(values)
            put(params, tuple(name.split(".")), array)
    return GraphNetwork(graph, constants), params
