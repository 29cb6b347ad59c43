"""Cases and what is scored on them, as plain data."""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.calibration.models import Mosaic, Natural, Parts, View, Whole

Construction = Literal["view", "mosaic", "parts", "and", "or", "natural", "cue"]
CONSTRUCTIONS: tuple[Construction, ...] = ("view", "mosaic", "parts", "and", "or", "natural", "cue")
FULL = CONSTRUCTIONS[:5]
"""Of the depth `"full"`; `natural` guarantees nothing and `cue` needs a fine-tuning: they are made on request."""
DECIDING: tuple[Construction, ...] = ("view", "mosaic", "parts")
"""Constructions that a verdict rests on; `and` and `or` show what fails under conjunction and redundancy, `cue` whether
another way to a truth says the same."""

QUICK_TEXTURES = ("white", "smooth 6", "edges")
QUICK_LEVELS = (0.0, 0.5, 1.0)
FULL_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)

LEFT_OUT = {
    "not_predicted": "the model does not predict the label",
    "not_finite": "the model answers NaN or infinity",
    "not_predicted_small": "the model does not predict the label at half the size",
    "no_view": "no part of the image that was tried (the lesion, then random ones) keeps a probability of 0.8",
    "not_predicted_canvas": "the model predicts another class for the whole canvas",
    "no_other_class": "the canvas needs images of other classes that the model predicts at half the size",
    "no_gain": "the model does not prefer the cells to a uniform image",
    "constant_truth": "all cells have the same Shapley value",
    "one_image": "the canvas needs another image",
    "gate": "the fine-tuned network did not pass the acceptance gate",
    "cue_not_followed": "the fine-tuned network does not predict the class of the cue",
    "no_time": "the given time was spent",
}
"""Why an image gives no case."""


class Row(NamedTuple):
    """One value of one metric on one map.

    Attributes:
        construction: name of the construction.
        case: its number in the plan.
        group: of the image, such as a patient.
        label_class: name of the class of the image.
        map: `"truth"`, `"TEXTURE|LEVEL"`, `"roll:"` before one of these (its twin), or `"null:TEXTURE|2"` (a second
            texture of the same kind; the first one is `"TEXTURE|1"`).
        metric: its name; those that begin with `"control:"` are the controls.
        value: NaN where there is none.
        reason: why there is none.
    """

    construction: str
    case: int
    group: str
    label_class: str
    map: str
    metric: str
    value: float
    reason: str


@dataclass(frozen=True)
class Case:
    """One image of one construction, before anything is computed for it.

    Attributes:
        number: in the plan.
        construction: its name.
        group: of the image that it is about.
        label: the class that maps explain, of the user's model.
        label_class: its name.
        sources: positions of the images that it is made of, in the order of the cells.
        weights: `[4]` of the cells; of a mosaic 1 for the cell that the model sees, or that shows the class.
        visible: `[H, W]` of a view; None otherwise.
        ends: of `Parts`.
    """

    number: int
    construction: Construction
    group: str
    label: int
    label_class: str
    sources: tuple[int, ...]
    weights: tuple[float, ...] = ()
    visible: NDArray[np.bool_] | None = field(default=None, repr=False)
    ends: tuple[float, float] = (0.0, 1.0)

    @property
    def cost(self) -> int:
        """Passes of the user's model for one image."""
        return sum(weight != 0 for weight in self.weights) if self.construction in ("parts", "and", "or") else 1


@dataclass(frozen=True, eq=False)
class Scene:
    """What a case amounts to: an image, a classifier whose evidence is known, and that evidence.

    Attributes:
        classifier: g, with `predict`.
        image: `[H, W, C]`, dtype of the user's images.
        label: of `classifier`, that maps explain.
        truth: T, `[H, W]`, any scale.
    """

    classifier: View | Mosaic | Natural | Parts | Whole
    image: NDArray[Any]
    label: int
    truth: NDArray[np.float64]

    def __repr__(self) -> str:
        size = "x".join(map(str, self.image.shape))
        return f"Scene({type(self.classifier).__name__}, an image of {size}, label {self.label})"
