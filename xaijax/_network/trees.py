"""Nested dictionaries of arrays, which is what parameters are."""

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def get(tree: Mapping[str, Any], path: Path) -> Any:
    """The leaf at `path`."""
    node: Any = tree
    for part in path:
        node = node[part]
    return node


def put(tree: dict[str, Any], path: Path, leaf: Any) -> None:
    """Set the leaf at `path`, with the dictionaries on the way to it."""
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
    tree[path[-1]] = leaf


def flatten(tree: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Leaves with their paths, in sorted order."""
    for name in sorted(tree):
        if isinstance(tree[name], Mapping):
            yield from flatten(tree[name], (*path, name))
        else:
            yield (*path, name), tree[name]


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": leaf}` -> `{"a": {"b": leaf}}`."""
    nested: dict[str, Any] = {}
    for name, leaf in flat.items():
        put(nested, tuple(name.split(".")), leaf)
    return nested
