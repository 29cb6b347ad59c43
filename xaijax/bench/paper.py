"""The tables of a report for a paper: `tables/` has each as CSV, with all digits, and as LaTeX (package booktabs)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._files import safe_names
from xaijax._runs import tables
from xaijax.bench.by_group import GroupRow
from xaijax.bench.results import describe
from xaijax.bench.statistics import RunStatistics, overview
from xaijax.bench.store import Store
from xaijax.bench.summary import Row
from xaijax.metrics import FAMILIES, METRICS
from xaijax.plot import _style as style

FOLDER = "tables"


def write(
    store: Store,
    rows: Sequence[Row],
    found: RunStatistics,
    best: Mapping[str, Mapping[str, Sequence[str]]],
    groups: Sequence[GroupRow],
    localized: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Writes the tables of a run.

    Args:
        store: of the run.
        rows: of the summary, over all findings.
        found: statistics of the run.
        best: model -> metric -> the methods that are set in bold.
        groups: of `by_group`.
        localized: rows of `localization.summary`.

    Returns:
        The names of the files without their endings.
    """
    names: list[str] = []
    given: list[str] = []

    def put(name: str, own: Sequence[Mapping[str, Any]], latex: str) -> None:
        given.append(name)
        safe = safe_names(given)[name]
        store.write_text(f"{FOLDER}/{safe}.csv", tables.to_csv(own))
        store.write_text(f"{FOLDER}/{safe}.tex", latex)
        names.append(safe)

    for model in dict.fromkeys(row.model for row in rows):
        of_model = [row for row in rows if row.model == model]
        for family in dict.fromkeys(METRICS[row.metric].family for row in of_model):
            own = [row for row in of_model if METRICS[row.metric].family == family]
            put(f"results-{model}-{family}", _long(own), _results(own, model, family, best.get(model, {})))
        lines = overview(found, model)
        ranks = [_rank(line) for line in lines]
        label, caption = f"tab:ranks-{model}", f"Ranks of the methods on {model}: Friedman's test and Nemenyi's groups."
        put(f"ranks-{model}", ranks, tables.to_latex(ranks, caption=caption, label=label))
        pairs = [_pair(metric, pair) for metric, entry in found.models[model].items() for pair in entry.pairs]
        caption = (
            f"Paired differences between methods on {model} with 95 % bootstrap intervals; Wilcoxon's p after Holm."
        )
        put(f"pairs-{model}", pairs, tables.to_latex(pairs, caption=caption, label=f"tab:pairs-{model}"))
        for group in dict.fromkeys(row.group for row in groups if row.model == model):
            chosen = [row for row in groups if (row.model, row.group) == (model, group)]
            put(f"by-{group}-{model}", _group_rows(chosen), _grouped(chosen, model, group))
        detected = [row for row in localized if row["model"] == model]
        if detected:
            put(f"localization-{model}", detected, _localized(detected, model))
    return names


def _interval(mean: float, low: float, high: float) -> str:
    if not np.isfinite(mean):
        return "–"
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]" if np.isfinite(low) else f"{mean:.3f}"


def _long(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "method": r.method,
            "metric": r.metric,
            "mean": r.mean,
            "low": r.low,
            "high": r.high,
            "median": r.median,
            "n": r.n,
        }
        for r in rows
    ]


def _results(rows: Sequence[Row], model: str, family: str, best: Mapping[str, Sequence[str]]) -> str:
    cells = {(row.method, row.metric): row for row in rows}
    methods, metrics = style.in_order([row.method for row in rows]), list(dict.fromkeys(row.metric for row in rows))
    made, bold = [], []
    for place, method in enumerate(methods):
        line: dict[str, Any] = {"method": method.replace("_", " ")}
        for metric in metrics:
            row = cells.get((method, metric))
            line[metric] = "–" if row is None else _interval(row.mean, row.low, row.high)
            if method in best.get(metric, ()):
                bold.append((place, metric))
        made.append(line)
    count = max(row.n for row in rows)
    caption = (
        f"{FAMILIES[family].title or family} of {len(methods)} methods on {model}: mean over up to {count} images "
        "with 95 % bootstrap interval. Bold: ahead of others (Friedman, Nemenyi) and of a random map, on ten images."
    )
    heads = {"method": "method"} | {metric: describe(metric)["title"] for metric in metrics}
    return tables.to_latex(made, heads, caption=caption, label=f"tab:results-{model}-{family}", bold=bold)


def _rank(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "metric": METRICS[line["metric"]].title,
        "images": line["n"],
        "Friedman p": line["p"],
        "best mean rank": ", ".join(line["best"]).replace("_", " ") or "–",
        "not distinguishable": ", ".join(line["like"]).replace("_", " ") or "–",
        "tau over halves": line["tau"] or "–",
    }


def _pair(metric: str, pair: Any) -> dict[str, Any]:
    return {
        "metric": METRICS[metric].title,
        "first": pair.first.replace("_", " "),
        "second": pair.second.replace("_", " "),
        "n": pair.n,
        "difference": pair.difference,
        "low": pair.low,
        "high": pair.high,
        "p": pair.p_w_holm,
        "rank-biserial": pair.rank_biserial,
    }


def _group_rows(rows: Sequence[GroupRow]) -> list[dict[str, Any]]:
    names = ("method", "metric", "value", "mean", "low", "high", "n", "clusters")
    return [{name: getattr(row, name) for name in names} for row in rows]


def _grouped(rows: Sequence[GroupRow], model: str, group: str) -> str:
    values = list(dict.fromkeys(row.value for row in rows))
    cells = {(row.metric, row.method, row.value): row for row in rows}
    made = []
    for metric in dict.fromkeys(row.metric for row in rows):
        for method in style.in_order([row.method for row in rows if row.metric == metric]):
            line: dict[str, Any] = {"metric": METRICS[metric].title, "method": method.replace("_", " ")}
            for place, value in enumerate(values):
                row = cells.get((metric, method, value))
                line[f"value {place}"] = "–" if row is None else _interval(row.mean, row.low, row.high)
            made.append(line)
    # Numbered: a class may be called "method".
    heads = {"metric": "metric", "method": "method"} | {f"value {n}": value for n, value in enumerate(values)}
    caption = (
        f"Scores on {model} by {group}: mean with 95 % interval, for which the images of a patient are drawn together."
    )
    return tables.to_latex(made, heads, caption=caption, label=f"tab:by-{group}-{model}")


def _localized(rows: Sequence[Mapping[str, Any]], model: str) -> str:
    made = [
        {
            "method": row["method"].replace("_", " "),
            "hit rate": _interval(row["hit"], row["hit_low"], row["hit_high"]),
            "IoU": _interval(row["iou"], row["iou_low"], row["iou_high"]),
            "boxes right": _interval(row["box_right"], row["box_right_low"], row["box_right_high"]),
            "lesions found": row["found"],
        }
        for row in rows
    ]
    caption = (
        f"Maps on {model} as detectors of {rows[0]['lesions']} lesions: hit rate of the largest pixel; IoU and "
        "boxes with IoU of 0.5 or more at a threshold of the other half; lesions found at one false region an image."
    )
    return tables.to_latex(made, caption=caption, label=f"tab:localization-{model}")
