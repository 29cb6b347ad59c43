"""Blur and Sobel against SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from xaijax.explain import _filters as filters


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.5, 1.7, 6.0, 40.0])
def test_gaussian_blur_equals_scipy(sigma):
    image = np.random.default_rng(0).random((2, 20, 33, 3))
    expected = ndimage.gaussian_filter(image, (0, sigma, sigma, 0), mode="constant")
    np.testing.assert_allclose(filters.gaussian_blur(jnp.asarray(image, jnp.float32), sigma), expected, atol=2e-6)


def test_normalized_blur_keeps_a_constant_and_commutes_with_flips():
    image = jnp.asarray(np.random.default_rng(1).random((9, 14, 1)), jnp.float32)
    blurred = filters.gaussian_blur(image, 3.0, normalize=True)
    np.testing.assert_allclose(filters.gaussian_blur(image[::-1], 3.0, normalize=True), blurred[::-1], atol=1e-6)
    constant = jnp.full((9, 14, 1), 0.7)
    np.testing.assert_allclose(filters.gaussian_blur(constant, 3.0, normalize=True), constant, rtol=1e-6)


def test_sobel_equals_scipy():
    image = np.random.default_rng(2).random((2, 12, 15, 3))
    # One image at a time: SciPy smooths along all axes but the one it differentiates.
    expected = [np.hypot(ndimage.sobel(grey, 0), ndimage.sobel(grey, 1)) for grey in image.mean(-1)]
    np.testing.assert_allclose(filters.sobel_magnitude(jnp.asarray(image, jnp.float32)), expected, atol=5e-6)


def test_sobel_of_a_flat_image_is_zero_with_a_finite_gradient():
    flat = jnp.full((4, 4, 1), 0.5)
    assert not filters.sobel_magnitude(flat).any()
    assert np.isfinite(jax.grad(lambda x: filters.sobel_magnitude(x).sum())(flat)).all()


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_bad_sigma(sigma):
    with pytest.raises(ValueError, match="sigma must be a finite number of pixels"):
        filters.gaussian_blur(jnp.zeros((2, 2, 1)), sigma)
