"""One call: images, labels and maps in, scores with reasons out."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np

from xaijax import _options
from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax._outputs import detached
from xaijax.metrics import checks
from xaijax.metrics._curves import Curves, Responses
from xaijax.metrics._stream import as_model_input
from xaijax.metrics.answers import output_of
from xaijax.metrics.localization import oracle_maps
from xaijax.metrics.metric import LESION_ROLE, ORACLE, Explained, Inputs, pair_name
from xaijax.metrics.registry import FAMILIES, resolve
from xaijax.metrics.scores import Scores

DEFAULT_METRICS = ("aic_webp", "sic_webp", "aic_mutual", "sic_mutual")  # why: docs/studies/stability.md
DEFAULT_MASK_METRICS = ("pointing_game", "average_precision", "iou", "top15_energy")

C = TypeVar("C", Curves, Responses)


class Predictor(Protocol):
    """What `evaluate` needs of a classifier: `xaijax.classifier.Classifier` has it, and any object can.

    It may also have `output`, what the predictions are (`"softmax"`, `"sigmoid"`, `"binary"`, `"regression"`; default:
    softmax), `classes`, their names, and `thresholds`, from which on a finding counts as present.
    """

    def predict(self, images: Any) -> Any:
        """Probabilities `[B, K]` of `[B, H, W, C]` images, float32 in [0, 1]."""


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
    spread: float | None = None,
    pool: tuple[Any, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Scores the maps of any number of methods, per image, with a reason wherever there is no value.

    AIC and SIC of every information measure come from the same forward passes: an image costs one for the original,
    one per random mask, and one per random mask, method and fraction. What cannot be scored is the
    same for all methods.

    Args:
        classifier: gives probabilities by `predict`; called with batches of one shape only. None where no metric asks.
        images: `[B, H, W, C]`, uint8, uint16, or float in [0, 1]. Rebuilt images have the same dtype.
        labels: `[B]` int, in [0, K): the class that each map explains. Of a classifier of findings (`"sigmoid"`) also
            `[B, K]`, bool or 1, 0 and NaN for not known: every finding that is present is scored, with a map and a row
            of its own; or `[B]`, where K + k means that finding k is absent. Of a regression `[B]` numbers.
        maps: method -> `[B, H, W]`, any unit, finite; higher means more important (take absolute values yourself).
            Metrics that need more of a method take it from an `Explained`: raw maps with their sign, other maps of the
            same images, the method itself. With labels `[B, K]`: `[N, H, W]`, a map per finding that is present, in the
            order of `numpy.nonzero(labels == 1)`, or `[B, K, H, W]`, of which those are taken.
        masks: `[B, H, W]` bool or uint8 (nonzero inside) of lesions, or None. An empty mask is "no mask" for that
            image. Masks of other roles: a dictionary from `"lesion"`, `"organ"` or `"artefact"` to masks. With labels
            `[B, K]` they hold for all findings of an image, or are `[B, K, H, W]`.
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
        spread: of the data that a regression predicts, such as the standard deviation of its labels over a data set: a
            change of the prediction by as much is a response of 0. Default: that of the labels given.
        pool: (images `[N, H, W, C]`, labels `[N]`), with which the metrics of mosaics put together their mosaics;
            default: the images that are scored. An image then scores the same whatever else is scored.
        progress: called as `progress(done, total)` with numbers of images, over all families that run the model.

    Returns:
        `Scores`: rows image by image (and finding by finding), then by method, then by metric; `.curves` has the
            information curves, `.responses` those of perturbation and randomisation.

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
        ...         contrast = np.std(images, axis=(1, 2, 3))
        ...         return np.stack([1 - contrast, contrast], axis=1)
        >>> image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1)).astype(np.uint8)
        >>> maps = {"intensity": image[..., 0].astype(float)}
        >>> scores = evaluate(Contrast(), image, [1], maps, metrics=["SIC-mutual"])
        >>> scores.metric.tolist(), scores.method.tolist(), bool(0 <= scores.value[0] <= 1)
        (['sic_mutual'], ['intensity'], True)
    """
    images, labels = checks.as_images(images), np.asarray(detached(labels))
    names = checks.check_images(images, ids)
    output, classes = output_of(classifier), getattr(classifier, "classes", None)
    count, every = len(names), labels
    rows, labels, findings = checks.check_labels(labels, names, output, classes)
    if findings is not None:
        maps, masks = of_findings(maps, masks, rows, labels, count)
        names = [pair_name(names[row], finding) for row, finding in zip(rows, findings, strict=True)]
        images = images[rows] if len(rows) != count or (rows != np.arange(count)).any() else images
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
    if num_threads is not None:
        num_threads = _options.check(Count, num_threads, "num_threads")
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
        pool=None if pool is None else checks.check_pool(pool, images),
    )
    if output == "regression" and any("model" in metric.needs for metric in asked):
        given = _with_intact(given, every, spread)
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
    found = [row for part in parts for row in part.rows]
    curves = next((part.curves for part in parts if part.curves is not None), None)
    responses = Responses.concatenate(part.responses for part in parts if part.responses is not None)
    absent = {
        (name, method)
        for method, one in explained.items()
        if one.there is not None
        for name in (names[index] for index in np.flatnonzero(~one.there))
    }
    if absent:
        found = [(*row[:3], float("nan"), "no_map") if (row[0], row[1]) in absent else row for row in found]
        curves = None if curves is None else _without(curves, absent)
        responses = _without(responses, absent)
    image_order = {name: i for i, name in enumerate(names)}
    method_order = {name: i for i, name in enumerate(scored)}
    metric_order = {metric.name: i for i, metric in enumerate(asked)}
    found.sort(key=lambda row: (image_order[row[0]], method_order[row[1]], metric_order[row[2]]))
    return Scores.from_rows(found, curves, responses).with_targets()


def _without(rows: C, absent: Collection[tuple[str, str]]) -> C:
    """Rows of curves without those of (image, method)."""
    return rows.take(np.array([pair not in absent for pair in zip(rows.image, rows.method, strict=True)], bool))


def of_findings(maps: Any, masks: Any, rows: Any, labels: Any, count: int) -> tuple[Any, Any]:
    """Maps and masks with one entry for each finding of each image."""

    def per_finding(what: str, values: Any) -> Any:
        values = np.asarray(detached(values))
        found = checks.expand(values, rows, labels, count)
        if found is None:
            raise InputError(
                f"{what} must be [{len(rows)}, H, W], one for each finding that is explained, or [{count}, K, H, W]; "
                f"got {values.shape}"
            )
        return found

    def per_image(values: Any) -> Any:
        values = np.asarray(detached(values))
        return values[rows] if values.ndim == 3 and len(values) == count else per_finding("masks", values)

    def method(name: str, given: Any) -> Any:
        one = given if isinstance(given, Explained) else Explained(given)
        made = per_finding(f"maps of {name!r}", one.maps)
        raw = None if one.raw is None else per_finding(f"raw maps of {name!r}", one.raw)
        variants = {key: per_finding(f"variants of {name!r}", other) for key, other in one.variants.items()}
        there = one.there if one.there is None or len(one.there) == len(rows) else np.asarray(one.there)[rows]
        return Explained(made, raw, variants, one.explainer, there)

    if isinstance(maps, Mapping):
        maps = {name: method(name, given) for name, given in maps.items()}
    if masks is not None:
        by_role = isinstance(masks, Mapping)
        masks = {role: per_image(values) for role, values in masks.items()} if by_role else per_image(masks)
    return maps, masks


def _with_intact(given: Inputs, labels: Any, spread: float | None) -> Inputs:
    """What a regression gives for the unchanged images, and the spread that changes are compared with."""
    if spread is None and len(labels) > 1:
        spread = float(np.std(np.asarray(labels, np.float64)))
    if spread is None or not 0 < spread < float("inf"):
        raise InputError(
            "a regression's responses are relative to the spread of the data, which these labels do not have: give "
            "spread, the standard deviation of the labels of the data set"
        )
    size = min(given.batch_size, len(given.images))
    intact = in_batches(lambda some: np.asarray(given.predict(as_model_input(some)), np.float64), size, given.images)
    return dataclasses.replace(given, intact=intact, spread=spread)


def _share(
    progress: Callable[[int, int], None] | None, slow: Sequence[str], name: str
) -> Callable[[int, int], None] | None:
    """A family's share of the progress: those that run the model count alike."""
    if progress is None or name not in slow:
        return None
    place = slow.index(name)
    return lambda done, total: progress(place * total + done, len(slow) * total)
