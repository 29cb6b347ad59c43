"""Statistics over the per-image scores of a run: means with bootstrap intervals, and comparisons with a control."""

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


@dataclasses.dataclass(frozen=True)
class Difference:
    """Mean of the paired differences `first - second` over the images where both have a value, with its interval."""

    mean: float
    low: float
    high: float
    n: int


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


def per_image(scores: pa.Table, model: str, metric: str) -> dict[str, dict[str, float]]:
    """The values of a metric on a model: {method: {image: value}}, images without a value left out."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    names = ("model", "metric", "method", "image", "value")
    for m, k, method, image, value in zip(*(scores[name].to_pylist() for name in names), strict=True):
        if m == model and k == metric and value is not None and not np.isnan(value):
            found[method][image] = value
    return dict(found)


def difference(first: dict[str, float], second: dict[str, float], *, seed: int = 0) -> Difference:
    """Compares two methods on the images that both have a value for.

    Args:
        first: Values by image.
        second: Values by image.
        seed: Seed of the bootstrap.

    Returns:
        The mean of `first - second` with its interval; NaN where they share no image.

    Example:
        >>> difference({"a": 1.0, "b": 3.0}, {"b": 1.0, "c": 9.0}).mean
        2.0
    """
    shared = sorted(first.keys() & second.keys())
    deltas = np.array([first[image] - second[image] for image in shared], np.float64)
    low, high = mean_interval(deltas, seed=seed)
    return Difference(float(deltas.mean()) if shared else float("nan"), low, high, len(shared))
