"""The scores of a method by a metric in two runs, and what differs: paired where the images are the same."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from xaijax.bench.store import TARGET
from xaijax.compare.runs import Run
from xaijax.metrics.statistics import cluster_means, compare_two

DRAWS = 2000


@dataclasses.dataclass(frozen=True)
class Column:
    """The scores of a method by a metric: (image, finding) -> value, and of those without one the reason."""

    values: dict[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    missing: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many have a value."""
        return len(self.values)


def columns_of(scores: pa.Table, model: str) -> dict[tuple[str, str], Column]:
    """(method, metric) -> its scores."""
    found: dict[tuple[str, str], Column] = {}
    targets = scores[TARGET].to_pylist() if TARGET in scores.column_names else [""] * scores.num_rows
    names = ("model", "method", "metric", "image", "value", "reason")
    columns = (scores[name].to_pylist() for name in names)
    for own, method, metric, image, value, reason, target in zip(*columns, targets, strict=True):
        if own != model:
            continue
        column = found.setdefault((method, metric), Column())
        if np.isfinite(value):
            column.values[image, target] = value
        else:
            column.missing[image, target] = reason or ("" if np.isnan(value) else "infinite")
    return found


def paired(
    one: Column, other: Column, pairs: Sequence[tuple[str, str]], first: Run, second: Run, seed: int
) -> tuple[dict[str, Any], int]:
    """Compares the same images one by one.

    Args:
        one, other: scores of a method by a metric in the first run and the second.
        pairs: (image of the first run, image of the second) of one content.
        first, second: the runs.
        seed: of the bootstrap.

    Returns:
        The fields of `Change` that numbers fill, and how many images or patients they rest on.
    """
    of_image = dict(pairs)
    rows = [
        (image, value, other.values[of_image[image], target])
        for (image, target), value in one.values.items()
        if image in of_image and (of_image[image], target) in other.values
    ]
    partners = {partner: image for image, partner in pairs}
    gone = [
        f"{count} in {run.name} ({reasons_of(reasons)})"
        for run, missing, known in ((first, one.missing, of_image), (second, other.missing, partners))
        if (count := len(reasons := [text for (image, _), text in missing.items() if image in known]))
    ]
    keys = [{*one.values, *one.missing}, {*other.values, *other.missing}]
    ours = {(of_image[image], target) for image, target in keys[0] if image in of_image}
    theirs = {(image, target) for image, target in keys[1] if image in partners}
    alone = [
        f"{len(own)} scored in {run.name} alone"
        for run, own in ((first, ours - theirs), (second, theirs - ours))
        if own
    ]
    left_out = "; ".join([*([f"without a value: {' and '.join(gone)}"] if gone else []), *alone])
    if not rows:
        return _nothing("; ".join(filter(None, ("no image has a value in both runs", left_out)))), 0
    images, a, b = (list(values) for values in zip(*rows, strict=True))
    clusters = _clusters(images, first)
    units = len(set(clusters))
    found = compare_two(b, a, first="second", second="first", seed=seed)
    low, high, p, note = found.low, found.high, found.p_w, found.note
    if units < len(clusters):
        interval = cluster_means((np.array(b) - np.array(a))[:, None], clusters, seed=seed)
        low, high = float(interval.low[0]), float(interval.high[0])
        grouped = compare_two(b, a, groups=clusters, first="second", second="first", seed=seed)
        p, note = grouped.p_w, "; ".join(filter(None, (_drawn(units, first), grouped.note)))
    return {
        "n": len(rows),
        "mean_first": float(np.mean(a)),
        "mean_second": float(np.mean(b)),
        "difference": float(np.mean(b) - np.mean(a)) if units < len(clusters) else found.difference,
        "low": low,
        "high": high,
        "p": p,
        "note": "; ".join(filter(None, (note, left_out))),
    }, units


def _drawn(units: int, run: Run) -> str:
    return f"interval and p by {units} {'patients' if run.patients else 'images with all their findings'}"


def _clusters(images: Iterable[str], run: Run) -> list[str]:
    """What is drawn together: the patient of each image where it is known, else the image itself."""
    return [f"patient {run.patients[one]}" if one in run.patients else f"image {one}" for one in images]


def unpaired(one: Column, other: Column, first: Run, second: Run, seed: int) -> tuple[dict[str, Any], int]:
    """Compares means of different images; see `paired`."""
    sides = ((one, first), (other, second))
    a, b = (np.array(list(column.values.values())) for column, _ in sides)
    clusters = [_clusters((image for image, _ in column.values), run) for column, run in sides]
    units = [len(set(own)) for own in clusters]
    notes = [f"not paired: {len(a)} and {len(b)} values"]
    if units != [len(a), len(b)]:
        what = "patients" if first.patients or second.patients else "images"
        notes.append(f"interval and p by {units[0]} and {units[1]} {what}")
    low = high = p = float("nan")
    if min(units) > 1:  # one patient alone says nothing of others
        draws = [
            _means(values, own, np.random.default_rng([seed, side]))
            for side, (values, own) in enumerate(zip((a, b), clusters, strict=True))
        ]
        low, high = (float(bound) for bound in np.nanquantile(draws[1] - draws[0], [0.025, 0.975]))
        each = [_of_clusters(values, own) for values, own in zip((a, b), clusters, strict=True)]
        p = float(stats.mannwhitneyu(each[1], each[0]).pvalue)
    gone = [
        f"{len(column.missing)} in {run.name} ({reasons_of(column.missing.values())})"
        for column, run in sides
        if column.missing
    ]
    if gone:
        notes.append(f"without a value: {' and '.join(gone)}")
    return {
        "n": len(b),
        "mean_first": float(a.mean()),
        "mean_second": float(b.mean()),
        "difference": float(b.mean() - a.mean()),
        "low": low,
        "high": high,
        "p": p,
        "note": "; ".join(notes),
    }, min(units)


def _of_clusters(values: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """The mean of each cluster."""
    place = {name: at for at, name in enumerate(dict.fromkeys(clusters))}
    member = np.array([place[name] for name in clusters])
    return np.asarray(np.bincount(member, weights=values) / np.bincount(member))


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


def reasons_of(texts: Iterable[str]) -> str:
    """How many scores are missing for each reason.

    Example:
        >>> reasons_of(["no_mask", "constant_map", "no_mask"])
        '2 no mask, 1 constant map'
    """
    return ", ".join(f"{n} {text.replace('_', ' ') or 'without a reason'}" for text, n in Counter(texts).most_common())
