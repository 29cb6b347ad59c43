"""One call: images, labels and maps in, scores with reasons out."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax.metrics import checks
from xaijax.metrics.localization import oracle_maps
from xaijax.metrics.metric import LESION_ROLE, ORACLE, Inputs
from xaijax.metrics.registry import FAMILIES, resolve
from xaijax.metrics.scores import Curves, Responses, Scores

DEFAULT_METRICS = ("aic_webp", "sic_webp", "aic_mutual", "sic_mutual")  # why: docs/studies/stability.md
DEFAULT_MASK_METRICS = ("pointing_game", "average_precision", "iou", "top15_energy")

C = TypeVar("C", Curves, Responses)


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
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    ids: Sequence[str] | None = None,
    oracle: bool = False,
    seed: int = 0,
    batch_size: int = 64,
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
            Metrics that need more of a method take it from an `Explained`: raw maps with their sign, other maps of the
            same images, the method itself.
        masks: `[B, H, W]` bool or uint8 (nonzero inside) of lesions, or None. An empty mask is "no mask" for that
            image. Masks of other roles: a dictionary from `"lesion"`, `"organ"` or `"artefact"` to masks.
        metrics: names out of `METRICS`; case, spaces and hyphens do not count. Default: AIC and SIC by WebP size and
            mutual information, and with lesion masks the pointing game, average precision, IoU and top-15 % energy.
        settings: family -> option -> value, such as `{"pic": {"convention": "pair", "random_masks": 3}}`;
            docs/metrics.md lists them.
        ids: `[B]` distinct names of the images; default `"0"`, `"1"`, ... The random masks follow from `seed` and the
            name, so an image scores the same whatever else is scored.
        oracle: also score the ground truth (`oracle_maps`), as the method `"oracle"`, by the metrics that run the model
            on maps alone.
        seed: of the random masks, 0 or more.
        batch_size: images in a model call, at least 1; it bounds the rebuilt images in memory too (one
            method's at least).
        num_threads: threads of the kernels; default: the processors this process may use.
        progress: called as `progress(done, total)` with numbers of images, over all families that run the model.

    Returns:
        `Scores`: rows image by image, then by method, then by metric; `.curves` has the information curves,
            `.responses` those of perturbation and randomisation.

    Raises:
        TypeError: for arrays of the wrong kind.
        InputError: (a ValueError) for shapes that do not fit, NaN or infinity in a map (it names image and method),
            labels out of range, unknown or unfit metrics, masks of another role than needed, settings that are not
            allowed. All of it before the model runs.

    References:
        Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019 (AIC, SIC).

    Example:
        >>> class Contrast:
        ...     def predict(self, images):
        ...         contrast = np.std(images, axis=(1, 2, 3)) / 128
        ...         return np.stack([1 - contrast, contrast], axis=1)
        >>> image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1)).astype(np.uint8)
        >>> maps = {"intensity": image[..., 0].astype(float)}
        >>> scores = evaluate(Contrast(), image, [1], maps, metrics=["SIC-mutual"])
        >>> scores.metric.tolist(), scores.method.tolist(), bool(0 <= scores.value[0] <= 1)
        (['sic_mutual'], ['intensity'], True)
    """
    images, labels = np.asarray(images), np.asarray(labels)
    names = checks.check_images(images, labels, ids, classes=getattr(classifier, "classes", None))
    explained = checks.check_maps(maps, images, names)
    checked = {method: one.maps for method, one in explained.items()}
    variants = {method: one.variants for method, one in explained.items() if one.variants}
    explainers = {method: one.explainer for method, one in explained.items() if one.explainer is not None}
    by_role = checks.check_masks(masks, images)
    if metrics is None:
        metrics = (*DEFAULT_METRICS, *(DEFAULT_MASK_METRICS if LESION_ROLE in by_role else ()))
    asked = resolve(metrics)
    checks.check_needs(asked, classifier=classifier, masks=by_role, variants=variants, explainers=explainers)
    seed = _options.check(Annotated[int, Range(0)], seed, "seed")
    batch_size = _options.check(Count, batch_size, "batch_size")
    options = checks.check_settings(settings, FAMILIES)
    scored = dict(checked)
    if oracle:
        if not by_role:
            raise InputError("the ground-truth oracle needs masks; got none: pass masks or oracle=False")
        if ORACLE in scored:
            raise InputError(
                f"the method name {ORACLE!r} is taken by the ground-truth oracle: rename it or oracle=False"
            )
        role = LESION_ROLE if LESION_ROLE in by_role else next(iter(by_role))
        scored[ORACLE] = oracle_maps(by_role[role], mask_role=role)

    given = Inputs(
        classifier=classifier,
        images=images,
        labels=labels,
        maps=checked,
        raw={method: one.raw for method, one in explained.items()},
        masks={role: values for role, values in by_role.items() if role is not None},
        variants=variants,
        explainers=explainers,
        oracle=None,
        ids=names,
        seed=seed,
        batch_size=batch_size,
        num_threads=num_threads,
    )
    families = [
        (FAMILIES[name], [metric for metric in asked if metric.family == name])
        for name in dict.fromkeys(metric.family for metric in asked)
        if names
    ]
    for family, chosen in families:
        if family.check is not None:
            family.check(given, chosen, options[family.name])
    slow = [family.name for family, chosen in families if any(m.needs & {"model", "explainer"} for m in chosen)]
    parts = []
    for family, chosen in families:
        some = dataclasses.replace(given, progress=_share(progress, slow, family.name))
        if oracle and family.oracle:
            some = dataclasses.replace(some, maps=scored, oracle=ORACLE)
        parts.append(family.score(some, chosen, options[family.name]))
    rows = [row for part in parts for row in part.rows]
    curves = next((part.curves for part in parts if part.curves is not None), None)
    responses = Responses.concatenate(part.responses for part in parts if part.responses is not None)
    absent = {
        (name, method)
        for method, one in explained.items()
        if one.there is not None
        for name in (names[index] for index in np.flatnonzero(~one.there))
    }
    if absent:
        rows = [(*row[:3], float("nan"), "no_map") if (row[0], row[1]) in absent else row for row in rows]
        curves = None if curves is None else _without(curves, absent)
        responses = _without(responses, absent)
    image_order = {name: i for i, name in enumerate(names)}
    method_order = {name: i for i, name in enumerate(scored)}
    metric_order = {metric.name: i for i, metric in enumerate(asked)}
    rows.sort(key=lambda row: (image_order[row[0]], method_order[row[1]], metric_order[row[2]]))
    return Scores.from_rows(rows, curves, responses)


def _without(rows: C, absent: Collection[tuple[str, str]]) -> C:
    """Rows of curves without those of (image, method)."""
    return rows.take(np.array([pair not in absent for pair in zip(rows.image, rows.method, strict=True)], bool))


def _share(
    progress: Callable[[int, int], None] | None, slow: Sequence[str], name: str
) -> Callable[[int, int], None] | None:
    """A family's share of the progress: those that run the model count alike."""
    if progress is None or name not in slow:
        return None
    place = slow.index(name)
    return lambda done, total: progress(place * total + done, len(slow) * total)
