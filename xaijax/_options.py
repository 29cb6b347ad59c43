"""Option values, checked once: from Python values and from the texts of a command line or a file.

What an option allows stands in its annotation: `int`, `float`, `bool`, `str`, `Path`, a `Literal`, `tuple[T, ...]`,
unions of these with None, `Annotated[T, Range(...)]` for numbers and `Annotated[str, Form(...)]` for texts of a form of
their own. A value of any other annotation (an array, a function, a mapping) is taken unchanged from Python and cannot
be written as text.
"""

import dataclasses
import difflib
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from xaijax import _names
from xaijax._errors import InputError

SET = "--set"
FORM = "NAME.OPTION=VALUE, such as integrated_gradients.steps=20"


@dataclass(frozen=True)
class Range:
    """Bounds of a number, as metadata of an annotation.

    Attributes:
        low: smallest value.
        high: largest value.
        without_low: the value lies above `low`.
        without_high: the value lies below `high`.

    Example:
        >>> Range(0, 1, without_high=True).words()
        'from 0 to below 1'
    """

    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number lies within the bounds; NaN does not."""
        above = value > self.low if self.without_low else value >= self.low
        below = value < self.high if self.without_high else value <= self.high
        return above and below

    def words(self) -> str:
        """The bounds in words; empty where there are none."""
        low = f"above {self.low:g}" if self.without_low else f"from {self.low:g}"
        high = f"below {self.high:g}" if self.without_high else f"{self.high:,}".replace(",", "")
        if math.isinf(self.low) and math.isinf(self.high):
            return ""
        if math.isinf(self.high):
            return low if self.without_low else f"of at least {self.low:g}"
        if math.isinf(self.low):
            return f"up to {high}"
        return f"{low} {'up ' if self.without_low else ''}to {high}"


@dataclass(frozen=True)
class Form:
    """The form of a text, as metadata of an annotation.

    Attributes:
        read: the value that a text stands for (the text itself, or a name in its usual spelling); raises `InputError`,
            with a sentence of its own, for a text of another form.
        words: what is allowed.

    Example:
        >>> check(Annotated[str, Form(lambda text: _names.match("base", text, ["cam"]), "a method")], "CAM", "base")
        'cam'
    """

    read: Callable[[str], str]
    words: str


Count = Annotated[int, Range(1, 1_000_000)]
"""A number of steps, draws, masks or pixels: memory and time grow with it."""
Share = Annotated[float, Range(0, 1)]
"""A share, 0 and 1 included."""
Positive = Annotated[float, Range(0, math.inf, without_low=True, without_high=True)]
"""A finite number above 0."""
NonNegative = Annotated[float, Range(0, math.inf, without_high=True)]
"""A finite number, 0 or more."""


def check(kind: Any, value: Any, what: str) -> Any:
    """A Python value as an annotation allows it.

    Args:
        kind: the annotation; see the module.
        value: what was given.
        what: the option, for the message, such as "smoothgrad.std".

    Returns:
        The value: NumPy numbers as Python's, lists as tuples, whole numbers as floats where a float is wanted.

    Raises:
        InputError: for a value of another type or out of range.

    Example:
        >>> check(Count, 20, "rise.count")
        20
        >>> check(Count, 1.5, "rise.count")
        Traceback (most recent call last):
        xaijax._errors.InputError: rise.count is 1.5; it must be a whole number from 1 to 1000000
    """
    try:
        return _checked(kind, value)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    except ValueError:
        raise InputError(f"{what} is {_shown(value)}; it must be {allowed(kind)}") from None


def read(kind: Any, text: str) -> Any:
    """The value that a text stands for.

    Args:
        kind: the annotation; see the module. A `tuple[T, ...]` is written with commas.
        text: as it was typed.

    Returns:
        A value of that kind.

    Raises:
        ValueError: with the words for what is allowed.

    Example:
        >>> read(tuple[float, ...] | None, "0.1,0.5"), read(int | None, "none"), read(bool, "true")
        ((0.1, 0.5), None, True)
        >>> read(int, "many")
        Traceback (most recent call last):
        ValueError: a whole number
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        try:
            return _checked(kind, read(inner[0], text))
        except InputError:
            raise
        except ValueError:
            raise ValueError(allowed(kind)) from None
    if origin in (Union, types.UnionType):
        # None first: a text would be anything.
        try:
            return _first(lambda one: read(one, text), sorted(inner, key=lambda one: one is not types.NoneType), kind)
        except InputError:
            raise
        except ValueError:
            choices = [name for one in inner if typing.get_origin(one) is Literal for name in typing.get_args(one)]
            raise ValueError(allowed(kind) + _near(text, choices)) from None
    if origin is Literal:
        found = next((choice for choice in inner if str(choice) == text), None)
        if found is None:
            raise ValueError(allowed(kind) + _near(text, inner))
        return found
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(read(inner[0], part.strip()) for part in text.strip("[]() ").split(","))
    try:
        if kind is types.NoneType:
            return {"none": None, "null": None}[text.lower()]
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind in (int, float, Path):
            return kind(text)
    except (ValueError, KeyError, OverflowError):
        raise ValueError(allowed(kind)) from None
    if kind is str:
        return text
    raise ValueError(allowed(kind))


def _near(text: str, choices: Iterable[Any]) -> str:
    near = difflib.get_close_matches(text, map(str, choices), n=1)
    return f": did you mean {near[0]}?" if near else ""


def allowed(kind: Any) -> str:
    """What an annotation allows, in words.

    Example:
        >>> allowed(Share), allowed(Literal["mean", "square"]), allowed(int | None)
        ('a number from 0 to 1', 'mean or square', 'a whole number or none')
    """
    words = _words(kind)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _words(kind: Any) -> list[str]:
    """The alternatives that an annotation allows; none is the last one."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        forms = [one.words for one in inner[1:] if isinstance(one, Form)]
        ranges = [one.words() for one in inner[1:] if isinstance(one, Range)]
        return forms or [" ".join([allowed(inner[0]), *filter(None, ranges)])]
    if origin in (Union, types.UnionType):
        ordered = sorted(inner, key=lambda one: (one is types.NoneType, typing.get_origin(one) is tuple))
        return list(dict.fromkeys(words for one in ordered for words in _words(one)))
    if origin is Literal:
        return [str(choice) for choice in inner]
    if origin is tuple:
        return [*_words(inner[0]), "several with commas between"]
    if origin is Callable:
        return ["a function (from Python)"]
    if _is_array_kind(kind):
        return ["an array (from Python)"]
    return [_WORDS.get(kind, "a value that only Python can give")]


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Path: "a path",
    types.NoneType: "none",
}


def from_texts(
    texts: Sequence[str], kinds: Mapping[str, Mapping[str, Any]], *, used: Iterable[str] | None = None
) -> dict[str, dict[str, Any]]:
    """The options that `--set NAME.OPTION=VALUE` gives.

    Args:
        texts: each `NAME.OPTION=VALUE`; the name of a method or of a family of metrics, matched like every name.
        kinds: {name: {option: its annotation}}, of all that may be set.
        used: the names that take part in the run; default: all. Options of others would change nothing.

    Returns:
        {name: {option: value}}, of the options that are given.

    Raises:
        InputError: for another form, unknown names and options, options given twice, and values that are not allowed.

    Example:
        >>> from_texts(["RISE.count=500", "rise.p=0.5"], {"rise": {"count": Count, "p": Share}})
        {'rise': {'count': 500, 'p': 0.5}}
    """
    found: dict[str, dict[str, Any]] = {}
    taking_part = set(kinds if used is None else used)
    for text in texts:
        left, equals, value = text.partition("=")
        name, dot, option = left.strip().rpartition(".")
        if not (equals and dot and name and option):
            wanted = left.strip().replace("-", "_")
            having = [one for one, options in kinds.items() if one in taking_part and wanted in options]
            hint = f"{having[0]}.{left.strip()}={value or '...'}" if having and not dot else FORM
            raise InputError(f"{SET} is {text!r}; write {hint}")
        name = _names.match("method or metric family", name, kinds)
        if name not in taking_part:
            raise InputError(
                f"{SET} is {text!r}, but {name} is not among the methods of this run: add it or leave it out"
            )
        option = _option(name, option, kinds[name])
        if option in found.get(name, {}):
            raise InputError(f"{SET} gives {name}.{option} twice; give it once")
        try:
            found.setdefault(name, {})[option] = read(kinds[name][option], value.strip())
        except InputError as error:
            raise InputError(f"{SET} has {name}.{option}={value}: {error}") from None
        except ValueError as error:
            raise InputError(f"{SET} has {name}.{option}={value}; it must be {error}") from None
    return found


def to_texts(table: Mapping[str, Any]) -> list[str]:
    """The `NAME.OPTION=VALUE` form of a table of tables, as a configuration file has it.

    Example:
        >>> to_texts({"sanity": {"stages": 4}, "pic": {"fractions": [0.1, 0.5]}})
        ['sanity.stages=4', 'pic.fractions=0.1,0.5']
    """
    texts = []
    for name, options in table.items():
        # What is not a table is kept in a form that `from_texts` refuses by name.
        for option, value in options.items() if isinstance(options, Mapping) else [("", options)]:
            texts.append(f"{name}.{option}={to_text(value)}")
    return texts


def to_text(value: Any) -> str:
    """A value as `read` takes it."""
    if isinstance(value, list | tuple):
        return ",".join(map(to_text, value))
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _option(name: str, option: str, known: Iterable[str]) -> str:
    known = list(known)
    option = option.replace("-", "_")
    if option in known:
        return option
    hint = _names.closest(option, known) if known else "it has none"
    raise InputError(f"{name} has no option {option!r}: {hint}")


def check_all(name: str, given: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Options given in Python: their names and values, checked.

    Args:
        name: of the method or the family, for the messages.
        given: {option: value}.
        kinds: {option: its annotation}.

    Returns:
        {option: checked value}.

    Raises:
        InputError: for unknown options and values that are not allowed.

    Example:
        >>> check_all("rise", {"count": 5}, {"count": Count})
        {'count': 5}
    """
    found = {}
    for option, value in given.items():
        option = _option(name, option, kinds)
        found[option] = check(kinds[option], value, f"{name}.{option}")
    return found


def check_fields(values: Any, name: Callable[[str], str] = str, prefix: str = "") -> dict[str, Any]:
    """The fields of a dataclass, each as its annotation allows it; a dataclass in it likewise.

    Args:
        values: an instance of a dataclass.
        name: what a field is called in messages; one of a dataclass in the dataclass is `outer.inner`.
        prefix: in front of the names of the fields.

    Returns:
        {field: checked value}.

    Raises:
        InputError: for the first value that is not allowed.

    Example:
        >>> @dataclass
        ... class Limits:
        ...     share: Share = 0.5
        ...
        >>> check_fields(Limits(1))
        {'share': 1.0}
        >>> check_fields(Limits(2), lambda name: f"--{name}")
        Traceback (most recent call last):
        xaijax._errors.InputError: --share is 2; it must be a number from 0 to 1
    """
    kinds = typing.get_type_hints(type(values), include_extras=True)
    found: dict[str, Any] = {}
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = check_fields(value, name, f"{prefix}{field.name}.")
            found[field.name] = dataclasses.replace(value, **inner)
        else:
            found[field.name] = check(kinds[field.name], value, name(f"{prefix}{field.name}"))
    return found


def _checked(kind: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        value = _checked(inner[0], value)
        if isinstance(value, int | float) and not all(one.holds(value) for one in inner[1:] if isinstance(one, Range)):
            raise ValueError
        for one in inner[1:]:
            if isinstance(one, Form):
                value = one.read(value)
        return value
    if origin in (Union, types.UnionType):
        return _first(lambda one: _checked(one, value), inner, kind)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in inner):
            return value
        raise ValueError
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise ValueError
        return tuple(_checked(inner[0], one) for one in value)
    if kind is types.NoneType:
        if value is not None:
            raise ValueError
        return None
    if kind is bool:
        if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
            raise ValueError
        return bool(value)
    if kind is int:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise ValueError
        return int(value)
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or math.isnan(value):
            raise ValueError
        return float(value)
    if kind is str:
        if not isinstance(value, str):
            raise ValueError
        return value
    if kind is Path:
        if not isinstance(value, str | Path):
            raise ValueError
        return Path(value)
    if _is_array_kind(kind):
        # Of any library, tracers too; not imported here, because the command line starts without them.
        if not (hasattr(value, "__array__") and hasattr(value, "ndim")) or isinstance(value, numbers.Number):
            raise ValueError
        return value
    if origin is Callable:
        if not callable(value):
            raise ValueError
        return value
    if kind is not Any and isinstance(origin or kind, type) and not isinstance(value, origin or kind):
        raise ValueError
    return value


def _first(function: Callable[[Any], Any], kinds: Iterable[Any], union: Any) -> Any:
    """The value by the first kind of a union that takes it; the sentence of a form where none does."""
    said = None
    for kind in kinds:
        try:
            return function(kind)
        except InputError as error:
            said = error
        except ValueError:
            pass
    raise said or ValueError(allowed(union))


def _is_array_kind(kind: Any) -> bool:
    return getattr(kind, "__name__", "").rpartition(".")[2] in ("Array", "ndarray")


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
