"""One part of a run: some images on one model. Maps, scores, and what the figures show of them.

Where a metric compares models, the raw maps of every model are made once and kept until the run is finished:
maps/<model number>-<first case>.npz
"""

import dataclasses
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._batches import padded
from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._outputs import agrees
from xaijax._runs.given import resized
from xaijax._runs.models import Model
from xaijax.bench.groups import belongs
from xaijax.bench.pictures import nearest, pictures_of, table_of
from xaijax.bench.plan import Plan
from xaijax.bench.store import Tables
from xaijax.bench.tables import detections_of, groups_of, predictions_of, tables_of
from xaijax.explain import METHODS
from xaijax.metrics import FAMILIES, METRICS, ORACLE, Explained, evaluate
from xaijax.metrics.mosaic import NAME as MOSAIC
from xaijax.metrics.pic import rebuild, revealed
from xaijax.metrics.pic_information import as_uint8

VARIANTS = "maps"
# Share of the work of an image that is explaining it, for the progress bar alone.
EXPLAINING = 0.3


def score_part(
    plan: Plan,
    model: Model,
    cases: tuple[int, ...],
    *,
    gallery: int,
    progress: Callable[[float], None],
    keep: Path | None = None,
) -> Tables:
    """Explains and scores the images of a part.

    Args:
        plan: The run.
        model: Which of its models.
        cases: Positions in the data set; all of them were readable when the run was planned.
        gallery: How many of the first images go into the figures.
        progress: Called with the finished share of this part, 0 to 1.
        keep: Folder for maps that the other models' parts need too; None where no metric compares models.

    Returns:
        What was computed; its arrays for the figures are empty when `gallery` is 0.

    Raises:
        InputError: A method gives NaN, or an image went away since the run was planned.
    """
    batch, labels, probabilities, explained = plan.read(model, cases)
    # One map for each image, or for each finding of each image that is explained.
    pairs, targets = batch, explained
    rows: np.ndarray = np.arange(len(batch))
    if explained.ndim == 2:
        rows, targets = (index.astype(np.int32) for index in np.nonzero(explained))
        pairs = _at(batch, rows)

    def make() -> dict[str, np.ndarray]:
        return explain_all(plan, model, pairs, targets, lambda share: progress(EXPLAINING * share))

    maps = make() if keep is None else _kept_maps(keep, plan, model, cases, make)
    variants = {} if keep is None else _variants(plan, model, cases, keep)
    sources = {
        method: Explained(METHODS[method].evidence(raw), raw, variants.get(method, {})) for method, raw in maps.items()
    }
    sources |= _given(plan, model, cases, compared=keep is not None)
    masks = _masks(model, batch) if explained.ndim == 2 else dict(batch.roles)
    again = any("explainer" in METRICS[metric].needs for metric in plan.metrics)
    explainers = _explainers(plan, model) if again else {}
    mosaics = any(METRICS[metric].family == MOSAIC for metric in plan.metrics)
    scores = evaluate(
        model.classifier,
        batch.images,
        explained,
        {method: dataclasses.replace(one, explainer=explainers.get(method)) for method, one in sources.items()},
        masks=masks,
        metrics=list(plan.metrics),
        settings=plan.settings,
        ids=list(batch.ids),
        oracle=ORACLE in plan.methods,
        seed=plan.config.seed,
        batch_size=plan.config.batch_size,
        pool=plan.pool(model) if mosaics else None,
        progress=lambda done, total: progress(EXPLAINING + (1 - EXPLAINING) * done / max(total, 1)),
    )
    kept: dict[str, np.ndarray] = {}
    named = list(pairs.ids)
    if explained.ndim == 2:
        named = [f"{name}: {model.classifier.classes[k]}" for name, k in zip(pairs.ids, targets, strict=True)]
    lesions = np.asarray(masks.get("lesion", np.zeros(batch.images.shape[:3], bool)))
    lesions = lesions[rows, targets] if lesions.ndim == 4 else lesions[rows]  # those of the finding, where known
    evidence = {method: one.maps for method, one in sources.items()}
    if gallery and len(rows):
        drawn = set(scores.curves.paired().image)
        curved = np.array([name in drawn for name in named])
        shown = targets if explained.ndim == 2 else labels
        count = min(gallery, len(rows))
        kept = _for_figures(plan, model, pairs, evidence, shown, targets, probabilities[rows], curved, count)
    shown_rows = np.flatnonzero(plan.in_report(cases)[rows])
    pictures = table_of(row for i in shown_rows for row in _pictures(plan, pairs, named[i], int(i), sources))
    groups = groups_of(batch.ids, [belongs(plan.dataset.cases[case]) for case in cases])
    there = {method: one.there for method, one in sources.items() if one.there is not None}
    detections = detections_of(model.name, named, lesions, evidence, there)
    progress(1.0)
    made = model.classifier
    predicted = predictions_of(model.name, batch.ids, labels, probabilities, made.classes, made.thresholds)
    return tables_of(scores, model.name, predicted, kept, pictures=pictures, groups=groups, detections=detections)


def _pictures(
    plan: Plan, batch: Any, name: str, row: int, sources: Mapping[str, Explained]
) -> list[tuple[str, str, str, float, bytes]]:
    """What the report's browser shows of one image."""
    maps = {method: one.maps[row] for method, one in sources.items() if one.there is None or one.there[row]}
    rebuilt: dict[str, list[tuple[float, np.ndarray]]] = {}
    if maps and any(METRICS[metric].family == "pic" for metric in plan.metrics):
        settings = FAMILIES["pic"].read_settings(plan.settings.get("pic", {}))
        fractions = [settings.fractions[place] for place in nearest(settings.fractions)]
        some = dataclasses.replace(settings, fractions=tuple(fractions))
        images = as_uint8(revealed(batch.images[row], maps, name=batch.ids[row], settings=some, seed=plan.config.seed))
        rebuilt = {method: list(zip(fractions, images[i], strict=True)) for i, method in enumerate(maps)}
    masks = batch.roles.get("lesion")
    return pictures_of(name, batch.images[row], None if masks is None else np.asarray(masks)[row], maps, rebuilt)


def _at(batch: Any, rows: np.ndarray) -> Any:
    """A batch with an image for each of these rows."""
    roles = {role: masks[rows] for role, masks in batch.roles.items()}
    return dataclasses.replace(
        batch,
        ids=tuple(batch.ids[row] for row in rows),
        images=batch.images[rows],
        masks=batch.masks[rows],
        has_mask=batch.has_mask[rows],
        roles=roles,
    )


def _masks(model: Model, batch: Any) -> dict[str, np.ndarray]:
    """Masks by role: of lesions `[B, K, H, W]` where they are named after findings, else those of the whole image."""
    found = dict(batch.roles)
    classes = model.classifier.classes
    named = [[re.sub(r" \d+$", "", one.name) for one in elements] for elements in batch.elements]
    if "lesion" in found and any(name in classes for names in named for name in names):
        own = np.zeros((len(batch), len(classes), *batch.images.shape[1:3]), bool)
        for row, (names, elements) in enumerate(zip(named, batch.elements, strict=True)):
            for name, element in zip(names, elements, strict=True):
                if name in classes and element.role == "lesion":
                    own[row, classes.index(name)] |= element.mask
        found["lesion"] = own
    return found


def _variants(plan: Plan, model: Model, cases: tuple[int, ...], folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """{method: {another model: its evidence for the same images, at this model's size}}."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for other in plan.models:
        if other is model:
            continue

        def make(other: Model = other) -> dict[str, np.ndarray]:
            batch, _, _, explained = plan.read(other, cases)
            return explain_all(plan, other, batch, explained, lambda share: None)

        for method, maps in _kept_maps(folder, plan, other, cases, make).items():
            shape = model.classifier.input_shape[:2]
            found.setdefault(method, {})[other.name] = resized(METHODS[method].evidence(maps), shape)
    return found


def _given(plan: Plan, model: Model, cases: Sequence[int], *, compared: bool) -> dict[str, Explained]:
    """The maps of bundles for a part; with those of other models where models are compared and each has its own."""
    shape = model.classifier.input_shape[:2]
    found: dict[str, Explained] = {}
    for one in plan.given:
        if model.name not in one.models:
            continue
        raw, evidence, there = one.maps(cases, shape)
        variants: dict[str, np.ndarray] = {}
        for other in plan.given if compared and one.own else ():
            if other.own and other.name == one.name and other is not one:
                # Where the other model has no map it is zero everywhere, which has no agreement.
                _, another, _ = other.maps(cases, shape)
                variants |= dict.fromkeys(other.models, another)
        found[one.name] = Explained(evidence, raw, variants, there=there)
    return found


def explain_all(
    plan: Plan, model: Model, batch: Any, labels: np.ndarray, progress: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Maps of all methods: {method: [B, H, W] float32}; refuses NaN."""
    maps: dict[str, np.ndarray] = {}
    size = plan.size
    methods = plan.computed
    for number, name in enumerate(methods):
        options = _limits(plan, model, name) | dict(plan.options.get(name, {}))
        made = np.zeros((0, *batch.images.shape[1:3]), np.float32)
        for start in range(0, len(labels), size):
            some, own = batch.images[start : start + size], labels[start : start + size]
            # One shape for all parts: the last one would otherwise be compiled again for every method.
            found = METHODS[name].maps(model.classifier, padded(some, size), padded(own, size), **options)
            made = np.concatenate([made, found[: len(own)]]) if start else found[: len(own)]
        bad = ~np.isfinite(made).all(axis=(1, 2))
        if bad.any():
            first = batch.ids[int(np.flatnonzero(bad)[0])]
            raise InputError(
                f"the method {name} gives NaN or infinity on model {model.name} for {bad.sum()} of {len(labels)} images"
                f" ({first} is the first); leave it out of --methods, or check the model"
            )
        maps[name] = np.asarray(made, np.float32)
        progress((number + 1) / len(methods))
    return maps


def _limits(plan: Plan, model: Model, method: str) -> dict[str, Any]:
    """Seed and batch size of a method on a model.

    A random control has other maps for each model: the same ones would agree perfectly between models, and stand as a
    floor of agreement that no method can reach.
    """
    seed = plan.config.seed
    if METHODS[method].family == "control":
        seed = (seed + 0x9E3779B1 * plan.models.index(model)) % 2**32
    return {"seed": seed, "batch_size": plan.config.batch_size}


def _explainers(plan: Plan, model: Model) -> dict[str, Callable[..., np.ndarray]]:
    """The methods of a run as functions of (classifier, images, labels), for metrics that explain changed images."""

    def explainer(name: str) -> Callable[..., np.ndarray]:
        method, options = METHODS[name], _limits(plan, model, name) | dict(plan.options.get(name, {}))
        # One shape for all parts, as in `explain_all`; what gets one image per call has one anyway.
        size = plan.size if method.single_pass else 0

        def explain(classifier: Any, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            return method.maps(classifier, padded(images, size), padded(labels, size), **options)[: len(images)]

        return explain

    return {name: explainer(name) for name in plan.computed}


def _for_figures(
    plan: Plan,
    model: Model,
    batch: Any,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    explained: np.ndarray,
    probabilities: np.ndarray,
    curved: np.ndarray,
    count: int,
) -> dict[str, np.ndarray]:
    kept = {
        "ids": np.asarray(batch.ids[:count]),
        "images": batch.images[:count],
        "masks": np.asarray(batch.roles.get("lesion", np.zeros_like(batch.masks)))[:count],
        "labels": labels[:count],
        "probabilities": probabilities[:count],
        "methods": np.asarray(list(maps)),
        "maps": np.stack([values[:count] for values in maps.values()]),
    }
    if model.classifier.output == "sigmoid":
        kept["output"] = np.asarray("sigmoid")
    return kept | rebuild_case(plan, model, batch, maps, explained, probabilities, curved, count)


def rebuild_case(
    plan: Plan,
    model: Model,
    batch: Any,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    probabilities: np.ndarray,
    curved: np.ndarray,
    count: int,
) -> dict[str, np.ndarray]:
    """Rebuilds one image from each fraction of a few maps, as AIC and SIC do, with what they measure on the way.

    The case is the first of the gallery that has a curve, if possible one that the model gets right and with a lesion.

    Returns:
        Arrays whose names begin with `case_`; none where no metric is a curve.
    """
    measures = list(dict.fromkeys(METRICS[m].measure for m in plan.metrics if METRICS[m].family == "pic"))
    if not measures:
        return {}
    classifier = model.classifier
    right = np.array(
        [
            agrees(classifier.output, one[None], int(label), classifier.thresholds)[0]
            for one, label in zip(probabilities[:count], labels[:count], strict=True)
        ]
    )
    case = int(np.argmax(4 * curved[:count] + 2 * right + batch.has_mask[:count]))
    family = {m: METHODS[m].family if m in plan.computed else "given" for m in maps}
    # A bundle may have no map of this image.
    explanations = [m for m in maps if family[m] != "control" and (m in plan.computed or maps[m][case].any())]
    shown = [next((m for m in explanations if family[m] == "cam"), (explanations or list(maps))[0])]
    shown += [m for m in ("random",) if m in maps and m not in shown]

    rebuilt = rebuild(
        model.classifier,
        batch.images[case],
        {method: maps[method][case] for method in shown},
        name=batch.ids[case],
        measures=measures,
        settings=FAMILIES["pic"].read_settings(plan.settings.get("pic", {})),
        seed=plan.config.seed,
    )
    return {
        "case_number": np.asarray(case),
        "case_methods": np.asarray(shown),
        "case_label": np.asarray(labels[case]),
        "case_fractions": np.asarray(rebuilt.fractions),
        "case_pictures": as_uint8(rebuilt.images),
        "case_probabilities": rebuilt.probabilities,
        "case_measures": np.asarray(measures),
        "case_information": np.stack(list(rebuilt.information.values())),
    }


def wants_variants(metrics: Sequence[str]) -> bool:
    """Whether one of the metrics compares the maps of several models."""
    return any("variants" in METRICS[metric].needs for metric in metrics)


def _kept_maps(
    folder: Path, plan: Plan, model: Model, cases: Sequence[int], make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The raw maps of a part: from the folder, or made and put there."""
    path = folder / f"{plan.models.index(model):02d}-{cases[0]}.npz"
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if all(len(maps) == len(cases) for maps in found.values()):
            return found
    except (OSError, ValueError, zipfile.BadZipFile):
        pass  # not there, or not whole: made again
    maps = make()
    arrays_of: dict[str, Any] = dict(maps)
    write_whole(path, lambda file: np.savez(file, **arrays_of))
    return maps
