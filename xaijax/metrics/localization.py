"""How well maps point at lesions: the compiled localization scores, with the role of the masks watched.

A mask has a role: `"lesion"` (what the class is about), `"organ"` or `"artefact"`. Pointing at an organ or at a planted
artefact is not rewarded: lesion scores and the ground-truth oracle refuse these roles.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from xaijax import kernels
from xaijax._options import NonNegative, Range
from xaijax.metrics.checks import check_role
from xaijax.metrics.metric import LESION_ROLE, Family, Inputs, Metric, Result, Row

# In the order of the kernel's codes.
REASON_CODES = ("", "empty_mask", "full_mask", "flat_map", "not_finite")
PERCENT = 15.0
NAME = "localization"
_TITLES = {"iou": "IoU", "top15_energy": "top-15 % energy"}
_QUANTUS = "Quantus 0.6.0"
_PARITY = {
    "average_precision": "scikit-learn",
    "roc_auc": f"scikit-learn; {_QUANTUS}",
    "rank_accuracy": _QUANTUS,
    "mass_accuracy": f"{_QUANTUS} (positive maps)",
    "top15_precision": f"{_QUANTUS} (top-k intersection)",
}


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"localization": {"tolerance": 15}})`.

    Attributes:
        threshold: of IoU, Dice and boundary F1, a share of the map's range after ReLU.
        tolerance: of the pointing game, pixels around the mask that count as hits; the original game allows 15.
    """

    threshold: Annotated[float, Range(0, 1, without_low=True)] = 0.5
    tolerance: NonNegative = 0.0


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


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps against lesion masks; an empty mask has no value, whatever the metric."""
    rows: list[Row] = []
    masks = np.ascontiguousarray(inputs.masks[LESION_ROLE])
    for method, values in inputs.maps.items():
        found = kernels.localization_scores(
            np.ascontiguousarray(values),
            masks,
            scores=[metric.measure for metric in metrics],
            threshold=settings.threshold,
            tolerance=settings.tolerance,
            percent=PERCENT,
            num_threads=inputs.num_threads,
        )
        for metric in metrics:
            numbers, codes = found.values[metric.measure], found.reasons[metric.measure]
            rows += [
                (image, method, metric.name, float(number), REASON_CODES[int(code)])
                for image, number, code in zip(inputs.ids, numbers, codes, strict=True)
            ]
    return Result(rows)


# name, the kernel's score, summary, direction, upper bound, unit, reference
_LOCALIZATION = (
    (
        "pointing_game",
        "pointing_game",
        "share of the largest pixels (one, unless tied) that lie in the mask",
        True,
        1.0,
        "share",
        "Zhang et al., IJCV 2018",
    ),
    (
        "average_precision",
        "average_precision",
        "sum over thresholds of recall step times precision, pixels as samples",
        True,
        1.0,
        "area",
        "scikit-learn's average_precision_score",
    ),
    ("roc_auc", "roc_auc", "chance that a mask pixel ranks above another one", True, 1.0, "area", "Fawcett, PRL 2006"),
    (
        "iou",
        "iou",
        "intersection over union of the mask and the map's pixels above half its range",
        True,
        1.0,
        "share",
        "Jaccard index",
    ),
    ("iou_top15", "iou_top_k", "the same for the 15 % largest pixels", True, 1.0, "share", "Jaccard index"),
    (
        "iou_otsu",
        "iou_otsu",
        "the same for the pixels above Otsu's threshold",
        True,
        1.0,
        "share",
        "Otsu, IEEE TSMC 1979",
    ),
    ("dice", "dice", "twice the intersection over the sum of sizes, as iou", True, 1.0, "share", "Dice, Ecology 1945"),
    (
        "energy",
        "energy",
        "share of the map's energy that lies in the mask",
        True,
        1.0,
        "share",
        "Wang et al., CVPRW 2020",
    ),
    (
        "top15_energy",
        "top_energy",
        "share of the energy of the 15 % largest pixels that lies in the mask",
        True,
        1.0,
        "share",
        "after Wang et al., CVPRW 2020",
    ),
    (
        "top15_precision",
        "top_precision",
        "share of the 15 % largest pixels in the mask",
        True,
        1.0,
        "share",
        "precision",
    ),
    (
        "rank_accuracy",
        "rank_accuracy",
        "share of the n largest pixels in the mask, n = pixels of the mask",
        True,
        1.0,
        "share",
        "Arras et al., Information Fusion 2022",
    ),
    (
        "mass_accuracy",
        "mass_accuracy",
        "share of the positive attribution that lies in the mask, unscaled",
        True,
        1.0,
        "share",
        "Arras et al., Information Fusion 2022",
    ),
    (
        "centroid_distance",
        "centroid_distance",
        "distance between the centroids of map and mask",
        False,
        None,
        "pixels",
        "Euclidean distance",
    ),
    (
        "boundary_f1",
        "boundary_f1",
        "F1 of the 2-pixel boundaries of mask and thresholded map",
        True,
        1.0,
        "share",
        "Csurka et al., BMVC 2013",
    ),
)


def _metrics() -> Iterable[Metric]:
    for name, score, summary, higher, top, unit, reference in _LOCALIZATION:
        yield Metric(
            name=name,
            family=NAME,
            summary=summary,
            higher_is_better=higher,
            range=(0.0, top),
            unit=unit,
            needs=frozenset({"mask"}),
            reference=reference,
            parity=_PARITY.get(name, "closed form; NumPy"),
            roles=(LESION_ROLE,),
            title=_TITLES.get(name, ""),
            measure=score,
        )


FAMILY = Family(NAME, tuple(_metrics()), score, settings=Settings, title="Localization")
