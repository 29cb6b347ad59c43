"""The kernels that `xaijax profile --kernels` times: inputs by the side of the image, and every way to compute them."""

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from xaijax.metrics.pic_curve import FRACTIONS
from xaijax.profiling import references

NOISY = (0.1, 0.3, 0.5)


@dataclasses.dataclass(frozen=True)
class Case:
    """A kernel.

    Attributes:
        name: of it, as --kernel takes it; that of the FFI target comes first where they differ.
        what: the inputs in words.
        inputs: side -> arrays.
        native: `(*arrays, num_threads=...)`, our face; with JAX arrays it is the FFI call.
        items: images or maps in the inputs.
        others: {backend: (*arrays)}, "numpy" and "jax".
        away: largest share of values that may differ from ours by more than rounding, of "numpy" alone.
        threaded: whether `native` takes num_threads.
    """

    name: str
    target: str
    what: str
    inputs: Callable[[int], tuple[np.ndarray, ...]]
    native: Callable[..., Any]
    items: int
    others: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    away: float = 0.0


@functools.cache
def smooth(count: int, side: int, seed: int = 0) -> np.ndarray:
    """`[count, side, side]` float32 smooth noise, standard deviation 1."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal((count, side, side))
    values = gaussian_filter(noise, (0, side / 28, side / 28))
    return np.ascontiguousarray(values / values.std(), np.float32)


@functools.cache
def pictures(count: int, side: int) -> np.ndarray:
    """`[count, side, side, 3]` uint8: smooth structure, a little texture, a dark background as in a scan."""
    rng = np.random.default_rng(1)
    values = smooth(3 * count, side, 1).reshape(count, 3, side, side).transpose(0, 2, 3, 1)
    values = 0.4 + 0.2 * values + 0.02 * rng.standard_normal(values.shape)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    return np.ascontiguousarray(np.rint(255 * np.clip(values, 0, 1) * (x**2 + y**2 < 1)[..., None]), np.uint8)


def _levels(side: int, fractions: tuple[float, ...], count: int) -> np.ndarray:
    from xaijax import kernels

    always = np.stack([kernels.random_mask((side, side), 0.01, seed) for seed in range(count)])
    return kernels.reveal_levels(smooth(count, side), fractions, always)


def _blocks(side: int) -> np.ndarray:
    """`[M, side, side]` bool: squares of three sizes, as segments of three scales."""
    masks = []
    for parts in (2, 4, 8):
        edges = np.linspace(0, side, parts + 1).astype(int)
        for i, j in np.ndindex(parts, parts):
            mask = np.zeros((side, side), bool)
            mask[edges[i] : edges[i + 1], edges[j] : edges[j + 1]] = True
            masks.append(mask)
    return np.stack(masks)


def cases() -> list[Case]:
    """All of them."""
    from xaijax import kernels

    def entropy(images: Any, **more: Any) -> Any:
        return kernels.histogram_entropy(images, **more)

    def mutual(images: Any, originals: Any, **more: Any) -> Any:
        return kernels.mutual_information(images, originals, 64, **more)

    def levels(maps: Any, **more: Any) -> Any:
        return kernels.reveal_levels(maps, FRACTIONS, **more)

    def linear(image: Any, levels: Any, **more: Any) -> Any:
        return kernels.reveal(image, levels, len(FRACTIONS) + 1, **more)

    def noisy(image: Any, levels: Any, **more: Any) -> Any:
        return kernels.reveal(image, levels, len(NOISY) + 1, "noisy_linear", noise=0.0, **more)

    def top_k(maps: Any, **more: Any) -> Any:
        return kernels.top_k_threshold(maps, 10.0, **more)

    def ebayes(maps: Any, **more: Any) -> Any:
        return kernels.ebayes_threshold(maps, **more)

    def regions(attribution: Any, masks: Any, **more: Any) -> Any:
        return kernels.rank_regions(attribution, masks, **more).maps

    def precision(maps: Any, masks: Any, **more: Any) -> Any:
        return kernels.localization_scores(maps, masks, scores=("average_precision",), **more).values[
            "average_precision"
        ]

    def similar(a: Any, b: Any, **more: Any) -> Any:
        return kernels.similarity(a, b, measure="spearman", **more)["spearman"]

    def each(fill: Callable[..., np.ndarray], count: int) -> Callable[..., np.ndarray]:
        return lambda image, levels: np.stack([fill(image, own, count) for own in levels])

    return [
        Case(
            "histogram_entropy",
            "histogram_entropy",
            "8 RGB images, uint8",
            lambda side: (pictures(8, side),),
            entropy,
            8,
            {"numpy": references.entropy, "jax": references.entropy_jax},
        ),
        Case(
            "mutual_information",
            "mutual_information",
            "8 RGB images with another, uint8",
            lambda side: (pictures(8, side), np.ascontiguousarray(pictures(8, side)[::-1])),
            mutual,
            8,
            {"numpy": references.mutual_information},
        ),
        Case(
            "reveal_levels",
            "reveal_levels",
            "8 smooth maps, 13 fractions",
            lambda side: (smooth(8, side),),
            levels,
            8,
            {
                "numpy": functools.partial(references.reveal_levels, fractions=FRACTIONS),
                "jax": functools.partial(references.reveal_levels_jax, fractions=FRACTIONS),
            },
        ),
        Case(
            "linear_fill",
            "reveal",
            "one RGB image uint8, 4 smooth maps, 14 images each",
            lambda side: (pictures(1, side)[0], _levels(side, FRACTIONS, 4)),
            linear,
            4,
            {"numpy": each(references.linear_fill, len(FRACTIONS) + 1)},
            away=0.1,  # SciPy picks a diagonal where we take the whole cell
        ),
        Case(
            "noisy_linear_fill",
            "reveal",
            "one RGB image uint8, 2 smooth maps, 4 images each (1, 10, 30 and 50 % known)",
            lambda side: (pictures(1, side)[0], _levels(side, NOISY, 2)),
            noisy,
            2,
            {"numpy": each(references.noisy_linear_fill, len(NOISY) + 1)},
        ),
        Case(
            "top_k_threshold",
            "top_k_threshold",
            "8 smooth maps, 10 %",
            lambda side: (smooth(8, side),),
            top_k,
            8,
            {
                "numpy": functools.partial(references.top_k, percent=10.0),
                "jax": functools.partial(references.top_k_jax, percent=10.0),
            },
        ),
        Case("ebayes_threshold", "ebayes_threshold", "8 smooth maps", lambda side: (smooth(8, side),), ebayes, 8),
        Case(
            "rank_regions",
            "rank_regions",
            "4 smooth maps, 84 masks each",
            lambda side: (smooth(4, side), np.broadcast_to(_blocks(side), (4, 84, side, side)).copy()),
            regions,
            4,
        ),
        Case(
            "average_precision",
            "localization_scores",
            "8 smooth maps with masks",
            lambda side: (smooth(8, side), smooth(8, side, 1) > 1),
            precision,
            8,
            {"numpy": references.average_precision},
        ),
        Case(
            "spearman",
            "similarity",
            "8 pairs of smooth maps",
            lambda side: (smooth(8, side), smooth(8, side, 1)),
            similar,
            8,
        ),
    ]


@contextmanager
def forced(backend: str) -> Iterator[None]:
    """The kernels' backend for the calls inside."""
    before = os.environ.get("XAIJAX_BACKEND")
    os.environ["XAIJAX_BACKEND"] = backend
    try:
        yield
    finally:
        if before is None:
            del os.environ["XAIJAX_BACKEND"]
        else:
            os.environ["XAIJAX_BACKEND"] = before


def ways(case: Case, arrays: tuple[np.ndarray, ...], threads: tuple[int, ...]) -> dict[tuple[str, int], Callable]:
    """`{(backend, threads; 0 for what it takes by itself): call}`."""
    import jax

    from xaijax import kernels

    found: dict[tuple[str, int], Callable[[], Any]] = {}
    info = kernels.build_info()
    if info["compiler"] is not None:
        for count in threads:
            found["C++", count] = functools.partial(case.native, *arrays, num_threads=count)
        on_device = [jax.device_put(array) for array in arrays]
        compiled = jax.jit(lambda *a: case.native(*a))
        name = "CUDA in jit" if jax.default_backend() == "gpu" and info["cuda"] else "C++ in jit"
        if jax.default_backend() == "cpu" or info["cuda"]:
            found[name, 0] = lambda: jax.block_until_ready(compiled(*on_device))

    def numba() -> Any:
        with forced("numba"):
            return case.native(*arrays, num_threads=1)

    found["numba", 1] = numba
    if "numpy" in case.others:
        found["NumPy, SciPy", 1] = functools.partial(case.others["numpy"], *arrays)
    if "jax" in case.others:
        plain, placed = jax.jit(case.others["jax"]), [jax.device_put(array) for array in arrays]
        found["plain JAX", 0] = lambda: jax.block_until_ready(plain(*placed))
    return found
