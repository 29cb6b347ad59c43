"""Turns a finished run directory into figures, summary.csv and a self-contained report.html."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from xaijax import plot
from xaijax._outputs import THRESHOLD, check_output, targets, unfold
from xaijax._runs import page
from xaijax.bench import calibrated, curves, decisions, reading, statistics
from xaijax.bench.calibrated import BELIEVE, Judged
from xaijax.bench.columns import Columns
from xaijax.bench.conclusion import best, conclude
from xaijax.bench.reading import Read
from xaijax.bench.store import Store
from xaijax.bench.summary import Row, summarise, to_csv
from xaijax.calibrate import VERDICTS
from xaijax.metrics import FAMILIES, METRICS, ORACLE, Statement, statements
from xaijax.metrics._health import usage
from xaijax.plot import _style as style

KINDS = ("curves", "responses", "randomised", "gallery", "rebuilt", "intervals")

Best = Mapping[str, Mapping[str, Sequence[str]]]


@dataclasses.dataclass(frozen=True)
class Report:
    """What was made of a run.

    Attributes:
        rows: the summary.
        said: statements about the run's health.
        conclusion: sentences by the metrics that are believed; empty where the metrics were not calibrated.
        judged: model -> what is known of its metrics.
        path: of the page.
        best: model -> metric -> the methods that the tables mark.
    """

    rows: list[Row]
    said: list[Statement]
    conclusion: list[str]
    judged: Mapping[str, Judged]
    path: Path
    best: Best = dataclasses.field(default_factory=dict)


def write_report(store: Store) -> Report:
    """Writes the tables (CSV), the figures and report.html of a run from what its parts hold.

    Args:
        store: A run directory with at least one finished part.

    Returns:
        The summary, the statements and the conclusion, and the path of the report.
    """
    run = store.read_run()
    read = reading.read(store, predicted=bool(run.get("until")))
    seed = int(run["config"]["seed"])
    judged = calibrated.read(store.root, run)
    every = summarise(read.models, seed=seed)
    verdicts = {(model, metric): one.verdicts[metric][0] for model, one in judged.items() for metric in one.verdicts}
    store.write_text("summary.csv", to_csv(every, verdicts))
    # From here on each finding of an image counts for itself.
    rows = [row for row in every if not row.target]
    believed = {(model, metric) for model, one in judged.items() for metric in one.believed} if judged else None
    one_model = len(read.models) == 1
    said = _about_calibration(run, judged) + [Statement(note) for note in run.get("notes", [])]
    said += _about_curves(read.models)
    said += statements(
        next(iter(read.models.values())) if one_model else read.models,
        skipped=run["data"]["skipped"],
        believed={("", metric) for _, metric in believed} if believed is not None and one_model else believed,
        seed=seed,
    )
    found = statistics.tabulate(read.models, seed=seed)
    decided = decisions.decide(run, read.models, read.predicted)
    if decided:
        store.write_text("decisions.csv", decisions.to_csv(decided))
        said += decisions.statements(run, decided)
    store.write_text("statistics.csv", statistics.pairs_csv(found))
    store.write_text("ranks.csv", statistics.ranks_csv(found))
    store.write_text("stability.csv", statistics.stability_csv(found))
    pairs = len(rows) < len(every)
    drawn = _draw(store, run, read, rows, pairs)
    compared = _compared(store.root / "figures", rows, found, pairs, judged)
    marked = {
        model: {metric: best(metric, one) for metric, one in metrics.items()} for model, metrics in found.models.items()
    }
    conclusion = conclude(found, judged)
    conclusion += decisions.caution(decided) if any(one.believed for one in judged.values()) else []
    text = render(
        run,
        every,
        said,
        drawn,
        store.root,
        accuracy=read.right,
        compared=compared,
        judged=judged,
        conclusion=conclusion,
        by_class=_by_class(read.models),
        decided=decided,
        best=marked,
    )
    return Report(rows, said, conclusion, judged, store.write_text("report.html", text), marked)


def _about_calibration(run: Mapping[str, Any], judged: Mapping[str, Judged]) -> list[Statement]:
    """Where the verdicts come from, or that there are none."""
    if not judged:
        text = (
            "The metrics were not calibrated: it is not known which of them can be believed for this model and these "
            "images."
        )
        return [Statement(text, True)]
    found = []
    for model, one in judged.items():
        where = f" on {model}" if len(judged) > 1 else ""
        if one.source:
            found.append(Statement(f"Which metrics can be believed{where}: {one.source} says it."))
        elif one.why:
            found.append(Statement(one.why, True))
        found += [Statement(note, True) for note in one.notes]
    return found


def _about_curves(models: Mapping[str, Columns]) -> list[Statement]:
    """That curves are of some images alone, where there are very many."""
    return [
        Statement(
            f"Curves, and what is said of them, are of {one.curve_images} of {one.images_there} images"
            f"{f' of {name}' if len(models) > 1 else ''}, evenly from all parts; scores and tables are of all."
        )
        for name, one in models.items()
        if one.curve_images
    ]


def _by_class(models: Mapping[str, Columns]) -> list[dict[str, Any]]:
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


def _draw(
    store: Store, run: Mapping[str, Any], read: Read, rows: Sequence[Row], pairs: bool
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Draws every figure; returns {model: {kind: [{path, alt, wide}]}}."""
    folder = store.root / "figures"
    seed = int(run["config"]["seed"])
    drawn: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for model in dict.fromkeys(row.model for row in rows):
        prefix = re.sub(r"[^\w-]", "-", model)
        drawn[model] = {
            "curves": _draw_curves(folder, prefix, store, read, model, pairs),
            "intervals": _draw_intervals(folder, prefix, [row for row in rows if row.model == model], pairs),
        }
        for entry in _draw_responses(folder, model, store, read, pairs, seed=seed):
            drawn[model].setdefault(entry["kind"], []).append(entry)
    classes = {entry["name"]: entry["classes"] for entry in run["models"]}
    shown: dict[str, list[dict[str, np.ndarray]]] = {}
    order = [entry["name"] for entry in run["models"]]
    for part in read.gallery:
        shown.setdefault(order[int(part.partition("-")[0])], []).append(store.part(part).gallery())
    for model, parts in shown.items():
        if model in drawn:
            prefix = re.sub(r"[^\w-]", "-", model)
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
        alt = f"{axes.title}: one curve per method, {model}, {_counted(count, pairs)}"
        drawn.append({"path": path, "alt": alt, "metric": metrics[entropy, kind].name})
    return drawn


def _intervals(rows: Sequence[Row]) -> dict[str, tuple[float, float, float]]:
    """{method: (mean, low, high)} of the rows of one model and metric."""
    return {row.method: (row.mean, row.low, row.high) for row in rows}


def _draw_intervals(folder: Path, prefix: str, rows: Sequence[Row], pairs: bool) -> list[dict[str, Any]]:
    drawn = []
    for metric in dict.fromkeys(row.metric for row in rows):
        chosen = [row for row in rows if row.metric == metric]
        title = describe(metric)["title"]
        count = max(row.n for row in chosen)
        figure = plot.summary(_intervals(chosen), title=f"{title}, {_counted(count, pairs)}")
        path = page.save_figure(figure, folder / f"{prefix}-mean-{metric}.svg")
        drawn.append({"path": path, "alt": f"{title}: mean and 95 % interval per method", "metric": metric})
    return drawn


def _draw_gallery(
    folder: Path, prefix: str, parts: Sequence[Mapping[str, np.ndarray]], classes: Sequence[str]
) -> dict[str, Any]:
    join = {name: np.concatenate([part[name] for part in parts]) for name in ("images", "masks")}
    maps = np.concatenate([part["maps"] for part in parts], axis=1)
    captions = [text for part in parts for text in _captions(part, classes)]
    methods = [str(method) for method in parts[0]["methods"]]
    chosen = {method: maps[i] for i, method in enumerate(methods) if method != ORACLE}
    figure = plot.gallery(join["images"], chosen, masks=join["masks"], titles=captions)
    path = page.save_figure(figure, folder / f"{prefix}-gallery.png")
    return {"path": path, "alt": "Heat maps over images, one column per method", "wide": True}


def _captions(part: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[str]:
    """What stands next to each image of a gallery: its class and the prediction, as far as they are known."""
    labels, predictions = part.get("labels"), part.get("probabilities")
    output = check_output(str(part.get("output", "softmax")))
    captions = []
    for row, name in enumerate(map(str, part["ids"])):
        label = None if labels is None or output == "regression" else int(labels[row])
        words = Path(name).name if label is None else targets(output, classes)[label]
        chances = None if predictions is None else predictions[row]
        if chances is None:
            captions.append(words)
        elif output == "regression":
            captions.append(f"{words}\npredicted {', '.join(f'{value:.3g}' for value in chances)}")
        elif output == "sigmoid" and label is not None:
            captions.append(f"{words}\nprobability {unfold(output, chances[None])[0, label]:.2f}")
        else:
            guess = int(chances.argmax())
            captions.append(f"{words}\npredicted {chances[guess]:.2f}\n{classes[guess]}")
    return captions


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
            if "output" in arrays:
                mark = "present" if chances[label] >= THRESHOLD else "absent"
            numbers = " · ".join(f"{u:.2f}" if np.isfinite(u) else "–" for u in scaled[:, step])
            texts.append(f"{name}\np {chances[label]:.2f} ({mark})\ninformation {numbers}")
        identity = Path(str(arrays["ids"][case])).name
        title = f"{method.replace('_', ' ')}: {identity} ({classes[label]}); information by {', '.join(measures)}"
        mask = arrays["masks"][case]
        figure = plot.rebuilt(arrays["case_pictures"][row], texts, title=title, mask=mask if mask.any() else None)
        path = page.save_figure(figure, folder / f"{prefix}-rebuilt-{re.sub(r'[^a-zA-Z0-9_-]', '-', method)}.png")
        drawn.append({"path": path, "alt": f"{title}, rebuilt from more and more pixels", "wide": True})
    return drawn


def _counted(count: int, pairs: bool) -> str:
    """How many values, and what each stands for."""
    noun = "pair" if pairs else "image"
    return f"{count} {noun}{'s' if count != 1 else ''}{' of image and finding' if pairs else ''}"


def _compared(
    folder: Path,
    rows: Sequence[Row],
    found: statistics.RunStatistics,
    pairs: bool,
    judged: Mapping[str, Judged],
) -> dict[str, Any]:
    """What the report's section on statistics shows: lines and figures per model, and the models side by side."""
    sections = []
    for model, metrics in found.models.items():
        prefix = re.sub(r"[^\w-]", "-", model)
        drawn = []
        trusted = _trusted(model, metrics, judged)
        for metric, entry in metrics.items():
            title = describe(metric)["title"]
            if np.isfinite(entry.ranking.critical_difference):
                count = _counted(entry.ranking.n, pairs)
                figure = plot.critical_difference(entry.ranking, title=f"{title}, mean ranks, {count}")
                path = page.save_figure(figure, folder / f"{prefix}-ranks-{metric}.svg")
                drawn.append(
                    {"path": path, "alt": f"{title}: mean ranks and critical difference, {model}", "metric": metric}
                )
            if any(np.isfinite(pair.p_w_holm) for pair in entry.pairs):
                higher = METRICS[metric].higher_is_better
                figure = plot.p_matrix(
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
            chosen = {m: _intervals([row for row in rows if (row.metric, row.model) == (metric, m)]) for m in models}
            figure = plot.summary_of_models(chosen, title=f"{info['title']}, {info['unit']}")
            path = page.save_figure(figure, folder / f"models-mean-{metric}.svg")
            several.append({"path": path, "alt": f"{info['title']}: mean and 95 % interval per method and model"})
    return {"sections": sections, "models": [page.inline(entry) for entry in several]}


def _trusted(model: str, metrics: Sequence[str] | Mapping[str, Any], judged: Mapping[str, Judged]) -> set[str]:
    """The metrics that methods may be compared by: believed on the model, over all models on each of them."""
    asked = [judged[model]] if model in judged else list(judged.values())
    return {metric for metric in metrics if all(metric in one.believed for one in asked)}


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
                    "best": method in best.get(metric, ()),
                }
            )
        kind = "oracle" if method == ORACLE else "control" if method in style.controls() else "method"
        lines.append({"method": method, "kind": kind, "cells": cells})
    counts = {metric: max(found[m, metric].n for m in methods if (m, metric) in found) for metric in metrics}
    return {
        "title": title,
        "apart": apart,
        "metrics": [describe(metric) | {"count": counts[metric], "why": ""} for metric in metrics],
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
    judged: Mapping[str, Judged],
    conclusion: Sequence[str],
    by_class: Sequence[Mapping[str, Any]],
    decided: Sequence[decisions.Decision] = (),
    best: Best,
) -> str:
    """The report as one HTML text with everything in it: no script, font or picture is loaded from elsewhere."""
    models = list(dict.fromkeys(row.model for row in rows))
    sections = [
        {
            "model": model,
            "tables": tables([row for row in rows if not row.target], model, judged.get(model), best.get(model)),
            "findings": [
                {
                    "name": target,
                    "tables": tables([row for row in rows if row.target == target], model, judged.get(model)),
                }
                for target in dict.fromkeys(row.target for row in rows if row.target)
            ],
            "figures": {
                kind: [
                    page.inline(entry) | {"doubted": _doubted(entry, judged.get(model))}
                    for entry in drawn[model].get(kind, ())
                ]
                for kind in KINDS
            },
        }
        for model in models
    ]
    metrics = [describe(metric) for metric in dict.fromkeys(row.metric for row in rows)]
    return page.render(
        "xaijax.bench",
        "report.html.j2",
        measures=list(dict.fromkeys(METRICS[m].measure for m in run["metrics"] if METRICS[m].family == "pic")),
        run=run,
        name=run.get("name") or root.resolve().name,
        sections=sections,
        metrics=metrics,
        said=said,
        accuracy=accuracy,
        compared=compared,
        calibrated=bool(judged),
        conclusion=conclusion,
        by_class=by_class,
        pairs=any(row.target for row in rows),
        decided=decisions.shown(decided, {model: one.verdicts for model, one in judged.items()}),
    )


def _doubted(entry: Mapping[str, Any], judged: Judged | None) -> str:
    """What stands below a figure of a metric that is not believed."""
    verdict = "" if judged is None else judged.verdicts.get(entry.get("metric", ""), (BELIEVE, ""))[0]
    return "" if verdict in ("", BELIEVE) else f"{VERDICTS[verdict].title}: conclude nothing from this figure"


def show(made: Report) -> None:
    """The results in the terminal: one table per model, what to know about them, and the conclusion."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for model in dict.fromkeys(row.model for row in made.rows):
        for shown in tables(made.rows, model, made.judged.get(model), made.best.get(model)):
            dim = "dim" if shown["apart"] else ""
            title = f"{model}: {shown['title'].lower()}, mean over images"
            grid = Table(title=Text(title, dim), title_justify="left", box=None)
            grid.add_column("", no_wrap=True)
            for metric in shown["metrics"]:
                grid.add_column(metric["heading"], justify="right", vertical="bottom")
            for line in shown["lines"]:
                texts = [Text(cell["text"], "bold" if cell["best"] else dim) for cell in line["cells"]]
                grid.add_row(Text(line["method"], dim if line["kind"] == "method" else "dim"), *texts)
            console.print(grid)
            if shown["apart"]:
                console.print(Text(shown["apart"], "dim"))
            console.print()
    for statement in made.said:
        mark = Text("! " if statement.warns else "· ", "yellow" if statement.warns else "dim")
        console.print(mark + Text(statement.text))
    if made.conclusion:
        console.print(Text("\nConclusion", "bold"))
        for sentence in made.conclusion:
            console.print(Text(sentence))


def _draw_responses(
    folder: Path, model: str, store: Store, read: Read, pairs: bool, *, seed: int = 0
) -> list[dict[str, Any]]:
    """Draws every metric that has curves; `[{path, alt, kind}]`, kind "responses" or "randomised"."""
    prefix = re.sub(r"[^\w-]", "-", model)
    parts = read.responses.get(model, ())
    drawn = []
    # One metric at a time: the curves of all of them could be larger than the memory.
    for metric in _metrics_of(store, parts, model):
        found = curves.response_lines(curves.table_of(store, parts, "responses", model, metric), seed=seed)
        if metric not in found:
            continue
        count = curves.counts(found[metric])
        heading = describe(metric)["title"]
        title = f"{heading}, {_counted(count, pairs)}"
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
