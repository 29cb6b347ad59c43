"""Relative stability: how much more does a map move than the image, the output or the activations behind it?

The largest ratio over noisy images `x' = x + N(0, 0.05²)` that keep the prediction, as its natural logarithm; lower is
better, and 0 means that the map moves as much, relatively:

| metric | ratio |
|---|---|
| ris | `(‖Φ - Φ'‖ / ‖Φ‖) / max(‖x - x'‖ / ‖x‖, 1e-6)` |
| ros | the same over the logits h (what `predict` gives, where a classifier has no logits) |
| rrs | the same over the activations l of the classifier's default layer |

`convention="quantus"` divides element by element, `‖(Φ - Φ') / Φ‖ / max(‖(x - x') / x‖, 1e-6)` with zeros replaced by
1e-6, and takes `‖h - h'‖` as it is: one pixel near zero then decides. Quantus 0.6.0 also adds uniform noise from 0.02
to 0.2, never negative, and a single changed prediction makes its maximum NaN. A maximum over draws grows with their
number. Noisy images are not clipped; the class that is explained stays that of the original.

References:
    Agarwal et al., "Rethinking Stability for Attribution-based Explanations", 2022.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax._batches import in_batches
from xaijax.metrics.changed import Floats, class_scores, explain
from xaijax.metrics.metric import Inputs, Metric, Row, image_seed, rows_of

RIS, ROS, RRS = "ris", "ros", "rrs"
NAMES = (RIS, ROS, RRS)
SMALL = 1e-6
DRAW = 6
Convention = Literal["norms", "quantus"]


def relative_change(before: Any, after: Any, convention: Convention) -> Floats:
    """How far a batch of arrays moves, relative to where it was.

    Args:
        before, after: `[B, ...]`.
        convention: ratio of norms (NaN where `before` is zero), or norm of the ratios element by element.

    Returns:
        `[B]`, 0 or more.

    Example:
        >>> relative_change([[3.0, 4.0]], [[3.0, 5.0]], "norms"), relative_change([[2.0, 4.0]], [[2.0, 5.0]], "quantus")
        (array([0.2]), array([0.25]))
    """
    a, b = (np.asarray(values, np.float64).reshape(len(values), -1) for values in (before, after))
    if convention == "quantus":
        return np.asarray(np.linalg.norm((a - b) / np.where(a == 0, SMALL, a), axis=1))
    norms = np.linalg.norm(a, axis=1)
    return np.divide(np.linalg.norm(a - b, axis=1), norms, out=np.full(len(a), np.nan), where=norms > 0)


def score_stability(
    inputs: Inputs,
    images: NDArray[np.float32],
    metrics: Sequence[Metric],
    *,
    draws: int,
    deviation: float,
    convention: Convention,
) -> list[Row]:
    """Rows of RIS, ROS and RRS, which share noise, predictions and maps."""
    none = np.full(len(images), np.nan)
    methods = [method for method in inputs.raw if method in inputs.explainers]
    rows = [
        row
        for method in inputs.raw
        if method not in methods
        for metric in metrics
        for row in rows_of(inputs.ids, method, metric, none, "no_explainer")
    ]
    names = [metric.name for metric in metrics]
    if not methods:
        return rows
    quantities = {name: _quantity(inputs, name) for name in names}
    intact = {name: quantity(images) for name, quantity in quantities.items()}
    decided = _decisions(inputs, images)
    generators = [np.random.default_rng(image_seed(inputs.seed, name, DRAW)) for name in inputs.ids]
    worst = {(method, name): np.full(len(images), -np.inf) for method in methods for name in names}
    for draw in range(draws):
        noise = np.stack([rng.normal(0.0, deviation, images.shape[1:]) for rng in generators]).astype(np.float32)
        moved = images + noise
        same = (_decisions(inputs, moved) == decided).all(axis=1)
        below = {}
        for name, quantity in quantities.items():
            after = quantity(moved)
            plain = name == ROS and convention == "quantus"
            change = np.linalg.norm(after - intact[name], axis=1) if plain else None
            change = relative_change(intact[name], after, convention) if change is None else change
            below[name] = np.maximum(change, SMALL)  # NaN stays
        for method in methods:
            above = relative_change(inputs.raw[method], explain(inputs, method, moved), convention)
            for name in names:
                ratio = np.where(same, above / below[name], -np.inf)
                worst[method, name] = np.maximum(worst[method, name], ratio)
        if inputs.progress is not None:
            inputs.progress((draw + 1) * len(images) // draws, len(images))
    for method in methods:
        empty = np.asarray(~np.asarray(inputs.raw[method]).reshape(len(images), -1).any(axis=1))
        for metric in metrics:
            rows += _logarithms(inputs, method, metric, worst[method, metric.name], empty, intact[metric.name])
    return rows


def _logarithms(
    inputs: Inputs, method: str, metric: Metric, worst: Floats, empty: NDArray[np.bool_], intact: Floats
) -> list[Row]:
    reasons = []
    for value, zero, before in zip(worst, empty, intact, strict=True):
        reason = ""
        if zero and np.isnan(value):
            reason = "zero_map"
        elif np.isnan(value) and not before.any():
            reason = "zero_norm"
        elif value == -np.inf:
            reason = "prediction_changes"
        elif value == 0:
            reason = "unmoved"
        reasons.append(reason)
    logarithms = np.log(worst, out=np.full(len(worst), np.nan), where=worst > 0)
    return rows_of(inputs.ids, method, metric, logarithms, reasons)


def _decisions(inputs: Inputs, images: NDArray[np.float32]) -> NDArray[np.int64]:
    """`[B, 1]`: what the model decides; the same for all images of a regression."""
    size = min(inputs.batch_size, len(images))
    found = in_batches(lambda some: np.asarray(inputs.predict(some), np.float64), size, images)
    if inputs.output in ("softmax", "binary"):
        return np.asarray(found.argmax(axis=1)[:, None], np.int64)
    right = [inputs.answers(i).right(one[None])[0] for i, one in enumerate(found)]
    return np.asarray(right, np.int64)[:, None]


def _quantity(inputs: Inputs, name: str) -> Callable[[NDArray[np.float32]], Floats]:
    """`[B, H, W, C]` -> `[B, n]`: the image, the logits or the activations."""
    if name == RIS:
        return lambda images: images.reshape(len(images), -1).astype(np.float64)
    if name == ROS:
        scores = class_scores(inputs.classifier)

        def read(some: NDArray[Any]) -> Floats:
            columns = np.asarray(scores(some), np.float64)
            # A finding, and the one class of a binary output, have two columns for one logit.
            first = {"sigmoid": slice(columns.shape[1] // 2), "binary": slice(1, 2)}
            return columns[:, first.get(inputs.output, slice(None))]

    else:
        layer = inputs.classifier.default_layer
        activations = _activations()

        def read(some: NDArray[Any]) -> Floats:
            return np.asarray(activations(inputs.classifier, layer, some), np.float64).reshape(len(some), -1)

    return lambda images: in_batches(read, min(inputs.batch_size, len(images)), images)


@functools.cache
def _activations() -> Callable[..., Any]:
    """Compiled once per architecture and shape; JAX is imported when a metric asks."""
    from xaijax import _cpu

    def run(model: Any, layer: str, images: Any) -> Any:
        return model.tapped(model.params, images, {layer: None})[1][layer]

    return _cpu.jit(run, static_argnums=1)
