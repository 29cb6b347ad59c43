"""jit, vmap, vmap of vmap, shard_map and x64, crossed with all kernels, compiled and numba."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import kernels

FRACTIONS = (0.1, 0.3, 0.8)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 3, 9, 8, 2)).astype(np.uint8)
MAPS = RNG.random((2, 3, 9, 8)).astype(np.float32)

MASKS = (RNG.random((2, 3, 9, 8)) > 0.6).astype(np.uint8)
LEVELS = RNG.integers(0, 5, (2, 3, 9, 8)).astype(np.uint16)
SETS = RNG.random((2, 3, 4, 9, 8)) > 0.5

# A function of one mapped array, and the array.
KERNELS = {
    "histogram_entropy": (kernels.histogram_entropy, IMAGES),
    "mutual_information": (lambda x: kernels.mutual_information(x, IMAGES[0, 0]), IMAGES),
    "mutual_information, images fixed": (lambda x: kernels.mutual_information(IMAGES[0, 0], x), IMAGES),
    "mutual_information, broadcast inside": (lambda x: kernels.mutual_information(IMAGES[0], x), IMAGES),
    "reveal_levels": (lambda x: kernels.reveal_levels(x, FRACTIONS), MAPS),
    "reveal_levels, always fixed": (lambda x: kernels.reveal_levels(x, FRACTIONS, MAPS[0, 0] > 0.9), MAPS),
    "reveal_levels, maps fixed": (lambda x: kernels.reveal_levels(jnp.asarray(MAPS[0, 0]), FRACTIONS, x), MAPS > 0.9),
    "random_mask": (lambda seed: kernels.random_mask((9, 8), 0.3, seed), np.arange(6, dtype=np.int32).reshape(2, 3)),
    "top_k_threshold": (lambda x: kernels.top_k_threshold(x, 20.0), MAPS),
    "ebayes_threshold": (lambda x: kernels.ebayes_threshold(x, details=True), MAPS),
    "similarity": (lambda x: kernels.similarity(x, MAPS[0, 0]), MAPS),
    "similarity, broadcast inside": (lambda x: kernels.similarity(MAPS[0], x), MAPS),
    "localization_scores": (lambda x: kernels.localization_scores(x, MASKS[0, 0]), MAPS),
    "localization_scores, maps fixed": (lambda x: kernels.localization_scores(MAPS[0], x), MASKS),
    "rank_regions": (lambda x: kernels.rank_regions(x, SETS[0, 0], 1, min_pixels=2), MAPS),
    "rank_regions, attribution fixed": (lambda x: kernels.rank_regions(MAPS[0, 0], x, min_pixels=2, fast=True), SETS),
    "reveal, one image": (lambda x: kernels.reveal(IMAGES[0, 0], x, 4), LEVELS),
    "reveal, one map": (lambda x: kernels.reveal(x, LEVELS[0, 0], 4, "nearest", direction="deletion"), IMAGES),
    "reveal, noisy_linear": (lambda x: kernels.reveal(x, LEVELS[0, 0], 4, "noisy_linear", seed=3), IMAGES),
    "reveal, blur": (lambda x: kernels.reveal(x, LEVELS[0, 0], 4, "blur", sigma=1.5), IMAGES),
    "reveal, an image": (lambda x: kernels.reveal(IMAGES[0, 0], LEVELS[0], 4, x), IMAGES),
}


@pytest.fixture(params=["native", "numba"])
def backend(request, monkeypatch):
    if request.param == "native":
        request.getfixturevalue("native")
    monkeypatch.setenv("XAIJAX_BACKEND", request.param)
    return request.param


@pytest.fixture(params=sorted(KERNELS))
def case(request, backend):
    """A kernel as a function of one item, all items, and what plain calls give item by item."""
    function, items = KERNELS[request.param]
    each = [[function(jnp.asarray(item)) for item in row] for row in items]
    rows = [jax.tree.map(lambda *leaves: np.stack(leaves), *row) for row in each]
    return function, items, jax.tree.map(lambda *leaves: np.stack(leaves), *rows)


def assert_same(found, expected, at=()):
    """Equal leaves, `expected` being indexed by `at` first."""
    expected = jax.tree.map(lambda leaf: leaf[at], expected)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, jax.tree.map(np.asarray, found), expected)


def test_jit(case):
    function, items, expected = case
    assert_same(jax.jit(function)(items[1, 2]), expected, (1, 2))


def test_vmap(case):
    function, items, expected = case
    assert_same(jax.vmap(function)(items[1]), expected, 1)
    assert_same(jax.jit(jax.vmap(function))(items[1]), expected, 1)
    moved = np.moveaxis(items[1], 0, -1)
    assert_same(jax.vmap(function, in_axes=-1)(moved), expected, 1)


def test_vmap_of_vmap(case):
    function, items, expected = case
    assert_same(jax.jit(jax.vmap(jax.vmap(function)))(items), expected)


def test_equals_the_numpy_face(case):
    function, items, expected = case
    plain = function(items[0, 0])
    assert_same(jax.tree.map(lambda a, b: np.asarray(a, b.dtype), plain, expected), expected, (0, 0))


def test_one_compile_for_many_calls(case):
    function, items, _ = case
    traces = []

    @jax.jit
    def traced(item):
        traces.append(item.shape)
        return function(item)

    for row in items:
        for item in row:
            traced(item)
    assert len(traces) == 1


def test_result_dtypes_follow_x64(native):
    def dtypes():
        images, maps = jnp.asarray(IMAGES[0]), jnp.asarray(MAPS[0])
        return [
            jax.jit(kernels.histogram_entropy)(images).dtype,
            jax.jit(kernels.mutual_information)(images, images).dtype,
            jax.jit(lambda m: kernels.reveal_levels(m, FRACTIONS))(maps).dtype,
        ]

    assert dtypes() == [jnp.float32, jnp.float32, jnp.uint16]
    with jax.enable_x64(True):
        assert dtypes() == [jnp.float64, jnp.float64, jnp.uint16]


def test_errors_come_before_the_call():
    with pytest.raises(ValueError, match=r"images must be \[\.\.\., H, W, C\]"):
        jax.jit(kernels.histogram_entropy)(jnp.zeros((4, 4)))
    with pytest.raises(TypeError, match=r"images must be bool, uint8, uint16, .* or float64; got complex64"):
        jax.jit(kernels.histogram_entropy)(jnp.zeros((4, 4, 3), jnp.complex64))
    with pytest.raises(ValueError, match="must broadcast"):
        jax.eval_shape(kernels.mutual_information, jnp.zeros((2, 4, 4, 3)), jnp.zeros((3, 4, 4, 3)))
    with pytest.raises(TypeError, match=r"seed must be an integer scalar, of int32, .*; got float32 of shape \(\)"):
        kernels.random_mask((4, 4), 0.5, jnp.float32(1))


def test_shard_map_in_a_subprocess_gathers_nothing(native):
    """Two virtual devices: each works on its own items. A bare call would gather first, as DESIGN says."""
    code = textwrap.dedent(
        """
        import jax, numpy as np
        from jax.sharding import NamedSharding, PartitionSpec as P
        from xaijax import kernels

        mesh = jax.make_mesh((2,), ("batch",))
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (4, 9, 8, 3)).astype(np.uint8)
        maps = rng.random((4, 9, 8)).astype(np.float32)
        each, same = P("batch"), P()
        masks, levels = maps > 0.6, rng.integers(0, 5, (4, 9, 8)).astype(np.uint16)
        cases = [
            (kernels.histogram_entropy, (each,), (images,)),
            (kernels.mutual_information, (each, same), (images, images[0])),
            (lambda m: kernels.reveal_levels(m, (0.1, 0.5)), (each,), (maps,)),
            (lambda m, always: kernels.reveal_levels(m, (0.1, 0.5), always), (each, same), (maps, maps[0] > 0.5)),
            (jax.vmap(lambda seed: kernels.random_mask((9, 8), 0.3, seed)), (each,), (np.arange(4, dtype=np.int32),)),
            (lambda m: kernels.top_k_threshold(m, 20.0), (each,), (maps,)),
            (kernels.ebayes_threshold, (each,), (maps,)),
            (kernels.similarity, (each, same), (maps, maps[0])),
            (kernels.localization_scores, (each, same), (maps, masks[0])),
            (lambda m, s: kernels.rank_regions(m, s, min_pixels=2), (each, same), (maps, masks)),
            (lambda x, v: kernels.reveal(x, v, 4), (same, each), (images[0], levels)),
            (lambda x, v: kernels.reveal(x, v, 4, "mean"), (each, each), (images, levels)),
        ]
        for kernel, specs, arrays in cases:
            placed = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(arrays, specs)]
            sharded = jax.jit(jax.shard_map(kernel, mesh=mesh, in_specs=specs, out_specs=each))
            assert "all-gather" not in sharded.lower(*placed).compile().as_text()
            found = sharded(*placed)
            plain = jax.jit(kernel)(*arrays)
            for leaf, expected in zip(jax.tree.leaves(found), jax.tree.leaves(plain), strict=True):
                assert leaf.sharding.is_equivalent_to(NamedSharding(mesh, each), leaf.ndim)
                np.testing.assert_array_equal(np.asarray(leaf), np.asarray(expected))
        """
    )
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
