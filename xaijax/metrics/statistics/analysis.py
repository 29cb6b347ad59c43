"""All statistics of a set of scores in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax.metrics._groups import kept, numbered
from xaijax.metrics._interval import mean_interval
from xaijax.metrics.metric import ORACLE, shorten
from xaijax.metrics.registry import METRICS
from xaijax.metrics.scores import ScoreTable
from xaijax.metrics.statistics._friedman import Ranking, friedman
from xaijax.metrics.statistics.pairs import Pair, compare_pairs
from xaijax.metrics.statistics.stability import Stability, over_masks, over_metrics, over_subsets


@dataclass(frozen=True)
class Mean:
    """Mean of one method under one metric, with its 95 % bootstrap interval over the `n` images with a value.

    NaN where no image (mean) or only one (interval) has a value; `missing` counts images without a value. Where rows
    are findings, both count pairs of image and finding.
    """

    method: str
    mean: float
    low: float
    high: float
    n: int
    missing: int


@dataclass(frozen=True)
class MetricStatistics:
    """Everything about one metric.

    Attributes:
        metric: its name.
        means: one per method.
        pairs: one per pair of methods; empty for a single method or a single image.
        ranking: Friedman's test and Nemenyi's groups.
        stability: of the ranking, over subsets of the images and, for AIC and SIC, over random masks.
        note: why there are no pairs, or `""`.
    """

    metric: str
    means: tuple[Mean, ...]
    pairs: tuple[Pair, ...]
    ranking: Ranking
    stability: tuple[Stability, ...]
    note: str = ""

    def __repr__(self) -> str:
        ranking = self.ranking
        first = [
            method for method, rank in zip(ranking.methods, ranking.ranks, strict=True) if rank == ranking.ranks[0]
        ]
        best = " and ".join(first) if ranking.n else "none"
        counts = f"{len(self.means)} methods, {len(self.pairs)} pairs, {self.ranking.n} images with all values"
        return f"MetricStatistics({self.metric}: {counts}, best mean rank: {shorten(best, 60)})"


def analyze(
    scores: ScoreTable,
    *,
    leave_out: Sequence[str] = (ORACLE,),
    controls: Sequence[str] = (),
    patients: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> dict[str, MetricStatistics]:
    """Means with intervals, paired tests, ranks and their stability, for every metric of some scores.

    Holm's correction is over the pairs of methods of one metric; metrics are not corrected for each other. The tests
    take one value per image, or per patient: the mean over its findings and images. Means are over all rows, and their
    intervals draw images, or patients, with all their rows.

    Args:
        scores: of one model, as `evaluate` gives them.
        leave_out: methods that are in the table of means only.
        controls: methods that take part in the tests, but not in the stability of the ranking: a random map that is
            always last makes any ranking look stable.
        patients: image -> its patient, where several images are of one; an image without one stands alone.
        seed: of the bootstrap and of the subsets.

    Returns:
        metric -> `MetricStatistics`, in the order of the scores.

    Example:
        >>> from xaijax.metrics import Scores
        >>> rows = [(str(i), m, "iou", 0.1 * i + s, "") for i in range(4) for m, s in (("cam", 0.2), ("random", 0.0))]
        >>> found = analyze(Scores.from_rows(rows))["iou"]
        >>> found.pairs[0].rank_biserial, found.pairs[0].note[:42], found.ranking.note[:24]
        (1.0, 'the difference is the same on every image,', 'fewer than three methods')
    """
    alone = patients or {}
    return {metric: _metric(scores, metric, set(leave_out), set(controls), alone, seed) for metric in scores.metrics()}


def entropy_stability(scores: ScoreTable, curve: str, *, methods: Sequence[str]) -> Stability:
    """Stability of the ranking over the information measures of one curve, over the images that all could score.

    Args:
        scores: of one model.
        curve: `"aic"` or `"sic"`.
        methods: to rank.

    Returns:
        A `Stability` over the pairs of measures.
    """
    tables = []
    for metric in scores.metrics():
        if metric in METRICS and METRICS[metric].family == "pic" and METRICS[metric].kind == curve:
            images, known, values = scores.matrix(metric)
            if set(methods) <= set(known):
                tables.append((images, values[:, [known.index(method) for method in methods]]))
    return over_metrics(tables, over="entropies", methods=len(methods))


def _metric(
    scores: ScoreTable,
    metric: str,
    leave_out: set[str],
    controls: set[str],
    patients: Mapping[str, Any],
    seed: int,
) -> MetricStatistics:
    images, methods, values = scores.matrix(metric)
    groups = scores.units(metric, patients)
    means = []
    ends = METRICS[metric].range if metric in METRICS else ()
    for method, column in zip(methods, values.T, strict=True):
        known = ~np.isnan(column)
        there = column[known]
        low, high = mean_interval(there, groups=kept(groups, known), ends=ends, seed=seed)
        mean = float(there.mean()) if len(there) else float("nan")
        means.append(Mean(method, mean, low, high, len(there), len(images) - len(there)))
    tested = [i for i, method in enumerate(methods) if method not in leave_out]
    names = [methods[i] for i in tested]
    higher = METRICS[metric].higher_is_better if metric in METRICS else True
    pairs: tuple[Pair, ...] = ()
    note = ""
    if numbered(groups)[1] < 2:
        note = "one image has no p-value: score at least two images, better thirty"
    elif len(names) < 2:
        note = "one method has nothing to be compared with"
    else:
        pairs = tuple(compare_pairs(values[:, tested], names, groups=groups, seed=seed))
    ranked = [i for i in tested if methods[i] not in controls]
    explained = [methods[i] for i in ranked]
    stability = [over_subsets(values[:, ranked], explained, groups=groups, higher_is_better=higher, seed=seed)]
    if len(scores.curves) and (scores.curves.metric == metric).any():
        stability.append(over_masks(scores.curves, metric, explained))
    ranking = friedman(values[:, tested], names, groups=groups, higher_is_better=higher)
    return MetricStatistics(metric, tuple(means), pairs, ranking, tuple(stability), note)
