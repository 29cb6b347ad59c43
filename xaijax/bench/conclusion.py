"""What a run says about its methods, in sentences, by the metrics that are believed and by no other."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax.bench.calibrated import Judged
from xaijax.bench.statistics import RunStatistics
from xaijax.metrics import METRICS, ORACLE
from xaijax.metrics.statistics import MetricStatistics
from xaijax.plot._style import controls

RANDOM = "random"
FEWEST = 10
"""Images below which no method is marked as the best: Nemenyi's quantile assumes many."""


def conclude(found: RunStatistics, judged: Mapping[str, Judged]) -> list[str]:
    """The conclusion of a run: a few sentences per model, for a reader who wants to know what to use.

    Args:
        found: statistics of the run.
        judged: model -> its calibration; models without one are not concluded from.

    Returns:
        Sentences; empty where nothing was calibrated.
    """
    lines: list[str] = []
    for model, one in judged.items():
        where = f"On {model}: " if len(judged) > 1 else ""
        lines += [where + line for line in _of_model(found.models[model], one)] if model in found.models else []
    return lines


def _of_model(metrics: Mapping[str, MetricStatistics], judged: Judged) -> list[str]:
    believed = [name for name in judged.believed if name in metrics]
    if not believed:
        reason = judged.why or "no metric of this run can be believed for this model and these images."
        return [
            f"Nothing can be concluded about the methods: {reason[0].lower()}{reason[1:]}",
            "Next: xaijax calibrate with other metrics or more images says which ones can be used.",
        ]
    named = _join([METRICS[name].title for name in believed])
    decided = {name: leading(metrics[name]) for name in believed}
    told = {name: best for name, best in decided.items() if best}
    many = f"{len(believed)} metrics" if len(believed) > 1 else "one metric"
    what = f"{many} that calibration supports here ({named})"
    if not told:
        return _alike(metrics, believed, what)
    lines = []
    common = [method for method in next(iter(told.values())) if all(method in best for best in told.values())]
    if common:
        verb = "is the best explanation" if len(common) == 1 else "are the best explanations, not distinguishable"
        lines.append(f"By the {what} {_words(common)} {verb}.")
    else:
        parts = "; ".join(f"{_words(best)} in {METRICS[name].title}" for name, best in told.items())
        lines.append(f"The {what} do not name one best explanation: {parts}.")
    level = _no_better_than_random(metrics, believed)
    if level:
        parts = "; ".join(
            f"{_words([method])} ({_join([METRICS[name].title for name in names])})" for method, names in level.items()
        )
        lines.append(f"Not shown to be better than a random map: {parts}.")
    usable = [method for method in common if method not in level]
    if usable:
        avoid = [method for method, names in level.items() if len(names) == len(believed)]
        text = f"Next: use {_words(usable[:1])} for this model"
        lines.append(text + (f", and do not rely on {_words(avoid)}." if avoid else "."))
    elif common:
        lines.append("Next: try other methods: none of the best is shown to explain more than a random map.")
    else:
        lines.append("Next: look at each of these methods, or score more images with --count.")
    return lines


def _alike(metrics: Mapping[str, MetricStatistics], believed: Sequence[str], what: str) -> list[str]:
    """What is left to say where no explanation is better than another: which of them beat the random control."""
    own = [method for method in metrics[believed[0]].ranking.methods if method not in (ORACLE, *controls())]
    more = "score more images with --count to tell them apart."
    if not any(RANDOM in (pair.first, pair.second) for name in believed for pair in metrics[name].pairs):
        return [f"By the {what} the methods are not distinguishable on these images.", f"Next: {more}"]
    level = _no_better_than_random(metrics, believed)
    above = [method for method in own if method not in level]
    if not above:
        return [
            f"By the {what} the methods are not distinguishable, and none is shown to be better than a random map.",
            "Next: try other methods, or score more images with --count.",
        ]
    rest = f"; {_words(list(level))} {'is' if len(level) == 1 else 'are'} not shown to" if level else ""
    which = f"all {len(own)} methods" if not level and len(own) > 1 else _words(above)
    verb = "explains" if len(above) == 1 else "explain"
    among = "" if len(own) == 1 else ", and the methods are not distinguishable from one another"
    return [
        f"By the {what} {which} {verb} more than a random map{rest}{among} on these images.",
        f"Next: use any of these, such as the fastest, or {more}" if len(above) > 1 else f"Next: {more}",
    ]


def leading(one: MetricStatistics) -> list[str]:
    """The explanation of the best mean rank with those not distinguishable from it; empty where all are alike.

    Controls and the oracle do not compete.
    """
    ranking = one.ranking
    own = [place for place, method in enumerate(ranking.methods) if method not in (ORACLE, *controls())]
    if not own or not np.isfinite(ranking.p) or ranking.p > ranking.alpha:
        return []
    first = own[0]
    best = [
        ranking.methods[place] for place in own if ranking.p_nemenyi[first, place] > ranking.alpha or place == first
    ]
    return [] if len(best) == len(own) > 1 else best


def best(metric: str, one: MetricStatistics) -> list[str]:
    """The methods that a table marks: the leading ones that are shown to beat the random control, on enough images."""
    if one.ranking.n < FEWEST:
        return []
    level = _no_better_than_random({metric: one}, [metric])
    return [method for method in leading(one) if method not in level]


def _no_better_than_random(metrics: Mapping[str, MetricStatistics], believed: Sequence[str]) -> dict[str, list[str]]:
    """method -> the metrics in which the interval of its difference from the random control has 0 or is below it."""
    found: dict[str, list[str]] = {}
    for name in believed:
        sign = 1 if METRICS[name].higher_is_better else -1
        for pair in metrics[name].pairs:
            if RANDOM not in (pair.first, pair.second):
                continue
            turned = sign if pair.second == RANDOM else -sign
            low = min(turned * pair.low, turned * pair.high)
            method = pair.first if pair.second == RANDOM else pair.second
            if method not in (ORACLE, *controls()) and np.isfinite(low) and low <= 0:
                found.setdefault(method, []).append(name)
    return found


def _words(methods: Sequence[str]) -> str:
    return _join([method.replace("_", " ") for method in methods])


def _join(names: Sequence[Any]) -> str:
    return str(names[0]) if len(names) == 1 else f"{', '.join(map(str, names[:-1]))} and {names[-1]}"
