"""A model as a list of operations: what is kept of a PyTorch module, as JSON and arrays.

The format, version 1 (`Graph.to_json`):

    format          1
    input           name of the images, [B, C, H, W] in the unit that the module expects
    image           [C, H, W]: the size that the operations are for
    output          name of the logits, [B, K]
    tensors         name -> {"of": path in the module ("layer1.0.conv1.weight"), "kind": "parameter", "buffer" or
                    "constant", "arrangement": axis k of the stored array is this axis of PyTorch's, or null}
    calls           the calls of modules: {"path", "class", "parent": number of the call it was made in, or null};
                    a module that is called twice is there twice
    operations      in order: {"name": of the result, "op": ATen's name, "inputs": {argument: value}, "call": number
                    or null}
    layers          what can be tapped, in order: {"path", "name": of the result it is, "channels": axis or null,
                    "role": "conv", "norm", "attention" or null, "part": "weights" for attention weights, else null}
    default_layer   a name, or null, and `default_layer_reason` in words

A value is a number, a string, a boolean, null, a list of values, or an object: {"ref": name of a result, of a tensor or
of the images}, {"batch": a, "plus": b} for the number `a B + b` in a batch of B images, {"float": "inf" | "-inf" |
"nan"}, {"dtype": name}. Names of operations and arguments are ATen's, overloads dropped, `self` called `input`.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xaijax._errors import InputError

FORMAT = 1
KINDS = ("parameter", "buffer", "constant")
ROLES = (None, "conv", "norm", "attention")


@dataclass(frozen=True)
class Ref:
    """A result of an operation, a tensor or the images, by name."""

    name: str


@dataclass(frozen=True)
class Size:
    """A number that grows with the batch: `per_image * B + fixed`."""

    per_image: int
    fixed: int


@dataclass(frozen=True)
class Dtype:
    """A kind of number, by NumPy's name."""

    name: str


@dataclass(frozen=True)
class Tensor:
    """A parameter, a buffer or a constant of the module, and how it is stored."""

    of: str
    kind: str
    arrangement: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module."""

    path: str
    kind: str
    parent: int | None


@dataclass(frozen=True)
class Operation:
    """One operation; its result has its name."""

    name: str
    op: str
    inputs: Mapping[str, Any]
    call: int | None = None

    def refs(self) -> Iterator[str]:
        """Names of the results and tensors that it takes."""
        for value in self.inputs.values():
            yield from _refs(value)


@dataclass(frozen=True)
class Layer:
    """A result that can be tapped under the path of the module that returns it."""

    path: str
    name: str
    channels: int | None = None
    role: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class Graph:
    """A model as a list of operations; the module's docstring explains each entry."""

    input: str
    image: tuple[int, int, int]
    output: str
    tensors: Mapping[str, Tensor]
    calls: tuple[ModuleCall, ...]
    operations: tuple[Operation, ...]
    layers: tuple[Layer, ...] = ()
    default_layer: str | None = None
    default_layer_reason: str = ""
    _by_name: dict[str, Operation] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_name.update({operation.name: operation for operation in self.operations})

    def operation(self, name: str) -> Operation | None:
        """The operation with that result; None for a tensor or the images."""
        return self._by_name.get(name)

    def where(self, operation: Operation) -> str:
        """The path of the module that an operation is in, in words."""
        return "the model itself" if operation.call is None else self.calls[operation.call].path

    def chain(self, call: int | None) -> list[int]:
        """A call and those it was made in, innermost first."""
        found = []
        while call is not None:
            found.append(call)
            call = self.calls[call].parent
        return found

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "format": FORMAT,
            "input": self.input,
            "image": list(self.image),
            "output": self.output,
            "tensors": {
                name: {
                    "of": tensor.of,
                    "kind": tensor.kind,
                    "arrangement": None if tensor.arrangement is None else list(tensor.arrangement),
                }
                for name, tensor in self.tensors.items()
            },
            "calls": [{"path": call.path, "class": call.kind, "parent": call.parent} for call in self.calls],
            "operations": [
                {
                    "name": operation.name,
                    "op": operation.op,
                    "inputs": {key: _plain(value) for key, value in operation.inputs.items()},
                    "call": operation.call,
                }
                for operation in self.operations
            ],
            "layers": [
                {
                    "path": layer.path,
                    "name": layer.name,
                    "channels": layer.channels,
                    "role": layer.role,
                    "part": layer.part,
                }
                for layer in self.layers
            ],
            "default_layer": self.default_layer,
            "default_layer_reason": self.default_layer_reason,
        }

    def text(self) -> str:
        """As one line of JSON, the same for the same graph."""
        return json.dumps(self.to_json(), separators=(",", ":"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Graph":
        """From JSON values; refuses another format, and what refers to nothing before it."""
        if values.get("format") != FORMAT:
            raise InputError(
                f"the graph has format {values.get('format')!r}; this version of xaijax reads format {FORMAT}"
            )
        graph = cls(
            input=str(values["input"]),
            image=_three(values["image"]),
            output=str(values["output"]),
            tensors={
                str(name): Tensor(
                    str(tensor["of"]),
                    _one_of(KINDS, tensor["kind"]),
                    None if tensor["arrangement"] is None else tuple(map(int, tensor["arrangement"])),
                )
                for name, tensor in values["tensors"].items()
            },
            calls=tuple(ModuleCall(str(call["path"]), str(call["class"]), call["parent"]) for call in values["calls"]),
            operations=tuple(
                Operation(
                    str(operation["name"]),
                    str(operation["op"]),
                    {str(key): _meant(value) for key, value in operation["inputs"].items()},
                    operation["call"],
                )
                for operation in values["operations"]
            ),
            layers=tuple(
                Layer(
                    str(layer["path"]),
                    str(layer["name"]),
                    layer["channels"],
                    _one_of(ROLES, layer["role"]),
                    layer["part"],
                )
                for layer in values["layers"]
            ),
            default_layer=values["default_layer"],
            default_layer_reason=str(values["default_layer_reason"]),
        )
        graph._check()
        return graph

    def _check(self) -> None:
        known = {self.input, *self.tensors}
        for index, call in enumerate(self.calls):
            if call.parent is not None and not 0 <= call.parent < index:
                raise ValueError(f"call {index} is made in call {call.parent}, which is not before it")
        for operation in self.operations:
            unknown = sorted(set(operation.refs()) - known)
            if unknown:
                raise ValueError(
                    f"operation {operation.name!r} takes {', '.join(unknown)}, which nothing before it gives"
                )
            if operation.call is not None and not 0 <= operation.call < len(self.calls):
                raise ValueError(f"operation {operation.name!r} is in call {operation.call}, which is not there")
            known.add(operation.name)
        unknown = sorted({self.output, *(layer.name for layer in self.layers)} - known)
        if unknown:
            raise ValueError(f"nothing gives {', '.join(unknown)}")


def mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """A value with `function` of everything in it that is no list."""
    if isinstance(value, list | tuple):
        return [mapped(item, function) for item in value]
    return function(value)


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _refs(item)


def _plain(value: Any) -> Any:
    def one(item: Any) -> Any:
        if isinstance(item, Ref):
            return {"ref": item.name}
        if isinstance(item, Size):
            return {"batch": item.per_image, "plus": item.fixed}
        if isinstance(item, Dtype):
            return {"dtype": item.name}
        if isinstance(item, float) and not math.isfinite(item):
            return {"float": str(item)}
        return item

    return mapped(value, one)


def _meant(value: Any) -> Any:
    def one(item: Any) -> Any:
        if not isinstance(item, Mapping):
            return item
        if set(item) == {"ref"}:
            return Ref(str(item["ref"]))
        if set(item) == {"batch", "plus"}:
            return Size(int(item["batch"]), int(item["plus"]))
        if set(item) == {"dtype"}:
            return Dtype(np.dtype(item["dtype"]).name)
        if set(item) == {"float"}:
            return float(item["float"])
        raise ValueError(f"a value must be a number, a string, a list or one of the known objects; got {dict(item)}")

    return mapped(value, one)


def _three(values: Any) -> tuple[int, int, int]:
    channels, height, width = (int(value) for value in values)
    return channels, height, width


def _one_of(allowed: tuple[Any, ...], value: Any) -> Any:
    if value not in allowed:
        raise ValueError(f"a value must be one of {allowed}; got {value!r}")
    return value
