"""profile.html: one file with the tables, the figures, and what is needed to repeat them."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xaijax._runs import page
from xaijax.profiling import compare, figures, show


def write_report(out: Path, found: Sequence[Mapping[str, Any]], compared: Sequence["compare.Change"] = ()) -> Path:
    """Draws the figures into `out/figures` and writes `out/profile.html`.

    Args:
        out: the folder of the profile.
        found: its records.
        compared: changes against an older profile.

    Returns:
        The path of the report.
    """
    drawn = [page.inline(entry) for entry in _draw(out / "figures", found)]
    return page.write(
        out / "profile.html",
        "xaijax.profiling",
        "profile.html.j2",
        name=out.resolve().name,
        tables=show.tables(found),
        compared=compare.table(list(compared), None) if compared else None,
        figures=drawn,
        runs=_runs(found),
        last=found[-1],
        kernels=any(record["kind"] == "kernel" for record in found),
    )


def _runs(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The commands that made the records, each once."""
    return list(dict.fromkeys(record["command"] for record in found))


def _draw(folder: Path, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = []

    def add(figure: Any, name: str, alt: str) -> None:
        path = page.save_figure(figure, folder / (re.sub(r"[^\w-]+", "-", name) + ".svg"))
        drawn.append({"path": path, "alt": alt})

    timed = [record for record in found if "skipped" not in record]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in timed:
        keys = ("model", "size", "precision") if record["kind"] == "method" else ("method",)
        groups.setdefault(tuple(record[key] for key in keys), []).append(record)
    for values, rows in groups.items():
        if rows[0]["kind"] == "kernel":
            name = str(values[0])
            add(figures.kernel(rows, name), f"kernel-{name}", f"{name}: time per pixel over the image's side")
            continue
        title = f"{Path(str(values[0])).name}, {values[1]} px, {values[2]}"
        add(figures.throughput(rows, title), f"throughput {title}", f"Images per second over the batch, {title}")
        if any(row["flops"] > 0 and row["bytes"] > 0 for row in rows):
            add(figures.roofline(rows, title), f"roofline {title}", f"Operations per second under the roof, {title}")
    return drawn
