"""One part of a run: some images on one model. Maps, scores, and what the figures show of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax._errors import InputError
from xaijax.bench import agreement
from xaijax.bench.inputs import Job, Model
from xaijax.bench.method_options import parse_options
from xaijax.bench.plan import ORACLE
from xaijax.bench.store import CURVES, PREDICTIONS, RESPONSES, SCORES

# Share of the work of an image that is explaining it, for the progress bar alone.
EXPLAINING = 0.3


def score_part(
    job: Job,
    model: Model,
    cases: tuple[int, ...],
    *,
    gallery: int,
    progress: Callable[[float], None],
    keep: Path | None = None,
) -> tuple[pa.Table, pa.Table, dict[str, np.ndarray], pa.Table, pa.Table]:
    """Explains and scores the images of a part.

    Args:
        job: The run.
        model: Which of its models.
        cases: Positions in the data set; all of them were readable when the run was planned.
        gallery: How many of the first images go into the figures.
        progress: Called with the finished share of this part, 0 to 1.
        keep: Folder for maps that the other models' parts need too; None where no metric compares models.

    Returns:
        Scores, curves, arrays for the figures (empty when `gallery` is 0), predictions, and perturbation curves.

    Raises:
        InputError: A method gives NaN, or an image went away since the run was planned.
    """
    from xaijax.explain import METHODS
    from xaijax.metrics import METRICS, evaluate

    batch, labels, probabilities, explained = _read(job, model, cases)

    def make() -> dict[str, np.ndarray]:
        return explain_all(job, model, batch, explained, lambda share: progress(EXPLAINING * share))

    maps = make() if keep is None else agreement.kept_maps(keep, job, model, cases, make)
    scores = evaluate(
        model.classifier,
        batch.images,
        explained,
        {method: METHODS[method].evidence(values) for method, values in maps.items()},
        masks=dict(batch.roles),
        metrics=list(job.metrics),
        ids=list(batch.ids),
        raw_maps=maps,
        variants=None if keep is None else _variants(job, model, cases, keep),
        explainers=_explainers(job) if any("explainer" in METRICS[metric].needs for metric in job.metrics) else None,
        settings=job.settings,
        oracle=ORACLE in job.methods,
        convention=job.config.convention,
        random_masks=job.config.random_masks,
        seed=job.config.seed,
        batch_size=job.config.batch_size,
        progress=lambda done, total: progress(EXPLAINING + (1 - EXPLAINING) * done / max(total, 1)),
    )
    kept: dict[str, np.ndarray] = {}
    if gallery:
        scored = set(scores.curves.image)
        kept = _for_figures(job, model, batch, maps, labels, explained, probabilities, scored, min(gallery, len(batch)))
    progress(1.0)
    predictions = _prediction_table(model, batch.ids, labels, probabilities)
    responses = _with_model(scores.responses.to_arrow(), model.name, RESPONSES)
    return _score_table(scores, model.name), _curve_table(scores, model.name), kept, predictions, responses


def _read(job: Job, model: Model, cases: tuple[int, ...]) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """The images of a part as a model takes them, their labels, its probabilities, and the classes to explain."""
    batch = job.dataset.read(list(cases), tuple(model.classifier.input_shape))  # type: ignore[arg-type]
    if batch.skipped:
        name, reason = batch.skipped[0]
        raise InputError(f"the image {name} could be read when the run was planned but no longer can: {reason}")
    probabilities = np.asarray(model.classifier.predict(_padded(batch.images, job.config.part)))[: len(batch)]
    if not np.isfinite(probabilities).all():
        raise InputError(f"model {model.name} gives NaN or infinite probabilities; its checkpoint is damaged")
    labels = np.asarray(model.class_index, np.int32)[batch.labels]
    explained = probabilities.argmax(axis=1).astype(np.int32) if job.explains_predicted else labels
    return batch, labels, probabilities, explained


def _variants(job: Job, model: Model, cases: tuple[int, ...], folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """{method: {another model: its evidence for the same images, at this model's size}}."""
    from xaijax.explain import METHODS

    found: dict[str, dict[str, np.ndarray]] = {}
    for other in job.models:
        if other is model:
            continue

        def make(other: Model = other) -> dict[str, np.ndarray]:
            batch, _, _, explained = _read(job, other, cases)
            return explain_all(job, other, batch, explained, lambda share: None)

        for method, maps in agreement.kept_maps(folder, job, other, cases, make).items():
            shape = model.classifier.input_shape[:2]
            found.setdefault(method, {})[other.name] = agreement.resized(METHODS[method].evidence(maps), shape)
    return found


def explain_all(
    job: Job, model: Model, batch: Any, labels: np.ndarray, progress: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Maps of all methods: {method: [B, H, W] float32}; refuses NaN."""
    from xaijax.explain import METHODS

    # One shape for all parts: the last one would otherwise be compiled again for every method.
    images, targets = _padded(batch.images, job.config.part), _padded(labels, job.config.part)
    maps = {}
    methods = [method for method in job.methods if method != ORACLE]
    options = parse_options(job.config.options, methods)
    for number, name in enumerate(methods):
        limits = {"seed": job.config.seed, "batch_size": job.config.batch_size}
        made = METHODS[name].maps(model.classifier, images, targets, **limits, **options[name])[: len(batch)]
        bad = ~np.isfinite(made).all(axis=(1, 2))
        if bad.any():
            first = batch.ids[int(np.flatnonzero(bad)[0])]
            raise InputError(
                f"the method {name} gives NaN or infinity on model {model.name} for {bad.sum()} of {len(batch)} images "
                f"({first} is the first); leave it out of --methods, or check the model"
            )
        maps[name] = np.asarray(made, np.float32)
        progress((number + 1) / len(methods))
    return maps


def _explainers(job: Job) -> dict[str, Callable[..., np.ndarray]]:
    """The methods of a run as functions of (classifier, images, labels), for metrics that explain changed images."""
    from xaijax.explain import METHODS

    options = parse_options(job.config.options, job.methods)
    config = job.config

    def explainer(name: str) -> Callable[..., np.ndarray]:
        # One shape for all parts, as in `explain_all`; what gets one image per call has one anyway.
        size = config.part if METHODS[name].single_pass else 0

        def explain(classifier: Any, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            padded = _padded(images, size), _padded(labels, size)
            limits = {"seed": config.seed, "batch_size": config.batch_size}
            return METHODS[name].maps(classifier, padded[0], padded[1], **limits, **options[name])[: len(images)]

        return explain

    return {name: explainer(name) for name in job.methods if name != ORACLE}


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


def _score_table(scores: Any, model: str) -> pa.Table:
    return _with_model(scores.to_arrow(), model, SCORES)


def _with_model(table: pa.Table, model: str, schema: pa.Schema) -> pa.Table:
    return table.add_column(0, "model", pa.array([model] * table.num_rows, pa.string())).select(schema.names)


def _curve_table(scores: Any, model: str) -> pa.Table:
    if not len(scores.curves):
        return CURVES.empty_table()
    table = scores.curves.to_arrow()
    pairs = [metric.partition("_")[::2] for metric in table["metric"].to_pylist()]
    table = table.append_column("curve", pa.array([curve for curve, _ in pairs], pa.string()))
    table = table.append_column("entropy", pa.array([entropy for _, entropy in pairs], pa.string()))
    return table.append_column("model", pa.array([model] * table.num_rows, pa.string())).select(CURVES.names)


def _prediction_table(model: Model, ids: Sequence[str], labels: np.ndarray, probabilities: np.ndarray) -> pa.Table:
    classes = model.classifier.classes
    columns = {
        "model": [model.name] * len(ids),
        "image": list(ids),
        "label": [classes[label] for label in labels],
        "predicted": [classes[guess] for guess in probabilities.argmax(axis=1)],
        "probability": probabilities.max(axis=1).astype(np.float64),
    }
    return pa.table(columns, schema=PREDICTIONS)


def _for_figures(
    job: Job,
    model: Model,
    batch: Any,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    explained: np.ndarray,
    probabilities: np.ndarray,
    scored: set[str],
    count: int,
) -> dict[str, np.ndarray]:
    from xaijax.explain import METHODS

    kept = {
        "ids": np.asarray(batch.ids[:count]),
        "images": batch.images[:count],
        "masks": np.asarray(batch.roles.get("lesion", np.zeros_like(batch.masks)))[:count],
        "labels": labels[:count],
        "probabilities": probabilities[:count],
        "methods": np.asarray(list(maps)),
        "maps": np.stack([METHODS[method].evidence(values[:count]) for method, values in maps.items()]),
    }
    return kept | rebuild_case(job, model, batch, maps, explained, probabilities, scored, count)


def rebuild_case(
    job: Job,
    model: Model,
    batch: Any,
    maps: dict[str, np.ndarray],
    labels: np.ndarray,
    probabilities: np.ndarray,
    scored: set[str],
    count: int,
) -> dict[str, np.ndarray]:
    """Rebuilds one image from each fraction of a few maps, as AIC and SIC do, with what they measure on the way.

    The case is the first of the gallery that has a curve, if possible one that the model gets right and with a lesion.

    Returns:
        Arrays whose names begin with `case_`; none where no metric is a curve.
    """
    from xaijax import kernels
    from xaijax.explain import METHODS
    from xaijax.metrics import METRICS
    from xaijax.metrics.pic import MASK_FRACTION, mask_seed, unrounded
    from xaijax.metrics.pic_curve import FRACTIONS
    from xaijax.metrics.pic_information import as_uint8, measure_information

    measures = list(dict.fromkeys(METRICS[m].parts[1] for m in job.metrics if METRICS[m].family == "information"))
    if not measures:
        return {}
    right = probabilities[:count].argmax(axis=1) == labels[:count]
    curved = np.array([name in scored for name in batch.ids[:count]])
    case = int(np.argmax(4 * curved + 2 * right + batch.has_mask[:count]))
    explanations = [m for m in maps if METHODS[m].family != "control"]
    shown = [next((m for m in explanations if METHODS[m].family == "cam"), (explanations or list(maps))[0])]
    shown += [m for m in ("random",) if m in maps and m not in shown]

    medical = job.config.convention == "medical"
    image = np.ascontiguousarray(unrounded(batch.images[case]) if medical else batch.images[case])
    fractions = job.settings.get("information", {}).get("fractions", FRACTIONS)
    mask = kernels.random_mask(image.shape[:2], MASK_FRACTION, mask_seed(job.config.seed, batch.ids[case], 0))
    stack = np.stack([METHODS[method].evidence(maps[method][case]) for method in shown])
    always = np.ascontiguousarray(np.broadcast_to(mask, stack.shape))
    levels = kernels.reveal_levels(stack, fractions, always)
    steps = len(fractions) + 1
    rebuilt = np.asarray(kernels.reveal(image, levels, steps))
    pictures = np.concatenate([rebuilt, np.broadcast_to(image, (len(shown), 1, *image.shape))], axis=1)
    flat = np.ascontiguousarray(pictures).reshape(-1, *image.shape)
    information = measure_information(flat, image, measures, stretch=medical)
    predicted = np.asarray(model.classifier.predict(flat))
    return {
        "case_number": np.asarray(case),
        "case_methods": np.asarray(shown),
        "case_label": np.asarray(labels[case]),
        "case_fractions": np.asarray(fractions),
        "case_pictures": as_uint8(pictures),
        "case_probabilities": predicted.reshape(len(shown), steps + 1, -1),
        "case_measures": np.asarray(measures),
        "case_information": np.stack([v.reshape(len(shown), steps + 1) for v in information.values()]),
    }
