"""One call: images, labels and maps in, scores with reasons out."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.curve import FRACTIONS, Convention, check_convention
from xaijax.metrics.information import score_information
from xaijax.metrics.localization import check_role, oracle_maps, score_localization
from xaijax.metrics.registry import resolve
from xaijax.metrics.scores import Curves, Scores

DEFAULT_METRICS = ("aic_shannon", "sic_shannon", "aic_mutual", "sic_mutual")
DEFAULT_MASK_METRICS = ("pointing_game", "average_precision", "iou", "top15_energy")
ORACLE = "oracle"


class Predictor(Protocol):
    """What `evaluate` needs of a classifier: `xaijax.classifier.Classifier` has it."""

    def predict(self, images: Any) -> Any:
        """Probabilities `[B, K]` of `[B, H, W, C]` images, uint8 or float in [0, 1]."""


def evaluate(
    classifier: Predictor,
    images: Any,
    labels: Any,
    maps: Mapping[str, Any],
    masks: Any = None,
    metrics: Sequence[str] | None = None,
    *,
    mask_role: str | None = "lesion",
    ids: Sequence[str] | None = None,
    oracle: bool = False,
    seed: int = 0,
    batch_size: int = 64,
    convention: Convention = "stable",
    fractions: Sequence[float] = FRACTIONS,
    random_masks: int = 1,
    num_threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Scores the maps of any number of methods, per image, with a reason wherever there is no value.

    AIC and SIC of every information measure come from the same forward passes: an image costs one for the original,
    one per random mask, and one per random mask, method and fraction. What cannot be scored is the
    same for all methods.

    Args:
        classifier: gives probabilities by `predict`; called with batches of one shape only.
        images: `[B, H, W, C]`, uint8, uint16, or float in [0, 1]. Rebuilt images have the same dtype.
        labels: `[B]` int, in [0, K): the class that each map explains.
        maps: method -> `[B, H, W]`, any unit, finite; higher means more important (take absolute values yourself).
        masks: `[B, H, W]` bool or uint8 (nonzero inside), or None. An empty mask is "no mask" for that image.
        metrics: names out of `METRICS`; default: AIC and SIC by Shannon entropy and mutual information, and with
            lesion masks the pointing game, average precision, IoU and top-15 % energy.
        mask_role: `"lesion"`, `"organ"`, `"artefact"` or None; lesion scores and the oracle refuse all but the first.
        ids: `[B]` distinct names of the images; default `"0"`, `"1"`, ... The random masks follow from `seed` and the
            name, so an image scores the same whatever is scored beside it.
        oracle: also score the ground truth (`oracle_maps`), as the method `"oracle"`, by the information metrics.
        seed: of the random masks, 0 or more.
        batch_size: images in a model call, at least 1; it bounds the rebuilt images in memory too (one
            method's at least).
        convention: of the information metrics: `"stable"`, `"pair"` or `"medical"`, see `xaijax.metrics.curve`.
        fractions: of the pixels, ascending in (0, 1), revealed step by step.
        random_masks: random masks per image; a score is the mean over those with a curve.
        num_threads: threads of the kernels; default: the processors this process may use.
        progress: called as `progress(done, total)` with numbers of images, while the information metrics run.

    Returns:
        `Scores`: rows image by image, then by method, then by metric; `.curves` has the curves.

    Raises:
        TypeError: for arrays of the wrong kind.
        ValueError: for shapes that do not fit, NaN or infinity in a map (it names image and method), labels out of
            range, unknown or unfit metrics, masks of another role than needed, or options out of range.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019 (AIC, SIC).

    Example:
        >>> class Contrast:
        ...     def predict(self, images):
        ...         contrast = np.std(images, axis=(1, 2, 3)) / 128
        ...         return np.stack([1 - contrast, contrast], axis=1)
        >>> image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1)).astype(np.uint8)
        >>> maps = {"intensity": image[..., 0].astype(float)}
        >>> scores = evaluate(Contrast(), image, [1], maps, metrics=["sic_mutual"])
        >>> scores.metric.tolist(), scores.method.tolist(), bool(0 <= scores.value[0] <= 1)
        (['sic_mutual'], ['intensity'], True)
    """
    images, labels = np.asarray(images), np.asarray(labels)
    names = _check(images, labels, ids, classes=getattr(classifier, "classes", None))
    checked_maps = _check_maps(maps, images, names)
    checked_masks = None if masks is None else _check_masks(masks, images)
    if metrics is None:
        with_masks = checked_masks is not None and mask_role == "lesion"
        metrics = (*DEFAULT_METRICS, *(DEFAULT_MASK_METRICS if with_masks else ()))
    asked = resolve(metrics)
    localization = [metric for metric in asked if metric.family == "localization"]
    information = [metric for metric in asked if metric.family == "information"]
    for metric in localization:
        if checked_masks is None:
            raise ValueError(f"{metric.name} needs masks; got none: pass masks or leave {metric.name} out")
        check_role(mask_role, metric.name)
    steps = _check_options(fractions, random_masks=random_masks, seed=seed, batch_size=batch_size)
    check_convention(convention)
    scored_maps = dict(checked_maps)
    if oracle:
        if checked_masks is None:
            raise ValueError("the ground-truth oracle needs masks; got none: pass masks or oracle=False")
        if ORACLE in scored_maps:
            raise ValueError(
                f"the method name {ORACLE!r} is taken by the ground-truth oracle: rename it or oracle=False"
            )
        scored_maps[ORACLE] = oracle_maps(checked_masks, mask_role=mask_role)

    rows: list[tuple[str, str, str, float, str]] = []
    curves = Curves()
    if information and len(names):
        found, curves = score_information(
            classifier.predict,
            images,
            labels,
            scored_maps,
            information,
            ids=names,
            oracle=ORACLE if oracle else None,
            convention=convention,
            fractions=steps,
            random_masks=random_masks,
            seed=seed,
            batch_size=batch_size,
            num_threads=num_threads,
            progress=progress,
        )
        rows += found
    if localization and checked_masks is not None and len(names):
        rows += score_localization(checked_maps, checked_masks, localization, ids=names, num_threads=num_threads)
    image_order = {name: i for i, name in enumerate(names)}
    method_order = {name: i for i, name in enumerate(scored_maps)}
    metric_order = {metric.name: i for i, metric in enumerate(asked)}
    rows.sort(key=lambda row: (image_order[row[0]], method_order[row[1]], metric_order[row[2]]))
    return Scores.from_rows(rows, curves)


def _check(images: NDArray[Any], labels: NDArray[Any], ids: Sequence[str] | None, *, classes: Any) -> list[str]:
    if images.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise TypeError(f"images must be uint8, uint16, float32 or float64; got {images.dtype}")
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise ValueError(f"images must be [B, H, W, C]; got shape {images.shape}")
    count = len(images)
    if ids is None:
        ids = [str(i) for i in range(count)]
    names = [str(name) for name in ids]
    if len(names) != count or len(set(names)) != count:
        raise ValueError(
            f"ids must be {count} distinct names, one per image; got {len(names)}, {len(set(names))} distinct"
        )
    if np.issubdtype(images.dtype, np.floating):
        for name, image in zip(names, images, strict=True):
            if not np.isfinite(image).all():
                raise ValueError(f"images must be finite; image {name!r} holds NaN or infinity")
    if labels.shape != (count,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be {count} integers, one per image; got shape {labels.shape} of {labels.dtype}")
    top = None if classes is None else len(classes)
    wrong = np.flatnonzero((labels < 0) | (labels >= (np.inf if top is None else top)))
    if wrong.size:
        allowed = "0 or more" if top is None else f"in [0, {top})"
        raise ValueError(f"labels must be {allowed}; image {names[wrong[0]]!r} has {labels[wrong[0]]}")
    return names


def _check_maps(maps: Mapping[str, Any], images: NDArray[Any], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    if not isinstance(maps, Mapping):
        raise TypeError(f"maps must be a dictionary from method to [B, H, W]; got {type(maps).__name__}")
    if not maps:
        raise ValueError("maps must hold at least one method; got an empty dictionary")
    checked = {}
    for method, values in maps.items():
        values = np.asarray(values)
        if values.shape != images.shape[:3]:
            raise ValueError(
                f"maps of {method!r} must be [B, H, W] = {images.shape[:3]} like images; got {values.shape}"
            )
        if values.dtype != np.float64:
            if values.dtype.kind not in "fbiu":
                raise TypeError(f"maps of {method!r} must be real numbers; got {values.dtype}")
            # Integers of more than 24 bits would collide in float32.
            values = values.astype(
                np.float64 if values.dtype.kind in "iu" and values.dtype.itemsize > 2 else np.float32
            )
        broken = np.flatnonzero(~np.isfinite(values).all(axis=(1, 2)))
        if broken.size:
            raise ValueError(
                f"maps must be finite; the map of {method!r} for image {names[broken[0]]!r} holds NaN or infinity "
                f"({broken.size} of {len(names)} images): leave the image out or repair the map"
            )
        checked[str(method)] = values
    return checked


def _check_masks(masks: Any, images: NDArray[Any]) -> NDArray[np.bool_]:
    masks = np.asarray(masks)
    if masks.dtype not in (np.bool_, np.uint8):
        raise TypeError(f"masks must be bool or uint8; got {masks.dtype}")
    if masks.shape != images.shape[:3]:
        raise ValueError(f"masks must be [B, H, W] = {images.shape[:3]} like images; got {masks.shape}")
    return masks != 0


def _check_options(fractions: Sequence[float], *, random_masks: int, seed: int, batch_size: int) -> tuple[float, ...]:
    for name, number, low in (("random_masks", random_masks, 1), ("seed", seed, 0), ("batch_size", batch_size, 1)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < low:
            raise ValueError(f"{name} must be an integer of at least {low}; got {number!r}")
    steps = tuple(float(fraction) for fraction in fractions)
    if not steps or not all(0.0 < step < 1.0 for step in steps) or any(a >= b for a, b in itertools.pairwise(steps)):
        raise ValueError(f"fractions must ascend within (0, 1); got {steps}")
    return steps
