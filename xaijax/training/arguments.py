"""A configuration as JSON values, and as the command line that repeats it."""

import dataclasses
import json
from collections.abc import Iterable
from typing import Any


def plain(config: Any) -> dict[str, Any]:
    """The configuration as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def arguments(config: Any, *, skip: Iterable[str] = (), prefix: str = "") -> list[str]:
    """Command-line arguments of the fields that differ from their defaults.

    Args:
        config: a dataclass.
        skip: names of fields to leave out.
        prefix: in front of the names, for a dataclass in a dataclass.

    Returns:
        Words that `tyro` reads back.

    Example:
        >>> from xaijax.training.arguments import arguments
        >>> from xaijax.training.augment import Augmentation
        >>> arguments(Augmentation(flip="none", zoom=0.2), prefix="augmentation.")
        ['--augmentation.flip', 'none', '--augmentation.zoom', '0.2']
    """
    found: list[str] = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        if item.name in skip or value == default:
            continue
        name = prefix + item.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            found += arguments(value, prefix=f"{name}.")
        elif isinstance(value, bool):
            found.append(f"--{name}" if value else f"--{prefix}no-{item.name.replace('_', '-')}")
        else:
            found += [f"--{name}", *map(str, value if isinstance(value, tuple) else [value])]
    return found
