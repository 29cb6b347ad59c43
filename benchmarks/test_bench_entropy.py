"""Shannon entropy and mutual information against NumPy and SciPy, and two threads against one.

OMP_NUM_THREADS=1 pytest benchmarks/test_bench_entropy.py --benchmark-json benchmarks/results/entropy.json
"""

import numpy as np
import pytest
import scipy
import scipy.stats
from scipy.ndimage import gaussian_filter

from xaijax import kernels

ROUNDS = {"rounds": 9, "iterations": 1, "warmup_rounds": 1}
PEER = f"NumPy {np.__version__}, SciPy {scipy.__version__}"
FRACTIONS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
THREADS = (1, 2)


@pytest.fixture(scope="module")
def pictures():
    """64 images [224, 224, 3] in [0, 1]: smooth structure, texture and a dark background, as in a scan."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 224, 224, 3)).astype(np.float32)
    smooth = gaussian_filter(noise, (0, 8, 8, 0))
    values = smooth / smooth.std() + 0.1 * noise
    values = np.clip(0.4 + 0.2 * values, 0, 1)
    y, x = np.mgrid[-1:1:224j, -1:1:224j]
    return np.ascontiguousarray(values * (x**2 + y**2 < 1)[..., None], dtype=np.float32)


@pytest.fixture(scope="module", params=["uint8", "float32"])
def images(request, pictures):
    return pictures if request.param == "float32" else np.rint(255 * pictures).astype(np.uint8)


def entropy_of_each(images):
    return np.array([scipy.stats.entropy(np.histogram(image, 256)[0], base=2) for image in images])


def test_entropy_peer(benchmark, images):
    benchmark.group = f"Shannon entropy, 64 images 224x224x3 {images.dtype}"
    benchmark.extra_info.update(role="peer", who=PEER)
    benchmark.pedantic(entropy_of_each, (images,), **ROUNDS)


def test_entropy(benchmark, images):
    benchmark.group = f"Shannon entropy, 64 images 224x224x3 {images.dtype}"
    goal = 40 if images.dtype == np.uint8 else 15
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=goal)
    np.testing.assert_allclose(
        kernels.histogram_entropy(images, num_threads=1), entropy_of_each(images), rtol=0, atol=1e-12
    )
    benchmark.pedantic(kernels.histogram_entropy, (images,), {"num_threads": 1}, **ROUNDS)


@pytest.mark.parametrize("threads", THREADS)
def test_entropy_threads(benchmark, images, threads):
    benchmark.group = f"Shannon entropy, 64 images 224x224x3 {images.dtype}, 2 threads against 1"
    role, goal = ("ours", 1.8) if threads == 2 else ("peer", None)
    benchmark.extra_info.update(role=role, who=f"xaijax, {threads} thread{'s' * (threads > 1)}", goal=goal)
    one = kernels.histogram_entropy(images, num_threads=1)
    assert one.tobytes() == kernels.histogram_entropy(images, num_threads=threads).tobytes()
    benchmark.pedantic(kernels.histogram_entropy, (images,), {"num_threads": threads}, **ROUNDS)


@pytest.fixture(scope="module")
def rebuilt(pictures):
    """8 originals [8, 1, 224, 224, 3] and their 13 rebuilt images [8, 13, 224, 224, 3], uint8."""
    originals = np.rint(255 * pictures[:8]).astype(np.uint8)
    rng = np.random.default_rng(1)
    maps = gaussian_filter(rng.normal(size=(8, 224, 224)), (0, 8, 8)).astype(np.float32)
    known = kernels.random_mask((224, 224), 0.01, seed=0)
    levels = kernels.reveal_levels(maps, FRACTIONS, known)
    images = kernels.reveal(originals, levels, len(FRACTIONS) + 1)[:, 1:]
    return np.ascontiguousarray(images), originals[:, None]


def information_of_each(images, references):
    bits = np.empty(images.shape[:2])
    for i, j in np.ndindex(*bits.shape):
        total = 0.0
        for c in range(3):
            x, y = references[i, 0, ..., c].ravel(), images[i, j, ..., c].ravel()
            limits = [[float(x.min()), float(x.max())]] * 2
            joint = np.histogram2d(x, y, 64, limits)[0] / x.size
            independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
            some = joint > 0
            total += (joint[some] * np.log2(joint[some] / independent[some])).sum()
        bits[i, j] = total / 3
    return bits


INFORMATION = "mutual information, 13 rebuilt images of each of 8, 224x224x3 uint8"


def test_information_peer(benchmark, rebuilt):
    benchmark.group = INFORMATION
    benchmark.extra_info.update(role="peer", who=PEER)
    benchmark.pedantic(information_of_each, rebuilt, rounds=7, iterations=1)


def test_information(benchmark, rebuilt):
    benchmark.group = INFORMATION
    benchmark.extra_info.update(role="ours", who="xaijax, 1 thread", goal=40)
    np.testing.assert_allclose(
        kernels.mutual_information(*rebuilt, num_threads=1), information_of_each(*rebuilt), rtol=0, atol=1e-12
    )
    benchmark.pedantic(kernels.mutual_information, rebuilt, {"num_threads": 1}, **ROUNDS)


@pytest.mark.parametrize("threads", THREADS)
def test_information_threads(benchmark, rebuilt, threads):
    benchmark.group = f"{INFORMATION}, 2 threads against 1"
    role, goal = ("ours", 1.8) if threads == 2 else ("peer", None)
    benchmark.extra_info.update(role=role, who=f"xaijax, {threads} thread{'s' * (threads > 1)}", goal=goal)
    one = kernels.mutual_information(*rebuilt, num_threads=1)
    assert one.tobytes() == kernels.mutual_information(*rebuilt, num_threads=threads).tobytes()
    benchmark.pedantic(kernels.mutual_information, rebuilt, {"num_threads": threads}, **ROUNDS)
