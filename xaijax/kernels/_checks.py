"""Options of the kernels: numbers, flags and names, checked before any kernel runs.

Each check gives the option as plain Python, or raises a ValueError of one sentence: the option, what it must be, and
what it was. What it was is said in a few words that are the same in every run: no addresses, no order of a set, no
number of a thousand digits.
"""

import numbers
import operator
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np

_SIMPLE: tuple[Any, ...] = (type(None), bool, int, float, complex, str)


def is_traced(value: Any) -> bool:
    """Whether `value` is a JAX tracer: an array that has no values yet; JAX is never imported to find out."""
    core = getattr(sys.modules.get("jax"), "core", None)
    return core is not None and isinstance(value, core.Tracer)


def dtype_name(array: Any) -> str:
    """The dtype without byte order and library: `"float32"` for `>f4` and `torch.float32`."""
    dtype = array.dtype
    return dtype.name if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def described(value: Any) -> str:
    """`value` in a few words, for the end of a refusal."""
    if is_traced(value):
        return "a traced value, but options are static under jit"
    if isinstance(value, np.generic) and not isinstance(value, np.void | np.datetime64 | np.timedelta64):
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str) and len(value) > 40:
        return f"a string of {len(value)} characters"
    for simple in _SIMPLE:
        if isinstance(value, simple):
            return str(simple.__repr__(value))  # a subclass may print itself in several lines
    if isinstance(value, list | tuple) and len(value) <= 8 and all(isinstance(entry, _SIMPLE) for entry in value):
        inside = ", ".join(described(entry) for entry in value)
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' if len(value) == 1 else ''})"
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    kind = type(value).__name__
    try:
        if hasattr(value, "shape") and hasattr(value, "dtype"):
            axes = len(value.shape)
            return (
                f"an array of {dtype_name(value)} and {f'shape {tuple(value.shape)}' if axes <= 8 else f'{axes} axes'}"
            )
        if isinstance(value, list | tuple | set | frozenset | dict | range):
            return f"a {kind} of {len(value)}"
    except Exception:  # whatever an object of someone else does when it is looked at
        pass
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _is_scalar(value: Any, kinds: tuple[str, ...]) -> bool:
    """Whether `value` is an array without axes, of any library, whose dtype begins like one of `kinds`."""
    return getattr(value, "shape", None) == () and dtype_name(value).startswith(kinds)


def as_real(value: Any) -> float | None:
    """`value` as a float where it is a real number or an array of one without axes, else None; a bool is no number."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        if isinstance(value, numbers.Number) or _is_scalar(value, ("int", "uint", "float", "bfloat")):
            return float(value)
    except Exception:  # complex and traced numbers, integers beyond float64, objects that raise
        pass
    return None


def as_integer(value: Any) -> int | None:
    """`value` as an int where it is an integer or an array of one without axes, else None; a bool is no integer."""
    try:
        if isinstance(value, bool | np.bool_) or _is_scalar(value, ("bool",)):
            return None
        return operator.index(value)
    except Exception:  # no integer, a traced one, an object that raises
        return None


def entries(value: Any, most: int) -> list[Any] | None:
    """The entries of a list, a tuple, a range or an array with one axis; None for anything else, and for too many."""
    try:
        if isinstance(value, list | tuple | range):
            return list(value) if len(value) <= most else None
        if len(value.shape) == 1 and value.shape[0] <= most:
            return list(value.tolist())
    except Exception:  # no array, a traced one, an object that raises
        pass
    return None


def number(value: Any, name: str, must: str, fits: Callable[[float], bool]) -> float:
    """`value` as a float for which `fits` holds."""
    real = as_real(value)
    if real is None or not fits(real):
        raise ValueError(f"{name} must be {must}; got {described(value)}")
    return real


def integer(value: Any, name: str, must: str, least: int, most: int | None = None) -> int:
    """`value` as an int from `least` to `most`."""
    index = as_integer(value)
    if index is None or index < least or (most is not None and index > most):
        raise ValueError(f"{name} must be {must}; got {described(value)}")
    return index


def flag(value: Any, name: str) -> bool:
    """`value` as a bool; 0 and 1 are taken too, other numbers and words are not."""
    try:
        if isinstance(value, bool) or _is_scalar(value, ("bool",)) or as_integer(value) in (0, 1):
            return bool(value)
    except Exception:  # a traced one, an object that raises
        pass
    raise ValueError(f"{name} must be True or False; got {described(value)}")


def choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """`value` where it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {described(value)}")
    return value


def some_of(value: Any, name: str, choices: Sequence[str]) -> list[str]:
    """The names in `value`, one or several, in the order of `choices`."""
    given: Any = [value] if isinstance(value, str) else value
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, list | tuple | Set | Mapping) or not given:
        raise ValueError(f"{name} must be some of {', '.join(choices)}; got {described(value)}")
    unknown = sorted(described(entry) for entry in given if not isinstance(entry, str) or entry not in choices)
    if unknown:
        raise ValueError(f"{name} must be some of {', '.join(choices)}; got {', '.join(unknown[:5])}")
    return [entry for entry in choices if entry in given]
