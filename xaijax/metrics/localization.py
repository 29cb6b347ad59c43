"""How well maps point at lesions: the compiled localization scores, with the role of the masks watched.

A mask has a role: `"lesion"` (what the class is about), `"organ"` or `"artefact"`. Pointing at an organ or at a planted
artefact is no merit, so lesion scores and the ground-truth oracle refuse these roles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    Args:
        masks: `[B, H, W]` bool or uint8, nonzero inside.
        mask_role: of the masks; only `"lesion"` is allowed.

    Returns:
        `[B, H, W]` float32, 1 inside and 0 outside. An empty mask gives zeros, which is no explanation: leave such
        images out, or let `evaluate(..., oracle=True)` do so.

    Raises:
        ValueError: for masks of another role or shape.

    Example:
        >>> oracle_maps(np.eye(2, dtype=bool)[None]).tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    check_role(mask_role, "the ground-truth oracle")
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(f"masks must be [B, H, W]; got shape {masks.shape}")
    return (masks != 0).astype(np.float32)


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
