"""The acceptance gate of a planted cue: does a network that was fine-tuned on it follow the cue, and nothing else?

Each of a number of images that the fine-tuning never saw is changed twice: its cue becomes that of another class and
the rest stays (the prediction must change), and the rest becomes that of another image and the cue stays (the
prediction must not change). Of both shares the bound counts: one-sided, 95 %, by Clopper and Pearson.

References:
    Clopper and Pearson, Biometrika 1934.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax.metrics.calibration.models import Model

WITH_CUE = 0.99
"""Least share of the predictions that change with the cue."""
WITH_REST = 0.01
"""Largest share of the predictions that change with everything else."""
LEVEL = 0.95
FEWEST = 299
"""Images below which not even a flawless network has such bounds: 0.05^(1/299) is 0.990."""


def at_least(count: int, of: int) -> float:
    """Lower bound of a share.

    Example:
        >>> round(at_least(FEWEST, FEWEST), 4), round(at_least(FEWEST - 1, FEWEST - 1), 4), at_least(0, 10)
        (0.99, 0.99, 0.0)
        >>> at_least(FEWEST, FEWEST) >= WITH_CUE > at_least(FEWEST - 1, FEWEST - 1)
        True
    """
    return float(beta.ppf(1 - LEVEL, count, of - count + 1)) if count else 0.0


def at_most(count: int, of: int) -> float:
    """Upper bound of a share.

    Example:
        >>> round(at_most(0, 300), 4), at_most(10, 10)
        (0.0099, 1.0)
    """
    return float(beta.ppf(LEVEL, count + 1, of - count)) if count < of else 1.0


@dataclass(frozen=True)
class Gate:
    """What the gate measured.

    Attributes:
        images: that the fine-tuning never saw, each changed twice.
        with_cue: how many predictions changed with the cue.
        with_rest: how many changed with everything else.

    Example:
        >>> Gate(352, 352, 0).passed, Gate(352, 340, 0).passed, Gate(200, 200, 0).passed
        (True, False, False)
    """

    images: int
    with_cue: int
    with_rest: int

    @property
    def cue_low(self) -> float:
        """Lower bound of the share of predictions that change with the cue."""
        return at_least(self.with_cue, self.images)

    @property
    def rest_high(self) -> float:
        """Upper bound of the share of predictions that change with everything else."""
        return at_most(self.with_rest, self.images)

    @property
    def passed(self) -> bool:
        """Whether both bounds are where they must be."""
        return self.cue_low >= WITH_CUE and self.rest_high <= WITH_REST

    def sentence(self) -> str:
        """What was measured and what is needed.

        Example:
            >>> print(Gate(352, 352, 1).sentence())
            on 352 unseen images the prediction changed with the cue in 352 (at least 99.1 %, 99 % needed) and with \
everything else in 1 (at most 1.4 %, 1 % allowed)
        """
        return (
            f"on {self.images} unseen images the prediction changed with the cue in {self.with_cue} (at least "
            f"{_down(self.cue_low)} %, {100 * WITH_CUE:g} % needed) and with everything else in {self.with_rest} (at "
            f"most {_up(self.rest_high)} %, {100 * WITH_REST:g} % allowed)"
        )

    def to_json(self) -> dict[str, Any]:
        """Counts, bounds, what is needed and the outcome."""
        return {
            "images": self.images,
            "with_cue": self.with_cue,
            "with_cue_at_least": self.cue_low,
            "with_cue_needed": WITH_CUE,
            "with_rest": self.with_rest,
            "with_rest_at_most": self.rest_high,
            "with_rest_allowed": WITH_REST,
            "passed": self.passed,
            "sentence": self.sentence(),
        }

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Gate:
        """The gate that `to_json` wrote."""
        return cls(int(given["images"]), int(given["with_cue"]), int(given["with_rest"]))


def measure_gate(classifier: Any, shown: Any, other_cue: Any, other_rest: Any, *, batch_size: int = 64) -> Gate:
    """Measures a network on changed images.

    Args:
        classifier: that was fine-tuned, or anything with `predict`.
        shown: `[n, H, W, C]` images with a cue.
        other_cue: the same with the cue of another class.
        other_rest: the same cues in other images.
        batch_size: images in a model call.

    Raises:
        InputError: where they are not as many.

    Example:
        >>> class Corner:
        ...     classes = ("dark", "bright")
        ...     def predict(self, images):
        ...         return np.stack([1 - images[:, 0, 0, 0], images[:, 0, 0, 0]], axis=1)
        >>> dark, bright, moved = np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 1)), np.full((2, 8, 8, 1), 0.5)
        >>> bright[:, 0, 0], moved[:, 0, 0] = 1, 0
        >>> measure_gate(Corner(), dark, bright, moved)
        Gate(images=2, with_cue=2, with_rest=0)
    """
    if not len(shown) == len(other_cue) == len(other_rest) > 0:
        raise InputError(
            "the gate needs as many images with another cue, and with another rest, as there are; got "
            f"{len(shown)}, {len(other_cue)} and {len(other_rest)}"
        )
    model = Model(classifier, batch_size)

    def said(images: Any) -> NDArray[Any]:
        return np.asarray(_outputs.unfold(model.output, model.predict(np.asarray(images))).argmax(axis=1))

    first = said(shown)
    return Gate(len(first), int((first != said(other_cue)).sum()), int((first != said(other_rest)).sum()))


def _down(share: float) -> str:
    """Per cent, rounded down: a bound is not said to be better than it is."""
    return f"{np.floor(1000 * share) / 10:.1f}"


def _up(share: float) -> str:
    return f"{np.ceil(1000 * share) / 10:.1f}"
