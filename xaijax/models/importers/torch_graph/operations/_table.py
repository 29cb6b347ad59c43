"""The table of operations: name -> function of `Laid` arrays, numbers and lists."""

from collections.abc import Callable
from typing import Any

TABLE: dict[str, Callable[..., Any]] = {}


def operation(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table under the names that ATen has for it."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            assert name not in TABLE, name
            TABLE[name] = function
        return function

    return enter
