"""The page of a study: a chapter for each question, with the tables of its cells next to the published numbers."""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax import _names, plot
from xaijax._runs import folder, page, tables
from xaijax.evaluate.report import cautions, conclusions, file_name
from xaijax.metrics import METRICS
from xaijax.study import embedding, results
from xaijax.study.plan import Cell, Plan, repeats, sides_of
from xaijax.study.reading import CLASSIFIERS, Chapter, Published
from xaijax.study.results import Scores

if TYPE_CHECKING:
    from xaijax.study._run import Course

FIGURES = 8
"""Figures of a cell in the page; its own report has all."""
LESION = ("average_precision", "iou", "pointing_game", "top15_energy")
CASCADE_METRICS = (*LESION, "artefact_mass", "artefact_top15")
SHORT = {
    "macro_f1": "macro-F1", "micro_f1": "micro-F1", "accuracy": "accuracy", "auroc": "AUROC", "ece": "ECE",
    "average_precision": "AP", "iou": "IoU", "pointing_game": "pointing game", "top15_energy": "top-15 % energy",
    "artefact_mass": "mass on artefact", "artefact_top15": "top 15 % on artefact",
}  # fmt: skip


def write(out: Path, made: Plan, course: "Course", run: Mapping[str, Any]) -> list[str]:
    """Writes `report.html` and `tables/*.csv`.

    Returns:
        The sentences of the page that answer its questions, to be printed.
    """
    chapters = [_classifiers(out, made, course)] if made.of("evaluation") else []
    chapters += [_chapter(out, made, name, chapter, course) for name, chapter in made.study.chapters.items()]
    study = made.study
    page.write(
        out / "report.html",
        "xaijax.study",
        "study.html.j2",
        study=study,
        tiny=bool(run["config"]["tiny"]),
        data=[
            {
                "name": one.name,
                "images": one.images,
                "path": study.data[one.name].options["data"],
                "published": study.data[one.name].images,
            }
            for one in made.opened.values()
        ],
        chapters=chapters,
        failed=course.failed,
        run=run,
    )
    return [f"{one['name']}: {line}" for one in chapters for line in one["said"]]


def _classifiers(out: Path, made: Plan, course: "Course") -> dict[str, Any]:
    """The chapter of the classifiers: their scores, confusion matrices, and which were chosen."""
    said: list[str] = []
    parts = []
    for cell in made.of("evaluation"):
        if not cell.finished:
            parts.append(_part(cell, out, course))
            continue
        found = results.evaluation_of(cell)
        by_model = _recipes(found, made, cell.data)
        names = (
            ("macro_auroc", "macro_f1", "accuracy")
            if "per_finding" in found["models"][0]
            else ("accuracy", "macro_f1", "auroc", "ece")
        )
        rows = []
        for model, row in by_model.items():
            line: dict[str, Any] = {"model": model, "trainings": row["trainings"], "images": row["images"]}
            for name in names:
                values = row["scores"].get(name, {})
                line |= {
                    name: values.get("value"),
                    f"{name}_low": values.get("low"),
                    f"{name}_high": values.get("high"),
                }
            rows.append(line)
        _table(out, f"{CLASSIFIERS}-{cell.data}", rows)
        sides = [sides_of(one) for one in made.of("training", data=cell.data) if one.finished]
        lines = [_score_line(line, names) for line in rows]
        named = _as_in_the_study(found, made, cell.data)
        said += [*conclusions(named, several=True), *cautions(named, several=True)]
        if cell.data in course.chosen:
            rule = made.study.choose
            assert rule is not None
            said.append(f"{cell.data}: explained are {', '.join(course.chosen[cell.data])}, {rule.words()}.")
        bars = _bars(out, cell.data, rows, names)
        pictures = [
            bars,
            *sorted(cell.folder.glob("confusion*.png")),
            *sorted(cell.folder.glob("embedding*.png")),
        ]
        parts.append(
            _part(cell, out, course)
            | {
                "heads": ["model", *(SHORT.get(name, name) for name in names), "test images"],
                "lines": lines,
                "facts": _side_words(sides[0]) if sides else "",
                "published": _published(out, made, CLASSIFIERS, cell.data, _classifier_values(rows)),
                "figures": _figures([*pictures, *_embeddings(out, made, cell.data, course)]),
            }
        )
    return {"name": CLASSIFIERS, "question": "How good are the classifiers?", "note": "", "said": said, "parts": parts}


def _bars(out: Path, data: str, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Path:
    """The scores of the models as bars."""

    def numbers(row: Mapping[str, Any], name: str) -> tuple[float, float, float]:
        value, low, high = (row[key] for key in (name, f"{name}_low", f"{name}_high"))
        return tuple(math.nan if one is None else float(one) for one in (value, low, high))  # type: ignore[return-value]

    found = {SHORT.get(name, name): {data: {row["model"]: numbers(row, name) for row in rows}} for name in names}
    return page.save_figure(plot.score_bars(found), out / "figures" / f"{file_name(f'{CLASSIFIERS}-{data}')}.svg")


def _embeddings(out: Path, made: Plan, data: str, course: "Course") -> list[Path]:
    """Images in the plane, of the models that are explained, else of all."""
    dataset = made.opened[data].dataset
    if not made.study.embeddings or dataset is None:
        return []
    first = repeats(made.study)[0][0]
    names = course.chosen.get(data) or tuple(made.study.models)
    trained = [one for one in made.of("training", data=data, repeat=first) if one.finished and one.models[0] in names]
    drawn = [embedding.draw(out, one, dataset, made.study.seeds[0]) for one in trained]
    return [path for path in drawn if path is not None]


def _side_words(sides: Mapping[str, int]) -> str:
    return f"{sides['training']} images for training, {sides['validation']} for validation, {sides['test']} for test."


def _model_of_recipe(found: Mapping[str, Any], made: Plan, data: str) -> dict[str, str]:
    """Recipe of an evaluation -> model of the study."""
    model_of = {str(one.folder): one.models[0] for one in made.of("training", data=data)}
    return {row["recipe"]: model_of.get(row["model"], row["name"]) for row in found["models"]}


def _recipes(found: Mapping[str, Any], made: Plan, data: str) -> dict[str, dict[str, Any]]:
    """Model of the study -> its row of an evaluation."""
    models = _model_of_recipe(found, made, data)
    return {models[row["recipe"]]: row for row in found["recipes"]}


def _as_in_the_study(found: Mapping[str, Any], made: Plan, data: str) -> dict[str, Any]:
    """An evaluation with the names that the study gives to its models and data."""
    models = _model_of_recipe(found, made, data)
    recipes = [row | {"recipe": models[row["recipe"]]} for row in found["recipes"]]
    pairs = [row | {side: models[row[side]] for side in ("first", "second")} for row in found["comparisons"]]
    return {**found, "name": data, "recipes": recipes, "comparisons": pairs}


def _classifier_values(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    return {
        (row["model"], name): _interval(row, name)
        for row in rows
        for name in row
        if f"{name}_low" in row and row[name] is not None
    }


def _interval(row: Mapping[str, Any], name: str) -> str:
    text = tables.rounded(row[name])
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return text if low is None else f"{text} ({tables.rounded(low)} to {tables.rounded(high)})"


def _score_line(row: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, str]]:
    cells = [{"text": str(row["model"]), "small": f"{row['trainings']} trainings" if row["trainings"] > 1 else ""}]
    for name in names:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        small = "" if low is None else f"{tables.rounded(low)} to {tables.rounded(high)}"
        cells.append({"text": tables.rounded(row[name]), "small": small})
    return [*cells, {"text": str(row["images"]), "small": ""}]


def _chapter(out: Path, made: Plan, name: str, chapter: Chapter, course: "Course") -> dict[str, Any]:
    said: list[str] = []
    parts = []
    for cell in [one for one in made.cells if one.chapter == name]:
        part = _part(cell, out, course)
        if cell.finished:
            lead = f"{cell.data}: " if len(chapter.data) > 1 else ""
            lead += f"{cell.models[0]}: " if cell.kind == "cascade" and len(made.study.models) > 1 else ""
            if cell.kind == "bench":
                more, answers = _bench_part(out, made, chapter, cell)
            else:
                more, answers = _cascade_part(out, made, cell)
            part |= more
            said += [lead + line for line in answers]
        parts.append(part)
    return {"name": name, "question": chapter.question, "note": chapter.note, "said": said, "parts": parts}


def _part(cell: Cell, out: Path, course: "Course") -> dict[str, Any]:
    """A cell without its results."""
    reports = [name for name in ("report.html", "evaluation.html", "evaluation.md") if (cell.folder / name).is_file()]
    reports += [name for name in ("sweep.md",) if (cell.folder / name).is_file()]
    return {
        "title": f"{cell.data}{f', {cell.models[0]}' if cell.kind == 'cascade' else ''}",
        "links": [{"name": name, "path": os.path.relpath(cell.folder / name, out)} for name in reports],
        "failed": course.failed.get(cell.name, "" if cell.finished else "nothing was scored"),
        "dropped": course.dropped.get(cell.name, []),
        "heads": [],
        "lines": [],
        "facts": "",
        "published": [],
        "figures": [],
        "more": [],
    }


def _bench_part(out: Path, made: Plan, chapter: Chapter, cell: Cell) -> tuple[dict[str, Any], list[str]]:
    names = _model_names(made, cell)
    found = results.of_bench(cell, names)
    metrics = list(dict.fromkeys(key[2] for key in found))
    heads, lines = _method_lines(out, found, metrics, cell.name)
    more = []
    behind: list[str] = []
    ours = _method_values(found)
    if chapter.per_class:
        rows = results.per_class(cell, chapter.per_class, names)
        ours |= {
            (f"{row['model']}/{row['method']}", f"{row['metric']}, {row['class']}"): tables.rounded(row["mean"])
            for row in rows
        }
        _table(out, f"{cell.name}-per-class", rows)
        more.append(_class_table(rows))
        behind = results.behind(rows, found)
    figures = sorted(
        path for path in (cell.folder / "figures").glob("*.svg") if "-aic-" in path.name or "-sic-" in path.name
    )
    figures = figures or sorted((cell.folder / "figures").glob("*-mean-*.svg"))
    galleries = sorted((cell.folder / "figures").glob("*-gallery.png"))[:2]
    galleries += sorted((cell.folder / "figures").glob("*-rebuilt-*.png"))[:2]  # blurred images with their scores
    part = {
        "heads": heads,
        "lines": lines,
        "published": _published(out, made, cell.chapter, cell.data, ours),
        "figures": _figures([*figures[:FIGURES], *galleries]),
        "more": more,
    }
    return part, [*results.answers(found, metrics), *behind, *results.unscored(cell, names)]


def _model_names(made: Plan, cell: Cell) -> dict[str, str]:
    """Name of a model in a run -> in the study: the folders of the trainings give the former."""
    trained = made.of("training", data=cell.data)
    run = folder.read_json(cell.folder / folder.DESCRIPTION, "run")
    paths = {str(one.folder): one.models[0] for one in trained}
    return {row["name"]: paths.get(row["path"], row["name"]) for row in run.get("models", [])}


def _method_lines(
    out: Path, found: Scores, metrics: Sequence[str], name: str
) -> tuple[list[str], list[list[dict[str, str]]]]:
    """A row for each model and method, a column for each metric; also written as CSV."""
    rows, lines = [], []
    models = list(dict.fromkeys(key[0] for key in found))
    for model in models:
        for method in dict.fromkeys(key[1] for key in found if key[0] == model):
            line = [{"text": method, "small": model if len(models) > 1 else ""}]
            row: dict[str, Any] = {"model": model, "method": method}
            for metric in metrics:
                score = found.get((model, method, metric))
                if score is None:
                    line.append({"text": "–", "small": ""})
                    continue
                row |= {metric: score.mean, f"{metric}_low": score.low, f"{metric}_high": score.high}
                row |= {f"{metric}_sd": score.sd, f"{metric}_n": score.n}
                if score.median_area is not None:
                    row[f"{metric}_median_curve"] = score.median_area
                small = "" if math.isnan(score.low) else f"{tables.rounded(score.low)} to {tables.rounded(score.high)}"
                mark = " ▲" if score.beats and score.enough and score.verdict in ("", results.BELIEVED) else ""
                spread = "" if math.isnan(score.sd) else f" ± {tables.rounded(score.sd)}"
                line.append({"text": f"{tables.rounded(score.mean)}{spread}{mark}", "small": small})
            rows.append(row)
            lines.append(line)
    _table(out, name, rows)
    return ["method", *(_title(metric) for metric in metrics)], lines


def _title(metric: str) -> str:
    if metric in SHORT:
        return SHORT[metric]
    if metric not in METRICS:
        return metric
    return f"{METRICS[metric].title} {'↑' if METRICS[metric].higher_is_better else '↓'}"


def _method_values(found: Scores) -> dict[tuple[str, str], str]:
    """(method, metric) and (model/method, metric) -> our value as text; of several models each with its name."""
    values: dict[tuple[str, str], str] = {}
    several = len({model for model, _, _ in found}) > 1
    for (model, method, metric), score in found.items():
        text = f"{tables.rounded(score.mean)}"
        if score.median_area is not None:
            text = f"{tables.rounded(score.median_area)} (mean {text})"
        values[(f"{model}/{method}", metric)] = text
        others = values.get((method, metric), "")
        values[(method, metric)] = f"{others}{', ' if others else ''}{f'{model} ' if several else ''}{text}"
    return values


def _class_table(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    classes = list(dict.fromkeys(row["class"] for row in rows))
    lines = []
    for key in dict.fromkeys((row["model"], row["method"], row["metric"]) for row in rows):
        own = {row["class"]: row for row in rows if (row["model"], row["method"], row["metric"]) == key}
        cells = [{"text": key[1], "small": key[0]}, {"text": _title(key[2]), "small": ""}]
        for label in classes:
            row = own.get(label)
            spread = "" if row is None or row["sd"] is None else f" ± {tables.rounded(row['sd'])}"
            text = "–" if row is None else f"{tables.rounded(row['mean'])}{spread}"
            cells.append({"text": text, "small": "" if row is None else f"{row['images']} images"})
        lines.append(cells)
    return {"title": "By class", "heads": ["method", "metric", *classes], "lines": lines}


def _cascade_part(out: Path, made: Plan, cell: Cell) -> tuple[dict[str, Any], list[str]]:
    found = results.of_cascade(cell)
    metrics = [name for name in CASCADE_METRICS if any(key[2] == name for key in found)]
    heads, lines = _method_lines(out, found, metrics, cell.name)
    written = folder.read_json(cell.folder / "evaluation.json", "cascade")
    more = [
        _plain_table(title, written.get(key, []))
        for title, key in (
            ("Accuracy of the classifier of each round", "accuracies"),
            ("Elements found", "hits"),
            ("Time and break-even", "costs"),
        )
        if written.get(key)
    ]
    sweep = results.read_rows(cell.folder / "sweep.csv")
    if sweep:
        more.insert(0, _plain_table("Settings", sweep))
    said = cascade_answers(written.get("tests", []), metrics[0]) if metrics else []
    if not metrics:
        said = ["the data have no masks: nothing was localized."]
    elif metrics[0] not in LESION:
        said.append("the masks outline the artefact and not the object: nothing is said of localization.")
    said += results.without_value(cell)
    figures = [cell.folder / name for name in ("cascade.png", "sweep.png")]
    part = {
        "heads": heads,
        "lines": lines,
        "published": _published(out, made, cell.chapter, cell.data, _method_values(found)),
        "figures": _figures(figures),
        "more": more,
    }
    return part, said


def cascade_answers(tests: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """Where a cascade differs from a single method in a metric, in sentences.

    Example:
        >>> test = {"cascade": "cascade K=2", "method": "cam", "metric": "iou", "images": 12, "difference": 0.2}
        >>> cascade_answers([test | {"p_wilcoxon_holm": 0.01}], "iou")
        ['cascade K=2 has more IoU than cam, by 0.200.']
        >>> cascade_answers([test | {"p_wilcoxon_holm": 0.01, "images": 4}], "iou")
        ['1 comparison with a single method in IoU rests on fewer than 10 images: no conclusion.']
    """
    own = [row for row in tests if row["metric"] == metric]
    enough = [row for row in own if row["images"] >= results.ENOUGH]
    said = [
        f"{row['cascade']} has {'more' if row['difference'] > 0 else 'less'} {_title(metric)} than {row['method']}, "
        f"by {abs(row['difference']):.3f}."
        for row in enough
        if row["p_wilcoxon_holm"] is not None and row["p_wilcoxon_holm"] <= 0.05  # NaN is not
    ]
    few = len(own) - len(enough)
    if few or not own:
        what = "1 comparison" if few == 1 else f"{few} comparisons" if own else "every comparison"
        verb = "rest" if few > 1 else "rests"
        said.append(
            f"{what} with a single method in {_title(metric)} {verb} on fewer than {results.ENOUGH} images: no "
            "conclusion."
        )
    elif not said:
        said = [f"no cascade differs from a single method in {_title(metric)} (Wilcoxon, Holm) on these images."]
    return said


def _plain_table(title: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    heads = list(dict.fromkeys(key for row in rows for key in row))
    lines = [[{"text": _text(row.get(key)), "small": ""} for key in heads] for row in rows]
    return {"title": title, "heads": [head.replace("_", " ") for head in heads], "lines": lines}


def _text(value: Any) -> str:
    if isinstance(value, str):
        try:
            return tables.rounded(float(value)) if "." in value else value
        except ValueError:
            return value
    return tables.rounded(value)


def _published(
    out: Path, made: Plan, chapter: str, data: str, ours: Mapping[tuple[str, str], str]
) -> list[dict[str, Any]]:
    """Published tables with our values next to theirs."""
    found = []
    for number, one in enumerate(made.study.published):
        if one.chapter != chapter or one.data not in ("", data):
            continue
        lines, rows = [], []
        for name, values in one.rows.items():
            line = [{"text": name, "small": ""}]
            row: dict[str, Any] = {"name": name}
            for metric, value in zip(one.metrics, values, strict=True):
                own = _ours(one, name, metric, ours)
                line += [{"text": "–" if value is None else str(value), "small": ""}, {"text": own or "–", "small": ""}]
                row |= {f"{metric} published": value, f"{metric} here": own}
            lines.append(line)
            rows.append(row)
        _table(out, f"published-{number + 1}-{data}", rows)
        heads = ["", *(f"{_title(metric)}, {whose}" for metric in one.metrics for whose in ("published", "here"))]
        found.append({"title": one.title, "source": one.source, "note": one.note, "heads": heads, "lines": lines})
    return found


def _ours(one: Published, name: str, metric: str, ours: Mapping[tuple[str, str], str]) -> str:
    """Our value for a row and metric of a publication."""
    metric = f"{metric}, {one.label}" if one.label else metric
    if one.model:
        return ours.get((f"{one.model}/{name}", metric), "")
    for (own, known), text in ours.items():
        if known == metric and _names.normal(own) == _names.normal(name):
            return text
    return ""


def _figures(paths: Sequence[Path]) -> list[dict[str, Any]]:
    return [
        page.inline({"path": path, "alt": path.stem.replace("-", " ").replace("_", " "), "wide": path.suffix == ".png"})
        for path in paths
        if path.is_file()
    ]


def _table(out: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    folder.write_text(out / "tables" / f"{file_name(name)}.csv", tables.to_csv(rows))
