"""The default layer of a Keras model, whose blocks are no modules: a residual sum or a concatenation ends one too."""

from dataclasses import replace

from xaijax.models.importers.torch_graph.graph import Graph, Operation
from xaijax.models.importers.torch_graph.layers import ACTIVATIONS, CONVOLUTIONS, NORMS, Shapes
from xaijax.models.importers.torch_graph.network import TRANSPARENT, source

CARRIED = (*ACTIVATIONS, *NORMS, *TRANSPARENT, "add", "cat", "mul")


def with_block_ends(graph: Graph, shapes: Shapes) -> Graph:
    """The graph whose default layer, if a convolution's, is what its block gives on: behind the sum and activation.

    Args:
        graph: with layers.
        shapes: logical shape of every array in it.

    Returns:
        The graph.
    """
    path = (graph.default_layer or "").partition("@")[0]
    found = [layer for layer in graph.layers if layer.path == path]
    if not found or "block" not in graph.default_layer_reason:
        return graph
    users: dict[str, list[Operation]] = {}
    for operation in graph.operations:
        for name in dict.fromkeys(operation.refs()):
            users.setdefault(name, []).append(operation)
    name, best = found[-1].name, graph.default_layer
    channels = found[-1].channels
    sides = tuple(side for axis, side in enumerate(shapes[name]) if axis not in (0, channels))
    counts = {layer.path: [one.path for one in graph.layers].count(layer.path) for layer in graph.layers}
    while len(users.get(name, [])) == 1 and users[name][0].op in CARRIED:
        name = users[name][0].name
        if name in shapes and sides not in (shapes[name][2:], shapes[name][1:-1]):
            break
        ends = [layer for layer in graph.layers if layer.name == name and counts[layer.path] == 1]
        made = source(graph, name)
        if ends and made is not None and made.op not in CONVOLUTIONS:
            best = ends[0].path
    return replace(graph, default_layer=best)
