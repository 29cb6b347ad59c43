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
| road, road_accuracy | quantiles at 10 to 90 % | noisy linear | mean of p, and of "the label is predicted" |
| irof | SLIC segments by mean | mean | `1 - ∫ p_l/p_0 dl / L`, the area over the curve |

References:
    Petsiuk et al., "RISE", BMVC 2018 (insertion, deletion); Bach et al., PLoS ONE 2015 (pixel flipping); Samek et al.,
    IEEE TNNLS 2017 (region perturbation, AOPC); Rong et al., ICML 2022 (ROAD); Rieger and Hansen, "IROF: a low resource
    evaluation metric for explanation methods", 2020.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax.metrics._stream import stream
from xaijax.metrics.metric import Axes, Family, Inputs, Metric, Result, Row
from xaijax.metrics.perturbed import FILLS, GROUP, ImageResponses, Perturbation, Settings
from xaijax.metrics.scores import Responses

NAME = "perturbation"
Floats = NDArray[np.float64]


def area(fraction: Floats, answers: Floats) -> float:
    """Under p over the true fraction, by the trapezoid rule."""
    return float(np.trapezoid(answers[:, 0], fraction))


def aopc(fraction: Floats, answers: Floats) -> float:
    """`Σ_{k=0..L} (p_0 - p_k) / (L + 1)`; the fractions play no part, equation 12 of Samek et al."""
    return float((answers[0, 0] - answers[:, 0]).mean())


def mean_probability(fraction: Floats, answers: Floats) -> float:
    """Over the changed images."""
    return float(answers[1:, 0].mean())


def accuracy(fraction: Floats, answers: Floats) -> float:
    """Share of the changed images whose label is predicted."""
    return float(answers[1:, 1].mean())


def over_curve(fraction: Floats, answers: Floats) -> float:
    """`1 - ∫ p_l/p_0 dl / L` over the segments l = 0..L, each counting alike."""
    relative = answers[:, 0] / answers[0, 0]
    return float(1 - np.trapezoid(relative) / (len(relative) - 1))


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by perturbation curves, with the curves in `Result.responses`."""
    wanted = {metric: _TABLE[metric.name] for metric in metrics}
    series = list(dict.fromkeys(how for how, _ in wanted.values()))
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

    total = len(pending) * (1 + len(FILLS) + len(inputs.maps) * sum(settings.length(how.order) for how in series))
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
            for metric, (how, read) in wanted.items():
                reason = "empty_mask" if absent[one.index] else "flat_map" if flat[method][one.index] else ""
                if read is accuracy and not inputs.answers(one.index).judges:
                    reason = "regression"
                value = np.nan
                if not reason:
                    fraction, answers = one.curve(how, method)
                    reason = _reason(metric, answers)
                    if not reason:
                        value = read(fraction, answers)
                        curve = answers[:, 1 if read is accuracy else 0]
                        curves.append((name, method, metric.name, value, fraction, curve))
                rows.append((name, method, metric.name, value, reason))
    return Result(rows, responses=Responses.from_rows(curves))


def passes(metrics: Sequence[Metric], settings: Settings, maps: int) -> int:
    """Images that the model sees for one image with so many maps, at most."""
    series = list(dict.fromkeys(_TABLE[metric.name][0] for metric in metrics))
    ends = 1 + len({how.fill for how in series if how.total})
    return ends + maps * sum(settings.length(how.order) - how.total for how in series)


def _reason(metric: Metric, answers: Floats) -> str:
    if not np.isfinite(answers).all():
        return "not_finite"
    if metric.name == "irof" and len(answers) < 3:
        return "one_segment"
    if metric.name == "irof" and answers[0, 0] == 0:
        return "zero_probability"
    return ""


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses regions that are larger than the images."""
    side = min(inputs.images.shape[1:3])
    if any(_TABLE[metric.name][0].order == "patch" for metric in metrics) and settings.patch > side:
        raise InputError(
            f"perturbation.patch is {settings.patch}: the regions of region_perturbation must not be wider than the "
            f"images, {side} pixels"
        )


_AREA = "area"
_RISE = "Petsiuk et al., BMVC 2018"
_TABLE: dict[str, tuple[Perturbation, Callable[[Floats, Floats], float]]] = {}
_METRICS: list[Metric] = []


def _axes(name: str, how: Perturbation, read: Any) -> Axes:
    done = "shown" if how.direction == "insertion" else "hidden"
    first = {"patch": "squares of the largest means first", "segment": "segments of the largest means first"}
    across = f"share of the pixels {done}, {first.get(how.order, 'largest first')}"
    up = "probability of the explained class"
    if read is accuracy:
        up = "share of images where the\nexplained class is predicted"
    return Axes(name.replace("_", " "), across, up, "perturbation")


def _add(
    name: str,
    how: Perturbation,
    read: Any,
    summary: str,
    higher: bool,
    low: float | None,
    unit: str,
    source: str,
    parity: str,
) -> None:
    _TABLE[name] = (how, read)
    needs, axes = frozenset({"model"}), _axes(name, how, read)
    _METRICS.append(Metric(name, NAME, summary, higher, (low, 1.0), unit, needs, source, parity=parity, axes=axes))


_CLOSED = "closed form: linear model"
_KERNEL = "linear model on the fill kernel, which has tests of its own"
_HIDDEN = {
    "black": "black",
    "mean": "the mean colour",
    "blur": "blurred",
    "linear": "rebuilt by linear interpolation",
    "noisy_linear": "rebuilt by noisy linear imputation",
}
for _fill in FILLS:
    _add(
        f"insertion_{_fill}", Perturbation("quantile", _fill, "insertion"), area,
        f"area under the probability as the largest pixels appear; the others are {_HIDDEN[_fill]}",
        True, 0.0, _AREA, _RISE, _KERNEL if "linear" in _fill else _CLOSED,
    )  # fmt: skip
for _fill in FILLS:
    _add(
        f"deletion_{_fill}", Perturbation("quantile", _fill, "deletion"), area,
        f"area under the probability as the largest pixels are hidden: {_HIDDEN[_fill]}",
        False, 0.0, _AREA, _RISE, _KERNEL if "linear" in _fill else _CLOSED,
    )  # fmt: skip
_add(
    "pixel_flipping", Perturbation("rank", "black", "deletion"), area,
    "area under the probability as the largest pixels become black, in equal steps",
    False, 0.0, _AREA, "Bach et al., PLoS ONE 2015", "Quantus 0.6.0",
)  # fmt: skip
_add(
    "region_perturbation", Perturbation("patch", "black", "deletion"), aopc,
    "mean fall of the probability as squares of the largest means become black (AOPC)",
    True, -1.0, "probability", "Samek et al., IEEE TNNLS 2017", "Quantus 0.6.0",
)  # fmt: skip
_add(
    "road", Perturbation("road", "noisy_linear", "deletion"), mean_probability,
    "mean probability with the 10 to 90 % largest pixels imputed (remove and debias)",
    False, 0.0, "probability", "Rong et al., ICML 2022", _KERNEL,
)  # fmt: skip
_add(
    "road_accuracy", Perturbation("road", "noisy_linear", "deletion"), accuracy,
    "share of right predictions with the 10 to 90 % largest pixels imputed (remove and debias)",
    False, 0.0, "share", "Rong et al., ICML 2022", _KERNEL,
)  # fmt: skip
_add(
    "irof", Perturbation("segment", "mean", "deletion"), over_curve,
    "area over the relative probability as SLIC segments of the largest means become the mean colour",
    True, None, _AREA, "Rieger and Hansen, 2020", _CLOSED,
)  # fmt: skip

FAMILY = Family(
    NAME,
    tuple(_METRICS),
    score,
    settings=Settings,
    title="Perturbation",
    reasons={"one_segment": "the image is a single segment"},
    oracle=True,
    check=check,
    passes=passes,
)
