"""Turns a finished run directory into figures, summary.csv and a self-contained report.html."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax.bench import comparison, figures, responses, statistics
from xaijax.bench.store import Store
from xaijax.bench.summary import Row, summarise, to_csv
from xaijax.metrics import ORACLE, Statement, statements
from xaijax.plot import _style as style

KINDS = ("curves", "responses", "randomised", "gallery", "rebuilt", "intervals")


def write_report(store: Store) -> tuple[list[Row], list[Statement], Path]:
    """Writes the tables (CSV), the figures and report.html of a run from what its parts hold.

    Args:
        store: A run directory with at least one finished part.

    Returns:
        The summary, the statements about the run's health, and the path of the report.
    """
    run = store.read_run()
    scores, curves = store.scores(), store.curves()
    seed = int(run["config"]["seed"])
    rows = summarise(scores, seed=seed)
    store.write_text("summary.csv", to_csv(rows))
    said = [Statement(note) for note in run.get("notes", [])] + statements(
        statistics.by_model(scores, curves), skipped=run["data"]["skipped"], seed=seed
    )
    found = statistics.tabulate(scores, curves, seed=seed)
    store.write_text("statistics.csv", statistics.pairs_csv(found))
    store.write_text("ranks.csv", statistics.ranks_csv(found))
    store.write_text("stability.csv", statistics.stability_csv(found))
    drawn = _draw(store, rows, curves, seed)
    compared = _compared(store.root / "figures", rows, found)
    text = render(run, rows, said, drawn, store.root, accuracy=accuracy(store.predictions()), compared=compared)
    return rows, said, store.write_text("report.html", text)


def _draw(store: Store, rows: Sequence[Row], curves: pa.Table, seed: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Draws every figure; returns {model: {kind: [{path, alt, wide}]}}."""
    folder = store.root / "figures"
    drawn: dict[str, dict[str, list[dict[str, Any]]]] = {}
    answers = store.responses()
    titles = {metric: describe(metric)["title"] for metric in dict.fromkeys(answers["metric"].to_pylist())}
    for model in dict.fromkeys(row.model for row in rows):
        prefix = re.sub(r"[^\w-]", "-", model)
        drawn[model] = {
            "curves": _draw_curves(folder, prefix, curves, model),
            "intervals": _draw_intervals(folder, prefix, [row for row in rows if row.model == model]),
        }
        for entry in responses.draw(folder, model, answers, titles, seed=seed):
            drawn[model].setdefault(entry["kind"], []).append(entry)
    classes = {entry["name"]: entry["classes"] for entry in store.read_run()["models"]}
    shown: dict[str, list[dict[str, np.ndarray]]] = {}
    order = [entry["name"] for entry in store.read_run()["models"]]
    for part, arrays in store.galleries().items():
        shown.setdefault(order[int(part.partition("-")[0])], []).append(arrays)
    for model, parts in shown.items():
        if model in drawn:
            prefix = re.sub(r"[^\w-]", "-", model)
            drawn[model]["gallery"] = [_draw_gallery(folder, prefix, parts, classes[model])]
            drawn[model]["rebuilt"] = _draw_rebuilt(folder, prefix, parts[0], classes[model])
    return drawn


def _draw_curves(folder: Path, prefix: str, table: pa.Table, model: str) -> list[dict[str, Any]]:
    from xaijax.metrics import METRICS
    from xaijax.metrics.pic_curve import area, positions, read_curve

    read: dict[tuple[str, str], dict[str, dict[str, list[np.ndarray]]]] = {}
    names = ("model", "entropy", "curve", "method", "image", "position", "value")
    for m, entropy, kind, method, image, x, y in zip(*(table[n].to_pylist() for n in names), strict=True):
        if m == model:
            images = read.setdefault((entropy, kind), {}).setdefault(method, {})
            images.setdefault(image, []).append(read_curve(x, y))
    drawn = []
    metrics = {(metric.measure, metric.kind): metric for metric in METRICS.values() if metric.family == "pic"}
    order = list(metrics)
    for (entropy, kind), methods in sorted(read.items(), key=lambda entry: (entry[0][1], order.index(entry[0]))):
        # First over the random masks of an image, then over images, so that its area is the table's mean.
        lines = {m: np.mean([np.mean(c, axis=0) for c in images.values()], axis=0) for m, images in methods.items()}
        count = max(len(images) for images in methods.values())
        axes = metrics[entropy, kind].axes
        assert axes is not None
        figure = figures.curves(
            lines,
            positions(),
            title=axes.title,
            information=f"{axes.x}\n(0 fully blurred, 1 original)",
            response=f"{axes.y}\n(0 blurred, 1 original; mean of {count})",
            areas={method: float(area(line)) for method, line in lines.items()},
        )
        path = figures.save(figure, folder / f"{prefix}-{kind}-{entropy}.svg")
        drawn.append({"path": path, "alt": f"{axes.title}: one curve per method, {model}, {count} images"})
    return drawn


def _draw_intervals(folder: Path, prefix: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    drawn = []
    for metric in dict.fromkeys(row.metric for row in rows):
        chosen = [row for row in rows if row.metric == metric]
        title = describe(metric)["title"]
        count = max(row.n for row in chosen)
        figure = figures.intervals(chosen, title=f"{title}, {count} image{'s' if count != 1 else ''}")
        path = figures.save(figure, folder / f"{prefix}-mean-{metric}.svg")
        drawn.append({"path": path, "alt": f"{title}: mean and 95 % interval per method", "metric": metric})
    return drawn


def _draw_gallery(
    folder: Path, prefix: str, parts: Sequence[Mapping[str, np.ndarray]], classes: Sequence[str]
) -> dict[str, Any]:
    join = {
        name: np.concatenate([part[name] for part in parts]) for name in ("images", "masks", "labels", "probabilities")
    }
    maps = np.concatenate([part["maps"] for part in parts], axis=1)
    captions = []
    for label, chances in zip(join["labels"], join["probabilities"], strict=True):
        guess = int(chances.argmax())
        captions.append(f"{classes[int(label)]}\npredicted {chances[guess]:.2f}\n{classes[guess]}")
    methods = [str(method) for method in parts[0]["methods"]]
    chosen = {method: maps[i] for i, method in enumerate(methods) if method != ORACLE}
    figure = figures.gallery(join["images"], chosen, masks=join["masks"], captions=captions)
    path = figures.save(figure, folder / f"{prefix}-gallery.png")
    return {"path": path, "alt": "Heat maps over images, one column per method", "wide": True}


def _draw_rebuilt(
    folder: Path, prefix: str, arrays: Mapping[str, np.ndarray], classes: Sequence[str]
) -> list[dict[str, Any]]:
    if "case_methods" not in arrays:
        return []
    case, label = int(arrays["case_number"]), int(arrays["case_label"])
    measures = [str(measure) for measure in arrays["case_measures"]]
    names = ["fully blurred", *(f"{100 * f:g} % revealed" for f in arrays["case_fractions"]), "original"]
    drawn = []
    for row, method in enumerate(map(str, arrays["case_methods"])):
        information = arrays["case_information"][:, row]
        low, high = information[:, :1], information[:, -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.round((information - low) / (high - low), 2) + 0.0  # + 0.0: no minus before a zero
        texts = []
        for step, name in enumerate(names):
            chances = arrays["case_probabilities"][row, step]
            mark = "right" if int(chances.argmax()) == label else classes[int(chances.argmax())]
            numbers = " · ".join(f"{u:.2f}" if np.isfinite(u) else "–" for u in scaled[:, step])
            texts.append(f"{name}\np {chances[label]:.2f} ({mark})\ninformation {numbers}")
        identity = Path(str(arrays["ids"][case])).name
        title = f"{method.replace('_', ' ')}: {identity} ({classes[label]}); information by {', '.join(measures)}"
        mask = arrays["masks"][case]
        figure = figures.rebuilt(arrays["case_pictures"][row], texts, title=title, mask=mask if mask.any() else None)
        path = figures.save(figure, folder / f"{prefix}-rebuilt-{method}.png")
        drawn.append({"path": path, "alt": f"{title}, rebuilt from more and more pixels", "wide": True})
    return drawn


def _compared(folder: Path, rows: Sequence[Row], found: statistics.RunStatistics) -> dict[str, Any]:
    """What the report's section on statistics shows: lines and figures per model, and the models side by side."""
    from xaijax.metrics import METRICS

    sections = []
    for model, metrics in found.models.items():
        prefix = re.sub(r"[^\w-]", "-", model)
        drawn = []
        for metric, entry in metrics.items():
            title = describe(metric)["title"]
            if np.isfinite(entry.ranking.critical_difference):
                count = f"{entry.ranking.n} image{'s' if entry.ranking.n != 1 else ''}"
                figure = comparison.critical_difference(entry.ranking, title=f"{title}, mean ranks, {count}")
                path = figures.save(figure, folder / f"{prefix}-ranks-{metric}.svg")
                drawn.append({"path": path, "alt": f"{title}: mean ranks and critical difference, {model}"})
            if any(np.isfinite(pair.p_w_holm) for pair in entry.pairs):
                higher = METRICS[metric].higher_is_better
                figure = comparison.p_matrix(
                    entry.pairs, entry.ranking.methods, title=f"{title}, every pair", higher_is_better=higher
                )
                path = figures.save(figure, folder / f"{prefix}-pairs-{metric}.svg")
                drawn.append({"path": path, "alt": f"{title}: corrected p-values of every pair, {model}"})
        lines = [line | {"title": describe(line["metric"])["title"]} for line in statistics.overview(found, model)]
        entropies = [
            {"title": kind.upper(), "tau": f"{one.tau:.2f}", "n": one.n, "note": one.note}
            for kind, one in found.entropies[model].items()
        ]
        inlined = [inline(entry) for entry in drawn]
        sections.append({"model": model, "lines": lines, "entropies": entropies, "figures": inlined})
    several = []
    if len({row.model for row in rows}) > 1:
        for metric in dict.fromkeys(row.metric for row in rows):
            info = describe(metric)
            chosen = [row for row in rows if row.metric == metric]
            figure = comparison.models_side_by_side(chosen, title=f"{info['title']}, {info['unit']}")
            path = figures.save(figure, folder / f"models-mean-{metric}.svg")
            several.append({"path": path, "alt": f"{info['title']}: mean and 95 % interval per method and model"})
    return {"sections": sections, "models": [inline(entry) for entry in several]}


def accuracy(predictions: pa.Table) -> dict[str, tuple[int, int]]:
    """{model: (images it classifies right, images)}."""
    counts: dict[str, tuple[int, int]] = {}
    for model, label, guess in zip(*(predictions[n].to_pylist() for n in ("model", "label", "predicted")), strict=True):
        right, total = counts.get(model, (0, 0))
        counts[model] = right + (label == guess), total + 1
    return counts


def describe(name: str) -> dict[str, str]:
    """Title, direction, range, unit and source of a metric, in words."""
    from xaijax.metrics import METRICS

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


def tables(rows: Sequence[Row], model: str) -> list[dict[str, Any]]:
    """The results of a model as the report and the terminal show them, one table for each family of metrics."""
    from xaijax.metrics import METRICS

    families: dict[str, list[Row]] = {}
    for row in rows:
        if row.model == model:
            families.setdefault(METRICS[row.metric].family, []).append(row)
    return [_table(chosen, family) for family, chosen in families.items()]


def _table(chosen: Sequence[Row], family: str) -> dict[str, Any]:
    """One line per method, one column per metric."""
    from xaijax.metrics import FAMILIES, METRICS

    methods = style.in_order([row.method for row in chosen])
    metrics = list(dict.fromkeys(row.metric for row in chosen))
    found = {(row.method, row.metric): row for row in chosen}
    best: dict[str, set[str]] = {}
    for metric in metrics:
        sign = 1 if METRICS[metric].higher_is_better else -1
        # The best explanation: controls are there to be compared with, not to win.
        values = {
            m: sign * found[m, metric].mean
            for m in methods
            if (m, metric) in found and m != ORACLE and m not in style.CONTROLS and np.isfinite(found[m, metric].mean)
        }
        best[metric] = {m for m, value in values.items() if value == max(values.values())}
    lines = []
    for method in methods:
        cells = []
        for metric in metrics:
            row = found.get((method, metric))
            there = row is not None and np.isfinite(row.mean)
            cells.append(
                {
                    "text": f"{row.mean:.3f}" if row and there else "–",
                    "interval": f"{row.low:.3f} – {row.high:.3f}" if row and np.isfinite(row.low) else "",
                    "sort": row.mean if row and there else "",
                    "n": row.n if row else 0,
                    "best": method in best[metric],
                }
            )
        kind = "oracle" if method == ORACLE else "control" if method in style.CONTROLS else "method"
        lines.append({"method": method, "kind": kind, "cells": cells})
    title = FAMILIES[family].title or family
    counts = {metric: max(found[m, metric].n for m in methods if (m, metric) in found) for metric in metrics}
    return {
        "title": title,
        "metrics": [describe(metric) | {"count": counts[metric]} for metric in metrics],
        "lines": lines,
    }


def render(
    run: Mapping[str, Any],
    rows: Sequence[Row],
    said: Sequence[Statement],
    drawn: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    root: Path,
    *,
    accuracy: Mapping[str, tuple[int, int]],
    compared: Mapping[str, Any],
) -> str:
    """The report as one HTML text with everything in it: no script, font or picture is loaded from elsewhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("xaijax.bench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    models = list(dict.fromkeys(row.model for row in rows))
    sections = [
        {
            "model": model,
            "tables": tables(rows, model),
            "figures": {kind: [inline(entry) for entry in drawn[model].get(kind, ())] for kind in KINDS},
        }
        for model in models
    ]
    metrics = [describe(metric) for metric in dict.fromkeys(row.metric for row in rows)]
    return environment.get_template("report.html.j2").render(
        run=run,
        name=root.resolve().name,
        sections=sections,
        metrics=metrics,
        said=said,
        accuracy=accuracy,
        compared=compared,
    )


def inline(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A figure {path, alt, wide} with its file as a data URI in `source`."""
    path: Path = entry["path"]
    if path.suffix == ".svg":
        kind, data = "image/svg+xml", themed(path.read_text("utf-8")).encode()
    else:
        kind, data = "image/webp", _as_webp(path)
    text = base64.b64encode(data).decode("ascii")
    return {"source": f"data:{kind};base64,{text}", "alt": entry["alt"], "wide": entry.get("wide", False)}


def themed(svg: str) -> str:
    """An SVG whose ink follows the reader's light or dark theme; the file in figures/ keeps plain colours."""
    sheet = (
        f"<style>:root{{--ink:{style.INK};--grey:{style.GREY}}}"
        "@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--grey:#9aa3af}}</style>"
    )
    coloured = svg.replace(style.INK, "var(--ink)").replace(style.GREY, "var(--grey)")
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match.group(1) + sheet, coloured, count=1)


def _as_webp(path: Path) -> bytes:
    """A picture small enough to live inside the report; the PNG beside it has every pixel."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(out, "WEBP", quality=88, method=2)
    return out.getvalue()
