"""How far the scores of a run can be trusted, in words and numbers."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from xaijax.bench.plan import ORACLE
from xaijax.bench.summary import Row, difference, per_image

# A fall of the information by less than this share of its range is rounding, not a fall.
TOLERANCE = 1e-9
FEW_IMAGES = 10


@dataclasses.dataclass(frozen=True)
class Statement:
    """One sentence about a run; `warns` where it asks for caution."""

    text: str
    warns: bool = False


@dataclasses.dataclass(frozen=True)
class Usage:
    """How many images a metric could score on a model, and why not the others: {reason: images}."""

    model: str
    metric: str
    scored: int
    reasons: Mapping[str, int]


def usage(scores: pa.Table) -> list[Usage]:
    """Counts images, not scores: an image counts as scored when any method but the oracle has a value for it."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    names = ("model", "metric", "method", "image", "value", "reason")
    for model, metric, method, image, value, reason in zip(*(scores[n].to_pylist() for n in names), strict=True):
        if method == ORACLE:
            continue
        images = found.setdefault((model, metric), {})
        if value is not None and not np.isnan(value):
            images[image] = ""
        else:
            images.setdefault(image, reason or "no value")
    result = []
    for (model, metric), images in found.items():
        reasons: dict[str, int] = {}
        for reason in images.values():
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
        result.append(Usage(model, metric, sum(not reason for reason in images.values()), reasons))
    return result


def falling_share(curves: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    """How often revealing more pixels lowered the measured information.

    Args:
        curves: Table with the columns model, image, method, draw, entropy, information (a list per row,
            scaled so that the fully blurred image has 0 and the original 1).

    Returns:
        {(model, entropy): (curves whose raw information falls somewhere, all curves)}; AIC and SIC share their
        information, so each pair counts once.
    """
    seen: dict[tuple[str, str], dict[tuple[str, str, int], bool]] = {}
    names = ("model", "entropy", "image", "method", "draw", "information")
    for model, entropy, image, method, draw, values in zip(*(curves[n].to_pylist() for n in names), strict=True):
        # The values are scaled: the blurred image, which comes first, has 0 and the original 1.
        falls = bool((np.diff([0.0, *values, 1.0]) < -TOLERANCE).any())
        seen.setdefault((model, entropy), {})[image, method, draw] = falls
    return {key: (sum(found.values()), len(found)) for key, found in seen.items()}


def statements(
    scores: pa.Table,
    curves: pa.Table,
    rows: Sequence[Row],
    *,
    better: Mapping[str, bool],
    sentences: Mapping[str, str],
    skipped: Sequence[Sequence[str]] = (),
    seed: int = 0,
) -> list[Statement]:
    """What a reader should know before trusting the table.

    Args:
        scores: Per-image scores.
        curves: Curves; may have no rows.
        rows: The summary.
        better: {metric: whether higher is better}.
        sentences: {reason code: sentence}.
        skipped: (image, reason) of unreadable images.
        seed: Seed of the bootstrap.

    Returns:
        Statements, warnings among them.
    """
    found: list[Statement] = []
    if skipped:
        reasons = "; ".join(f"{image}: {reason}" for image, reason in list(skipped)[:5])
        more = f"; and {len(skipped) - 5} more, listed in run.json" if len(skipped) > 5 else ""
        found.append(Statement(f"{_count(len(skipped), 'image')} could not be read and left out: {reasons}{more}.", True))
    several = len({row.model for row in rows}) > 1
    for entry in usage(scores):
        total = entry.scored + sum(entry.reasons.values())
        if not entry.reasons:
            continue
        why = "; ".join(
            f"{count} because {sentences.get(reason, reason)}" for reason, count in sorted(entry.reasons.items())
        )
        name = _named(entry.metric, entry.model, several)
        text = f"{name} could score {entry.scored} of {_count(total, 'image')}; left out, for all methods alike: {why}."
        found.append(Statement(text, entry.scored < total / 2))
    few = {entry.scored for entry in usage(scores) if 0 < entry.scored < FEW_IMAGES}
    if few:
        found.append(Statement(f"Some scores rest on only {_count(min(few), 'image')}: read their intervals.", True))
    for (model, entropy), (falling, total) in falling_share(curves).items():
        name = _named(f"the {entropy} information", model, several)
        text = (
            f"For {_percent(falling, total)} of the curves {name} fell at some point although more pixels were revealed"
        )
        found.append(Statement(f"{text}.", falling > total / 2))
    found += _controls(scores, rows, better, several, seed)
    return found


def _controls(
    scores: pa.Table, rows: Sequence[Row], better: Mapping[str, bool], several: bool, seed: int
) -> list[Statement]:
    """Compares the controls with the methods: what random beats is not shown to explain anything."""
    found = []
    for model, metric in dict.fromkeys((row.model, row.metric) for row in rows):
        values = per_image(scores, model, metric)
        if "random" not in values:
            continue
        sign = 1.0 if better.get(metric, True) else -1.0
        name = _named(metric, model, several)
        if ORACLE in values:
            gap = difference(values["random"], values[ORACLE], seed=seed)
            if sign * gap.mean > 0:
                sure = _sure(gap.low, gap.high)
                text = (
                    f"In {name} the random control scores better than the ground-truth oracle, by "
                    f"{abs(gap.mean):.3f} on average over {_count(gap.n, 'image')}{sure}: on these images this metric "
                    "does not reward the evidence that a person would call right."
                )
                found.append(Statement(text, True))
        beaten, level = [], []
        for method in values:
            if method in ("random", ORACLE):
                continue
            gap = difference(values[method], values["random"], seed=seed)
            if sign * gap.mean < 0 and np.isfinite(gap.low):
                (beaten if not gap.low <= 0 <= gap.high else level).append(method)
        if beaten:
            text = f"In {name} the random control scores better than {_join(beaten)} (95 % interval without 0)."
            found.append(Statement(text, True))
        if level:
            text = f"In {name} {_join(level)} cannot be told from the random control, which is slightly ahead."
            found.append(Statement(text, True))
    return found


def _sure(low: float, high: float) -> str:
    if not np.isfinite(low):
        return ""
    return f" (95 % interval {low:.3f} to {high:.3f})"


def _named(what: str, model: str, several: bool) -> str:
    return f"{what} on {model}" if several else what


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent(part: int, whole: int) -> str:
    return f"{round(100 * part / whole)} %" if whole else "none"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
