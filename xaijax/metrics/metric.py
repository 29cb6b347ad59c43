"""What a metric is, what it is given, and how a family of metrics plugs in.

A family is one file: it computes its metrics together, so that forward passes and sorted maps are shared. It defines

    METRICS = (Metric("my_metric", "my_family", "one line", True, (0.0, 1.0), "share", frozenset({"mask"}), "Paper"),)

    def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
        return Result([(image, method, metric.name, value, reason), ...])

    FAMILY = Family("my_family", METRICS, score, settings=Settings)

and stands in the table of `xaijax.metrics.registry`; `evaluate`, the benchmark and docs/metrics.md follow from that.
A new metric of a family is a function in its file and an entry in its `METRICS`.

Imports go one way: this file, then the families, then the registry, then `evaluate`. A family knows classifiers by what
they can do, explainers as functions that it is given, and no other family.
"""

import itertools
import typing
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Range
from xaijax._outputs import Output
from xaijax.kernels import MAX_FRACTIONS
from xaijax.metrics.answers import Answers, Predict, output_of, predictor

if TYPE_CHECKING:
    from xaijax.metrics._curves import Curves, Responses

SEPARATOR = "\x1f"
"""Between an image and its finding in the names that families see; the unit separator, which no file name has."""
ORACLE = "oracle"
"""The method whose maps are the ground truth, in scores and reports."""
RANDOM = "random"
"""The method whose maps are random: the control that every explanation should beat."""

LESION_ROLE = "lesion"
ARTEFACT_ROLE = "artefact"
ROLES = (LESION_ROLE, "organ", ARTEFACT_ROLE)
NEEDS = frozenset({"model", "mask", "raw", "variants", "explainer"})

REASONS = {
    "": "there is a value",
    "low_probability": 'the class has a lower probability on the original than convention "pair" asks for (0.8)',
    "original_wrong": "the class is not predicted on the original image",
    "blurred_already_right": "the class is already predicted on the fully blurred image",
    "blurred_as_probable": "the class is at least as probable on the fully blurred image as on the original",
    "information_not_larger": "the original holds no more information than the fully blurred image",
    "not_finite": "the model or the information measure gave NaN or infinity",
    "empty_mask": "the image has no mask, or an empty one",
    "full_mask": "the mask covers the whole image",
    "flat_map": "the map has one value everywhere",
    "not_positive": "the map has no positive value",
    "zero_probability": "the class has probability 0 on the original",
    "regression": "the model predicts a number, which is neither right nor wrong",
    "no_explainer": "the method was given as maps alone, without its explainer",
    "no_variants": "the method was given with one map of the image alone",
    "no_map": "the method was given without a map of this image",
}
"""Why an image has no value; families add theirs by `Family.reasons`."""

Row = tuple[str, str, str, float, str]
"""(image, method, metric, value, reason)"""

Explainer = Callable[[Any, NDArray[Any], NDArray[Any]], Any]
"""(classifier, images `[B, H, W, C]`, labels `[B]`) -> raw maps `[B, H, W]`; a random one gives the same each time."""


Fractions = tuple[Annotated[float, Range(0, 1, without_low=True, without_high=True)], ...]
"""Shares of the pixels as an option; `check_ascending` checks their order."""


@dataclass(frozen=True)
class Axes:
    """The figure of a metric's curves.

    Attributes:
        title: over the figure.
        x, y: labels of the axes.
        kind: where the curves are found and what they show: `"information"` (`Scores.curves`), `"perturbation"`
            (`Scores.responses`, over the share of changed pixels) or `"randomisation"` (`Scores.responses`, over the
            share of re-initialised layers).
    """

    title: str
    x: str
    y: str
    kind: Literal["information", "perturbation", "randomisation"]


@dataclass(frozen=True)
class Metric:
    """What a metric's numbers mean.

    Attributes:
        name: as in scores and on the command line.
        family: the name of its `Family`.
        summary: one line.
        higher_is_better: which direction is good.
        range: smallest and largest value; None where there is no bound.
        unit: of the value.
        needs: what the metric cannot do without: `"model"`, `"mask"`, `"raw"` (maps with their sign), `"variants"`
            (several maps of an image), `"explainer"` (the method itself).
        reference: the source of the definition.
        parity: what the tests validate the values against.
        roles: of the masks that it needs; all of them must be there.
        title: in tables and figures; default: the name with spaces.
        kind: which curve or comparison of its family it is, such as `"sic"`, `"flip"` or `"mprt"`; `""` where the
            family has one kind.
        measure: what is measured, such as `"webp"` or `"spearman"`; `""` where the family has one measure.
        axes: of its curves; None where it has no curves.
    """

    name: str
    family: str
    summary: str
    higher_is_better: bool
    range: tuple[float | None, float | None]
    unit: str
    needs: frozenset[str]
    reference: str
    parity: str = ""
    roles: tuple[str, ...] = ()
    title: str = ""
    kind: str = ""
    measure: str = ""
    axes: Axes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title or self.name.replace("_", " "))
        if not self.needs <= NEEDS:
            raise ValueError(f"{self.name} needs {sorted(self.needs - NEEDS)}; choose from {sorted(NEEDS)}")
        if ("mask" in self.needs) != bool(self.roles):
            raise ValueError(f"{self.name} needs a mask exactly if it names the roles of masks; roles: {self.roles}")


@dataclass(frozen=True, eq=False)
class Explained:
    """What one method gives for a batch of images: its maps, and what some metrics need in addition.

    Attributes:
        maps: `[B, H, W]`, any unit, finite; higher means more important.
        raw: `[B, H, W]`, the maps with their sign, as the method made them; default: `maps`.
        variants: name -> `[B, H, W]`, other maps of the same images by this method (another seed, another model, a
            flipped image mapped back), for metrics that compare several.
        explainer: function of (classifier, images, labels) that gives raw maps `[B, H, W]`, for metrics that explain
            changed images or models. It must give the same maps for the same arguments. None: the method has no value
            in these metrics.
        there: `[B]` bool, the images that have a map; the others have no value, and what `maps` and `raw` hold for
            them is not read. None: all.

    Example:
        >>> Explained(np.zeros((2, 8, 8)), variants={"seed 1": np.ones((2, 8, 8))})
        Explained(2 maps of 8x8, raw: no, variants: seed 1, explainer: no)
    """

    maps: Any
    raw: Any = None
    variants: Mapping[str, Any] = field(default_factory=dict)
    explainer: Explainer | None = None
    there: Any = None

    def __repr__(self) -> str:
        there = ("no" if self.raw is None else "yes", "no" if self.explainer is None else "yes")
        variants = shorten(", ".join(map(str, self.variants)) or "none", 80)
        return f"Explained({maps_words(self.maps)}, raw: {there[0]}, variants: {variants}, explainer: {there[1]})"


@dataclass(frozen=True)
class Inputs:
    """What `evaluate` was given, checked; the same for every family.

    Attributes:
        classifier: has `predict`, and what else the metrics of this family need of it.
        images: `[B, H, W, C]` uint8, uint16, or float in [0, 1].
        labels: `[B]` int: the class that each map explains.
        maps: method -> `[B, H, W]` float32 or float64, finite; higher means more important.
        raw: the same as the method made them, with their sign; `maps` where no others were given.
        masks: role -> `[B, H, W]` bool.
        variants: method -> name of the variant -> `[B, H, W]`: other maps of the same images by this method (another
            seed, another model, a flipped image mapped back).
        explainers: method -> function, for those that were given.
        oracle: the method in `maps` that is the ground truth, or None; its map is zero where an image has no mask.
        ids: `[B]` names of the images; where an image has several findings one name for each, `pair_name`.
        seed: of everything random; what is drawn for an image must follow from it and the image's name.
        batch_size: images in a model call.
        num_threads: threads of the kernels; None for the processors this process may use.
        progress: called as `progress(done, total)` with numbers of images.
        predict: the model call of all families, `[n, H, W, C]` -> `[n, K]`; default: that of the classifier, checked.
        output: what its predictions are; default: what the classifier says.
        intact: `[B, K]`, what a regression gives for the unchanged images.
        spread: of a regression's data.
        pool: (images `[N, H, W, C]`, labels `[N]`) that mosaics are made with; None: the images themselves.
    """

    classifier: Any
    images: NDArray[Any]
    labels: NDArray[np.integer]
    maps: Mapping[str, NDArray[Any]]
    raw: Mapping[str, NDArray[Any]]
    masks: Mapping[str, NDArray[np.bool_]]
    variants: Mapping[str, Mapping[str, NDArray[Any]]]
    explainers: Mapping[str, Explainer]
    oracle: str | None
    ids: Sequence[str]
    seed: int
    batch_size: int
    num_threads: int | None
    progress: Callable[[int, int], None] | None = None
    predict: Predict = field(default=None, repr=False)  # type: ignore[assignment]
    output: Output = None  # type: ignore[assignment]
    intact: NDArray[np.float64] | None = None
    spread: float = float("nan")
    pool: tuple[NDArray[Any], NDArray[np.integer]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.output is None:
            object.__setattr__(self, "output", output_of(self.classifier))
        if self.predict is None and callable(getattr(self.classifier, "predict", None)):
            classes = getattr(self.classifier, "classes", None)
            object.__setattr__(self, "predict", predictor(self.classifier, self.output, classes))

    def answers(self, index: int) -> Answers:
        """How the predictions for an image and its changed versions are read."""
        intact = None if self.intact is None else self.intact[index]
        thresholds = getattr(self.classifier, "thresholds", None)
        return Answers(self.output, int(self.labels[index]), thresholds, intact, self.spread)

    def __repr__(self) -> str:
        methods = shorten(", ".join(self.maps), 80)
        return f"Inputs({maps_words(self.images)}, {len(self.maps)} methods ({methods}), seed {self.seed})"

    def absent(self, method: str) -> NDArray[np.bool_]:
        """`[B]`: where a method has no map, which is the oracle on images without a mask."""
        if method != self.oracle:
            return np.zeros(len(self.images), bool)
        return np.asarray(~self.maps[method].any(axis=(1, 2)))


@dataclass(frozen=True)
class Result:
    """What a family gives back: one row per image, method and metric, in any order, and its curves if it has any."""

    rows: list[Row]
    curves: "Curves | None" = None
    responses: "Responses | None" = None

    def __repr__(self) -> str:
        return f"Result({len(self.rows)} rows, {len(self.curves or ())} curves, {len(self.responses or ())} responses)"


@dataclass(frozen=True)
class Passes:
    """Forward passes through the model, at most: images that do without some cost less.

    Attributes:
        image: for each image, whatever the number of maps.
        map: for each map of an image.
        explanations: maps that a method makes for each map that is scored.
        layers: maps that it makes in addition for each layer of the model.

    Example:
        >>> print(Passes(2, 31), Passes(explanations=1), Passes(layers=1), Passes(), sep=" | ")
        2 + 31 m | 1 e | 1 e a layer | -
    """

    image: int = 0
    map: int = 0
    explanations: int = 0
    layers: int = 0

    def __str__(self) -> str:
        counts = (self.image, self.map, self.explanations, self.layers)
        units = ("", " m", " e", " e a layer")
        return " + ".join(f"{n}{unit}" for n, unit in zip(counts, units, strict=True) if n) or "-"


@dataclass(frozen=True)
class NoSettings:
    """Of a family that has none."""


def no_passes(settings: Any, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """Of metrics that look at maps and masks alone."""
    return Passes()


@dataclass(frozen=True)
class Family:
    """Metrics that are computed together.

    Attributes:
        name: of the family.
        metrics: its entries in the registry.
        score: computes those of its metrics that were asked for.
        settings: frozen dataclass with defaults; its annotations define what each option allows (`xaijax._options`),
            its `__post_init__` checks what annotations cannot express.
            `evaluate(..., settings={"family": {"option": value}})` fills it.
        title: in reports; default: the name.
        reasons: codes that only this family gives, with their sentences.
        oracle: whether the ground truth as a map is scored too.
        check: refuses inputs that do not fit its metrics or settings, before any family starts.
        passes: (settings, (height, width) of the images, metrics) -> what these metrics cost together.
    """

    name: str
    metrics: tuple[Metric, ...]
    score: Callable[[Inputs, Sequence[Metric], Any], Result]
    settings: type = NoSettings
    title: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    oracle: bool = False
    check: Callable[[Inputs, Sequence[Metric], Any], None] | None = None
    passes: Callable[[Any, tuple[int, int], Sequence[Metric]], Passes] = no_passes

    @property
    def kinds(self) -> dict[str, Any]:
        """{option: its annotation}, as `xaijax._options.from_texts` takes them."""
        return typing.get_type_hints(self.settings, include_extras=True)

    def read_settings(self, given: Mapping[str, Any]) -> Any:
        """Its settings from {option: value}, checked; options that are not given keep their defaults.

        Raises:
            InputError: for unknown options and values that are not allowed.
        """
        return self.settings(**_options.check_all(self.name, given, self.kinds))


def rows_of(
    ids: Sequence[str], method: str, metric: Metric, values: Any, reasons: Iterable[str] | str = ""
) -> list[Row]:
    """Rows of one method and metric; a NaN without a reason becomes `"not_finite"`, a reason makes its value NaN.

    Args:
        ids: `[B]` names of the images.
        method: its name.
        metric: its entry.
        values: `[B]` floats.
        reasons: `[B]` codes, or one for all.

    Example:
        >>> metric = Metric("m", "f", "", True, (0.0, 1.0), "share", frozenset(), "")
        >>> rows_of(["a", "b"], "cam", metric, [0.5, 1.0], ["", "empty_mask"])
        [('a', 'cam', 'm', 0.5, ''), ('b', 'cam', 'm', nan, 'empty_mask')]
    """
    values = np.asarray(values, np.float64)
    codes = [reasons] * len(ids) if isinstance(reasons, str) else list(reasons)
    rows: list[Row] = []
    for image, value, code in zip(ids, values, codes, strict=True):
        code = code or ("" if np.isfinite(value) else "not_finite")
        rows.append((image, method, metric.name, float("nan") if code else float(value), code))
    return rows


def check_ascending(what: str, fractions: Sequence[float] | None) -> None:
    """Refuses fractions that do not ascend, or none.

    Example:
        >>> check_ascending("pic.fractions", (0.5, 0.1))
        Traceback (most recent call last):
        xaijax._errors.InputError: pic.fractions is (0.5, 0.1); it must be at least one number, in ascending order
    """
    if fractions is not None and not (fractions and all(a < b for a, b in itertools.pairwise(fractions))):
        raise InputError(f"{what} is {fractions}; it must be at least one number, in ascending order")
    if fractions is not None and len(fractions) >= MAX_FRACTIONS:  # 1 is added at the end
        raise InputError(f"{what} has {len(fractions):,} numbers; it must have fewer than {MAX_FRACTIONS:,}")


def shorten(text: str, limit: int) -> str:
    """A text of at most `limit` characters; a longer one ends in "..."."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def maps_words(values: Any) -> str:
    """Number and size of maps or images in words.

    Example:
        >>> maps_words(np.zeros((2, 8, 9))), maps_words(np.zeros((1, 8, 9, 3))), maps_words([1, 2])
        ('2 maps of 8x9', '1 image of 8x9x3', 'list')
    """
    shape = tuple(getattr(values, "shape", ()))
    if len(shape) not in (3, 4):
        return type(values).__name__
    what = "map" if len(shape) == 3 else "image"
    return f"{shape[0]} {what}{'s' if shape[0] != 1 else ''} of {'x'.join(map(str, shape[1:]))}"


def pair_name(image: str, target: str) -> str:
    """The name of an image together with one of its findings; `Scores` take it apart again."""
    return f"{image}{SEPARATOR}{target}"


def image_seed(seed: int, image: str, draw: int = 0) -> int:
    """The seed of an image's random draw: the same wherever the image stands and whatever else is scored."""
    name = image.partition(SEPARATOR)[0]  # all findings of an image share its draws
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode()), draw]).generate_state(1)[0])
