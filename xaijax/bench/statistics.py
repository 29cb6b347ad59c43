"""Statistics of a run: what `xaijax.metrics.statistics` says about its scores, model by model, as tables and CSV.

statistics.csv   every pair of methods on a model, and every pair of models for a method: paired tests
ranks.csv        mean ranks of the methods, Friedman's test, Nemenyi's groups
stability.csv    Kendall's tau of the ranking over subsets of the images, random masks and entropies
"""

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._runs.tables import to_csv
from xaijax.bench.columns import Columns, units_of
from xaijax.bench.pooled import Pooled, aligned
from xaijax.metrics import ORACLE
from xaijax.metrics._curves import Curves
from xaijax.metrics._groups import numbered
from xaijax.metrics.scores import ScoreTable
from xaijax.metrics.statistics import MetricStatistics, Pair, Stability, analyze, compare_pairs
from xaijax.metrics.statistics.analysis import entropy_stability
from xaijax.plot._statistics import p_text
from xaijax.plot._style import controls

ALL_MODELS = "all models"
FEWEST = 10
"""Images below which no method is called the best: Nemenyi's quantile assumes many."""
KINDS = ("aic", "sic")


@dataclasses.dataclass(frozen=True)
class RunStatistics:
    """Statistics of a run.

    Attributes:
        models: model -> metric -> its statistics; with several models also `ALL_MODELS`, where the value of an image is
            its mean over the models, and only images with a value on every model count.
        entropies: model -> `"aic"` or `"sic"` -> stability of the ranking over the information measures.
        between: method -> metric -> pairs of models; empty for a single model.
    """

    models: Mapping[str, Mapping[str, MetricStatistics]]
    entropies: Mapping[str, Mapping[str, Stability]]
    between: Mapping[str, Mapping[str, tuple[Pair, ...]]]


def tabulate(
    models: Mapping[str, Columns], *, patients: Mapping[str, int] | None = None, seed: int = 0
) -> RunStatistics:
    """All statistics of a run.

    Args:
        models: their scores, with the curves behind them. An image with several findings has one value in every test,
            the mean over them.
        patients: image -> its patient, where several images are of one: a patient has one value in every test.
        seed: of bootstrap and subsets.

    Returns:
        A `RunStatistics`; the oracle is left out of all tests, controls out of the stability of rankings.
    """
    tables: dict[str, ScoreTable] = {name: _with_masks(one) for name, one in models.items()}
    if len(models) > 1:
        tables[ALL_MODELS] = Pooled(list(models.values()))
    found, entropies = {}, {}
    for name, some in tables.items():
        found[name] = analyze(some, leave_out=(ORACLE,), controls=controls(), patients=patients, seed=seed)
        explained = [method for method in some.methods() if method not in (ORACLE, *controls())]
        kinds = {kind: entropy_stability(some, kind, methods=explained) for kind in KINDS}
        entropies[name] = {kind: entry for kind, entry in kinds.items() if entry.rankings > 1}
    between = between_models(models, patients=patients, seed=seed) if len(models) > 1 else {}
    return RunStatistics(found, entropies, between)


def _with_masks(one: Columns) -> Columns:
    """The scores, with their curves only where there are several random masks to compare."""
    if len(one.curves) and one.curves.draw.max() > 0:
        return one
    plain = copy.copy(one)
    plain.curves = Curves()
    return plain


def between_models(
    models: Mapping[str, Columns], *, patients: Mapping[str, int] | None = None, seed: int = 0
) -> dict[str, dict[str, tuple[Pair, ...]]]:
    """Paired tests between models for every method and metric; Holm's correction is over the pairs of models.

    An image, or a patient, has one difference: the mean over its findings and images.
    """
    names = list(models)
    first = models[names[0]]
    found: dict[str, dict[str, tuple[Pair, ...]]] = {}
    for metric in first.metrics():
        with_it = {name: one for name, one in models.items() if metric in one.metrics()}
        methods, there, _, images = aligned(list(with_it.values()), metric)
        groups = units_of(images, patients)
        if numbered(groups)[1] < 2:
            continue
        for method in first.matrix(metric)[1]:
            values = np.full((there.shape[1], len(names)), np.nan)
            for table, name in zip(there, with_it, strict=True):
                values[:, names.index(name)] = table[:, methods.index(method)]
            found.setdefault(method, {})[metric] = tuple(compare_pairs(values, names, groups=groups, seed=seed))
    return found


def pairs_csv(statistics: RunStatistics) -> str:
    """The paired tests as CSV: compared ("methods" or "models"), model, method, metric, then the columns of `Pair`."""
    rows: list[list[Any]] = []
    for model, metrics in statistics.models.items():
        for metric, entry in metrics.items():
            rows += [["methods", model, "", metric, *dataclasses.astuple(pair)] for pair in entry.pairs]
            if entry.note:
                blank = dataclasses.replace(Pair("", "", 0, 0), note=entry.note)
                rows.append(["methods", model, "", metric, *dataclasses.astuple(blank)])
    for method, found in statistics.between.items():
        for metric, pairs in found.items():
            rows += [["models", "", method, metric, *dataclasses.astuple(pair)] for pair in pairs]
    return _csv(["compared", "model", "method", "metric", *(f.name for f in dataclasses.fields(Pair))], rows)


def ranks_csv(statistics: RunStatistics) -> str:
    """Mean ranks as CSV: a line per model, metric and method; `groups` names the groups that a method is in."""
    rows: list[list[Any]] = []
    for model, metrics in statistics.models.items():
        for metric, entry in metrics.items():
            ranking = entry.ranking
            for method, rank in zip(ranking.methods, ranking.ranks, strict=True):
                groups = "; ".join(" ".join(group) for group in ranking.groups if method in group)
                test = [ranking.n, ranking.missing, ranking.statistic, ranking.p, ranking.critical_difference]
                rows.append([model, metric, method, rank, *test, groups, ranking.note])
    names = ["model", "metric", "method", "mean_rank", "n", "missing", "friedman", "p", "critical_difference", "groups"]
    return _csv([*names, "note"], rows)


def stability_csv(statistics: RunStatistics) -> str:
    """Stability of the rankings as CSV; over entropies the metric is `aic` or `sic`."""
    rows: list[list[Any]] = []
    for model, metrics in statistics.models.items():
        for metric, entry in metrics.items():
            rows += [[model, metric, *dataclasses.astuple(one)] for one in entry.stability]
        rows += [[model, kind, *dataclasses.astuple(one)] for kind, one in statistics.entropies[model].items()]
    return _csv(["model", "metric", *(field.name for field in dataclasses.fields(Stability))], rows)


def overview(statistics: RunStatistics, model: str) -> list[dict[str, Any]]:
    """The lines of the report: per metric the test, the best mean rank, what is not distinguishable from it, stability.

    On fewer than `FEWEST` images no method is named.
    """
    lines = []
    for metric, entry in statistics.models[model].items():
        ranking = entry.ranking
        enough = ranking.n >= FEWEST
        best = ranking.methods[0] if enough else ""
        note = ranking.note or entry.note
        if ranking.n and not enough and not note:
            note = f"no method is named on fewer than {FEWEST} images"
        like = []
        if best and np.isfinite(ranking.p):
            like = [m for m, p in zip(ranking.methods, ranking.p_nemenyi[0], strict=True) if p > ranking.alpha]
        split = entry.stability[0]
        lines.append(
            {
                "metric": metric,
                "n": ranking.n,
                "missing": ranking.missing,
                "p": p_text(ranking.p),
                "best": [
                    m for m, r in zip(ranking.methods, ranking.ranks, strict=True) if best and r == ranking.ranks[0]
                ],
                "like": [method for method in like if method != best],
                "note": note,
                "tau": "" if np.isnan(split.tau) else f"{split.tau:.2f}",
                "tau_range": "" if np.isnan(split.tau) else f"{split.low:.2f} to {split.high:.2f}",
                "same_best": "" if np.isnan(split.same_best) else f"{100 * split.same_best:.0f} %",
                "tau_note": split.note,
                "others": [_words(one) for one in entry.stability[1:] if not np.isnan(one.tau)],
            }
        )
    return lines


def _words(one: Stability) -> str:
    return f"{one.over} {one.tau:.2f} ({one.low:.2f} to {one.high:.2f})"


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return to_csv([dict(zip(names, row, strict=True)) for row in rows], names)
