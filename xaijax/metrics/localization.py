"""How well maps point at lesions: the compiled localization scores, with the role of the masks watched.

A mask has a role: `"lesion"` (what the class is about), `"organ"` or `"artefact"`. Pointing at an organ or at a planted
artefact is no merit, so lesion scores and the ground-truth oracle refuse these roles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from xaijax import kernels
from xaijax.metrics.registry import LESION_ROLE, ROLES, Metric

# In the order of the kernel's codes.
REASON_CODES = ("", "empty_mask", "full_mask", "flat_map", "not_finite")
PERCENT = 15.0


def check_role(role: str | None, what: str) -> None:
    """Raises ValueError unless masks of this role are lesions.

    Example:
        >>> check_role("organ", "pointing_game")
        Traceback (most recent call last):
        ValueError: pointing_game needs lesion masks; these masks have the role 'organ': leave pointing_game out or ...
    """
    if role is not None and role not in ROLES:
        raise ValueError(f"mask_role must be one of {', '.join(ROLES)}; got {role!r}")
    if role != LESION_ROLE:
        raise ValueError(
            f"{what} needs lesion masks; these masks have the role {role!r}: leave {what} out or give lesion masks"
        )


def oracle_maps(masks: Any, *, mask_role: str | None = "lesion") -> NDArray[np.float32]:
    """The ground truth as a map: what a perfect explanation would mark, a control that should win.

    `S = 1 + d / (1 + max d)` inside, with d the distance to the border, and `S = 1 / (1 + d)` outside, with d the
    distance to the mask. The mask itself would have two values: a lesion smaller than the first fraction that reaches
    beyond it would then reveal the whole image at once, because ties are revealed together, and score like a constant.

    Args:
        masks: `[B, H, W]` bool or uint8, nonzero inside.
        mask_role: of the masks; only `"lesion"` is allowed.

    Returns:
        `[B, H, W]` float32, at least 1 inside and below 1 outside, falling with the distance. An empty mask gives
        zeros, which is no explanation: leave such images out, or let `evaluate(..., oracle=True)` do so.

    Raises:
        ValueError: for masks of another role or shape.

    Example:
        >>> oracle_maps(np.array([[[0, 0, 1, 1]]], np.uint8)).tolist()
        [[[0.3333333432674408, 0.5, 1.3333333730697632, 1.6666666269302368]]]
    """
    check_role(mask_role, "the ground-truth oracle")
    masks = np.asarray(masks) != 0
    if masks.ndim != 3:
        raise ValueError(f"masks must be [B, H, W]; got {masks.shape}")
    maps = np.zeros(masks.shape, np.float32)
    for mask, graded in zip(masks, maps, strict=True):
        if mask.any():
            inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
            graded[...] = np.where(mask, 1 + inside / (1 + inside.max()), 1 / (1 + outside))
    return maps


def score_localization(
    maps: Mapping[str, NDArray[Any]],
    masks: NDArray[np.bool_],
    metrics: Sequence[Metric],
    *,
    ids: Sequence[str],
    num_threads: int | None = None,
) -> list[tuple[str, str, str, float, str]]:
    """Scores maps against lesion masks; `evaluate` checks the arguments and calls this.

    Args:
        maps: method -> `[B, H, W]` float32 or float64, finite.
        masks: `[B, H, W]` bool; an empty mask has no value, whatever the metric.
        metrics: of the family `"localization"`.
        ids: `[B]` names of the images.
        num_threads: threads for the batch.

    Returns:
        Rows (image, method, metric, value, reason).
    """
    rows: list[tuple[str, str, str, float, str]] = []
    masks = np.ascontiguousarray(masks)
    for method, values in maps.items():
        found = kernels.localization_scores(
            np.ascontiguousarray(values),
            masks,
            scores=[metric.parts[0] for metric in metrics],
            percent=PERCENT,
            num_threads=num_threads,
        )
        for metric in metrics:
            numbers, codes = found.values[metric.parts[0]], found.reasons[metric.parts[0]]
            rows += [
                (ids[i], method, metric.name, float(numbers[i]), REASON_CODES[int(codes[i])]) for i in range(len(ids))
            ]
    return rows
