"""The verdicts in words: how each is called, what it means, what to do, and the short reason of one metric.

A calibration is read here as the values of `calibration.json` (docs/calibration.md describes them).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """How a verdict is shown.

    Attributes:
        name: as in `calibration.json`.
        title: a heading in plain words.
        meaning: what a reader may do with such a metric, one sentence.
        mark: one letter that stands for it where there is no colour.
    """

    name: str
    title: str
    meaning: str
    mark: str


VERDICTS: Mapping[str, Verdict] = {
    one.name: one
    for one in (
        Verdict("believe", "believe", "Compare any maps with it.", "✓"),
        Verdict(
            "same_kind",
            "only between maps of one kind",
            "Compare maps of one texture with it, such as two smooth class activation maps, never smooth with grainy "
            "ones.",
            "≈",
        ),
        Verdict("undecided", "undecided", "Calibrate with more images before you use it.", "?"),
        Verdict("no", "do not believe", "Draw no conclusion from it for this model and these images.", "✗"),
        Verdict("not_judged", "not judged", "Nothing is known: the calibration could not test it.", "–"),
        Verdict("no_verdict", "no verdict", "A control of the calibration failed: nothing may be concluded.", "–"),
    )
}
"""All verdicts, the best first."""


def in_order(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of metrics by verdict, then by falling concordance, then by name.

    Example:
        >>> in_order({"a": {"verdict": "no", "concordance": 0.6}, "b": {"verdict": "believe", "concordance": 0.8}})
        ['b', 'a']
    """
    rank = {name: number for number, name in enumerate(VERDICTS)}

    def key(name: str) -> tuple[int, float, str]:
        c = metrics[name].get("concordance")
        return rank[metrics[name]["verdict"]], -(-1.0 if c is None else c), name

    return sorted(metrics, key=key)


def by_verdict(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """verdict -> its metrics, in the order of `in_order`; verdicts without a metric are left out."""
    found: dict[str, list[str]] = {}
    for name in in_order(metrics):
        found.setdefault(metrics[name]["verdict"], []).append(name)
    return found


def short_reason(judgement: Mapping[str, Any], thresholds: Mapping[str, float]) -> str:
    """Why a metric has its verdict, in a few words a reader understands without knowing the tests.

    Args:
        judgement: of one metric, as in `calibration.json`.
        thresholds: of the calibration.

    Example:
        >>> short_reason({"verdict": "no", "twin_interval": [0.47, 0.53], "interval": [0.8, 0.9]}, {"twin": 0.8})
        'does not see where the map points'
    """
    verdict = judgement["verdict"]
    if verdict == "believe":
        return "the truer map wins, and noise rarely does"
    if verdict == "undecided":
        return "too few images to decide"
    if verdict == "not_judged":
        shares = {name: share for name, share in judgement.get("scored", {}).items() if share is not None}
        low = min(shares, key=lambda name: shares[name]) if shares else None
        if low is not None and shares[low] < thresholds.get("scored", 0.5):
            return f"it scores only {shares[low]:.0%} of class {low}".replace("%", " %")
        return judgement.get("why", "") or "cannot be tested on fixed maps"
    if verdict == "no_verdict":
        return "a control failed"
    high = _bound(judgement, "twin_interval", 1)
    if verdict == "no" and high is not None and high < thresholds.get("twin", 0.8):
        blind = judgement.get("twin", high) < 0.6
        return "does not see where the map points" if blind else "too often misses where the map points"
    dominance = judgement.get("random_dominance")
    if verdict == "same_kind":
        return "right within one kind of map only"
    if dominance is not None and dominance > thresholds.get("random_dominance", 0.1):
        return f"noise beats the truth in {dominance:.0%} of the images".replace("%", " %")
    return "changes its order with the texture of the map"


def _bound(judgement: Mapping[str, Any], name: str, side: int) -> float | None:
    bounds: Sequence[float | None] = judgement.get(name) or (None, None)
    return bounds[side]


def knows_nothing(textures: int) -> float:
    """Random dominance of a metric that knows nothing: one of k textures beats the truth in k/(k+1) of the images.

    Example:
        >>> knows_nothing(3)
        0.75
    """
    return textures / (textures + 1)


def headline(found: Mapping[str, Any]) -> str:
    """How many metrics can be believed, for what: over the figure and the page."""
    groups = by_verdict(found["metrics"])
    where = f"for {found['model']['name']} on {found['data']['name']}"
    many = len(found["metrics"])
    if "no_verdict" in groups:
        return f"No verdict on {many} metrics {where}"
    if "believe" in groups:
        return f"{len(groups['believe'])} of {many} metrics can be believed {where}"
    if "undecided" in groups:
        return f"{len(groups['undecided'])} of {many} metrics are undecided {where}, none can be believed yet"
    return f"None of {many} metrics can be believed {where}"


def conclusion(found: Mapping[str, Any], titles: Mapping[str, str]) -> list[str]:
    """What a calibration says, in sentences: what to believe, what not, what to do next.

    Args:
        found: the values of `calibration.json`.
        titles: metric -> its title.

    Returns:
        Sentences, the most important first.
    """
    groups = by_verdict(found["metrics"])

    def named(verdict: str) -> str:
        return _join([titles.get(name, name) for name in groups[verdict]])

    many = len(found["metrics"])
    if "no_verdict" in groups:
        reason = found["controls"].get("reason") or "a control failed"
        return [f"No verdict: {reason}. Nothing may be concluded from any of the {many} metrics."]
    model, data = found["model"]["name"], found["data"]["name"]
    lines = []
    if "believe" in groups:
        count = f"{len(groups['believe'])} of {many} metrics"
        lines.append(f"For {model} on {data} you can believe {count}: {named('believe')}.")
    else:
        none = "the one metric cannot" if many == 1 else f"none of the {many} metrics can"
        lines.append(f"For {model} on {data} {none} be believed.")
    if "same_kind" in groups:
        lines.append(f"Only between maps of one kind, such as two smooth maps: {named('same_kind')}.")
    if "undecided" in groups:
        lines.append(f"Undecided: {named('undecided')}.")
    if "no" in groups:
        lines.append(f"Do not believe here: {named('no')}.")
    if "not_judged" in groups:
        lines.append(f"Not judged: {named('not_judged')}.")
    lines.append(next_step(found, titles))
    return lines


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def next_step(found: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    """What to do with a calibration."""
    groups = by_verdict(found["metrics"])
    believed, undecided = groups.get("believe", []), groups.get("undecided", [])
    more = ""
    if undecided:
        if any("no_time" in one["left_out"] for one in found["constructions"].values()):
            more = "give it more time (--resume, without --minutes or with more)"
        else:
            count = images_to_decide(found)
            more = f"calibrate again with {f'--count {count}' if count else 'more images'}"
            if count:
                undecided = [name for name in undecided if _cases_to_decide(found["metrics"][name]) <= _nearest(found)]
    named = _join([titles.get(name, name) for name in undecided]) if undecided else ""
    if believed:
        rest = f" To decide {named}, {more}." if more else ""
        return f"Next: score your methods with --metrics {' '.join(believed)}.{rest}"
    if more:
        return f"Next: {more}, which should decide {named}."
    if found["depth"] == "quick":
        return "Next: calibrate more metrics, or again with --depth full; do not rank methods by these."
    return "Next: calibrate other metrics; do not rank methods by these."


def images_to_decide(found: Mapping[str, Any]) -> int | None:
    """How many images to ask for, so that half of the undecided metrics are decided; None where nobody can say.

    A metric states how many cases of a construction it needs. Not every image gives one, so more images are needed by
    the share that gave one.
    """
    cases = [one["groups"] for name, one in found["constructions"].items() if name in ("view", "mosaic", "parts")]
    images, wanted = found["data"]["images"], _nearest(found)
    if math.isinf(wanted) or not cases or not min(cases):
        return None
    return max(math.ceil(wanted * images / min(cases)), images + 1)


def _nearest(found: Mapping[str, Any]) -> float:
    """The cases that decide half of the undecided metrics: the others may need many times as many."""
    undecided = [_cases_to_decide(one) for one in found["metrics"].values() if one["verdict"] == "undecided"]
    wanted = sorted(cases for cases in undecided if math.isfinite(cases))
    return wanted[(len(wanted) - 1) // 2] if wanted else math.inf


def _cases_to_decide(one: Mapping[str, Any]) -> float:
    return one.get("images_to_decide") or math.inf
