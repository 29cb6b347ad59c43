"""F-Fidelity: pixels are removed at random, so few at a time that the model has seen such images in a fine-tuning.

f is a model that was fine-tuned on images with a random share β of their pixels black (`xaijax train --weights MODEL
--interventions.hidden-pixels 0.1`), p its probability of the class, S the top share s of a map's pixels, N all pixels:

| metric | value | better |
|---|---|---|
| f_fidelity_plus | mean over s and draws of `p(x) - p(x without a random part of S)` | higher |
| f_fidelity_minus | the same for the pixels outside S | lower |

Each pixel of S, all channels together, is removed (black) with probability `min(α, β N / |S|)`, each pixel outside with
`min(α, β N / (N - |S|))`: in expectation never more than the fine-tuning hid, whatever the map. With a model that was
not fine-tuned these are perturbation metrics like others. Tied pixels go by position; all methods of an image share
the draws.

References:
    Zheng et al., "F-Fidelity: A Robust Framework for Faithfulness Evaluation of Explainable AI", ICLR 2025. The
    authors' code removes from a list of pixels ordered by importance instead of from S and its complement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from xaijax._batches import in_batches
from xaijax._options import Count, Range
from xaijax.metrics.changed import Floats, unit_images
from xaijax.metrics.metric import (
    Family,
    Fractions,
    Inputs,
    Metric,
    Passes,
    Result,
    Row,
    check_ascending,
    image_seed,
    rows_of,
)

NAME = "f_fidelity"
PLUS, MINUS = "f_fidelity_plus", "f_fidelity_minus"
DRAW = 10
Part = Annotated[float, Range(0, 1, without_low=True)]


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"f_fidelity": {"draws": 20}})`.

    Attributes:
        shares: of the pixels that count as the top of a map, in ascending order.
        draws: of removed pixels, for each share.
        alpha: largest probability with which a pixel is removed.
        beta: largest expected share of the pixels that is removed: what the fine-tuning hid.
    """

    shares: Fractions = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    draws: Count = 50
    alpha: Part = 0.5
    beta: Part = 0.1

    def __post_init__(self) -> None:
        check_ascending("f_fidelity.shares", self.shares)


def removed(
    order: NDArray[np.intp], draws: NDArray[np.float32], share: float, kind: str, settings: Settings
) -> NDArray[np.bool_]:
    """Which pixels each draw removes.

    Args:
        order: `[N]`, positions of the pixels, the most important first.
        draws: `[D, N]` uniform numbers.
        share: of the pixels that count as the top.
        kind: `f_fidelity_plus`: of the top; `f_fidelity_minus`: of the others.
        settings: with α and β.

    Returns:
        `[D, N]` bool.

    Example:
        >>> sure = Settings(alpha=1.0, beta=1.0)
        >>> removed(np.array([2, 0, 1, 3]), np.zeros((1, 4), np.float32), 0.5, "f_fidelity_minus", sure).tolist()
        [[False, True, False, True]]
    """
    count = len(order)
    top = max(1, round(share * count))
    among = np.zeros(count, bool)
    among[order[:top] if kind == PLUS else order[top:]] = True
    size = int(among.sum())
    chance = min(settings.alpha, settings.beta * count / size) if size else 0.0
    return np.asarray(among & (draws < chance))


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by what the removal of a random part of their top, or of the rest, does."""
    images = unit_images(inputs.images)
    rows: list[Row] = []
    for i, image in enumerate(images):
        rng = np.random.default_rng(image_seed(inputs.seed, inputs.ids[i], DRAW))
        drawn = rng.random((settings.draws, image.shape[0] * image.shape[1]), np.float32)
        intact = float(_response(inputs, i, image[None])[0])
        for method, maps in inputs.maps.items():
            flat = np.ptp(maps[i]) == 0
            order = np.argsort(-maps[i].ravel(), kind="stable")
            for metric in metrics:
                value, reason = np.nan, "flat_map" if flat else ""
                if inputs.absent(method)[i]:
                    reason = "empty_mask"
                if not reason:
                    masks = [removed(order, drawn, share, metric.name, settings) for share in settings.shares]
                    falls = [intact - _response(inputs, i, _without(image, gone)) for gone in masks]
                    value = float(np.mean(falls))
                rows += rows_of([inputs.ids[i]], method, metric, [value], reason)
        if inputs.progress is not None:
            inputs.progress(i + 1, len(images))
    return Result(rows)


def _without(image: NDArray[np.float32], gone: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(gone.reshape(-1, *image.shape[:2], 1), np.float32(0), image)


def _response(inputs: Inputs, i: int, images: NDArray[np.float32]) -> Floats:
    found = in_batches(lambda some: np.asarray(inputs.predict(some)), min(inputs.batch_size, len(images)), images)
    return inputs.answers(i).response(found)


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """Every draw of every share, for each metric."""
    return Passes(image=1, map=len(metrics) * settings.draws * len(settings.shares))


_PAPER = "Zheng et al., ICLR 2025"

FAMILY = Family(
    NAME,
    (
        Metric(
            PLUS, NAME, "fall of the fine-tuned model's probability when a random part of the top is removed", True,
            (-1.0, 1.0), "probability", frozenset({"model"}), _PAPER, parity="closed form: linear model",
        ),
        Metric(
            MINUS, NAME, "fall of the fine-tuned model's probability when a random part of the rest is removed", False,
            (-1.0, 1.0), "probability", frozenset({"model"}), _PAPER, parity="closed form: linear model",
        ),
    ),
    score,
    settings=Settings,
    title="F-Fidelity",
    oracle=True,
    passes=passes,
)  # fmt: skip
