"""How the files of a data set are read: one value that a reader gives to every source it makes."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from xaijax._errors import InputError
from xaijax._names import match, normal

MaskRole = Literal["lesion", "organ", "artefact"]
Window = tuple[float, float]
"""The stored values that become 0 and 255."""
MaskValue = int | str
"""A value of a label map, or a colour as `"#rrggbb"`."""


@dataclass(frozen=True)
class Reading:
    """What was said of the files of a data set, apart from where they lie.

    Attributes:
        mask_role: what masks outline where their file, table or layout does not say it.
        mask_values: role -> the values of a label map that belong to it; the role None stands for `mask_role`. Empty
            where nobody has said.
        window: `(low, high)`, the values that become 0 and 255; `"auto"`: each image's own range; `"file"`: the window
            that the file states, and `"auto"` where it states none. 8-bit values are kept by the last two, unless the
            file states a window or a rescaling.
        transpose: swap rows and columns of images and masks.
        allow_outside: take files outside the data set's folder, which a table or a symbolic link may name.
        classes: take these classes alone; empty for all.

    Example:
        >>> Reading(window=(-1000, 400)).mask_values
        mappingproxy({})
    """

    mask_role: MaskRole | None = None
    mask_values: Mapping[MaskRole | None, tuple[MaskValue, ...]] = field(default_factory=lambda: MappingProxyType({}))
    window: Window | Literal["auto", "file"] = "file"
    transpose: bool = False
    allow_outside: bool = False
    classes: tuple[str, ...] = ()


AS_STORED = Reading()


@dataclass(frozen=True)
class Table:
    """A table of images and labels, where one is named, and its columns where they have unusual names.

    Attributes:
        file: the table, relative to the data set's folder or to the working directory; None for the layout's own.
        image: column of the image's file.
        label: column of its class, or of its classes separated by `|`.
        group: column of what must stay together in a split.
        split: column of the side of a split.
    """

    file: Path | None = None
    image: str | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None

    def columns(self) -> dict[str, str | None]:
        """The columns by what they hold."""
        return {"image": self.image, "label": self.label, "group": self.group, "split": self.split}


def parse_window(given: Sequence[str | float] | str | None) -> Window | Literal["auto", "file"]:
    """The window of an option: two numbers, "auto" or "file"; None is "file".

    Raises:
        InputError: for anything else.

    Example:
        >>> parse_window(["-1000", "400"]), parse_window("auto")
        ((-1000.0, 400.0), 'auto')
    """
    parts = ["file"] if given is None else [given] if isinstance(given, str) else list(given)
    if len(parts) == 1 and normal(str(parts[0])) in ("auto", "file"):
        return cast(Literal["auto", "file"], normal(str(parts[0])))
    try:
        low, high = (float(part) for part in parts)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        shown = " ".join(map(str, parts))
        raise InputError(f"--window is {shown}; give two numbers, LOW below HIGH, or auto, or file")
    return low, high


_RULE = re.compile(r"(?:(?P<role>[^=]*)=)?(?P<values>[^=]+)")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


def parse_mask_values(
    given: Sequence[str] | Mapping[MaskRole | None, Sequence[MaskValue]],
) -> Mapping[MaskRole | None, tuple[MaskValue, ...]]:
    """The rule of a label map from the texts of an option.

    Args:
        given: texts `[ROLE=]V[,V...]`; a value is a whole number of 0 or more or a colour `#rrggbb`. A mapping of this
            kind is checked too.

    Returns:
        role -> values; the role None stands for the data set's `mask_role`.

    Raises:
        InputError: for another form, an unknown role, a role that is given twice, or a value that has two roles.

    Example:
        >>> dict(parse_mask_values(["lesion=1,4", "organ=2"]))
        {'lesion': (1, 4), 'organ': (2,)}
    """
    if isinstance(given, Mapping):
        given = [f"{f'{role}=' if role else ''}{','.join(map(str, values))}" for role, values in given.items()]
    found: dict[MaskRole | None, tuple[MaskValue, ...]] = {}
    for text in given:
        form = _RULE.fullmatch(text.strip())
        if form is None:
            raise InputError(f"--mask-values {text} has another form; write [ROLE=]V[,V...], as in lesion=1,4 organ=2")
        role = None if form["role"] is None else cast(MaskRole, match("mask role", form["role"], get_args(MaskRole)))
        if role in found:
            raise InputError(
                f"--mask-values names {role or 'values without a role'} twice; give all its values in one list"
            )
        found[role] = tuple(_value(part.strip(), text) for part in form["values"].split(","))
    every = [value for values in found.values() for value in values]
    double = next((value for value in every if every.count(value) > 1), None)
    if double is not None:
        raise InputError(f"--mask-values gives the value {double} twice; a value belongs to one role")
    return MappingProxyType(found)


def _value(text: str, rule: str) -> MaskValue:
    if text.isascii() and text.isdigit():
        return int(text)
    if _COLOUR.fullmatch(text.lower()):
        return text.lower()
    raise InputError(
        f"--mask-values {rule}: {text!r} is not a value; give whole numbers of 0 or more, or colours such as #ff0000"
    )
