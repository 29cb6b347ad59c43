"""What to know before trusting a table, gathered by kind: the report folds each kind."""

from collections.abc import Mapping, Sequence
from typing import Any

from xaijax.bench.calibrated import Judged
from xaijax.bench.conclusion import RANDOM
from xaijax.bench.summary import Row
from xaijax.metrics import METRICS, ORACLE, Statement
from xaijax.plot._style import controls

KINDS = {
    "Methods and controls": ("oracle", "worse", "level", "artefact"),
    "Images without a score": ("skipped", "scored", "class", "few", "fewer"),
    "The information measure": ("falls",),
    "Calibration": ("calibration",),
    "When the run stopped": ("decided",),
    "Choices of this run": ("note",),
}
"""Title -> the kinds of statements below it."""


def about_calibration(judged: Mapping[str, Judged]) -> list[Statement]:
    """Where the verdicts come from, or that there are none."""
    if not judged:
        text = (
            "The metrics were not calibrated: it is not known which of them can be believed for this model and these "
            "images."
        )
        return [Statement(text, True, "calibration")]
    found = []
    for model, one in judged.items():
        where = f" on {model}" if len(judged) > 1 else ""
        if one.source:
            text = f"Which metrics can be believed{where}: {one.source} says it."
            found.append(Statement(text, kind="calibration"))
        elif one.why:
            found.append(Statement(one.why, True, "calibration"))
        found += [Statement(note, True, "calibration") for note in one.notes]
    return found


def about_agreement(run: Mapping[str, Any]) -> list[Statement]:
    """That controls which ignore the model agree perfectly between models, where models are compared."""
    compared = [METRICS[metric].title for metric in run["metrics"] if "variants" in METRICS[metric].needs]
    blind = [method for method in run["methods"] if method in controls() and method != RANDOM]
    if not compared or not blind:
        return []
    verb = "agrees" if len(blind) == 1 else "agree"
    text = (
        f"{' and '.join(blind)} {verb} perfectly between models in {', '.join(compared)}, because nothing of the model "
        "enters: agreement alone says nothing of a map."
    )
    return [Statement(text, True, "level")]


def about_counts(rows: Sequence[Row]) -> list[Statement]:
    """Means that are over fewer images than those of other methods in the same column."""
    most: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.model, row.metric)
        most[key] = max(most.get(key, 0), row.n)
    several = len({row.model for row in rows}) > 1
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if 0 < row.n < most[row.model, row.metric]:
            found.setdefault((row.model, row.method), {})[row.metric] = row.n
    said = []
    for (model, method), counts in found.items():
        who = ("The oracle" if method == ORACLE else method) + (f" on {model}" if several else "")
        parts = [f"{METRICS[metric].title} {n} of {most[model, metric]}" for metric, n in counts.items()]
        text = f"{who} has values of fewer images than other methods ({', '.join(parts)})"
        if method == ORACLE:
            said.append(Statement(f"{text}: its means are over other images than theirs.", kind="fewer"))
            continue
        text += ": its means are over other images than theirs, tests take the images that both have."
        said.append(Statement(text, any(n < 0.9 * most[model, metric] for metric, n in counts.items()), "fewer"))
    return said


def folded(said: Sequence[Statement]) -> list[dict[str, Any]]:
    """The statements by kind, those that ask for caution first.

    Example:
        >>> [one["summary"] for one in folded([Statement("Three.", True, "few"), Statement("Four.", kind="level")])]
        ['Images without a score: 1 caution', 'Methods and controls: 1 remark']
    """
    groups = []
    for title, kinds in KINDS.items():
        own = [one for one in said if one.kind in kinds]
        if own:
            own.sort(key=lambda one: not one.warns)
            cautions = sum(one.warns for one in own)
            parts = [_count(cautions, "caution"), _count(len(own) - cautions, "remark")]
            summary = f"{title}: {', '.join(part for part in parts if not part.startswith('0 '))}"
            groups.append({"summary": summary, "cautions": cautions, "said": own})
    return sorted(groups, key=lambda group: not group["cautions"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
