"""Statistics over the per-image scores of a run: means with bootstrap intervals."""

import csv
import dataclasses
import io
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from xaijax.metrics.statistics import mean_interval


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the summary: a metric of a method on a model.

    `low` and `high` bound the bootstrap interval of the mean; they are NaN where fewer than two images have a value.
    """

    model: str
    method: str
    metric: str
    mean: float
    median: float
    low: float
    high: float
    n: int
    skipped: int
    reasons: str


def summarise(scores: pa.Table, *, seed: int = 0) -> list[Row]:
    """Groups per-image scores by model, method and metric, in their order of appearance.

    Args:
        scores: Table with the columns model, image, method, metric, value, reason.
        seed: Seed of the bootstrap.

    Returns:
        One `Row` per group; `reasons` reads like "12 x_0 already right; 3 constant image".
    """
    values: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    reasons: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    columns = (scores[name].to_pylist() for name in ("model", "method", "metric", "value", "reason"))
    for model, method, metric, value, reason in zip(*columns, strict=True):
        key = (model, method, metric)
        if value is None or np.isnan(value):
            values[key]  # a group without any value is still a line
            reasons[key][reason or "no value"] += 1
        else:
            values[key].append(value)
    rows = []
    for key, numbers in values.items():
        array = np.asarray(numbers, np.float64)
        low, high = mean_interval(array, seed=seed)
        skipped = reasons[key]
        rows.append(
            Row(
                *key,
                mean=float(array.mean()) if array.size else float("nan"),
                median=float(np.median(array)) if array.size else float("nan"),
                low=low,
                high=high,
                n=array.size,
                skipped=sum(skipped.values()),
                reasons="; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items())),
            )
        )
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """The summary as CSV text: model, method, metric, mean, median, low, high, n, skipped, reasons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Row)])
    for row in rows:
        cells = dataclasses.astuple(row)
        writer.writerow(["" if isinstance(c, float) and np.isnan(c) else _cell(c) for c in cells])
    return out.getvalue()


def _cell(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value
