"""Performance Information Curves: the arithmetic, on plain numbers.

A curve plots the model's response against the information in the rebuilt image, both scaled between the fully blurred
image (0) and the original (1), one point per revealed fraction. Nothing here knows images or models.

Conventions:
    `"stable"`: points are sorted by information first, ties by response, and the running maximum follows that order, so
        that the curve is monotone. At information 0 the best response reached there counts. In AIC a softmax with no
        class above 0.5 predicts no class: what is most probable by a hair would keep a whole class from being scored,
        where it is the one that a network which answers evenly to blurred images happens to favour.
    `"pair"`: as PAIR's `saliency` 0.2.1: the running maximum follows the order of the fractions and the sorting comes
        after it, so the curve can fall; points without information are overruled by (0, 0).
    `"medical"`: as the script of the medical study (BioData Mining 2024): PAIR's order; a response of 0/0, which
        is what AIC gives where the blurred image is already classified right, counts as 0.

References:
    Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019, section 4.2.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Convention = Literal["stable", "pair", "medical"]
CONVENTIONS: tuple[Convention, ...] = ("stable", "pair", "medical")

FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
POINTS = 1001
MIN_PROBABILITY = 0.8

Floats = NDArray[np.float64]


def check_convention(convention: str) -> None:
    """Raises ValueError unless `convention` is one of `CONVENTIONS`."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}; got {convention!r}")


def positions(points: int = POINTS) -> Floats:
    """`[points]` the information values at which every curve is read, evenly from 0 to 1.

    Example:
        >>> positions()[[0, 1, 1000]].tolist()
        [0.0, 0.001, 1.0]
    """
    return np.append(np.linspace(0.0, 1.0, points - 1, endpoint=False), 1.0)


def scale(values: Any, blurred: Any, original: Any) -> Floats:
    """Values between the blurred image and the original, not clipped: `(v - v_0) / (v_x - v_0)`.

    Args:
        values: `[..., T]`, the quantity for each revealed fraction, any unit.
        blurred: `[...]`, the quantity for the fully blurred image, same unit.
        original: `[...]`, the quantity for the original image, same unit.

    Returns:
        `[..., T]` float64, no unit; 0 like the blurred image, 1 like the original. 0/0 gives NaN.

    Example:
        >>> scale([3.0, 4.0], 2.0, 4.0).tolist()
        [0.5, 1.0]
    """
    values = np.asarray(values, np.float64)
    low = np.asarray(blurred, np.float64)[..., None]
    high = np.asarray(original, np.float64)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return (values - low) / (high - low)


def curve_points(information: Any, response: Any, convention: Convention = "stable") -> tuple[Floats, Floats]:
    """The points of a curve, end points included, in the order in which it is read.

    Args:
        information: `[..., T]`, scaled information of each rebuilt image in the order of the fractions; clipped to
            [0, 1] here.
        response: `[..., T]`, scaled response, likewise. NaN is read as 0 by `"medical"` and is an error otherwise.
        convention: `"stable"`, `"pair"` or `"medical"`; see the module.

    Returns:
        `(position, value)`, each `[..., T + 2]` float64 in [0, 1]; positions ascend from 0 to 1.

    Raises:
        ValueError: for an unknown convention, shapes that differ, or NaN.

    Example:
        >>> position, value = curve_points([0.8, 0.2], [0.5, 0.7])
        >>> position.tolist(), value.tolist()
        ([0.0, 0.2, 0.8, 1.0], [0.0, 0.7, 0.7, 1.0])
        >>> curve_points([0.8, 0.2], [0.5, 0.7], "pair")[1].tolist()
        [0.0, 0.7, 0.5, 1.0]
    """
    check_convention(convention)
    u = np.clip(np.asarray(information, np.float64), 0.0, 1.0)
    v = np.clip(np.asarray(response, np.float64), 0.0, 1.0)
    if u.shape != v.shape or u.ndim < 1:
        raise ValueError(f"information and response must both be [..., T]; got shapes {u.shape} and {v.shape}")
    if np.isnan(u).any() or (convention != "medical" and np.isnan(v).any()):
        raise ValueError("information and response must not be NaN: such a curve has no value")
    zeros, ones = np.zeros((*u.shape[:-1], 1)), np.ones((*u.shape[:-1], 1))
    if convention == "stable":
        order = np.lexsort((v, u), axis=-1)
        v = np.maximum.accumulate(np.take_along_axis(v, order, axis=-1), axis=-1)
        u = np.take_along_axis(u, order, axis=-1)
        return np.concatenate([zeros, u, ones], axis=-1), np.concatenate([zeros, v, ones], axis=-1)
    # fmax: a NaN response leaves the running maximum where it was, and 0 is where it starts.
    v = np.fmax.accumulate(np.concatenate([zeros, v], axis=-1), axis=-1)[..., 1:]
    u = np.concatenate([u, zeros, ones], axis=-1)
    v = np.concatenate([v, zeros, ones], axis=-1)
    order = np.argsort(u, axis=-1, kind="stable")
    return np.take_along_axis(u, order, axis=-1), np.take_along_axis(v, order, axis=-1)


def read_curve(position: Any, value: Any, points: int = POINTS) -> Floats:
    """The curve at the `positions(points)`, linear between its own points.

    Args:
        position: `[..., P]`, ascending from 0 to 1.
        value: `[..., P]`. At a repeated position the last value holds there, and the first one ends the segment
            that leads to it.
        points: at how many positions it is read, at least 2.

    Returns:
        `[..., points]` float64.

    Example:
        >>> read_curve([0.0, 0.5, 1.0], [0.0, 1.0, 1.0])[[250, 750]].tolist()
        [0.5, 1.0]
    """
    position, value = np.asarray(position, np.float64), np.asarray(value, np.float64)
    where = positions(points)
    result = np.empty((*position.shape[:-1], where.size))
    for index in np.ndindex(position.shape[:-1]):
        result[index] = np.interp(where, position[index], value[index])
    return result


def area(curve: Any) -> Any:
    """Area under a curve read at evenly spaced positions, by the trapezoid rule.

    Args:
        curve: `[..., points]`, as `read_curve` gives it.

    Returns:
        `[...]` float64, in [0, 1] for curves in [0, 1].

    Example:
        >>> round(float(area(positions())), 12)
        0.5
    """
    curve = np.asarray(curve, np.float64)
    return np.trapezoid(curve, positions(curve.shape[-1]), axis=-1)


def aggregate(curves: Any, how: Literal["median", "mean"] = "median") -> tuple[Floats, float]:
    """The pointwise median or mean of curves, and the area under it.

    Args:
        curves: `[N, 1001]`, one curve per image, N at least 1.
        how: `"median"` or `"mean"`.

    Returns:
        The aggregate curve `[1001]` and its area.

    Raises:
        ValueError: for no curve or an unknown aggregate.

    Example:
        >>> curve, auc = aggregate([positions(), positions() ** 2, positions()])
        >>> round(auc, 6)
        0.5
    """
    curves = np.asarray(curves, np.float64)
    if curves.ndim != 2 or curves.shape[0] == 0:
        raise ValueError(f"curves must be [N, {POINTS}] with N at least 1; got shape {curves.shape}")
    if how not in ("median", "mean"):
        raise ValueError(f'how must be "median" or "mean"; got {how!r}')
    curve = np.median(curves, axis=0) if how == "median" else np.mean(curves, axis=0)
    return curve, float(area(curve))


def undefined(
    kind: Literal["aic", "sic"],
    convention: Convention,
    *,
    probability: tuple[float, float],
    right: tuple[bool, bool],
    information: tuple[float, float],
    min_probability: float = MIN_PROBABILITY,
) -> str:
    """Why an image has no curve; decided from the original and the fully blurred image, before any map is seen.

    Args:
        kind: `"aic"` or `"sic"`.
        convention: `"stable"`, `"pair"` or `"medical"`.
        probability: of the class, for (original, blurred), in [0, 1].
        right: whether the class is predicted, for (original, blurred).
        information: of (original, blurred), in the unit of the information measure.
        min_probability: `"pair"` alone: of the original, what it must have at least.

    Returns:
        A code of `xaijax.metrics.REASONS`, or `""` when there is a curve.

    Example:
        >>> undefined("aic", "stable", probability=(0.9, 0.6), right=(True, True), information=(7.0, 5.0))
        'blurred_already_right'
    """
    check_convention(convention)
    if not np.isfinite([*probability, *information]).all():
        return "not_finite"
    response = (float(right[0]), float(right[1])) if kind == "aic" and convention != "medical" else probability
    if kind == "aic" and convention != "medical" and not right[0]:
        return "original_wrong"
    if convention == "pair" and response[0] < min_probability:
        return "low_probability"
    if information[1] >= information[0]:
        return "information_not_larger"
    if response[1] >= response[0]:
        return "blurred_already_right" if kind == "aic" and convention != "medical" else "blurred_as_probable"
    return ""
