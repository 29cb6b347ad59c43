"""What the cells of a study found, read from their tables."""

import csv
import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._runs.folder import read_json
from xaijax.bench.store import Store
from xaijax.metrics import METRICS, ORACLE, REASONS
from xaijax.metrics.pic_curve import area, read_curve
from xaijax.plot._style import controls
from xaijax.study.plan import Cell

RANDOM, BELIEVED = "random", "believe"
ENOUGH = 10
"""Images below which nothing is concluded of a method."""


@dataclasses.dataclass(frozen=True)
class Score:
    """A metric of a method on a model.

    Attributes:
        mean, low, high: over images, and the 95 % interval.
        sd: standard deviation over images; NaN where it is not known.
        n: images with a value.
        median_area: of AIC and SIC the area under the median curve, as publications give it; else None.
        verdict: of the calibration; "" without one.
        beats: whether it is better than the random control: the interval of the paired difference excludes 0; None
            where that was not tested.
        pairs: images with a value for it and the random control, or patients where several images are of one; None
            where that is not known.
    """

    mean: float
    low: float
    high: float
    sd: float
    n: int
    median_area: float | None = None
    verdict: str = ""
    beats: bool | None = None
    pairs: int | None = None

    @property
    def enough(self) -> bool:
        """Whether a comparison with the random control rests on enough images, or patients."""
        return min(self.n, self.n if self.pairs is None else self.pairs) >= ENOUGH


Scores = dict[tuple[str, str, str], Score]
"""(model, method, metric) -> score."""


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none where it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def of_bench(cell: Cell, names: Mapping[str, str]) -> Scores:
    """The scores of a run.

    Args:
        cell: of the run.
        names: name of a model in the run -> in the study.
    """
    found: Scores = {}
    beats = _against_random(read_rows(cell.folder / "statistics.csv"))
    store = Store(cell.folder)
    areas = _median_areas(store)
    spreads = _spreads(store)
    for row in read_rows(cell.folder / "summary.csv"):
        if row.get("target"):
            continue
        key = (row["model"], row["method"], row["metric"])
        found[(names.get(row["model"], row["model"]), row["method"], row["metric"])] = Score(
            mean=_number(row["mean"]),
            low=_number(row["low"]),
            high=_number(row["high"]),
            sd=spreads.get(key, math.nan),
            n=int(row["n"]),
            median_area=areas.get(key),
            verdict=row.get("verdict", ""),
            beats=beats[key][0] if key in beats else None,
            pairs=beats[key][1] if key in beats else None,
        )
    return found


def _against_random(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str, str], tuple[bool, int]]:
    """(model, method, metric) -> whether the method is better than the random control, and on how many images."""
    found: dict[tuple[str, str, str], tuple[bool, int]] = {}
    for row in rows:
        if row["compared"] != "methods" or RANDOM not in (row["first"], row["second"]) or not row["low"]:
            continue
        low, high = float(row["low"]), float(row["high"])
        method = row["first"]
        if method == RANDOM:
            method, low, high = row["second"], -high, -low
        better = METRICS[row["metric"]].higher_is_better
        found[(row["model"], method, row["metric"])] = (low > 0 if better else high < 0), int(row["n"])
    return found


def _median_areas(store: Store) -> dict[tuple[str, str, str], float]:
    """Area under the pointwise median of the images' curves."""
    table = store.curves()
    lines: dict[tuple[str, str, str], list[np.ndarray]] = {}
    columns = ("model", "method", "curve", "entropy", "position", "value")
    for model, method, kind, entropy, x, y in zip(*(table[name].to_pylist() for name in columns), strict=True):
        lines.setdefault((model, method, f"{kind}_{entropy}"), []).append(read_curve(x, y))
    return {key: float(area(np.median(curves, axis=0))) for key, curves in lines.items()}


def _spreads(store: Store) -> dict[tuple[str, str, str], float]:
    table = store.scores()
    values: dict[tuple[str, str, str], list[float]] = {}
    columns = ("model", "method", "metric", "value")
    for model, method, metric, value in zip(*(table[name].to_pylist() for name in columns), strict=True):
        if value is not None and math.isfinite(value):
            values.setdefault((model, method, metric), []).append(value)
    return {key: float(np.std(own, ddof=1)) for key, own in values.items() if len(own) > 1}


def per_class(cell: Cell, metrics: Sequence[str], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The means of some metrics by the true class of the images: a row for each model, method, metric and class."""
    store = Store(cell.folder)
    predictions, scores = store.predictions(), store.scores()
    labels = dict(zip(predictions["image"].to_pylist(), predictions["label"].to_pylist(), strict=True))
    values: dict[tuple[str, str, str, str], list[float]] = {}
    columns = ("model", "method", "metric", "image", "value")
    for model, method, metric, image, value in zip(*(scores[name].to_pylist() for name in columns), strict=True):
        if metric in metrics and value is not None and math.isfinite(value):
            values.setdefault((model, method, metric, labels[image]), []).append(value)
    return [
        {
            "model": names.get(model, model),
            "method": method,
            "metric": metric,
            "class": label,
            "mean": float(np.mean(own)),
            "sd": float(np.std(own, ddof=1)) if len(own) > 1 else None,
            "images": len(own),
        }
        for (model, method, metric, label), own in values.items()
    ]


def behind(rows: Sequence[Mapping[str, Any]], found: Scores) -> list[str]:
    """In which classes the mean of a method is no better than that of the random map, in sentences.

    Args:
        rows: of `per_class`.
        found: of `of_bench`: metrics that a calibration does not support decide nothing.

    Example:
        >>> same = {"model": "m", "metric": "road", "class": "a", "images": 12}
        >>> behind([same | {"method": "cam", "mean": 0.7}, same | {"method": "random", "mean": 0.5}], {})
        ['m, road: cam is no better than the random map on a (means over 12 images).']
        >>> rows = [same | {"method": name, "mean": mean} for name, mean in (("a", 0.7), ("b", 0.5), ("random", 0.5))]
        >>> behind(rows, {})
        ['m, road: a, b are no better than the random map on a (means over 12 images).']
        >>> behind([row | {"images": 2} for row in rows], {})
        ['m: 2 comparisons with a random map by class rest on fewer than 10 images: no conclusion.']
    """
    rows = [
        row
        for row in rows
        if (key := (row["model"], row["method"], row["metric"])) not in found or found[key].verdict in ("", BELIEVED)
    ]
    means = {(row["model"], row["metric"], row["class"], row["method"]): row for row in rows}
    worse: dict[tuple[str, str, str], list[str]] = {}
    few: Counter[str] = Counter()
    for (model, metric, label, method), row in means.items():
        other = means.get((model, metric, label, RANDOM))
        if method in (RANDOM, ORACLE) or other is None:
            continue
        if min(row["images"], other["images"]) < ENOUGH:
            few[model] += 1
            continue
        ahead = row["mean"] > other["mean"] if METRICS[metric].higher_is_better else row["mean"] < other["mean"]
        if not ahead:
            worse.setdefault((model, metric, method), []).append(label)
    classes = list(dict.fromkeys(row["class"] for row in rows))
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (model, metric, method), labels in worse.items():
        alike.setdefault((model, metric, tuple(sorted(labels, key=classes.index))), []).append(method)
    images = sorted({row["images"] for row in rows if row["images"] >= ENOUGH})
    counted = "" if not images else f"{images[0]}" if len(images) == 1 else f"{images[0]} to {images[-1]}"
    return [
        f"{model}, {_title(metric)}: {', '.join(methods)} {'is' if len(methods) == 1 else 'are'} no better than the "
        f"random map on {', '.join(labels)} (means over {counted} images)."
        for (model, metric, labels), methods in alike.items()
    ] + [
        f"{model}: {count} {'comparison' if count == 1 else 'comparisons'} with a random map by class "
        f"{'rests' if count == 1 else 'rest'} on fewer than {ENOUGH} images: no conclusion."
        for model, count in few.items()
    ]


def of_cascade(cell: Cell) -> Scores:
    """The scores of a cascade and of the methods that it is compared with."""
    (model,) = cell.models
    values: dict[tuple[str, str], list[float]] = {}
    for row in read_rows(cell.folder / "scores.csv"):
        if row["value"] and math.isfinite(float(row["value"])):
            values.setdefault((row["method"], row["metric"]), []).append(float(row["value"]))
    found: Scores = {}
    for (method, metric), own in values.items():
        mean, sd = float(np.mean(own)), float(np.std(own, ddof=1)) if len(own) > 1 else math.nan
        reach = 1.96 * sd / math.sqrt(len(own))
        found[(model, method, metric)] = Score(mean, mean - reach, mean + reach, sd, len(own))
    return found


def without_value(cell: Cell) -> list[str]:
    """Which methods of a cascade's comparison have no value on some images, and why, in sentences."""
    rows = read_rows(cell.folder / "scores.csv")
    images = len({row["image"] for row in rows})
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        if row["reason"]:
            found.setdefault((row["method"], row["reason"]), set()).add(row["image"])
    return [
        f"{method} has no value on {len(own)} of {images} images ({REASONS.get(reason, reason)})."
        for (method, reason), own in found.items()
    ]


def evaluation_of(cell: Cell) -> dict[str, Any]:
    """What an evaluation says of its data set."""
    found: dict[str, Any] = read_json(cell.folder / "evaluation.json", "evaluation")["data"][0]
    return found


def answers(found: Scores, metrics: Sequence[str]) -> list[str]:
    """What may be said, in sentences: which methods beat the random control, model by model and metric by metric.

    Metrics that a calibration does not support decide nothing; those that nobody judged describe. Methods on few images
    are left open.
    """
    said: list[str] = []
    unjudged: dict[str, None] = {}
    for model in dict.fromkeys(key[0] for key in found):
        better: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
        tested: dict[bool, dict[str, None]] = {True: {}, False: {}}
        few = unsupported = 0
        blind: dict[str, dict[str, None]] = {}
        for metric in metrics:
            for (own, method, name), score in found.items():
                if (own, name) != (model, metric) or method in (RANDOM, ORACLE) or score.beats is None:
                    continue
                if not score.enough:
                    few += 1
                elif score.verdict not in ("", BELIEVED):
                    unsupported += 1
                elif method in controls():
                    if score.beats:
                        blind.setdefault(method, {})[metric] = None
                else:
                    judged = score.verdict == BELIEVED
                    tested[judged][metric] = None
                    if score.beats:
                        better[judged].setdefault(metric, []).append(method)
        for judged in (True, False):
            if better[judged]:
                words = "; ".join(f"{_title(metric)}: {', '.join(own)}" for metric, own in better[judged].items())
                said.append(f"{model}: ahead of a random map, by intervals that exclude 0: {words}.")
            elif tested[judged]:
                said.append(f"{model}: no method is ahead of a random map in {', '.join(map(_title, tested[judged]))}.")
        unjudged |= tested[False]
        said += [
            f"{model}: {method}, which knows nothing of the model, is ahead of a random map in "
            f"{', '.join(map(_title, own))} too: there such a lead alone is no sign of the model."
            for method, own in blind.items()
        ]
        if few:
            said.append(
                f"{model}: {few} comparisons with a random map rest on fewer than {ENOUGH} images: no conclusion."
            )
        if unsupported:
            said.append(
                f"{model}: {unsupported} comparisons are by metrics that the calibration does not support: no "
                "conclusion."
            )
    if unjudged:
        said.append(
            f"no calibration judged {', '.join(map(_title, unjudged))}: these results describe the images and conclude "
            "nothing."
        )
    return said


def unscored(cell: Cell, names: Mapping[str, str]) -> list[str]:
    """Which metrics have a value on fewer than half of the images, and why not on the others, in sentences.

    Args:
        cell: of the run.
        names: name of a model in the run -> in the study.
    """
    table = Store(cell.folder).scores()
    scored: dict[tuple[str, str], dict[str, bool]] = {}
    reasons: dict[tuple[str, str], Counter[str]] = {}
    columns = ("model", "metric", "image", "reason")
    for model, metric, image, reason in zip(*(table[name].to_pylist() for name in columns), strict=True):
        images = scored.setdefault((model, metric), {})
        images[image] = images.get(image, False) or not reason
        if reason:
            reasons.setdefault((model, metric), Counter())[reason] += 1
    said = []
    for (model, metric), images in scored.items():
        with_value = sum(images.values())
        if 2 * with_value >= len(images):
            continue
        why = "; ".join(REASONS.get(reason, reason) for reason, _ in reasons[model, metric].most_common())
        some = f"{with_value} of {len(images)}" if with_value else f"none of {len(images)}"
        said.append(f"{names.get(model, model)}: {_title(metric)} has a value on {some} images: {why}.")
    return said


def _title(metric: str) -> str:
    return METRICS[metric].title if metric in METRICS else metric


def _number(text: str) -> float:
    return float(text) if text else math.nan
