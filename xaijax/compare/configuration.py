"""What differs between the configurations of runs, and which of their metrics mean the same."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax.compare.runs import Run
from xaijax.metrics import METRICS

LEFT_OUT = {"out", "resume", "config", "recompute_changed", "batch_size", "devices", "part", "gallery"}
"""Options that enter no score."""


def differences(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The values that are not the same in all runs.

    Returns:
        Rows of `about` ("data", "model", "settings", "option", "version", "machine"), `what`, and `values`, one text
        for each run, in an order of what matters most.
    """
    facts = [_facts(run) for run in runs]
    names = dict.fromkeys(key for own in facts for key in own)
    order = ["data", "model", "methods", "metrics", "settings", "option", "version", "machine"]
    rows = []
    for about, what in sorted(names, key=lambda key: order.index(key[0])):
        values = [own.get((about, what), "–") for own in facts]
        if len(set(values)) > 1:
            rows.append({"about": about, "what": what, "values": values})
    return rows


def _facts(run: Run) -> dict[tuple[str, str], str]:
    values = run.values
    data = values["data"]
    found: dict[tuple[str, str], str] = {
        ("data", "name"): str(data.get("name", "")) or "–",
        ("data", "images"): str(len(run.images)),
        ("data", "classes"): ", ".join(map(str, data.get("classes", ()))),
        ("methods", "methods"): ", ".join(values["methods"]),
        ("metrics", "metrics"): ", ".join(values["metrics"]),
    }
    several = len(run.models) > 1
    for model in values["models"]:
        where = f"{model['name']}: " if several else ""
        for name in ("name", "path", "digest", "classes", "input_shape", "output", "preprocess"):
            if model.get(name) not in (None, ""):
                found["model", f"{where}{name.replace('_', ' ')}"] = _text(model[name])
    for family, options in (values.get("settings") or {}).items():
        for name, value in options.items():
            found["settings", f"{family}.{name}"] = _text(value)
    for name, value in (values.get("config") or {}).items():
        if name not in LEFT_OUT and name not in ("data", "model", "methods", "metrics"):
            found["option", f"--{name.replace('_', '-')}"] = _text(value)
    for name, value in (values.get("versions") or {}).items():
        found["version", name] = _text(value)
    for name in ("processor", "devices"):
        if name in (values.get("machine") or {}):
            found["machine", name] = _text(values["machine"][name])
    return found


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "none"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def comparable(first: Run, second: Run) -> tuple[list[str], list[str]]:
    """The metrics that mean the same in two runs, and sentences on the others."""
    there = set(second.values["metrics"])
    shared = [metric for metric in first.values["metrics"] if metric in there]
    said = [
        f"This version of xaijax does not have the metric{'s' * (len(run.unknown) > 1)} {', '.join(run.unknown)} of "
        f"{run.name}: not compared."
        for run in (first, second)
        if run.unknown
    ]
    kept = []
    for metric in shared:
        family = METRICS[metric].family
        was, now = _settings(first, family), _settings(second, family)
        if was is None or now is None or was == now:
            kept.append(metric)
            continue
        other = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
        parts = ", ".join(f"{family}.{name} is {_text(was.get(name))} and {_text(now.get(name))}" for name in other)
        said.append(f"{METRICS[metric].title} is not compared: it was scored with other settings ({parts}).")
    unknown = [run.name for run in (first, second) if kept and run.values.get("settings") is None]
    if unknown:
        said.append(
            f"The settings of the metrics in {' and '.join(unknown)} are not known: they are taken to be those of the "
            "other run."
        )
    return kept, said


def _settings(run: Run, family: str) -> Mapping[str, Any] | None:
    """The settings of a family of metrics in a run; None where they are not known."""
    settings = run.values.get("settings")
    return None if settings is None else dict(settings.get(family, {}))
