"""A trace by JAX's profiler, and the heaviest operations read back from it.

The trace is read from its JSON, not by `jax.profiler.ProfileData`: that reader ends the whole process with some
versions of JAX and Python (seen with jax 0.12 on Python 3.13).
"""

import dataclasses
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax.profiling import show


@dataclasses.dataclass(frozen=True)
class Operation:
    """An operation of a trace: its name in the compiled program, how often it ran, and nanoseconds in all."""

    name: str
    count: int
    nanoseconds: float


def trace(call: Callable[[], Any], programs: Any, folder: Path) -> list[Operation]:
    """Traces one call of something compiled already; returns its ten heaviest operations.

    Args:
        call: what to trace.
        programs: a `Programs` that runs it.
        folder: where the trace goes; open it with XProf or Perfetto.
    """
    import jax

    with jax.profiler.trace(str(folder)), programs.running():
        jax.block_until_ready(call())
    return heaviest(folder)


def heaviest(folder: Path, count: int = 10) -> list[Operation]:
    """The operations with the most time in the newest trace below a folder.

    Raises:
        InputError: where there is no trace, or one that cannot be read.
    """
    files = sorted(folder.rglob("*.trace.json.gz"), key=lambda path: path.stat().st_mtime)
    if not files:
        raise InputError(f"{folder} holds no trace (*.trace.json.gz)")
    try:
        with gzip.open(files[-1], "rt", encoding="utf-8") as file:
            events = json.load(file)["traceEvents"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the trace {files[-1]} cannot be read: {' '.join(str(error).split())}") from error
    return summed(_operations(events))[:count]


def _operations(events: Iterable[Any]) -> Iterable[tuple[str, float]]:
    """Operations of compiled programs: events that say which HLO operation they are; microseconds to nanoseconds."""
    for event in events:
        said = event.get("args") if isinstance(event, dict) else None
        if isinstance(said, dict) and "hlo_op" in said and "dur" in event:
            yield str(said["hlo_op"]), 1e3 * float(event["dur"])


def summed(events: Iterable[tuple[str, float]]) -> list[Operation]:
    """Events `(name, nanoseconds)` summed by name, the heaviest first.

    Example:
        >>> [(o.name, o.count) for o in summed([("dot", 5.0), ("add", 7.0), ("dot", 4.0)])]
        [('dot', 2), ('add', 1)]
    """
    found: dict[str, list[float]] = {}
    for name, duration in events:
        found.setdefault(name, []).append(duration)
    made = [Operation(name, len(times), sum(times)) for name, times in found.items()]
    return sorted(made, key=lambda operation: (-operation.nanoseconds, operation.name))


def table(name: str, folder: Path, operations: list[Operation]) -> show.Table:
    """The heaviest operations; their shares are of the ten."""
    total = sum(operation.nanoseconds for operation in operations) or 1.0
    rows = tuple(
        (o.name, str(o.count), show.seconds(o.nanoseconds / 1e9), f"{100 * o.nanoseconds / total:.0f} %")
        for o in operations
    )
    notes = (f"trace in {folder}",) if rows else (f"the trace in {folder} names no operations of compiled programs",)
    return show.Table(f"{name}: heaviest operations", ("operation", "times", "time", "of these"), rows, notes=notes)
