"""The metrics by name, and the codes that say why an image has no value."""

from collections.abc import Iterable
from dataclasses import dataclass, field

MEASURES = ("shannon", "webp", "mutual", "mean")
LESION_ROLE = "lesion"
ROLES = (LESION_ROLE, "organ", "artefact")

REASONS = {
    "": "there is a value",
    "low_probability": 'the class has a probability under 0.8 on the original (convention "pair")',
    "original_wrong": "the class is not predicted on the original image",
    "blurred_already_right": "the class is already predicted on the fully blurred image",
    "blurred_as_probable": "the class is at least as probable on the fully blurred image as on the original",
    "information_not_larger": "the original holds no more information than the fully blurred image",
    "not_finite": "the model or the information measure gave NaN or infinity",
    "empty_mask": "the mask is empty",
    "full_mask": "the mask covers the whole image",
    "flat_map": "the map has one value everywhere",
}


@dataclass(frozen=True)
class Metric:
    """What a metric's numbers mean.

    Attributes:
        name: as in scores and on the command line.
        family: `"information"` or `"localization"`.
        summary: one line.
        higher_is_better: which direction is good.
        range: smallest and largest value; None where there is no bound.
        unit: of the value.
        needs: `"model"` and `"mask"`, what the metric cannot do without.
        reference: the source of the definition.
        parts: what the family makes of the name: (response, measure), or (the kernel's score,).
    """

    name: str
    family: str
    summary: str
    higher_is_better: bool
    range: tuple[float | None, float | None]
    unit: str
    needs: frozenset[str]
    reference: str
    parts: tuple[str, ...] = field(default=(), repr=False)


_MEASURED = {
    "shannon": "base-2 entropy of the 256-bin histogram",
    "webp": "size as lossless WebP",
    "mutual": "mutual information with the original",
    "mean": "mean of Shannon entropy (bits) and WebP size (bytes), as in the medical study; bytes dominate",
}
_PIC = "Kapishnikov et al., ICCV 2019"
_RESPONSE = {"aic": "share of right predictions", "sic": "softmax probability of the class"}


def _information() -> Iterable[Metric]:
    for measure in MEASURES:
        for kind, response in _RESPONSE.items():
            yield Metric(
                name=f"{kind}_{measure}",
                family="information",
                summary=f"area under {response} against information ({_MEASURED[measure]})",
                higher_is_better=True,
                range=(0.0, 1.0),
                unit="area",
                needs=frozenset({"model"}),
                reference=_PIC if measure != "mean" else f"{_PIC}; BioData Mining 2024",
                parts=(kind, measure),
            )


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


def _localization() -> Iterable[Metric]:
    for name, score, summary, higher, top, unit, reference in _LOCALIZATION:
        yield Metric(
            name=name,
            family="localization",
            summary=summary,
            higher_is_better=higher,
            range=(0.0, top),
            unit=unit,
            needs=frozenset({"mask"}),
            reference=reference,
            parts=(score,),
        )


METRICS: dict[str, Metric] = {metric.name: metric for metric in (*_information(), *_localization())}


def resolve(names: Iterable[str]) -> list[Metric]:
    """The metrics of these names, in this order, each once.

    Raises:
        ValueError: for a name that is not in `METRICS`, or for no name.
    """
    if isinstance(names, str):
        raise ValueError(f'metrics must be a list of names; got the string {names!r}: pass ["{names}"]')
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {', '.join(map(repr, unknown))}; known are {', '.join(METRICS)}")
    if not names:
        raise ValueError(f"metrics must name at least one of {', '.join(METRICS)}")
    return [METRICS[name] for name in names]
