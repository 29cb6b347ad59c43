"""The results as tables: the same rows for the terminal and for the report."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax.profiling.config import FORWARD


@dataclasses.dataclass(frozen=True)
class Table:
    """Headings (the first is the row's name) and rows of texts.

    `marked` rows need attention, `detail` columns are left out on a narrow terminal, notes stand below.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marked: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    detail: frozenset[int] = frozenset()


def seconds(value: float) -> str:
    """A duration with a unit that fits it.

    Example:
        >>> seconds(0.0123), seconds(2.5)
        ('12.3 ms', '2.5 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def number(value: float | None) -> str:
    """Three significant digits, without an exponent below a million.

    Example:
        >>> number(1234.5), number(0.01234), number(None)
        ('1230', '0.0123', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value and 1e3 <= abs(value) < 1e6:
        digits = 10 ** (len(str(int(abs(value)))) - 3)
        return str(int(round(value / digits) * digits))
    return f"{value:.3g}"


def size(value: float | None) -> str:
    """Bytes with a unit.

    Example:
        >>> size(3 * 2**20)
        '3 MiB'
    """
    if value is None:
        return "–"
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{value:.0f} B"


def tables(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """A table per model and precision, and one per kernel."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in found:
        if record["kind"] == "method":
            groups.setdefault(tuple(record[k] for k in ("model", "size", "precision", "device")), []).append(record)
    made = [methods_table(rows) for rows in groups.values()]
    of_kernels: dict[str, list[Mapping[str, Any]]] = {}
    for record in found:
        if record["kind"] == "kernel":
            of_kernels.setdefault(record["method"], []).append(record)
    return made + [kernels_table(name, rows) for name, rows in of_kernels.items()]


def methods_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Methods of one model and precision, the bare forward pass first."""
    timed = [row for row in rows if "skipped" not in row]
    order = {name: place for place, name in enumerate(dict.fromkeys([FORWARD, *(row["method"] for row in rows)]))}
    timed.sort(key=lambda row: (order[row["method"]], row["batch"]))
    lines: list[tuple[str, ...]] = []
    marked: set[int] = set()
    for row in timed:
        rate, latency, made, memory = row["images_per_second"], row["latency"], row["compile"], row["memory"]
        units = row["units"]["median"] if row["units"] else None
        if row["compilations"] > 1:
            marked.add(len(lines))
        needs = f" ({number(row['needs'])})" if row["needs"] is not None else ""
        lines.append(
            (
                row["method"] + _options(row["options"]),
                str(row["batch"]),
                f"{number(rate['median'])} ({number(rate['q1'])} to {number(rate['q3'])})",
                seconds(latency["p95"]),
                number(units) + needs,
                row["verdict"],
                f"{made['trace']:.1f} + {made['lower']:.1f} + {made['compile']:.1f} s",
                str(row["compilations"]),
                f"{size(memory['peak_bytes'])} ({size(memory['planned_bytes'])})",
                number(row["flops"] / 1e9),
                number(row["intensity"]),
            )
        )
    first = rows[0]
    headings = (
        *("method", "batch", "images/s (quartiles)", "p95", "passes (needs)", "limited by"),
        *("trace + lower + compile", "compiled", "memory (plan)", "GFLOP", "FLOP/byte"),
    )
    notes = [
        f"{row['method']}, batch of {row['batch']}: left out, {row['skipped']}" for row in rows if "skipped" in row
    ]
    slow = [row for row in timed if len(row["seconds"]) < 5]
    if slow:
        names = ", ".join(f"{row['method']} ({row['batch']})" for row in slow)
        notes.append(f"fewer than five calls, so no spread to trust: {names}")
    if timed:
        most = timed[0]["ceilings"]
        peak = most["flops"][first["precision"]]
        notes.append(
            f"ceilings of this run: matrix product {peak / 1e9:.3g} GFLOP/s, copy {most['bytes'] / 1e9:.3g} GB/s; "
            f"memory: {timed[0]['memory']['how']} in the first call beyond what was held, and XLA's plan"
        )
    title = f"{first['model']}, {first['size']} x {first['size']}, {first['precision']}, {first['device']}"
    return Table(title, headings, tuple(lines), frozenset(marked), tuple(notes), frozenset({6, 7, 8, 9, 10}))


def kernels_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """One kernel: sizes, threads and backends."""
    lines = [
        (
            row["backend"],
            f"{row['size']} x {row['size']}",
            str(row["threads"] or "all"),
            seconds(row["latency"]["median"]),
            number(row["images_per_second"]["median"]),
            number(row["bytes_per_pixel"]),
            number(row["operations_per_pixel"]),
            number(row["nanoseconds_per_pixel"]),
            f"{100 * row['copy_share']:.2g} %",
        )
        for row in sorted(rows, key=lambda row: (row["size"], row["backend"], row["threads"] or 0))
    ]
    headings = (
        "backend",
        "size",
        "threads",
        "time",
        "items/s",
        "bytes/pixel",
        "operations/pixel",
        "ns/pixel",
        "of copy",
    )
    notes = (rows[0]["note"],) if rows[0].get("note") else ()
    return Table(f"{name}: {rows[0]['what']}", headings, tuple(lines), notes=notes)


def _options(options: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key}={value}" for key, value in options.items())
    return f" ({given})" if given else ""


def print_table(console: Any, table: Table) -> None:
    """Prints a table with rich."""
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(title=table.title, title_justify="left", box=None)
    # A file or a pipe has no width to keep to.
    narrow = console.is_terminal and console.width < 160
    shown = [place for place in range(len(table.headings)) if not (narrow and place in table.detail)]
    for place in shown:
        heading = table.headings[place]
        grid.add_column(heading, justify="left" if place == 0 or heading == "limited by" else "right", overflow="fold")
    for line, row in enumerate(table.rows):
        grid.add_row(*(Text(row[place], "yellow" if line in table.marked else "") for place in shown))
    if not console.is_terminal:
        console.width = max(console.width, 200)
    console.print(grid)
    for note in table.notes:
        console.print(Text(f"· {note}", "dim"), soft_wrap=True)
    console.print()
