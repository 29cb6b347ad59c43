"""The images of perturbation curves: which of a map's pixels are hidden when, and what the model says of them.

Everything that differs between the metrics is a `Perturbation`: an order of pixels, a fill for hidden ones, a
direction. The two ends of a curve, the original and the image that is hidden everywhere, are shared by all maps of an
image.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xaijax import kernels
from xaijax._options import Range
from xaijax.metrics import orders
from xaijax.metrics.metric import Fractions, Inputs, check_ascending, image_seed, shorten

FILLS: dict[str, Any] = {"black": 0, "mean": "mean", "blur": "blur", "linear": "linear", "noisy_linear": "noisy_linear"}
CHEAP = ("black", "mean")
GROUP = 4  # maps that are rebuilt together: bounds the memory
ROAD_FRACTIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Steps = Annotated[int, Range(1, kernels.MAX_FRACTIONS)]
"""A number of levels, as many as the kernels take."""
Order = Literal["quantile", "share", "road", "road_share", "rank", "patch", "square", "segment"]
"""`share` and `road_share` are `quantile` and `road` with ties taken one by one."""


@dataclass(frozen=True)
class Settings:
    """Options of the family: `evaluate(..., settings={"perturbation": {"steps": 16}})`.

    Attributes:
        steps: of insertion and deletion, in equal shares of the pixels.
        fractions: of insertion and deletion instead of equal steps, in ascending order; 1 is added at the end.
        flip_steps: of pixel flipping, in equal shares of the pixels.
        patch: side of the regions of region perturbation and selectivity, pixels.
        regions: of region perturbation, how many at most.
        sigma: standard deviation of the blurred baseline, pixels.
        noise: standard deviation of noisy linear fills, as a share of the image's range.
        road_fractions: shares of the pixels that ROAD imputes, in ascending order.
        segments: number of segments that SLIC aims for in IROF.
        compactness: of SLIC's segments in IROF.
    """

    steps: Steps = 32
    fractions: Fractions | None = None
    flip_steps: Steps = 224
    patch: Steps = 8
    regions: Steps = 100
    sigma: Annotated[float, Range(0, 1e6, without_low=True, without_high=True)] = 10.0
    noise: Annotated[float, Range(0, 1e6, without_high=True)] = 0.01
    road_fractions: Fractions = ROAD_FRACTIONS
    segments: Steps = 300
    compactness: Annotated[float, Range(0, 1e6, without_low=True, without_high=True)] = 10.0

    def __post_init__(self) -> None:
        check_ascending("perturbation.fractions", self.fractions)
        check_ascending("perturbation.road_fractions", self.road_fractions)

    def shares(self) -> tuple[float, ...]:
        """The shares of insertion and deletion, ascending to 1."""
        if self.fractions is not None:
            return (*self.fractions, 1.0)
        return tuple((np.arange(1, self.steps + 1) / self.steps).tolist())

    def length(self, order: Order, size: tuple[int, int]) -> int:
        """How many levels an order has, at most, in images of a size (height, width)."""
        match order:
            case "quantile" | "share":
                return len(self.shares())
            case "road" | "road_share":
                return len(self.road_fractions)
            case "rank":
                return self.flip_steps
            case "patch":
                return self.regions
            case "square":
                return -(-size[0] // self.patch) * -(-size[1] // self.patch)
            case "segment":
                return self.segments


class Perturbation(NamedTuple):
    """One series of changed images for a map: what is hidden how, the largest first or (`least`) the smallest."""

    order: Order
    fill: str
    direction: Literal["insertion", "deletion"]
    least: bool = False

    @property
    def total(self) -> bool:
        """Whether the last image is changed everywhere: it does not depend on the map then."""
        return self.order not in ("road", "road_share", "patch")


@dataclass
class ImageResponses:
    """The model's answers for one image while it is perturbed, until its curves are read."""

    inputs: Inputs
    settings: Settings
    index: int
    image: NDArray[Any]
    # By (perturbation, method): the share of changed pixels, p of the label and whether it is predicted, one per level.
    fraction: dict[tuple[Perturbation, str], NDArray[np.float64]] = field(default_factory=dict)
    found: dict[tuple[Perturbation, str], NDArray[np.float64]] = field(default_factory=dict)
    # "" is the original, a fill's name the image that is hidden everywhere.
    ends: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    # By (method, fill, what is hidden when): the series that shows these images.
    shown: dict[tuple[str, str, bytes], Perturbation] = field(default_factory=dict)
    # By (perturbation, method): the earlier series that shows the same images.
    same: dict[tuple[Perturbation, str], Perturbation] = field(default_factory=dict)

    def __repr__(self) -> str:
        image = "x".join(map(str, self.image.shape))
        return f"ImageResponses({shorten(self.inputs.ids[self.index], 80)}, {image}, {len(self.found)} series)"

    def _levels(self, order: Order, maps: NDArray[Any]) -> tuple[NDArray[np.uint16], int]:
        settings, threads = self.settings, self.inputs.num_threads
        match order:
            case "quantile":
                return orders.by_quantile(maps, settings.shares(), num_threads=threads)
            case "share":
                return orders.by_share(maps, settings.shares())
            case "road":
                return orders.by_quantile(maps, settings.road_fractions, num_threads=threads)
            case "road_share":
                return orders.by_share(maps, settings.road_fractions)
            case "rank":
                return orders.by_rank(maps, settings.flip_steps)
            case "patch":
                return orders.by_patch(maps, settings.patch, settings.regions)
            case "square":
                return orders.by_sum(maps, settings.patch)
            case "segment":
                return orders.by_segment(maps, _segments(self.image, settings))

    def _options(self) -> dict[str, Any]:
        seed = image_seed(self.inputs.seed, self.inputs.ids[self.index])
        return {"sigma": self.settings.sigma, "noise": self.settings.noise, "seed": seed}

    def end_images(self, perturbations: Sequence[Perturbation]) -> tuple[list[str], NDArray[Any]]:
        """The original and the images that are hidden everywhere, one per fill that needs one."""
        fills = list(dict.fromkeys(how.fill for how in perturbations if how.total))
        everywhere = np.ones(self.image.shape[:2], np.uint16)
        hidden = [kernels.reveal(self.image, everywhere, 1, FILLS[fill], **self._options()) for fill in fills]
        return ["", *fills], np.concatenate([self.image[None], *hidden])

    def changed(self, how: Perturbation, methods: Sequence[str]) -> Iterator[tuple[str, slice, NDArray[Any]]]:
        """`(method, levels, images)` between the two ends; notes the fractions, and series that show what others do."""
        maps = np.stack([self.inputs.maps[method][self.index] for method in methods])
        levels, n = self._levels(how.order, -maps if how.least else maps)
        fresh = []
        for number, (method, one) in enumerate(zip(methods, levels, strict=True)):
            counts = np.bincount(one.reshape(-1), minlength=n + 1)[: n + 1]
            self.fraction[how, method] = counts.cumsum() / one.size
            earlier = self._shown_by(how, method, one, n)
            if earlier == how:
                self.found[how, method] = np.full((n + 1, 2), np.nan)
                fresh.append(number)
            else:
                self.same[how, method] = earlier
        if not fresh:
            return
        methods, levels = [methods[number] for number in fresh], levels[fresh]
        batch = self.inputs.batch_size
        first, last = 1, n - 1 if how.total else n
        # The kernels have one thread for each map, which pays for fills that cost something.
        size = self.image.nbytes * (batch if how.fill in CHEAP else max(batch, len(methods) * (n + 1)))
        threads = self.inputs.num_threads
        for start, level, stack in kernels.reveal_chunks(
            self.image, levels, n + 1, FILLS[how.fill], max_bytes=size, direction=how.direction, num_threads=threads,
            **self._options(),
        ):  # fmt: skip
            inner = slice(max(first, level), min(last + 1, level + stack.shape[1]))
            if inner.start < inner.stop:
                for number, images in enumerate(stack[:, inner.start - level : inner.stop - level]):
                    yield methods[start + number], inner, images

    def _shown_by(self, how: Perturbation, method: str, levels: NDArray[np.uint16], n: int) -> Perturbation:
        """The first series of a map that shows the images of this one, which it may be itself.

        Insertion shows at step k what a deletion that hides the pixels in the opposite order shows at step n - k.
        """
        hidden = np.uint16(n + 1) - levels if how.direction == "insertion" else levels
        key = hashlib.blake2b(hidden.tobytes(), digest_size=16, salt=n.to_bytes(4, "little")).digest()
        return self.shown.setdefault((method, how.fill, key), how)

    def answers(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[n, 2]`: the response (`xaijax.metrics.answers`), and whether it is right; NaN where the model gave any."""
        read = self.inputs.answers(self.index)
        right = read.right(probabilities).astype(np.float64)
        result = np.stack([read.response(probabilities), right], axis=1)
        result[~np.isfinite(probabilities).all(axis=1)] = np.nan
        return result

    def curve(self, how: Perturbation, method: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`(fraction [n + 1], answers [n + 1, 2])`, both ends included."""
        owner = self.same.get((how, method), how)
        values = self.found[owner, method].copy()
        if owner.direction != how.direction:
            values = values[::-1]
        intact, hidden = (0, -1) if how.direction == "deletion" else (-1, 0)
        values[intact] = self.ends[""]
        if how.total or owner.total:
            values[hidden] = self.ends[how.fill]
        return self.fraction[how, method], values


def _segments(image: NDArray[Any], settings: Settings) -> NDArray[np.int64]:
    from skimage.segmentation import slic

    found = slic(image, n_segments=settings.segments, compactness=settings.compactness, start_label=0, channel_axis=-1)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)
