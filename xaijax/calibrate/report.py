"""What a calibration writes for people: figure, page, table, and the lines in the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._runs import folder, identity, page, tables
from xaijax._runs.progress import say
from xaijax.calibrate import figures
from xaijax.calibrate.verdicts import VERDICTS, by_verdict, conclusion, headline, in_order, knows_nothing, next_step
from xaijax.metrics import METRICS, calibration

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY = "summary.csv"
REPORT = "report.html"
FIGURE = "figures/calibration.png"
CONSTRUCTIONS = {
    "view": "the model sees the pixels of a region alone; no other pixel can change its answer.",
    "mosaic": "the model sees one cell of a canvas of several images; the other cells cannot change its answer.",
    "parts": "several cells decide together, with known weights; the share of each is known.",
    "and": "the weaker of two cells decides; the share of each is computed from all four combinations.",
    "or": "the stronger of two cells decides; the share of each is computed from all four combinations.",
    "natural": "the model sees a canvas with one image of the class; that it looks there is likely, not guaranteed.",
    "cue": "a copy of the model was fine-tuned to follow a sign in the image and nothing else; how well it does so was "
    "measured, and no verdict rests on it.",
}
MEANINGS = (
    "concordance: how often the truer of two maps scores better; a metric that knows nothing has 0.50",
    "twin: how often a map scores better than the same map in a wrong place; 0.50 does not see the place",
    "noise beats truth: images in which the best of the noise maps scores at least as well as the true map",
)
SURE = 0.5  # a model that is surer than this of an image without evidence
CONTROLS = {"positive": "concordance", "negative": "twin"}


def write(
    out: Path, found: Mapping[str, Any], run: Mapping[str, Any], sensitivity: Sequence[Mapping[str, Any]]
) -> Path:
    """Writes `summary.csv`, the figure and the page of a calibration.

    Args:
        out: its run folder.
        found: the values of `calibration.json`.
        run: the values of `run.json`.
        sensitivity: one row per moved threshold that changes a verdict: moved ("twin+0.05"), changes (metric -> the new
            verdict).

    Returns:
        The path of the page.
    """
    titles = {name: title(name) for name in found["metrics"]}
    folder.write_text(out / SUMMARY, tables.to_csv(summary(found)))
    path = page.save_figure(figures.calibration(found, titles), out / FIGURE)
    alt = "Concordance and random dominance of every metric, grouped by verdict"
    drawn = page.inline({"path": path, "alt": alt, "wide": True})
    return page.write(
        out / REPORT,
        "xaijax.calibrate",
        "calibration.html.j2",
        name=out.resolve().name,
        figure=drawn,
        found=found,
        run=run,
        **_values(found, titles, sensitivity, said=_said(run)),
    )


def title(name: str) -> str:
    """How a metric is called: its title, or the name of one from elsewhere."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def summary(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per metric, in the order of the figure."""
    rows = []
    for name in in_order(found["metrics"]):
        one = found["metrics"][name]
        row = {"metric": name, "verdict": one["verdict"], "decided_by": one.get("decided_by") or ""}
        for key in ("concordance", "twin", "random_dominance"):
            low, high = one.get(_interval(key)) or (None, None)
            row |= {key: one.get(key), f"{key}_low": low, f"{key}_high": high}
        for key in ("winning_texture", "tau", "texture_share", "images_for_power", "size", "images_to_decide"):
            row[key] = one.get(key)
        row |= {f"scored_{label}": share for label, share in one["scored"].items()}
        rows.append(row | {"why": one["why"]})
    return rows


def show(console: "Console", found: Mapping[str, Any]) -> None:
    """The conclusion, and a line for each metric."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, title_justify="left")
    grid.add_column("")
    grid.add_column("verdict")
    for heading in ("concordance", "twin", "noise beats truth"):
        grid.add_column(heading, justify="right")
    for name in in_order(found["metrics"]):
        one = found["metrics"][name]
        word = VERDICTS[one["verdict"]]
        numbers = (_number(one.get("concordance")), _number(one.get("twin")), _percent(one.get("random_dominance")))
        bold = "bold" if one["verdict"] == "believe" else ""
        grid.add_row(Text(title(name), bold), Text(f"{word.mark} {word.title}"), *numbers)
    console.print(grid)
    console.print()
    for line in MEANINGS:
        say(console, line)
    console.print()
    for line in conclusion(found, {name: title(name) for name in found["metrics"]}):
        say(console, line)


def warnings(found: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the verdicts: answers to images without evidence, classes that are not scored."""
    lines = []
    sure = [answer for answer in found["answers"] if (answer["probability"] or 0.0) > SURE]
    if sure:
        parts = ", ".join(f"{one['image']} ({one['class']}, {one['probability']:.2f})" for one in sure)
        lines.append(
            f"The model is sure of images that hold no evidence: {parts}. Metrics that replace pixels by such values "
            "favour maps of that class."
        )
    lines += about_cue(found)
    limit = found["thresholds"].get("scored", 0.5)
    missing: dict[str, list[str]] = {}
    for name, one in found["metrics"].items():
        for label, share in one["scored"].items():
            if share is not None and share < limit:
                missing.setdefault(label, []).append(title(name))
    lines += [
        f"Class {label} is scored in fewer than {_percent(limit)} of the cases by {', '.join(names)}."
        for label, names in missing.items()
    ]
    return lines


def about_cue(found: Mapping[str, Any]) -> list[str]:
    """What a planted cue says of the verdicts: why it was left out, or which believed metrics fail on it."""
    gate = found["constructions"].get("cue", {}).get("gate")
    if gate is None:
        return []
    if not gate["passed"]:
        return [f"The construction cue was left out: {gate['sentence']}."]
    limits = found["thresholds"]
    failing = []
    for name, one in found["metrics"].items():
        numbers = one["constructions"].get("cue")
        if one["verdict"] != "believe" or numbers is None:
            continue
        highs = ((numbers["interval"], "concordance"), (numbers["twin_interval"], "twin"))
        if any(high is not None and high < limits[key] for (_, high), key in highs):
            failing.append(title(name))
    if not failing:
        return []
    return [
        f"On the planted cue, on which no verdict rests, {', '.join(failing)} "
        f"{'misses' if len(failing) == 1 else 'miss'} what believe needs: look at the table by construction."
    ]


def _said(run: Mapping[str, Any]) -> list[str]:
    """What a reader must know of the run: predictions that are suspicious, and machines of several kinds."""
    mixed = identity.mixed_note(run.get("machines", []))
    return [*run.get("cautions", []), *([mixed] if mixed else [])]


def _values(
    found: Mapping[str, Any],
    titles: Mapping[str, str],
    sensitivity: Sequence[Mapping[str, Any]],
    *,
    said: Sequence[str],
) -> dict[str, Any]:
    """What the template shows besides the values of the two files."""
    metrics = found["metrics"]
    grouped = by_verdict(metrics)
    classes = list(dict.fromkeys(label for one in metrics.values() for label in one["scored"]))
    limit = found["thresholds"].get("scored", 0.5)
    return {
        "title": headline(found),
        "groups": [
            {**vars(VERDICTS[verdict]), "metrics": [titles[name] for name in names]}
            for verdict, names in grouped.items()
        ],
        "next": next_step(found, titles),
        "warnings": [*said, *warnings(found)],
        "nothing": _percent(knows_nothing(len(found["textures"]))),
        "limit": _percent(limit),
        "classes": classes,
        "lines": [_line(metrics[name], titles[name], found, classes, limit) for name in in_order(metrics)],
        "constructions": [
            one
            | {
                "name": name,
                "meaning": _meaning(name),
                "left_out": {calibration.LEFT_OUT.get(code, code): count for code, count in one["left_out"].items()},
                "gate": _gate(one.get("gate")),
            }
            for name, one in found["constructions"].items()
        ],
        "controls": _controls(found["controls"]),
        "answers": [
            answer
            | {
                "probability": _number(answer["probability"]),
                "shares": ", ".join(f"{label} {_percent(share)}" for label, share in answer["shares"].items() if share),
            }
            for answer in found["answers"]
        ],
        "sensitivity": [
            {
                "moved": row["moved"].replace("_", " ").replace("+", " + ").replace("-", " − "),
                "changes": ", ".join(
                    f"{titles.get(name, name)}: {VERDICTS[metrics[name]['verdict']].title} → {VERDICTS[verdict].title}"
                    for name, verdict in row["changes"].items()
                ),
            }
            for row in sensitivity
        ],
    }


def _line(
    one: Mapping[str, Any], name: str, found: Mapping[str, Any], classes: Sequence[str], limit: float
) -> dict[str, Any]:
    word = VERDICTS[one["verdict"]]
    images = one.get("images_for_power")
    scored = [one["scored"].get(label) for label in classes]
    return {
        "title": name,
        "mark": word.mark,
        "verdict": word.title,
        "why": one["why"],
        **_numbers(one),
        "tau": _number(one.get("tau")),
        "texture_share": _percent(one.get("texture_share")),
        "images_for_power": "–" if images is None else images,
        "size": _number(one.get("size")),
        "winning_texture": f"best noise: {one['winning_texture']}" if one.get("winning_texture") else "",
        "decided_by": one.get("decided_by") if one.get("concordance") is not None else "",
        "constructions": [_numbers(one["constructions"].get(place) or {}) for place in found["constructions"]],
        "scored": [{"text": _percent(share), "low": share is not None and share < limit} for share in scored],
    }


def _numbers(one: Mapping[str, Any]) -> dict[str, str]:
    """The three numbers that decide, with their intervals, as text."""
    texts = {}
    for key, written in (("concordance", _number), ("twin", _number), ("random_dominance", _percent)):
        low, high = one.get(_interval(key)) or (None, None)
        texts[key] = written(one.get(key))
        texts[_interval(key)] = "" if low is None or high is None else f"{written(low)} – {written(high)}"
    return texts


def _interval(key: str) -> str:
    return "interval" if key == "concordance" else f"{key}_interval"


def _controls(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A sentence for each control."""
    lines = []
    for kind, key in CONTROLS.items():
        one = found.get(kind)
        if one is None:
            continue
        value = _number(one[key])
        if kind == "positive":
            what = f"The correlation of a map with the truth, which must find every truth, has concordance {value}"
        else:
            name = title(one["metric"]) if one.get("metric") else "A metric that reads the map alone"
            what = f"{name}, which never sees the model, has {value} in the twin test, where 0.5 is right"
        lines.append({"text": f"{what}: {'passed' if one['passed'] else 'failed'}.", "passed": one["passed"]})
    if not found["passed"]:
        lines.append({"text": f"No verdict is given: {found.get('reason') or 'a control failed'}.", "passed": False})
    return lines


def _gate(gate: Mapping[str, Any] | None) -> str:
    """The sentence of a planted cue's gate, with its outcome."""
    return "" if gate is None else f"{'Accepted' if gate['passed'] else 'Not accepted'}: {gate['sentence']}."


def _meaning(name: str) -> str:
    return CONSTRUCTIONS.get(name, "a construction of the caller's own.")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}".replace("%", " %")
