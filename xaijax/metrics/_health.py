"""Can scores be trusted here: what was scored, what was skipped and why, and whether the controls behave.

`health` has the numbers of every metric, `statements` the sentences of a report. The random control should lose against
every explanation and the ground-truth oracle should win; where that is not so, the metric does not measure on these
images what it claims to measure.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics._curves import Curves
from xaijax.metrics._groups import Groups, kept, one_of_each
from xaijax.metrics._interval import mean_interval
from xaijax.metrics.metric import ORACLE, RANDOM
from xaijax.metrics.registry import METRICS, REASONS
from xaijax.metrics.scores import HealthTable, Scores

TOLERANCE = 1e-9  # of a scaled information value: rounding, not a fall
FEW_IMAGES = 10
"""Images below which no method and no metric is called worse: the bootstrap interval of two images is their range."""


@dataclass(frozen=True)
class Statement:
    """One sentence about scores.

    Attributes:
        text: the sentence.
        warns: whether it asks for caution.
        kind: what it is about: `"skipped"` images, images that were not `"scored"`, a `"class"` that a metric hardly
            scores, `"few"` images, methods with `"fewer"` than others, information that `"falls"`, the `"oracle"`,
            methods that are `"worse"` than random or `"level"` with it, maps that mark an `"artefact"`, a
            `"calibration"`, what a model `"predicts"`, what a run `"decided"` (these three of `xaijax bench`), or a
            `"note"` of the caller.
    """

    text: str
    warns: bool = False
    kind: Literal[
        "note",
        "skipped",
        "scored",
        "class",
        "few",
        "fewer",
        "predicts",
        "falls",
        "oracle",
        "worse",
        "level",
        "artefact",
        "calibration",
        "decided",
    ] = "note"


@dataclass(frozen=True)
class Usage:
    """How many images a metric could score, and why not the others.

    Attributes:
        metric: its name.
        scored: images with a value.
        reasons: code of `REASONS` -> images without one.
        classes: class -> (images with a value, images); empty where classes are not known.
    """

    metric: str
    scored: int
    reasons: Mapping[str, int]
    classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def neglected(self) -> list[str]:
        """The classes of which the metric scores less than half the share that it scores of all others together.

        Example:
            >>> Usage("aic_webp", 10, {}, {"glioma": (1, 9), "meningioma": (9, 9)}).neglected()
            ['glioma']
        """
        found = []
        for name, (own, images) in self.classes.items():
            others = [counts for other, counts in self.classes.items() if other != name]
            rest = sum(count for count, _ in others)
            if images and own / images < rest / max(sum(count for _, count in others), 1) / 2:
                found.append(name)
        return found


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences over the `n` images where both have a value, with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class MethodHealth:
    """One method under one metric.

    Attributes:
        scored: images with a value.
        mean, median: over these; NaN when there are none.
        non_monotone: share of the raw information curves (blurred image, fractions, original) that fall somewhere; NaN
            without curves.
        revealed_at_once: share of the curves whose first fraction shows the whole image, as a constant map does.
        mask_spread: standard deviation over the random masks of an image, averaged over images; NaN with one mask.
    """

    scored: int
    mean: float
    median: float
    non_monotone: float
    revealed_at_once: float
    mask_spread: float


@dataclass(frozen=True)
class MetricHealth:
    """One metric.

    Attributes:
        images: images asked for.
        used: images with a value for every method but the oracle.
        skipped: code of `REASONS` -> images without a value for at least one of these methods; the first reason counts.
        methods: method -> its health.
        random, oracle: mean of the control over the images that both controls have a value for (of either alone, where
            the other is missing); NaN when not scored.
        warnings: sentences for the report.
        classes: class -> (images with a value for any method but the oracle, images); empty where classes are not
            known.
    """

    images: int
    used: int
    skipped: dict[str, int]
    methods: dict[str, MethodHealth]
    random: float
    oracle: float
    warnings: tuple[str, ...]
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __repr__(self) -> str:
        parts = [f"{self.used} of {_count(self.images, 'image')} used", _count(len(self.methods), "method")]
        controls = [f"random {self.random:.3f}", f"oracle {self.oracle:.3f}", _count(len(self.warnings), "warning")]
        return f"MetricHealth({', '.join(parts + controls)})"


def health(
    scores: Scores, labels: Mapping[str, str] | None = None, *, random: str = RANDOM, oracle: str = ORACLE
) -> dict[str, MetricHealth]:
    """The health report of every metric in `scores`.

    Args:
        scores: from `evaluate`.
        labels: image -> its class, to count by class too; of findings not needed, which count as classes themselves.
        random: the name of the method that is a random map.
        oracle: the name of the method that is the ground truth.

    Returns:
        metric -> `MetricHealth`, in the order of the scores.

    Example:
        >>> rows = [(str(i), m, "iou", v, "") for i in range(12) for m, v in (("random", 0.5), ("oracle", 0.2))]
        >>> health(Scores.from_rows(rows))["iou"].warnings[0]
        'the random map (0.500) beats the ground truth (0.200) in iou: here the metric does not measure what it claims'
    """
    used = {one.metric: one for one in usage(scores, labels)}
    scores = scores.paired()
    return {
        metric: _metric_health(scores, metric, used.get(metric, Usage(metric, 0, {})), random, oracle)
        for metric in scores.metrics()
    }


def as_dict(report: dict[str, MetricHealth]) -> dict[str, Any]:
    """The report as plain dictionaries, NaN as None, ready for JSON."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and np.isnan(value) else value

    return {metric: plain(asdict(entry)) for metric, entry in report.items()}


def usage(scores: HealthTable, labels: Mapping[str, str] | None = None) -> list[Usage]:
    """Counts images, not scores: an image counts as scored when any method but the oracle has a value for it.

    Args:
        scores: from `evaluate`.
        labels: image -> its class; a finding is a class by itself.

    Returns:
        One `Usage` per metric, in the order of the scores.
    """
    found = []
    for metric in scores.metrics():
        images, methods, _ = scores.matrix(metric)
        codes, names = scores.reasons(metric)
        codes = codes[:, [method != ORACLE for method in methods]]
        there = np.flatnonzero((codes >= 0).any(axis=1))
        if not len(there):
            continue
        codes = codes[there]
        scored = (codes == 0).any(axis=1)
        # Of an image without a value the reason of the first method counts.
        first = codes[np.arange(len(codes)), (codes > 0).argmax(axis=1)][~scored]
        every, place, count = np.unique(first, return_index=True, return_counts=True)
        reasons = {names[every[i]]: int(count[i]) for i in np.argsort(place)}
        kept = [images[i] for i in there] if isinstance(images, list) else images[there]
        found.append(Usage(metric, int(scored.sum()), reasons, _by_class(scored, *scores.classes(kept, labels))))
    return found


def _by_class(scored: NDArray[np.bool_], codes: NDArray[np.int32], names: Sequence[str]) -> dict[str, tuple[int, int]]:
    """class -> (images with a value, images), in the order of the classes' names."""
    known = codes >= 0
    images = np.bincount(codes[known], minlength=len(names))
    good = np.bincount(codes[known & scored], minlength=len(names))
    return {
        name: (int(good[i]), int(images[i])) for i, name in sorted(enumerate(names), key=lambda x: x[1]) if images[i]
    }


def falling_share(curves: Curves) -> dict[str, tuple[int, int]]:
    """How often revealing more pixels lowered the measured information.

    Returns:
        {information measure: (curves whose raw information falls somewhere, all curves)}; AIC and SIC share their
        information, so each image, method and random mask counts once.
    """
    seen: dict[str, dict[tuple[str, str, int], bool]] = {}
    curves = curves.paired()
    columns = (curves.metric, curves.image, curves.method, curves.draw, _falls(curves))
    for metric, image, method, draw, falls in zip(*columns, strict=True):
        seen.setdefault(METRICS[metric].measure, {})[image, method, draw] = bool(falls)
    return {measure: (sum(found.values()), len(found)) for measure, found in seen.items()}


def paired_difference(
    images: Sequence[str], first: Any, second: Any, *, groups: Groups | None = None, seed: int = 0
) -> Difference:
    """Compares two methods on the images that both have a value for.

    Args:
        images: `[N]` names; the bootstrap draws them in alphabetical order, whatever their order here.
        first: `[N]`, NaN where there is no value.
        second: `[N]`, likewise.
        groups: `[N]` what belongs together and counts once, by its mean: the findings of an image, the images of a
            patient; None: every value stands alone.
        seed: of the bootstrap.

    Returns:
        The mean of `first - second` with its interval; NaN where they share no image.

    Example:
        >>> paired_difference(["a", "b", "c"], [1.0, 3.0, np.nan], [np.nan, 1.0, 9.0]).mean
        2.0
    """
    order = sorted(range(len(images)), key=lambda i: images[i])
    first, second = (np.asarray(one, np.float64)[order] for one in (first, second))
    return _difference(first - second, None if groups is None else [groups[i] for i in order], seed)


def _difference(deltas: NDArray[np.float64], groups: Groups | None, seed: int) -> Difference:
    """The mean of differences in a fixed order, NaN for none, with its interval."""
    known = ~np.isnan(deltas)
    deltas = one_of_each(deltas[known], kept(groups, known))
    low, high = mean_interval(deltas, seed=seed)
    return Difference(float(deltas.mean()) if len(deltas) else float("nan"), low, high, len(deltas))


def statements(
    scores: HealthTable | Mapping[str, HealthTable],
    labels: Mapping[str, str] | None = None,
    *,
    skipped: Sequence[Sequence[str]] = (),
    believed: Collection[tuple[str, str]] | None = None,
    patients: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> list[Statement]:
    """What a reader should know before trusting a table of scores.

    Args:
        scores: of one model, or by the names of several models.
        labels: image -> its class, for what is said by class.
        skipped: (image, reason) of images that could not be read.
        believed: (model, metric) of those that methods may be compared by; the model is `""` where `scores` are of
            one; default: all. Of other metrics it is said what they could score, and nothing about methods.
        patients: image -> its patient, where several images are of one; a patient counts once.
        seed: of the bootstrap.

    Returns:
        Sentences, warnings first.

    Example:
        >>> rows = [(str(i), m, "iou", v + 0.01 * i, "") for i in range(12) for m, v in (("cam", 0.2), ("random", 0.5))]
        >>> statements(Scores.from_rows(rows))[0].text
        'cam scores worse than the random control in iou (95 % interval excludes 0).'
    """
    models: dict[str, HealthTable] = dict(scores) if isinstance(scores, Mapping) else {"": scores}
    several = len(models) > 1
    found: list[Statement] = []
    if skipped:
        first = "; ".join(f"{image}: {reason}" for image, reason in list(skipped)[:5])
        more = f"; and {len(skipped) - 5} more, listed in run.json" if len(skipped) > 5 else ""
        text = f"{_count(len(skipped), 'image')} could not be read and left out: {first}{more}."
        found.append(Statement(text, True, "skipped"))
    entries = [(model, entry) for model, some in models.items() for entry in usage(some, labels)]
    alike: dict[tuple[str, int, tuple[tuple[str, int], ...]], list[str]] = {}
    for model, entry in entries:
        if entry.reasons:
            alike.setdefault((model, entry.scored, tuple(sorted(entry.reasons.items()))), []).append(entry.metric)
    for (model, scored, reasons), metrics in alike.items():
        total = scored + sum(count for _, count in reasons)
        why = "; ".join(f"{count} because {REASONS.get(reason, reason)}" for reason, count in reasons)
        name = _named(_join(metrics), model, several)
        text = f"{name} could score {scored} of {_count(total, 'image')}. Not scored: {why}."
        found.append(Statement(text, scored < total / 2, "scored"))
    found += _neglected(entries, several)
    few = [entry.scored for _, entry in entries if 0 < entry.scored < FEW_IMAGES]
    if few:
        text = f"Some scores rest on only {_count(min(few), 'image')}: read their intervals."
        found.append(Statement(text, True, "few"))
    for model, some in models.items():
        found += _falling(some.curves, model, several)
    for model, some in models.items():
        metrics = [one for one in some.metrics() if believed is None or (model, one) in believed]
        found += _against_controls(some, metrics, model, several, patients or {}, seed)
    return sorted(found, key=lambda statement: not statement.warns)


def _neglected(entries: Sequence[tuple[str, Usage]], several: bool) -> list[Statement]:
    """Classes that a metric hardly scores: its mean is about the others."""
    alike: dict[tuple[str, str, tuple[int, int], tuple[int, int]], list[str]] = {}
    for model, entry in entries:
        for name in entry.neglected():
            others = [counts for other, counts in entry.classes.items() if other != name]
            rest = sum(scored for scored, _ in others), sum(images for _, images in others)
            alike.setdefault((model, name, entry.classes[name], rest), []).append(entry.metric)
    found = []
    for (model, name, (own, images), (more, every)), metrics in alike.items():
        what = _named(_join(metrics), model, several)
        text = (
            f"{what} could score {own} of {_count(images, 'image')} of {name} and {more} of {every} of all others: "
            f"the mean says little about {name}."
        )
        found.append(Statement(text, True, "class"))
    return found


def _falling(curves: Curves, model: str, several: bool) -> list[Statement]:
    shares = {measure: falling / total for measure, (falling, total) in falling_share(curves).items()}
    if not shares:
        return []
    parts = _join([f"{share:.0%} of the {measure} curves".replace("%", " %") for measure, share in shares.items()])
    name = _named("the measured information", model, several)
    text = f"Revealing more pixels lowered {name} at some point in {parts}; a sound measure would never fall."
    return [Statement(text, any(share > 0.5 for share in shares.values()), "falls")]


def _against_controls(
    scores: HealthTable, metrics: Sequence[str], model: str, several: bool, patients: Mapping[str, Any], seed: int
) -> list[Statement]:
    """Compares the controls with the methods: what random beats is not shown to explain anything."""
    upset: list[str] = []
    unshown: list[str] = []
    few: dict[str, list[str]] = {}
    beaten: dict[str, list[str]] = {}
    marked: dict[str, list[str]] = {}
    level: dict[str, list[str]] = {}
    for metric in metrics:
        images, methods, values = scores.matrix(metric)
        # Only methods with a value, in the order in which their first values come.
        order = np.where(np.isnan(values), np.inf, np.arange(values.size).reshape(values.shape)).min(axis=0)
        if RANDOM not in methods:
            continue
        # The bootstrap draws images in the order of their names, whatever their order in the table.
        places, groups = scores.alphabetical(images), scores.units(metric, patients)
        values = values[places]
        groups = groups[places] if isinstance(groups, np.ndarray) else [groups[i] for i in places]
        columns = {methods[i]: values[:, i] for i in np.argsort(order) if np.isfinite(order[i])}
        if RANDOM not in columns:
            continue
        sign = 1.0 if _higher_is_better(metric) else -1.0
        if ORACLE in columns:
            gap = _difference(columns[RANDOM] - columns[ORACLE], groups, seed)
            if sign * gap.mean > 0:
                sure = gap.n >= FEW_IMAGES and not gap.low <= 0 <= gap.high
                words = f"{metric} by {abs(gap.mean):.3f}{_interval(gap, with_images=not sure)}"
                (upset if sure else unshown).append(words)
        for method, own in columns.items():
            if method in (RANDOM, ORACLE):
                continue
            gap = _difference(own - columns[RANDOM], groups, seed)
            if not np.isfinite(gap.low):
                continue
            if gap.low <= 0 <= gap.high:
                level.setdefault(method, []).append(metric)
            elif sign * gap.mean < 0 and gap.n < FEW_IMAGES:
                few.setdefault(method, []).append(metric)
            elif sign * gap.mean < 0:
                # These metrics tell what the model uses, not how good a method is.
                artefact = metric in METRICS and METRICS[metric].family == "artefact"
                (marked if artefact else beaten).setdefault(method, []).append(metric)
    where = f" on {model}" if several else ""
    found = []
    if upset:
        text = (
            f"The random control scores better than the ground-truth oracle{where} in {_join(upset)}: on these images "
            "these metrics do not reward the evidence that a person would call right."
        )
        found.append(Statement(text, True, "oracle"))
    if unshown:
        text = (
            f"The ground-truth oracle is not shown to score better than the random control{where}: the mean of the "
            f"latter is better in {_join(unshown)}, which is too little to say that these metrics fail here."
        )
        found.append(Statement(text, True, "oracle"))
    for method, names in beaten.items():
        text = f"{method}{where} scores worse than the random control in {_join(names)} (95 % interval excludes 0)."
        found.append(Statement(text, True, "worse"))
    for method, names in marked.items():
        text = (
            f"{method}{where} marks the artefact more than the random control in {_join(names)} (95 % interval "
            "excludes 0): a faithful map does where the model uses the artefact."
        )
        found.append(Statement(text, True, "artefact"))
    if few:
        parts = "; ".join(f"{method} in {_join(names)}" for method, names in few.items())
        text = (
            f"Below the random control{where} on fewer than {FEW_IMAGES} images, which are too few to call a method "
            f"worse: {parts}."
        )
        found.append(Statement(text, kind="few"))
    if level:
        parts = "; ".join(f"{method} in {_join(names)}" for method, names in level.items())
        how = "with these images (95 % interval includes 0)"
        text = f"Not distinguishable from the random control{where} {how}: {parts}."
        found.append(Statement(text, kind="level"))
    return found


def _falls(curves: Curves) -> NDArray[np.bool_]:
    """`[N]` whether the information of a curve falls anywhere between the blurred image (0) and the original (1)."""
    ends = np.zeros((len(curves), 1)), np.ones((len(curves), 1))
    raw = np.concatenate([ends[0], curves.information, ends[1]], axis=1)
    return np.asarray((np.diff(raw, axis=1) < -TOLERANCE).any(axis=1))


def _higher_is_better(metric: str) -> bool:
    return METRICS[metric].higher_is_better if metric in METRICS else True


def _interval(gap: Difference, *, with_images: bool) -> str:
    """The interval of a difference in brackets, where there is one, and of how many images."""
    parts = [f"95 % interval {gap.low:.3f} to {gap.high:.3f}"] if np.isfinite(gap.low) else []
    parts += [_count(gap.n, "image")] if with_images else []
    return f" ({', '.join(parts)})" if parts else ""


def _named(what: str, model: str, several: bool) -> str:
    return f"{what} on {model}" if several else what


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _metric_health(scores: Scores, metric: str, used: Usage, random: str, oracle: str) -> MetricHealth:
    chosen = scores.select(metric=metric)
    images, methods, values = chosen.matrix(metric)
    # The oracle lacks images that have no mask, which says nothing about the metric.
    judged = np.asarray([method != oracle for method in methods])
    complete = ~np.isnan(values[:, judged]).any(axis=1)
    reasons: dict[str, str] = {}
    for image, method, reason in zip(chosen.image, chosen.method, chosen.reason, strict=True):
        if reason and method != oracle:
            reasons.setdefault(image, reason)
    entries = {method: _method_health(chosen, method, values[:, i]) for i, method in enumerate(methods)}
    controls = _control_means(methods, values, random, oracle)
    gap = _control_gap(methods, values, random, oracle)
    return MetricHealth(
        images=len(images),
        used=int(complete.sum()),
        skipped=dict(Counter(reasons.values())),
        methods=entries,
        random=controls[0],
        oracle=controls[1],
        warnings=(
            *_warnings(metric, len(images), complete.sum(), entries, controls, gap, Counter(reasons.values())),
            *(one.text.rstrip(".") for one in _neglected([("", used)], several=False)),
        ),
        classes=dict(used.classes),
    )


def _method_health(chosen: Scores, method: str, values: np.ndarray) -> MethodHealth:
    present = values[~np.isnan(values)]
    curves = chosen.curves.select(method=method)
    falls = at_once = spread = float("nan")
    if len(curves):
        falls = float(_falls(curves).mean())
        # The information alone could be 1 by chance (Shannon entropy need not grow); all points of both cannot.
        at_once = float(((curves.information == 1.0) & (curves.response == 1.0)).all(axis=1).mean())
        deviations = []
        for image in dict.fromkeys(curves.image):
            draws = curves.auc[curves.image == image]
            if len(draws) > 1:
                deviations.append(np.std(draws, ddof=1))
        spread = float(np.mean(deviations)) if deviations else float("nan")
    return MethodHealth(
        scored=len(present),
        mean=float(present.mean()) if present.size else float("nan"),
        median=float(np.median(present)) if present.size else float("nan"),
        non_monotone=falls,
        revealed_at_once=at_once,
        mask_spread=spread,
    )


def _control_means(methods: list[str], values: np.ndarray, random: str, oracle: str) -> tuple[float, float]:
    columns = [methods.index(name) if name in methods else None for name in (random, oracle)]
    present = [column for column in columns if column is not None]
    both = ~np.isnan(values[:, present]).any(axis=1)
    means = [
        float("nan") if column is None or not both.any() else float(values[both, column].mean()) for column in columns
    ]
    return means[0], means[1]


def _control_gap(methods: list[str], values: np.ndarray, random: str, oracle: str) -> Difference:
    """The random control minus the oracle, over the images where both have a value."""
    if random not in methods or oracle not in methods:
        return Difference(float("nan"), float("nan"), float("nan"), 0)
    return _difference(values[:, methods.index(random)] - values[:, methods.index(oracle)], None, 0)


def _warnings(
    metric: str,
    images: int,
    used: int,
    entries: dict[str, MethodHealth],
    controls: tuple[float, float],
    gap: Difference,
    skipped: Counter[str],
) -> list[str]:
    found = []
    if images and used == 0:
        found.append(f"no image could be scored by {metric}")
    elif used < images / 2:
        reason = REASONS[skipped.most_common(1)[0][0]]
        found.append(f"only {used} of {images} images could be scored by {metric}; most often {reason}")
    higher = _higher_is_better(metric)
    random, oracle = controls
    # NaN compares false: no verdict without both controls.
    if (random > oracle) if higher else (random < oracle):
        sure = gap.n >= FEW_IMAGES and not gap.low <= 0 <= gap.high
        found.append(
            f"the random map ({random:.3f}) beats the ground truth ({oracle:.3f}) in {metric}: here the metric does "
            "not measure what it claims"
            if sure
            else f"the ground truth ({oracle:.3f}) is not shown to beat the random map ({random:.3f}) in {metric} on "
            f"{_count(gap.n, 'image')}: too little to say that the metric fails here"
        )
    falling = [entry.non_monotone for entry in entries.values() if not np.isnan(entry.non_monotone)]
    if falling and np.mean(falling) > 0.5:
        found.append(
            f"{np.mean(falling):.0%} of the information curves of {metric} fall somewhere before they are sorted"
        )
    for method, entry in entries.items():
        if entry.revealed_at_once > 0:
            found.append(
                f"{entry.revealed_at_once:.0%} of the maps of {method} show the whole image at the first fraction, as "
                f"a constant map does: their {metric} is the diagonal's and says nothing"
            )
    return found
