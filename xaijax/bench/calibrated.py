"""Which metrics of a run can be believed: a calibration is found or made, kept with the run, and obeyed by the report.

`calibration/<model>.json` has where it comes from and its values, or why there is none; a quick one that the run made
itself lies next to it, as the run folder of `xaijax calibrate`.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax import calibrate
from xaijax._errors import InputError
from xaijax._files import safe_names
from xaijax._runs import checksums
from xaijax._runs.data import digest_of
from xaijax._runs.folder import DESCRIPTION, read_json, write_json
from xaijax._runs.metrics import complete_settings
from xaijax._runs.progress import say
from xaijax.bench.config import AUTO, DEFAULT_METRICS, NONE, QUICK, BenchConfig, out_of, word_of
from xaijax.calibrate import VERDICTS, CalibrateConfig, Found
from xaijax.metrics import METRICS, calibration

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax._runs.cluster import Pool
    from xaijax._runs.models import Model
    from xaijax.bench.plan import Plan
    from xaijax.data import Dataset

FOLDER = "calibration"
IMAGES = 24
"""Images of a quick calibration, as many as verdicts need, however few are benchmarked."""
MINUTES = 3.0
"""Time of a quick calibration that a benchmark makes by itself."""
BELIEVE = "believe"
SUPPORTED = 5
"""Metrics that a run has by default, where a calibration supports as many."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """What is known of the metrics of a run on one model.

    Attributes:
        verdicts: metric -> (verdict, why in a few words).
        source: where the calibration comes from, in words; empty where there is none.
        why: why there is none, a sentence.
        notes: sentences on what to know about it.
    """

    verdicts: Mapping[str, tuple[str, str]]
    source: str
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def believed(self) -> list[str]:
        """The metrics that methods may be compared by."""
        return [metric for metric, (verdict, _) in self.verdicts.items() if verdict == BELIEVE]


def look_up(plan: "Plan", out: Path) -> dict[str, Found | None]:
    """model -> the calibration to use, or None where one has to be made.

    Empty with `--calibration none`, where no metric of the run can be tested on maps (they read masks), and for several
    findings to an image, for which there is no calibration.

    Raises:
        InputError: for a folder without a calibration, and for a model that none of the named ones is of.
    """
    word = word_of(plan.config)
    if plan.dataset.multi_label and word != AUTO and word != NONE:
        raise InputError("--calibration needs one class per image, and these data have several findings: leave it out")
    if word == NONE or plan.dataset.multi_label or not set(plan.metrics) & set(calibration.judgeable()):
        return {}
    if word == QUICK:
        return {model.name: None for model in plan.models}
    data = digest_of(plan.dataset)
    found = _known(plan.config, plan.models, data, out)
    if word != AUTO:
        return found
    return {name: one if one is not None and _covers(one, plan) else None for name, one in found.items()}


def _covers(found: Found, plan: "Plan") -> bool:
    """Whether a calibration speaks of every metric of a run that can be judged, with the run's settings."""
    asked = set(plan.metrics) & set(calibration.judgeable())
    in_use = plan.settings_in_use()
    return not any(found.doubt(name, in_use, METRICS[name].family) for name in asked)


def supported(
    config: BenchConfig,
    dataset: "Dataset",
    models: Sequence["Model"],
    metrics: tuple[str, ...],
    settings: Mapping[str, Mapping[str, Any]],
    notes: list[str],
) -> tuple[str, ...]:
    """The metrics of a run: by default those that a calibration supports, where one of each model is there.

    Args:
        config: of the run.
        dataset: its data.
        models: opened.
        metrics: that were named, or those of the default list that the data allow.
        settings: of the families of metrics, those that were given.
        notes: get a sentence where the metrics were chosen so.
    """
    if config.metrics != DEFAULT_METRICS or dataset.multi_label:
        return metrics
    out = out_of(config)
    if config.resume and (out / DESCRIPTION).is_file():
        stored = read_json(out / DESCRIPTION, "run").get("metrics")
        return tuple(stored) if stored and set(stored) <= set(METRICS) else metrics
    if word_of(config) in (NONE, QUICK):
        return metrics
    found = _known(config, models, digest_of(dataset), out)
    if any(one is None for one in found.values()):
        return metrics
    judgeable = calibration.judgeable()
    in_use = complete_settings(judgeable, settings)
    good: dict[str, float] = {}
    for name in judgeable:
        numbers = [one.values["metrics"].get(name, {}).get("concordance") or 0.0 for one in found.values() if one]
        verdicts = [one.verdict(name, in_use, METRICS[name].family)[0] for one in found.values() if one]
        if all(verdict == BELIEVE for verdict in verdicts):
            good[name] = min(numbers)
    chosen: dict[tuple[str, str], str] = {}
    for name in sorted(good, key=lambda name: -good[name]):  # the best of each kind
        chosen.setdefault((METRICS[name].family, METRICS[name].kind or name), name)
    if not chosen:
        return metrics
    best = tuple(chosen.values())[:SUPPORTED]
    notes.append(f"The metrics are those that the calibration supports best: {', '.join(best)}.")
    return (*best, *(name for name in metrics if name not in judgeable))


def _known(config: BenchConfig, models: Sequence["Model"], data: str, out: Path) -> dict[str, Found | None]:
    """model -> the calibration that is there for it; None where none is, with `--calibration auto`."""
    if word_of(config) == AUTO:
        known = [*calibrate.shipped(), *calibrate.nearby(out.parent)]
        return {model.name: calibrate.matching(known, model.digest, data) for model in models}
    given = [calibrate.load(path) for path in config.calibration]
    return {model.name: _of(model, given, data) for model in models}


def _of(model: "Model", given: Sequence[Found], data: str) -> Found:
    own = [one for one in given if one.model == model.digest]
    if not own:
        others = ", ".join(f"{one.source} is of {one.values['model']['name']} ({one.model})" for one in given)
        raise InputError(
            f"--calibration has none of model {model.path} ({model.digest}): {others}; calibrate it, or give "
            "--calibration quick"
        )
    return next((one for one in own if one.data == data), own[0])


def prepare(
    plan: "Plan", found: Mapping[str, Found | None], out: Path, console: "Console", pool: "Pool | None" = None
) -> None:
    """Keeps the calibrations of a run in its folder, and makes those that are missing; what is there already stays.

    Args:
        plan, found, out, console: of the run.
        pool: the workers of `--cluster`, where there are some.
    """
    data = digest_of(plan.dataset)
    places = files_of(out, [model.name for model in plan.models])
    for model in plan.models:
        place = places[model.name]
        if model.name not in found:
            continue
        _forget_others(place, model)
        if place.is_file():
            continue
        one, why, notes = found[model.name], "", []
        if one is None:
            one, why = _quick(plan, model, place.with_suffix(""), console, pool)
        elif one.data != data:
            name = one.values["data"]["name"]
            notes.append(
                f"The metrics were calibrated on {name}, other data than these: the verdicts are taken from there."
            )
        write_json(
            place,
            {
                "source": "" if one is None else one.source,
                "why": why,
                "notes": notes,
                "calibration": None if one is None else one.values,
            },
        )


def _forget_others(place: Path, model: "Model") -> None:
    """Removes the calibration of a run whose model is another one now (`--recompute-changed`)."""
    kept = read_json(place, "run")["calibration"] if place.is_file() else None
    if kept is not None and kept["model"]["digest"] != model.digest:
        place.unlink()
        shutil.rmtree(place.with_suffix(""), ignore_errors=True)


def forget_none(out: Path) -> None:
    """After a run that failed before its first part: removes what says that there is no calibration."""
    if checksums.part_files(out):
        return
    for file in (out / FOLDER).glob("*.json"):
        if read_json(file, "run")["calibration"] is None:
            file.unlink()


def _quick(
    plan: "Plan", model: "Model", out: Path, console: "Console", pool: "Pool | None"
) -> tuple[Found | None, str]:
    """A quick calibration for a model on images of the run's data, limited in number and time; or why there is none."""
    metrics = tuple(name for name in plan.metrics if name in calibration.judgeable())
    config = quick_config(plan, model.path, metrics, out)
    say(
        console,
        f"judging the metrics on model {model.name} first, at most {MINUTES:g} min (--calibration none leaves it out, "
        "--calibration RUN takes one of xaijax calibrate):",
    )
    try:
        result = calibrate.run(config, console=console, quiet=True, pool=pool)
    except InputError as error:
        if word_of(plan.config) == QUICK:
            raise
        return None, f"The metrics were not calibrated: {error}."
    assert result.calibration is not None
    return Found(result.calibration, "a quick calibration at the start of this run"), ""


def quick_config(plan: "Plan", model: str, metrics: Sequence[str], out: Path) -> CalibrateConfig:
    """The options of a quick calibration: the run's own, for one model, with the run's settings of the metrics."""
    own = {field.name for field in dataclasses.fields(CalibrateConfig)} & {
        field.name for field in dataclasses.fields(BenchConfig)
    }
    kept = {name: getattr(plan.config, name) for name in own - {"out", "resume", "config"}}
    families = {METRICS[metric].family for metric in metrics}
    # What "quick" would shorten stays as in the run: a verdict holds for a metric with the settings it is scored with.
    texts = [text for text in plan.config.set if text.partition(".")[0] in families]
    there = {text.partition("=")[0] for text in texts}
    in_use = plan.settings_in_use()
    texts += [
        f"{family}.{option}={in_use[family][option]}"
        for family, options in calibration.QUICK_SETTINGS.items()
        if family in families
        for option in options
        if f"{family}.{option}" not in there
    ]
    more = {"model": (model,), "metrics": tuple(metrics), "set": tuple(texts), "count": IMAGES, "minutes": MINUTES}
    return CalibrateConfig(**kept | more | {"out": out, "resume": (out / DESCRIPTION).is_file()})


def read(root: Path, run: Mapping[str, Any]) -> dict[str, Judged]:
    """model -> what is known of its metrics, from a run folder; empty where the run was not calibrated.

    Args:
        root: of the run.
        run: its `run.json`.
    """
    found: dict[str, Judged] = {}
    for name, file in files_of(root, [model["name"] for model in run["models"]]).items():
        if file.is_file():
            found[name] = _judged(read_json(file, "run"), run)
    return found


def _judged(stored: Mapping[str, Any], run: Mapping[str, Any]) -> Judged:
    metrics, notes = run["metrics"], tuple(stored["notes"])
    values = stored["calibration"]
    if values is None:
        return Judged(dict.fromkeys(metrics, ("no_verdict", "not calibrated")), "", stored["why"], notes)
    one = Found(values, stored["source"])
    settings = run.get("settings", {})
    verdicts = {metric: one.verdict(metric, settings, METRICS[metric].family) for metric in metrics}
    return Judged(verdicts, one.source, "", notes)


def files_of(root: Path, models: Sequence[str]) -> dict[str, Path]:
    """model -> where its calibration is kept, of all models of a run in their order."""
    return {model: root / FOLDER / f"{safe}.json" for model, safe in safe_names(models).items()}


def groups(judged: Judged) -> dict[str, list[str]]:
    """verdict -> its metrics, the best verdict first."""
    found = {verdict: [m for m, (v, _) in judged.verdicts.items() if v == verdict] for verdict in VERDICTS}
    return {verdict: metrics for verdict, metrics in found.items() if metrics}
