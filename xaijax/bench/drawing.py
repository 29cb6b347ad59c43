"""The figures of a report: curves, means with intervals, heat maps, and one image rebuilt; files in figures/."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from xaijax import plot
from xaijax._files import safe_names
from xaijax._outputs import THRESHOLD, check_output, targets, unfold
from xaijax._runs import page
from xaijax.bench import curves
from xaijax.bench.reading import Read
from xaijax.bench.results import describe
from xaijax.bench.store import Store
from xaijax.bench.summary import Row
from xaijax.metrics import METRICS, ORACLE
from xaijax.plot._gallery import rebuilt

KINDS = ("curves", "responses", "randomised", "gallery", "rebuilt", "intervals")


def draw(
    store: Store, run: Mapping[str, Any], read: Read, rows: Sequence[Row], pairs: bool
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Draws every figure; returns {model: {kind: [{path, alt, wide}]}}."""
    folder = store.root / "figures"
    seed = int(run["config"]["seed"])
    drawn: dict[str, dict[str, list[dict[str, Any]]]] = {}
    prefixes = safe_names(row.model for row in rows)
    for model, prefix in prefixes.items():
        drawn[model] = {
            "curves": _draw_curves(folder, prefix, store, read, model, pairs),
            "intervals": _draw_intervals(folder, prefix, [row for row in rows if row.model == model], pairs),
        }
        for entry in _draw_responses(folder, prefix, model, store, read, pairs, seed=seed):
            drawn[model].setdefault(entry["kind"], []).append(entry)
    classes = {entry["name"]: entry["classes"] for entry in run["models"]}
    shown: dict[str, list[dict[str, np.ndarray]]] = {}
    order = [entry["name"] for entry in run["models"]]
    for part in read.gallery:
        shown.setdefault(order[int(part.partition("-")[0])], []).append(store.part(part).gallery())
    for model, parts in shown.items():
        if model in drawn:
            prefix = prefixes[model]
            drawn[model]["gallery"] = [_draw_gallery(folder, prefix, parts, classes[model])]
            drawn[model]["rebuilt"] = _draw_rebuilt(folder, prefix, parts[0], classes[model])
    return drawn


def _draw_curves(folder: Path, prefix: str, store: Store, read: Read, model: str, pairs: bool) -> list[dict[str, Any]]:
    lines = curves.mean_lines(curves.table_of(store, read.curves.get(model, ()), "curves", model))
    drawn = []
    metrics = {(metric.measure, metric.kind): metric for metric in METRICS.values() if metric.family == "pic"}
    order = list(metrics)
    for (entropy, kind), found in sorted(lines.items(), key=lambda entry: (entry[0][1], order.index(entry[0]))):
        count = curves.counts(found)
        axes = metrics[entropy, kind].axes
        assert axes is not None
        figure = plot.curves(
            found,
            title=axes.title,
            x_label=f"{axes.x}\n(0 fully blurred, 1 original)",
            y_label=f"{axes.y}\n(0 blurred, 1 original; mean of {count})",
        )
        path = page.save_figure(figure, folder / f"{prefix}-{kind}-{entropy}.svg")
        alt = f"{axes.title}: one curve per method, {model}, {counted(count, pairs)}"
        drawn.append({"path": path, "alt": alt, "metric": metrics[entropy, kind].name})
    return drawn


def intervals(rows: Sequence[Row]) -> dict[str, tuple[float, float, float]]:
    """{method: (mean, low, high)} of the rows of one model and metric."""
    return {row.method: (row.mean, row.low, row.high) for row in rows}


def _draw_intervals(folder: Path, prefix: str, rows: Sequence[Row], pairs: bool) -> list[dict[str, Any]]:
    drawn = []
    for metric in dict.fromkeys(row.metric for row in rows):
        chosen = [row for row in rows if row.metric == metric]
        title = describe(metric)["title"]
        count = max(row.n for row in chosen)
        figure = plot.summary(intervals(chosen), title=f"{title}, {counted(count, pairs)}")
        path = page.save_figure(figure, folder / f"{prefix}-mean-{metric}.svg")
        drawn.append({"path": path, "alt": f"{title}: mean and 95 % interval per method", "metric": metric})
    return drawn


def _draw_responses(
    folder: Path, prefix: str, model: str, store: Store, read: Read, pairs: bool, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Draws every metric that has curves; `[{path, alt, kind}]`, kind "responses" or "randomised"."""
    parts = read.responses.get(model, ())
    drawn = []
    # One metric at a time: the curves of all of them could be larger than the memory.
    for metric in _metrics_of(store, parts, model):
        found = curves.response_lines(curves.table_of(store, parts, "responses", model, metric), seed=seed)
        if metric not in found:
            continue
        count = curves.counts(found[metric])
        heading = describe(metric)["title"]
        title = f"{heading}, {counted(count, pairs)}"
        axes = METRICS[metric].axes
        assert axes is not None  # it has responses
        figure = plot.curves(found[metric], title=title, x_label=axes.x, y_label=axes.y)
        path = page.save_figure(figure, folder / f"{prefix}-curve-{metric}.svg")
        alt = f"{heading}: mean curve and 95 % interval per method, {model}"
        where = "randomised" if axes.kind == "randomisation" else "responses"
        drawn.append({"path": path, "alt": alt, "kind": where, "metric": metric})
    return drawn


def _metrics_of(store: Store, parts: Sequence[str], model: str) -> list[str]:
    """The metrics with responses in some parts, in the order of the first one that has rows of the model."""
    found: dict[str, None] = {}
    for name in parts:
        table = store.part(name).table("responses")
        if table is not None:
            found |= dict.fromkeys(table.filter(pc.equal(table["model"], model))["metric"].unique().to_pylist())
    return list(found)


def _draw_gallery(
    folder: Path, prefix: str, parts: Sequence[Mapping[str, np.ndarray]], classes: Sequence[str]
) -> dict[str, Any]:
    join = {name: np.concatenate([part[name] for part in parts]) for name in ("images", "masks")}
    maps = np.concatenate([part["maps"] for part in parts], axis=1)
    titles = [text for part in parts for text in captions(part, classes)]
    methods = [str(method) for method in parts[0]["methods"]]
    chosen = {method: maps[i] for i, method in enumerate(methods) if method != ORACLE}
    figure = plot.gallery(join["images"], chosen, masks=join["masks"], titles=titles)
    path = page.save_figure(figure, folder / f"{prefix}-gallery.png")
    return {"path": path, "alt": "Heat maps over images, one column per method", "wide": True}


def captions(part: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
    """What stands next to each image of a gallery: its class and the prediction, as far as they are known."""
    labels, predictions = part.get("labels"), part.get("probabilities")
    output = check_output(str(part.get("output", "softmax")))
    found = []
    for row, name in enumerate(map(str, part["ids"])):
        label = None if labels is None or output == "regression" else int(labels[row])
        words = Path(name).name if label is None else targets(output, classes)[label]
        chances = None if predictions is None else predictions[row]
        if chances is None:
            found.append(words)
        elif output == "regression":
            found.append(f"{words}\npredicted {', '.join(f'{value:.3g}' for value in chances)}")
        elif output == "sigmoid" and label is not None:
            found.append(f"{words}\nprobability {unfold(output, chances[None])[0, label]:.2f}")
        else:
            guess = int(chances.argmax())
            found.append(f"{words}\npredicted {chances[guess]:.2f}\n{classes[guess]}")
    return found


def _draw_rebuilt(
    folder: Path, prefix: str, arrays: Mapping[str, np.ndarray], classes: Sequence[str]
) -> list[dict[str, Any]]:
    if "case_methods" not in arrays:
        return []
    case, label = int(arrays["case_number"]), int(arrays["case_label"])
    measures = [str(measure) for measure in arrays["case_measures"]]
    names = ["fully blurred", *(f"{100 * f:g} % revealed" for f in arrays["case_fractions"]), "original"]
    drawn = []
    files = safe_names(map(str, arrays["case_methods"]))
    for row, method in enumerate(map(str, arrays["case_methods"])):
        information = arrays["case_information"][:, row]
        low, high = information[:, :1], information[:, -1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = np.round((information - low) / (high - low), 2) + 0.0  # + 0.0: no minus before a zero
        texts = []
        for step, name in enumerate(names):
            chances = arrays["case_probabilities"][row, step]
            mark = "right" if int(chances.argmax()) == label else classes[int(chances.argmax())]
            if "output" in arrays:
                mark = "present" if chances[label] >= THRESHOLD else "absent"
            numbers = " · ".join(f"{u:.2f}" if np.isfinite(u) else "–" for u in scaled[:, step])
            texts.append(f"{name}\np {chances[label]:.2f} ({mark})\ninformation {numbers}")
        identity = Path(str(arrays["ids"][case])).name
        title = f"{method.replace('_', ' ')}: {identity} ({classes[label]}); information by {', '.join(measures)}"
        mask = arrays["masks"][case]
        figure = rebuilt(arrays["case_pictures"][row], texts, title=title, mask=mask if mask.any() else None)
        path = page.save_figure(figure, folder / f"{prefix}-rebuilt-{files[method]}.png")
        drawn.append({"path": path, "alt": f"{title}, rebuilt from more and more pixels", "wide": True})
    return drawn


def counted(count: int, pairs: bool) -> str:
    """How many values, and what each stands for."""
    noun = "pair" if pairs else "image"
    return f"{count} {noun}{'s' if count != 1 else ''}{' of image and finding' if pairs else ''}"
