"""How far the scores of a run can be trusted, in words and numbers."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from xaijax.bench.summary import Row, difference, per_image
from xaijax.metrics import ORACLE

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
    artefacts: Collection[str] = (),
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
        artefacts: The metrics of how much a map marks an artefact: of what the model does, not of how good a method is.
        skipped: (image, reason) of unreadable images.
        seed: Seed of the bootstrap.

    Returns:
        Statements, warnings among them.
    """
    found: list[Statement] = []
    if skipped:
        first = "; ".join(f"{image}: {reason}" for image, reason in list(skipped)[:5])
        more = f"; and {len(skipped) - 5} more, listed in run.json" if len(skipped) > 5 else ""
        found.append(Statement(f"{_count(len(skipped), 'image')} could not be read and left out: {first}{more}.", True))
    several = len({row.model for row in rows}) > 1
    entries = usage(scores)
    alike: dict[tuple[str, int, tuple[tuple[str, int], ...]], list[str]] = {}
    for entry in entries:
        if entry.reasons:
            alike.setdefault((entry.model, entry.scored, tuple(sorted(entry.reasons.items()))), []).append(entry.metric)
    for (model, scored, reasons), metrics in alike.items():
        total = scored + sum(count for _, count in reasons)
        why = "; ".join(f"{count} because {sentences.get(reason, reason)}" for reason, count in reasons)
        name = _named(_join(metrics), model, several)
        found.append(
            Statement(
                f"{name} could score {scored} of {_count(total, 'image')}. Not scored: {why}.", scored < total / 2
            )
        )
    few = [entry.scored for entry in entries if 0 < entry.scored < FEW_IMAGES]
    if few:
        found.append(Statement(f"Some scores rest on only {_count(min(few), 'image')}: read their intervals.", True))
    found += _falls(curves, several)
    for model in dict.fromkeys(row.model for row in rows):
        metrics = list(dict.fromkeys(row.metric for row in rows if row.model == model))
        found += _controls(
            {metric: per_image(scores, model, metric) for metric in metrics}, model, better, artefacts, several, seed
        )
    return sorted(found, key=lambda statement: not statement.warns)


def _falls(curves: pa.Table, several: bool) -> list[Statement]:
    shares: dict[str, list[tuple[str, float]]] = {}
    for (model, entropy), (falling, total) in falling_share(curves).items():
        shares.setdefault(model, []).append((entropy, falling / total))
    found = []
    for model, entries in shares.items():
        parts = _join([f"{share:.0%} of the {entropy} curves".replace("%", " %") for entropy, share in entries])
        name = _named("the measured information", model, several)
        text = f"Revealing more pixels lowered {name} at some point in {parts}; a sound measure would never fall."
        found.append(Statement(text, any(share > 0.5 for _, share in entries)))
    return found


def _controls(
    values: Mapping[str, dict[str, dict[str, float]]],
    model: str,
    better: Mapping[str, bool],
    artefacts: Collection[str],
    several: bool,
    seed: int,
) -> list[Statement]:
    """Compares the controls with the methods: what random beats is not shown to explain anything."""
    upset: list[str] = []
    beaten: dict[str, list[str]] = {}
    marked: dict[str, list[str]] = {}
    level: dict[str, list[str]] = {}
    for metric, methods in values.items():
        if "random" not in methods:
            continue
        sign = 1.0 if better.get(metric, True) else -1.0
        if ORACLE in methods:
            gap = difference(methods["random"], methods[ORACLE], seed=seed)
            if sign * gap.mean > 0:
                upset.append(f"{metric} by {abs(gap.mean):.3f}{_sure(gap.low, gap.high)}")
        for method, images in methods.items():
            if method in ("random", ORACLE):
                continue
            gap = difference(images, methods["random"], seed=seed)
            if not np.isfinite(gap.low):
                continue
            if gap.low <= 0 <= gap.high:
                level.setdefault(method, []).append(metric)
            elif sign * gap.mean < 0:
                (marked if metric in artefacts else beaten).setdefault(method, []).append(metric)
    where = f" on {model}" if several else ""
    found = []
    if upset:
        text = (
            f"The random control scores better than the ground-truth oracle{where} in {_join(upset)}: on these images "
            "these metrics do not reward the evidence that a person would call right."
        )
        found.append(Statement(text, True))
    for method, metrics in beaten.items():
        text = f"{method}{where} scores worse than the random control in {_join(metrics)} (95 % interval without 0)."
        found.append(Statement(text, True))
    for method, metrics in marked.items():
        text = (
            f"{method}{where} marks the artefact more than the random control in {_join(metrics)} (95 % interval "
            "without 0): a faithful map does where the model uses the artefact."
        )
        found.append(Statement(text, True))
    if level:
        parts = "; ".join(f"{method} in {_join(metrics)}" for method, metrics in level.items())
        text = f"Not to be told from the random control{where} with these images (95 % interval with 0): {parts}."
        found.append(Statement(text))
    return found


def _sure(low: float, high: float) -> str:
    if not np.isfinite(low):
        return ""
    return f" (95 % interval {low:.3f} to {high:.3f})"


def _named(what: str, model: str, several: bool) -> str:
    return f"{what} on {model}" if several else what


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
