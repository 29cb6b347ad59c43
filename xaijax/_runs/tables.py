"""Rows as CSV for programs, as Markdown for people, and as a table in the terminal."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def to_csv(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str] | Mapping[str, str] | None = None,
    *,
    text: Callable[[Any], Any] | None = None,
) -> str:
    """Rows as CSV text.

    Args:
        rows: mappings.
        columns: their keys, in order, or {key: heading}; default: the keys of all rows.
        text: how a cell is written; default: floats with six significant digits, None and NaN as nothing.

    Example:
        >>> print(to_csv([{"method": "cam", "iou": 0.25}, {"method": "rise", "iou": None}]), end="")
        method,iou
        cam,0.25
        rise,
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns.values() if isinstance(columns, Mapping) else names)
    for row in rows:
        writer.writerow([(text or _exact)(row.get(name)) for name in names])
    return out.getvalue()


def to_markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """Rows as a Markdown table.

    Args:
        rows: mappings.
        columns: {key: heading}; default: the keys of the first row, with spaces for underscores.

    Example:
        >>> rows = [{"method": "cam", "iou": 0.25}, {"method": "rise", "iou": None}]
        >>> print(to_markdown(rows, {"method": "", "iou": "IoU"}))
        |  | IoU |
        |---|---|
        | cam | 0.250 |
        | rise | – |
    """
    if not rows:
        return ""
    columns = columns or {key: key.replace("_", " ") for key in rows[0]}
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(rounded(row.get(key)) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def print_rows(console: "Console", rows: Sequence[Mapping[str, Any]], *, title: str = "") -> None:
    """Rows as a table in the terminal: numbers to the right, long texts folded."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, title=title or None, title_justify="left")
    for name in rows[0] if rows else ():
        numeric = all(isinstance(row.get(name), int | float | None) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(rounded(value)) for value in row.values()))
    console.print(table)


def rounded(value: Any) -> str:
    """A cell for people: three decimals, a dash where there is no value."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if 0 < abs(value) < 0.001:  # seconds for one image
            return f"{value:.2g}"
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _exact(value: Any) -> Any:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
