"""The rows of the kernels' speed table: inputs, both sides, and the proof that they agree.

A case makes its inputs and returns a `Trial`. Timed functions return the seconds they took; everything of ours runs on
one thread unless the case is about threads.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Protocol

import kernel_peers as peers
import numpy as np
from scipy.ndimage import gaussian_filter

from xaijax import kernels
from xaijax.metrics.pic_curve import FRACTIONS

STEPS = len(FRACTIONS)
SCORES = ("average_precision", "iou", "pointing_game", "energy")
Timed = Callable[[], float]


class Worker(Protocol):
    """PAIR in its own interpreter."""

    def store(self, **arrays: Any) -> str: ...
    def call(self, name: str, inputs: str) -> float: ...
    def result(self, name: str, inputs: str) -> list[np.ndarray]: ...


@dataclass
class Trial:
    """Ours and the peers, timed interleaved after `check` has passed."""

    ours: Timed
    peers: dict[str, Timed]
    check: Callable[[], None]
    who: str = "1 thread"
    cores: Callable[[], float] | None = None  # how many the machine gives two threads: rounds with fewer do not count


@dataclass(frozen=True)
class Case:
    key: str
    title: str
    goal: float
    make: Callable[[Worker], Trial]
    rounds: int = 9
    ours_per_round: int = 3
    needs_pair: bool = field(default=False, kw_only=True)


def timed(function: Callable[..., Any], *args: Any, **options: Any) -> Timed:
    def run() -> float:
        start = time.perf_counter()
        function(*args, **options)
        return time.perf_counter() - start

    return run


# Inputs: made once, the same in every run.


@cache
def pictures(count: int = 64) -> np.ndarray:
    """`[count, 224, 224, 3]` in [0, 1]: smooth structure, texture and a dark background, as in a scan."""
    noise = np.random.default_rng(0).normal(size=(count, 224, 224, 3)).astype(np.float32)
    smooth = gaussian_filter(noise, (0, 8, 8, 0))
    values = np.clip(0.4 + 0.2 * (smooth / smooth.std() + 0.1 * noise), 0, 1)
    y, x = np.mgrid[-1:1:224j, -1:1:224j]
    return np.ascontiguousarray(values * (x**2 + y**2 < 1)[..., None], dtype=np.float32)


def images_of(dtype: str) -> np.ndarray:
    return np.rint(255 * pictures()).astype(np.uint8) if dtype == "uint8" else pictures()


@cache
def maps_of(kind: str) -> np.ndarray:
    """64 maps `[64, 224, 224]` float32."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 224, 224))
    smooth = gaussian_filter(noise, (0, 8, 8))
    values = {
        "smooth": lambda: smooth,
        "ReLU": lambda: np.maximum(smooth - smooth.std(), 0),  # a class activation map: most of it exactly zero
        "heavy-tailed": lambda: rng.standard_t(4, size=noise.shape),  # a gradient map
        # A blurred field over noise of a tenth of its spread: both maps have a tail to keep.
        "peaked": lambda: np.maximum(smooth / smooth.std(), 0.5) ** 3 + 0.1 * rng.standard_t(4, size=noise.shape),
    }[kind]()
    return np.ascontiguousarray(values, dtype=np.float32)


@cache
def ellipses() -> np.ndarray:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:224, :224]
    centre, radius = rng.uniform(40, 180, (64, 2)), rng.uniform(15, 45, (64, 2))
    pairs = zip(centre, radius, strict=True)
    return np.stack([((y - c[0]) / r[0]) ** 2 + ((x - c[1]) / r[1]) ** 2 < 1 for c, r in pairs])


@cache
def fill_problem(side: int, kind: str, maps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """An image `[side, side, 3]` and levels: 13 fractions and a random 1 % known from the start."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    scores = rng.normal(size=(maps, side, side)).astype(np.float32)
    if kind == "smooth":
        scores = gaussian_filter(scores, (0, 8, 8))
    always = np.stack([kernels.random_mask((side, side), 0.01, seed) for seed in range(maps)])
    return image, kernels.reveal_levels(scores, FRACTIONS, always=always)


@cache
def rebuilt() -> tuple[np.ndarray, np.ndarray]:
    """8 originals `[8, 1, 224, 224, 3]` and the 13 images rebuilt from each."""
    originals = images_of("uint8")[:8]
    levels = kernels.reveal_levels(maps_of("smooth")[:8], FRACTIONS, kernels.random_mask((224, 224), 0.01, seed=0))
    images = kernels.reveal(originals, levels, STEPS + 1)[:, 1:]
    return np.ascontiguousarray(images), originals[:, None]


@cache
def segments() -> np.ndarray:
    """The masks XRAI would take: Felzenszwalb at six scales, dilated by a disk of 5."""
    from skimage.morphology import dilation, disk
    from skimage.segmentation import felzenszwalb

    image = gaussian_filter(np.random.default_rng(0).random((224, 224, 3)), (6, 6, 0))
    image = 2 * (image - image.min()) / (image.max() - image.min()) - 1
    masks = []
    for scale in (50, 100, 150, 250, 500, 1200):
        labels = felzenszwalb(image, scale=scale, sigma=0.8, min_size=150)
        masks += [dilation(labels == label, disk(5)) for label in range(labels.max() + 1)]
    return np.array(masks)


@cache
def attributions() -> np.ndarray:
    return gaussian_filter(np.random.default_rng(0).normal(size=(64, 224, 224)), (0, 2, 2)).astype(np.float32)


# Cases against peers.


def fills(side: int, kind: str, worker: Worker) -> Trial:
    """The two differ by definition where four or more known pixels share an empty circle: SciPy picks a diagonal. So
    they are compared on a plane, which both must reproduce exactly, and the difference on noise is bounded."""
    image, levels = fill_problem(side, kind)
    steps = np.arange(1, STEPS + 1)
    inputs = worker.store(image=image, levels=levels[0], steps=steps)

    def check() -> None:
        some = steps if side <= 256 else steps[[2, 5]]
        y, x = np.mgrid[:side, :side]
        # Over more than 256 pixels only a constant is a plane of bytes.
        plane = np.stack([x, y, 255 - x] if side <= 256 else [x * 0 + 7, x * 0 + 128, x * 0 + 255], axis=-1)
        plane = plane.astype(np.uint8)
        for picture, most in ((plane, 0.0), (image, 0.1)):
            of = worker.store(image=picture, levels=levels[0], steps=some)
            theirs = worker.result("pair_fills", of)[0]
            mine = kernels.reveal(picture, levels[0], STEPS + 1, num_threads=1)[some]
            away = np.abs(mine.astype(int) - theirs.astype(int))
            assert (away > (1 if most else 0)).mean() <= most, (side, kind, (away > 1).mean())

    ours = timed(kernels.reveal, image, levels[0], STEPS + 1, num_threads=1)
    return Trial(ours, {"PAIR create_blurred_image": partial(worker.call, "pair_fills", inputs)}, check)


def entropy(dtype: str, worker: Worker) -> Trial:
    images = images_of(dtype)

    def check() -> None:
        found = kernels.histogram_entropy(images, num_threads=1)
        np.testing.assert_allclose(found, peers.entropy(images), rtol=0, atol=1e-12)

    peer = {"np.histogram + scipy.stats.entropy": timed(peers.entropy, images)}
    return Trial(timed(kernels.histogram_entropy, images, num_threads=1), peer, check)


def mutual_information(worker: Worker) -> Trial:
    images, originals = rebuilt()

    def check() -> None:
        found = kernels.mutual_information(images, originals, num_threads=1)
        np.testing.assert_allclose(found, peers.mutual_information(images, originals), rtol=0, atol=1e-12)

    peer = {"np.histogram2d + NumPy": timed(peers.mutual_information, images, originals)}
    return Trial(timed(kernels.mutual_information, images, originals, num_threads=1), peer, check)


def levels(kind: str, worker: Worker) -> Trial:
    maps = maps_of(kind)

    def check() -> None:
        found = kernels.reveal_levels(maps, FRACTIONS, num_threads=1)
        np.testing.assert_array_equal(found, peers.reveal_levels(maps, FRACTIONS, at_once=False))
        # With an array of fractions NumPy interpolates float32 maps in float64: now and then another pixel is equal.
        assert (found != peers.reveal_levels(maps, FRACTIONS, at_once=True)).mean() < 1e-5

    named = {"np.quantile for each fraction, and compare": False, "one np.quantile for all, and compare": True}
    peer = {name: timed(peers.reveal_levels, maps, FRACTIONS, at_once=once) for name, once in named.items()}
    return Trial(timed(kernels.reveal_levels, maps, FRACTIONS, num_threads=1), peer, check)


def top_k(kind: str, worker: Worker) -> Trial:
    maps = maps_of(kind)
    named = {
        "np.quantile": peers.top_k_by_quantile,
        "np.sort": peers.top_k_by_sorting,
        "np.partition": peers.top_k_by_partition,
    }

    def check() -> None:
        found = kernels.top_k_threshold(maps, 10.0, num_threads=1)
        for peer in (peers.top_k_by_sorting, peers.top_k_by_partition):
            np.testing.assert_array_equal(found, peer(maps, 10.0))
        # np.quantile rounds the rank: a pixel more or less.
        by_quantile = peers.top_k_by_quantile(maps, 10.0)
        assert np.abs(np.count_nonzero(found, (1, 2)) - np.count_nonzero(by_quantile, (1, 2))).max() <= 1

    peer = {name: timed(function, maps, 10.0) for name, function in named.items()}
    return Trial(timed(kernels.top_k_threshold, maps, 10.0, num_threads=1), peer, check)


def ebayes(kind: str, worker: Worker) -> Trial:
    maps = maps_of(kind)

    def check() -> None:
        found = kernels.ebayes_threshold(maps, num_threads=1)
        np.testing.assert_allclose(found, peers.ebayes_threshold(maps), rtol=1e-5, atol=1e-6)
        assert 0.001 < np.mean(found != 0) < 0.9

    peer = {"NumPy + SciPy": timed(peers.ebayes_threshold, maps)}
    return Trial(timed(kernels.ebayes_threshold, maps, num_threads=1), peer, check)


def xrai(worker: Worker) -> Trial:
    attribution, masks = attributions()[0], segments()
    inputs = worker.store(attribution=attribution, masks=masks)

    def check() -> None:
        found = kernels.rank_regions(attribution, masks, num_threads=1)
        maps, ranks = worker.result("pair_xrai", inputs)
        np.testing.assert_array_equal(found.maps, maps)
        np.testing.assert_array_equal(found.ranks, ranks)

    peer = {"PAIR XRAI": partial(worker.call, "pair_xrai", inputs)}
    return Trial(timed(kernels.rank_regions, attribution, masks, num_threads=1), peer, check)


def localization(kind: str, worker: Worker) -> Trial:
    maps, masks = maps_of(kind), ellipses()

    def check() -> None:
        found = kernels.localization_scores(maps, masks, scores=SCORES, num_threads=1).values
        for name, expected in peers.localization(maps, masks).items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-5)

    peer = {"scikit-learn + NumPy": timed(peers.localization, maps, masks)}
    return Trial(timed(kernels.localization_scores, maps, masks, scores=SCORES, num_threads=1), peer, check)


# Two threads against one.


def arrays_of(found: Any) -> list[np.ndarray]:
    if isinstance(found, np.ndarray):
        return [found]
    if hasattr(found, "values") and isinstance(found.values, dict):
        return list(found.values.values())
    return list(found)


def two_threads(call: Callable[[], Callable[..., Any]], worker: Worker) -> Trial:
    function = call()

    def check() -> None:
        one, two = (arrays_of(function(num_threads=n)) for n in (1, 2))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))

    peer = {"1 thread": timed(function, num_threads=1)}
    return Trial(timed(function, num_threads=2), peer, check, "2 threads", two_cores())


@cache
def two_cores() -> Callable[[], float]:
    """A function that tells how many times as fast two threads do what the machine alone decides.

    A loop over 16 KiB that keeps the processor's units busy. (A chain of multiplications does not: two threads that
    share a core run two of them as fast as one.)
    """
    from concurrent.futures import ThreadPoolExecutor

    import numba

    @numba.njit(nogil=True)
    def loop(numbers: np.ndarray, turns: int) -> int:
        total = np.uint64(0)
        for turn in range(turns):
            for number in numbers:
                total += number ^ np.uint64(turn)
        return total

    pool = ThreadPoolExecutor(2)
    numbers = np.arange(2048, dtype=np.uint64)
    turns = 16_000

    def seconds(threads: int) -> float:
        start = time.perf_counter()
        list(pool.map(loop, [numbers] * threads, [turns // threads] * threads))
        return time.perf_counter() - start

    seconds(2)
    return lambda: seconds(1) / seconds(2)


BATCHES: dict[str, Callable[[], Callable[..., Any]]] = {
    "13 linear fills of 64 smooth maps": lambda: partial(kernels.reveal, *fill_problem(224, "smooth", 64), STEPS + 1),
    "entropy of 64 uint8 images": lambda: partial(kernels.histogram_entropy, images_of("uint8")),
    "entropy of 64 float32 images": lambda: partial(kernels.histogram_entropy, images_of("float32")),
    "mutual information of 8 x 13 uint8 images": lambda: partial(kernels.mutual_information, *rebuilt()),
    "reveal levels of 64 maps": lambda: partial(kernels.reveal_levels, maps_of("smooth"), FRACTIONS),
    "ebayes_threshold of 64 maps": lambda: partial(kernels.ebayes_threshold, maps_of("heavy-tailed")),
    "top_k_threshold of 64 maps": lambda: partial(kernels.top_k_threshold, maps_of("heavy-tailed"), 10.0),
    "XRAI regions of 64 maps, one set of masks": lambda: partial(kernels.rank_regions, attributions(), segments()),
    "14 localization scores of 64 pairs": lambda: partial(kernels.localization_scores, maps_of("smooth"), ellipses()),
}

CASES: list[Case] = [
    *(
        Case(
            f"fills-{side}-{kind}",
            f"13 linear fills, {side}x{side}x3 uint8, {kind} map",
            goal,
            partial(fills, side, kind),
            rounds=7,
            ours_per_round=5,
            needs_pair=True,
        )
        for side, kind, goal in ((224, "smooth", 600), (224, "noise", 250), (512, "smooth", 400))
    ),
    *(
        Case(f"entropy-{dtype}", f"Shannon entropy, 64 images 224x224x3 {dtype}", goal, partial(entropy, dtype), 11)
        for dtype, goal in (("uint8", 40), ("float32", 15))
    ),
    Case("mutual", "mutual information, 13 rebuilt images of each of 8, 224x224x3 uint8", 40, mutual_information, 7, 5),
    *(
        Case(f"levels-{kind}", f"reveal levels, 64 {kind} maps 224x224, 13 fractions", 10, partial(levels, kind))
        for kind in ("smooth", "ReLU", "heavy-tailed")
    ),
    *(
        Case(f"ebayes-{kind}", f"EbayesThresh, 64 {kind} maps 224x224", 10, partial(ebayes, kind))
        for kind in ("heavy-tailed", "peaked")
    ),
    *(
        Case(f"top-k-{kind}", f"top 10 %, 64 {kind} maps 224x224", 10, partial(top_k, kind), 15)
        for kind in ("heavy-tailed", "peaked")
    ),
    Case("xrai", "XRAI full, 154 masks of 224x224", 100, xrai, 11, needs_pair=True),
    *(
        Case(f"localization-{kind}", f"AP + IoU + pointing + energy, 64 {kind} maps", 10, partial(localization, kind))
        for kind in ("smooth", "heavy-tailed")
    ),
    *(
        Case(f"threads-{i}", title, 1.8, partial(two_threads, call), 9)
        for i, (title, call) in enumerate(BATCHES.items())
    ),
]
