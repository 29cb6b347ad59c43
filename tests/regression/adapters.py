"""What is spelled differently on the two sides of a refactoring, in one place.

Everything else in the dumps uses the public API as it is. Where a name moves or changes, add the new spelling in front
of the old one in the tables below; the first that the installed package knows is used.
"""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

# A parameter of `metrics.evaluate` -> its spellings.
EVALUATE: Mapping[str, tuple[str, ...]] = {
    "classifier": ("classifier",),
    "images": ("images",),
    "labels": ("labels",),
    "maps": ("maps",),
    "masks": ("masks",),
    "metrics": ("metrics",),
    "raw_maps": ("raw_maps", "raw"),
    "variants": ("variants",),
    "explainers": ("explainers",),
    "settings": ("settings", "options"),
    "ids": ("ids",),
    "oracle": ("oracle",),
    "seed": ("seed",),
    "batch_size": ("batch_size",),
}

# What is not at the top of a public package -> where it is, as "module:name".
PLACES: Mapping[str, tuple[str, ...]] = {
    "plant": ("xaijax.data:plant",),
    "cover": ("xaijax.data:cover",),
    "split": ("xaijax.data:split",),
    "CUES": ("xaijax.data.cues:CUES", "xaijax.data:CUES"),
    "evaluate": ("xaijax.metrics:evaluate",),
    "health": ("xaijax.metrics:health",),
}


def place(name: str) -> Any:
    """The object of this name, from the first of its places that exists."""
    for spelling in PLACES[name]:
        module, _, attribute = spelling.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue
    raise LookupError(f"{name} is in none of {', '.join(PLACES[name])}: add its place to PLACES in adapters.py")


def evaluate(**given: Any) -> Any:
    """`metrics.evaluate` with arguments by the names in `EVALUATE`."""
    function = place("evaluate")
    known = inspect.signature(function).parameters
    arguments = {}
    for name, value in given.items():
        spelling = next((one for one in EVALUATE[name] if one in known), None)
        if spelling is None:
            raise LookupError(f"metrics.evaluate has no parameter {name}: add its spelling to EVALUATE in adapters.py")
        arguments[spelling] = value
    return function(**arguments)
