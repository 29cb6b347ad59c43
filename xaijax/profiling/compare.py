"""A profile against one from before: ratios with their spread, and what got slower beyond noise."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaijax.profiling import show, statistics


@dataclasses.dataclass(frozen=True)
class Change:
    """Of one cell. `ratio` is new over old time, above 1 where it is slower now; `units` the same in forward passes."""

    name: str
    batch: Any
    new: float
    old: float
    ratio: float
    low: float
    high: float
    units: float | None
    verdict: str


def compare(new: Mapping[Any, Mapping[str, Any]], old: Mapping[Any, Mapping[str, Any]]) -> list[Change]:
    """The cells that both profiles have timed, the slowest change first.

    Args:
        new: records by identity, as `records.read` gives them.
        old: the same, from before.

    Returns:
        One change per cell.
    """
    found = []
    for key, record in new.items():
        before = old.get(key)
        if before is None or "skipped" in record or "skipped" in before:
            continue
        spread = statistics.ratio(record["seconds"], before["seconds"])
        units = None
        if record.get("units") and before.get("units"):
            units = record["units"]["median"] / before["units"]["median"]
        name = record["method"] + (f" ({record['backend']})" if record.get("backend") else "")
        found.append(
            Change(
                f"{name}, {record.get('model') or ''} {record['size']} px".replace(",  ", ", "),
                record.get("batch") or f"{record.get('threads') or 'all'} threads",
                record["latency"]["median"],
                before["latency"]["median"],
                spread["ratio"],
                spread["low"],
                spread["high"],
                units,
                spread["verdict"],
            )
        )
    return sorted(found, key=lambda change: -change.ratio)


def table(changes: list[Change], path: Path | None) -> show.Table:
    """The changes, what is slower beyond noise marked."""
    rows = tuple(
        (
            change.name,
            str(change.batch),
            show.seconds(change.old),
            show.seconds(change.new),
            f"{change.ratio:.3f} ({change.low:.3f} to {change.high:.3f})",
            show.number(change.units),
            change.verdict,
        )
        for change in changes
    )
    marked = frozenset(place for place, change in enumerate(changes) if change.verdict == "slower")
    headings = ("cell", "batch", "before", "now", "ratio (95 % interval)", "ratio in passes", "verdict")
    note = (
        f"{len(marked)} of {len(changes)} slower beyond noise (the interval of the ratio lies above "
        f"{1 + statistics.NOISE:g}); the ratio in forward passes leaves out how fast the machine was"
    )
    if not changes:
        note = "nothing was compared: no cell was timed in both profiles (method, model, size, batch, device ...)"
    title = "ratios, now over before" if path is None else f"against {path}"
    return show.Table(title, headings, rows, marked, (note,))
