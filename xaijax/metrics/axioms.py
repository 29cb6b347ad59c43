"""Axioms as tests of a method on a model: completeness, input invariance, non-sensitivity. 0 means that one holds.

With Φ the raw map with its sign, y the logit of the label (where a model gives no logits its probability, which methods
for black boxes explain), x in [0, 1]:

* completeness_gap: `|Σ Φ - (y(x) - y(b))| / |y(x) - y(b)|`, b a black image or one of the image's mean colour: do the
  pixels share out the whole answer? A map with one number per pixel must be the sum over channels (`reduce="sum"`), and
  b the method's own baseline.
* input_invariance: `‖Φ' - Φ‖ / ‖Φ‖`, Φ' the map of the image x + c for the model that takes c off again in its
  preprocessing: both models give the same answers, so a method that explains answers gives the same map. Methods with a
  baseline of their own that does not move along, such as black, do not. Needs a `Classifier`.
* non_sensitivity: the share of `Σ |Φ|` on cells without influence: in each cell of a grid the pixels are replaced by
  uniform random values, `draws` times, and a cell has none where no draw moves y by more than 1e-6 of the most that any
  cell moves it. Where every cell has some there is no value.

References:
    Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017 (completeness);
    Kindermans et al., "The (Un)reliability of Saliency Methods", 2019 (input invariance);
    Nguyen and Martínez, "On Quantitative Aspects of Model Interpretability", 2020 (non-sensitivity).
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax._ranges import beyond
from xaijax.metrics.changed import Floats, class_scores, explain, refuse_rounded, unit_images
from xaijax.metrics.metric import Family, Inputs, Metric, Passes, Result, Row, image_seed, rows_of

NAME = "axioms"
COMPLETENESS, INVARIANCE, NON_SENSITIVITY = "completeness_gap", "input_invariance", "non_sensitivity"
DRAW = 9
NOTHING = 1e-6
"""Cells that move y by less than this share of the most that any cell moves it have no influence."""


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"axioms": {"baseline": "mean"}})`.

    Attributes:
        baseline: of completeness: a black image, or one of the image's mean colour.
        shift: of input invariance, added to every pixel; images are in [0, 1].
        cells: of non-sensitivity, along a side.
        draws: of non-sensitivity, for each cell.
    """

    baseline: Literal["black", "mean"] = "black"
    shift: Annotated[float, Range(0, 1, without_low=True)] = 0.1
    cells: Annotated[int, Range(2, 64)] = 8
    draws: Count = 5


ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Share of a logit within which it is the same."""


def completeness_gap(sums: Any, changes: Any) -> Floats:
    """How far maps are from sharing out the answer.

    Args:
        sums: `[B]`, of all values of a map.
        changes: `[B]`, `y(x) - y(b)`.

    Returns:
        `[B]`, 0 or more; NaN where the answer does not change.

    Example:
        >>> completeness_gap([1.0, 3.0, 1.0], [1.0, 2.0, 0.0]).tolist()
        [0.0, 0.5, nan]
    """
    total, wanted = np.asarray(sums, np.float64), np.asarray(changes, np.float64)
    return np.divide(np.abs(total - wanted), np.abs(wanted), out=np.full(total.shape, np.nan), where=wanted != 0)


def cell_numbers(size: tuple[int, int], cells: int) -> NDArray[np.intp]:
    """`[H, W]`: which cell of a grid each pixel belongs to; cells differ by a pixel at most.

    Example:
        >>> cell_numbers((2, 3), 2).tolist()
        [[0, 0, 1], [2, 2, 3]]
    """
    rows, columns = (np.arange(length) * cells // length for length in size)
    return np.asarray(rows[:, None] * cells + columns[None, :])


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Tests methods by the axioms that were asked for."""
    images = unit_images(inputs.images)
    rows: list[Row] = []
    for metric in metrics:
        with beyond():  # shifted images leave [0, 1]
            found = _TESTS[metric.name](inputs, images, settings)
        for method, (values, reasons) in found.items():
            rows += rows_of(inputs.ids, method, metric, values, reasons)
    return Result(rows)


Found = dict[str, tuple[Floats, list[str]]]


def _logits(inputs: Inputs, images: NDArray[np.float32], labels: NDArray[Any]) -> Floats:
    """`[n]` of a label each."""
    given = in_batches(class_scores(inputs.classifier), min(inputs.batch_size, len(images)), images)
    return np.asarray(given[np.arange(len(given)), labels], np.float64)


def _completeness(inputs: Inputs, images: NDArray[np.float32], settings: Settings) -> Found:
    base = np.zeros_like(images)
    if settings.baseline == "mean":
        base += images.mean(axis=(1, 2), keepdims=True)
    answers = _logits(inputs, images, inputs.labels), _logits(inputs, base, inputs.labels)
    changes = answers[0] - answers[1]
    # Logits of a network are float32: what their rounding moves is no change to share out.
    changes[np.abs(changes) <= ROUNDING * np.maximum(*np.abs(answers))] = 0.0
    found: Found = {}
    for method, raw in inputs.raw.items():
        values = completeness_gap(np.asarray(raw, np.float64).sum(axis=(1, 2)), changes)
        found[method] = values, ["unchanged" if one == 0 else "" for one in changes]
    return found


def _invariance(inputs: Inputs, images: NDArray[np.float32], settings: Settings) -> Found:
    prepared = inputs.classifier.preprocess
    moved = dataclasses.replace(prepared, mean=tuple(mean + prepared.scale * settings.shift for mean in prepared.mean))
    other = inputs.classifier.with_preprocess(moved)
    found: Found = {}
    for method in inputs.raw:
        if method not in inputs.explainers:
            found[method] = np.full(len(images), np.nan), ["no_explainer"] * len(images)
            continue
        # Both maps are made here, from float images, so that they differ by the shift alone.
        first = explain(inputs, method, images)
        second = explain(inputs, method, images + np.float32(settings.shift), classifier=other)
        size = np.linalg.norm(first.reshape(len(first), -1), axis=1)
        far = np.linalg.norm((second - first).reshape(len(first), -1), axis=1)
        values = np.divide(far, size, out=np.full(len(images), np.nan), where=size > 0)
        found[method] = values, ["flat_map" if one == 0 else "" for one in size]
    return found


def _non_sensitivity(inputs: Inputs, images: NDArray[np.float32], settings: Settings) -> Found:
    number = cell_numbers((images.shape[1], images.shape[2]), settings.cells)
    still = np.stack([_without_influence(inputs, images, i, number, settings) for i in range(len(images))])
    found: Found = {}
    for method, raw in inputs.raw.items():
        mass = np.abs(np.asarray(raw, np.float64))
        total = mass.sum(axis=(1, 2))
        values = np.divide((mass * still).sum(axis=(1, 2)), total, out=np.full(len(total), np.nan), where=total > 0)
        pairs = zip(still, total, strict=True)
        reasons = ["no_insensitive" if not one.any() else "" if size else "flat_map" for one, size in pairs]
        found[method] = values, reasons
    return found


def _without_influence(
    inputs: Inputs, images: NDArray[np.float32], i: int, number: NDArray[np.intp], settings: Settings
) -> NDArray[np.bool_]:
    """`[H, W]`: pixels of cells whose replacement does not move the logit."""
    rng = np.random.default_rng(image_seed(inputs.seed, inputs.ids[i], DRAW))
    count = int(number.max()) + 1
    drawn = rng.random((settings.draws, *images.shape[1:]), np.float32)  # the same draws for all cells
    most = np.zeros(count)
    intact = _logits(inputs, images[i : i + 1], inputs.labels[i : i + 1])[0]
    for cell in range(count):
        changed = np.where((number == cell)[None, ..., None], drawn, images[i])
        logits = _logits(inputs, changed, np.full(settings.draws, inputs.labels[i]))
        most[cell] = np.abs(logits - intact).max()
    return np.asarray((most <= NOTHING * most.max())[number])


_TESTS = {COMPLETENESS: _completeness, INVARIANCE: _invariance, NON_SENSITIVITY: _non_sensitivity}


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses input invariance for objects without a preprocessing that can be shifted, and rounded images."""
    names = [metric.name for metric in metrics]
    if INVARIANCE in names:
        if not hasattr(inputs.classifier, "with_preprocess") or not hasattr(inputs.classifier, "preprocess"):
            raise InputError(
                f"{INVARIANCE} needs a Classifier, whose preprocessing takes the shift off again; got "
                f"{type(inputs.classifier).__name__}: leave it out"
            )
        refuse_rounded(inputs, INVARIANCE)


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """Two for completeness, one for each draw of each cell; two maps for input invariance."""
    names = {metric.name for metric in metrics}
    image = 2 * (COMPLETENESS in names) + (1 + settings.cells**2 * settings.draws) * (NON_SENSITIVITY in names)
    return Passes(image=image, explanations=2 * (INVARIANCE in names))


FAMILY = Family(
    NAME,
    (
        Metric(
            COMPLETENESS, NAME, "how far the sum of the map is from the change of the logit", False, (0.0, None),
            "ratio", frozenset({"model", "raw"}), "Sundararajan et al., ICML 2017", parity="closed form: linear model",
        ),
        Metric(
            INVARIANCE, NAME, "how far the map moves when a shift of the image is taken off by the model", False,
            (0.0, None), "ratio", frozenset({"model", "raw", "explainer"}), "Kindermans et al., 2019",
            parity="closed form: linear model",
        ),
        Metric(
            NON_SENSITIVITY, NAME, "share of the map on cells that do not move the logit", False, (0.0, 1.0), "share",
            frozenset({"model", "raw"}), "Nguyen and Martínez, 2020", parity="closed form: linear model",
        ),
    ),
    score,
    settings=Settings,
    title="Axioms",
    check=check,
    passes=passes,
    reasons={
        "unchanged": "the baseline has the same logit as the image",
        "no_insensitive": "every cell moves the logit",
    },
)  # fmt: skip
