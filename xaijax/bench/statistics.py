"""Statistics of a run: what `xaijax.metrics.statistics` says about its scores, model by model, as tables and CSV.

statistics.csv   every pair of methods on a model, and every pair of models for a method: paired tests
ranks.csv        mean ranks of the methods, Friedman's test, Nemenyi's groups
stability.csv    Kendall's tau of the ranking over subsets of the images, random masks and entropies
"""

import dataclasses
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaijax._runs.tables import to_csv
from xaijax.metrics import ORACLE
from xaijax.metrics._groups import units
from xaijax.metrics.scores import Curves, Scores
from xaijax.metrics.statistics import MetricStatistics, Pair, Stability, analyse, compare_pairs, entropy_stability
from xaijax.plot import p_text
from xaijax.plot._style import controls

ALL_MODELS = "all models"
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


def by_model(scores: pa.Table, curves: pa.Table) -> dict[str, Scores]:
    """{model: its scores, with the curves' information but without their points}, for `xaijax.metrics.statements`."""
    names = list(dict.fromkeys(scores["model"].to_pylist()))
    rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in names}
    columns = ("model", "image", "method", "curve", "entropy", "draw", "information", "response")
    for model, image, method, curve, entropy, draw, x, y in zip(*(curves[n].to_pylist() for n in columns), strict=True):
        rows[model].append((image, method, f"{curve}_{entropy}", draw, np.nan, [], [], x, y))
    return {
        name: dataclasses.replace(
            Scores.from_arrow(scores.filter(pc.equal(scores["model"], name))), curves=Curves.from_rows(rows[name])
        )
        for name in names
    }


def tabulate(
    scores: pa.Table, curves: pa.Table, *, patients: Mapping[str, int] | None = None, seed: int = 0
) -> RunStatistics:
    """All statistics of a run.

    Args:
        scores: table with the columns model, image, method, metric, value, reason, and target where images have
            several findings: an image has one value in every test, the mean over them.
        curves: table of schema `CURVES`, with pairs of image and finding as images; may have no rows.
        patients: image -> its patient, where several images are of one: a patient has one value in every test.
        seed: of bootstrap and subsets.

    Returns:
        A `RunStatistics`; the oracle is left out of all tests, controls out of the stability of rankings.
    """
    names = list(dict.fromkeys(scores["model"].to_pylist()))
    by_model = {name: _scores_of(scores, curves, name) for name in names}
    if len(names) > 1:
        by_model[ALL_MODELS] = pooled(list(by_model.values()))
    found, entropies = {}, {}
    for name, some in by_model.items():
        found[name] = analyse(some, leave_out=(ORACLE,), controls=controls(), patients=patients, seed=seed)
        explained = [method for method in some.methods() if method not in (ORACLE, *controls())]
        kinds = {kind: entropy_stability(some, kind, methods=explained) for kind in KINDS}
        entropies[name] = {kind: entry for kind, entry in kinds.items() if entry.rankings > 1}
    own = {name: by_model[name] for name in names}
    between = between_models(own, patients=patients, seed=seed) if len(names) > 1 else {}
    return RunStatistics(found, entropies, between)


def pooled(models: Sequence[Scores]) -> Scores:
    """One score per image, method and metric: the mean over models, with a value only where every model has one.

    Where images have several findings, one for each.
    """
    values: dict[tuple[str, ...], list[float]] = {}
    reasons: dict[tuple[str, ...], str] = {}
    for scores in models:
        columns = (scores.image, scores.method, scores.metric, scores.target, scores.value, scores.reason)
        for *names, value, reason in zip(*columns, strict=True):
            key = tuple(map(str, names))
            values.setdefault(key, []).append(float(value))
            if reason:
                reasons.setdefault(key, reason)
    rows = []
    for key, numbers in values.items():
        if len(numbers) == len(models):
            *names, target = key
            rows.append((*names, float(np.mean(numbers)), reasons.get(key, ""), target))
    return Scores.from_rows(rows)


def between_models(
    models: Mapping[str, Scores], *, patients: Mapping[str, int] | None = None, seed: int = 0
) -> dict[str, dict[str, tuple[Pair, ...]]]:
    """Paired tests between models for every method and metric; Holm's correction is over the pairs of models.

    An image, or a patient, has one difference: the mean over its findings and images.
    """
    names = list(models)
    found: dict[str, dict[str, tuple[Pair, ...]]] = {}
    for metric in models[names[0]].metrics():
        tables = {name: scores.matrix(metric) for name, scores in models.items()}
        belongs: dict[str, Hashable] = {}
        for name, scores in models.items():
            belongs |= dict(zip(tables[name][0], units(scores, metric, patients or {}), strict=True))
        images = list(belongs)
        if len(set(belongs.values())) < 2:
            continue
        place = {image: i for i, image in enumerate(images)}
        for method in tables[names[0]][1]:
            values = np.full((len(images), len(names)), np.nan)
            for column, (own, methods, numbers) in enumerate(tables.values()):
                if method in methods:
                    values[[place[image] for image in own], column] = numbers[:, methods.index(method)]
            found.setdefault(method, {})[metric] = tuple(
                compare_pairs(values, names, groups=list(belongs.values()), seed=seed)
            )
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
    """The lines of the report: per metric the test, the best method, those not distinguishable from it, stability."""
    lines = []
    for metric, entry in statistics.models[model].items():
        ranking = entry.ranking
        best = ranking.methods[0] if ranking.n else ""
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
                "note": ranking.note or entry.note,
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


def _scores_of(scores: pa.Table, curves: pa.Table, model: str) -> Scores:
    chosen = scores.filter(pc.equal(scores["model"], model))
    plain = Scores.from_arrow(chosen)
    return dataclasses.replace(plain, curves=_curves_of(curves, model))


def _curves_of(table: pa.Table, model: str) -> Curves:
    """The areas of a model's curves, where there are several random masks to compare."""
    from xaijax.metrics.pic_curve import area, read_curve

    if not table.num_rows or max(table["draw"].to_pylist()) == 0:
        return Curves()
    chosen = table.filter(pc.equal(table["model"], model))
    names = ("image", "method", "curve", "entropy", "draw", "position", "value")
    rows: list[tuple[Any, ...]] = []
    for image, method, curve, entropy, draw, x, y in zip(*(chosen[n].to_pylist() for n in names), strict=True):
        found = float(area(read_curve(np.asarray(x), np.asarray(y))))
        rows.append((image, method, f"{curve}_{entropy}", draw, found, x, y, [], []))
    return Curves.from_rows(rows)


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return to_csv([dict(zip(names, row, strict=True)) for row in rows], names)
