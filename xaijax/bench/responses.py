"""The curves of a run: the model's answer as pixels are hidden or shown, and maps as layers are randomised."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaijax import plot
from xaijax.bench import figures
from xaijax.plot._curves import axis_labels


def lines(table: pa.Table, model: str, *, seed: int = 0) -> dict[str, dict[str, plot.MeanCurve]]:
    """{metric: {method: its line}} of a model, from the table of a run's responses."""
    rows: dict[tuple[str, str], list[tuple[Any, Any, float]]] = {}
    names = ("model", "metric", "method", "fraction", "value", "area")
    for m, metric, method, fraction, value, area in zip(*(table[n].to_pylist() for n in names), strict=True):
        if m == model and fraction:
            rows.setdefault((metric, method), []).append((fraction, value, area))
    found: dict[str, dict[str, plot.MeanCurve]] = {}
    for (metric, method), curves in rows.items():
        fractions, values, areas = zip(*curves, strict=True)
        found.setdefault(metric, {})[method] = plot.mean_curve(fractions, values, areas, seed=seed)
    return found


def draw(folder: Path, model: str, table: pa.Table, titles: dict[str, str], *, seed: int = 0) -> list[dict[str, Any]]:
    """Draws every metric that has curves; `[{path, alt, kind}]`, kind "responses" or "randomised"."""
    prefix = re.sub(r"[^\w-]", "-", model)
    drawn = []
    for metric, found in lines(table, model, seed=seed).items():
        count = max(line.images for line in found.values())
        title = f"{titles[metric]}, {count} image{'s' if count != 1 else ''}"
        x_label, y_label = axis_labels(metric)
        figure = plot.curves(found, title=title, x_label=x_label, y_label=y_label)
        path = figures.save(figure, folder / f"{prefix}-curve-{metric}.svg")
        alt = f"{titles[metric]}: mean curve and 95 % interval per method, {model}"
        drawn.append({"path": path, "alt": alt, "kind": "randomised" if metric.startswith("mprt") else "responses"})
    return drawn
