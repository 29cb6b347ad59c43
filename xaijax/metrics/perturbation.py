"""Perturbation curves: how the class's probability answers as a map's pixels are hidden or shown in order.

Every metric is an order of pixels (`xaijax.metrics.orders`), a fill for hidden pixels, a direction, and what is read
off the curve. All channels of a pixel change together. A curve begins with the image that nothing was done to (or, in
insertion, with everything hidden), and its abscissa is the true share of changed pixels, not the nominal one: ties
change together. Metrics with the same order, fill and direction share their forward passes, and all maps of an image
share its two ends. The response is the probability of the label, or what
`xaijax.metrics.answers` says of other outputs.

| metric | order | fill | read off the curve p(fraction) |
|---|---|---|---|
| insertion, deletion | quantiles, ties together | by name | area by the trapezoid rule |
| pixel_flipping | rank, equal steps | black | area |
| region_perturbation | squares of a grid by mean | black | `Σ_{k=0..L} (p_0 - p_k) / (L + 1)`, the paper's AOPC |
| selectivity | all squares of a grid by sum | black | area |
| road, road_accuracy | quantiles at 10 to 90 % | noisy linear | mean of p, and of "the label is predicted" |
| irof | SLIC segments by mean | mean | `1 - ∫ p_l/p_0 dl / L`, the area over the curve |

`xaijax.metrics.perturbation_table` has the list, and what `_lerf`, `_abpc` and `_combined` are.

References:
    Petsiuk et al., "RISE", BMVC 2018 (insertion, deletion); Bach et al., PLoS ONE 2015 (pixel flipping); Samek et al.,
    IEEE TNNLS 2017 (region perturbation, AOPC); Rong et al., ICML 2022 (ROAD); Rieger and Hansen, "IROF: a low resource
    evaluation metric for explanation methods", 2020; Montavon et al., "Methods for interpreting and understanding deep
    neural networks", DSP 2018 (selectivity).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax._errors import InputError
from xaijax.metrics._curves import Responses
from xaijax.metrics._stream import stream
from xaijax.metrics.metric import Family, Inputs, Metric, Passes, Result, Row
from xaijax.metrics.perturbation_table import METRICS, NAME, TABLE, Floats, Reading, over_curve
from xaijax.metrics.perturbed import GROUP, ImageResponses, Order, Settings


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by perturbation curves, with the curves in `Result.responses`."""
    wanted = {metric: TABLE[metric.name] for metric in metrics}
    series = list(dict.fromkeys(how for reading in wanted.values() for how in reading.series))
    flat = {method: np.ptp(maps, axis=(1, 2)) == 0 for method, maps in inputs.maps.items()}
    pending = [
        ImageResponses(inputs, settings, i, np.ascontiguousarray(image)) for i, image in enumerate(inputs.images)
    ]

    def pieces() -> Iterator[tuple[tuple[ImageResponses, Any], NDArray[Any]]]:
        for done, one in enumerate(pending, start=1):
            names, images = one.end_images(series)
            yield (one, names), images
            methods = [method for method in inputs.maps if not flat[method][one.index]]
            for how in series if methods else ():
                for some in (methods[i : i + GROUP] for i in range(0, len(methods), GROUP)):
                    for method, levels, changed in one.changed(how, some):
                        yield (one, (how, method, levels)), changed
            if inputs.progress is not None:
                inputs.progress(done, len(pending))

    cost = passes(settings, (inputs.images.shape[1], inputs.images.shape[2]), metrics)
    total = len(pending) * (cost.image + len(inputs.maps) * cost.map)
    for (one, what), probabilities in stream(inputs.predict, pieces(), min(inputs.batch_size, total)):
        answers = one.answers(probabilities)
        if isinstance(what, list):
            one.ends = dict(zip(what, answers, strict=True))
        else:
            how, method, levels = what
            one.found[how, method][levels] = answers

    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    for method in inputs.maps:
        absent = inputs.absent(method)
        for one in pending:
            name = inputs.ids[one.index]
            for metric, reading in wanted.items():
                reason = "empty_mask" if absent[one.index] else "flat_map" if flat[method][one.index] else ""
                if reading.column and not inputs.answers(one.index).judges:
                    reason = "regression"
                value = np.nan
                if not reason:
                    fraction, curve = _curve(one, reading, method)
                    reason = _reason(reading, curve)
                    if not reason:
                        value = reading.read(fraction, curve)
                        curves.append((name, method, metric.name, value, fraction, curve))
                rows.append((name, method, metric.name, value, reason))
    return Result(rows, responses=Responses.from_rows(curves))


def _curve(one: ImageResponses, reading: Reading, method: str) -> tuple[Floats, Floats]:
    """`(fraction [P], curve [P])`; NaN wherever the model gave any, and of a difference the mean of both fractions."""
    found = [one.curve(how, method) for how in reading.series]
    curves = [answers[:, reading.column] for _, answers in found]
    return np.mean([fraction for fraction, _ in found], axis=0), curves[0] if len(curves) == 1 else curves[0] - curves[
        1
    ]


def _reason(reading: Reading, curve: Floats) -> str:
    if not np.isfinite(curve).all():
        return "not_finite"
    if reading.how.order == "segment" and len(curve) < 3:
        return "one_segment"
    if reading.how.order == "square" and len(curve) < 3:
        return "one_square"
    if reading.read is over_curve and curve[0] == 0:
        return "zero_probability"
    return ""


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """The ends for each image, all steps between them for each map; in IROF SLIC decides on the number of segments."""
    series = dict.fromkeys(how for metric in metrics for how in TABLE[metric.name].series)
    fills = {how.fill for how in series if how.total}
    pixels = size[0] * size[1]
    squares = settings.length("square", size)

    def steps(order: Order) -> int:
        most = {"rank": pixels, "patch": squares, "segment": pixels}.get(order, kernels.MAX_FRACTIONS)
        return min(settings.length(order, size), most)

    return Passes(1 + len(fills), sum(steps(how.order) - how.total for how in series))


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses regions that are larger than the images, and more of them than can be told apart."""
    size = inputs.images.shape[1:3]
    orders = {how.order for metric in metrics for how in TABLE[metric.name].series}
    if orders & {"patch", "square"} and settings.patch > min(size):
        of = "region_perturbation" if "patch" in orders else "selectivity"
        raise InputError(
            f"perturbation.patch is {settings.patch}: the regions of {of} must not be wider than the images, "
            f"{min(size)} pixels"
        )
    if "square" in orders and settings.length("square", size) > kernels.MAX_FRACTIONS:
        raise InputError(
            f"perturbation.patch is {settings.patch}: selectivity would remove {settings.length('square', size):,} "
            f"squares, more than the {kernels.MAX_FRACTIONS:,} that can be told apart: make them larger"
        )


FAMILY = Family(
    NAME,
    tuple(METRICS),
    score,
    settings=Settings,
    title="Perturbation",
    reasons={"one_segment": "the image is a single segment", "one_square": "the image is a single square"},
    oracle=True,
    check=check,
    passes=passes,
)
