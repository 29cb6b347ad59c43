"""The layers of a graph: which results modules return, where their channels are, and which layer CAM methods take.

* A layer is what one call of a module returns: the result that is used outside it. Its name is the module's path.
* Channels are followed from convolutions (axis 1), dense layers and layer norms (the last axis) through operations that
  keep them, so that every layer is shown with its channels last, whichever order the model computes in.
* A bias inside a module that continues after it (a batch norm with its activation, say) is a layer of its own:
  `path.batch_norm`. Attention weights are layers `path.attention_weights` where all blocks have `[B, heads, T, T]` of
  one T, which is what attention rollout needs.
* The default layer is the last convolutional block's output; where attention is the last thing that mixes places, the
  norm that feeds it.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from xaijax._network.grids import token_grid
from xaijax.models.importers.torch_graph.graph import Graph, Layer, Operation, Ref
from xaijax.models.importers.torch_graph.network import (
    ATTENTION,
    BATCH_NORMS,
    BIASES,
    TRANSPARENT,
    shown,
    source,
)

Shapes = Mapping[str, tuple[int, ...]]
CONVOLUTIONS = ("convolution", "conv1d", "conv2d", "conv_transpose2d")
DENSE = ("linear", "addmm", "mm")
NORMS = ("layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "rms_norm", *BATCH_NORMS)
OWN_NAMES = {"native_layer_norm": "layer_norm", "native_group_norm": "group_norm", "addmm": "linear"}
OWN_NAMES |= {**dict.fromkeys(CONVOLUTIONS, "convolution"), **dict.fromkeys(BATCH_NORMS, "batch_norm")}
ACTIVATIONS = ("relu", "relu6", "hardtanh", "silu", "gelu", "hardswish", "leaky_relu", "elu", "mish", "prelu", "tanh")
SOFTMAX = ("softmax", "_softmax")
PRODUCTS = ("matmul", "bmm", "baddbmm", "einsum")
# What carries tokens to attention without changing them: windows are shifted and cut.
CARRIED = TRANSPARENT | {"roll", "pad", "constant_pad_nd", "slice", "cat", "index", "index_select", "select"}


def with_layers(graph: Graph, shapes: Shapes) -> Graph:
    """The graph with its layers and its default layer.

    Args:
        graph: operations and calls.
        shapes: logical shape of every array in it.

    Returns:
        The graph.
    """
    channels = channel_axes(graph, shapes)
    attention = _attention(graph, shapes)
    layers = _module_layers(graph, channels, shapes, attention)
    layers = _with_biases(graph, layers, channels, shapes)
    layers = _with_attention_weights(graph, layers, shapes, attention)
    order = {name: index for index, name in enumerate(operation.name for operation in graph.operations)}
    depth = {id(layer): -layer.path.count(".") for layer in layers}
    layers.sort(key=lambda layer: (order[layer.name], layer.part is None, depth[id(layer)]))
    graph = replace(graph, layers=tuple(layers))
    name, reason = _default(graph, shapes, attention)
    return replace(graph, default_layer=name, default_layer_reason=reason)


# ------------------------------------------------------------------------------------------------------------ channels


def channel_axes(graph: Graph, shapes: Shapes) -> dict[str, int]:
    """Result -> the axis that its channels are, for those where it is known."""
    found = {graph.input: 1}
    for operation in graph.operations:
        if operation.name in shapes:
            axis = _channel_axis(operation, found, shapes)
            if axis is not None:
                found[operation.name] = axis
        elif operation.op in NORMS or operation.op.startswith(("max_pool", "split", "chunk", "unbind", "max")):
            first = _first(operation)  # several results, of which `getitem` picks one
            if operation.op in NORMS and "layer" not in operation.op:
                found[operation.name] = 1
            elif operation.op in NORMS:
                found[operation.name] = len(shapes[first]) - 1 if first else 1
            elif first in found:
                found[operation.name] = found[first]
    return found


def _first(operation: Operation) -> str | None:
    return next(iter(operation.refs()), None)


def _channel_axis(operation: Operation, found: Mapping[str, int], shapes: Shapes) -> int | None:
    op, shape = operation.op, shapes[operation.name]
    first = _first(operation)
    known = None if first is None else found.get(first)
    if op in CONVOLUTIONS or (op in NORMS and not op.endswith(("layer_norm", "rms_norm"))):
        return 1
    if op in DENSE:
        return len(shape) - 1
    if op.endswith(("layer_norm", "rms_norm")):
        return len(shape) - 1 if len(operation.inputs["normalized_shape"]) == 1 else known
    if op in PRODUCTS or op == ATTENTION or op in SOFTMAX:
        return None
    if op in ("view", "_unsafe_view", "reshape", "flatten", "unflatten"):
        return _viewed(shapes[first or ""], known, shape)
    if op in ("permute", "transpose", "t", "unsqueeze", "squeeze", "select"):
        return _moved(operation, known, len(shapes[first or ""]), shapes)
    if op in ("index", "gather", "embedding", "stack", "im2col", "unfold"):
        return None
    if op in ("mean", "sum", "amax", "amin") and len(shape) != len(shapes[first or ""]):
        return len(shape) - 1 if len(shape) == 2 and known is not None else None
    for name in operation.refs():  # of operands that broadcast: the first that has as many axes
        if name in found and len(shapes.get(name, shape)) == len(shape):
            return found[name]
    return None


def _viewed(before: tuple[int, ...], axis: int | None, after: tuple[int, ...]) -> int | None:
    """Where an axis is after a reshape that leaves it whole."""
    if axis is None:
        return None
    for place, size in enumerate(after):
        if size == before[axis] and math.prod(after[:place]) == math.prod(before[:axis]):
            return place
    return None


def _moved(operation: Operation, axis: int | None, ndim: int, shapes: Shapes) -> int | None:
    if axis is None:
        return None
    order = list(range(ndim))
    inputs = operation.inputs
    if operation.op == "permute":
        order = [dim % ndim for dim in inputs["dims"]]
    elif operation.op == "transpose":
        one, two = inputs["dim0"] % ndim, inputs["dim1"] % ndim
        order[one], order[two] = order[two], order[one]
    elif operation.op == "t":
        order.reverse()
    elif operation.op == "unsqueeze":
        order.insert(inputs["dim"] % (ndim + 1), -1)
    else:
        shape = shapes[_first(operation) or ""]
        dims = inputs.get("dim", 0 if operation.op == "select" else None)
        asked = range(ndim) if dims is None else [dims] if isinstance(dims, int) else dims
        gone = {dim % ndim for dim in asked if operation.op == "select" or shape[dim] == 1}
        order = [dim for dim in order if dim not in gone]
    return order.index(axis) if axis in order else None


# -------------------------------------------------------------------------------------------------------------- layers


def _users(graph: Graph) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for operation in graph.operations:
        for name in dict.fromkeys(operation.refs()):
            found.setdefault(name, []).append(operation)
    return found


def _module_layers(
    graph: Graph, channels: Mapping[str, int], shapes: Shapes, attention: list[Operation]
) -> list[Layer]:
    """What each call of a module returns."""
    users = _users(graph)
    returned: dict[int, str] = {}
    for operation in graph.operations:
        if operation.name not in shapes:
            continue
        outside = users.get(operation.name, [])
        for call in graph.chain(operation.call):
            is_used = operation.name == graph.output or any(call not in graph.chain(user.call) for user in outside)
            if is_used:
                returned[call] = operation.name  # the last of several
    with_attention = {_owner(graph, operation) for operation in attention}
    layers = []
    for call, name in returned.items():
        made = source(graph, name)
        op = made.op if made else ""
        inside = made is not None and call in graph.chain(made.call)
        role = None
        if call in with_attention:
            role = "attention"
        elif inside and op in CONVOLUTIONS:
            role = "conv"
        elif inside and op in NORMS:
            role = "norm"
        layers.append(Layer(graph.calls[call].path, name, channels.get(name), role))
    return layers


def _with_biases(graph: Graph, layers: list[Layer], channels: Mapping[str, int], shapes: Shapes) -> list[Layer]:
    """And the biases that no module returns as it is."""
    shown_already = set()
    for layer in layers:
        made = source(graph, layer.name)
        if made is not None and layer.channels is not None:
            shown_already.add(made.name)
    users = _users(graph)
    paths = {layer.path for layer in layers}
    found = list(layers)
    for operation in graph.operations:
        bias = operation.inputs.get(BIASES.get(operation.op, ""))
        has_one = isinstance(bias, Ref) or operation.op in BATCH_NORMS
        if not has_one or operation.name in shown_already:
            continue
        name = operation.name
        if name not in shapes:  # several results: the first is the array
            name = next((user.name for user in users.get(name, []) if user.inputs.get("index") == 0), "")
        if name not in shapes or channels.get(name) is None:
            continue
        own = OWN_NAMES.get(operation.op, operation.op)
        path = own if operation.call is None else f"{graph.calls[operation.call].path}.{own}"
        while path in paths:
            path = f"{path}_"
        found.append(Layer(path, name, channels[name], "norm" if operation.op in NORMS else None))
    return found


def _attention(graph: Graph, shapes: Shapes) -> list[Operation]:
    """The operations that give attention weights: whole attentions, and softmaxes that weigh a product."""
    users = _users(graph)
    return [
        operation
        for operation in graph.operations
        if operation.op == ATTENTION
        or (operation.op in SOFTMAX and len(shapes[operation.name]) >= 3 and _weighs(operation, users))
    ]


def _owner(graph: Graph, attention: Operation) -> int | None:
    """The innermost call around an attention that has weights: the attention's module, not its softmax."""
    weighted = {call for one in graph.operations if one.op in (*DENSE, *CONVOLUTIONS) for call in graph.chain(one.call)}
    return next((call for call in graph.chain(attention.call) if call in weighted), None)


def _weighs(operation: Operation, users: Mapping[str, list[Operation]]) -> bool:
    """Whether a product takes a softmax's result, possibly reshaped or masked."""
    waiting, seen = [operation.name], set()
    while waiting:
        for user in users.get(waiting.pop(), []):
            if user.op in PRODUCTS:
                return True
            if (user.op in TRANSPARENT or user.op in ("where", "mul", "div", "add", "sub")) and user.name not in seen:
                seen.add(user.name)
                waiting.append(user.name)
    return False


def _with_attention_weights(
    graph: Graph, layers: list[Layer], shapes: Shapes, attention: list[Operation]
) -> list[Layer]:
    """And the attention weights, if all blocks have them for the same tokens."""
    batch = shapes[graph.input][0]
    sizes = set()
    for operation in attention:
        if operation.op == ATTENTION:
            query, key = (shapes[operation.inputs[name].name] for name in ("query", "key"))
            sizes.add((*query[:-1], key[-2]))
        else:
            sizes.add(shapes[operation.name])
    if len({size[2:] for size in sizes}) != 1:
        return layers
    size = next(iter(sizes))
    if len(size) != 4 or size[0] != batch or size[2] != size[3] or any(one[0] != batch for one in sizes):
        return layers
    found = list(layers)
    for operation in attention:
        call = _owner(graph, operation)
        path = "attention_weights" if call is None else f"{graph.calls[call].path}.attention_weights"
        part = "weights" if operation.op == ATTENTION else None
        found.append(Layer(path, operation.name, None, None, part))
    return found


# -------------------------------------------------------------------------------------------------------- default layer


def _grid(graph: Graph, layer: Layer, shapes: Shapes) -> tuple[int, int] | None:
    """Rows and columns of a layer's activations, or None where it has no places."""
    shape = shapes[layer.name]
    if layer.part is not None or layer.channels is None or shape[0] != shapes[graph.input][0]:
        return None
    seen = tuple(shape[axis] for axis in shown(len(shape), layer.channels))
    if len(seen) == 4:
        return (seen[1], seen[2]) if seen[1] * seen[2] > 1 else None
    return token_grid(seen[1], graph.image[1:]) if len(seen) == 3 and seen[1] > 4 else None


def _default(graph: Graph, shapes: Shapes, attention: list[Operation]) -> tuple[str | None, str]:
    """The default layer and why it is the one."""
    order = {operation.name: index for index, operation in enumerate(graph.operations)}
    grids = {layer: grid for layer in graph.layers if (grid := _grid(graph, layer, shapes)) is not None}
    if not grids:
        return None, "no layer has activations with places"
    names = _names(graph)
    weighted = [operation for operation in graph.operations if operation.op in (*CONVOLUTIONS, *DENSE)]
    in_attention = {call for operation in attention if (call := _owner(graph, operation)) is not None}
    mixing = [
        operation
        for operation in weighted[:-1]  # the last is the classifier
        if operation.op in CONVOLUTIONS
        and math.prod(_kernel(operation, shapes)) > 1
        and math.prod(shapes[operation.name][2:]) > 1
        and not in_attention.intersection(graph.chain(operation.call))
    ]
    if attention and (not mixing or order[attention[-1].name] > order[mixing[-1].name]):
        norm = _norm_before(graph, attention[-1], grids)
        if norm is not None:
            return names[norm], "the norm that feeds the last attention"
    for operation in reversed(weighted[:-1]):
        block = _block(graph, operation, grids, shapes)
        if block is not None:
            return names[block], "the output of the last block with activations that have places"
    last = list(grids)[-1]
    return names[last], "the last layer with activations that have places"


def _kernel(operation: Operation, shapes: Shapes) -> tuple[int, ...]:
    weight = operation.inputs["weight"]
    return shapes[weight.name][2:] if isinstance(weight, Ref) and weight.name in shapes else (1,)


def _names(graph: Graph) -> dict[Layer, str]:
    """What a user calls each layer: its path, or `path@i` where a path has several."""
    counts: dict[str, int] = {}
    for layer in graph.layers:
        counts[layer.path] = counts.get(layer.path, 0) + 1
    seen: dict[str, int] = {}
    found = {}
    for layer in graph.layers:
        index = seen.get(layer.path, 0)
        seen[layer.path] = index + 1
        found[layer] = layer.path if counts[layer.path] == 1 else f"{layer.path}@{index}"
    return found


def _norm_before(graph: Graph, attention: Operation, grids: Mapping[Layer, tuple[int, int]]) -> Layer | None:
    """The norm whose result goes into the module of an attention, through shifts and windows at most."""
    call = _owner(graph, attention)
    inside = {attention.name}
    if call is not None:
        inside = {operation.name for operation in graph.operations if call in graph.chain(operation.call)}
    entering = [
        name
        for operation in graph.operations
        if operation.name in inside
        for name in operation.refs()
        if name not in inside and name not in graph.tensors
    ]
    for name in entering:
        result: str | None = name
        while result is not None:
            layer = next((layer for layer in grids if layer.name == result and layer.role == "norm"), None)
            if layer is not None:
                return layer
            operation = graph.operation(result)
            ref = None if operation is None or operation.op not in CARRIED else _first(operation)
            result = ref
    return None


def _block(graph: Graph, operation: Operation, grids: Mapping[Layer, tuple[int, int]], shapes: Shapes) -> Layer | None:
    """The block that an operation with weights ends: the widest module around it with its grid, and what follows."""
    around = graph.chain(operation.call)
    by_path = {layer.path: layer for layer in grids}
    own = [by_path[graph.calls[call].path] for call in around if graph.calls[call].path in by_path]
    if not own:
        return None
    # The grid of the operation: that of the innermost module around it.
    same = [layer for layer in own if grids[layer] == grids[own[0]]]
    widest = same[-1]
    inner = next(layer for layer in same if layer.name == widest.name)
    return _followed(graph, inner, grids, shapes)


def _followed(graph: Graph, layer: Layer, grids: Mapping[Layer, tuple[int, int]], shapes: Shapes) -> Layer:
    """A layer, or the norm and activation that follow it and nothing else does, where they are layers."""
    users = _users(graph)
    name, best = layer.name, layer
    while len(users.get(name, [])) == 1:
        user = users[name][0]
        if user.op not in (*ACTIVATIONS, *NORMS, *TRANSPARENT):
            break
        name = user.name
        if name in shapes and math.prod(shapes[name]) != math.prod(shapes[layer.name]):
            break
        there = [one for one in grids if one.name == name and grids[one] == grids[layer]]
        there = [one for one in there if source(graph, one.name) is not source(graph, best.name)]
        if there:
            best = min(there, key=lambda one: one.path.count("."))
    return best
