"""Where the weights of each layer are in Keras's files: by number (Keras 3) or by name (the old HDF5 model)."""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from xaijax._errors import InputError


class Place(Protocol):
    """The weights of one layer or model."""

    def child(self, name: str, kind: str, count: int) -> "Place":
        """Those of a layer in this model: its name, its class, and how many of that class stand before it."""
        ...

    def part(self, attribute: str, name: str) -> "Place":
        """Those of a layer in this layer: the attribute that it is, and its name."""
        ...

    def array(self, number: int, name: str) -> np.ndarray:
        """One variable: its number among those of its layer, and its name."""
        ...


class Numbered:
    """Keras 3: groups `layers/conv2d_1/vars/0`; the name of a layer is an attribute of `vars`."""

    def __init__(self, group: Any, where: str) -> None:
        self._group, self._where = group, where
        self._names: dict[str, Any] | None = None

    def child(self, name: str, kind: str, count: int) -> "Numbered":
        inside = (
            None
            if self._group is None
            else self._group.get("layers", self._group.get("_layer_checkpoint_dependencies"))
        )
        if self._names is None:
            self._names = {}
            for group in () if inside is None else inside.values():
                stated = group["vars"].attrs.get("name") if "vars" in group else None
                if stated is not None:
                    self._names[stated.decode() if isinstance(stated, bytes) else str(stated)] = group
        found = self._names.get(name)
        if found is None and inside is not None and not self._names:  # older than Keras 3.5: no names
            own = _snake(kind)
            found = inside.get(own if count == 0 else f"{own}_{count}")
        return Numbered(found, name)

    def part(self, attribute: str, name: str) -> "Numbered":
        return Numbered(None if self._group is None else self._group.get(attribute), f"{self._where}/{name}")

    def array(self, number: int, name: str) -> np.ndarray:
        try:
            return _values(self._group["vars"][str(number)])
        except (KeyError, TypeError):
            raise InputError(f"the file has no {name} of the layer {self._where}") from None


class Named:
    """The old HDF5 model: a group for each layer of the outer model, with the names of all variables in it."""

    def __init__(self, groups: Mapping[str, Any], path: tuple[str, ...] = ()) -> None:
        self._groups, self._path = groups, path

    def child(self, name: str, kind: str, count: int) -> "Named":
        del kind, count
        return Named(self._groups, (*self._path, name))

    def part(self, attribute: str, name: str) -> "Named":
        del attribute
        return Named(self._groups, (*self._path, name))

    def array(self, number: int, name: str) -> np.ndarray:
        del number
        group = self._groups.get(self._path[0]) if self._path else None
        names = () if group is None else [_text(one) for one in group.attrs["weight_names"]]
        by_name = {one.split(":")[0]: one for one in names}
        for start in range(len(self._path)):
            own = "/".join((*self._path[start:], name))
            # Keras 3 puts the names of the models around the layer before it.
            stored = (
                [by_name[own]] if own in by_name else [full for one, full in by_name.items() if one.endswith(f"/{own}")]
            )
            if len(stored) == 1 and group is not None:
                return _values(group[stored[0]])
        raise InputError(f"the file has no {name} of the layer {'/'.join(self._path)}")


def _values(stored: Any) -> np.ndarray:
    array = np.asarray(stored[...])
    if stored.attrs.get("dtype") in ("bfloat16", b"bfloat16"):  # bits that HDF5 has no type for
        return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind not in "fiu":
        raise InputError(f"an array of {array.dtype} holds no numbers")
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _snake(kind: str) -> str:
    """A class's name as Keras writes it in files: `SeparableConv2D` is `separable_conv2d`."""
    name = re.sub(r"\W+", "", kind)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
