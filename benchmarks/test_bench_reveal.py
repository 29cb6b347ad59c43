"""Linear reveal against PAIR's `create_blurred_image`, which calls SciPy's `griddata` per fraction and channel.

The two differ by definition where four or more known pixels share an empty circle: SciPy picks a diagonal. Agreement is
therefore asserted on a plane, which both must reproduce exactly, and bounded on noise.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax import kernels

FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
CASES = [(224, "smooth", 600), (224, "noise", 250), (512, "smooth", 400)]


@pytest.fixture(scope="module")
def pair() -> Callable[..., np.ndarray]:
    """PAIR's function; it still calls `np.trapz`, which NumPy 2.4 no longer has."""
    vars(np).setdefault("trapz", np.trapezoid)
    pic = pytest.importorskip("saliency.metrics.pic", reason="the peer needs `pip install saliency==0.2.1`")
    return pic.create_blurred_image  # type: ignore[no-any-return]


def problem(side: int, kind: str, maps: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """An image `[side, side, 3]` and the levels of `maps` maps: 13 fractions and a random 1 % known from the start."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    scores = rng.normal(size=(maps, side, side)).astype(np.float32)
    if kind == "smooth":
        scores = gaussian_filter(scores, (0, 8, 8))
    always = np.stack([kernels.random_mask((side, side), 0.01, seed) for seed in range(maps)])
    return image, kernels.reveal_levels(scores, FRACTIONS, always=always)


def run_pair(pair: Callable[..., np.ndarray], image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.stack([pair(image, levels <= i) for i in range(1, len(FRACTIONS) + 1)])


def run_ours(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return kernels.reveal(image, levels, len(FRACTIONS) + 1, num_threads=1)


@pytest.mark.parametrize(("side", "kind", "goal"), CASES)
@pytest.mark.parametrize("who", ["xaijax", "PAIR saliency 0.2.1"])
def test_thirteen_linear_fills(benchmark: Any, pair: Any, side: int, kind: str, goal: int, who: str) -> None:
    benchmark.group = f"13 linear fills, {side}x{side}x3 uint8, {kind} map, 1 thread"
    image, levels = problem(side, kind)
    if who == "xaijax":
        if side == 224:  # once is enough, and the peer takes its time
            y, x = np.mgrid[:side, :side]
            plane = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
            np.testing.assert_array_equal(run_ours(plane, levels[0])[1:], run_pair(pair, plane, levels[0]))
            moved = np.abs(run_ours(image, levels[0])[1:].astype(int) - run_pair(pair, image, levels[0])) > 1
            assert moved.mean() < 0.1
        benchmark.extra_info.update(role="ours", who=who, goal=goal)
        benchmark.pedantic(run_ours, (image, levels[0]), rounds=15, warmup_rounds=2)
    else:
        benchmark.extra_info.update(role="peer", who=who)
        benchmark.pedantic(run_pair, (pair, image, levels[0]), rounds=7, warmup_rounds=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_over_a_batch(benchmark: Any, threads: int) -> None:
    benchmark.group = "13 linear fills of 64 maps of one image, 224x224x3 uint8, 2 threads against 1"
    image, levels = problem(224, "smooth", maps=64)
    one = kernels.reveal(image, levels, 14, num_threads=1)
    assert one.tobytes() == kernels.reveal(image, levels, 14, num_threads=2).tobytes()
    role = {"role": "ours", "goal": 1.8} if threads == 2 else {"role": "peer"}
    benchmark.extra_info.update(role, who=f"xaijax, {threads} thread{'s' if threads > 1 else ''}")
    benchmark.pedantic(kernels.reveal, (image, levels, 14), {"num_threads": threads}, rounds=7, warmup_rounds=1)


@pytest.mark.parametrize("shared", [True, False])
def test_shared_first_level(benchmark: Any, shared: bool) -> None:
    """Maps of one image with one random mask start from one triangulation; with a mask each they cannot."""
    benchmark.group = "13 linear fills of 16 maps of one image, 224x224x3 uint8, one random mask against one each"
    image, levels = problem(224, "smooth", maps=16)
    if shared:
        always = levels[0] == 0
        levels = np.where(always, np.uint16(0), np.maximum(levels, np.uint16(1)))
    benchmark.extra_info.update(
        role="ours" if shared else "peer", who=f"xaijax, {'one mask' if shared else 'a mask each'}"
    )
    benchmark.pedantic(kernels.reveal, (image, levels, 14), {"num_threads": 1}, rounds=7, warmup_rounds=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_dtypes(benchmark: Any, dtype: str) -> None:
    benchmark.group = "13 linear fills, 224x224x3, noise map, by dtype"
    image, levels = problem(224, "noise")
    benchmark.pedantic(run_ours, (image.astype(dtype), levels[0]), rounds=7, warmup_rounds=1)
