"""What a run says about its methods, by the metrics that are believed and by no other.

A method is called best where all of this holds: it leads by mean rank or is not distinguishable from the one that does
(Friedman, Nemenyi), on ten images or more, the interval of its difference from the random control excludes 0, and no
other control has a better mean.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from xaijax.bench.calibrated import Judged
from xaijax.bench.statistics import FEWEST, RunStatistics
from xaijax.metrics import METRICS, ORACLE
from xaijax.metrics.statistics import MetricStatistics
from xaijax.plot._style import controls

RANDOM = "random"
State = Literal["best", "several", "above random", "open", "nothing"]


@dataclasses.dataclass(frozen=True)
class Gap:
    """How far a method is ahead of a control: mean paired difference with its 95 % interval; positive is better."""

    method: str
    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """What can be said of one model.

    Attributes:
        model: its name.
        state: how much: one or several `"best"` methods, methods `"above random"`, metrics that disagree (`"open"`), or
            `"nothing"`.
        can: sentences on what can be concluded.
        cannot: sentences on what cannot, and why.
        next: sentences on what to do, without "Next: ".
    """

    model: str
    state: State
    can: tuple[str, ...]
    cannot: tuple[str, ...]
    next: tuple[str, ...]

    def sentences(self) -> list[str]:
        """All of it in order, as the terminal shows it."""
        return [*self.can, *self.cannot, *(f"Next: {line}" for line in self.next)]


def conclude(found: RunStatistics, judged: Mapping[str, Judged]) -> list[Conclusion]:
    """The conclusions of a run, for a reader who wants to know what to use.

    Args:
        found: statistics of the run.
        judged: model -> its calibration; models without one are not concluded from.

    Returns:
        One for each model; none where nothing was calibrated.
    """
    return [_of_model(model, found.models[model], one) for model, one in judged.items() if model in found.models]


def _of_model(model: str, metrics: Mapping[str, MetricStatistics], judged: Judged) -> Conclusion:
    believed = [name for name in judged.believed if name in metrics]
    if not believed:
        reason = judged.why or "no metric of this run can be believed for this model and these images."
        text = f"Nothing can be concluded about the methods: {reason[0].lower()}{reason[1:]}"
        advice = "xaijax calibrate with other metrics or more images says which ones can be used."
        return Conclusion(model, "nothing", (), (text,), (advice,))
    titles = _join([METRICS[name].title for name in believed])
    many = f"{len(believed)} metrics" if len(believed) > 1 else "one metric"
    what = f"{many} that calibration supports here ({titles})"
    enough = [name for name in believed if metrics[name].ranking.n >= FEWEST]
    limits = _limits(metrics, believed, enough)
    told = {name: chosen for name in enough if (chosen := best(name, metrics[name]))}
    leads = {name: chosen for name in enough if (chosen := leading(metrics[name]))}
    if not enough:
        empty = _turned({name: _without_values(metrics[name]) for name in believed})
        advice = f"leave out {_words(list(empty))} with --methods." if empty else "score more images with --count."
        return Conclusion(model, "nothing", (), limits, (advice,))
    if not leads:
        return _alike(model, metrics, enough, what, limits)
    if not told:
        return _unproven(model, metrics, leads, what, limits)
    level = _no_better_than_random(metrics, enough)
    common = [method for method in next(iter(told.values())) if all(method in chosen for chosen in told.values())]
    can, cannot = [], []
    if common:
        verb = "is the best explanation" if len(common) == 1 else "are the best explanations, not distinguishable"
        can.append(f"By the {what} {_words(common)} {verb}.")
    else:
        parts = "; ".join(f"{_words(chosen)} in {METRICS[name].title}" for name, chosen in told.items())
        can.append(f"The {what} do not name one best explanation: {parts}.")
    if level:
        cannot.append(f"Not shown to be better than a random map: {_by_metric(level)}.")
    silent = [METRICS[name].title for name in enough if name not in told]
    if silent:
        cannot.append(f"No method can be called best in {_join(silent)}.")
    avoid = [method for method, names in level.items() if len(names) == len(believed)]
    usable = [method for method in common if method not in level]
    if usable:
        first = f"use {_words(usable[:1])} for this model"
        advice = first + (f", and do not rely on {_words(avoid)}." if avoid else ".")
    else:
        advice = "look at each of these methods, or score more images with --count."
    state: State = ("best" if len(common) == 1 else "several") if common else "open"
    return Conclusion(model, state, tuple(can), (*cannot, *limits), (advice,))


def _limits(metrics: Mapping[str, MetricStatistics], believed: Sequence[str], enough: Sequence[str]) -> tuple[str, ...]:
    """Why no method may be called the best in some metrics, whatever the scores are."""
    said = []
    few = {name: metrics[name].ranking.n for name in believed if name not in enough}
    if few:
        parts = _join([f"{METRICS[name].title} has {n}" for name, n in few.items()])
        said.append(f"Too few images have a value for all methods ({FEWEST} are needed): {parts}.")
        empty = {name: gone for name in few if (gone := _without_values(metrics[name]))}
        if empty:
            said.append(f"No value at all, so that no image counts: {_by_metric(_turned(empty))}.")
    if not any(RANDOM in metrics[name].ranking.methods for name in believed):
        said.append("No method can be called best, because none was compared with a random map.")
    return tuple(said)


def _without_values(one: MetricStatistics) -> list[str]:
    """The ranked methods that have no value on any image."""
    return [mean.method for mean in one.means if mean.method in one.ranking.methods and not mean.n]


def _turned(found: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """metric -> methods as method -> metrics."""
    turned: dict[str, list[str]] = {}
    for name, methods in found.items():
        for method in methods:
            turned.setdefault(method, []).append(name)
    return turned


def _unproven(
    model: str,
    metrics: Mapping[str, MetricStatistics],
    leads: Mapping[str, Sequence[str]],
    what: str,
    limits: tuple[str, ...],
) -> Conclusion:
    """Some methods rank before others, and none of them may be called best."""
    parts = "; ".join(f"{_words(chosen)} in {METRICS[name].title}" for name, chosen in leads.items())
    can = (f"By the {what} methods differ: ahead of the others are {parts}.",)
    said = []
    level = {
        method: names
        for method, names in _no_better_than_random(metrics, list(leads)).items()
        if any(method in chosen for chosen in leads.values())
    }
    if level:
        said.append(f"Not shown to be better than a random map: {_by_metric(level)}.")
    for name, chosen in leads.items():
        outdone = _outdone(name, metrics[name], chosen)
        if outdone:
            said.append(_does_better(outdone, "they do", name))
    if not any(RANDOM in metrics[name].ranking.methods for name in leads):
        advice = "score the random control too: add random to --methods."
    else:
        advice = "try other methods: none of the best is shown to explain more than a random map."
        if not level:
            advice = "try other methods: a control that ignores the model does better than the best of these."
    return Conclusion(model, "open", can, (*said, *limits), (advice,))


def _alike(
    model: str,
    metrics: Mapping[str, MetricStatistics],
    believed: Sequence[str],
    what: str,
    limits: tuple[str, ...],
) -> Conclusion:
    """What is left to say where no explanation is better than another: which of them beat the controls."""
    own = [method for method in metrics[believed[0]].ranking.methods if method not in (ORACLE, *controls())]
    if not own:
        said = "Only controls were scored, and there is no method to conclude on."
        return Conclusion(model, "nothing", (), (said, *limits), ("name explanation methods with --methods.",))
    more = "score more images with --count to tell them apart."
    if len(own) == 1:
        more = f"score other methods too, to compare {_words(own)} with."
    if not any(RANDOM in (pair.first, pair.second) for name in believed for pair in metrics[name].pairs):
        said = f"By the {what} the methods are not distinguishable on these images."
        if len(own) == 1:
            said = f"There is no other explanation that {_words(own)} could be compared with."
            more = "score other methods too, and the random control."
        return Conclusion(model, "nothing", (), (said, *limits), (more,))
    level = _no_better_than_random(metrics, believed)
    above = [method for method in own if method not in level]
    if not above:
        alike = "the methods are not distinguishable, and none is shown"
        said = (
            f"By the {what} {f'{_words(own)} is not shown' if len(own) == 1 else alike} to be better than a random map."
        )
        return Conclusion(
            model, "nothing", (), (said, *limits), ("try other methods, or score more images with --count.",)
        )
    rest = f"; {_words(list(level))} {'is' if len(level) == 1 else 'are'} not shown to" if level else ""
    which = _words(above)
    if not level and len(own) > 1:
        which = "both methods" if len(own) == 2 else f"all {len(own)} methods"
    verb = "explains" if len(above) == 1 else "explain"
    among = "" if len(own) == 1 else ", and the methods are not distinguishable from one another"
    can = f"By the {what} {which} {verb} more than a random map{rest}{among} on these images."
    outdone = {name: found for name in believed if (found := _outdone(name, metrics[name], above))}
    if outdone:
        cannot = [_does_better(found, which, name) for name, found in outdone.items()]
        advice = "try other methods: a control that ignores the model does better than these."
        return Conclusion(model, "open", (can,), (*cannot, *limits), (advice,))
    advice = f"use any of these, such as the fastest, or {more}" if len(above) > 1 else more
    return Conclusion(model, "above random", (can,), limits, (advice,))


def _does_better(found: Sequence[str], than: str, metric: str) -> str:
    """Controls that outdo methods, in a sentence."""
    verb = "do" if len(found) > 1 else "does"
    name = _words(found)
    return (
        f"{name[0].upper()}{name[1:]}, which knows nothing of the model, {verb} better than {than} in "
        f"{METRICS[metric].title}."
    )


def leading(one: MetricStatistics) -> list[str]:
    """The explanation of the best mean rank with those not distinguishable from it; empty where all are alike.

    Controls and the oracle do not compete, and a single explanation is not the best of anything.
    """
    ranking = one.ranking
    own = [place for place, method in enumerate(ranking.methods) if method not in (ORACLE, *controls())]
    if not own or not np.isfinite(ranking.p) or ranking.p > ranking.alpha:
        return []
    first = own[0]
    best = [
        ranking.methods[place] for place in own if ranking.p_nemenyi[first, place] > ranking.alpha or place == first
    ]
    return [] if len(best) == len(own) else best


def best(metric: str, one: MetricStatistics) -> list[str]:
    """The methods that may be called best under a metric, see above; the tables mark them."""
    if one.ranking.n < FEWEST:
        return []
    ahead = {gap.method for gap in gaps(metric, one) if gap.low > 0}
    return [method for method in leading(one) if method in ahead and not _outdone(metric, one, [method])]


def gaps(metric: str, one: MetricStatistics, control: str = RANDOM) -> list[Gap]:
    """How far each explanation is ahead of a control; NaN where too few images have a value for both."""
    sign = 1 if METRICS[metric].higher_is_better else -1
    found = []
    for pair in one.pairs:
        if control not in (pair.first, pair.second):
            continue
        turned = sign if pair.second == control else -sign
        method = pair.first if pair.second == control else pair.second
        if method not in (ORACLE, *controls()):
            low, high = sorted((turned * pair.low, turned * pair.high))
            found.append(Gap(method, turned * pair.difference, low, high))
    return found


def _outdone(metric: str, one: MetricStatistics, methods: Sequence[str]) -> list[str]:
    """Controls other than the random one whose mean is better than that of any of these methods."""
    return [
        control
        for control in controls()
        if control != RANDOM and any(gap.method in methods and gap.mean < 0 for gap in gaps(metric, one, control))
    ]


def _no_better_than_random(metrics: Mapping[str, MetricStatistics], believed: Sequence[str]) -> dict[str, list[str]]:
    """method -> the metrics in which the interval of its difference from the random control has 0 or is below it."""
    found: dict[str, list[str]] = {}
    for name in believed:
        for gap in gaps(name, metrics[name]):
            if np.isfinite(gap.low) and gap.low <= 0:
                found.setdefault(gap.method, []).append(name)
    return found


def _by_metric(found: Mapping[str, Sequence[str]]) -> str:
    parts = (
        f"{_words([method])} ({_join([METRICS[name].title for name in names])})" for method, names in found.items()
    )
    return "; ".join(parts)


def _words(methods: Sequence[str]) -> str:
    return _join([method.replace("_", " ") for method in methods])


def _join(names: Sequence[Any]) -> str:
    return str(names[0]) if len(names) == 1 else f"{', '.join(map(str, names[:-1]))} and {names[-1]}"
