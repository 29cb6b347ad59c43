"""Options of explanation methods on the command line: `--options steps=20 rise.count=500`."""

import ast
from collections.abc import Sequence
from typing import Any

from xaijax._errors import InputError
from xaijax._names import closest
from xaijax.bench.plan import check_names


def parse_options(given: Sequence[str], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Options of each method, from the command line's texts.

    Args:
        given: "option=value" for all methods that have the option, or "method.option=value" for one.
        methods: The methods that run; those of the ground truth have no options here.

    Returns:
        {method: {option: value}}.

    Raises:
        InputError: No method has such an option, or a text is not of this form.

    Example:
        >>> parse_options(("xrai.steps=9", "steps=20", "rise.count=500"), ("blur_ig", "rise", "xrai"))
        {'blur_ig': {'steps': 20}, 'rise': {'count': 500}, 'xrai': {'steps': 9}}
    """
    from xaijax.explain import METHODS

    methods = [method for method in methods if method in METHODS]
    found: dict[str, dict[str, Any]] = {method: {} for method in methods}
    for text in sorted(given, key=lambda text: "." in text.partition("=")[0]):  # what names a method has the last word
        name, equals, value = text.partition("=")
        method, _, option = name.strip().rpartition(".")
        if not equals or not option:
            raise InputError(f"--options takes name=value or method.name=value; got {text!r}")
        if method:
            check_names("method", [method], methods)
        having = [each for each in ([method] if method else methods) if option in METHODS[each].options]
        if not having:
            known = sorted({each for chosen in methods for each in METHODS[chosen].options})
            raise InputError(f"{method or 'no chosen method'} has an option {option!r}: {closest(option, known)}")
        for each in having:
            found[each][option] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    """A number, None or a tuple where the text is one, else the text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
