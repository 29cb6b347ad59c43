"""Localization without masks: in a mosaic of your own images, does the map for a class lie on the image of that class?

Each image x of class c becomes a mosaic with images of other classes, at places that follow from its name. The method
explains c on the whole mosaic, and a metric is the share of the positive part of that map on the right cells:

| metric | mosaic | right cells | by chance |
|---|---|---|---|
| grid_pointing_game | `side` x `side`: x, and images of other classes | that of x | `1 / side²` |
| focus | 2 x 2: x, another image of c, two of other classes | both of c | 1/2 |

In `grid_pointing_game` every image must be predicted alone, at the size of its cell, with a probability of at least
`confident`. The paper takes images of nine different classes in a 3 x 3 grid at full size; medical data rarely have
nine, so here only c differs from all others. `canvas="fit"` shrinks each image to its cell (means of `side` x `side`
pixels), which every model takes; `"full"` makes the mosaic `side` times as large, for models that take it. The network
may use what lies outside the cells' own evidence, such as their borders: these are no proofs, and the truths of
`xaijax.metrics.calibration` are.

The other images come from `evaluate(..., pool=(images, labels))`, by default from the images that are scored; with too
few of them, one is taken more than once.

References:
    Böhle et al., "Convolutional Dynamic Alignment Networks", CVPR 2021 (Grid Pointing Game);
    Arias-Duart et al., "Focus! Rating XAI Methods and Finding Biases", FUZZ-IEEE 2022.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax._batches import in_batches
from xaijax._errors import InputError
from xaijax._options import Range, Share
from xaijax.metrics.changed import Floats, check_explained, unit_images
from xaijax.metrics.metric import Family, Inputs, Metric, Passes, Result, Row, image_seed, rows_of

NAME = "mosaic"
GRID, FOCUS = "grid_pointing_game", "focus"
DRAW = 7


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"mosaic": {"side": 3}})`.

    Attributes:
        side: cells along a side of the grid pointing game; focus has 2.
        confident: probability that each image of the grid pointing game needs, alone at the size of its cell.
        canvas: shrink images to their cells, or make the mosaic as many times as large.
    """

    side: Annotated[int, Range(2, 5)] = 2
    confident: Share = 0.99
    canvas: Literal["fit", "full"] = "fit"


class Mosaic(NamedTuple):
    """Which images a mosaic holds, row by row (-1 is the image that it is about), and which cells show its class."""

    sources: tuple[int, ...]
    right: tuple[int, ...]


def compose(images: Any, side: int, canvas: Literal["fit", "full"] = "fit") -> NDArray[np.float32]:
    """One mosaic of `side * side` images, row by row.

    Args:
        images: `[side * side, H, W, C]`.
        side: cells along a side.
        canvas: `"fit"`: `[H, W, C]`, where H or W is not a multiple of `side` the edge is repeated; `"full"`:
            `[side * H, side * W, C]`.

    Example:
        >>> compose(np.arange(4.0).reshape(4, 1, 1, 1).repeat(2, 1).repeat(2, 2), 2)[..., 0].tolist()
        [[0.0, 1.0], [2.0, 3.0]]
    """
    given = np.asarray(images, np.float32)
    size = given.shape[1:3]
    parts = shrink(given, side) if canvas == "fit" else given
    rows = [np.concatenate(list(parts[side * i : side * (i + 1)]), axis=1) for i in range(side)]
    made = np.concatenate(rows, axis=0)
    if canvas == "full":
        return made
    return np.pad(made, [(0, size[0] - made.shape[0]), (0, size[1] - made.shape[1]), (0, 0)], mode="edge")


def shrink(images: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """`[n, H, W, C]` -> `[n, H // side, W // side, C]`, means of `side` x `side` pixels."""
    count, height, width, channels = images.shape
    h, w = height // side, width // side
    cut = images[:, : side * h, : side * w].reshape(count, h, side, w, side, channels)
    return np.asarray(cut.mean(axis=(2, 4)), np.float32)


def shares(maps: Any, side: int) -> Floats:
    """The share of the positive part of each map on each cell, row by row.

    Args:
        maps: `[B, H, W]`, any unit; pixels beyond the last whole cell count to that cell.
        side: cells along a side.

    Returns:
        `[B, side * side]`, rows that sum to 1; NaN where a map has no positive value.

    Example:
        >>> shares([[[3.0, -1.0], [0.0, 1.0]]], 2).tolist()
        [[0.75, 0.0, 0.0, 0.25]]
    """
    positive = np.maximum(np.asarray(maps, np.float64), 0.0)
    edges = [np.arange(side) * (size // side) for size in positive.shape[1:]]
    sums = np.add.reduceat(np.add.reduceat(positive, edges[0], axis=1), edges[1], axis=2).reshape(len(positive), -1)
    total = sums.sum(axis=1, keepdims=True)
    return np.divide(sums, total, out=np.full(sums.shape, np.nan), where=total > 0)


def arrange(rng: np.random.Generator, side: int, same: Any, others: Any, *, double: bool) -> Mosaic:
    """Draws the images of a mosaic and their places.

    Args:
        rng: its generator.
        side: cells along a side.
        same: positions of other images of the class.
        others: positions of images of other classes, at least one.
        double: whether a second cell shows the class.
    """
    cells = side * side
    places = [int(place) for place in rng.permutation(cells)]
    right = places[: 1 + double]
    sources = [-1] * cells
    if double:
        sources[right[1]] = int(rng.choice(same))
    rest = places[1 + double :]
    for place, source in zip(rest, rng.choice(others, len(rest), replace=len(others) < len(rest)), strict=True):
        sources[place] = int(source)
    return Mosaic(tuple(sources), tuple(right))


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Explains mosaics, and scores how much of each map lies on the right cells."""
    images = unit_images(inputs.images)
    given, labels = inputs.pool if inputs.pool is not None else (inputs.images, inputs.labels)
    pool, labels = unit_images(np.asarray(given)), np.asarray(labels)
    rows: list[Row] = []
    for metric in metrics:
        rows += _of_metric(inputs, metric, settings, images, pool, labels)
    return Result(rows)


def _of_metric(
    inputs: Inputs,
    metric: Metric,
    settings: Settings,
    images: NDArray[np.float32],
    pool: NDArray[np.float32],
    labels: NDArray[Any],
) -> list[Row]:
    side, double = (2, True) if metric.name == FOCUS else (settings.side, False)
    sure = np.ones(len(pool), bool) if double else _confident(inputs, pool, labels, side, settings)
    own = np.ones(len(images), bool) if double else _confident(inputs, images, inputs.labels, side, settings)
    mosaics: list[Mosaic | None] = []
    reasons = []
    for i, name in enumerate(inputs.ids):
        label = inputs.labels[i]
        another = sure & ~(pool == images[i]).all(axis=(1, 2, 3))
        same, others = np.flatnonzero(another & (labels == label)), np.flatnonzero(another & (labels != label))
        reason = "" if own[i] else "not_confident"
        reason = reason or ("" if len(others) else "no_other_class")
        reason = reason or ("" if len(same) or not double else "no_same_class")
        rng = np.random.default_rng([image_seed(inputs.seed, name, DRAW), side, double])
        mosaics.append(None if reason else arrange(rng, side, same, others, double=double))
        reasons.append(reason)
    made = np.stack(
        [
            compose([images[i] if source < 0 else pool[source] for source in one.sources], side, settings.canvas)
            for i, one in enumerate(mosaics)
            if one is not None
        ]
        or [np.zeros((0, 0, 0), np.float32)]
    )
    rows: list[Row] = []
    for method in inputs.raw:
        values = np.full(len(images), np.nan)
        codes = list(reasons)
        if method not in inputs.explainers:
            codes = ["no_explainer"] * len(images)
        elif made.size:
            which = np.array([i for i, one in enumerate(mosaics) if one is not None])
            found = shares(_explain(inputs, method, made, inputs.labels[which], settings), side)
            for i, own_shares in zip(which, found, strict=True):
                one = mosaics[i]
                assert one is not None
                values[i] = own_shares[list(one.right)].sum()
                codes[i] = "" if np.isfinite(values[i]) else "not_positive"
        rows += rows_of(inputs.ids, method, metric, values, codes)
    return rows


def _confident(
    inputs: Inputs, images: NDArray[np.float32], labels: NDArray[Any], side: int, settings: Settings
) -> NDArray[np.bool_]:
    """`[B]`: whether the model predicts each image alone, at the size of its cell, with enough probability."""
    if not len(images):
        return np.zeros(0, bool)
    shown = images
    if settings.canvas == "fit":
        small = shrink(images, side).repeat(side, axis=1).repeat(side, axis=2)
        missing = [(0, 0), *((0, a - b) for a, b in zip(images.shape[1:3], small.shape[1:3], strict=True)), (0, 0)]
        shown = np.pad(small, missing, mode="edge")
    found = in_batches(lambda some: np.asarray(inputs.predict(some)), min(inputs.batch_size, len(shown)), shown)
    chances = found[np.arange(len(found)), np.asarray(labels)]
    return np.asarray((found.argmax(axis=1) == labels) & (chances >= settings.confident))


def _explain(inputs: Inputs, method: str, images: NDArray[Any], labels: NDArray[Any], settings: Settings) -> Floats:
    classifier = inputs.classifier
    if settings.canvas == "full":
        classifier = classifier.with_input_shape(images.shape[1:])

    def maps_of(some: NDArray[Any], targets: NDArray[Any]) -> Floats:
        made = np.asarray(inputs.explainers[method](classifier, some, targets), np.float64)
        check_explained(method, made, some)
        return made

    return in_batches(maps_of, min(inputs.batch_size, len(images)), images, labels)


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses outputs that have no other class, and models of one size where the mosaic is larger."""
    if inputs.output not in ("softmax", "binary"):
        raise InputError(
            f"{metrics[0].name} needs classes that exclude each other; the output of this model is {inputs.output}: "
            "leave it out"
        )
    if settings.canvas == "full":
        made = getattr(inputs.classifier, "with_input_shape", None)
        height, width, channels = inputs.images.shape[1:]
        for side in {2 if metric.name == FOCUS else settings.side for metric in metrics}:
            try:
                if made is None:
                    raise ValueError("it has no with_input_shape")
                made((side * height, side * width, channels))
            except ValueError as error:
                raise InputError(
                    f"mosaic.canvas=full needs a model that takes images {side} times as large; this one does not "
                    f"({error}): set mosaic.canvas=fit"
                ) from error


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """One more map for each metric, and for the grid pointing game the image alone, itself and in the pool."""
    return Passes(image=2 * any(metric.name == GRID for metric in metrics), explanations=len(metrics))


FAMILY = Family(
    NAME,
    (
        Metric(
            GRID, NAME, "share of the positive map on the own image, in a mosaic with images of other classes", True,
            (0.0, 1.0), "share", frozenset({"model", "raw", "explainer"}), "Böhle et al., CVPR 2021",
            parity="closed form",
        ),
        Metric(
            FOCUS, NAME, "share of the positive map on the two images of the class, in a mosaic of four", True,
            (0.0, 1.0), "share", frozenset({"model", "raw", "explainer"}), "Arias-Duart et al., FUZZ-IEEE 2022",
            parity="Quantus 0.6.0",
        ),
    ),
    score,
    settings=Settings,
    title="Mosaics",
    check=check,
    passes=passes,
    reasons={
        "not_confident": "the model does not predict the image alone, at the size of its cell, with the probability "
        "mosaic.confident",
        "no_other_class": "there is no image of another class to make a mosaic with",
        "no_same_class": "there is no other image of the class to make a mosaic with",
    },
)  # fmt: skip
