"""Thresholds of 64 maps at 224x224 against the same in NumPy and SciPy, and threads against one thread.

NumPy's `partition` is itself compiled and vectorised (AVX-512 where there is one), and the result alone is 13 MB of
fresh memory, so top-k has little room above it; sorting and quantiles are what programs usually call.
"""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax.kernels import ebayes_threshold, top_k_threshold
from xaijax.kernels._numba import threshold as plain

MAPS, SIDE = 64, 224


@pytest.fixture(scope="module", params=["smooth", "noise"])
def case(request: pytest.FixtureRequest) -> tuple[str, np.ndarray]:
    """Noise, or a blurred field with noise of a tenth of its spread; both have a tail to keep."""
    rng = np.random.default_rng(0)
    maps = rng.standard_t(4, size=(MAPS, SIDE, SIDE))
    if request.param == "smooth":
        field = gaussian_filter(rng.normal(size=maps.shape), (0, 8, 8))
        maps = np.maximum(field / field.std(), 0.5) ** 3 + 0.1 * maps
    return request.param, maps.astype(np.float32)


def top_k_by_quantile(maps: np.ndarray, percent: float) -> np.ndarray:
    least = np.quantile(maps.reshape(MAPS, -1), 1 - percent / 100, axis=1, method="higher")
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def top_k_by_sorting(maps: np.ndarray, percent: float) -> np.ndarray:
    k = int(np.ceil(maps[0].size * percent / 100))
    least = np.sort(maps.reshape(MAPS, -1), axis=1)[:, -k]
    return np.where(maps >= least[:, None, None], maps, np.float32(0))


def top_k_by_partition(maps: np.ndarray, percent: float) -> np.ndarray:
    return plain.top_k_threshold(maps, percent)[0]


def ebayes_by_scipy(maps: np.ndarray) -> np.ndarray:
    options = {"prior": 0, "a": 0.5, "fit_scale": False, "sd": 0.0, "rule": 0, "universal_floor": True}
    return plain.ebayes_threshold(maps, **options)[0]


PEERS = {
    "NumPy quantile": top_k_by_quantile,
    "NumPy sort": top_k_by_sorting,
    "NumPy partition": top_k_by_partition,
}


def test_top_k(benchmark: Any, case: tuple[str, np.ndarray]) -> None:
    kind, maps = case
    benchmark.group = f"top_k_threshold, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=10)
    found = top_k_threshold(maps, 10.0, num_threads=1)
    for peer in (top_k_by_sorting, top_k_by_partition):
        np.testing.assert_array_equal(found, peer(maps, 10.0))
    benchmark.pedantic(top_k_threshold, (maps, 10.0), {"num_threads": 1}, rounds=15, warmup_rounds=2)


@pytest.mark.parametrize("peer", PEERS)
def test_top_k_peer(benchmark: Any, case: tuple[str, np.ndarray], peer: str) -> None:
    kind, maps = case
    benchmark.group = f"top_k_threshold, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="peer", who=peer)
    benchmark.pedantic(PEERS[peer], (maps, 10.0), rounds=9, warmup_rounds=1)


def test_ebayes(benchmark: Any, case: tuple[str, np.ndarray]) -> None:
    kind, maps = case
    benchmark.group = f"ebayes_threshold, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=10)
    found = ebayes_threshold(maps[:4], num_threads=1)
    np.testing.assert_allclose(found, ebayes_by_scipy(maps[:4]), rtol=1e-6, atol=1e-7)
    assert 0.001 < np.mean(found != 0) < 0.9
    benchmark.pedantic(ebayes_threshold, (maps,), {"num_threads": 1}, rounds=9, warmup_rounds=1)


def test_ebayes_peer(benchmark: Any, case: tuple[str, np.ndarray]) -> None:
    kind, maps = case
    benchmark.group = f"ebayes_threshold, 64 x 224 x 224, {kind}"
    benchmark.extra_info.update(role="peer", who="NumPy + SciPy")
    benchmark.pedantic(ebayes_by_scipy, (maps,), rounds=7)


@pytest.mark.parametrize("threads", [1, 2])
def test_ebayes_by_threads(benchmark: Any, case: tuple[str, np.ndarray], threads: int) -> None:
    kind, maps = case
    benchmark.group = f"ebayes_threshold, 64 x 224 x 224, {kind}, 2 threads"
    benchmark.extra_info.update(role="ours" if threads == 2 else "peer", who=f"xaijax, {threads} threads", goal=1.8)
    benchmark.pedantic(ebayes_threshold, (maps,), {"num_threads": threads}, rounds=9, warmup_rounds=1)
