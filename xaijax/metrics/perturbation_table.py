"""The metrics of perturbation curves: which series each reads, and how.

Every metric that removes or shows the largest pixels first has a twin that begins with the smallest (`_lerf`, least
relevant first) and a difference of both (`_abpc`, the area between the curves; `_combined` of ROAD):

| name | value | better |
|---|---|---|
| deletion_black | of the curve with the largest pixels hidden first | lower |
| deletion_black_lerf | the same read off the curve with the smallest pixels hidden first | higher |
| deletion_black_abpc | `Σ_{k=0..L} (p_LeRF,k - p_MoRF,k) / (L + 1)`, k = 0 the intact image | higher |
| road_combined | `(road_lerf - road) / 2`, both by rank | higher |

In insertion the largest first should be the higher curve, so that its difference is turned round. The two curves of
a difference and all `_lerf` take pixels by rank: of tied pixels the first goes first, so that both curves have changed
the same share at every step. Where a map has no ties these are the images of the metric itself.

References:
    Samek et al., IEEE TNNLS 2017 (least relevant first, area between the curves); Rong et al., ICML 2022 (ROAD).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.metric import Axes, Metric
from xaijax.metrics.perturbed import FILLS, Order, Perturbation

NAME = "perturbation"
LEAST, BETWEEN, COMBINED = "_lerf", "_abpc", "_combined"
Floats = NDArray[np.float64]
Read = Callable[[Floats, Floats], float]
"""(share of changed pixels `[P]`, ascending from 0; curve `[P]`) -> value"""


def area(fraction: Floats, curve: Floats) -> float:
    """Under p over the true fraction, by the trapezoid rule."""
    return float(np.trapezoid(curve, fraction))


def aopc(fraction: Floats, curve: Floats) -> float:
    """`Σ_{k=0..L} (p_0 - p_k) / (L + 1)`; the fractions play no part, equation 12 of Samek et al."""
    return float((curve[0] - curve).mean())


def mean_changed(fraction: Floats, curve: Floats) -> float:
    """Over the changed images."""
    return float(curve[1:].mean())


def over_curve(fraction: Floats, curve: Floats) -> float:
    """`1 - ∫ p_l/p_0 dl / L` over the segments l = 0..L, each counting alike."""
    relative = curve / curve[0]
    return float(1 - np.trapezoid(relative) / (len(relative) - 1))


def mean_difference(fraction: Floats, curve: Floats) -> float:
    """Of a difference of two curves: over all steps, the intact image included."""
    return float(curve.mean())


def half_difference(fraction: Floats, curve: Floats) -> float:
    """Of a difference of two curves: half its mean over the changed images."""
    return float(curve[1:].mean() / 2)


class Reading(NamedTuple):
    """What a metric reads.

    Attributes:
        how: the series of changed images.
        minus: of a difference, the series that is subtracted.
        column: 0 for the response, 1 for "the label is predicted".
        read: the value of the curve.
    """

    how: Perturbation
    minus: Perturbation | None
    column: int
    read: Read

    @property
    def series(self) -> tuple[Perturbation, ...]:
        """One, or two of a difference."""
        return (self.how,) if self.minus is None else (self.how, self.minus)


_HIDDEN = {
    "black": "black",
    "mean": "the mean colour",
    "blur": "blurred",
    "linear": "rebuilt by linear interpolation",
    "noisy_linear": "rebuilt by noisy linear imputation",
}
_UP = "probability of the explained class"
_UPS = (_UP, "share of images where the\nexplained class is predicted")
_CLOSED = "closed form: linear model"
_KERNEL = "linear model on the fill kernel, which has tests of its own"
_RISE, _SAMEK = "Petsiuk et al., BMVC 2018", "Samek et al., IEEE TNNLS 2017"
_ROAD, _BACH = "Rong et al., ICML 2022", "Bach et al., PLoS ONE 2015"
_QUANTUS, _PROBABILITY = "Quantus 0.6.0", "probability"

# name, order, fill, direction, read, column, summary, higher is better, smallest value, unit, source, parity
_Line = tuple[str, Order, str, Literal["insertion", "deletion"], Read, int, str, bool, float | None, str, str, str]
_LINES: tuple[_Line, ...] = (
    *(
        (
            f"insertion_{fill}", "quantile", fill, "insertion", area, 0,
            f"area under the probability as the largest pixels appear; the others are {_HIDDEN[fill]}",
            True, 0.0, "area", _RISE, _KERNEL if "linear" in fill else _CLOSED,
        )
        for fill in FILLS
    ),
    *(
        (
            f"deletion_{fill}", "quantile", fill, "deletion", area, 0,
            f"area under the probability as the largest pixels are hidden: {_HIDDEN[fill]}",
            False, 0.0, "area", _RISE, _KERNEL if "linear" in fill else _CLOSED,
        )
        for fill in FILLS
    ),
    (
        "pixel_flipping", "rank", "black", "deletion", area, 0,
        "area under the probability as the largest pixels become black, in equal steps",
        False, 0.0, "area", _BACH, _QUANTUS,
    ),
    (
        "region_perturbation", "patch", "black", "deletion", aopc, 0,
        "mean fall of the probability as squares of the largest means become black (AOPC)",
        True, -1.0, _PROBABILITY, _SAMEK, _QUANTUS,
    ),
    (
        "selectivity", "square", "black", "deletion", area, 0,
        "area under the probability as squares of the largest sums become black, all of them",
        False, 0.0, "area", "Montavon et al., DSP 2018", _CLOSED,
    ),
    (
        "road", "road", "noisy_linear", "deletion", mean_changed, 0,
        "mean probability with the 10 to 90 % largest pixels imputed (remove and debias)",
        False, 0.0, _PROBABILITY, _ROAD, _KERNEL,
    ),
    (
        "road_accuracy", "road", "noisy_linear", "deletion", mean_changed, 1,
        "share of right predictions with the 10 to 90 % largest pixels imputed (remove and debias)",
        False, 0.0, "share", _ROAD, _KERNEL,
    ),
    (
        "irof", "segment", "mean", "deletion", over_curve, 0,
        "area over the relative probability as SLIC segments of the largest means become the mean colour",
        True, None, "area", "Rieger and Hansen, 2020", _CLOSED,
    ),
)  # fmt: skip

_BY_RANK: dict[Order, Order] = {"quantile": "share", "road": "road_share"}
TABLE: dict[str, Reading] = {}
METRICS: list[Metric] = []


def _add(
    name: str,
    reading: Reading,
    summary: str,
    higher: bool,
    range: tuple[float | None, float | None],
    unit: str,
    source: str,
    parity: str,
    title: str = "",
) -> None:
    how = reading.how
    done = "shown" if how.direction == "insertion" else "hidden"
    size = "smallest" if how.least else "largest"
    first = {
        "patch": f"squares of the {size} means first",
        "square": f"squares of the {size} sums first",
        "segment": f"segments of the {size} means first",
    }.get(how.order, f"{size} first")
    across, up = f"share of the pixels {done}, {first}", _UPS[reading.column]
    if reading.minus is not None:
        across = f"share of the pixels {done}"
        up = (
            f"{up},\nlargest minus smallest first"
            if how.direction == "insertion"
            else f"{up},\nsmallest minus largest first"
        )
    title = title or name.replace("_", " ")
    axes = Axes(title, across, up, "perturbation")
    TABLE[name] = reading
    needs = frozenset({"model"})
    METRICS.append(
        Metric(name, NAME, summary, higher, range, unit, needs, source, parity=parity, title=title, axes=axes)
    )


for _line in _LINES:
    _name, _order, _fill, _direction, _read, _column, _summary, _higher, _low, _unit, _source, _parity = _line
    _how = Perturbation(_order, _fill, _direction)
    _add(_name, Reading(_how, None, _column, _read), _summary, _higher, (_low, 1.0), _unit, _source, _parity)
for _line in _LINES:
    _name, _order, _fill, _direction, _read, _column, _summary, _higher, _low, _unit, _source, _parity = _line
    _most = Perturbation(_BY_RANK.get(_order, _order), _fill, _direction)
    _least = _most._replace(least=True)
    _words = _name.replace("_", " ")
    _parity = "linear model on the fill kernel, least relevant first" if "linear" in _fill else _CLOSED
    _add(
        _name + LEAST, Reading(_least, None, _column, _read), _summary.replace("largest", "smallest"), not _higher,
        (_low, 1.0), _unit, f"{_SAMEK}; {_source}" if _source != _SAMEK else _SAMEK, _parity, f"{_words} LeRF",
    )  # fmt: skip
    _pair = (_most, _least) if _direction == "insertion" else (_least, _most)
    if _order == "road":
        _add(
            _name + COMBINED, Reading(*_pair, _column, half_difference),
            f"half of {_name}{LEAST} minus {_name}, both by rank (ROADCombined)", True, (-0.5, 0.5), _unit, _ROAD,
            _parity, f"{_words} combined",
        )  # fmt: skip
    else:
        _of = (_name, _name + LEAST) if _direction == "insertion" else (_name + LEAST, _name)
        _add(
            _name + BETWEEN, Reading(*_pair, 0, mean_difference),
            f"mean difference of the curves of {_of[0]} and {_of[1]}, both by rank (ABPC)", True, (-1.0, 1.0),
            _PROBABILITY, _SAMEK, _parity, f"{_words} ABPC",
        )  # fmt: skip
