"""What an evaluation writes: Markdown for people, CSV for programs."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax.plot._statistics import p_text

HEADINGS = {
    "average_precision": "AP",
    "iou": "IoU",
    "pointing_game": "pointing game",
    "top15_energy": "top-15 % energy",
    "artefact_mass": "mass on cue",
    "artefact_top15": "top 15 % on cue",
    "artefact_mass_against_lesion": "cue against lesion",
}


def markdown(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> str:
    """Rows as a Markdown table; `columns` says which, and their headings.

    Example:
        >>> rows = [{"method": "cam", "iou": 0.25}, {"method": "rise", "iou": None}]
        >>> print(markdown(rows, {"method": "", "iou": "IoU"}))
        |  | IoU |
        |---|---|
        | cam | 0.250 |
        | rise | – |
    """
    if not rows:
        return ""
    columns = columns or {key: key.replace("_", " ") for key in rows[0]}
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_text(row.get(key)) for key in columns)} |" for row in rows]
    return "\n".join(lines)


def comma_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV, with the keys of all of them."""
    out = io.StringIO()
    names = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else _exact(value) for key, value in row.items()})
    return out.getvalue()


def summary(command: str, found: Mapping[str, Any]) -> str:
    """The page `evaluation.md`."""
    scores = found["means"]
    parts = [
        "# Evaluation of a cascade",
        f"    {command}",
        f"{found['images']} held-out images, {found['classes']} classes.",
    ]
    if scores:
        columns = {"method": ""} | {key: HEADINGS[key] for key in scores[0] if key in HEADINGS}
        parts += ["## Means", markdown(scores, columns)]
    if found["tests"]:
        tests = [row | {"p": p_text(row["p_wilcoxon_holm"])} for row in found["tests"]]
        columns = {
            "metric": "metric", "cascade": "", "method": "against", "images": "images", "difference": "difference",
            "low": "95 % from", "high": "to", "p": "p (Wilcoxon, Holm)",
        }  # fmt: skip
        parts += ["## Paired tests", markdown(tests, columns)]
    for title, key in (
        ("Accuracy of the rounds' classifiers", "accuracies"),
        ("Elements", "hits"),
        ("Rounds", "rounds"),
        ("Time", "costs"),
    ):
        if found[key]:
            parts += [f"## {title}", markdown([_flat(row) for row in found[key]])]
    return "\n\n".join(parts) + "\n"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{key} {inner}": number for inner, number in value.items()}
        else:
            flat[key] = value
    return flat


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if 0 < abs(value) < 0.001:  # seconds for one image
            return f"{value:.2g}"
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)


def _exact(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
