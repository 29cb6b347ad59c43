"""Which verdict a metric gets: rules in a fixed order, with thresholds that are stated."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Count, Range, Share
from xaijax.metrics.calibration.bootstrap import Mean
from xaijax.metrics.calibration.case import DECIDING

Verdict = Literal["believe", "same_kind", "no", "undecided", "not_judged", "no_verdict"]
STEP = 0.05
"""By which `sensitivity` moves each threshold."""


@dataclass(frozen=True)
class Thresholds:
    """What a metric must reach.

    Attributes:
        concordance: lower 95 % bound of C, for `believe`.
        twin: lower 95 % bound of D, for `believe` and `same_kind`; an upper bound below it is `no`.
        random_dominance: largest share of images on which noise is at least as good as the truth, for `believe`.
        random_dominance_upper: its largest upper 95 % bound.
        tau: within a texture, for `same_kind`.
        scored: smallest share of the images of each class that have a value.
        groups: fewest images (or patients) of a construction; with fewer its intervals are not trusted.
        positive: C that the control Pearson(m, T) must reach.
        negative: by how much D of metrics that read the map alone may differ from 0.5.
    """

    concordance: float = 0.7
    twin: float = 0.8
    random_dominance: float = 0.1
    random_dominance_upper: float = 0.2
    tau: float = 0.5
    scored: float = 0.5
    groups: int = 8
    positive: float = 0.99
    negative: float = 0.02


_ALLOWED: dict[str, Any] = {"tau": Annotated[float, Range(-1, 1)], "groups": Count}


def check_thresholds(given: Thresholds | None) -> None:
    """Refuses thresholds that no metric, or every metric, would reach.

    Raises:
        InputError: naming the threshold and what is allowed.
    """
    if given is None:
        return
    if not isinstance(given, Thresholds):
        raise InputError(f"thresholds must be Thresholds(...); got {type(given).__name__}")
    for name, value in dataclasses.asdict(given).items():
        _options.check(_ALLOWED.get(name, Share), value, f"thresholds.{name}")


MOVED = ("concordance", "twin", "random_dominance", "random_dominance_upper", "tau", "scored")


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made of, for one construction.

    Attributes:
        concordance, twin, random_dominance: with intervals.
        tau: mean within textures.
    """

    concordance: Mean
    twin: Mean
    random_dominance: Mean
    tau: float


@dataclass(frozen=True)
class Ruling:
    """A verdict, why, and how many images would decide an undecided one (None where none can be named)."""

    verdict: Verdict
    why: str
    images: int | None = None


def rule(evidence: Mapping[str, Evidence], scored: Mapping[str, float], limits: Thresholds) -> Ruling:
    """The verdict on one metric: the first rule that applies.

    Args:
        evidence: construction -> its numbers; verdicts rest on view, mosaic and parts.
        scored: class -> share of its cases that have a value, the smallest over the constructions.
        limits: thresholds.

    Example:
        >>> sure = Evidence(Mean(1.0, 0.9, 1.0, 24), Mean(1.0, 0.9, 1.0, 24), Mean(0.0, 0.0, 0.14, 24), 1.0)
        >>> rule({"view": sure, "mosaic": sure, "parts": sure}, {"a": 1.0}, Thresholds()).verdict
        'believe'
    """
    few = [name for name, share in scored.items() if share < limits.scored]
    if few or not scored:
        what = ", ".join(f"{name} ({scored[name]:.0%})" for name in few) or "every class"
        return Ruling("not_judged", f"it has a value for fewer than {limits.scored:.0%} of the images of {what}")
    present = {name: evidence[name] for name in DECIDING if name in evidence}
    trusted = {name: one for name, one in present.items() if one.twin.groups >= limits.groups}
    for name, one in trusted.items():
        if one.twin.high < limits.twin:
            return Ruling(
                "no",
                f"in {name} the right place beats the wrong place in {one.twin.value:.0%} of the comparisons (at most "
                f"{one.twin.high:.0%}; {limits.twin:.0%} are needed)",
            )
    missing = [name for name in DECIDING if name not in trusted]
    tests = [test for name, one in trusted.items() for test in _tests(name, one, limits)]
    failed = [test for test in tests if test.state == "fails"]
    if not failed and missing:
        fewest = min((one.twin.groups for name, one in present.items() if name in missing), default=0)
        return Ruling(
            "undecided",
            f"{' and '.join(missing)} {'has' if len(missing) == 1 else 'have'} {fewest} images with a value, fewer "
            f"than {limits.groups}",
            limits.groups,
        )
    open_tests = [test for test in tests if test.state == "open"]
    if not failed and not open_tests:
        return Ruling("believe", "truth beats noise of other textures and its own twin in view, mosaic and parts")
    if not failed:
        return Ruling("undecided", _first(open_tests), _to_decide(open_tests))
    kind = (
        trusted
        and not missing
        and all(one.twin.low >= limits.twin and one.tau >= limits.tau for one in trusted.values())
    )
    if kind:
        return Ruling("same_kind", f"it ranks maps of one texture, but across textures {failed[0].words}")
    return Ruling("no", _first(failed))


@dataclass(frozen=True)
class _Test:
    state: Literal["passes", "fails", "open"]
    words: str
    images: float


def _first(tests: list[_Test]) -> str:
    """One sentence: the first condition, and how many others there are."""
    more = len(tests) - 1
    return tests[0].words + (f" ({more} more condition{'s' * (more > 1)} not met)" if more else "")


def _tests(construction: str, one: Evidence, limits: Thresholds) -> list[_Test]:
    found = [
        _at_least(f"C in {construction}", one.concordance, limits.concordance),
        _at_least(f"D in {construction}", one.twin, limits.twin),
    ]
    dominance, name = one.random_dominance, f"random dominance in {construction}"
    words = f"{name} is {_interval(dominance)}, and must be at most {limits.random_dominance:g}"
    if dominance.value <= limits.random_dominance and dominance.high <= limits.random_dominance_upper:
        return [*found, _Test("passes", words, 0)]
    if dominance.low > limits.random_dominance or math.isnan(dominance.value):
        return [*found, _Test("fails", words, 0)]
    if dominance.value <= limits.random_dominance:
        need = _needed(dominance, dominance.high - dominance.value, limits.random_dominance_upper - dominance.value)
    else:
        need = _needed(dominance, dominance.value - dominance.low, dominance.value - limits.random_dominance)
    return [*found, _Test("open", words, need)]


def _at_least(name: str, mean: Mean, least: float) -> _Test:
    words = f"{name} is {_interval(mean)}, and must be {least:g} or more"
    if mean.low >= least:
        return _Test("passes", words, 0)
    if not mean.high >= least:
        return _Test("fails", words, 0)
    half = mean.value - mean.low if mean.value >= least else mean.high - mean.value
    return _Test("open", words, _needed(mean, half, abs(mean.value - least)))


def _needed(mean: Mean, half: float, margin: float) -> float:
    """Images at which a half-width, which falls with √n, is no larger than the margin."""
    return math.inf if margin <= 0 else mean.groups * (half / margin) ** 2


def _to_decide(tests: list[_Test]) -> int | None:
    most = max(test.images for test in tests)
    return None if math.isinf(most) or most > 1e6 else math.ceil(most - 1e-6)


def _interval(mean: Mean) -> str:
    return f"{mean.value:.2f} ({mean.low:.2f} to {mean.high:.2f})"


def moved(limits: Thresholds) -> dict[str, Thresholds]:
    """The thresholds with one of them moved by 0.05, both ways.

    Example:
        >>> moved(Thresholds())["concordance+0.05"].concordance
        0.75
    """
    found = {}
    for name in MOVED:
        for sign, words in ((1, "+"), (-1, "-")):
            changed: dict[str, Any] = {name: round(getattr(limits, name) + sign * STEP, 10)}
            found[f"{name}{words}{STEP:g}"] = dataclasses.replace(limits, **changed)
    return found
