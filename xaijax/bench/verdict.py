"""The box at the top of a report: what can be concluded, how sure that is, what cannot and why, and what to do next."""

import dataclasses
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._runs import command_line
from xaijax._runs.options import DataOptions, ModelOptions, SplitOptions
from xaijax.bench import decisions
from xaijax.bench.calibrated import BELIEVE, Judged
from xaijax.bench.conclusion import Conclusion, best, gaps
from xaijax.bench.results import describe
from xaijax.bench.statistics import RunStatistics
from xaijax.calibrate import VERDICTS
from xaijax.metrics import METRICS, Statement
from xaijax.metrics.statistics import MetricStatistics
from xaijax.plot._statistics import p_text

SAID = {
    "undecided": "undecided, because the calibration had too few images",
    "no": "not believed, for the reason that stands at its column in the results",
}
"""Why nothing is concluded from a metric, where the verdict's title is no reason."""
UNKNOWN = ("not_judged", "no_verdict")
"""Verdicts that say nothing of a metric: the box says why."""
BADGES = {
    "best": "one best method",
    "several": "several best methods",
    "above random": "better than random, not ranked",
    "open": "no best method",
    "nothing": "nothing can be said of the methods",
}
"""What the box says first, by how much can be concluded."""


def boxes(
    run: Mapping[str, Any],
    found: RunStatistics,
    judged: Mapping[str, Judged],
    conclusions: Sequence[Conclusion],
    said: Sequence[Statement],
    decided: Sequence[decisions.Decision] = (),
) -> list[dict[str, Any]]:
    """One box for each model that was calibrated; one for the run where none was.

    Args:
        run: the contents of run.json.
        found: statistics of the run.
        judged: model -> its calibration.
        conclusions: of `conclude`.
        said: statements about the run's health.
        decided: what a run with `--until` decided.

    Returns:
        Values of the template: model, state, badge, can, cannot, next (sentences, or commands), evidence (rows).
    """
    if not conclusions:
        return [_uncalibrated(run, [one.text for one in said if one.kind == "predicts"])]
    made = []
    for one in conclusions:
        knowledge, metrics = judged[one.model], found.models[one.model]
        believed = [name for name in knowledge.believed if name in metrics]
        predictions = [s.text for s in said if s.kind == "predicts" and _model_of(s.text, found.models) == one.model]
        cannot = [
            *predictions,
            *one.cannot,
            *_doubted(knowledge),
            *_classes(said, believed, one.model, several=len(conclusions) > 1),
        ]
        if believed:
            cannot += [*knowledge.notes, *decisions.caution(decided)]
        made.append(
            {
                "model": one.model,
                "state": one.state.replace(" ", "-"),
                "badge": BADGES[one.state],
                "can": list(one.can),
                "cannot": cannot,
                "next": [_sentence(line) for line in one.next],
                "command": "" if believed else _calibrate(run, one.model),
                "evidence": [_evidence(name, metrics[name]) for name in believed],
            }
        )
    return made


def _model_of(text: str, models: Iterable[str]) -> str:
    """The model that a sentence on predictions is of: the longest name, since "net" and "net 2" may both be there."""
    return max((name for name in models if text.startswith(f"Model {name} ")), key=len, default="")


def _uncalibrated(run: Mapping[str, Any], predictions: Sequence[str]) -> dict[str, Any]:
    """The box of a run whose metrics were not calibrated."""
    masks = all("mask" in METRICS[metric].needs for metric in run["metrics"])
    findings = any(model.get("output") == "sigmoid" for model in run["models"])
    command = ""
    if masks:
        why = (
            "Every metric here compares maps with masks: it says what a person would mark, not what the model uses, "
            "and no calibration can judge that."
        )
        advice = "Add metrics that ask the model, such as deletion_mean or sic_mutual, with --metrics."
    elif findings:
        why = "The metrics were not calibrated: that needs one class per image, and these data have several findings."
        advice = "Read the tables as descriptions: they do not say which method is right about the model."
    else:
        why = "The metrics were not calibrated: it is not known which of them can be believed for this model."
        advice = "Calibrate the metrics for this model and these images, then run the benchmark with --calibration."
        command = _calibrate(run, run["models"][0]["name"])
    return {
        "model": "",
        "state": "nothing",
        "badge": BADGES["nothing"],
        "can": [],
        "cannot": [*predictions, why],
        "next": [advice],
        "command": command,
        "evidence": [],
    }


def _calibrate(run: Mapping[str, Any], model: str) -> str:
    """The command that judges the metrics of a run; empty where the run was not made by a command."""
    config = run["config"]
    if not run.get("command") or "data" not in config:
        return ""
    from xaijax.calibrate.config import CalibrateConfig

    path = next((entry["path"] for entry in run["models"] if entry["name"] == model), model)
    words = ["xaijax", "calibrate"]
    words += [] if config["data"] == "phantoms" else ["--data", config["data"]]
    words += [] if path in ("builtin", "") else ["--model", path]
    # What says how images and models are read: without it another model would be judged on other images.
    shared = {field.name for kind in (DataOptions, SplitOptions, ModelOptions) for field in dataclasses.fields(kind)}
    usual = command_line.plain(CalibrateConfig())
    more = {name: value for name, value in config.items() if name in shared and value != usual.get(name)}
    return shlex.join(
        words + command_line.to_arguments({k: v for k, v in more.items() if k not in ("data", "model", "count")})
    )


def _doubted(judged: Judged) -> list[str]:
    """The metrics that nothing is concluded from, by the reason."""
    if not judged.source:
        return []  # said already: there is no calibration
    groups: dict[str, list[str]] = {}
    for metric, (verdict, why) in judged.verdicts.items():
        if verdict == BELIEVE:
            continue
        reason = SAID.get(verdict, VERDICTS[verdict].title)
        if "mask" in METRICS[metric].needs:
            reason = "compared with masks, so about what a person would mark and not about what the model uses"
        elif verdict in UNKNOWN and why:
            reason = f"{reason}, because {why}"
        groups.setdefault(reason, []).append(metric)
    titles = {reason: _join([METRICS[name].title for name in names]) for reason, names in groups.items()}
    return [f"Nothing is concluded from {names}: {reason}." for reason, names in titles.items()]


def _classes(said: Sequence[Statement], believed: Sequence[str], model: str, *, several: bool) -> list[str]:
    """The classes that believed metrics hardly score: a conclusion does not speak of them."""
    return [
        one.text
        for one in said
        if one.kind == "class"
        and any(name in one.text for name in believed)
        and (not several or f" on {model} " in one.text)
    ]


def _evidence(metric: str, one: MetricStatistics) -> dict[str, Any]:
    """How sure a conclusion is by one metric: a row of the box's table."""
    ranking = one.ranking
    chosen = best(metric, one)
    ahead = [gap for gap in gaps(metric, one) if gap.method in (chosen or ranking.methods) and np.isfinite(gap.low)]
    split = one.stability[0]
    return {
        "title": describe(metric)["title"],
        "best": [method.replace("_", " ") for method in chosen],
        "gaps": [
            {"method": gap.method.replace("_", " "), "text": f"{gap.mean:+.3f}", "range": _range(gap.low, gap.high)}
            for gap in ahead
        ],
        "n": ranking.n,
        "p": p_text(ranking.p) if np.isfinite(ranking.p) else "–",
        "same": "" if np.isnan(split.same_best) else f"{100 * split.same_best:.0f} %",
    }


def _range(low: float, high: float) -> str:
    return f"{low:+.3f} to {high:+.3f}"


def _sentence(text: str) -> str:
    return text if text.startswith("xaijax") else text[0].upper() + text[1:]


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
