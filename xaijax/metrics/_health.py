"""Is the metric itself sound here? What was scored, what was skipped and why, and whether the controls behave."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xaijax.metrics.registry import METRICS, REASONS
from xaijax.metrics.scores import Scores

TOLERANCE = 1e-9  # of a scaled information value: rounding, not a fall


@dataclass(frozen=True)
class MethodHealth:
    """One method under one metric.

    Attributes:
        scored: images with a value.
        mean, median: over these; NaN when there are none.
        non_monotone: share of the raw information curves (blurred image, fractions, original) that fall somewhere; NaN
            without curves.
        revealed_at_once: share of the curves whose first fraction shows the whole image, as a constant map does.
        mask_spread: standard deviation over the random masks of an image, averaged over images; NaN with one mask.
    """

    scored: int
    mean: float
    median: float
    non_monotone: float
    revealed_at_once: float
    mask_spread: float


@dataclass(frozen=True)
class MetricHealth:
    """One metric.

    Attributes:
        images: images asked for.
        used: images with a value for every method that is no oracle.
        skipped: code of `REASONS` -> images that at least one of these methods has no value for (first reason counts).
        methods: method -> its health.
        random, oracle: mean of the control over the images that both controls have a value for (of either alone, where
            the other is missing); NaN when not scored.
        warnings: sentences for the report.
    """

    images: int
    used: int
    skipped: dict[str, int]
    methods: dict[str, MethodHealth]
    random: float
    oracle: float
    warnings: tuple[str, ...]


def health(scores: Scores, *, random: str = "random", oracle: str = "oracle") -> dict[str, MetricHealth]:
    """The health report of every metric in `scores`.

    Args:
        scores: from `evaluate`.
        random: the name of the method that is a random map.
        oracle: the name of the method that is the ground-truth mask.

    Returns:
        metric -> `MetricHealth`, in the order of the scores.

    Example:
        >>> rows = [("a", "random", "iou", 0.5, ""), ("a", "oracle", "iou", 0.2, "")]
        >>> health(Scores.from_rows(rows))["iou"].warnings[0]
        'the random map (0.500) beats the ground truth (0.200) in iou: here the metric does not measure what it claims'
    """
    return {metric: _metric_health(scores, metric, random, oracle) for metric in scores.metrics()}


def as_dict(report: dict[str, MetricHealth]) -> dict[str, Any]:
    """The report as plain dictionaries, NaN as None, ready for JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and np.isnan(value) else value

    return {metric: plain(asdict(entry)) for metric, entry in report.items()}


def _metric_health(scores: Scores, metric: str, random: str, oracle: str) -> MetricHealth:
    chosen = scores.select(metric=metric)
    images, methods, values = chosen.matrix(metric)
    # The oracle lacks images that have no mask, which says nothing about the metric.
    judged = np.asarray([method != oracle for method in methods])
    complete = ~np.isnan(values[:, judged]).any(axis=1)
    reasons: dict[str, str] = {}
    for image, method, reason in zip(chosen.image, chosen.method, chosen.reason, strict=True):
        if reason and method != oracle:
            reasons.setdefault(image, reason)
    entries = {method: _method_health(chosen, method, values[:, i]) for i, method in enumerate(methods)}
    controls = _controls(methods, values, random, oracle)
    return MetricHealth(
        images=len(images),
        used=int(complete.sum()),
        skipped=dict(Counter(reasons.values())),
        methods=entries,
        random=controls[0],
        oracle=controls[1],
        warnings=tuple(_warnings(metric, len(images), complete.sum(), entries, controls, Counter(reasons.values()))),
    )


def _method_health(chosen: Scores, method: str, values: np.ndarray) -> MethodHealth:
    present = values[~np.isnan(values)]
    curves = chosen.curves.select(method=method)
    falls = at_once = spread = float("nan")
    if len(curves):
        ends = np.zeros((len(curves), 1)), np.ones((len(curves), 1))
        raw = np.concatenate([ends[0], curves.information, ends[1]], axis=1)
        falls = float((np.diff(raw, axis=1) < -TOLERANCE).any(axis=1).mean())
        # The information alone could be 1 by chance (Shannon entropy need not grow); all points of both cannot.
        at_once = float(((curves.information == 1.0) & (curves.response == 1.0)).all(axis=1).mean())
        deviations = []
        for image in dict.fromkeys(curves.image):
            draws = curves.auc[curves.image == image]
            if len(draws) > 1:
                deviations.append(np.std(draws, ddof=1))
        spread = float(np.mean(deviations)) if deviations else float("nan")
    return MethodHealth(
        scored=len(present),
        mean=float(present.mean()) if present.size else float("nan"),
        median=float(np.median(present)) if present.size else float("nan"),
        non_monotone=falls,
        revealed_at_once=at_once,
        mask_spread=spread,
    )


def _controls(methods: list[str], values: np.ndarray, random: str, oracle: str) -> tuple[float, float]:
    columns = [methods.index(name) if name in methods else None for name in (random, oracle)]
    present = [column for column in columns if column is not None]
    both = ~np.isnan(values[:, present]).any(axis=1)
    means = [
        float("nan") if column is None or not both.any() else float(values[both, column].mean()) for column in columns
    ]
    return means[0], means[1]


def _warnings(
    metric: str,
    images: int,
    used: int,
    entries: dict[str, MethodHealth],
    controls: tuple[float, float],
    skipped: Counter[str],
) -> list[str]:
    found = []
    if images and used == 0:
        found.append(f"no image could be scored by {metric}")
    elif used < images / 2:
        reason = REASONS[skipped.most_common(1)[0][0]]
        found.append(f"only {used} of {images} images could be scored by {metric}; most often {reason}")
    higher = METRICS[metric].higher_is_better if metric in METRICS else True
    random, oracle = controls
    # NaN compares false: no verdict without both controls.
    if (random > oracle) if higher else (random < oracle):
        found.append(
            f"the random map ({random:.3f}) beats the ground truth ({oracle:.3f}) in {metric}: here the metric does "
            "not measure what it claims"
        )
    falling = [entry.non_monotone for entry in entries.values() if not np.isnan(entry.non_monotone)]
    if falling and np.mean(falling) > 0.5:
        found.append(
            f"{np.mean(falling):.0%} of the information curves of {metric} fall somewhere before they are sorted"
        )
    for method, entry in entries.items():
        if entry.revealed_at_once > 0:
            found.append(
                f"{entry.revealed_at_once:.0%} of the maps of {method} show the whole image at the first fraction, as "
                f"a constant map does: their {metric} is the diagonal's and says nothing"
            )
    return found
