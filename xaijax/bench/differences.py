"""The report's section on statistics: ranks, tests of every pair, stability, and models side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax import plot
from xaijax._files import safe_names
from xaijax._runs import page
from xaijax.bench import statistics
from xaijax.bench.calibrated import Judged
from xaijax.bench.drawing import intervals
from xaijax.bench.results import describe
from xaijax.bench.summary import Row
from xaijax.metrics import METRICS
from xaijax.plot._statistics import p_matrix, summary_of_models


def compared(
    folder: Path,
    rows: Sequence[Row],
    found: statistics.RunStatistics,
    unit: str,
    judged: Mapping[str, Judged],
) -> dict[str, Any]:
    """What the report's section on statistics shows: lines and figures per model, and the models side by side."""
    sections = []
    prefixes = safe_names(found.models)
    for model, metrics in found.models.items():
        prefix = prefixes[model]
        drawn = []
        trusted = _trusted(model, metrics, judged)
        for metric, entry in metrics.items():
            title = describe(metric)["title"]
            if np.isfinite(entry.ranking.critical_difference):
                count = f"{entry.ranking.n} {unit}"
                figure = plot.critical_difference(entry.ranking, title=f"{title}, mean ranks, {count}")
                path = page.save_figure(figure, folder / f"{prefix}-ranks-{metric}.svg")
                drawn.append(
                    {"path": path, "alt": f"{title}: mean ranks and critical difference, {model}", "metric": metric}
                )
            if any(np.isfinite(pair.p_w_holm) for pair in entry.pairs):
                higher = METRICS[metric].higher_is_better
                figure = p_matrix(
                    entry.pairs, entry.ranking.methods, title=f"{title}, every pair", higher_is_better=higher
                )
                path = page.save_figure(figure, folder / f"{prefix}-pairs-{metric}.svg")
                drawn.append(
                    {"path": path, "alt": f"{title}: corrected p-values of every pair, {model}", "metric": metric}
                )
        lines = [line | {"title": describe(line["metric"])["title"]} for line in statistics.overview(found, model)]
        for line in lines:
            if line["metric"] not in trusted:
                line |= {"best": [], "like": [], "note": "not believed: it names no best method"}
        entropies = [
            {"title": kind.upper(), "tau": f"{one.tau:.2f}", "n": one.n, "note": one.note}
            for kind, one in found.entropies[model].items()
        ]
        sections.append(
            {
                "model": model,
                "lines": [line for line in lines if line["metric"] in trusted],
                "apart": [line for line in lines if line["metric"] not in trusted],
                "entropies": entropies,
                "figures": [page.inline(entry) for entry in drawn if entry["metric"] in trusted],
                "apart_figures": [page.inline(entry) for entry in drawn if entry["metric"] not in trusted],
            }
        )
    several = []
    if len({row.model for row in rows}) > 1:
        for metric in dict.fromkeys(row.metric for row in rows):
            info = describe(metric)
            models = dict.fromkeys(row.model for row in rows if row.metric == metric)
            chosen = {m: intervals([row for row in rows if (row.metric, row.model) == (metric, m)]) for m in models}
            figure = summary_of_models(chosen, title=f"{info['title']}, {info['unit']}")
            path = page.save_figure(figure, folder / f"models-mean-{metric}.svg")
            several.append({"path": path, "alt": f"{info['title']}: mean and 95 % interval per method and model"})
    return {"sections": sections, "models": [page.inline(entry) for entry in several], "unit": unit}


def _trusted(model: str, metrics: Sequence[str] | Mapping[str, Any], judged: Mapping[str, Judged]) -> set[str]:
    """The metrics that methods may be compared by: believed on the model, over all models on each of them."""
    asked = [judged[model]] if model in judged else list(judged.values())
    return {metric for metric in metrics if all(metric in one.believed for one in asked)}
