"""How the site reads docstrings: the section "Example:" holds doctests, as griffe's "Examples:" does."""

import re
from typing import Any

import griffe


class Doctests(griffe.Extension):
    """Lets griffe see the examples of docstrings."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Renames the section before it is parsed."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
