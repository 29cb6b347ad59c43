"""Prints what there is, from what the packages say of themselves."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax._runs import tables
from xaijax.catalogue.config import MethodsConfig, MetricsConfig


def run(config: MethodsConfig | MetricsConfig) -> int:
    """Prints a list, or the description of one thing.

    Args:
        config: of one of the two commands.

    Returns:
        0.

    Raises:
        InputError: for an unknown name, with the closest ones.
    """
    found = [dataclasses.asdict(one) for one in _describe(config)]
    one = config.name is not None and len(found) == 1
    if config.json:
        print(json.dumps(found[0] if one else found, indent=2, default=str))
    elif one:
        _print_one(found[0])
    else:
        _print_all(config, found)
    return 0


def _describe(config: MethodsConfig | MetricsConfig) -> Sequence[Any]:
    """Descriptions as data: of one thing, of a family, or of all."""
    if isinstance(config, MethodsConfig):
        from xaijax import explain

        return explain.describe(config.name)
    from xaijax import metrics

    return metrics.describe(config.name)


def _print_all(config: Any, found: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console

    console = Console()
    columns = {
        MethodsConfig: ("name", "family", "cost", "needs", "summary"),
        MetricsConfig: ("name", "family", "better", "needs", "summary"),
    }[type(config)]
    tables.print_rows(console, [{key: _cell(entry[key]) for key in columns} for entry in found])
    what = {MethodsConfig: "methods", MetricsConfig: "metrics"}[type(config)]
    if isinstance(config, MethodsConfig):
        console.print("cost: model passes per image in forward passes, with the default options", style="dim")
    console.print(f"xaijax {what} NAME describes one", style="dim")


def _print_one(entry: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in entry.items():
        if not _is_rows(value):
            grid.add_row(key.replace("_", " "), Text(str(_cell(value))))
    console.print(grid)
    for key, value in entry.items():
        if _is_rows(value):
            console.print()
            rows = [{name: _cell(one) for name, one in row.items()} for row in value]
            tables.print_rows(console, rows, title=key.replace("_", " "))


def _is_rows(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(row, Mapping) for row in value)


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(str, sorted(value) if isinstance(value, set | frozenset) else value)) or "–"
    if isinstance(value, Mapping):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None or value == "" else value
