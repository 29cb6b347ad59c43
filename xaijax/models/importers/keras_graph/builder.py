"""Writes a graph operation by operation, and knows the shape of every result.

Keras's arrays are `[B, H, W, C]`, those of the graph's convolutions `[B, C, H, W]`. A `Value` says which order a result
with four axes has, so that an axis of Keras is found in it; a change of order is a `permute`, which moves nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from xaijax._errors import InputError
from xaijax._network.trees import put
from xaijax.models.importers.torch_graph.graph import Graph, ModuleCall, Operation, Ref, Size, Tensor, mapped
from xaijax.models.importers.torch_graph.laid import Laid
from xaijax.models.importers.torch_graph.operations import TABLE

BATCH = 3
IMAGES = "images"
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # Keras's axes in the graph's order, and the other way


@dataclass(frozen=True)
class Value:
    """A result: its name in the graph, its shape as Keras has it, and whether the graph has its channels as axis 1."""

    name: str
    shape: tuple[int, ...]
    first: bool = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def axis(self, axis: int) -> int:
        """An axis of Keras, in the graph."""
        axis %= self.ndim
        return FIRST.index(axis) if self.first else axis


class Builder:
    """A graph that grows.

    Args:
        image: (H, W, C).
        what: what errors call the model.
    """

    def __init__(self, image: tuple[int, int, int], what: str) -> None:
        height, width, channels = image
        self.what = what
        self.image = (channels, height, width)
        self.params: dict[str, Any] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._tensors: dict[str, Tensor] = {}
        self._of: dict[str, str] = {}
        self._calls: list[ModuleCall] = []
        self._operations: list[Operation] = []
        self._shapes: dict[str, Any] = {IMAGES: (BATCH, channels, height, width)}
        self._call: int | None = None

    @property
    def images(self) -> Value:
        """The model's input."""
        channels, height, width = self.image
        return Value(IMAGES, (BATCH, height, width, channels), True)

    @property
    def path(self) -> str:
        """The path of the layer that is being written."""
        return "" if self._call is None else self._calls[self._call].path

    @contextlib.contextmanager
    def layer(self, name: str, kind: str) -> Iterator[str]:
        """What is written inside belongs to that layer; gives its path."""
        path = f"{self.path}/{name}" if self.path else name
        before = self._call
        self._calls.append(ModuleCall(path, kind, before))
        self._call = len(self._calls) - 1
        try:
            yield path
        finally:
            self._call = before

    def refused(self, reason: str) -> InputError:
        """The error for something that cannot be translated."""
        where = f"the layer {self.path} of {self.what}" if self.path else self.what
        return InputError(f"{where} {reason}; use the model as a black box with models.from_predict")

    # --------------------------------------------------------------------------------------------------- tensors

    def parameter(
        self, name: str, array: np.ndarray, arrangement: Sequence[int] | None = None, kind: str = "parameter"
    ) -> Ref:
        """A variable of the layer that is being written; the same one for each of its calls."""
        return self._tensor(f"{self.path}.{name}", array, arrangement, kind)

    def _tensor(self, of: str, array: np.ndarray, arrangement: Sequence[int] | None, kind: str) -> Ref:
        if of not in self._of:
            name = f"{kind}_{len(self._tensors)}"
            self._of[of] = name
            order = None if arrangement is None else tuple(arrangement)
            self._tensors[name] = Tensor(of, kind, order)
            self._shapes[name] = tuple(
                array.shape if order is None else (array.shape[order.index(axis)] for axis in range(array.ndim))
            )
            if kind == "constant":
                self.constants[name] = array
            else:
                put(self.params, tuple(of.split(".")), jnp.asarray(array))
        return Ref(self._of[of])

    def constant(self, array: Any, like: Value) -> Any:
        """An array or a number that broadcasts against `like` as Keras has it; numbers stay numbers."""
        values = np.asarray(array, np.float64)
        if values.ndim == 0 or values.size == 1:
            return float(values.reshape(()))
        if values.ndim > like.ndim:
            raise self.refused(f"combines arrays of {like.ndim} and {values.ndim} axes")
        if like.first:
            values = values.reshape((1,) * (4 - values.ndim) + values.shape).transpose(FIRST)
        of = f"{self.path or 'model'}.constant_{len(self._tensors)}"
        return self._tensor(of, np.ascontiguousarray(values), None, "constant")

    # ------------------------------------------------------------------------------------------------ operations

    def emit(self, op: str, /, **inputs: Any) -> str:
        """Write one operation; its name."""
        operation = Operation(f"{op.strip('_')}_{len(self._operations)}", op, inputs, self._call)
        names = list(dict.fromkeys(operation.refs()))
        known = [jax.ShapeDtypeStruct(self._shapes[name], jnp.float32) for name in names]

        def run(*arrays: Any) -> Any:
            values = {name: Laid.of(array) for name, array in zip(names, arrays, strict=True)}

            def resolved(item: Any) -> Any:
                if isinstance(item, Ref):
                    return values[item.name]
                return item.per_image * BATCH + item.fixed if isinstance(item, Size) else item

            made = TABLE[op](**{key: mapped(value, resolved) for key, value in inputs.items()})
            return made.logical() if isinstance(made, Laid) else tuple(part.logical() for part in made)

        try:
            shape = jax.eval_shape(run, *known)
        except (TypeError, ValueError) as error:
            words = " ".join(str(error).split())[:200]
            raise self.refused(f"does not fit its input ({op}: {words})") from error
        if isinstance(shape, tuple):
            self._operations.append(operation)
            part = Operation(
                f"getitem_{len(self._operations)}", "getitem", {"input": Ref(operation.name), "index": 0}, self._call
            )
            operation, shape = part, shape[0]
        self._operations.append(operation)
        self._shapes[operation.name] = tuple(shape.shape)
        return operation.name

    def value(self, name: str, first: bool = False) -> Value:
        """A result with its shape."""
        shape = self._shapes[name]
        return Value(name, tuple(shape[axis] for axis in LAST) if first else shape, first)

    def apply(self, op: str, operand: Value, /, **inputs: Any) -> Value:
        """An operation that keeps the axes."""
        return self.value(self.emit(op, input=Ref(operand.name), **inputs), operand.first)

    def first(self, value: Value) -> Value:
        """With four axes, channels second in the graph."""
        if value.first:
            return value
        if value.ndim != 4:
            raise self.refused(f"needs images, [B, H, W, C]; it gets {value.ndim} axes")
        return self.value(self.emit("permute", input=Ref(value.name), dims=list(FIRST)), True)

    def plain(self, value: Value) -> Value:
        """With the axes in Keras's order in the graph."""
        if not value.first:
            return value
        return self.value(self.emit("permute", input=Ref(value.name), dims=list(LAST)))

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """Other axes behind the batch."""
        name = self.emit("view", input=Ref(self.plain(value).name), size=[Size(1, 0), *map(int, shape)])
        return self.value(name)

    def combine(self, op: str, one: Any, two: Any) -> Value:
        """An elementwise operation of two values, or of a value and an array or number, which broadcast."""
        values = [side for side in (one, two) if isinstance(side, Value)]
        if len(values) == 2 and values[0].first != values[1].first:
            same = all(value.ndim == 4 for value in values)
            one, two = (self.first(side) if same else self.plain(side) for side in (one, two))
            values = [one, two]
        sides = [Ref(side.name) if isinstance(side, Value) else self.constant(side, values[0]) for side in (one, two)]
        first, second = sides
        if not isinstance(first, Ref):  # a number comes second, but for what does not commute
            if op in ("add", "mul", "maximum", "minimum"):
                first, second = second, first
            elif op == "sub":
                op, first, second = "rsub", second, first
            else:
                return self._of_number(op, float(first), values[0])
        if op in ("maximum", "minimum") and not isinstance(second, Ref):
            bound = {"min": second} if op == "maximum" else {"max": second}
            return self.value(self.emit("clamp", input=first, **bound), values[0].first)
        return self.value(self.emit(op, input=first, other=second), values[0].first)

    def _of_number(self, op: str, number: float, value: Value) -> Value:
        if op != "div":
            raise self.refused(f"computes {op} of the number {number} and an array")
        return self.combine("mul", self.apply("reciprocal", value), number)

    # ------------------------------------------------------------------------------------------------- the graph

    def graph(self, output: Value) -> Graph:
        """What was written, without what the output does not need."""
        needed, kept = {output.name}, []
        for operation in reversed(self._operations):
            if operation.name in needed:
                needed.update(operation.refs())
                kept.append(operation)
        tensors = {name: tensor for name, tensor in self._tensors.items() if name in needed}
        return Graph(IMAGES, self.image, output.name, tensors, tuple(self._calls), tuple(reversed(kept)))

    def kept(self, graph: Graph) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The parameters and constants of a graph made here."""
        params: dict[str, Any] = {}
        for tensor in graph.tensors.values():
            if tensor.kind != "constant":
                leaf: Any = self.params
                for part in tensor.of.split("."):
                    leaf = leaf[part]
                put(params, tuple(tensor.of.split(".")), leaf)
        wide = any(leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(params))
        dtype = np.float64 if wide else np.float32
        return params, {name: array.astype(dtype) for name, array in self.constants.items() if name in graph.tensors}


def config_of(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of a layer, which old files may leave out."""
    inside = layer.get("config")
    return inside if isinstance(inside, Mapping) else {}
