"""The same bytes at any number of threads, NumPy face and XLA's pool alike."""

import threading

import numpy as np
import pytest

from xaijax import kernels

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(37, 33, 31, 3)).astype(np.float32)
MAPS = RNG.normal(size=(37, 33, 31)).astype(np.float32)
BYTES = RNG.integers(0, 256, (5, 17, 15, 3)).astype(np.uint8)
LEVELS = RNG.integers(0, 6, (5, 17, 15)).astype(np.uint16)
SETS = RNG.random((9, 33, 31)) > 0.7

CALLS = {
    "histogram_entropy": lambda **o: kernels.histogram_entropy(IMAGES, **o),
    "mutual_information, own references": lambda **o: kernels.mutual_information(IMAGES, IMAGES[::-1].copy(), **o),
    "mutual_information, shared reference": lambda **o: kernels.mutual_information(IMAGES, IMAGES[0], **o),
    "reveal_levels": lambda **o: kernels.reveal_levels(MAPS, (0.1, 0.25, 0.7), MAPS[0] > 2, **o),
    "reveal, own images": lambda **o: kernels.reveal(BYTES, LEVELS, 6, **o),
    "reveal, one image": lambda **o: kernels.reveal(BYTES[0], LEVELS, 6, **o),
    "reveal, noisy linear": lambda **o: kernels.reveal(BYTES, LEVELS[0], 6, "noisy_linear", **o),
    "top_k_threshold": lambda **o: kernels.top_k_threshold(MAPS, 10.0, **o),
    "ebayes_threshold": lambda **o: kernels.ebayes_threshold(MAPS[:9], **o),
    "similarity": lambda **o: np.stack(list(kernels.similarity(MAPS[:9], MAPS[9], **o).values())),
    "localization_scores": lambda **o: np.stack(
        list(kernels.localization_scores(MAPS[:9], MAPS[9] > 1, **o).values.values())
    ),
    "rank_regions": lambda **o: kernels.rank_regions(MAPS[:9], SETS, **o).maps,
}


@pytest.mark.parametrize("backend", ["native", "numba"])
@pytest.mark.parametrize("name", sorted(CALLS))
def test_one_and_many_threads_agree(request, monkeypatch, name, backend):
    if backend == "native":
        request.getfixturevalue("native")
    monkeypatch.setenv("XAIJAX_BACKEND", backend)
    one = CALLS[name](num_threads=1)
    for threads in (2, 3, 8, 100):
        assert CALLS[name](num_threads=threads).tobytes() == one.tobytes()
    assert CALLS[name]().tobytes() == one.tobytes()


def test_calls_from_several_threads_at_once(native):
    """The GIL is released; nothing is shared between calls."""
    expected = [CALLS[name](num_threads=1).tobytes() for name in sorted(CALLS)]
    found = {}

    def call(i):
        found[i] = [CALLS[name](num_threads=2).tobytes() for name in sorted(CALLS)]

    callers = [threading.Thread(target=call, args=(i,)) for i in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(found[i] == expected for i in range(4))


def test_jax_pool_agrees_with_numpy_threads(native):
    import jax

    images = jax.numpy.asarray(IMAGES)
    found = np.asarray(jax.jit(kernels.mutual_information)(images, images[0]))
    np.testing.assert_array_equal(found, kernels.mutual_information(IMAGES, IMAGES[0]).astype(np.float32))
