"""Turns a finished run directory into figures, summary.csv and a self-contained report.html."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xaijax._runs import identity, page
from xaijax._runs.answers import accuracy_line
from xaijax._runs.tables import to_csv as tables_csv
from xaijax.bench import browser, by_group, calibrated, decisions, groups, localization, paper, reading, statistics
from xaijax.bench.browser import Browser
from xaijax.bench.calibrated import BELIEVE, Judged
from xaijax.bench.cautions import about_agreement, about_calibration, about_counts, about_predictions, folded
from xaijax.bench.columns import Columns
from xaijax.bench.conclusion import best, conclude
from xaijax.bench.differences import compared
from xaijax.bench.drawing import KINDS, draw
from xaijax.bench.results import by_class, describe, tables
from xaijax.bench.store import Store
from xaijax.bench.summary import Row, summarise, to_csv
from xaijax.bench.verdict import boxes
from xaijax.calibrate import VERDICTS
from xaijax.metrics import METRICS, Statement, statements
from xaijax.preprocess import read_as

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
        accuracy: a line for each model on how many images it predicts right.
    """

    rows: list[Row]
    said: list[Statement]
    conclusion: list[str]
    judged: Mapping[str, Judged]
    path: Path
    best: Best = dataclasses.field(default_factory=dict)
    accuracy: Sequence[str] = ()


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
    patients = _patients(run)
    every = summarise(read.models, patients=patients, seed=seed)
    verdicts = {(model, metric): one.verdicts[metric][0] for model, one in judged.items() for metric in one.verdicts}
    store.write_text("summary.csv", to_csv(every, verdicts))
    rows = [row for row in every if not row.target]
    believed = {(model, metric) for model, one in judged.items() for metric in one.believed} if judged else None
    one_model = len(read.models) == 1
    said = about_predictions(run, read.answers) + about_calibration(judged)
    said += [Statement(note) for note in run.get("notes", [])]
    said += about_agreement(run) + about_counts(rows)
    if mixed := identity.mixed_note(run.get("machines", [])):
        said.append(Statement(mixed, True))
    said += _about_curves(read.models)
    said += statements(
        next(iter(read.models.values())) if one_model else read.models,
        skipped=run["data"]["skipped"],
        believed={("", metric) for _, metric in believed} if believed is not None and one_model else believed,
        patients=patients,
        seed=seed,
    )
    found = statistics.tabulate(read.models, patients=patients, seed=seed)
    decided = decisions.decide(run, read.models, read.predicted)
    if decided:
        store.write_text("decisions.csv", decisions.to_csv(decided))
        said += decisions.statements(run, decided)
    store.write_text("statistics.csv", statistics.pairs_csv(found))
    store.write_text("ranks.csv", statistics.ranks_csv(found))
    store.write_text("stability.csv", statistics.stability_csv(found))
    pairs = len(rows) < len(every)
    drawn = draw(store, run, read, rows, pairs)
    unit = "patients" if patients else "images"
    marked = {
        model: {metric: best(metric, one) for metric, one in metrics.items()} for model, metrics in found.models.items()
    }
    conclusions = conclude(found, judged)
    where = {one.model: f"On {one.model}: " if len(conclusions) > 1 else "" for one in conclusions}
    sentences = [where[one.model] + line for one in conclusions for line in one.sentences()]
    sentences += decisions.caution(decided) if any(one.believed for one in judged.values()) else []
    grouped, left_out = by_group.by_group(read.models, store.groups(), run["data"]["classes"], seed=seed)
    detections = localization.read(store.detections())
    localized = localization.summary(detections, groups.patients(store.groups()), seed=seed)
    if grouped:
        store.write_text("groups.csv", by_group.to_csv(grouped))
    if localized:
        store.write_text("localization.csv", tables_csv(localized))
        store.write_text("detections.csv", localization.to_csv(detections))
    paper.write(store, rows, found, marked, grouped, localized)
    text = render(
        run,
        every,
        said,
        drawn,
        store.root,
        accuracy=read.right,
        differences=compared(store.root / "figures", rows, found, unit, judged),
        judged=judged,
        verdicts=boxes(run, found, judged, conclusions, said, decided),
        browser=browser.build(store, run, judged, total=sum(len(one) for one in read.models.values())),
        scored=by_class(read.models),
        decided=decided,
        best=marked,
        grouped=(by_group.shown(grouped, {model: one.believed for model, one in judged.items()} or None), left_out),
        localized=(localized, localization.draw(store.root / "figures", detections, seed=seed)),
    )
    of = "pairs of image and finding" if pairs else "images"
    accuracy = [accuracy_line(name, *counts, of) for name, counts in read.right.items()]
    return Report(rows, said, sentences, judged, store.write_text("report.html", text), marked, accuracy)


def _patients(run: Mapping[str, Any]) -> dict[str, int]:
    """image -> its patient, of the runs where several images are of one."""
    return dict(zip(run["data"]["images"], run["data"].get("patients", ()), strict=False))


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


def render(
    run: Mapping[str, Any],
    rows: Sequence[Row],
    said: Sequence[Statement],
    drawn: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    root: Path,
    *,
    accuracy: Mapping[str, tuple[int, int]],
    differences: Mapping[str, Any],
    judged: Mapping[str, Judged],
    verdicts: Sequence[Mapping[str, Any]],
    browser: Browser | None,
    scored: Sequence[Mapping[str, Any]],
    decided: Sequence[decisions.Decision] = (),
    best: Best,
    grouped: tuple[Sequence[Mapping[str, Any]], Sequence[str]] = ((), ()),
    localized: tuple[Sequence[Mapping[str, Any]], Mapping[str, Sequence[Mapping[str, Any]]]] = ((), {}),
) -> str:
    """The report as one HTML text with everything in it: no script, font or picture is loaded from elsewhere."""
    models = list(dict.fromkeys(row.model for row in rows))
    sections: list[dict[str, Any]] = [
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
    lines = [line for one in sections for shown in one["tables"] for line in shown["lines"]]
    cells = [cell for line in lines for cell in line["cells"]]
    return page.render(
        "xaijax.bench",
        "report.html.j2",
        measures=list(dict.fromkeys(METRICS[m].measure for m in run["metrics"] if METRICS[m].family == "pic")),
        run=run,
        name=run.get("name") or root.resolve().name,
        sections=sections,
        kinds={
            kind: len({line["method"] for line in lines if line["kind"] == kind})
            for kind in ("method", "control", "oracle")
        },
        read_as={model["name"]: read_as(model.get("preprocess")) for model in run["models"]},
        metrics=metrics,
        cautions=folded(said),
        accuracy=accuracy,
        compared=differences,
        calibrated=bool(judged),
        verdicts=verdicts,
        browser=browser,
        by_class=scored,
        by_group=grouped[0],
        groups_said=grouped[1],
        localized=localized[0],
        detected=[[page.inline(entry) for entry in entries] for entries in localized[1].values()],
        pairs=any(row.target for row in rows),
        fewer=any(cell["fewer"] for cell in cells),
        decided=decisions.shown(decided, {model: one.verdicts for model, one in judged.items()}),
    )


def _doubted(entry: Mapping[str, Any], judged: Judged | None) -> str:
    """What stands below a figure of a metric that is not believed."""
    verdict = "" if judged is None else judged.verdicts.get(entry.get("metric", ""), (BELIEVE, ""))[0]
    return "" if verdict in ("", BELIEVE) else f"{VERDICTS[verdict].title}: conclude nothing from this figure"
