"""The tables of a report: one line per method, one column per metric, and which images each metric scored."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax.bench.calibrated import BELIEVE, Judged
from xaijax.bench.columns import Columns
from xaijax.bench.summary import Row
from xaijax.calibrate import VERDICTS
from xaijax.metrics import FAMILIES, METRICS, ORACLE
from xaijax.metrics._health import usage
from xaijax.plot import _style as style


def describe(name: str) -> dict[str, str]:
    """Title, direction, range, unit and source of a metric, in words."""
    metric = METRICS[name]
    low, high = (
        ("−∞" if metric.range[0] is None else f"{metric.range[0]:g}"),
        ("∞" if metric.range[1] is None else f"{metric.range[1]:g}"),
    )
    arrow = "↑" if metric.higher_is_better else "↓"
    heading = f"{metric.kind.upper()}\n{metric.measure}" if metric.family == "pic" else metric.title
    return {
        "name": name,
        "title": f"{metric.title} {arrow}",
        "heading": f"{heading} {arrow}",
        "summary": metric.summary,
        "direction": "higher is better" if metric.higher_is_better else "lower is better",
        "range": f"{low} to {high}",
        "unit": metric.unit,
        "reference": metric.reference,
        "family": metric.family,
    }


def tables(
    rows: Sequence[Row], model: str, judged: Judged | None = None, best: Mapping[str, Sequence[str]] | None = None
) -> list[dict[str, Any]]:
    """The results of a model as the report and the terminal show them.

    One table for each family of metrics; where they were calibrated, of those that are believed, and then for each
    other verdict, which stand apart and have no best value.

    Args:
        rows: the summary.
        model: of them.
        judged: what is known of its metrics.
        best: metric -> the methods that are marked.
    """
    families: dict[str, list[Row]] = {}
    apart: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.model == model:
            verdict = BELIEVE if judged is None else judged.verdicts[row.metric][0]
            family = METRICS[row.metric].family
            if verdict == BELIEVE:
                families.setdefault(family, []).append(row)
            else:
                apart.setdefault((verdict, family), []).append(row)
    found = [_table(chosen, FAMILIES[family].title or family, best or {}) for family, chosen in families.items()]
    for verdict, family in sorted(apart, key=lambda key: list(VERDICTS).index(key[0])):
        assert judged is not None
        title, meaning = VERDICTS[verdict].title.capitalize(), VERDICTS[verdict].meaning
        if all("mask" in METRICS[row.metric].needs for row in apart[verdict, family]):
            meaning = "They compare a map with a mask: with what a person would mark, not with what the model uses."
        if not judged.source:
            title, meaning = "Not calibrated", "Nothing may be concluded from these numbers."
        own = _table(apart[verdict, family], f"{title}: {(FAMILIES[family].title or family).lower()}", {}, meaning)
        for metric in own["metrics"]:
            metric["why"] = judged.verdicts[metric["name"]][1]
        found.append(own)
    return found


def _table(chosen: Sequence[Row], title: str, best: Mapping[str, Sequence[str]], apart: str = "") -> dict[str, Any]:
    """One line per method, one column per metric; `apart` lists what may not be concluded."""
    methods = style.in_order([row.method for row in chosen])
    metrics = list(dict.fromkeys(row.metric for row in chosen))
    found = {(row.method, row.metric): row for row in chosen}
    counts = {metric: max(found[m, metric].n for m in methods if (m, metric) in found) for metric in metrics}
    lines = []
    for method in methods:
        cells = []
        for metric in metrics:
            row = found.get((method, metric))
            there = row is not None and np.isfinite(row.mean)
            fewer = row is not None and there and row.n < counts[metric]
            cells.append(
                {
                    "text": f"{row.mean:.3f}" if row and there else "–",
                    "interval": f"{row.low:.3f} – {row.high:.3f}" if row and np.isfinite(row.low) else "",
                    "sort": row.mean if row and there else "",
                    "n": row.n if row else 0,
                    "fewer": fewer,  # than other methods: the mean is over other images than theirs
                    "best": method in best.get(metric, ()),
                }
            )
        kind = "oracle" if method == ORACLE else "control" if method in style.controls() else "method"
        lines.append({"method": method, "kind": kind, "cells": cells})
    return {
        "title": title,
        "apart": apart,
        "metrics": [describe(metric) | {"count": counts[metric], "why": ""} for metric in metrics],
        "lines": lines,
    }


def by_class(models: Mapping[str, Columns]) -> list[dict[str, Any]]:
    """For each model the images of each class that each metric scored."""
    found = []
    for model, scores in models.items():
        lines = usage(scores)
        classes = list(dict.fromkeys(name for line in lines for name in line.classes))
        shown = [
            {
                "title": describe(line.metric)["title"],
                "cells": [
                    {"text": f"{line.classes[name][0]} of {line.classes[name][1]}", "low": name in line.neglected()}
                    if name in line.classes
                    else {"text": "–", "low": False}
                    for name in classes
                ],
            }
            for line in lines
        ]
        found.append({"model": model, "classes": classes, "lines": shown})
    return [one for one in found if one["classes"]]
