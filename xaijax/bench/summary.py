"""Statistics over the per-image scores of a run: means with bootstrap intervals."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from xaijax._runs import tables
from xaijax.bench.columns import Columns
from xaijax.metrics import METRICS
from xaijax.metrics.statistics import mean_interval


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the summary: a metric of a method on a model, over all findings or for one (`target`).

    `low` and `high` bound the bootstrap interval of the mean; they are NaN where fewer than two images have a value.
    Over all findings `n` counts pairs of image and finding, and images are drawn with all their findings.
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
    target: str = ""


def summarise(models: Mapping[str, Columns], *, patients: Mapping[str, int] | None = None, seed: int = 0) -> list[Row]:
    """Groups per-image scores by model, method and metric, in their order of appearance.

    Args:
        models: their scores.
        patients: image -> its patient, where several images are of one: they are drawn together.
        seed: of the bootstrap.

    Returns:
        One `Row` per group, those over all findings first; `reasons` reads like "12 x_0 already right; 3 constant
        image".
    """
    return [row for model, scores in models.items() for row in _of_model(model, scores, patients, seed)]


def _of_model(model: str, scores: Columns, patients: Mapping[str, int] | None, seed: int) -> list[Row]:
    rows: dict[tuple[str, str, str], Row] = {}
    targets, there = scores.targets()
    for metric in scores.metrics():
        images, methods, values = scores.matrix(metric)
        codes, names = scores.reasons(metric)
        groups = scores.units(metric, patients)
        ends = METRICS[metric].range if metric in METRICS else ()
        for target in dict.fromkeys(one for one, _, name in scores.order if name == metric):
            own = targets[images] == there.index(target) if target else np.ones(len(images), bool)
            for column, method in enumerate(methods):
                if (target, method, metric) in scores.order:
                    numbers = _numbers(values[own, column], codes[own, column], names, groups[own], ends, seed)
                    rows[target, method, metric] = Row(model, method, metric, *numbers, target)
    every = list(dict.fromkeys(target for target, _, _ in scores.order))
    return [rows[key] for key in sorted(scores.order, key=lambda key: every.index(key[0]))]


def _numbers(
    values: NDArray[np.float64],
    codes: NDArray[np.int32],
    names: Sequence[str],
    groups: NDArray[np.int64],
    ends: Sequence[float | None],
    seed: int,
) -> tuple[float, float, float, float, int, int, str]:
    """Mean, median, interval, values, missing values and their reasons, of one method under one metric."""
    there = codes == 0
    own = values[there]
    mean, median = (float(own.mean()), float(np.median(own))) if len(own) else (float("nan"), float("nan"))
    low, high = mean_interval(own, groups=groups[there], ends=ends, seed=seed)
    counts = np.bincount(codes[codes > 0], minlength=len(names))
    skipped = {names[code]: int(counts[code]) for code in np.flatnonzero(counts).tolist()}
    reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(skipped.items()))
    return mean, median, low, high, len(own), sum(skipped.values()), reasons


def to_csv(rows: Sequence[Row], verdicts: Mapping[tuple[str, str], str] | None = None) -> str:
    """The summary as CSV text, the fields of `Row`; the target only where there are findings.

    Args:
        rows: of the summary.
        verdicts: (model, metric) -> the verdict of the calibration, as one more column; None without a calibration.
    """
    names = [field.name for field in dataclasses.fields(Row)]
    if not any(row.target for row in rows):
        names.remove("target")
    own = [dataclasses.asdict(row) for row in rows]
    if verdicts:
        names.append("verdict")
        own = [row | {"verdict": verdicts.get((row["model"], row["metric"]), "")} for row in own]
    return tables.to_csv(own, names)
