"""Bilinear resize against SciPy's interpolation at explicitly computed coordinates, and against Pillow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from xaijax.explain import resize


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("small", "large"), [((7, 7), (56, 56)), ((5, 9), (31, 20)), ((1, 4), (8, 9)), ((6, 6), (4, 3))]
)
def test_equals_scipy(small, large, align_corners):
    maps = np.random.default_rng(0).normal(size=small)
    at = []
    for n, out in zip(small, large, strict=True):
        steps = np.arange(out)
        at.append(steps * (n - 1) / (out - 1) if align_corners else (steps + 0.5) * n / out - 0.5)
    expected = ndimage.map_coordinates(maps, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
    got = resize(jnp.asarray(maps, jnp.float32), large, align_corners=align_corners)
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_equals_pillow_when_enlarging():
    maps = np.random.default_rng(1).normal(size=(7, 7)).astype(np.float32)
    expected = np.asarray(Image.fromarray(maps).resize((224, 224), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(resize(jnp.asarray(maps), (224, 224)), expected, atol=2e-6)


def test_same_size_is_the_same_bytes():
    maps = jnp.asarray(np.random.default_rng(2).normal(size=(2, 5, 6)), jnp.float32)
    assert np.array_equal(resize(maps, (5, 6)), maps)


def test_a_plane_stays_a_plane_inside():
    row, column = np.mgrid[:8, :8] + 0.5
    got = resize(jnp.asarray(2 * row - column, jnp.float32), (32, 32))
    row, column = (np.mgrid[:32, :32] + 0.5) / 4
    np.testing.assert_allclose(got[2:-2, 2:-2], (2 * row - column)[2:-2, 2:-2], atol=1e-5)


def test_sum_over_the_map_is_linear_so_its_gradient_is_known():
    grads = jax.grad(lambda m: resize(m, (6, 4)).sum())(jnp.zeros((3, 2), jnp.float32))
    np.testing.assert_allclose(grads.sum(), 24.0, rtol=1e-6)  # the weights of every output pixel sum to 1
