"""Does a map say what the model does nearby, and does it stay when the image hardly changes?

With Φ the raw map with its sign, f the logit of the label (what `predict` gives, where a classifier has no logits), x
in [0, 1], all lower is better:

* infidelity: `mean_j (I_j·Φ - (f(x) - f(x - I_j)))²`. For `infidelity` I_j is Gaussian noise of standard deviation 0.2,
  for `infidelity_patches` the part of x in a random square, which so becomes black. A map has one number per pixel:
  it stands for the sum over channels, so the noise is the same in all channels of a pixel, and `I_j·Φ` takes the mean
  over channels of `I_j`. With `normalize` Φ is first scaled by the factor that makes its infidelity least,
  `β = Σ_j (I_j·Φ)(f(x) - f(x - I_j)) / Σ_j (I_j·Φ)²`: without it, methods of another unit than dy/dx (all class
  activation maps) cannot be compared.
* max-sensitivity: `max_j ‖Φ(x + δ_j) - Φ(x)‖ / ‖Φ(x)‖`, δ uniform in a cube of half-side 0.02, 10 draws, as Captum;
  0.2 and 200 as Quantus.
* local Lipschitz: `max_j (‖Φ(x + δ_j) - Φ(x)‖ / ‖Φ(x)‖) / ‖δ_j‖`, δ Gaussian of standard deviation 0.1. The paper
  does not divide by ‖Φ(x)‖: `relative=False`. Its constant has the map's unit and cannot be compared between methods.

* `ris`, `ros`, `rrs`: how much more the map moves than the image, the output or the activations
  (`xaijax.metrics.relative_stability`).

A maximum over draws grows with their number: compare only runs with the same. Changed images are not clipped to [0, 1].

References:
    Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019;
    Alvarez-Melis and Jaakkola, "On the Robustness of Interpretability Methods", ICML workshop 2018.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax._options import Count, Positive, Range
from xaijax._ranges import beyond
from xaijax.metrics._stream import stream
from xaijax.metrics.changed import Floats, class_scores, explain, refuse_rounded, unit_images
from xaijax.metrics.metric import Family, Inputs, Metric, Passes, Result, Row, image_seed, rows_of
from xaijax.metrics.relative_stability import NAMES as STABILITY
from xaijax.metrics.relative_stability import ROS, RRS, Convention, score_stability

NAME = "robustness"


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"robustness": {"draws": 1000}})`.

    Attributes:
        draws: perturbations of infidelity; all methods of an image share them and their forward passes.
        noise: standard deviation of infidelity's noise, images being in [0, 1].
        patch: side of infidelity's squares as a share of the image's shorter side.
        normalize: scale each map by its best factor before its infidelity is taken.
        radius: of max-sensitivity's noise, the half-side of its cube.
        sensitivity_draws: of max-sensitivity; its maximum grows with their number.
        deviation: of the local Lipschitz constant's noise, its standard deviation.
        lipschitz_draws: of the local Lipschitz constant; its maximum grows with their number.
        relative: divide the local Lipschitz constant by ‖Φ(x)‖.
        stability_draws: of RIS, ROS and RRS, which share them; their maximum grows with the number.
        stability_deviation: of their noise, standard deviation.
        convention: of RIS, ROS and RRS: ratios of norms, or Quantus' element by element.
    """

    draws: Count = 100
    noise: Positive = 0.2
    patch: Annotated[float, Range(0, 1, without_low=True)] = 0.125
    normalize: bool = True
    radius: Positive = 0.02
    sensitivity_draws: Count = 10
    deviation: Positive = 0.1
    lipschitz_draws: Count = 10
    relative: bool = True
    stability_draws: Count = 50
    stability_deviation: Positive = 0.05
    convention: Convention = "norms"


def infidelity(products: Any, changes: Any, *, normalize: bool = True) -> float:
    """Infidelity of one map from what it predicts and what the model does.

    Args:
        products: `[N]`, `I_j·Φ`.
        changes: `[N]`, `f(x) - f(x - I_j)`.
        normalize: scale the products by their best factor first; a map that predicts no change at all keeps them.

    Returns:
        0 or more, in the square of the unit of f.

    Example:
        >>> infidelity([1.0, 2.0], [2.0, 4.0]), infidelity([1.0, 2.0], [2.0, 4.0], normalize=False)
        (0.0, 2.5)
    """
    a, b = np.asarray(products, np.float64), np.asarray(changes, np.float64)
    power = float((a * a).sum())
    if normalize and power > 0:
        a = a * (float((a * b).sum()) / power)
    return float(((a - b) ** 2).mean())


def noises(shape: tuple[int, int, int], count: int, deviation: float, seed: int) -> NDArray[np.float32]:
    """`[count, H, W, C]` Gaussian noise, the same in all channels of a pixel."""
    height, width, channels = shape
    drawn = np.random.default_rng(seed).normal(0.0, deviation, (count, height, width, 1)).astype(np.float32)
    return np.broadcast_to(drawn, (count, height, width, channels))


def patches(image: NDArray[np.float32], count: int, share: float, seed: int) -> NDArray[np.float32]:
    """`[count, H, W, C]`: the image inside a random square, zero outside; what is taken away to make it black."""
    height, width, _ = image.shape
    side = max(1, round(share * min(height, width)))
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(0, height - side + 1, count), rng.integers(0, width - side + 1, count)
    found = np.zeros((count, *image.shape), np.float32)
    for one, y, x in zip(found, rows, columns, strict=True):
        one[y : y + side, x : x + side] = image[y : y + side, x : x + side]
    return found


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by infidelity, and explainers by how far their maps move."""
    asked = {metric.name: metric for metric in metrics}
    images = unit_images(inputs.images)
    with beyond():  # noise is not clipped
        return Result(_rows(inputs, images, asked, settings))


def _rows(inputs: Inputs, images: NDArray[np.float32], asked: dict[str, Metric], settings: Settings) -> list[Row]:
    rows: list[Row] = []
    kinds = [kind for kind in ("infidelity", "infidelity_patches") if kind in asked]
    if kinds:
        rows += _infidelity(inputs, images, [asked[kind] for kind in kinds], settings)
    for name in ("max_sensitivity", "local_lipschitz"):
        if name in asked:
            rows += _sensitivity(inputs, images, asked[name], settings)
    stability = [asked[name] for name in STABILITY if name in asked]
    if stability:
        rows += score_stability(
            inputs, images, stability, draws=settings.stability_draws, deviation=settings.stability_deviation,
            convention=settings.convention,
        )  # fmt: skip
    return rows


def _infidelity(
    inputs: Inputs, images: NDArray[np.float32], metrics: Sequence[Metric], settings: Settings
) -> list[Row]:
    drawn: dict[tuple[int, str], NDArray[np.float32]] = {}

    def pieces() -> Iterator[tuple[tuple[int, str], NDArray[Any]]]:
        for i, image in enumerate(images):
            seed = image_seed(inputs.seed, inputs.ids[i], 0)
            yield (i, ""), image[None]
            for metric in metrics:
                if metric.name == "infidelity":
                    made = noises(image.shape, settings.draws, settings.noise, seed)
                else:
                    made = patches(image, settings.draws, settings.patch, seed)
                drawn[i, metric.name] = made.mean(axis=-1)
                yield (i, metric.name), image[None] - made
            if inputs.progress is not None:
                inputs.progress(i + 1, len(images))

    found = {(method, metric.name): np.full(len(images), np.nan) for method in inputs.raw for metric in metrics}
    intact = np.full(len(images), np.nan)
    size = min(inputs.batch_size, len(images) * (1 + settings.draws * len(metrics)))
    for (i, name), scores in stream(class_scores(inputs.classifier), pieces(), size):
        values = np.asarray(scores, np.float64)[:, inputs.labels[i]]
        if not name:
            intact[i] = values[0]
            continue
        perturbations = drawn.pop((i, name)).reshape(len(values), -1).astype(np.float64)
        for method, maps in inputs.raw.items():
            products = perturbations @ maps[i].reshape(-1).astype(np.float64)
            found[method, name][i] = infidelity(products, intact[i] - values, normalize=settings.normalize)
    return [
        row
        for metric in metrics
        for method in inputs.raw
        for row in rows_of(inputs.ids, method, metric, found[method, metric.name])
    ]


def _sensitivity(inputs: Inputs, images: NDArray[np.float32], metric: Metric, settings: Settings) -> list[Row]:
    lipschitz = metric.name == "local_lipschitz"
    count = settings.lipschitz_draws if lipschitz else settings.sensitivity_draws
    generators = [np.random.default_rng(image_seed(inputs.seed, name, 1 + lipschitz)) for name in inputs.ids]
    methods = [method for method in inputs.raw if method in inputs.explainers]
    rows = [
        row
        for method in inputs.raw
        if method not in methods
        for row in rows_of(inputs.ids, method, metric, np.full(len(images), np.nan), "no_explainer")
    ]
    worst = {method: np.zeros(len(images)) for method in methods}
    norms = {method: _norm(inputs.raw[method]) for method in methods}
    for draw in range(count):
        deltas = np.stack([_delta(rng, images.shape[1:], settings, lipschitz=lipschitz) for rng in generators])
        for method in methods:
            moved = _norm(explain(inputs, method, images + deltas) - inputs.raw[method])
            if settings.relative or not lipschitz:
                moved = np.divide(moved, norms[method], out=np.full(len(images), np.nan), where=norms[method] > 0)
            if lipschitz:
                moved = moved / _norm(deltas)
            worst[method] = np.maximum(worst[method], moved)  # NaN stays
        if inputs.progress is not None:
            inputs.progress((draw + 1) * len(images) // count, len(images))
    for method in methods:
        zero = np.where((norms[method] == 0) & np.isnan(worst[method]), "zero_map", "")
        rows += rows_of(inputs.ids, method, metric, worst[method], zero.tolist())
    return rows


def _delta(
    rng: np.random.Generator, shape: tuple[int, ...], settings: Settings, *, lipschitz: bool
) -> NDArray[np.float32]:
    if lipschitz:
        return rng.normal(0.0, settings.deviation, shape).astype(np.float32)
    return rng.uniform(-settings.radius, settings.radius, shape).astype(np.float32)


def _norm(values: NDArray[Any]) -> Floats:
    """`[B]` Euclidean norm of everything but the first axis."""
    return np.asarray(np.sqrt((np.asarray(values, np.float64) ** 2).sum(axis=tuple(range(1, values.ndim)))))


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """Infidelity is the model's, the others are the explainer's."""
    names = {metric.name for metric in metrics}
    kinds = len(names & {"infidelity", "infidelity_patches"})
    explained = settings.sensitivity_draws * ("max_sensitivity" in names)
    explained += settings.lipschitz_draws * ("local_lipschitz" in names)
    stable = names & set(STABILITY)
    explained += settings.stability_draws * bool(stable)
    # The prediction of every noisy image, and what is read off it.
    looks = bool(stable) * (1 + len(stable & {ROS, RRS})) * (1 + settings.stability_draws)
    return Passes(bool(kinds) + settings.draws * kinds + looks, 0, explained)


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses a model that sees 8-bit images only: the noise of these metrics is neither rounded nor clipped."""
    for metric in metrics:
        if metric.name != "infidelity_patches":
            refuse_rounded(inputs, metric.name)
        if metric.name == RRS:
            if not hasattr(inputs.classifier, "tapped"):
                raise InputError(
                    f"{RRS} needs a classifier with layers, as xaijax.classifier.Classifier has; got "
                    f"{type(inputs.classifier).__name__}: leave {RRS} out"
                )
            _ = inputs.classifier.default_layer  # refuses a model without layers


_YEH = "Yeh et al., NeurIPS 2019"
_CAPTUM = "Captum 0.9.0 on the same draws; closed form: linear model"

FAMILY = Family(
    NAME,
    (
        Metric(
            "infidelity", NAME, "mean squared error of the map's prediction of the logit's change under noise", False,
            (0.0, None), "logit²", frozenset({"model", "raw"}), _YEH, parity=_CAPTUM,
        ),
        Metric(
            "infidelity_patches", NAME, "the same where random squares become black", False, (0.0, None), "logit²",
            frozenset({"model", "raw"}), _YEH, parity=_CAPTUM,
        ),
        Metric(
            "max_sensitivity", NAME, "largest relative change of the map under small uniform noise", False,
            (0.0, None), "ratio", frozenset({"model", "raw", "explainer"}), _YEH,
            parity="Captum 0.9.0 and Quantus 0.6.0 on the same draws; closed form: linear model",
        ),
        Metric(
            "local_lipschitz", NAME, "largest relative change of the map per change of the image", False,
            (0.0, None), "1/range", frozenset({"model", "raw", "explainer"}),
            "Alvarez-Melis and Jaakkola, 2018",
            parity="Quantus 0.6.0 on the same draws (relative=False); closed form: identity",
        ),
        *(
            Metric(
                name, NAME, f"logarithm of the largest relative change of the map per relative change of {what}", False,
                (None, None), "log ratio", frozenset({"model", "raw", "explainer"}), "Agarwal et al., 2022",
                parity="closed form; loop over the definition", title=name.upper(),
            )
            for name, what in zip(STABILITY, ("the image", "the logits", "the activations"), strict=True)
        ),
    ),
    score,
    settings=Settings,
    check=check,
    passes=passes,
    title="Robustness",
    reasons={
        "zero_map": "the map is zero everywhere",
        "zero_norm": "the image, its output or its activations are zero, so that a relative change has no value",
        "prediction_changes": "every noisy image changes the prediction",
        "unmoved": "the map does not move at all, so that the logarithm of its movement has no value",
    },
)  # fmt: skip
