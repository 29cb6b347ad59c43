"""Methods in words, as data: what `xaijax methods [NAME]` prints."""

import math
from dataclasses import dataclass
from typing import Any

from xaijax import _names, _options
from xaijax.explain._registry import METHODS, Method


@dataclass(frozen=True)
class OptionDescription:
    """An option of a method.

    Attributes:
        name: as in Python and in `--set NAME.OPTION=VALUE`.
        default: its default value.
        allowed: which values it takes.
    """

    name: str
    default: str
    allowed: str


@dataclass(frozen=True)
class MethodDescription:
    """A method in words.

    Attributes:
        name: as in Python and on the command line.
        family: "cam", "gradient", "perturbation", "region" or "control".
        summary: one line.
        cost: model passes per image in forward passes, at the default options; None where it depends on the model.
        needs: what the classifier must have, or what must be given.
        signed: whether raw maps can be negative, as evidence against the class.
        options: the method's own.
    """

    name: str
    family: str
    summary: str
    cost: float | None
    needs: tuple[str, ...]
    signed: bool
    options: tuple[OptionDescription, ...]


def describe(name: str | None = None) -> list[MethodDescription]:
    """Methods in words: all of them, those of a family, or one.

    Args:
        name: of a method or a family; case, spaces and hyphens do not count. None for all methods.

    Returns:
        One description per method, in the order of `METHODS`.

    Raises:
        InputError: for a name that means none of them.

    Example:
        >>> found, = describe("Grad-CAM++")
        >>> found.name, found.cost, found.needs, len(describe("control"))
        ('grad_cam_pp', 1, ('layer',), 4)
    """
    families = list(dict.fromkeys(method.family for method in METHODS.values()))
    if name is None:
        return [_description(method) for method in METHODS.values()]
    # "gradient" is a method and a family: the method is meant.
    meant = _names.match("method", name, [*METHODS, *(family for family in families if family not in METHODS)])
    if meant in METHODS:
        return [_description(METHODS[meant])]
    return [_description(method) for method in METHODS.values() if method.family == meant]


def _description(method: Method) -> MethodDescription:
    return MethodDescription(
        name=method.name,
        family=method.family,
        summary=method.summary,
        cost=None if math.isnan(method.cost) else method.cost,
        needs=tuple(sorted(method.needs)),
        signed=method.signed,
        options=tuple(
            OptionDescription(option, _shown(method.options[option]), _options.allowed(kind))
            for option, kind in method.kinds.items()
        ),
    )


def _shown(value: Any) -> str:
    return _options.to_text(value) if not callable(value) else getattr(value, "__name__", "a function")
