"""The construction `cue`: a copy of the network was fine-tuned so that its class follows a cue, and nothing else.

The fine-tuning lies outside this package (`xaijax.training.plant_cue`); here its result becomes cases. The truth is the
region of the cue. It holds as far as the acceptance gate says: it is measured and not guaranteed, and no verdict rests
on it.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _outputs
from xaijax._errors import InputError
from xaijax.metrics.calibration.case import Case, Scene
from xaijax.metrics.calibration.gate import Gate
from xaijax.metrics.calibration.models import Model, Whole
from xaijax.metrics.calibration.ordering import balanced, in_turn

if TYPE_CHECKING:
    from xaijax.metrics.calibration.planning import Plan

CUE = "cue"


@dataclass(frozen=True, eq=False)
class PlantedCue:
    """A network that follows a cue, images with the cue, and what the gate says of it.

    Attributes:
        classifier: the fine-tuned one.
        images: `[n, H, W, C]`, none of which the fine-tuning saw, each with a cue.
        labels: `[n]` int: the class of each cue.
        masks: `[n, H, W]` bool: the region of each cue, not empty and not the whole image.
        groups: `[n]` names of what is resampled together, such as patients; empty for every image on its own.
        gate: of the fine-tuned network.
    """

    classifier: Any
    images: NDArray[Any]
    labels: NDArray[np.int32]
    masks: NDArray[np.bool_]
    gate: Gate
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.images)
        if len(self.labels) != count or self.masks.shape != self.images.shape[:3] or len(self.groups) not in (0, count):
            raise InputError(
                f"a planted cue needs a label, a mask and a group for each of its {count} images; got "
                f"{len(self.labels)}, {self.masks.shape} and {len(self.groups)}"
            )
        covered = self.masks.mean(axis=(1, 2))
        if not ((covered > 0) & (covered < 1)).all():
            raise InputError("the mask of a planted cue must show a part of its image; one shows nothing, or all of it")

    def __repr__(self) -> str:
        size = "x".join(map(str, self.images.shape[1:]))
        passed = "passed" if self.gate.passed else "not passed"
        return f"PlantedCue({len(self.images)} images of {size}, gate {passed} on {self.gate.images})"

    def scene(self, case: Case, batch_size: int) -> Scene:
        """The image with its cue, the fine-tuned network, and the region of the cue."""
        (i,) = case.sources
        model = Model(self.classifier, batch_size)
        return Scene(Whole(model), self.images[i], case.label, self.masks[i].astype(np.float64))


def with_cue(plan: Plan, planted: PlantedCue) -> Plan:
    """A plan with the cases of a planted cue as well; with none of them where the gate was not passed.

    Args:
        plan: without the construction `cue`.
        planted: as `xaijax.training.plant_cue` gives it.

    Returns:
        The plan, whose cases are numbered again, one of each construction in turn.
    """
    left: Counter[str] = Counter()
    cases: list[Case] = []
    model = Model(planted.classifier, plan.model.batch_size)
    names = model.classes and _outputs.targets(model.output, model.classes)
    if not planted.gate.passed:
        left["gate"] = len(planted.images)
    else:
        found = model.predict(planted.images)
        for i in balanced(planted.labels, np.random.default_rng([plan.seed, 0])):
            label = int(planted.labels[i])
            if not _outputs.agrees(model.output, found[i][None], label, model.thresholds)[0]:
                left["cue_not_followed"] += 1
                continue
            name, group = names[label] if names else str(label), planted.groups[i] if planted.groups else str(i)
            cases.append(Case(0, "cue", group, label, name, (i,)))
    own = {name: [case for case in plan.cases if case.construction == name] for name in plan.constructions}
    merged = in_turn([*own.values(), cases])
    return dataclasses.replace(
        plan,
        cases=merged,
        left_out={**plan.left_out, CUE: dict(left)},
        constructions=(*plan.constructions, "cue"),
        classes=tuple(dict.fromkeys([*plan.classes, *(case.label_class for case in cases)])),
        planted=planted,
    )


def without_cue(constructions: Sequence[str] | None) -> list[str] | None:
    """Constructions that `plan` finds; None for those of the depth.

    Example:
        >>> without_cue(["view", "cue"]), without_cue(None)
        (['view'], None)
    """
    return None if constructions is None else [name for name in constructions if str(name).casefold() != CUE]
