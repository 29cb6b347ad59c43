"""`xaijax profile --kernels`: every kernel over sizes, threads and backends, after the answers were found equal."""

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._runs.progress import bar
from xaijax.profiling import ceilings, formulas, kernel_cases, records, statistics
from xaijax.profiling.config import ProfileConfig


@dataclasses.dataclass
class _Cell:
    identity: dict[str, Any]
    call: Callable[[], Any]
    repeats: int
    seconds: list[float] = dataclasses.field(default_factory=list)


def measure_kernels(config: ProfileConfig, path: Path, console: Any) -> None:
    """Measures every kernel, side, backend and number of threads that is not in the file yet.

    A backend is left out at sides where, by its time at the side before, one call would take longer than the limit.
    """
    from xaijax.profiling._run import environment

    known = {case.name: case for case in kernel_cases.cases()}
    chosen = [known[name] for name in config.kernel or known]
    with console.status("measuring what the machine can do"):
        most = ceilings.measure(())
    facts = environment(config) | {"ceilings": most}
    there = records.read(path)
    threads = config.threads or _threads()
    steps = [(case, side) for case in chosen for side in sorted(config.sides)]
    before: dict[tuple[str, str, int], tuple[int, float]] = {}  # (kernel, backend, threads) -> (side, seconds)
    with bar(console, "kernels") as report:
        for number, (case, side) in enumerate(steps):
            report(number / len(steps), f"{case.name}, {side} px")
            _measure_side(config, case, side, threads, there, before, path, facts)


def _threads() -> tuple[int, ...]:
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = [1]
    while counts[-1] * 2 <= most:
        counts.append(counts[-1] * 2)
    return tuple(dict.fromkeys([*counts, most]))


def _measure_side(
    config: ProfileConfig,
    case: kernel_cases.Case,
    side: int,
    threads: tuple[int, ...],
    there: Mapping[Any, Mapping[str, Any]],
    before: dict[tuple[str, str, int], tuple[int, float]],
    path: Path,
    facts: dict[str, Any],
) -> None:
    arrays = case.inputs(side)
    base = {"kind": "kernel", "method": case.name, "size": side, "what": case.what}
    cells, ours = [], None
    for (backend, count), call in kernel_cases.ways(case, arrays, threads).items():
        identity = base | {"backend": backend, "threads": count}
        stored = there.get(records.identity(identity))
        if stored is not None and "latency" in stored:
            before[case.name, backend, count] = side, stored["latency"]["median"]
        if records.finished(stored, config.repeat):
            continue
        last = before.get((case.name, backend, count))
        if last is not None and last[1] * (side / last[0]) ** 2 > config.limit:
            continue
        found = call()  # compiles, where there is something to compile
        ours = found if ours is None else ours
        _compare(case, backend, ours, found)
        begun = time.perf_counter()
        call()
        taken = time.perf_counter() - begun
        before[case.name, backend, count] = side, taken
        repeats = max(1, min(config.repeat, int(config.limit / max(taken, 1e-9))))
        cells.append(_Cell(identity, call, repeats))
    try:
        for number in range(max((cell.repeats for cell in cells), default=0)):
            turn = [cell for cell in cells if number < cell.repeats]
            for cell in turn if number % 2 == 0 else turn[::-1]:
                begun = time.perf_counter()
                cell.call()
                cell.seconds.append(time.perf_counter() - begun)
    finally:
        for cell in cells:
            if cell.seconds:
                records.append(path, describe(case, cell, arrays, ours, facts))


def _compare(case: kernel_cases.Case, backend: str, ours: Any, found: Any) -> None:
    """The answers must agree before they are timed."""
    a, b = np.asarray(ours, np.float64), np.asarray(found, np.float64)
    if a.shape != b.shape:
        raise AssertionError(f"{case.name}: {backend} gives {b.shape}, not {a.shape}")
    whole = np.issubdtype(np.asarray(ours).dtype, np.integer)
    away = np.abs(a - b) > (1.0 if whole else 1e-4 * max(1.0, float(np.abs(a).max())))
    limit = case.away if backend == "NumPy, SciPy" else 0.001 if whole else 0.0
    if away.mean() > max(limit, 1e-3):
        raise AssertionError(
            f"{case.name}: {backend} differs from the first backend in {away.mean():.2%} of its values"
        )


def describe(
    case: kernel_cases.Case, cell: _Cell, arrays: tuple[np.ndarray, ...], result: Any, facts: dict[str, Any]
) -> dict[str, Any]:
    """The record of a cell. Pixels are those of all items, channels not counted."""
    side = cell.identity["size"]
    pixels = case.items * side * side
    result = np.asarray(result)
    moved = sum(array.nbytes for array in arrays) + result.nbytes
    work = formulas.operations(case.target, [a.shape for a in arrays], [result.shape]) or 0.0
    latency = statistics.summary(cell.seconds)
    return (
        cell.identity
        | {
            "repeats": cell.repeats,
            "seconds": cell.seconds,
            "latency": latency,
            "images_per_second": statistics.summary([case.items / seconds for seconds in cell.seconds]),
            "bytes_per_pixel": moved / pixels,
            "operations_per_pixel": work / pixels,
            "nanoseconds_per_pixel": 1e9 * latency["median"] / pixels,
            "copy_share": moved / latency["median"] / facts["ceilings"]["bytes"],
        }
        | facts
    )
