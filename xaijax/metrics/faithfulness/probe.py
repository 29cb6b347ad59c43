"""What the metrics of faithfulness share: an image with its maps, changed images, and what is read off the answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax.metrics._rounding import ROUNDING
from xaijax.metrics.faithfulness.settings import Settings
from xaijax.metrics.metric import image_seed, shorten

Floats = NDArray[np.float64]
FILLS: dict[str, Any] = {"black": 0, "mean": "mean", "blur": "blur"}


@dataclass(frozen=True, eq=False)
class Scene:
    """One image with the maps that are scored on it.

    Attributes:
        image: `[H, W, C]` float32 in [0, 1].
        maps: method -> `[H, W]`, as scored; none of them flat.
        raw: method -> `[H, W]`, with their sign.
        settings: of the family.
        seed: of everything random, with the image's name.
        name: of the image.
        fills: images that show a fill alone, once they were made.
    """

    image: NDArray[np.float32]
    maps: Mapping[str, NDArray[Any]]
    raw: Mapping[str, NDArray[Any]]
    settings: Settings
    seed: int
    name: str
    fills: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __repr__(self) -> str:
        image = "x".join(map(str, self.image.shape))
        return f"Scene({shorten(self.name, 80)}, {image}, {len(self.maps)} maps)"

    def rng(self, draw: int) -> np.random.Generator:
        """Random numbers of one metric: the same whatever else is scored."""
        return np.random.default_rng(image_seed(self.seed, self.name, draw))

    def fill(self, name: str | None = None) -> NDArray[np.float32]:
        """`[H, W, C]`: what removed pixels show; default: the baseline of the settings."""
        name = self.settings.baseline if name is None else name
        if name not in self.fills:
            everywhere = np.ones(self.image.shape[:2], np.uint16)
            made = kernels.reveal(self.image, everywhere, 1, FILLS[name], sigma=self.settings.sigma)
            self.fills[name] = np.asarray(made)[0]
        return self.fills[name]


class Reading(NamedTuple):
    """A value or the reason why there is none, with the curve behind it: the share of changed pixels, and the value."""

    value: float
    reason: str = ""
    fraction: Floats | None = None
    curve: Floats | None = None


class Probe(ABC):
    """The changed images of one scene for one algorithm, and what is read off the responses to them.

    `read` is called once all images went through the model; it runs in another thread than `images`, after it.
    """

    def __init__(self, scene: Scene, metrics: Sequence[str]) -> None:
        self.scene = scene
        self.metrics = metrics

    @abstractmethod
    def images(self, size: int) -> Iterator[tuple[Hashable, NDArray[np.float32]]]:
        """`(key, images [n, H, W, C])`, at most `size` at a time; pieces of one key follow one another or not."""

    @abstractmethod
    def read(self, intact: float, responses: Mapping[Any, Floats]) -> dict[tuple[str, str], Reading]:
        """`{(method, metric): reading}` from f of the intact image and, by key, of the changed ones in order."""


class Kind(NamedTuple):
    """An algorithm of the family.

    Attributes:
        metrics: names of its metrics.
        probe: makes a probe of a scene for some of these metrics.
        passes: (settings, (height, width), metrics) -> model passes for each image and for each map, without the
            intact image; at most.
        follows_target: whether f is what the setting `target` says; else the probability.
    """

    metrics: tuple[str, ...]
    probe: Callable[[Scene, Sequence[str]], Probe]
    passes: Callable[[Settings, tuple[int, int], Sequence[str]], tuple[int, int]]
    follows_target: bool


def pieces_of(count: int, size: int) -> Iterator[int]:
    """`count` in parts of at most `size`.

    Example:
        >>> list(pieces_of(5, 2))
        [2, 2, 1]
    """
    for start in range(0, count, size):
        yield min(size, count - start)


def cells_of(shape: tuple[int, int], side: int) -> NDArray[np.int64]:
    """`[H, W]`: the cell of each pixel in a grid of `side` x `side`, without gaps where an image has fewer pixels.

    Example:
        >>> cells_of((2, 3), 2).tolist()
        [[0, 0, 1], [2, 2, 3]]
    """
    rows, columns = (np.arange(n) * side // n for n in shape)
    cells = rows[:, None] * side + columns
    return np.unique(cells, return_inverse=True)[1].reshape(shape)


def falls(intact: float, responses: Floats) -> Floats:
    """`f(x) - f(x changed)`, 0 where only rounding tells the two apart.

    Example:
        >>> falls(0.3, np.array([0.1 + 0.2, 0.25])).round(2).tolist()
        [0.0, 0.05]
    """
    found = intact - responses
    return np.where(np.abs(found) <= ROUNDING * np.maximum(abs(intact), np.abs(responses)), 0.0, found)


def _flat(values: Floats) -> bool:
    """Whether values do not vary, or by rounding alone: its correlation with anything is noise."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def correlate(a: Floats, b: Floats, measure: str) -> Reading:
    """Pearson or Spearman correlation of what a map claims and what the model does, each `[n]`.

    Example:
        >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 9.0]), "spearman").value
        1.0
        >>> correlate(np.array([1.0, 1.0]), np.array([1.0, 4.0]), "pearson").reason
        'flat_claims'
    """
    if not np.isfinite(b).all():
        return Reading(np.nan, "not_finite")
    if _flat(a):
        return Reading(np.nan, "flat_claims")
    if _flat(b):
        return Reading(np.nan, "flat_answers")
    # By the largest value first: squares of tiny differences would vanish.
    a, b = ((values - values.mean()) / np.ptp(values) for values in (a, b))
    value = float(kernels.similarity(a[None], b[None], measure=measure)[measure])
    return Reading(value, "" if np.isfinite(value) else "flat_answers")
