"""Is a map's score due to where it points? It is compared with copies of itself that look alike and point elsewhere.

With Q a metric (its sign turned where lower is better), m a map and s_1 ... s_B its surrogates:

    z = (Q(m) - mean Q(s_b)) / sd Q(s_b)        p = (1 + #{Q(s_b) >= Q(m)}) / (B + 1)

so that texture and sparsity, which the surrogates share, cannot buy a small p. Three kinds:

| kind | surrogates | keep |
|---|---|---|
| shift | the map, circularly shifted, all shifts being alike | every value, and the texture but for the seam |
| phase | random phases of its Fourier transform, then the map's values by rank | every value, nearly the spectrum |
| maps | the method's maps of other images of the same class | what the method does on every image of the class |

`shift` asks "is it in a special place?": where lesions lie in the middle of every image, a map that always points there
passes. `maps` is then the stricter question. Over the maps of a data set, `q` controls the share of false discoveries
(Benjamini and Hochberg, for each method and metric); with m maps one discovery at level α needs B + 1 >= m / α. With
fewer copies look at `pooled`: one test per method, whether its z are above 0 (Wilcoxon, one-sided).

References:
    Theiler et al., "Testing for nonlinearity in time series: the method of surrogate data", Physica D 1992;
    Phipson and Smyth, "Permutation p-values should never be zero", 2010.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Range
from xaijax.metrics import checks
from xaijax.metrics._evaluate import Predictor, evaluate
from xaijax.metrics.metric import Explained, image_seed
from xaijax.metrics.registry import resolve

Kind = Literal["shift", "phase", "maps"]
Floats = NDArray[np.float64]
COUNT = 99
FEWEST = 19
"""Surrogates with a value: with fewer no p-value can be 0.05."""
TIE = 1e-9
DRAW = 8
COPY = "\x1fcopy "


class Tested(NamedTuple):
    """One map under one metric.

    Attributes:
        image, method, metric: names.
        value: of the metric.
        z: of the value among its surrogates; NaN where all of them score alike.
        p: that a surrogate scores as well.
        q: p, controlled for false discoveries over the images of this method and metric.
        copies: surrogates that have a value.
        reason: why there is none.
    """

    image: str
    method: str
    metric: str
    value: float
    z: float
    p: float
    q: float
    copies: int
    reason: str


class Pooled(NamedTuple):
    """One method under one metric, over all images: mean z, and the p-value that z is not above 0."""

    method: str
    metric: str
    images: int
    mean_z: float
    p: float


@dataclass(frozen=True)
class Surrogates:
    """What `surrogates` finds.

    Attributes:
        rows: one per image, method and metric.
        kind, count: as given.
        note: what limits the p-values, or `""`.
    """

    rows: tuple[Tested, ...] = field(repr=False)
    kind: Kind
    count: int
    note: str

    def pooled(self) -> list[Pooled]:
        """One test per method and metric over the images."""
        from scipy.stats import wilcoxon

        found: dict[tuple[str, str], list[float]] = {}
        for row in self.rows:
            found.setdefault((row.method, row.metric), []).append(row.z)
        pooled = []
        for (method, metric), values in found.items():
            z = np.array([value for value in values if math.isfinite(value)])
            p = float(wilcoxon(z, alternative="greater").pvalue) if z.any() else math.nan
            pooled.append(Pooled(method, metric, len(z), float(z.mean()) if len(z) else math.nan, p))
        return pooled

    def discoveries(self, alpha: float = 0.05) -> list[Tested]:
        """The maps whose q is at most `alpha`: among them a share of `alpha` is expected to be false."""
        return [row for row in self.rows if row.q <= alpha]


def shifted(map: Any, count: int, rng: np.random.Generator) -> NDArray[Any]:
    """Copies `[count, H, W]` of a map, circularly shifted, no two alike where there are enough shifts.

    Example:
        >>> shifted([[1, 2]], 1, np.random.default_rng(0)).tolist()
        [[[2, 1]]]
    """
    values = np.asarray(map)
    height, width = values.shape
    ways = height * width - 1
    by = 1 + rng.choice(ways, count, replace=count > ways)
    return np.stack([np.roll(values, divmod(int(one), width), axis=(0, 1)) for one in by])


def phased(map: Any, count: int, rng: np.random.Generator) -> Floats:
    """Copies `[count, H, W]` with random phases: nearly the same spectrum, exactly the same values.

    Example:
        >>> np.sort(phased([[1.0, 2.0, 5.0]], 1, np.random.default_rng(0)).ravel()).tolist()
        [1.0, 2.0, 5.0]
    """
    values = np.asarray(map, np.float64)
    size = np.abs(np.fft.rfft2(values))
    ordered = np.sort(values, axis=None)
    copies = np.empty((count, *values.shape))
    for one in copies:
        angles = np.angle(np.fft.rfft2(rng.standard_normal(values.shape)))  # those of a real image
        made = np.fft.irfft2(size * np.exp(1j * angles), values.shape)
        one.ravel()[made.ravel().argsort()] = ordered
    return copies


def score_among(value: float, copies: Any) -> tuple[float, float]:
    """(z, p) of a score among those of its surrogates; higher is better.

    Example:
        >>> score_among(3.0, [1.0, 2.0, 3.0])
        (1.0, 0.5)
    """
    others = np.asarray(copies, np.float64)
    spread = float(others.std(ddof=1))
    # Each with its own: one score of another size must not tie all others.
    near = TIE * np.maximum(abs(value), np.abs(others))
    z = (value - float(others.mean())) / spread if spread > near.max() else math.nan
    return z, (1 + int((others >= value - near).sum())) / (len(others) + 1)


def surrogates(
    classifier: Predictor | None,
    images: Any,
    labels: Any,
    maps: Mapping[str, Any],
    masks: Any = None,
    metrics: Sequence[str] = ("sic_mutual",),
    *,
    kind: Kind = "shift",
    count: int = COUNT,
    ids: Sequence[str] | None = None,
    seed: int = 0,
    **options: Any,
) -> Surrogates:
    """A z and a p-value for every map, against copies of itself that point elsewhere.

    Args:
        classifier, images, masks: as in `evaluate`.
        labels: `[B]` int.
        maps: method -> `[B, H, W]`, or an `Explained`; only the maps are read.
        metrics: names out of `METRICS` that need neither an explainer nor variants.
        kind: of surrogates.
        count: of surrogates for each map, at least 19; scoring takes 1 + count times as long. Of `"maps"`: at most.
        ids: `[B]` names of the images.
        seed: of the draws, and of the metrics.
        options: of `evaluate`.

    Returns:
        `Surrogates`.

    Raises:
        InputError: for a metric that needs more than a map, and for whatever `evaluate` refuses.

    Example:
        >>> mask = np.zeros((1, 8, 8), bool)
        >>> mask[0, :4, :4] = True
        >>> images = np.zeros((1, 8, 8, 1), np.uint8)
        >>> found = surrogates(None, images, [0], {"exact": mask * 1.0}, mask, ["energy"], count=19)
        >>> found.rows[0].value, found.rows[0].p
        (1.0, 0.05)
    """
    asked = resolve(metrics)
    for metric in asked:
        if more := sorted(metric.needs & {"explainer", "variants"}):
            raise InputError(f"surrogates are maps alone; {metric.name} needs {', '.join(more)}")
    if kind not in get_args(Kind):
        raise InputError(f"kind is {kind!r}; it must be {', '.join(get_args(Kind)[:-1])} or {get_args(Kind)[-1]}")
    count = _options.check(Annotated[int, Range(FEWEST)], count, "count")
    seed = _options.check(Annotated[int, Range(0)], seed, "seed")
    if options.pop("oracle", False):
        raise InputError("surrogates do not score the ground truth: give it as a method, or leave oracle out")
    images, labels = checks.as_images(images), np.asarray(labels)
    if labels.shape != (len(images),):
        raise InputError(f"surrogates take one label per image; got shape {labels.shape} for {len(images)} images")
    names = [str(i) for i in range(len(images))] if ids is None else [str(name) for name in ids]
    given = {name: np.asarray(one.maps if isinstance(one, Explained) else one) for name, one in maps.items()}
    for name, values in given.items():
        if values.shape != images.shape[:3]:
            raise InputError(f"the maps of {name!r} must be {images.shape[:3]}; got {values.shape}")
    rows: list[Tested] = []
    for i, image in enumerate(names):
        made: dict[str, NDArray[Any]] = {}
        for method, values in given.items():
            made[method] = values[i]
            copies = _copies(values, labels, i, kind, count, np.random.default_rng([image_seed(seed, image, DRAW)]))
            made |= {f"{method}{COPY}{k}": one for k, one in enumerate(copies)}
        found = evaluate(
            classifier, images[i : i + 1], labels[i : i + 1], {name: one[None] for name, one in made.items()},
            _of_image(masks, i), [metric.name for metric in asked], ids=[image], seed=seed, **options,
        )  # fmt: skip
        for metric in asked:
            sign = 1 if metric.higher_is_better else -1
            scores = {row.method: row for row in found.select(metric=metric.name)}
            for method in given:
                own = [row.value for name, row in scores.items() if name.startswith(method + COPY)]
                rows.append(_tested(image, metric.name, scores[method], sign, own))
    return Surrogates(tuple(_controlled(rows)), kind, count, _note(len(images), count, kind))


def _copies(
    maps: NDArray[Any], labels: NDArray[Any], i: int, kind: Kind, count: int, rng: np.random.Generator
) -> NDArray[Any]:
    if kind == "shift":
        return shifted(maps[i], count, rng)
    if kind == "phase":
        return phased(maps[i], count, rng)
    others = np.flatnonzero((labels == labels[i]) & (np.arange(len(labels)) != i))
    return np.asarray(maps[rng.permutation(others)[:count]])


def _of_image(masks: Any, i: int) -> Any:
    if masks is None:
        return None
    if isinstance(masks, Mapping):
        return {role: np.asarray(one)[i : i + 1] for role, one in masks.items()}
    return np.asarray(masks)[i : i + 1]


def _tested(image: str, metric: str, row: Any, sign: int, copies: Sequence[float]) -> Tested:
    good = np.array([value for value in copies if math.isfinite(value)])
    reason = row.reason or ("" if len(good) >= FEWEST else "few_surrogates")
    z, p = (math.nan, math.nan) if reason else score_among(sign * row.value, sign * good)
    return Tested(image, row.method, metric, float(row.value), z, p, math.nan, len(good), reason)


def _controlled(rows: Sequence[Tested]) -> list[Tested]:
    """The rows with q, over the maps of each method and metric that have a p."""
    from xaijax.metrics.statistics import benjamini_hochberg

    where: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if not row.reason:
            where.setdefault((row.method, row.metric), []).append(place)
    found = list(rows)
    for places in where.values():
        for place, q in zip(places, benjamini_hochberg([rows[one].p for one in places]), strict=True):
            found[place] = rows[place]._replace(q=float(q))
    return found


def _note(images: int, count: int, kind: Kind) -> str:
    if kind == "maps" or count + 1 >= images / 0.05:
        return ""
    return (
        f"with {count} surrogates no p is below {1 / (count + 1):.3g}: one discovery alone among {images} maps at 0.05 "
        f"needs {math.ceil(images / 0.05 - 1)}; several, or `pooled`, need fewer"
    )
