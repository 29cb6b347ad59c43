"""Reveal inside JAX: jit, vmap with shared and with mapped operands, vmap of vmap, shard_map without an all-gather."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import kernels

FILLS = ["linear", "mean", "blur", "nearest", "noisy_linear", 9]


def problem(seed: int, lead: tuple[int, ...] = (), dtype: str = "uint8") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    images = (rng.random((*lead, 15, 13, 3)) * 255).astype(dtype)
    return images, rng.integers(0, 5, (*lead, 15, 13)).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("direction", ["insertion", "deletion"])
def test_jit(dtype: str, fill: object, direction: str) -> None:
    images, levels = problem(0, (3,), dtype)
    expected = kernels.reveal(images, levels, 4, fill, direction=direction)
    run = jax.jit(lambda x, lv: kernels.reveal(x, lv, 4, fill, direction=direction))
    got = run(jnp.asarray(images), jnp.asarray(levels))
    assert got.dtype == images.dtype
    assert np.asarray(got).tobytes() == expected.tobytes()


def test_float64_with_x64() -> None:
    with jax.enable_x64(True):
        images, levels = problem(1, (2,), "float64")
        got = jax.jit(lambda x, lv: kernels.reveal(x, lv, 4))(jnp.asarray(images), jnp.asarray(levels))
        assert np.asarray(got).tobytes() == kernels.reveal(images, levels, 4).tobytes()


@pytest.mark.parametrize("fill", FILLS)
def test_vmap_over_maps_of_one_image(fill: object) -> None:
    images, levels = problem(2, (6,))
    run = jax.jit(jax.vmap(lambda x, lv: kernels.reveal(x, lv, 4, fill), in_axes=(None, 0)))
    got = run(jnp.asarray(images[0]), jnp.asarray(levels))
    np.testing.assert_array_equal(np.asarray(got), kernels.reveal(images[0], levels, 4, fill))


def test_vmap_over_images_of_one_map() -> None:
    images, levels = problem(3, (6,))
    got = jax.vmap(lambda x: kernels.reveal(x, jnp.asarray(levels[0]), 4))(jnp.asarray(images))
    np.testing.assert_array_equal(np.asarray(got), kernels.reveal(images, levels[0], 4))


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)])
def test_vmap_of_vmap(axes: tuple[int | None, int | None]) -> None:
    """Images mapped outside, inside or twice, levels mapped both times."""
    rng = np.random.default_rng(4)
    _, levels = problem(4, (2, 3))
    shape = [2 if axes[0] == 0 else 1, 3 if axes[1] == 0 else 1]
    images = rng.integers(0, 256, (*shape, 15, 13, 3)).astype(np.uint8)
    inner = jax.vmap(lambda x, lv: kernels.reveal(x, lv, 4), in_axes=(axes[1], 0))
    outer = jax.jit(jax.vmap(inner, in_axes=(axes[0], 0)))
    given = images[tuple(slice(None) if axis == 0 else 0 for axis in axes)]
    np.testing.assert_array_equal(
        np.asarray(outer(jnp.asarray(given), jnp.asarray(levels))), kernels.reveal(images, levels, 4)
    )


def test_fill_image_is_an_operand() -> None:
    images, levels = problem(5, (4,))
    behind = jnp.asarray(np.flip(images, 1).copy())
    got = jax.jit(jax.vmap(lambda x, lv, f: kernels.reveal(x, lv, 4, f)))(
        jnp.asarray(images), jnp.asarray(levels), behind
    )
    np.testing.assert_array_equal(np.asarray(got), kernels.reveal(images, levels, 4, np.asarray(behind)))
    colour = jnp.asarray([1, 2, 3], jnp.uint8)
    got = jax.jit(lambda x, lv, f: kernels.reveal(x, lv, 4, f))(jnp.asarray(images), jnp.asarray(levels), colour)
    np.testing.assert_array_equal(np.asarray(got), kernels.reveal(images, levels, 4, [1, 2, 3]))


def test_errors_come_before_the_call() -> None:
    images, levels = problem(6)
    with pytest.raises(TypeError, match="uint16"):
        jax.jit(lambda x, lv: kernels.reveal(x, lv, 4))(images, levels.astype(np.int32))
    with pytest.raises(ValueError, match="levels must be"):
        jax.jit(lambda x, lv: kernels.reveal(x, lv[1:], 4))(images, levels)


SHARDED = """
import functools
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import PartitionSpec as P
from xaijax import kernels

assert len(jax.devices()) == 2
mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
rng = np.random.default_rng(0)
images = rng.integers(0, 256, (4, 15, 13, 3)).astype(np.uint8)
levels = rng.integers(0, 5, (4, 15, 13)).astype(np.uint16)
put = lambda a: jax.device_put(a, jax.NamedSharding(mesh, P("batch")))
local = lambda x, lv: kernels.reveal(x, lv, 4)
run = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=P("batch"), out_specs=P("batch")))
text = run.lower(put(images), put(levels)).compile().as_text()
assert "xaijax_reveal" in text and "all-gather" not in text
got = run(put(images), put(levels))
assert len(got.sharding.device_set) == 2
np.testing.assert_array_equal(np.asarray(got), kernels.reveal(images, levels, 4))
print("sharded")
"""


def test_shard_map_without_all_gather() -> None:
    root = Path(kernels.__file__).resolve().parents[2]
    environment = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run([sys.executable, "-c", SHARDED], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "sharded" in done.stdout
