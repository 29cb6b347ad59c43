"""Does the map depend on the model at all: sanity checks.

* Model parameter randomisation (MPRT, cascading): the layers are re-initialised one after the other from the output
  backwards, each with a key of its own, and stay so; after each the image is explained again. `mprt_spearman` and
  `mprt_ssim` are the similarity of the absolute maps with those of the trained model, mean over the layers; the
  curve over the layers is kept with the scores. A map that does not change shows the image, not what the model learned:
  lower is better. `smprt_spearman`, `smprt_ssim` and `emprt` are its smooth and its efficient form
  (`xaijax.metrics.mprt`).
* Random logit: the image is explained for another class, drawn at random; `random_logit_spearman` and
  `random_logit_ssim` are the similarity of both maps, with their sign. Lower is better.

Kernels are drawn from a truncated normal distribution of variance 1 / fan-in (Flax's default), biases and the means of
batch norm become 0, scales and variances 1, other parameters (class token, positions) normal with the deviation that
the trained ones have.

References:
    Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018;
    Sixt et al., "When Explanations Lie", ICML 2020.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax._options import Count, Positive, Range
from xaijax.metrics import mprt
from xaijax.metrics._curves import Responses
from xaijax.metrics.changed import Floats, explain, refuse_rounded, unit_images
from xaijax.metrics.consistency import WINDOW, compare
from xaijax.metrics.metric import Axes, Family, Inputs, Metric, Passes, Result, Row, image_seed, rows_of

NAME = "sanity"
MODELS = {mprt.PLAIN, mprt.SMOOTH, mprt.EFFICIENT}
"""Kinds of metrics that look at random models."""
TRUNCATED = 0.87962566103423978  # standard deviation of a normal distribution that is cut at two of its own


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"sanity": {"stages": 8}})`.

    Attributes:
        stages: after how many re-initialised layers, spread evenly, the image is explained again; 0: after each. The
            last stage is always the fully random model.
        smooth_draws: of smooth MPRT, noisy images whose maps are averaged, at each stage.
        smooth_noise: of smooth MPRT, standard deviation as a share of the image's range.
        bins: of efficient MPRT, into which the values of a map are counted.
    """

    stages: Annotated[int, Range(0, 1_000_000)] = 0
    smooth_draws: Count = 50
    smooth_noise: Positive = 0.1
    bins: Annotated[int, Range(2, 1_000_000)] = mprt.BINS


def randomised(classifier: Any, *, seed: int, stages: int = 0) -> Iterator[tuple[str, float, Any]]:
    """The classifier with more and more of its layers re-initialised, from the output backwards.

    Args:
        classifier: a `xaijax.classifier.Classifier` whose parameters are known by layers.
        seed: of the new parameters; each layer has a key of its own, whatever the number of stages.
        stages: how many classifiers to give, evenly over the layers; 0 for one per layer.

    Yields:
        (name of the last layer re-initialised, share of the layers re-initialised, classifier).

    Raises:
        ValueError: for a classifier without layers (`UnsupportedError`).
    """
    from xaijax.classifier import merge_params  # JAX is imported when it is needed

    params = classifier.params
    groups = list(classifier.param_groups(params).items())
    count = len(groups)
    steps = (
        set(range(count))
        if not 0 < stages < count
        else set(np.linspace(0, count, stages + 1)[1:].round().astype(int) - 1)
    )
    for number, (name, part) in enumerate(groups):
        params = merge_params(params, _initialise(part, (seed, zlib.crc32(name.encode()))))
        if number in steps:
            yield name, (number + 1) / count, classifier.with_params(params)


def _initialise(part: Any, seed: tuple[int, ...]) -> Any:
    import jax

    leaves, layout = jax.tree_util.tree_flatten_with_path(part)
    made = []
    for number, (path, leaf) in enumerate(leaves):
        name = str(getattr(path[-1], "key", getattr(path[-1], "name", path[-1]))) if path else ""
        values = np.asarray(leaf)
        if np.issubdtype(values.dtype, np.floating):
            # NumPy's generator: JAX would compile one program for every shape there is.
            values = _draw(name, values, np.random.default_rng((*seed, number))).astype(values.dtype)
        made.append(jax.numpy.asarray(values))
    return jax.tree_util.tree_unflatten(layout, made)


def _draw(name: str, trained: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    if name in ("scale", "var"):
        return np.ones_like(trained)
    if name in ("bias", "mean"):
        return np.zeros_like(trained)
    drawn = rng.standard_normal(trained.shape)
    if name != "kernel" or trained.ndim < 2:
        return drawn * trained.std()
    while (outside := np.abs(drawn) > 2.0).any():
        drawn[outside] = rng.standard_normal(int(outside.sum()))
    return drawn / (TRUNCATED * np.sqrt(np.prod(trained.shape[:-1])))


def other_classes(labels: Any, count: int, ids: Sequence[str], seed: int) -> NDArray[np.int64]:
    """`[B]` for each image a class that is not its label, drawn evenly.

    Args:
        labels: `[B]` int, below `count`.
        count: of classes, at least 2.
        ids: `[B]` names of the images: the class follows from the seed and the name.
        seed: of the draws.

    Example:
        >>> other_classes([0, 1], 2, ["a", "b"], 0).tolist()
        [1, 0]
    """
    draws = [np.random.default_rng(image_seed(seed, name, 4)).integers(0, count - 1) for name in ids]
    return np.asarray([draw + (draw >= label) for draw, label in zip(draws, labels, strict=True)], np.int64)


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores how much the maps still resemble themselves when the model or the class is another."""
    images = unit_images(inputs.images)
    asked: dict[str, list[Metric]] = {}
    for metric in metrics:
        asked.setdefault(metric.kind, []).append(metric)
    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    able = [method for method in inputs.raw if method in inputs.explainers]
    for method in inputs.raw:
        for metric in metrics if method not in able else ():
            rows += rows_of(inputs.ids, method, metric, np.full(len(images), np.nan), "no_explainer")
    if "random_logit" in asked and able:
        rows += _random_logit(inputs, images, able, asked["random_logit"])
    if asked.keys() & MODELS and able:
        # Efficient MPRT alone looks at the last model only.
        stages = settings.stages if asked.keys() & {mprt.PLAIN, mprt.SMOOTH} else 1
        models = ((share, model) for _, share, model in randomised(inputs.classifier, seed=inputs.seed, stages=stages))
        found, curves = mprt.score_random_models(
            inputs,
            images,
            able,
            asked,
            models,
            draws=settings.smooth_draws,
            noise=settings.smooth_noise,
            bins=settings.bins,
        )
        rows += found
    return Result(rows, responses=Responses.from_rows(curves))


def _random_logit(inputs: Inputs, images: NDArray[Any], methods: Sequence[str], metrics: Sequence[Metric]) -> list[Row]:
    classes = len(inputs.classifier.classes)
    rows: list[Row] = []
    if classes < 2:
        for method in methods:
            for metric in metrics:
                rows += rows_of(inputs.ids, method, metric, np.full(len(images), np.nan), "one_class")
        return rows
    # A finding is compared with another one, there or absent alike.
    absent = np.asarray(inputs.labels) // classes
    others = other_classes(inputs.labels - absent * classes, classes, inputs.ids, inputs.seed) + absent * classes
    for method in methods:
        again = explain(inputs, method, images, labels=others)
        rows += _rows(inputs, method, metrics, _similar(inputs, inputs.raw[method], again, metrics))
    return rows


def _similar(inputs: Inputs, a: NDArray[Any], b: NDArray[Any], metrics: Sequence[Metric]) -> dict[str, Floats]:
    return compare(a, b, [metric.measure for metric in metrics], num_threads=inputs.num_threads)


def _rows(inputs: Inputs, method: str, metrics: Sequence[Metric], found: dict[str, Floats]) -> list[Row]:
    rows: list[Row] = []
    for metric in metrics:
        values = found[metric.measure]
        small = metric.measure == "ssim" and min(inputs.images.shape[1:3]) < WINDOW
        rows += rows_of(
            inputs.ids,
            method,
            metric,
            values,
            ["" if np.isfinite(v) else "small_map" if small else "flat_map" for v in values],
        )
    return rows


_ADEBAYO, _SIXT = "Adebayo et al., NeurIPS 2018", "Sixt et al., ICML 2020"
_HEDSTROM, _LOOP = "Hedström et al., 2024", "loop over the definition, SciPy and scikit-image"
_NEEDS = frozenset({"model", "raw", "explainer"})


def _axes(title: str, measure: str) -> Axes:
    up = f"{measure} with the map\nof the trained model"
    return Axes(title, "share of the layers re-initialised, output first", up, "randomisation")


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """One map for the other class, one at each stage, and many in smooth MPRT, for the trained model too."""
    kinds = {metric.kind for metric in metrics}
    each = (mprt.PLAIN in kinds) + settings.smooth_draws * (mprt.SMOOTH in kinds)
    once = ("random_logit" in kinds) + settings.smooth_draws * (mprt.SMOOTH in kinds)
    once += mprt.EFFICIENT in kinds and mprt.PLAIN not in kinds
    return Passes(explanations=once + settings.stages * each, layers=0 if settings.stages else each)


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses models whose layers or classes are not known."""
    for metric in metrics:
        wanted = ("params", "param_groups", "with_params") if metric.kind in MODELS else ("classes",)
        if not all(hasattr(inputs.classifier, name) for name in wanted):
            raise InputError(
                f"{metric.name} needs a classifier with {', '.join(wanted)}, as xaijax.classifier.Classifier has; got "
                f"{type(inputs.classifier).__name__}: leave {metric.name} out"
            )
        if metric.kind == mprt.SMOOTH:
            refuse_rounded(inputs, metric.name)
        if metric.kind in MODELS:
            inputs.classifier.param_groups(inputs.classifier.params)


FAMILY = Family(
    NAME,
    (
        Metric(
            "mprt_spearman", NAME, "rank correlation of absolute maps with those of ever more random models", False,
            (-1.0, 1.0), "score", _NEEDS, _ADEBAYO, parity="Quantus 0.6.0 on identical maps",
            kind="mprt", measure="spearman", axes=_axes("mprt spearman", "rank correlation"),
        ),
        Metric(
            "mprt_ssim", NAME, "structural similarity of absolute maps with those of ever more random models", False,
            (-1.0, 1.0), "score", _NEEDS, _ADEBAYO, parity="scikit-image",
            kind="mprt", measure="ssim", axes=_axes("mprt ssim", "structural similarity"),
        ),
        Metric(
            "smprt_spearman", NAME, "the same of maps averaged over noisy images (smooth MPRT)", False, (-1.0, 1.0),
            "score", _NEEDS, _HEDSTROM, parity=_LOOP, kind="smprt", measure="spearman",
            axes=_axes("smooth mprt spearman", "rank correlation"),
        ),
        Metric(
            "smprt_ssim", NAME, "structural similarity of the same", False, (-1.0, 1.0), "score", _NEEDS, _HEDSTROM,
            parity=_LOOP, kind="smprt", measure="ssim", axes=_axes("smooth mprt ssim", "structural similarity"),
        ),
        Metric(
            "emprt", NAME, "relative rise of the entropy of a map's values once the model is random (efficient MPRT)",
            True, (-1.0, None), "ratio", _NEEDS, _HEDSTROM,
            parity="closed form; loop over the definition", kind="emprt",
        ),
        Metric(
            "random_logit_spearman", NAME, "rank correlation of the maps of the label and of another class", False,
            (-1.0, 1.0), "score", _NEEDS, _SIXT, parity="SciPy",
            kind="random_logit", measure="spearman",
        ),
        Metric(
            "random_logit_ssim", NAME, "structural similarity of the maps of the label and of another class", False,
            (-1.0, 1.0), "score", _NEEDS, _SIXT, parity="scikit-image",
            kind="random_logit", measure="ssim",
        ),
    ),
    score,
    settings=Settings,
    title="Sanity checks",
    check=check,
    passes=passes,
    reasons={
        "no_stage": "the random models give maps with one value everywhere",
        "one_class": "the model has no other class",
        "small_map": "the map is smaller than the 7 x 7 window of SSIM",
    },
)  # fmt: skip
