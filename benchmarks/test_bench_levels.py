"""Reveal levels against np.quantile and compare, and two threads against one.

OMP_NUM_THREADS=1 pytest benchmarks/test_bench_levels.py --benchmark-json benchmarks/results/levels.json
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xaijax import kernels

ROUNDS = {"rounds": 9, "iterations": 1, "warmup_rounds": 1}
FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)


def make_maps(kind):
    noise = np.random.default_rng(0).normal(size=(64, 224, 224))
    smooth = gaussian_filter(noise, (0, 8, 8))
    if kind == "smooth":
        return smooth.astype(np.float32)
    if kind == "relu":  # a class activation map: most of it is exactly zero
        return np.maximum(smooth - smooth.std(), 0).astype(np.float32)
    return np.abs(noise**3).astype(np.float32)  # a gradient map: heavy tails


@pytest.fixture(scope="module", params=["smooth", "relu", "heavy-tailed noise"])
def maps(request):
    return request.param, make_maps(request.param)


def quantile_and_compare(maps):
    levels = np.full(maps.shape, len(FRACTIONS) + 1, np.uint16)
    for i, map_ in enumerate(maps):
        for k in range(len(FRACTIONS) - 1, -1, -1):
            levels[i][map_ >= np.quantile(map_, 1 - FRACTIONS[k])] = k + 1
    return levels


def test_levels_peer(benchmark, maps):
    benchmark.group = f"reveal levels, 64 {maps[0]} maps 224x224, 13 fractions"
    benchmark.extra_info.update(role="peer", who=f"NumPy {np.__version__}")
    benchmark.pedantic(quantile_and_compare, (maps[1],), rounds=7, iterations=1)


def test_levels(benchmark, maps):
    benchmark.group = f"reveal levels, 64 {maps[0]} maps 224x224, 13 fractions"
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=10)
    np.testing.assert_array_equal(
        kernels.reveal_levels(maps[1], FRACTIONS, num_threads=1), quantile_and_compare(maps[1])
    )
    benchmark.pedantic(kernels.reveal_levels, (maps[1], FRACTIONS), {"num_threads": 1}, **ROUNDS)


@pytest.mark.parametrize("threads", [1, 2])
def test_levels_threads(benchmark, maps, threads):
    benchmark.group = f"reveal levels, 64 {maps[0]} maps 224x224, 13 fractions, 2 threads against 1"
    role, goal = ("ours", 1.8) if threads == 2 else ("peer", None)
    benchmark.extra_info.update(role=role, who=f"xaijax, {threads} thread{'s' * (threads > 1)}", goal=goal)
    one = kernels.reveal_levels(maps[1], FRACTIONS, num_threads=1)
    assert one.tobytes() == kernels.reveal_levels(maps[1], FRACTIONS, num_threads=threads).tobytes()
    benchmark.pedantic(kernels.reveal_levels, (maps[1], FRACTIONS), {"num_threads": threads}, **ROUNDS)
