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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax.metrics import pic_curve as curve
from xaijax.metrics.metric import Family, Inputs, Metric, Result, Row, check_fractions, check_integer, image_seed
from xaijax.metrics.pic_curve import FRACTIONS, Convention, check_convention
from xaijax.metrics.pic_information import MEASURES, measure_information
from xaijax.metrics.scores import Curves
from xaijax.metrics.stream import stream

Kind = Literal["aic", "sic"]
NAME = "information"
MASK_FRACTION = 0.01


mask_seed = image_seed


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"information": {"fractions": (0.1, 0.3, 0.6)}})`.

    Attributes:
        convention: `"stable"`, `"pair"` or `"medical"`, see `xaijax.metrics.pic_curve`.
        fractions: of the pixels, ascending in (0, 1), revealed step by step.
        random_masks: random masks per image; a score is the mean over them.
    """

    convention: Convention = "stable"
    fractions: tuple[float, ...] = FRACTIONS
    random_masks: int = 1

    def __post_init__(self) -> None:
        check_convention(self.convention)
        check_integer("random_masks", self.random_masks, 1)
        object.__setattr__(self, "fractions", check_fractions(self.fractions))


@dataclass(frozen=True)
class _Options(Settings):
    measures: tuple[str, ...] = ()
    seed: int = 0
    num_threads: int | None = None


@dataclass
class _Case:
    """One image on its way through the model."""

    name: str
    image: NDArray[Any]
    label: int
    maps: Mapping[str, NDArray[Any]]
    options: _Options
    # Of the original first, then of the blurred image of each random mask.
    information: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    probabilities: NDArray[np.float64] | None = None
    # By (draw, method), in the order of the fractions.
    revealed: dict[tuple[int, str], dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    predicted: dict[tuple[int, str], NDArray[np.float64]] = field(default_factory=dict)

    def _mask(self, draw: int) -> NDArray[np.bool_]:
        return kernels.random_mask(self.image.shape[:2], MASK_FRACTION, mask_seed(self.options.seed, self.name, draw))

    def _measure(self, images: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
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
        self.information = self._measure(images)
        return images

    def rebuilt(self, draw: int, methods: Sequence[str]) -> NDArray[Any]:
        """`[methods * T, H, W, C]`: the images rebuilt from each fraction of each map; measures their information."""
        options, steps = self.options, len(self.options.fractions)
        maps = np.stack([self.maps[method] for method in methods])
        always = np.ascontiguousarray(np.broadcast_to(self._mask(draw), maps.shape))
        levels = kernels.reveal_levels(maps, options.fractions, always, num_threads=options.num_threads)
        stack = kernels.reveal(self.image, levels, steps + 1, num_threads=options.num_threads)
        images = np.ascontiguousarray(stack[:, 1:]).reshape(-1, *self.image.shape)
        information = self._measure(images)
        for i, method in enumerate(methods):
            part = slice(i * steps, (i + 1) * steps)
            self.revealed[draw, method] = {measure: values[part] for measure, values in information.items()}
        return images

    def store(self, draw: int, methods: Sequence[str], probabilities: NDArray[np.float64]) -> None:
        for method, part in zip(methods, np.split(probabilities, len(methods)), strict=True):
            self.predicted[draw, method] = part

    def target(self) -> int:
        """The class that is scored: the label, or what the model predicts for the original ("medical")."""
        assert self.probabilities is not None
        return int(self.probabilities[0].argmax()) if self.options.convention == "medical" else self.label

    def reason(self, kind: Kind, measure: str, draw: int) -> str:
        """Why there is no curve for this random mask, decided without any map."""
        assert self.probabilities is not None
        if not np.isfinite(self.probabilities).all():
            return "not_finite"
        target = self.target()
        right = self.probabilities.argmax(axis=1) == target
        information = self.information[measure]
        return curve.undefined(
            kind,
            self.options.convention,
            probability=(self.probabilities[0, target], self.probabilities[1 + draw, target]),
            right=(bool(right[0]), bool(right[1 + draw])),
            information=(information[0], information[1 + draw]),
        )

    def _curve(self, kind: Kind, measure: str, draw: int, method: str) -> tuple[Any, ...] | None:
        assert self.probabilities is not None
        predicted, target = self.predicted[draw, method], self.target()
        revealed = self.revealed[draw, method][measure]
        if not (np.isfinite(predicted).all() and np.isfinite(revealed).all()):
            return None
        ends = self.probabilities[[1 + draw, 0]]
        if kind == "aic":
            response, anchors = predicted.argmax(axis=1) == target, ends.argmax(axis=1) == target
        else:
            response, anchors = predicted[:, target], ends[:, target]
        known = self.information[measure]
        raw_information = curve.scale(revealed, known[1 + draw], known[0])
        raw_response = curve.scale(response, anchors[0], anchors[1])
        position, value = curve.curve_points(raw_information, raw_response, self.options.convention)
        auc = float(curve.area(curve.read_curve(position, value)))
        return auc, position, value, raw_information, raw_response

    def score(self, methods: Sequence[str], metrics: Sequence[Metric]) -> tuple[list[Row], list[tuple[Any, ...]]]:
        """Rows and curves of all methods. A score is the mean over the random masks that have a curve."""
        rows: list[Row] = []
        curves: list[tuple[Any, ...]] = []
        for metric in metrics:
            kind, measure = cast(Kind, metric.parts[0]), metric.parts[1]
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


def unrounded(images: NDArray[Any]) -> NDArray[Any]:
    """Images as floats: the medical study works on them, so that its rebuilt images are not rounded."""
    if np.issubdtype(images.dtype, np.floating):
        return images
    return (images / np.float32(np.iinfo(images.dtype).max)).astype(np.float32)


def score(inputs: Inputs, metrics: Sequence[Metric], settings: Settings) -> Result:
    """Scores maps by AIC and SIC; the oracle has no value for an image without a mask."""
    images, convention = inputs.images, settings.convention
    measures = tuple(dict.fromkeys(metric.parts[1] for metric in metrics))
    options = _Options(convention, settings.fractions, settings.random_masks, measures, inputs.seed, inputs.num_threads)
    if convention == "medical":
        images = unrounded(images)
    absent = {method: inputs.absent(method) for method in inputs.maps}
    cases = [
        _Case(
            inputs.ids[i],
            np.ascontiguousarray(images[i]),
            int(inputs.labels[i]),
            {method: np.ascontiguousarray(maps[i]) for method, maps in inputs.maps.items() if not absent[method][i]},
            options,
        )
        for i in range(len(images))
    ]
    methods, steps, draws = list(inputs.maps), len(settings.fractions), settings.random_masks
    group = max(1, inputs.batch_size // steps)
    asked = [(cast(Kind, metric.parts[0]), metric.parts[1]) for metric in metrics]

    def pieces() -> Iterator[tuple[tuple[_Case, int, list[str]], NDArray[Any]]]:
        for case in cases:
            yield (case, -1, []), case.ends()
        for done, case in enumerate(cases, start=1):
            for draw in range(draws):
                # Undecided still when all the images so far fit into the chunks not yet computed: then it is tried.
                if case.probabilities is not None and all(case.reason(*what, draw) for what in asked):
                    continue
                present = [method for method in methods if method in case.maps]
                for some in (present[i : i + group] for i in range(0, len(present), group)):
                    yield (case, draw, some), case.rebuilt(draw, some)
            if inputs.progress is not None:
                inputs.progress(done, len(cases))

    total = len(cases) * (1 + draws) + len(cases) * draws * len(methods) * steps
    for (case, draw, some), probabilities in stream(inputs.classifier.predict, pieces(), min(inputs.batch_size, total)):
        if draw < 0:
            case.probabilities = probabilities
        else:
            case.store(draw, some, probabilities)
    rows: list[Row] = []
    curves: list[tuple[Any, ...]] = []
    for case in cases:
        case_rows, case_curves = case.score(methods, metrics)
        rows += case_rows
        curves += case_curves
    return Result(rows, curves=Curves.from_rows(curves))


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
                parts=(kind, measure),
            )


FAMILY = Family(NAME, tuple(_metrics()), score, settings=Settings, title="Performance information curves", oracle=True)
