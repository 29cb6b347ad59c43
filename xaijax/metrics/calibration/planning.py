"""Which cases there are: every image of every construction that holds for it, and a reason for those that do not."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xaijax import _options, _outputs
from xaijax._errors import InputError
from xaijax._options import Count, Range, Share
from xaijax.metrics import checks
from xaijax.metrics._stream import float_images
from xaijax.metrics.calibration import cells
from xaijax.metrics.calibration.blobs import PROBABILITY, blob
from xaijax.metrics.calibration.case import (
    CONSTRUCTIONS,
    FULL,
    FULL_LEVELS,
    QUICK_LEVELS,
    QUICK_TEXTURES,
    Case,
    Construction,
    Scene,
)
from xaijax.metrics.calibration.cost import passes_of, with_defaults
from xaijax.metrics.calibration.cue import CUE, PlantedCue
from xaijax.metrics.calibration.ladder import map_names
from xaijax.metrics.calibration.models import SPAN, Model, Mosaic, Natural, Parts, View
from xaijax.metrics.calibration.ordering import balanced, in_turn
from xaijax.metrics.calibration.shapley import values_of
from xaijax.metrics.calibration.textures import TEXTURES
from xaijax.metrics.metric import LESION_ROLE

Depth = Literal["quick", "full"]
DILATIONS = (3 / 128, 6 / 128, 12 / 128, 24 / 128)
"""By which shares of the shorter side a lesion mask is dilated: the first that keeps the prediction."""
WEIGHTS = (1.0, 2 / 3, 1 / 3, 0.0)
"""Of the cells of `parts`, in random order; the last cell has no influence."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Cases, and all that is needed to score each of them on its own.

    Attributes:
        cases: in the order in which they are best scored, so that any first part of them is balanced over
            constructions and classes.
        left_out: construction -> reason -> number of images.
        model: the user's classifier.
        images: `[B, H, W, C]`, as given.
        depth: `"quick"`, `"full"`, or `"custom"` where constructions, textures or levels were chosen.
        textures, levels, constructions: what is scored.
        classes: names of the classes.
        seed: of everything random.
        planted: the network and the images of the construction `cue`; None without it.
    """

    cases: tuple[Case, ...]
    left_out: Mapping[str, Mapping[str, int]]
    model: Model = field(repr=False)
    images: NDArray[Any] = field(repr=False)
    depth: str
    textures: tuple[str, ...]
    levels: tuple[float, ...]
    constructions: tuple[Construction, ...]
    classes: tuple[str, ...]
    seed: int
    planted: PlantedCue | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        counts = Counter(case.construction for case in self.cases)
        words = ", ".join(f"{counts[name]} {name}" for name in self.constructions)
        return f"Plan({self.depth}, {len(self.images)} images, cases: {words})"

    @property
    def maps(self) -> list[str]:
        """Names of the maps of each case."""
        return map_names(self.textures, self.levels)

    def passes(self, metrics: Sequence[str] | None = None, settings: Any = None, *, more: int = 0) -> int:
        """Passes of the user's model that scoring all cases takes, as an estimate from above.

        Args:
            metrics, settings: as in `score_case`.
            more: cases that are still to come, such as those of a cue that is not planted yet.
        """
        height, width = self.images.shape[1:3]
        per_image = passes_of(metrics, self.settings(settings), len(self.maps), (height, width))
        return (more + sum(case.cost for case in self.cases)) * per_image

    def settings(self, given: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
        """Settings of the metrics: those given, in `quick` also the shorter curves of `QUICK_SETTINGS`."""
        return with_defaults(given, quick=self.depth == "quick")

    def scene(self, number: int) -> Scene:
        """The image, classifier and truth of a case; a pure function of the inputs, the seed and the number."""
        case = self.cases[number]
        size = self.images.shape[1:3]
        if case.construction == "cue":
            assert self.planted is not None
            return self.planted.scene(case, self.model.batch_size)
        if case.construction == "view":
            assert case.visible is not None
            image = self.images[case.sources[0]]
            return Scene(
                View(self.model, case.visible, _median(image)), image, case.label, case.visible.astype(np.float64)
            )
        image = _canvas(self.images, case.sources)
        weights = np.asarray(case.weights)
        if case.construction in ("mosaic", "natural"):
            seen = Natural(self.model, size) if case.construction == "natural" else None
            truth = cells.spread(weights, (image.shape[0], image.shape[1]))
            return Scene(seen or Mosaic(self.model, int(weights.argmax()), size), image, case.label, truth)
        how = _how(case.construction)
        made = Parts(self.model, case.label, how, weights, size, case.ends)
        present, absent = made.margins(np.stack([image, np.broadcast_to(_median(image, same=True), image.shape)]))
        values = np.zeros(cells.CELLS)
        values[made.read] = values_of(made.combine, present, absent)
        return Scene(made, image, 1, cells.spread(values, (image.shape[0], image.shape[1])))

    def describe(self) -> dict[str, Any]:
        """What `judge` needs to know, as JSON takes it."""
        counts: dict[str, dict[str, Any]] = {
            name: {
                "cases": sum(case.construction == name for case in self.cases),
                "groups": len({case.group for case in self.cases if case.construction == name}),
                "left_out": dict(self.left_out.get(name, {})),
            }
            for name in self.constructions
        }
        if self.planted is not None:
            counts[CUE]["gate"] = self.planted.gate.to_json()
        return {
            "depth": self.depth,
            "seed": self.seed,
            "images": len(self.images),
            "classes": list(self.classes),
            "textures": list(self.textures),
            "levels": list(self.levels),
            "constructions": counts,
        }


def plan(
    classifier: Any,
    images: Any,
    labels: Any,
    *,
    masks: Any = None,
    groups: Sequence[Any] | None = None,
    ids: Sequence[str] | None = None,
    depth: Depth = "quick",
    constructions: Sequence[str] | None = None,
    textures: Sequence[str] | None = None,
    levels: Sequence[float] | None = None,
    count: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> Plan:
    """Finds the cases: runs the model on the images, their visible parts and their small versions.

    Args:
        classifier: a `Classifier`, or anything with `predict`; its output is softmax, sigmoid or binary.
        images: `[B, H, W, C]`, uint8, uint16, or float in [0, 1], H and W at least 8.
        labels: `[B]` int: the class of each image.
        masks: `[B, H, W]` of lesions, or a dictionary by role, or None. Without a mask (or an empty one) a random part
            that keeps the prediction is shown.
        groups: `[B]` names, such as patients, that are resampled together; default: every image on its own.
        ids: `[B]` names of the images; default: their numbers.
        depth: `"quick"`: three textures, a = 0, 1/2, 1, constructions view, mosaic and parts; `"full"`: eight textures,
            five levels, all constructions.
        constructions, textures, levels: instead of those of `depth`.
        count: of the cases of each construction, at most; default: as many as there are images.
        seed: of everything random.
        batch_size: images in a model call.

    Returns:
        `Plan`.

    Raises:
        InputError: for a regression, findings given as `[B, K]`, and values that are not allowed.

    Example:
        >>> class Bright:
        ...     classes = ("dark", "bright")
        ...     def predict(self, images):
        ...         p = 1 / (1 + np.exp(20 - 40 * images.max(axis=(1, 2, 3))))
        ...         return np.stack([1 - p, p], axis=1)
        >>> images = np.zeros((3, 16, 16, 1), np.uint8)
        >>> images[:, 4:8, 4:8] = 200
        >>> plan(Bright(), images, [1, 1, 1], masks=images[..., 0] > 0)
        Plan(quick, 3 images, cases: 3 view, 3 mosaic, 3 parts)
    """
    images, labels = checks.as_images(images), np.asarray(labels)
    names = checks.check_images(images, ids)
    if not names:
        raise InputError("calibration needs images; got none")
    seed = _options.check(Annotated[int, Range(0)], seed, "seed")
    model = Model(classifier, _options.check(Count, batch_size, "batch_size"))
    if model.output == "regression":
        raise InputError("calibration needs a model that predicts classes or findings; this one is a regression")
    if labels.ndim != 1:
        raise InputError(
            f"calibration takes one label per image; got shape {labels.shape}: choose one finding for each image"
        )
    if min(images.shape[1:3]) < 8:
        raise InputError(f"calibration needs images of 8 pixels or more along each side; got {images.shape[1:3]}")
    _, labels, _ = checks.check_labels(labels, names, model.output, model.classes)
    chosen = [_one_of("construction", name, CONSTRUCTIONS) for name in _listed("constructions", constructions)]
    if CUE in chosen:
        raise InputError(
            "the construction cue needs a network that was fine-tuned on one: plan the others, and add what "
            "xaijax.training.plant_cue gives with with_cue(plan, planted)"
        )
    asked = tuple(dict.fromkeys(chosen)) or (CONSTRUCTIONS[:3] if depth == "quick" else FULL)
    kinds = tuple(dict.fromkeys(_one_of("texture", name, TEXTURES) for name in _listed("textures", textures)))
    kinds = kinds or (QUICK_TEXTURES if depth == "quick" else tuple(TEXTURES))
    steps = tuple(_options.check(Share, level, "levels") for level in _listed("levels", levels))
    steps = steps or (QUICK_LEVELS if depth == "quick" else FULL_LEVELS)
    if steps[0] != 0 or steps[-1] != 1 or len(steps) < 3 or any(a >= b for a, b in itertools.pairwise(steps)):
        raise InputError(f"levels must ascend from 0 to 1, at least three of them; got {steps}")
    if len(kinds) < 2:
        raise InputError(f"textures must be two or more, since metrics are compared across textures; got {kinds}")
    if depth not in ("quick", "full"):
        raise InputError(f"depth must be quick or full; got {depth!r}")
    people = [str(name) for name in (names if groups is None else groups)]
    if len(people) != len(names):
        raise InputError(f"groups must be {len(names)} names, one per image; got {len(people)}")
    lesions = checks.check_masks(masks, images).get(LESION_ROLE)
    classes = model.classes
    targets = None if classes is None else _outputs.targets(model.output, classes)
    finder = _Finder(
        model, images, labels, lesions, people,
        [str(label) if targets is None else targets[label] for label in labels], seed,
    )  # fmt: skip
    most = len(names) if count is None else _options.check(Count, count, "count")
    found: dict[Construction, list[Case]] = {}
    left: dict[str, dict[str, int]] = {}
    for name in asked:
        found[name], left[name] = finder.find(name, most)
    return Plan(
        cases=in_turn(found),
        left_out=left,
        model=model,
        images=images,
        depth="custom" if constructions or textures or levels else depth,
        textures=kinds,
        levels=steps,
        constructions=asked,
        classes=tuple(dict.fromkeys(finder.class_names)),
        seed=seed,
    )


class _Finder:
    def __init__(
        self,
        model: Model,
        images: NDArray[Any],
        labels: NDArray[np.int32],
        lesions: NDArray[np.bool_] | None,
        groups: Sequence[str],
        class_names: Sequence[str],
        seed: int,
    ) -> None:
        self.model, self.images, self.labels, self.lesions = model, images, labels, lesions
        self.groups, self.class_names, self.seed = groups, class_names, seed
        self.size = (int(images.shape[1]), int(images.shape[2]))
        found = self.model.predict(images)
        self.finite: NDArray[np.bool_] = np.asarray(np.isfinite(found).all(axis=1))
        self.predicted = self._agree(found, labels)
        self.order = balanced(labels, np.random.default_rng([seed, 0]))
        self._small: NDArray[np.bool_] | None = None

    def agrees(self, images: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
        return self._agree(self.model.predict(images), labels)

    def _agree(self, found: NDArray[np.float64], labels: NDArray[Any]) -> NDArray[np.bool_]:
        return np.array(
            [
                bool(_outputs.agrees(self.model.output, one[None], int(label), self.model.thresholds)[0])
                for one, label in zip(found, labels, strict=True)
            ],
            bool,
        )

    @property
    def small(self) -> NDArray[np.bool_]:
        """`[B]`: whether the label is predicted at half the size."""
        if self._small is None:
            self._small = self.agrees(cells.enlarge(cells.shrink(self.images), self.size), self.labels)
        return self._small

    def find(self, name: Construction, most: int) -> tuple[list[Case], dict[str, int]]:
        """Cases of a construction, and how many images were left out for which reason."""
        make: Callable[[int, np.random.Generator], Case | str] = {
            "view": self.view, "mosaic": self.mosaic, "parts": self.parts, "and": self.parts, "or": self.parts,
            "natural": self.natural,
        }[name]  # fmt: skip
        self.construction: Construction = name
        cases: list[Case] = []
        left: Counter[str] = Counter()
        for i in self.order:
            if len(cases) == most:
                break
            if not self.predicted[i]:
                left["not_predicted" if self.finite[i] else "not_finite"] += 1
                continue
            rng = np.random.default_rng([self.seed, 1 + CONSTRUCTIONS.index(name), int(i)])
            made = make(int(i), rng)
            if isinstance(made, str):
                left[made] += 1
            else:
                cases.append(made)
        return cases, dict(left)

    def _case(self, i: int, sources: Sequence[int], **more: Any) -> Case:
        return Case(
            0, self.construction, self.groups[i], int(self.labels[i]), self.class_names[i],
            tuple(int(one) for one in sources), **more,
        )  # fmt: skip

    def view(self, i: int, rng: np.random.Generator) -> Case | str:
        image, label = self.images[i], int(self.labels[i])
        given = float_images(image).astype(np.float32, copy=False)
        base = _median(image)

        def shown(parts: NDArray[np.bool_]) -> NDArray[np.float32]:
            return np.where(parts[..., None], given, base)

        def keeps(parts: NDArray[np.bool_]) -> NDArray[np.bool_]:
            seen = shown(parts)
            return (self.model.probability(seen, label) >= PROBABILITY) & self.agrees(seen, np.full(len(seen), label))

        if self.lesions is not None and self.lesions[i].any():
            radii = [max(1, round(share * min(self.size))) for share in DILATIONS]
            dilated = np.stack([ndimage.binary_dilation(self.lesions[i], iterations=radius) for radius in radii])
            good = np.flatnonzero(keeps(dilated) & ~dilated.all(axis=(1, 2)))
            if good.size:
                return self._case(i, [i], visible=dilated[good[0]])
        part = blob(self.size, keeps, rng)
        return "no_view" if part is None else self._case(i, [i], visible=part)

    def mosaic(self, i: int, rng: np.random.Generator) -> Case | str:
        if not self.small[i]:
            return "not_predicted_small"
        others = np.flatnonzero(np.arange(len(self.images)) != i)
        if not others.size:
            return "one_image"
        unlike = others[self.labels[others] != self.labels[i]]
        cell = int(rng.integers(cells.CELLS))
        sources = _draw(rng, unlike if unlike.size else others, cells.CELLS - 1)
        sources.insert(cell, i)
        weights = tuple(float(k == cell) for k in range(cells.CELLS))
        return self._case(i, sources, weights=weights)

    def natural(self, i: int, rng: np.random.Generator) -> Case | str:
        if not self.small[i]:
            return "not_predicted_small"
        unlike = np.flatnonzero((self.labels != self.labels[i]) & self.small & self.predicted)
        if not unlike.size:
            return "no_other_class"
        cell = int(rng.integers(cells.CELLS))
        sources = _draw(rng, unlike, cells.CELLS - 1)
        sources.insert(cell, i)
        canvas = Natural(self.model, self.size).whole(float_images(_canvas(self.images, sources))[None])
        if not self.agrees(canvas, self.labels[i : i + 1])[0]:
            return "not_predicted_canvas"
        return self._case(i, sources, weights=tuple(float(k == cell) for k in range(cells.CELLS)))

    def parts(self, i: int, rng: np.random.Generator) -> Case | str:
        if not self.small[i]:
            return "not_predicted_small"
        alike = np.flatnonzero((self.labels == self.labels[i]) & self.small & self.predicted)
        alike = alike[alike != i] if len(alike) > 1 else alike
        places = rng.permutation(cells.CELLS)
        sources = [0] * cells.CELLS
        weights = [0.0] * cells.CELLS
        levels = WEIGHTS if self.construction == "parts" else (1.0, 1.0, 0.0, 0.0)
        for place, source, weight in zip(places, [i, *_draw(rng, alike, cells.CELLS - 1)], levels, strict=True):
            sources[place], weights[place] = int(source), weight
        image = _canvas(self.images, sources)
        made = Parts(self.model, int(self.labels[i]), _how(self.construction), np.asarray(weights), self.size)
        present, absent = made.margins(np.stack([image, np.broadcast_to(_median(image, same=True), image.shape)]))
        low, high = float(made.combine(absent)), float(made.combine(present))
        if not high > low:
            return "no_gain"
        values = np.zeros(cells.CELLS)
        values[made.read] = values_of(made.combine, present, absent)
        if np.ptp(values) <= 1e-9 * SPAN:
            return "constant_truth"
        return self._case(i, sources, weights=tuple(weights), ends=(low, high))


def _how(construction: str) -> Literal["sum", "and", "or"]:
    return "sum" if construction == "parts" else "and" if construction == "and" else "or"


def _listed(what: str, given: Any) -> tuple[Any, ...]:
    """What was given as a list; one text is refused, since it would be read letter by letter."""
    if given is None:
        return ()
    if isinstance(given, str) or not np.iterable(given):
        raise InputError(f"{what} must be a list; got {given!r}: pass [{given!r}]")
    return tuple(given)


def _one_of(what: str, name: str, known: Any) -> Any:
    wanted = str(name).casefold()
    if wanted not in known:
        raise InputError(f"unknown {what} {name!r}: choose from {', '.join(known)}")
    return wanted


def _draw(rng: np.random.Generator, pool: NDArray[np.intp], wanted: int) -> list[int]:
    """Positions out of a pool, different ones where there are enough."""
    return [int(one) for one in rng.choice(pool, wanted, replace=len(pool) < wanted)]


def _canvas(images: NDArray[Any], sources: Sequence[int]) -> NDArray[Any]:
    return cells.canvas(cells.shrink(images[list(sources)]))


def _median(image: NDArray[Any], *, same: bool = False) -> NDArray[Any]:
    """`[C]`: the median colour of the intact image, float32 in [0, 1], or with `same` in the image's own dtype."""
    if same:
        middle = np.median(image, axis=(0, 1))
        return np.asarray(np.rint(middle) if image.dtype.kind in "iu" else middle).astype(image.dtype)
    return np.median(float_images(image), axis=(0, 1)).astype(np.float32)
