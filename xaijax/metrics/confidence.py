"""What is left of the class's probability when only what the map marks is shown.

p is the probability of the label on the original x (of other outputs: `xaijax.metrics.answers`). `S̃` is the map after
ReLU, scaled to [0, 1] per image, and p' the probability of `x · S̃` (everything else darkens towards black). For the
top-k metrics the k % largest pixels are kept as they are and the others are black; tied pixels stay together.

| metric | per image |
|---|---|
| average_drop | `max(0, p - p') / p` |
| average_drop_absolute | `max(0, p - p')` |
| confidence_increase | 1 if p' > p, else 0: its mean is the share of images ("increase in confidence") |
| confidence_gain | `p' - p`, with its sign ("mean increase") |
| drop_top15, drop_top30, drop_top50 | `max(0, p - p_k) / p` with the k % largest pixels kept |
| adcc | harmonic mean of coherency, 1 - complexity and 1 - average drop |

Coherency is `(Pearson(S(x), S(x·S̃)) + 1) / 2`: the method explains the masked image again, so that it must be given as
an explainer. Both maps are raw and counted by their positive part. Complexity is the mean of `S̃`. If any of the three
is 0, so is ADCC; where one of the two maps has no variation, there is no coherency and no ADCC.

References:
    Chattopadhyay et al., "Grad-CAM++", WACV 2018 (average drop, increase in confidence);
    Poppi et al., "Revisiting the evaluation of class activation mapping", CVPRW 2021 (coherency, ADCC).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax.metrics._stream import stream
from xaijax.metrics.changed import check_explained, unit_images
from xaijax.metrics.metric import Family, Inputs, Metric, NoSettings, Passes, Result, Row

NAME = "confidence"
ADCC = "adcc"
PERCENT = {"drop_top15": 15.0, "drop_top30": 30.0, "drop_top50": 50.0}
"""The share of the pixels that a top-k metric keeps."""
Floats = NDArray[np.float64]


def scaled(maps: NDArray[Any]) -> NDArray[Any]:
    """Maps after ReLU and min-max scaling per image; all-equal ones become zeros.

    Args:
        maps: `[B, H, W]` float32 or float64, finite.

    Returns:
        `[B, H, W]` in [0, 1], same dtype.

    Example:
        >>> scaled(np.array([[[-1.0, 1.0, 3.0]], [[-1.0, -2.0, -1.0]]])).round(3).tolist()
        [[[0.0, 0.333, 1.0]], [[0.0, 0.0, 0.0]]]
    """
    positive = np.maximum(maps, 0)
    low = positive.min(axis=(1, 2), keepdims=True)
    span = positive.max(axis=(1, 2), keepdims=True) - low
    return (positive - low) / np.where(span > 0, span, 1)


def kept(maps: NDArray[Any], percent: float, *, num_threads: int | None = None) -> NDArray[np.bool_]:
    """`[B, H, W]`: the pixels that a top-k metric keeps, at least the k-th quantile.

    Example:
        >>> kept(np.array([[[4.0, 3.0, 2.0, 1.0, 0.0]]]), 25.0).tolist()
        [[[True, True, False, False, False]]]
    """
    levels = kernels.reveal_levels(np.ascontiguousarray(maps), (percent / 100.0,), num_threads=num_threads)
    return levels == 1


def pearson(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """`[B]` correlation of two batches of maps `[B, H, W]`; NaN where one has no variation.

    Example:
        >>> pearson(np.array([[[1.0, 2.0]]]), np.array([[[3.0, 1.0]]])).round(12).tolist()
        [-1.0]
    """
    x, y = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (a, b))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    norms = np.sqrt((x * x).sum(axis=1)) * np.sqrt((y * y).sum(axis=1))
    varied = (np.ptp(a, axis=(1, 2)) > 0) & (np.ptp(b, axis=(1, 2)) > 0)
    products = (x * y).sum(axis=1)
    return np.divide(products, norms, out=np.full(len(x), np.nan), where=varied & (norms > 0))


def harmonic(coherency: Floats, complexity: Floats, drop: Floats) -> Floats:
    """ADCC of its three parts, each `[B]` in [0, 1]; 0 where one of the means' terms is 0.

    Example:
        >>> harmonic(np.array([1.0, 0.5]), np.array([0.0, 0.5]), np.array([0.0, 1.0])).tolist()
        [1.0, 0.0]
    """
    terms = np.stack([coherency, 1 - complexity, 1 - drop])
    # NaN stays NaN; a term of 0 makes the mean 0.
    zero = (terms <= 0).any(axis=0) & ~np.isnan(terms).any(axis=0)
    return np.where(zero, 0.0, 3 / (1 / np.where(terms <= 0, 1.0, terms)).sum(axis=0))


def score(inputs: Inputs, metrics: Sequence[Metric], settings: NoSettings) -> Result:
    """Scores maps by the probability that is left of the masked images; a flat map has no value."""
    images = unit_images(inputs.images)
    percents = list(dict.fromkeys(PERCENT[m.name] for m in metrics if m.name in PERCENT))
    plain = any(metric.name not in PERCENT for metric in metrics)
    masks = {method: scaled(maps) for method, maps in inputs.maps.items()}
    # After ReLU: a map without a positive value marks nothing.
    flat = {method: np.ptp(values, axis=(1, 2)) == 0 for method, values in masks.items()}

    def shown(method: str, i: int) -> NDArray[Any]:
        """The masked images of one map: times S̃ first, then the top k."""
        parts = [images[i] * masks[method][i, ..., None].astype(np.float32)] if plain else []
        one = inputs.maps[method][i : i + 1]
        parts += [images[i] * kept(one, k, num_threads=inputs.num_threads)[0, ..., None] for k in percents]
        return np.stack(parts)

    def pieces() -> Iterator[tuple[tuple[str, int], NDArray[Any]]]:
        for i, image in enumerate(images):
            yield ("", i), image[None]
            for method in inputs.maps:
                if not flat[method][i]:
                    yield (method, i), shown(method, i)
            if inputs.progress is not None:
                inputs.progress(i + 1, len(images))

    count = plain + len(percents)
    found = {method: np.full((len(images), count), np.nan) for method in inputs.maps}
    original = np.full(len(images), np.nan)
    size = min(inputs.batch_size, len(images) * (1 + count * len(found)))
    for (method, i), probabilities in stream(inputs.predict, pieces(), size):
        responses = inputs.answers(i).response(probabilities)
        if method:
            found[method][i] = responses
        else:
            original[i] = responses[0]

    rows: list[Row] = []
    for method, left in found.items():
        absent = inputs.absent(method)
        coherency = _coherency(inputs, images, method, masks[method]) if any(m.name == ADCC for m in metrics) else None
        for metric in metrics:
            p = left[:, plain + percents.index(PERCENT[metric.name])] if metric.name in PERCENT else left[:, 0]
            with np.errstate(divide="ignore", invalid="ignore"):
                drop = np.maximum(original - p, 0) / original
            values = {
                "average_drop": drop,
                "average_drop_absolute": np.maximum(original - p, 0),
                "confidence_increase": (p > original).astype(np.float64),
                "confidence_gain": p - original,
            }.get(metric.name, drop)
            if metric.name == ADCC and coherency is not None:
                values = harmonic(coherency, masks[method].mean(axis=(1, 2), dtype=np.float64), drop)
            for i, name in enumerate(inputs.ids):
                reason = _reason(metric, absent[i], flat[method][i], (original[i], p[i]))
                if reason == "flat_map" and np.ptp(inputs.maps[method][i]) > 0:
                    reason = "not_positive"
                if not reason and metric.name == ADCC and coherency is not None and np.isnan(coherency[i]):
                    reason = "no_explainer" if method not in inputs.explainers else "flat_again"
                rows.append((name, method, metric.name, np.nan if reason else float(values[i]), reason))
    return Result(rows)


def passes(settings: NoSettings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """The original, and the masked images of each map; ADCC explains one of them again."""
    masked = any(metric.name not in PERCENT for metric in metrics)
    return Passes(1, masked + sum(m.name in PERCENT for m in metrics), int(any(m.name == ADCC for m in metrics)))


def _reason(metric: Metric, absent: Any, flat: Any, probabilities: tuple[float, float]) -> str:
    if absent:
        return "empty_mask"
    if flat:
        return "flat_map"
    if not np.isfinite(probabilities).all():
        return "not_finite"
    relative = metric.name not in ("average_drop_absolute", "confidence_increase", "confidence_gain")
    return "zero_probability" if relative and probabilities[0] == 0 else ""


def _coherency(inputs: Inputs, images: NDArray[Any], method: str, masks: NDArray[Any]) -> Floats:
    """`[B]` in [0, 1]; NaN without an explainer or without variation."""
    if method not in inputs.explainers:
        return np.full(len(images), np.nan)
    masked = images * masks[..., None].astype(np.float32)
    again = np.asarray(inputs.explainers[method](inputs.classifier, masked, inputs.labels))
    check_explained(method, again, inputs.images)
    return (pearson(np.maximum(inputs.raw[method], 0), np.maximum(again, 0)) + 1) / 2


_MODEL = frozenset({"model"})
_SOURCE = "Chattopadhyay et al., WACV 2018"
_CLOSED = "closed form: linear model"

FAMILY = Family(
    NAME,
    (
        Metric(
            "average_drop", NAME, "relative fall of the probability on image times map", False, (0.0, 1.0), "share",
            _MODEL, _SOURCE, parity=_CLOSED,
        ),
        Metric(
            "average_drop_absolute", NAME, "fall of the probability on image times map", False, (0.0, 1.0),
            "probability", _MODEL, _SOURCE, parity=_CLOSED,
        ),
        Metric(
            "confidence_increase", NAME, "whether the probability grows on image times map; its mean is the share",
            True, (0.0, 1.0), "share", _MODEL, _SOURCE, parity=_CLOSED,
        ),
        Metric(
            "confidence_gain", NAME, "change of the probability on image times map", True, (-1.0, 1.0), "probability",
            _MODEL, f"after {_SOURCE}", parity=_CLOSED,
        ),
        *(
            Metric(
                name, NAME, f"relative fall of the probability with only the {k:g} % largest pixels kept",
                False, (0.0, 1.0), "share", _MODEL, f"after {_SOURCE}", parity=_CLOSED,
            )
            for name, k in PERCENT.items()
        ),
        Metric(
            ADCC, NAME, "harmonic mean of coherency, 1 - complexity and 1 - average drop", True, (0.0, 1.0), "score",
            _MODEL | {"explainer"}, "Poppi et al., CVPRW 2021", parity=_CLOSED,
        ),
    ),
    score,
    title="Confidence",
    reasons={"flat_again": "the map, or that of the masked image, has no variation"},
    oracle=True,
    passes=passes,
)  # fmt: skip
