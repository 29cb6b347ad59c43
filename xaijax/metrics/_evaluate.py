"""One call: images, labels and maps in, scores with reasons out."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from xaijax.metrics import checks
from xaijax.metrics.localization import oracle_maps
from xaijax.metrics.metric import LESION_ROLE, Explainer, Inputs, check_integer
from xaijax.metrics.pic_curve import FRACTIONS, Convention
from xaijax.metrics.registry import FAMILIES, resolve
from xaijax.metrics.scores import Responses, Scores

DEFAULT_METRICS = ("aic_webp", "sic_webp", "aic_mutual", "sic_mutual")  # why: docs/stability.md
DEFAULT_MASK_METRICS = ("pointing_game", "average_precision", "iou", "top15_energy")
ORACLE = "oracle"


class Predictor(Protocol):
    """What `evaluate` needs of a classifier: `xaijax.classifier.Classifier` has it."""

    def predict(self, images: Any) -> Any:
        """Probabilities `[B, K]` of `[B, H, W, C]` images, uint8 or float in [0, 1]."""


def evaluate(
    classifier: Predictor | None,
    images: Any,
    labels: Any,
    maps: Mapping[str, Any],
    masks: Any = None,
    metrics: Sequence[str] | None = None,
    *,
    mask_role: str | None = "lesion",
    raw_maps: Mapping[str, Any] | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    explainers: Mapping[str, Explainer] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
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
        classifier: gives probabilities by `predict`; called with batches of one shape only. None where no metric asks.
        images: `[B, H, W, C]`, uint8, uint16, or float in [0, 1]. Rebuilt images have the same dtype.
        labels: `[B]` int, in [0, K): the class that each map explains.
        maps: method -> `[B, H, W]`, any unit, finite; higher means more important (take absolute values yourself).
        masks: `[B, H, W]` bool or uint8 (nonzero inside), or None. An empty mask is "no mask" for that image.
            With masks of several roles: a dictionary from role to masks.
        metrics: names out of `METRICS`; default: AIC and SIC by WebP size and mutual information, and with
            lesion masks the pointing game, average precision, IoU and top-15 % energy.
        mask_role: `"lesion"`, `"organ"`, `"artefact"` or None; lesion scores and the oracle refuse all but the first.
        raw_maps: method -> the maps with their sign, for metrics that ask for it; default: `maps`.
        variants: method -> name -> `[B, H, W]`, other maps of the same images (another seed, another model, a flipped
            image mapped back), for metrics that compare several.
        explainers: method -> function of (classifier, images, labels) that gives raw maps `[B, H, W]`, for metrics that
            explain changed images or models. It must give the same maps for the same arguments. A method without one
            has no value there.
        settings: family -> option -> value, for families that have options (`FAMILIES[name].settings`).
        ids: `[B]` distinct names of the images; default `"0"`, `"1"`, ... The random masks follow from `seed` and the
            name, so an image scores the same whatever is scored beside it.
        oracle: also score the ground truth (`oracle_maps`), as the method `"oracle"`, by the information metrics.
        seed: of the random masks, 0 or more.
        batch_size: images in a model call, at least 1; it bounds the rebuilt images in memory too (one
            method's at least).
        convention: of the information metrics: `"stable"`, `"pair"` or `"medical"`, see `xaijax.metrics.pic_curve`.
        fractions: of the pixels, ascending in (0, 1), revealed step by step.
        random_masks: random masks per image; a score is the mean over those with a curve.
        num_threads: threads of the kernels; default: the processors this process may use.
        progress: called as `progress(done, total)` with numbers of images, over all families that run the model.

    Returns:
        `Scores`: rows image by image, then by method, then by metric; `.curves` has the information curves,
            `.responses` those of perturbation.

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
    names = checks.check_images(images, labels, ids, classes=getattr(classifier, "classes", None))
    checked = checks.check_maps(maps, images, names)
    raw = checked | (checks.check_maps(raw_maps, images, names, what="raw_maps") if raw_maps else {})
    others = {
        method: checks.check_maps(some, images, names, what=f"variants of {method!r}")
        for method, some in (variants or {}).items()
    }
    functions = checks.check_explainers(explainers, list(checked))
    by_role = checks.check_masks(masks, mask_role, images)
    if metrics is None:
        metrics = (*DEFAULT_METRICS, *(DEFAULT_MASK_METRICS if LESION_ROLE in by_role else ()))
    asked = resolve(metrics)
    for name in (*raw, *others):
        if name not in checked:
            raise ValueError(
                f"raw_maps and variants must be of the methods of maps, {', '.join(checked)}; got {name!r}"
            )
    checks.check_needs(asked, classifier=classifier, masks=by_role, variants=others, explainers=functions)
    for option, number, low in (("random_masks", random_masks, 1), ("seed", seed, 0), ("batch_size", batch_size, 1)):
        check_integer(option, number, low)
    curve_settings = {"convention": convention, "fractions": fractions, "random_masks": random_masks}
    options = checks.check_settings(
        {**(settings or {}), "information": curve_settings | dict((settings or {}).get("information", {}))}, FAMILIES
    )
    scored = dict(checked)
    if oracle:
        if not by_role:
            raise ValueError("the ground-truth oracle needs masks; got none: pass masks or oracle=False")
        if ORACLE in scored:
            raise ValueError(
                f"the method name {ORACLE!r} is taken by the ground-truth oracle: rename it or oracle=False"
            )
        role = LESION_ROLE if LESION_ROLE in by_role else next(iter(by_role))
        scored[ORACLE] = oracle_maps(by_role[role], mask_role=role)

    given = Inputs(
        classifier=classifier,
        images=images,
        labels=labels,
        maps=checked,
        raw=raw,
        masks={role: values for role, values in by_role.items() if role is not None},
        variants=others,
        explainers=functions,
        oracle=None,
        ids=names,
        seed=seed,
        batch_size=batch_size,
        num_threads=num_threads,
    )
    families = list(dict.fromkeys(metric.family for metric in asked))
    slow = [name for name in families if any(m.needs & {"model", "explainer"} for m in asked if m.family == name)]
    parts = []
    for name in families if names else ():
        family, chosen = FAMILIES[name], [metric for metric in asked if metric.family == name]
        some = dataclasses.replace(given, progress=_share(progress, slow, name))
        if oracle and family.oracle:
            some = dataclasses.replace(some, maps=scored, oracle=ORACLE)
        parts.append(family.score(some, chosen, options[name]))
    rows = [row for part in parts for row in part.rows]
    image_order = {name: i for i, name in enumerate(names)}
    method_order = {name: i for i, name in enumerate(scored)}
    metric_order = {metric.name: i for i, metric in enumerate(asked)}
    rows.sort(key=lambda row: (image_order[row[0]], method_order[row[1]], metric_order[row[2]]))
    return Scores.from_rows(
        rows,
        next((part.curves for part in parts if part.curves is not None), None),
        Responses.concatenate(part.responses for part in parts if part.responses is not None),
    )


def _share(
    progress: Callable[[int, int], None] | None, slow: Sequence[str], name: str
) -> Callable[[int, int], None] | None:
    """A family's share of the progress: those that run the model count alike."""
    if progress is None or name not in slow:
        return None
    place = slow.index(name)
    return lambda done, total: progress(place * total + done, len(slow) * total)
