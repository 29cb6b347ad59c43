"""Numbers out of the raw material: areas under every convention, and what they say about the metric."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from xaijax.metrics import ORACLE
from xaijax.metrics import pic_curve as curve
from xaijax.metrics.pic_curve import FRACTIONS, Convention

# "pixels" is no information measure: the axis is the revealed share itself, as in a plain insertion curve.
MEASURES = ("shannon", "webp", "mean", "mutual", "pixels")
TOLERANCE = 1e-9
RESAMPLES = 2000
Floats = np.ndarray


@dataclass(frozen=True)
class Image:
    """One image in one setting: information `[draws, methods, 2 + T]` by measure, and the same of probabilities."""

    label: int
    methods: tuple[str, ...]
    information: dict[str, Floats]
    turned: Floats  # WebP sizes of three turned versions, [3, methods, 2 + T], first draw
    probability: Floats


@dataclass(frozen=True)
class Run:
    """What `collect` wrote for one data set."""

    name: str
    about: dict[str, Any]
    settings: dict[str, list[Image]]


def read(folder: Path) -> Run:
    about = json.loads((folder / "about.json").read_text())
    settings: dict[str, list[Image]] = {"model": [], "medical": [], "planted": []}
    with np.load(folder / "raw.npz") as stored:
        for position, label in enumerate(stored["labels"]):
            for setting, images in settings.items():
                prefix = f"{setting}/{position}/"
                if prefix + "methods" not in stored:
                    continue
                found = {name: stored[prefix + name] for name in ("shannon", "webp", "mutual")}
                found["mean"] = (found["shannon"] + found["webp"]) / 2
                found["pixels"] = np.broadcast_to(np.array([0.0, 1.0, *FRACTIONS]), found["webp"].shape)
                methods = tuple(map(str, stored[prefix + "methods"]))
                turned, probability = stored[prefix + "webp_turned"], stored[prefix + "probability"]
                images.append(Image(int(label), methods, found, turned, probability))
    return Run(about["data"], about, settings)


def _score(
    information: Floats, probability: Floats, label: int, kind: str, convention: Convention
) -> tuple[float, str]:
    """The area of one curve and the reason where there is none; arguments start with (blurred, original)."""
    right = probability.argmax(-1) == label
    p = probability[:, label]
    reason = curve.undefined(
        kind,  # type: ignore[arg-type]
        convention,
        probability=(p[1], p[0]),
        right=(bool(right[1]), bool(right[0])),
        information=(information[1], information[0]),
    )
    if reason:
        return np.nan, reason
    response = right.astype(float) if kind == "aic" else p
    points = curve.curve_points(
        curve.scale(information[2:], information[0], information[1]),
        curve.scale(response[2:], response[0], response[1]),
        convention,
    )
    return float(curve.area(curve.read_curve(*points))), ""


def areas(images: list[Image], measure: str, kind: str, convention: Convention) -> tuple[tuple[str, ...], Floats, list]:
    """`(methods, areas [images, draws, methods], reasons)`; a reason is the first draw's, `""` for a value."""
    methods = images[0].methods
    draws = len(images[0].probability)
    found = np.full((len(images), draws, len(methods)), np.nan)
    reasons = []
    for i, image in enumerate(images):
        label = int(image.probability[0, 0, 1].argmax()) if convention == "medical" else image.label
        for draw in range(draws):
            for m, method in enumerate(methods):
                if method not in image.methods:
                    continue
                at = image.methods.index(method)
                information = image.information[measure][draw, at]
                found[i, draw, m], reason = _score(information, image.probability[draw, at], label, kind, convention)
                if draw == m == 0:
                    reasons.append(reason)
    return methods, found, reasons


def over_draws(values: Floats) -> Floats:
    """Mean over the random masks that have a curve, for the images that every method has one for: `[n, methods]`."""
    some = ~np.isnan(values).all(1).any(-1)
    return np.nanmean(values[some], axis=1) if some.any() else np.zeros((0, values.shape[-1]))


def turned_range(images: list[Image], measure: str) -> float:
    """Mean over images and methods of the range of SIC over four orientations of image, map and mask together.

    The rebuilt images turn with them bit for bit, and so do histograms: only file sizes change.
    """
    if measure not in ("webp", "mean"):
        return 0.0
    ranges = []
    for image in images:
        for m in range(len(image.methods)):
            sizes = [image.information["webp"][0, m], *image.turned[:, m]]
            if measure == "mean":
                sizes = [(size + image.information["shannon"][0, m]) / 2 for size in sizes]
            values = [_score(s, image.probability[0, m], image.label, "sic", "stable")[0] for s in sizes]
            if not np.isnan(values).any():
                ranges.append(np.ptp(values))
    return float(np.mean(ranges)) if ranges else np.nan


def not_monotone(images: list[Image], measure: str) -> tuple[float, float, float]:
    """Shares over images, masks and maps: information falls somewhere on the way from blurred to original; some rebuilt
    image holds more than the original; the blurred image holds more than the original."""
    falls, above, inverted = [], [], []
    for image in images:
        information = image.information[measure]
        path = np.concatenate([information[..., :1], information[..., 2:], information[..., 1:2]], axis=-1)
        scale = np.abs(information[..., 1:2]).clip(1e-12)
        falls.append((np.diff(path, axis=-1) < -TOLERANCE * scale).any(-1).ravel())
        above.append((information[..., 2:] > information[..., 1:2] + TOLERANCE * scale).any(-1).ravel())
        inverted.append((information[..., 0] >= information[..., 1]).ravel())
    return tuple(float(np.concatenate(x).mean()) for x in (falls, above, inverted))  # type: ignore[return-value]


def interval(values: Floats, statistic: Any = np.mean, seed: int = 0) -> tuple[float, float, float]:
    """A statistic over rows and its 95 % percentile bootstrap interval over images."""
    values = np.asarray(values)
    if len(values) < 2:
        return (float(statistic(values)) if len(values) else np.nan, np.nan, np.nan)
    picks = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    drawn = np.asarray([statistic(values[pick]) for pick in picks])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(statistic(values)), float(low), float(high)


def controls(methods: tuple[str, ...], values: Floats) -> dict[str, Any]:
    """How the truth and chance do among the methods; `values [images, methods]` without NaN."""
    random = methods.index("random")
    oracle = methods.index(ORACLE) if ORACLE in methods else None
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    means = values[picks].mean(1)
    result: dict[str, Any] = {
        "random_last": float((means.argmin(1) == random).mean()),
        "random_rank": _rank(values, random),
    }
    if oracle is not None:
        gap = values[:, oracle] - values[:, random]
        result |= {
            "oracle_first": float((means.argmax(1) == oracle).mean()),
            "oracle_rank": _rank(values, oracle),
            "gap": interval(gap),
            "gap_share": interval((gap > 0).astype(float)),
            "gap_d": float(gap.mean() / gap.std(ddof=1)) if len(gap) > 1 and gap.std() > 0 else np.nan,
        }
    return result


def _rank(values: Floats, column: int) -> float:
    """Rank of a method by its mean over images, 1 the best."""
    means = values.mean(0)
    return float(1 + (means > means[column]).sum())


def agreement(per_draw: Floats) -> float:
    """Mean Kendall tau of the order of the methods' means between random masks; `[images, draws, methods]`."""
    means = per_draw.mean(0)
    pairs = [(i, j) for i in range(len(means)) for j in range(i)]
    taus = [kendalltau(means[i], means[j]).statistic for i, j in pairs]
    return float(np.mean(taus)) if taus else np.nan


def halves(values: Floats, seed: int = 0) -> float:
    """Mean Kendall tau of the order of the methods between random halves of the images; `[images, methods]`."""
    if len(values) < 4:
        return np.nan
    rng = np.random.default_rng(seed)
    taus = []
    for _ in range(200):
        order = rng.permutation(len(values))
        half = len(values) // 2
        a, b = values[order[:half]].mean(0), values[order[half : 2 * half]].mean(0)
        taus.append(kendalltau(a, b).statistic)
    return float(np.nanmean(taus))


def ladder(images: list[Image], measure: str) -> dict[str, Any]:
    """The planted setting: how well areas order maps that mix the truth with 0, 25, ... 100 % noise."""
    _, found, _ = areas(images, measure, "sic", "stable")
    values = over_draws(found)
    if not len(values):
        return {"images": 0, "asked": len(images)}
    pairs = [(i, j) for i in range(values.shape[1]) for j in range(i + 1, values.shape[1])]
    right = np.asarray([[np.sign(row[i] - row[j]) for i, j in pairs] for row in values])
    return {
        "images": len(values),
        "asked": len(images),
        "tau": interval(right.mean(1)),  # without ties this is Kendall's tau with the true order
        "means": values.mean(0).tolist(),
        "truth_first": interval((values.argmax(1) == 0).astype(float)),
        "gap_d": float(np.mean(values[:, 0] - values[:, -1]) / np.std(values[:, 0] - values[:, -1], ddof=1)),
    }
