"""What there is to say of a method, from its metadata and its docstring, as data for listings and pages."""

import inspect
import math
import re
from typing import Any

from xaijax import _names, _options
from xaijax.explain._registry import METHODS, Method


def describe(name: str | None = None) -> list[dict[str, Any]]:
    """What the methods are, as plain data.

    Args:
        name: one of `METHODS`, as people write it; None for all of them.

    Returns:
        One dictionary for each method: `name`, `family`, `summary` (one line), `formula`, `cost` (forward passes for an
        image of 224 x 224 with default options, None where it is one for each channel of the layer), `needs` (a list,
        see `Method`), `signed`, `postprocess` (the usual steps), `differences`, `references`, and `options`: a list of
        `name`, `allowed` (in words), `default` (as `--set` takes it) and `help`.

    Raises:
        InputError: for an unknown name.

    Example:
        >>> about = describe("Grad-CAM")[0]
        >>> about["name"], about["formula"][:25], about["cost"], about["needs"]
        ('grad_cam', '`S = Σ_c mean(g_c) A_c`, ', 1, ['layer'])
        >>> about["options"][2]["name"], about["options"][2]["allowed"], about["options"][2]["default"]
        ('convention', 'paper or pytorch-grad-cam', 'paper')
    """
    chosen = METHODS if name is None else [_names.match("method", name, METHODS)]
    return [_described(METHODS[one]) for one in chosen]


def _described(method: Method) -> dict[str, Any]:
    helps = _arguments(method)
    return {
        "name": method.name,
        "family": method.family,
        "summary": method.summary,
        "formula": formula(method),
        "cost": None if math.isnan(method.cost) else method.cost,
        "needs": sorted(method.needs),
        "signed": method.signed,
        "postprocess": method.postprocess_steps(),
        "differences": section(method, "Differences"),
        "references": section(method, "References"),
        "options": [
            {
                "name": option,
                "allowed": _options.allowed(kind),
                "default": _options.to_text(method.options[option]),
                "help": helps.get(option, ""),
            }
            for option, kind in method.kinds.items()
        ],
    }


def _arguments(method: Method) -> dict[str, str]:
    """The `Args` section of a method's docstring: `{argument: text}`."""
    body = _body(method, "Args")
    found = re.findall(r"^    (\w+): (.*(?:\n        .*)*)", body, re.MULTILINE)
    return {argument: " ".join(text.split()) for argument, text in found}


def _body(method: Method, name: str) -> str:
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", inspect.getdoc(method.function) or "", re.MULTILINE)
    return "" if found is None else found[1]


def formula(method: Method) -> str:
    """The formula in a method's docstring: the sentence that begins with a piece of code `S...`.

    Example:
        >>> formula(METHODS["hires_cam"])
        '`S = Σ_c g_c A_c`'
    """
    body = (inspect.getdoc(method.function) or "").split("\nArgs:\n")[0]
    found = re.search(r"^`S[ (].*?(?=\.$|\.\s+[A-Z(`]|\Z)", body, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"the docstring of {method.name} gives no formula `S = ...` at the beginning of a line")
    return " ".join(found[0].split())


def section(method: Method, name: str) -> str:
    """One section of a method's docstring as a line of text, "" where there is none.

    Example:
        >>> section(METHODS["hires_cam"], "References")
        'Draelos, Carin, "Use HiResCAM instead of Grad-CAM", 2020, equation 4.'
    """
    return " ".join(_body(method, name).split())


def passes(method: Method) -> str:
    """Cost in forward passes, as the registry counts them."""
    return "one per channel" if math.isnan(method.cost) else f"{method.cost:,.0f}".replace(",", " ")
