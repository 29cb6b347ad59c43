"""What the comparison of a cascade with single methods writes and prints."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.csv

from xaijax import _files
from xaijax._runs import folder, progress, tables
from xaijax.metrics import Scores
from xaijax.plot._statistics import p_text

if TYPE_CHECKING:
    from rich.console import Console

HEADINGS = {
    "average_precision": "AP",
    "iou": "IoU",
    "pointing_game": "pointing game",
    "top15_energy": "top-15 % energy",
    "artefact_mass": "mass on cue",
    "artefact_top15": "top 15 % on cue",
    "artefact_mass_against_lesion": "cue against lesion",
}


def write(out: Path, found: Mapping[str, Any], scores: Scores) -> None:
    """`evaluation.json` and `evaluation.md`, `scores.csv` with a line per image, `tests.csv`."""
    folder.write_json(out / "evaluation.json", found)
    folder.write_text(out / "evaluation.md", page(found))
    folder.write_text(out / "tests.csv", tables.to_csv(found["tests"], text=_exact))
    _files.with_temporary(out / "scores.csv", lambda path: pyarrow.csv.write_csv(scores.to_arrow(), path))


def say(console: "Console", found: Mapping[str, Any]) -> None:
    """Prints the means of every method."""
    if not found["means"]:
        progress.say(console, "the data have no masks: no localization scores")
    for row in found["means"]:
        known = {HEADINGS[key]: value for key, value in row.items() if key in HEADINGS and value is not None}
        progress.say(console, f"{row['method']}: {', '.join(f'{name} {value:.3f}' for name, value in known.items())}")


def page(found: Mapping[str, Any]) -> str:
    """The page `evaluation.md`."""
    scores = found["means"]
    parts = [
        "# Evaluation of a cascade",
        f"    {found['command']}",
        f"{found['images']} held-out images, {found['classes']} classes.",
    ]
    if scores:
        columns = {"method": ""} | {key: HEADINGS[key] for key in scores[0] if key in HEADINGS}
        parts += ["## Means", tables.to_markdown(scores, columns)]
    if found["tests"]:
        tests = [row | {"p": p_text(row["p_wilcoxon_holm"])} for row in found["tests"]]
        columns = {
            "metric": "metric", "cascade": "", "method": "against", "images": "images", "difference": "difference",
            "low": "95 % from", "high": "to", "p": "p (Wilcoxon, Holm)",
        }  # fmt: skip
        parts += ["## Paired tests", tables.to_markdown(tests, columns)]
    for title, key in (
        ("Accuracy of the rounds' classifiers", "accuracies"),
        ("Elements", "hits"),
        ("Rounds", "rounds"),
        ("Time", "costs"),
    ):
        if found[key]:
            parts += [f"## {title}", tables.to_markdown([_flat(row) for row in found[key]])]
    return "\n\n".join(parts) + "\n"


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{key} {inner}": number for inner, number in value.items()}
        else:
            flat[key] = value
    return flat


def _exact(value: Any) -> Any:
    """A test that cannot be done (all differences are 0) has the p-value nan; what does not apply is empty."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
