"""Differences between the scores of two runs, with intervals: paired where the images are the same."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from xaijax._errors import InputError
from xaijax.bench.store import TARGET
from xaijax.compare.configuration import comparable
from xaijax.compare.runs import Run, match
from xaijax.metrics import METRICS
from xaijax.metrics.statistics import cluster_means, compare_two, holm
from xaijax.plot import _style as style

FEWEST = 2
DRAWS = 2000
Values = dict[tuple[str, str], dict[tuple[str, str], float]]


@dataclasses.dataclass(frozen=True)
class Change:
    """A metric of a method in two runs.

    Attributes:
        first, second: names of the runs.
        model: of the first run, and of the second where it has another name ("a → b").
        method, metric: names.
        paired: whether the same images were compared.
        n: images (or pairs of image and finding) compared; where they are not paired those of the second run.
        mean_first, mean_second: over these.
        difference, low, high: second minus first, with its 95 % interval.
        p, p_holm: Wilcoxon's signed rank test, or Mann and Whitney's where images are not paired, and after Holm's
            correction over the comparisons of the two runs.
        better: name of the run that is better by the metric's direction, where the interval excludes 0; else "".
        believed: whether the calibrations of both runs support the metric; None where a run was not calibrated.
        note: what limits the comparison.
    """

    first: str
    second: str
    model: str
    method: str
    metric: str
    paired: bool
    n: int
    mean_first: float
    mean_second: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    better: str
    believed: bool | None
    note: str = ""


def compare(first: Run, second: Run, *, seed: int = 0) -> tuple[list[Change], list[str]]:
    """All differences between two runs.

    Returns:
        The changes, believed metrics first, and sentences on what was assumed and left out.

    Raises:
        InputError: where nothing can be compared.
    """
    metrics, said = comparable(first, second)
    models = _models(first, second)
    methods = [method for method in first.values["methods"] if method in set(second.values["methods"])]
    for what, shared, ours, theirs in (
        ("method", methods, first.values["methods"], second.values["methods"]),
        ("metric", metrics, first.values["metrics"], second.values["metrics"]),
    ):
        if not shared:
            reason = f" ({' '.join(said)})" if what == "metric" and said else ""
            raise InputError(
                f"{first.name} and {second.name} have no {what} in common that can be compared{reason}: the first has "
                f"{', '.join(ours)}, the second {', '.join(theirs)}"
            )
        for run, own in ((first, ours), (second, theirs)):
            alone = [name for name in own if name not in (theirs if run is first else ours)]
            if alone:
                said.append(f"Only {run.name} has the {what}s {', '.join(alone)}.")
    matched = match(first, second)
    paired = len(matched.pairs) >= FEWEST
    said += _about_images(first, second, matched, paired)
    changes: list[Change] = []
    for ours, theirs in models:
        a, b = _values(first.scores, ours), _values(second.scores, theirs)
        name = ours if ours == theirs else f"{ours} → {theirs}"
        believed = _believed(first, ours, second, theirs)
        for metric in metrics:
            for method in style.in_order(methods):
                one, other = a.get((method, metric), {}), b.get((method, metric), {})
                if not one or not other:
                    continue
                known = None if believed is None else metric in believed
                base = {"first": first.name, "second": second.name, "model": name, "method": method, "metric": metric}
                values = (
                    _paired(one, other, matched.pairs, first.patients, seed)
                    if paired
                    else _unpaired(one, other, first.patients, second.patients, seed)
                )
                changes.append(_change(base | {"believed": known, "paired": paired} | values))
    corrected = holm([change.p for change in changes])
    changes = [dataclasses.replace(change, p_holm=float(p)) for change, p in zip(changes, corrected, strict=True)]
    return sorted(changes, key=lambda one: one.believed is False), said


def _models(first: Run, second: Run) -> list[tuple[str, str]]:
    """Which models are compared: those of one name, or the only ones."""
    if len(first.models) == 1 and len(second.models) == 1:
        return [(first.models[0], second.models[0])]
    shared = [model for model in first.models if model in second.models]
    if not shared:
        raise InputError(
            f"{first.name} and {second.name} have no model of one name: {', '.join(first.models)} and "
            f"{', '.join(second.models)}; compare runs of one model each, or of models of the same names"
        )
    return [(model, model) for model in shared]


def _believed(first: Run, ours: str, second: Run, theirs: str) -> set[str] | None:
    if first.believed is None or second.believed is None:
        return None
    return set(first.believed.get(ours, ())) & set(second.believed.get(theirs, ()))


def _about_images(first: Run, second: Run, matched: Any, paired: bool) -> list[str]:
    said = []
    if not paired:
        said.append(
            f"The runs share {len(matched.pairs) or 'no'} image{'s' if len(matched.pairs) != 1 else ''}: means are "
            "compared as those of independent images, which needs far larger differences."
        )
    elif matched.by == "name":
        said.append(
            f"{len(matched.pairs)} images are compared by their names: a run keeps no digests, so it is assumed that "
            "they are the same pixels."
        )
    if paired and any(matched.only):
        said.append(
            f"{len(matched.pairs)} images are in both runs and compared; {matched.only[0]} of {first.name} and "
            f"{matched.only[1]} of {second.name} are left out."
        )
    if matched.changed:
        said.append(
            f"{matched.changed} images have the same name and other pixels, masks or labels: they are not taken for "
            "the same image."
        )
    if first.values.get("config", {}).get("target") != second.values.get("config", {}).get("target"):
        said.append("The runs have different values of --target: their maps explain different classes.")
    return said


def _values(scores: pa.Table, model: str) -> Values:
    """(method, metric) -> (image, finding) -> value; without those that have none."""
    found: Values = {}
    targets = scores[TARGET].to_pylist() if TARGET in scores.column_names else [""] * scores.num_rows
    names = ("model", "method", "metric", "image", "value")
    columns = (scores[name].to_pylist() for name in names)
    for own, method, metric, image, value, target in zip(*columns, targets, strict=True):
        if own == model and np.isfinite(value):
            found.setdefault((method, metric), {})[image, target] = value
    return found


def _paired(
    one: Mapping[tuple[str, str], float],
    other: Mapping[tuple[str, str], float],
    pairs: Sequence[tuple[str, str]],
    patients: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    of_image = dict(pairs)
    rows = [
        (image, value, other[of_image[image], target])
        for (image, target), value in one.items()
        if image in of_image and (of_image[image], target) in other
    ]
    if not rows:
        return _nothing("no image has a value in both runs")
    images, a, b = zip(*rows, strict=True)
    clusters = [patients.get(image, image) for image in images]
    found = compare_two(np.array(b), np.array(a), first="second", second="first", seed=seed)
    low, high, note = found.low, found.high, found.note
    if len(set(clusters)) < len(clusters):
        interval = cluster_means((np.array(b) - np.array(a))[:, None], clusters, seed=seed)
        low, high = float(interval.low[0]), float(interval.high[0])
        note = "; ".join(filter(None, (note, "the interval draws patients, p takes images as independent")))
    return {
        "n": len(rows),
        "mean_first": float(np.mean(a)),
        "mean_second": float(np.mean(b)),
        "difference": found.difference,
        "low": low,
        "high": high,
        "p": found.p_w,
        "note": note,
    }


def _unpaired(
    one: Mapping[tuple[str, str], float],
    other: Mapping[tuple[str, str], float],
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
    seed: int,
) -> dict[str, Any]:
    a, b = np.array(list(one.values())), np.array(list(other.values()))
    draws = [
        _means(values, [known.get(image, image) for image, _ in keys], np.random.default_rng([seed, side]))
        for side, (values, keys, known) in enumerate(((a, one, ours), (b, other, theirs)))
    ]
    low = high = p = float("nan")
    if len(a) >= FEWEST and len(b) >= FEWEST:
        low, high = (float(bound) for bound in np.nanquantile(draws[1] - draws[0], [0.025, 0.975]))
        p = float(stats.mannwhitneyu(b, a).pvalue)
    return {
        "n": len(b),
        "mean_first": float(a.mean()),
        "mean_second": float(b.mean()),
        "difference": float(b.mean() - a.mean()),
        "low": low,
        "high": high,
        "p": p,
        "note": f"not paired: {len(a)} and {len(b)} values",
    }


def _means(values: np.ndarray, clusters: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """`[DRAWS]` means over drawn clusters."""
    place = {name: at for at, name in enumerate(dict.fromkeys(clusters))}
    member = np.array([place[name] for name in clusters])
    sums, sizes = np.bincount(member, weights=values), np.bincount(member)
    drawn = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), size=DRAWS)
    return np.asarray((drawn @ sums) / (drawn @ sizes))


def _nothing(why: str) -> dict[str, Any]:
    blank = dict.fromkeys(("mean_first", "mean_second", "difference", "low", "high", "p"), float("nan"))
    return {"n": 0, "note": why, **blank}


def _change(values: Mapping[str, Any]) -> Change:
    better = ""
    if values["low"] > 0 or values["high"] < 0:
        rises = (values["difference"] > 0) == METRICS[values["metric"]].higher_is_better
        better = values["second"] if rises else values["first"]
    return Change(**values, p_holm=float("nan"), better=better)
