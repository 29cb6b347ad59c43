"""A PyTorch module as a graph: `torch.export`, decomposed to ATen's core operations, written down.

PyTorch is needed here and nowhere else. The batch axis is exported as dynamic: every size that a model computes from
it is an expression in the batch, kept as `a B + b`. A model that fixes its batch (or a `.pt2` file exported so) is
read with the one rule that the first axis of a size carries the batch; `from_torch` compares batches of two
sizes before such a model is used.
"""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._network.trees import put
from xaijax.models.importers.torch_graph.graph import Dtype, Graph, ModuleCall, Operation, Ref, Size, Tensor, mapped
from xaijax.models.importers.torch_graph.network import GraphNetwork, missing
from xaijax.models.importers.torch_graph.operations import TABLE

BATCH = 2  # of the example; 0 and 1 would be taken for fixed sizes
MOST = 1 << 20  # images in a batch
# Composite operations that are kept whole: each is one function here, and its parts would hide what it is.
KEPT = {
    *("scaled_dot_product_attention", "linear", "matmul", "einsum", "conv1d", "conv2d", "max_pool2d"),
    *("silu", "hardswish", "hardsigmoid", "hardtanh", "gelu", "leaky_relu", "elu", "selu", "celu", "prelu", "softplus"),
    *("mish", "relu6", "softmax", "log_softmax", "group_norm", "layer_norm", "rms_norm", "linalg_vector_norm"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_nearest2d"),
    *("pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "roll", "pad", "unfold", "im2col", "masked_fill"),
}
DROPPED = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range_for_size", "sym_size")
# How memory lies, and where: nothing to the values.
PLACES = ("memory_format", "layout", "device", "pin_memory", "non_blocking", "copy", "requires_grad")
CONVOLUTIONS = ("convolution", "conv1d", "conv2d")


def convert(module: Any, input_shape: tuple[int, int, int]) -> tuple[GraphNetwork, dict[str, Any], bool]:
    """A module in evaluation mode -> its network without layers, and its parameters.

    Args:
        module: a `torch.nn.Module`, `[B, C, H, W]` -> logits `[B, K]`. Its mode and its device are put back.
        input_shape: (H, W, C) of the images.

    Returns:
        The network; nested dictionaries of arrays with the names of the module's state dictionary; and whether the
        module fixes its batch, so that the first axis was taken for it.

    Raises:
        InputError: for a module that cannot be exported, or has operations without a JAX function.
    """
    import torch

    height, width, channels = input_shape
    modes = {child: child.training for child in module.modules()}
    module.eval()
    first = next((p for p in (*module.parameters(), *module.buffers()) if p.is_floating_point()), None)
    dtype, device = (torch.float32, "cpu") if first is None else (first.dtype, first.device)
    example = (torch.zeros(BATCH, channels, height, width, dtype=dtype, device=device),)
    try:
        with _quiet(), _plain_attention(), torch.enable_grad():
            exported = _exported(module, example)
            decomposed = exported.run_decompositions(_table())
    finally:
        for child, mode in modes.items():
            child.training = mode
    return from_exported(decomposed)


def decomposed(exported: Any) -> Any:
    """An exported program (of a `.pt2` file) in core operations."""
    with _quiet():
        return exported.run_decompositions(_table())


def _exported(module: Any, example: tuple[Any, ...]) -> Any:
    import torch

    batch = torch.export.Dim("batch", min=1, max=MOST)
    try:
        return torch.export.export(module, example, dynamic_shapes=({0: batch},), strict=False)
    except Exception:  # of any class: the model fixes its batch, or cannot be exported at all
        try:
            return torch.export.export(module, example, strict=False)
        except Exception as error:
            words = " ".join(str(error).split())[:300]
            raise InputError(
                f"torch.export cannot read {type(module).__name__} ({type(error).__name__}: {words}); "
                "use it as a black box with models.from_predict"
            ) from error


def _table() -> Any:
    import torch

    table = torch.export.default_decompositions()
    for overload in list(table):
        if overload.name().split("::")[1].split(".")[0] in KEPT:
            del table[overload]
    return table


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused encoder layers, which have no decomposition."""
    import torch

    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def from_exported(exported: Any) -> tuple[GraphNetwork, dict[str, Any], bool]:
    """A decomposed exported program -> its network without layers, its parameters, and whether its batch was fixed."""
    import torch

    tensors, arrays, images = _inputs(exported)
    calls, operations = _Calls(), []
    static = _static_batch(exported, images)
    of_images = {images}
    for node in exported.graph.nodes:
        if node.op != "call_function" or _is_number(node):
            continue
        name, inputs = _name_and_inputs(node, torch)
        if name in DROPPED:
            continue
        operation = Operation(node.name, name, inputs, calls.of(node))
        if of_images.intersection(operation.refs()):
            of_images.add(operation.name)
            if static is not None:
                operation = _with_batch(operation, static)
        operations.append(operation)
    used = {ref for operation in operations for ref in operation.refs()}
    tensors = {name: tensor for name, tensor in tensors.items() if name in used}
    placeholders = exported.graph.find_nodes(op="placeholder")
    image = next(node for node in placeholders if node.name == images).meta["val"].shape
    graph = Graph(
        images,
        (int(image[1]), int(image[2]), int(image[3])),
        _output(exported),
        tensors,
        calls.found,
        tuple(operations),
    )
    lacking = [(operation.op, graph.where(operation)) for operation in operations if operation.op not in TABLE]
    if lacking:
        raise InputError(missing(lacking))
    graph = _kernels_last(graph, {name for name, array in arrays.items() if array.ndim == 4})
    params: dict[str, Any] = {}
    constants: dict[str, np.ndarray] = {}
    for name, tensor in graph.tensors.items():
        array = arrays[name]
        if tensor.arrangement is not None:
            array = np.ascontiguousarray(array.transpose(tensor.arrangement))
        if tensor.kind == "constant":
            constants[name] = array
        else:
            put(params, tuple(tensor.of.split(".")), array)
    return GraphNetwork(graph, constants), params, static is not None


def _inputs(exported: Any) -> tuple[dict[str, Tensor], dict[str, np.ndarray], str]:
    """Tensors by the names of their placeholders, their arrays, and the name of the images."""
    from torch.export.graph_signature import InputKind

    kinds = {InputKind.PARAMETER: "parameter", InputKind.BUFFER: "buffer", InputKind.CONSTANT_TENSOR: "constant"}
    parameters = dict(exported.state_dict)
    tensors, arrays, images = {}, {}, []
    for spec in exported.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            images.append(spec.arg.name)
            continue
        if spec.kind not in kinds:
            raise InputError(f"the model takes {spec.arg.name}, which is no array; use it with models.from_predict")
        name, kind = spec.arg.name, kinds[spec.kind]
        value = parameters[spec.target] if spec.target in parameters else exported.constants[spec.target]
        array = _array(value)
        # Statistics of batch norm are parameters of the model for us; tables of indices and masks are constants.
        if kind == "buffer" and not (spec.target in parameters and array.dtype.kind == "f"):
            kind = "constant"
        tensors[name], arrays[name] = Tensor(str(spec.target), kind), array
    if len(images) != 1:
        raise InputError(f"the model must take one array of images; it takes {len(images)}: {', '.join(images)}")
    return tensors, arrays, images[0]


def _array(value: Any) -> np.ndarray:
    import torch

    value = value.detach().cpu()
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    return np.array(value.numpy(), order="C")


class _Calls:
    """The table of module calls, made from the stacks that operations carry."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._table: list[ModuleCall] = []

    @property
    def found(self) -> tuple[ModuleCall, ...]:
        return tuple(self._table)

    def of(self, node: Any) -> int | None:
        """The number of the innermost call that an operation is in."""
        number: int | None = None
        keys: tuple[str, ...] = ()
        for key, (path, kind) in (node.meta.get("nn_module_stack") or {}).items():
            path = path.removeprefix("L['self'].").removeprefix("L__self__")
            if not path or path == "L['self']":
                continue
            keys = (*keys, key)
            if keys not in self._numbers:
                self._numbers[keys] = len(self._table)
                name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
                self._table.append(ModuleCall(path, name, number))
            number = self._numbers[keys]
        return number


def _is_number(node: Any) -> bool:
    """Whether a node computes a size, not an array."""
    import torch

    return isinstance(node.meta.get("val"), torch.SymInt | torch.SymBool | torch.SymFloat | int | float | bool)


def _name_and_inputs(node: Any, torch: Any) -> tuple[str, dict[str, Any]]:
    if getattr(node.target, "__name__", "") == "getitem":
        return "getitem", {"input": Ref(node.args[0].name), "index": int(node.args[1])}
    if not hasattr(node.target, "_schema"):
        return str(getattr(node.target, "__name__", node.target)), {}
    schema = node.target._schema
    namespace, name = schema.name.split("::")
    if namespace not in ("aten", "prims"):
        name = schema.name
    arguments = dict(zip((argument.name for argument in schema.arguments), node.args, strict=False)) | dict(node.kwargs)
    inputs = {}
    for key, value in arguments.items():
        if key not in PLACES:
            inputs["input" if key == "self" else key] = mapped(value, lambda item: _value(item, torch))
    return name, inputs


def _value(item: Any, torch: Any) -> Any:
    """An argument of a node as a value of the graph."""
    if isinstance(item, torch.fx.Node):
        return _size(item.meta["val"]) if _is_number(item) else Ref(item.name)
    if isinstance(item, torch.SymInt):
        return _size(item)
    if isinstance(item, torch.dtype):
        return Dtype(str(item).removeprefix("torch."))
    if item is None or isinstance(item, bool | int | float | str):
        return item
    raise InputError(f"the model has an argument that xaijax does not know: {type(item).__name__}")


def _size(value: Any) -> Any:
    """A number, or an expression in the batch as `a B + b`."""
    if not hasattr(value, "node"):
        return value
    expression = value.node.expr
    free = list(expression.free_symbols)
    if not free:
        return int(expression)
    if len(free) == 1:
        at = [int(expression.subs(free[0], batch)) for batch in (2, 3, 5, 7)]
        slope = at[1] - at[0]
        if at == [slope * (batch - 2) + at[0] for batch in (2, 3, 5, 7)]:
            return Size(slope, at[0] - 2 * slope)
    raise InputError(f"the model computes a size from the batch that is not a multiple of it: {expression}")


def _static_batch(exported: Any, images: str) -> int | None:
    """The batch that a program is fixed to, or None."""
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name == images:
            size = node.meta["val"].shape[0]
            return int(size) if isinstance(size, int) else None
    return None


def _with_batch(operation: Operation, batch: int) -> Operation:
    """An operation on images of a program with a fixed batch: the first entry of its sizes is a multiple of it."""
    key = next((name for name in ("size", "shape") if name in operation.inputs), None)
    if key is None or not operation.inputs[key]:
        return operation
    size = list(operation.inputs[key])
    if not isinstance(size[0], int) or size[0] <= 0 or size[0] % batch:
        return operation
    return replace(operation, inputs={**operation.inputs, key: [Size(size[0] // batch, 0), *size[1:]]})


def _output(exported: Any) -> str:
    from torch.export.graph_signature import OutputKind

    outputs = [spec for spec in exported.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    if len(outputs) != 1:
        raise InputError(
            f"the model must return one array of logits; it returns {len(outputs)}: give one that returns these"
        )
    return str(outputs[0].arg.name)


def _kernels_last(graph: Graph, with_four_axes: set[str]) -> Graph:
    """Kernels of convolutions are stored as `[H, W, I, O]`, the order in which they are used."""
    kernels: set[str] = set()
    other: set[str] = set()
    for operation in graph.operations:
        weight = operation.inputs.get("weight")
        is_kernel = operation.op in CONVOLUTIONS and isinstance(weight, Ref) and not operation.inputs.get("transposed")
        for name in operation.refs():
            if is_kernel and isinstance(weight, Ref) and name == weight.name:
                kernels.add(name)
            else:
                other.add(name)
    tensors = {
        name: replace(tensor, arrangement=(2, 3, 1, 0))
        if name in kernels & with_four_axes - other and tensor.kind == "parameter"
        else tensor
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)
