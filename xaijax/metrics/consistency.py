"""Does the map stay with the content of the image: how alike are maps of one image?

Four comparisons, each by four measures (`flip_ssim`, `shift_spearman`, ...):

* `flip`: the image is mirrored left to right, its map mirrored back;
* `shift`: the image is moved down and to the right by 1/16 of its sides, its edge repeated, its map moved back; only
  the part that both maps show is compared;
* `noise`: Gaussian noise of standard deviation 0.05 is added, clipped to [0, 1];
* `contrast`: values are brought 20 % closer to the image's mean;
* `agreement`: with other maps of the same image by the same method (`variants`: other models, other training seeds),
  mean over them.

Measures: SSIM (scikit-image: 7 x 7 windows, both maps first scaled to [0, 1]), Spearman and Pearson correlation, and
the IoU of the 10 % largest pixels of both maps (`xaijax.kernels.similarity`). Augmentations compare raw maps with their
sign; `agreement` compares the maps as they are given. A map with one value everywhere has no value.

References:
    Adebayo et al., NeurIPS 2018 (Spearman, SSIM); Arun et al., Radiology: Artificial Intelligence 2021 (repeatability
    and reproducibility of saliency maps between models).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax._options import Range
from xaijax.metrics.changed import Floats, explain, unit_images
from xaijax.metrics.metric import Family, Inputs, Metric, Passes, Result, Row, image_seed, rows_of

NAME = "consistency"
MEASURES = ("ssim", "spearman", "pearson", "topk_iou")
WINDOW = 7  # of SSIM


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"consistency": {"shift": 0.1}})`.

    Attributes:
        shift: share of the sides by which the image is moved.
        noise: standard deviation of the noise, images being in [0, 1].
        contrast: factor on the difference from the image's mean.
        percent: of the pixels, for the top-k IoU.
    """

    shift: Annotated[float, Range(0, 0.5, without_low=True)] = 0.0625
    noise: Annotated[float, Range(0, 10, without_low=True)] = 0.05
    contrast: Annotated[float, Range(0, 10, without_low=True)] = 0.8
    percent: Annotated[float, Range(0, 100, without_low=True)] = 10.0


def ssim(a: Any, b: Any) -> Floats:
    """Structural similarity of pairs of maps, by scikit-image, after both are scaled to [0, 1].

    Args:
        a, b: `[B, H, W]`, any unit, at least 7 x 7.

    Returns:
        `[B]` from -1 to 1; NaN where a map has one value everywhere, or is smaller than the window.

    References:
        Wang et al., "Image Quality Assessment", IEEE TIP 2004.

    Example:
        >>> a = np.random.default_rng(0).random((1, 9, 9))
        >>> ssim(a, 2 * a + 1).round(9).tolist()
        [1.0]
    """
    from skimage.metrics import structural_similarity

    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    found = np.full(len(first), np.nan)
    if min(first.shape[1:]) < WINDOW:
        return found
    for i, (x, y) in enumerate(zip(first, second, strict=True)):
        if np.ptp(x) > 0 and np.ptp(y) > 0 and np.isfinite(x).all() and np.isfinite(y).all():
            x, y = ((v - v.min()) / np.ptp(v) for v in (x, y))
            found[i] = structural_similarity(x, y, win_size=WINDOW, data_range=1.0)
    return found


def compare(
    a: Any, b: Any, measures: Sequence[str] = MEASURES, *, percent: float = 10.0, num_threads: int | None = None
) -> dict[str, Floats]:
    """Similarity of pairs of maps by several measures.

    Args:
        a, b: `[B, H, W]`, any unit.
        measures: out of `"ssim"`, `"spearman"`, `"pearson"`, `"topk_iou"`.
        percent: of the pixels, for the top-k IoU.
        num_threads: threads of the kernels.

    Returns:
        measure -> `[B]`; NaN where a map has one value everywhere or is not finite.

    Example:
        >>> a = np.arange(64.0).reshape(1, 8, 8)
        >>> {name: value.round(6).tolist() for name, value in compare(a, -a).items() if name != "ssim"}
        {'spearman': [-1.0], 'pearson': [-1.0], 'topk_iou': [0.0]}
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    found: dict[str, Floats] = {}
    good = np.isfinite(first).all(axis=(1, 2)) & np.isfinite(second).all(axis=(1, 2))
    good &= (np.ptp(first, axis=(1, 2)) > 0) & (np.ptp(second, axis=(1, 2)) > 0)
    if "ssim" in measures:
        found["ssim"] = ssim(first, second)
    ranked = [measure for measure in measures if measure != "ssim"]
    if ranked:
        pair = [np.ascontiguousarray(values[good]) for values in (first, second)]
        made: dict[str, Any] = dict.fromkeys(ranked, np.zeros(0))
        if good.any():
            made = kernels.similarity(*pair, measure=ranked, percent=percent, num_threads=num_threads)
        for measure in ranked:
            found[measure] = np.full(len(first), np.nan)
            found[measure][good] = made[measure]
    return {measure: found[measure] for measure in measures}


@dataclass(frozen=True)
class Augmentation:
    """A change of the image that the map should follow.

    Attributes:
        change: (image `[H, W, C]` float in [0, 1], its generator, settings) -> changed image.
        back: from the map of the changed image to the place of the original's; both are cut to what both show.
    """

    change: Callable[[NDArray[Any], np.random.Generator, Settings], NDArray[Any]]
    back: Callable[[NDArray[Any], NDArray[Any], Settings], tuple[NDArray[Any], NDArray[Any]]]


def _steps(size: int, settings: Settings) -> int:
    return max(1, round(settings.shift * size))


def _moved(image: NDArray[Any], rng: np.random.Generator, settings: Settings) -> NDArray[Any]:
    y, x = (_steps(size, settings) for size in image.shape[:2])
    return np.pad(image, ((y, 0), (x, 0), (0, 0)), mode="edge")[: image.shape[0], : image.shape[1]]


def _moved_back(original: NDArray[Any], changed: NDArray[Any], settings: Settings) -> tuple[NDArray[Any], NDArray[Any]]:
    y, x = (_steps(size, settings) for size in original.shape[1:])
    return original[:, :-y, :-x], changed[:, y:, x:]


def _as_it_is(original: NDArray[Any], changed: NDArray[Any], settings: Settings) -> tuple[NDArray[Any], NDArray[Any]]:
    return original, changed


AUGMENTATIONS = {
    "flip": Augmentation(lambda image, rng, settings: image[:, ::-1], lambda a, b, settings: (a, b[:, :, ::-1])),
    "shift": Augmentation(_moved, _moved_back),
    "noise": Augmentation(
        lambda image, rng, settings: np.clip(image + rng.normal(0.0, settings.noise, image.shape), 0.0, 1.0), _as_it_is
    ),
    "contrast": Augmentation(
        lambda image, rng, settings: np.clip(image.mean() + settings.contrast * (image - image.mean()), 0.0, 1.0),
        _as_it_is,
    ),
}
AGREEMENT = "agreement"


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores how alike the maps of one image are."""
    asked: dict[str, list[Metric]] = {}
    for metric in metrics:
        asked.setdefault(metric.kind, []).append(metric)
    images = unit_images(inputs.images)
    rows: list[Row] = []
    for number, (kind, some) in enumerate(asked.items()):
        if kind == AGREEMENT:
            rows += _agreement(inputs, some, settings)
        else:
            rows += _augmented(inputs, images, AUGMENTATIONS[kind], some, settings)
        if inputs.progress is not None:
            inputs.progress((number + 1) * len(images) // len(asked), len(images))
    return Result(rows)


def _augmented(
    inputs: Inputs, images: NDArray[Any], augmentation: Augmentation, metrics: Sequence[Metric], settings: Settings
) -> list[Row]:
    changed = np.stack(
        [
            augmentation.change(image, np.random.default_rng(image_seed(inputs.seed, name, 3)), settings)
            for name, image in zip(inputs.ids, images, strict=True)
        ]
    ).astype(np.float32)
    rows: list[Row] = []
    for method in inputs.raw:
        if method not in inputs.explainers:
            for metric in metrics:
                rows += rows_of(inputs.ids, method, metric, np.full(len(images), np.nan), "no_explainer")
            continue
        pair = augmentation.back(inputs.raw[method], explain(inputs, method, changed), settings)
        rows += _rows(inputs, method, metrics, [pair], settings)
    return rows


def _agreement(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> list[Row]:
    rows: list[Row] = []
    for method, maps in inputs.maps.items():
        others = inputs.variants.get(method, {})
        if others:
            rows += _rows(inputs, method, metrics, [(maps, other) for other in others.values()], settings)
        else:
            for metric in metrics:
                rows += rows_of(inputs.ids, method, metric, np.full(len(maps), np.nan), "no_variants")
    return rows


def _rows(
    inputs: Inputs,
    method: str,
    metrics: Sequence[Metric],
    pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    settings: Settings,
) -> list[Row]:
    """Rows of the mean over pairs of maps."""
    measures = [metric.measure for metric in metrics]
    options: dict[str, Any] = {"percent": settings.percent, "num_threads": inputs.num_threads}
    found = [compare(a, b, measures, **options) for a, b in pairs]
    flat = np.zeros(len(inputs.ids), bool)
    for pair in pairs:
        for maps in pair:
            flat |= np.ptp(maps, axis=(1, 2)) == 0
    small = any(min(a.shape[1:]) < WINDOW for a, _ in pairs)
    rows: list[Row] = []
    for metric in metrics:
        values = np.mean([one[metric.measure] for one in found], axis=0)
        too_small = small and metric.measure == "ssim"
        reasons = ["small_map" if too_small else "flat_map" if one else "" for one in flat]
        rows += rows_of(inputs.ids, method, metric, values, reasons)
    return rows


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """One more map for each kind of change."""
    return Passes(explanations=len({metric.kind for metric in metrics} & set(AUGMENTATIONS)))


_KINDS = {
    "flip": "with the map of the mirrored image, mirrored back",
    "shift": "with the map of the shifted image, shifted back",
    "noise": "with the map of the noisy image",
    "contrast": "with the map of the image at lower contrast",
    AGREEMENT: "with the same method's maps by other models or seeds, mean over them",
}
_WORDS = {
    "ssim": ("structural similarity", -1.0, "Wang et al., IEEE TIP 2004", "scikit-image"),
    "spearman": ("rank correlation", -1.0, "Adebayo et al., NeurIPS 2018", "SciPy"),
    "pearson": ("correlation", -1.0, "Pearson", "SciPy"),
    "topk_iou": ("IoU of the 10 % largest pixels", 0.0, "Jaccard index", "NumPy"),
}

FAMILY = Family(
    NAME,
    tuple(
        Metric(
            f"{kind}_{measure}", NAME, f"{words[0]} {what}", True, (words[1], 1.0), "score",
            frozenset({"variants"}) if kind == AGREEMENT else frozenset({"model", "raw", "explainer"}),
            words[2], parity=words[3], kind=kind, measure=measure,
        )
        for kind, what in _KINDS.items()
        for measure, words in _WORDS.items()
    ),
    score,
    settings=Settings,
    title="Consistency",
    passes=passes,
    reasons={"small_map": "the map is smaller than the 7 x 7 window of SSIM"},
)  # fmt: skip
