"""jit, vmap, vmap of vmap, shard_map and x64, crossed with the kernels that need no image geometry."""

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
}


@pytest.fixture(params=sorted(KERNELS))
def case(request, native, monkeypatch):
    """A kernel as a function of one item, all items, and what plain calls give item by item."""
    monkeypatch.delenv("XAIJAX_BACKEND", raising=False)
    function, items = KERNELS[request.param]
    expected = np.array([[function(jnp.asarray(item)) for item in row] for row in items])
    return function, items, expected


def test_jit(case):
    function, items, expected = case
    np.testing.assert_array_equal(jax.jit(function)(items[1, 2]), expected[1, 2])


def test_vmap(case):
    function, items, expected = case
    np.testing.assert_array_equal(jax.vmap(function)(items[1]), expected[1])
    np.testing.assert_array_equal(jax.jit(jax.vmap(function))(items[1]), expected[1])
    moved = np.moveaxis(items[1], 0, -1)
    np.testing.assert_array_equal(jax.vmap(function, in_axes=-1)(moved), expected[1])


def test_vmap_of_vmap(case):
    function, items, expected = case
    np.testing.assert_array_equal(jax.jit(jax.vmap(jax.vmap(function)))(items), expected)


def test_equals_the_numpy_face(case):
    function, items, expected = case
    plain = function(items[0, 0])
    np.testing.assert_array_equal(expected[0, 0], np.asarray(plain, expected.dtype))


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
    with pytest.raises(TypeError, match="images must be uint8, uint16, float32 or float64; got bfloat16"):
        jax.jit(kernels.histogram_entropy)(jnp.zeros((4, 4, 3), jnp.bfloat16))
    with pytest.raises(ValueError, match="must broadcast"):
        jax.eval_shape(kernels.mutual_information, jnp.zeros((2, 4, 4, 3)), jnp.zeros((3, 4, 4, 3)))
    with pytest.raises(TypeError, match="seed must be an integer scalar; got float32"):
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
        cases = [
            (kernels.histogram_entropy, (each,), (images,)),
            (kernels.mutual_information, (each, same), (images, images[0])),
            (lambda m: kernels.reveal_levels(m, (0.1, 0.5)), (each,), (maps,)),
            (lambda m, always: kernels.reveal_levels(m, (0.1, 0.5), always), (each, same), (maps, maps[0] > 0.5)),
            (jax.vmap(lambda seed: kernels.random_mask((9, 8), 0.3, seed)), (each,), (np.arange(4, dtype=np.int32),)),
        ]
        for kernel, specs, arrays in cases:
            placed = [jax.device_put(a, NamedSharding(mesh, spec)) for a, spec in zip(arrays, specs)]
            sharded = jax.jit(jax.shard_map(kernel, mesh=mesh, in_specs=specs, out_specs=each))
            assert "all-gather" not in sharded.lower(*placed).compile().as_text()
            found = sharded(*placed)
            assert found.sharding.is_equivalent_to(NamedSharding(mesh, each), found.ndim)
            np.testing.assert_array_equal(np.asarray(found), np.asarray(jax.jit(kernel)(*arrays)))
        """
    )
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
