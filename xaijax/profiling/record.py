"""What is written down of a cell."""

from collections.abc import Mapping
from typing import Any

from xaijax.profiling import cells, roofline, statistics
from xaijax.profiling.config import FORWARD


def describe(cell: "cells.Cell", facts: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a timed cell.

    Args:
        cell: with at least one time.
        facts: what every record of the run says: machine, versions, flags, command, ceilings.

    Returns:
        JSON-ready: the cell's identity, `seconds` of every call and their statistics, `images_per_second`, `units`
        (forward passes), `needs` (passes by the method's own account), compile times, memory, operations, verdict.
    """
    from xaijax.explain import METHODS

    batch, method = cell.identity["batch"], cell.identity["method"]
    parts = cell.programs.found
    most = facts["ceilings"]
    latency = statistics.summary(cell.seconds)
    peak_flops = most["flops"][cell.identity["precision"]]
    limited = roofline.verdict(cell.flops, cell.bytes, latency["median"], peak_flops, most["bytes"], cell.host_share)
    declared = METHODS[method].cost if method != FORWARD and not cell.identity["options"] else None
    return (
        cell.identity
        | {
            "repeats": cell.repeats,
            "seconds": cell.seconds,
            "latency": latency,
            "images_per_second": statistics.summary([batch / seconds for seconds in cell.seconds]),
            "units": statistics.summary(cell.units) if cell.units else None,
            "needs": declared if declared is None or declared == declared else None,  # NaN is no JSON
            "compile": {
                step: sum(part.compile_seconds[step] for part in parts) for step in ("trace", "lower", "compile")
            },
            "programs": len(parts),
            "calls": sum(part.calls for part in parts),
            "compilations": len(cell.compiled),
            "compiled": cell.compiled,
            "host_share": cell.host_share,
            "memory": {
                "peak_bytes": cell.peak,
                "how": cell.memory.how,
                "planned_bytes": max((part.planned or 0 for part in parts), default=None),
            },
            "flops": cell.flops,
            "xla_flops": sum(part.calls * part.xla_flops for part in parts),
            "bytes": cell.bytes,
            "uncounted": sorted(set().union(*(part.count.unknown for part in parts))),
            "intensity": limited.intensity,
            "bound": limited.bound,
            "share": limited.share,
            "verdict": limited.text,
        }
        | dict(facts)
    )
