"""AIC and SIC: areas under Performance Information Curves, for many maps of many images.

One set of forward passes serves every response (AIC, SIC) and every information measure; the original, its fully
blurred version and the random masks are shared by all methods of an image. What cannot be scored is decided from the
original and the blurred image alone, so that all methods are scored on the same images.

The work is a generator of pieces (rebuilt images, with their information measured) that `stream` packs into model calls
of one shape. First come the original and the blurred versions of every image, then the rebuilt images of its maps; an
image that is known to have no curve by then costs no more.

References:
    Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019, section 4.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax._errors import InputError
from xaijax._options import Count, Range
from xaijax.metrics import pic_curve as curve
from xaijax.metrics._curves import Curves
from xaijax.metrics._stream import float_images, stream
from xaijax.metrics.answers import Answers
from xaijax.metrics.changed import refuse_rounded
from xaijax.metrics.metric import (
    Axes,
    Family,
    Fractions,
    Inputs,
    Metric,
    Passes,
    Result,
    Row,
    check_ascending,
    image_seed,
    maps_words,
    shorten,
)
from xaijax.metrics.pic_curve import FRACTIONS, Convention
from xaijax.metrics.pic_information import MEASURES, measure_information
from xaijax.metrics.webp import check_webp

Kind = Literal["aic", "sic"]
NAME = "pic"
MASK_FRACTION = 0.01


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"pic": {"fractions": (0.1, 0.3, 0.6)}})`.

    Attributes:
        convention: `"stable"`, `"pair"` or `"medical"`, see `xaijax.metrics.pic_curve`.
        fractions: of the pixels, in ascending order, revealed step by step.
        random_masks: random masks per image; a score is the mean over them.
        min_probability: of the class on the original, which convention pair asks for.
        points: on the information axis, at which a curve is read before it is integrated.
    """

    convention: Convention = "stable"
    fractions: Fractions = FRACTIONS
    random_masks: Count = 1
    min_probability: Annotated[float, Range(0, 1)] = curve.MIN_PROBABILITY
    points: Annotated[int, Range(2, 1_000_001)] = curve.POINTS

    def __post_init__(self) -> None:
        check_ascending("pic.fractions", self.fractions)
        if self.convention != "pair" and self.min_probability != curve.MIN_PROBABILITY:
            raise InputError(
                f"pic.min_probability belongs to pic.convention=pair; the convention {self.convention} scores images "
                "of any probability: leave it out or set pic.convention=pair"
            )


@dataclass(frozen=True)
class _Options(Settings):
    measures: tuple[str, ...] = ()
    seed: int = 0
    num_threads: int | None = None


@dataclass
class _ImageCurves:
    """What is known of one image until its curves are drawn: its maps, information and predictions."""

    name: str
    image: NDArray[Any]
    answers: Answers
    maps: Mapping[str, NDArray[Any]]
    options: _Options
    # Of the original first, then of the blurred image of each random mask.
    information: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    probabilities: NDArray[np.float64] | None = None
    # By (draw, method), in the order of the fractions.
    revealed: dict[tuple[int, str], dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    predicted: dict[tuple[int, str], NDArray[np.float64]] = field(default_factory=dict)

    def _mask(self, draw: int) -> NDArray[np.bool_]:
        return kernels.random_mask(self.image.shape[:2], MASK_FRACTION, image_seed(self.options.seed, self.name, draw))

    def measure(self, images: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
        return measure_information(
            images,
            self.image,
            self.options.measures,
            stretch=self.options.convention == "medical",
            num_threads=self.options.num_threads,
        )

    def ends(self) -> NDArray[Any]:
        """`[1 + draws, H, W, C]`: the original, then its fully blurred versions; measures their information."""
        masks = np.stack([self._mask(draw) for draw in range(self.options.random_masks)])
        levels = np.where(masks, 0, 1).astype(np.uint16)
        blurred = kernels.reveal(self.image, levels, 1, num_threads=self.options.num_threads)[:, 0]
        images = np.concatenate([self.image[None], blurred])
        self.information = self.measure(images)
        return images

    def reveal(self, draw: int, methods: Sequence[str]) -> NDArray[Any]:
        """`[methods, 1 + T, H, W, C]`: for each map the fully blurred image, then that of each fraction."""
        options = self.options
        maps = np.stack([self.maps[method] for method in methods])
        always = np.ascontiguousarray(np.broadcast_to(self._mask(draw), maps.shape))
        levels = kernels.reveal_levels(maps, options.fractions, always, num_threads=options.num_threads)
        return np.asarray(
            kernels.reveal(self.image, levels, len(options.fractions) + 1, num_threads=options.num_threads)
        )

    def rebuilt(self, draw: int, methods: Sequence[str]) -> NDArray[Any]:
        """`[methods * T, H, W, C]`: the images rebuilt from each fraction of each map; measures their information."""
        steps = len(self.options.fractions)
        images = np.ascontiguousarray(self.reveal(draw, methods)[:, 1:]).reshape(-1, *self.image.shape)
        information = self.measure(images)
        for i, method in enumerate(methods):
            part = slice(i * steps, (i + 1) * steps)
            self.revealed[draw, method] = {measure: values[part] for measure, values in information.items()}
        return images

    def store(self, draw: int, methods: Sequence[str], probabilities: NDArray[np.float64]) -> None:
        for method, part in zip(methods, np.split(probabilities, len(methods)), strict=True):
            self.predicted[draw, method] = part

    def read(self) -> Answers:
        """How predictions are read: for the label, or for what the model predicts for the original ("medical")."""
        assert self.probabilities is not None
        medical = self.options.convention == "medical"
        return self.answers.of_prediction(self.probabilities[0]) if medical else self.answers

    def right(self, read: Answers, predictions: NDArray[np.float64]) -> NDArray[np.bool_]:
        """What AIC counts. An even answer names no class ("stable"): its arg max is an accident of rounding."""
        return read.right(predictions, majority=self.options.convention == "stable")

    def reason(self, kind: Kind, measure: str, draw: int) -> str:
        """Why there is no curve for this random mask, decided without any map."""
        assert self.probabilities is not None
        if not np.isfinite(self.probabilities).all():
            return "not_finite"
        if kind == "aic" and not self.answers.judges:
            return "regression"
        read = self.read()
        right, response = self.right(read, self.probabilities), read.response(self.probabilities)
        information = self.information[measure]
        return curve.undefined(
            kind,
            self.options.convention,
            probability=(response[0], response[1 + draw]),
            right=(bool(right[0]), bool(right[1 + draw])),
            information=(information[0], information[1 + draw]),
            min_probability=self.options.min_probability,
        )

    def _curve(self, kind: Kind, measure: str, draw: int, method: str) -> tuple[Any, ...] | None:
        assert self.probabilities is not None
        predicted, read = self.predicted[draw, method], self.read()
        revealed = self.revealed[draw, method][measure]
        if not (np.isfinite(predicted).all() and np.isfinite(revealed).all()):
            return None
        ends = self.probabilities[[1 + draw, 0]]
        if kind == "aic":
            response, anchors = (self.right(read, found).astype(np.float64) for found in (predicted, ends))
        else:
            response, anchors = read.response(predicted), read.response(ends)
        known = self.information[measure]
        raw_information = curve.scale(revealed, known[1 + draw], known[0])
        raw_response = curve.scale(response, anchors[0], anchors[1])
        position, value = curve.curve_points(raw_information, raw_response, self.options.convention)
        auc = float(curve.area(curve.read_curve(position, value, self.options.points)))
        return auc, position, value, raw_information, raw_response

    def score(self, methods: Sequence[str], metrics: Sequence[Metric]) -> tuple[list[Row], list[tuple[Any, ...]]]:
        """Rows and curves of all methods. A score is the mean over the random masks that have a curve."""
        rows: list[Row] = []
        curves: list[tuple[Any, ...]] = []
        for metric in metrics:
            kind, measure = cast(Kind, metric.kind), metric.measure
            reasons = [self.reason(kind, measure, draw) for draw in range(self.options.random_masks)]
            draws = [draw for draw, reason in enumerate(reasons) if not reason]
            for method in methods:
                if method not in self.maps:
                    rows.append((self.name, method, metric.name, np.nan, "empty_mask"))
                    continue
                made = {draw: self._curve(kind, measure, draw, method) for draw in draws}
                good = {draw: points for draw, points in made.items() if points is not None}
                curves += [(self.name, method, metric.name, draw, *points) for draw, points in good.items()]
                if good:
                    rows.append((self.name, method, metric.name, float(np.mean([p[0] for p in good.values()])), ""))
                else:
                    rows.append((self.name, method, metric.name, np.nan, "not_finite" if draws else reasons[0]))
        return rows, curves


def check(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> None:
    """Refuses images that WebP cannot hold, where its size is asked for, and a convention that does not fit."""
    if settings.convention == "medical":
        if inputs.output not in ("softmax", "binary"):
            raise InputError(
                f"pic.convention is medical, which scores the predicted class; a model with the output {inputs.output} "
                "has none: use stable or pair"
            )
        refuse_rounded(inputs, "pic.convention=medical")
    for metric in metrics:
        if metric.measure in ("webp", "mean"):
            check_webp(metric.name, inputs.images.shape)


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by AIC and SIC; the oracle has no value for an image without a mask."""
    images, convention = inputs.images, settings.convention
    measures = tuple(dict.fromkeys(metric.measure for metric in metrics))
    options = _Options(
        **dataclasses.asdict(settings), measures=measures, seed=inputs.seed, num_threads=inputs.num_threads
    )
    if convention == "medical":
        images = float_images(images)  # the study's rebuilt images are not rounded
    absent = {method: inputs.absent(method) for method in inputs.maps}
    pending = [
        _ImageCurves(
            inputs.ids[i],
            np.ascontiguousarray(images[i]),
            inputs.answers(i),
            {method: np.ascontiguousarray(maps[i]) for method, maps in inputs.maps.items() if not absent[method][i]},
            options,
        )
        for i in range(len(images))
    ]
    methods, steps, draws = list(inputs.maps), len(settings.fractions), settings.random_masks
    group = max(1, inputs.batch_size // steps)
    asked = [(cast(Kind, metric.kind), metric.measure) for metric in metrics]

    def pieces() -> Iterator[tuple[tuple[_ImageCurves, int, list[str]], NDArray[Any]]]:
        for one in pending:
            yield (one, -1, []), one.ends()
        for done, one in enumerate(pending, start=1):
            for draw in range(draws):
                # Undecided still when all the images so far fit into the chunks not yet computed: then it is tried.
                if one.probabilities is not None and all(one.reason(*what, draw) for what in asked):
                    continue
                present = [method for method in methods if method in one.maps]
                for some in (present[i : i + group] for i in range(0, len(present), group)):
                    yield (one, draw, some), one.rebuilt(draw, some)
            if inputs.progress is not None:
                inputs.progress(done, len(pending))

    total = len(pending) * (1 + draws) + len(pending) * draws * len(methods) * steps
    for (one, draw, some), probabilities in stream(inputs.predict, pieces(), min(inputs.batch_size, total)):
        if draw < 0:
            one.probabilities = probabilities
        else:
            one.store(draw, some, probabilities)
    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    for one in pending:
        some_rows, some_curves = one.score(methods, metrics)
        rows += some_rows
        curves += some_curves
    return Result(rows, curves=Curves.from_rows(curves))


def passes(settings: Settings, size: tuple[int, int], metrics: Sequence[Metric]) -> Passes:
    """The original and its blurred versions, and every fraction of every random mask for each map."""
    return Passes(1 + settings.random_masks, settings.random_masks * len(settings.fractions))


_MEASURED = {
    "shannon": "base-2 entropy of the 256-bin histogram",
    "webp": "size as lossless WebP",
    "mutual": "mutual information with the original",
    "mean": "mean of Shannon entropy (bits) and WebP size (bytes), as in the medical study; bytes dominate",
}
_PIC = "Kapishnikov et al., ICCV 2019"
_PAIR = "PAIR saliency 0.2.1 (curve arithmetic); plain transcription"
_PARITY = {
    "shannon": _PAIR,
    "webp": _PAIR,
    "mutual": "plain transcription; closed form",
    "mean": "plain transcription",
}
_RESPONSE = {"aic": "share of right predictions", "sic": "softmax probability of the class"}
MEASURE_WORDS = {
    "shannon": "Shannon entropy",
    "webp": "lossless WebP size",
    "mutual": "mutual information with the original",
    "mean": "mean of Shannon entropy and WebP size",
}
_RESPONSE_WORDS = {"aic": "prediction is the explained class", "sic": "probability of the explained class"}


def _metrics() -> Iterable[Metric]:
    for measure in MEASURES:
        for kind, response in _RESPONSE.items():
            yield Metric(
                name=f"{kind}_{measure}",
                family=NAME,
                summary=f"area under {response} against information ({_MEASURED[measure]})",
                higher_is_better=True,
                range=(0.0, 1.0),
                unit="area",
                needs=frozenset({"model"}),
                reference=_PIC if measure != "mean" else f"{_PIC}; BioData Mining 2024",
                parity=_PARITY[measure],
                title=f"{kind.upper()} ({measure})",
                kind=kind,
                measure=measure,
                axes=Axes(
                    f"{kind.upper()}, {MEASURE_WORDS[measure]}",
                    f"information: {MEASURE_WORDS[measure]}",
                    _RESPONSE_WORDS[kind],
                    "information",
                ),
            )


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """The images behind the curves of one image, from fully blurred to the original.

    Attributes:
        methods: whose maps they were rebuilt from.
        fractions: `[T]` of the pixels.
        images: `[M, T + 2, H, W, C]`: fully blurred, one per fraction, original.
        probabilities: `[M, T + 2, K]` of the classes.
        information: measure -> `[M, T + 2]`, not scaled.
    """

    methods: tuple[str, ...]
    fractions: tuple[float, ...]
    images: NDArray[Any]
    probabilities: NDArray[Any]
    information: dict[str, NDArray[np.float64]]

    def __repr__(self) -> str:
        what = shorten(", ".join(self.methods), 80)
        return f"Rebuilt({maps_words(self.images[0])} from the maps of {what})"


def rebuild(
    classifier: Any,
    image: NDArray[Any],
    maps: Mapping[str, Any],
    *,
    name: str,
    measures: Sequence[str],
    settings: Settings | None = None,
    seed: int = 0,
    num_threads: int | None = None,
) -> Rebuilt:
    """Rebuilds one image from each fraction of some maps, as AIC and SIC do with its first random mask.

    Args:
        classifier: has `predict`; called once with all rebuilt images.
        image: `[H, W, C]`, uint8, uint16, or float in [0, 1].
        maps: method -> `[H, W]`.
        name: of the image; its random mask follows from it and `seed`.
        measures: of the information, out of `xaijax.metrics.pic_information.MEASURES`.
        settings: of the family.
        seed: of the random mask.
        num_threads: threads of the kernels.

    Returns:
        The images with their information and probabilities.
    """
    chosen, one = _with_one_mask(image, maps, name, measures, settings, seed, num_threads)
    image = one.image
    stack = one.reveal(0, list(maps))
    images = np.concatenate([stack, np.broadcast_to(image, (len(maps), 1, *image.shape))], axis=1)
    flat = np.ascontiguousarray(images).reshape(-1, *image.shape)
    shape = images.shape[:2]
    information = {measure: values.reshape(shape) for measure, values in one.measure(flat).items()}
    probabilities = np.asarray(classifier.predict(flat)).reshape(*shape, -1)
    return Rebuilt(tuple(maps), chosen.fractions, images, probabilities, information)


def revealed(
    image: NDArray[Any],
    maps: Mapping[str, Any],
    *,
    name: str,
    settings: Settings | None = None,
    seed: int = 0,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """One image rebuilt from each fraction of some maps, as AIC and SIC do with its first random mask, unmeasured.

    Args:
        image: `[H, W, C]`, uint8, uint16, or float in [0, 1].
        maps: method -> `[H, W]`.
        name: of the image; its random mask follows from it and `seed`.
        settings: of the family.
        seed: of the random mask.
        num_threads: threads of the kernels.

    Returns:
        `[M, T, H, W, C]`, in the order of the maps and of the fractions.
    """
    _, one = _with_one_mask(image, maps, name, (), settings, seed, num_threads)
    return one.reveal(0, list(maps))[:, 1:]


def _with_one_mask(
    image: NDArray[Any],
    maps: Mapping[str, Any],
    name: str,
    measures: Sequence[str],
    settings: Settings | None,
    seed: int,
    num_threads: int | None,
) -> tuple[Settings, _ImageCurves]:
    chosen = Settings() if settings is None else settings
    image = np.ascontiguousarray(float_images(image) if chosen.convention == "medical" else image)
    one_mask = dataclasses.asdict(chosen) | {"random_masks": 1}
    given = _Options(**one_mask, measures=tuple(measures), seed=seed, num_threads=num_threads)
    one = _ImageCurves(
        name,
        image,
        Answers("softmax", 0),
        {method: np.ascontiguousarray(values) for method, values in maps.items()},
        given,
    )
    return chosen, one


FAMILY = Family(
    NAME,
    tuple(_metrics()),
    score,
    settings=Settings,
    title="Performance information curves",
    oracle=True,
    check=check,
    passes=passes,
)
