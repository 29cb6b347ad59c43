"""What a run with `--until` decided, and after how many images: decisions.csv and the report's section.

The intervals are valid although the run stopped because of what it saw, and all at once: with a chance of at most alpha
any of them misses the mean difference of the images that the run took from.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaijax._runs import tables
from xaijax.bench.calibrated import BELIEVE
from xaijax.bench.columns import Columns
from xaijax.bench.deciding import differences_in, width
from xaijax.calibrate import VERDICTS
from xaijax.metrics import METRICS, Statement
from xaijax.metrics.statistics import betting


@dataclasses.dataclass(frozen=True)
class Decision:
    """One comparison of two methods.

    Attributes:
        model, metric, first, second: what is compared; differences are first minus second.
        outcome: `"decided"`, `"equal"` (all images were used and the means are the same), or `"open"`.
        better: the method that is better by the metric's direction, `""` where none is.
        decided_after: images used until then, those without a value included; None where it is not decided.
        n: images with a value for both.
        missing: images used without one.
        difference, low, high: mean and interval at the end of the run, in the metric's unit.
        e, p: evidence at the end of the run and anytime-valid p-value, not corrected for the number of comparisons.
    """

    model: str
    metric: str
    first: str
    second: str
    outcome: str
    better: str
    decided_after: int | None
    n: int
    missing: int
    difference: float
    low: float
    high: float
    e: float
    p: float


def decide(run: Mapping[str, Any], models: Mapping[str, Columns], predicted: pa.Array) -> list[Decision]:
    """What a run decided.

    Args:
        run: the contents of run.json.
        models: their scores.
        predicted: names of the images in all its parts; one without a finding to explain has no scores.

    Returns:
        One `Decision` for each comparison, in their order; none for a run without `--until`.
    """
    until = run.get("until")
    if not until:
        return []
    images = pa.array(run["data"]["images"], pa.string())
    images = images.filter(pc.is_in(images, predicted))
    alpha = float(until["alpha"]) / len(until["comparisons"])
    found = []
    for comparison in until["comparisons"]:
        model, metric, first, second = comparison
        d = differences_in(models, comparison, images)
        seen = betting(d, bound=width(metric), alpha=alpha, population=int(until["population"]))
        outcome, better = "open", ""
        if seen.decided_after is not None:
            outcome = "decided"
            larger = seen.difference[seen.decided_after - 1] > 0
            better = first if larger == METRICS[metric].higher_is_better else second
        elif len(images) == int(until["population"]) and seen.n[-1]:
            outcome = "equal"
        last = [float(column[-1]) for column in (seen.difference, seen.low, seen.high, seen.e, seen.p)]
        n = int(seen.n[-1])
        found.append(
            Decision(model, metric, first, second, outcome, better, seen.decided_after, n, len(images) - n, *last)
        )
    return found


def to_csv(found: Sequence[Decision]) -> str:
    """The decisions as CSV text, the fields of `Decision`."""
    return tables.to_csv([dataclasses.asdict(one) for one in found], [f.name for f in dataclasses.fields(Decision)])


def statements(run: Mapping[str, Any], found: Sequence[Decision]) -> list[Statement]:
    """What to say of a run that stopped by what it saw."""
    if not found:
        return []
    until = run["until"]
    used, size, alpha = found[0].n + found[0].missing, until["population"], until["alpha"]
    counts = {outcome: sum(one.outcome == outcome for one in found) for outcome in ("decided", "equal", "open")}
    last = max((one.decided_after or 0 for one in found), default=0)
    after = f", the last after {last} images" if last else ""
    verb = "is" if counts["decided"] == 1 else "are"
    words = [f"{counts['decided']} of {len(found)} comparisons {verb} decided{after}"]
    words += [f"{counts['equal']} are equal on all images"] if counts["equal"] else []
    words += [f"{counts['open']} could not be decided within {until['budget']} images"] if counts["open"] else []
    said = [
        Statement(
            f"The run used {used} of {size} images: {'; '.join(words)} (alpha {alpha:g}, shared over the "
            f"comparisons). They speak of these {size} images.",
            kind="decided",
        )
    ]
    missing = [one for one in found if one.missing]
    if missing:
        worst = max(missing, key=lambda one: one.missing)
        said.append(
            Statement(
                f"{len(missing)} comparisons lack images without a value, at most {worst.missing} of {used} "
                f"({worst.first} and {worst.second} on {worst.metric}); these images count as used.",
                kind="decided",
            )
        )
    text = (
        "The run stopped because of what it saw: p-values and bootstrap intervals of the other tables assume a number "
        "of images that was fixed before, and are too optimistic here. decisions.csv has valid ones."
    )
    return [*said, Statement(text, True, "decided")]


def caution(found: Sequence[Decision]) -> list[str]:
    """What to add to a conclusion that rests on tests for a fixed number of images."""
    return (
        ["This run stopped because of what it saw, which these tests do not allow for: see decisions.csv."]
        if found
        else []
    )


def shown(
    found: Sequence[Decision], verdicts: Mapping[str, Mapping[str, tuple[str, str]]] | None = None
) -> list[dict[str, Any]]:
    """The lines of the report.

    Args:
        found: the decisions.
        verdicts: model -> metric -> what a calibration says of it, and why.
    """
    outcomes = {"equal": "equal on all images", "open": "open"}
    return [
        {
            "model": one.model,
            "metric": f"{METRICS[one.metric].title} {'↑' if METRICS[one.metric].higher_is_better else '↓'}",
            "doubted": _doubted((verdicts or {}).get(one.model, {}).get(one.metric)),
            "pair": f"{one.first} – {one.second}".replace("_", " "),
            "outcome": outcomes.get(one.outcome, f"{one.better.replace('_', ' ')} is better"),
            "decided": one.outcome == "decided",
            "after": one.decided_after or "–",
            "n": one.n,
            "missing": one.missing,
            "difference": tables.rounded(one.difference),
            "interval": f"{one.low:.3f} to {one.high:.3f}",
        }
        for one in found
    ]


def _doubted(verdict: tuple[str, str] | None) -> str:
    return "" if verdict is None or verdict[0] == BELIEVE else VERDICTS[verdict[0]].title
