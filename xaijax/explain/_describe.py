"""Methods in words, as data: what `xaijax methods [NAME]` prints and docs/explainers.md lists."""

import inspect
import math
import re
from dataclasses import dataclass

from xaijax import _names, _options
from xaijax.explain._registry import METHODS, Method


@dataclass(frozen=True)
class OptionDescription:
    """An option of a method.

    Attributes:
        name: as in Python and in `--set NAME.OPTION=VALUE`.
        default: as text.
        allowed: which values it takes.
        summary: what it does.

    Example:
        >>> describe("xrai")[0].options[3].summary
        'radius in pixels by which segments grow.'
    """

    name: str
    default: str
    allowed: str
    summary: str


@dataclass(frozen=True)
class MethodDescription:
    """A method in words.

    Attributes:
        name: as in Python and on the command line.
        family: "cam", "gradient", "perturbation", "region" or "control".
        summary: one line.
        formula: of the map.
        cost: model passes per image in forward passes, with the default options; None where it is one for each channel
            of the layer.
        needs: what the classifier must have or what must be given; "key": it draws random numbers.
        signed: whether raw maps can be negative, as evidence against the class.
        postprocess: the usual steps for `postprocess`.
        differences: from the known implementation.
        reference: the source of the definition.
        options: the method's own.

    Example:
        >>> [about.name for about in describe() if about.cost == 0]
        ['random', 'sobel', 'center_gaussian', 'ground_truth']
    """

    name: str
    family: str
    summary: str
    formula: str
    cost: float | None
    needs: tuple[str, ...]
    signed: bool
    postprocess: str
    differences: str
    reference: str
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
        >>> found.options[2].name, found.options[2].default, found.options[2].allowed
        ('convention', 'paper', 'paper, pytorch-grad-cam or tf-keras-vis')
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
    summaries = _arguments(method)
    return MethodDescription(
        name=method.name,
        family=method.family,
        summary=method.summary,
        formula=formula(method),
        cost=None if math.isnan(method.cost) else method.cost,
        needs=tuple(sorted(method.needs)),
        signed=method.signed,
        postprocess=method.postprocess_steps(),
        differences=section(method, "Differences"),
        reference=section(method, "References"),
        options=tuple(
            OptionDescription(
                option, _options.to_text(method.options[option]), _options.allowed(kind), summaries.get(option, "")
            )
            for option, kind in method.kinds.items()
        ),
    )


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
    return f"one per {method.per}" if math.isnan(method.cost) else f"{method.cost:,.0f}".replace(",", " ")
