"""One part of a run: some images on one model. Maps, scores, and what the figures show of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa

from xaijax._errors import InputError
from xaijax.bench import agreement, settings
from xaijax.bench.inputs import Job, Model
from xaijax.bench.method_options import parse_options
from xaijax.bench.store import CURVES, PREDICTIONS, RESPONSES, SCORES
from xaijax.metrics import ORACLE

# Share of the work of an image that is explaining it, for the progress bar alone.
EXPLAINING = 0.3
SINGLE_PASS = 3.0  # cost of one forward and one backward pass, in forward passes


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
    from xaijax.metrics import METRICS, Explained, evaluate

    batch, labels, probabilities, explained = _read(job, model, cases)

    def make() -> dict[str, np.ndarray]:
        return explain_all(job, model, batch, explained, lambda share: progress(EXPLAINING * share))

    maps = make() if keep is None else agreement.kept_maps(keep, job, model, cases, make)
    variants = {} if keep is None else _variants(job, model, cases, keep)
    explainers = _explainers(job) if any("explainer" in METRICS[metric].needs for metric in job.metrics) else {}
    scores = evaluate(
        model.classifier,
        batch.images,
        explained,
        {
            method: Explained(as_evidence(method, raw), raw, variants.get(method, {}), explainers.get(method))
            for method, raw in maps.items()
        },
        masks=dict(batch.roles),
        metrics=list(job.metrics),
        settings=settings.of_run(job.settings, job.config.convention, job.config.random_masks),
        ids=list(batch.ids),
        oracle=ORACLE in job.methods,
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
    found: dict[str, dict[str, np.ndarray]] = {}
    for other in job.models:
        if other is model:
            continue

        def make(other: Model = other) -> dict[str, np.ndarray]:
            batch, _, _, explained = _read(job, other, cases)
            return explain_all(job, other, batch, explained, lambda share: None)

        for method, maps in agreement.kept_maps(folder, job, other, cases, make).items():
            shape = model.classifier.input_shape[:2]
            found.setdefault(method, {})[other.name] = agreement.resized(as_evidence(method, maps), shape)
    return found


def explain_all(
    job: Job, model: Model, batch: Any, labels: np.ndarray, progress: Callable[[float], None]
) -> dict[str, np.ndarray]:
    """Maps of all methods: {method: [B, H, W] float32}; refuses NaN."""
    # One shape for all parts: the last one would otherwise be compiled again for every method.
    images, targets = _padded(batch.images, job.config.part), _padded(labels, job.config.part)
    maps = {}
    methods = [method for method in job.methods if method != ORACLE]
    options = parse_options(job.config.options, methods)
    for number, name in enumerate(methods):
        settings = (job.config.seed, job.config.batch_size)
        made = run_method(name, model.classifier, images, targets, *settings, **options[name])[: len(batch)]
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


def run_method(
    name: str, classifier: Any, images: np.ndarray, labels: np.ndarray, seed: int, batch_size: int, **more: Any
) -> np.ndarray:
    """Raw maps `[B, H, W]` of one method; `more` are options of its own.

    Methods that perturb each image many times get one image per call: what fits into one batch then needs no loop
    inside the compiled program, and on the CPU XLA runs convolutions several times slower inside a loop.
    """
    from xaijax.explain import METHODS

    method = METHODS[name]
    options: dict[str, Any] = {"key": jax.random.key(seed)} if "key" in method.needs else {}
    if "batch_size" in method.options:
        options["batch_size"] = batch_size
    options |= more
    step = len(images) if method.cost <= SINGLE_PASS else 1
    made = [
        np.asarray(method.function(classifier, images[start : start + step], labels[start : start + step], **options))
        for start in range(0, len(images), step)
    ]
    return np.concatenate(made)


def _explainers(job: Job) -> dict[str, Callable[..., np.ndarray]]:
    """The methods of a run as functions of (classifier, images, labels), for metrics that explain changed images."""
    from xaijax.explain import METHODS

    options = parse_options(job.config.options, job.methods)
    limits = (job.config.seed, job.config.batch_size)

    def explainer(name: str) -> Callable[..., np.ndarray]:
        # One shape for all parts, as in `explain_all`; what gets one image per call has one anyway.
        size = job.config.part if METHODS[name].cost <= SINGLE_PASS else 0

        def explain(classifier: Any, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
            padded = _padded(images, size), _padded(labels, size)
            return run_method(name, classifier, *padded, *limits, **options[name])[: len(images)]

        return explain

    return {name: explainer(name) for name in job.methods if name != ORACLE}


def as_evidence(method: str, maps: np.ndarray) -> np.ndarray:
    """A raw map as evidence, where higher means more important.

    Signed gradient maps count by magnitude, as PAIR and the medical study take them. All others keep their sign, since
    negative is evidence against the class: class activation maps, regions (XRAI) and occlusion. A ReLU would tie all
    negative pixels, and a tie reveals them all at once.
    """
    from xaijax.explain import METHODS

    entry = METHODS[method]
    return np.abs(maps) if entry.signed and entry.family == "gradient" else maps


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
    from xaijax.metrics import METRICS

    table = scores.curves.to_arrow()
    pairs = [(METRICS[metric].kind, METRICS[metric].measure) for metric in table["metric"].to_pylist()]
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
    kept = {
        "ids": np.asarray(batch.ids[:count]),
        "images": batch.images[:count],
        "masks": np.asarray(batch.roles.get("lesion", np.zeros_like(batch.masks)))[:count],
        "labels": labels[:count],
        "probabilities": probabilities[:count],
        "methods": np.asarray(list(maps)),
        "maps": np.stack([as_evidence(method, values[:count]) for method, values in maps.items()]),
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
    from xaijax.explain import METHODS
    from xaijax.metrics import FAMILIES, METRICS
    from xaijax.metrics.pic import rebuild
    from xaijax.metrics.pic_information import as_uint8

    measures = list(dict.fromkeys(METRICS[m].measure for m in job.metrics if METRICS[m].family == "pic"))
    if not measures:
        return {}
    right = probabilities[:count].argmax(axis=1) == labels[:count]
    curved = np.array([name in scored for name in batch.ids[:count]])
    case = int(np.argmax(4 * curved + 2 * right + batch.has_mask[:count]))
    explanations = [m for m in maps if METHODS[m].family != "control"]
    shown = [next((m for m in explanations if METHODS[m].family == "cam"), (explanations or list(maps))[0])]
    shown += [m for m in ("random",) if m in maps and m not in shown]

    chosen = settings.of_run(job.settings, job.config.convention, job.config.random_masks)["pic"]
    rebuilt = rebuild(
        model.classifier,
        batch.images[case],
        {method: as_evidence(method, maps[method][case]) for method in shown},
        name=batch.ids[case],
        measures=measures,
        settings=FAMILIES["pic"].read_settings(chosen),
        seed=job.config.seed,
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
