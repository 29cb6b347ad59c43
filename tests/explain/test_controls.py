"""Controls: what they are, and that images get their own random maps."""

import jax
import numpy as np
import pytest
from scipy import stats

from xaijax.explain import center_gaussian, ground_truth, random, sobel


def test_random_is_uniform_and_independent_between_images_and_keys(model, images):
    maps = np.asarray(random(model, images, key=jax.random.key(0)))
    assert maps.min() >= 0
    assert maps.max() < 1
    assert stats.kstest(maps.ravel(), "uniform").pvalue > 1e-3
    again = np.asarray(random(model, images, key=jax.random.key(1)))
    for a, b in [(maps[0], maps[1]), (maps[1], maps[2]), (maps[0], again[0])]:
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.25  # 4 standard deviations at 256 pixels


def test_random_map_belongs_to_the_image_not_to_its_place(model, images):
    key = jax.random.key(0)
    maps = random(model, images, key=key)
    assert np.array_equal(random(model, images[::-1], key=key), maps[::-1])
    assert np.array_equal(random(model, images[1:2], key=key), maps[1:2])
    assert np.array_equal(random(model, (images * 255).round().astype(np.uint8), key=key).shape, maps.shape)


def test_uint8_and_float_images_get_the_same_random_map(model):
    raw = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    key = jax.random.key(0)
    assert np.array_equal(random(model, raw, key=key), random(model, raw.astype(np.float32) / 255, key=key))


def test_sobel_finds_the_edge_and_nothing_else(model):
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[:, :, 8:] = 1
    got = np.array(sobel(model, image))[0]
    assert (got[:, 7:9] == 4).all()
    got[:, 7:9] = 0
    assert not got.any()


def test_center_gaussian(model, images):
    got = np.asarray(center_gaussian(model, images))
    row, column = np.mgrid[:16, :16]
    expected = np.exp(-(((row - 7.5) / 16) ** 2 + ((column - 7.5) / 16) ** 2) / (2 * 0.25**2))
    np.testing.assert_allclose(got, np.broadcast_to(expected, got.shape), rtol=1e-5)
    with pytest.raises(ValueError, match=r"center_gaussian\.sigma is 0; it must be a number above 0"):
        center_gaussian(model, images, sigma=0)


def test_ground_truth_is_the_mask(model, images):
    masks = np.random.default_rng(0).random((3, 16, 16)) < 0.2
    assert np.array_equal(ground_truth(model, images, masks=masks), masks.astype(np.float32))
    with pytest.raises(ValueError, match=r"needs masks= of shape \(3, 16, 16\), one per image; got None"):
        ground_truth(model, images)


def test_random_needs_a_key(model, images):
    """A key, or a seed for one; without either it is that of seed 0."""
    expected = random(model, images, key=jax.random.key(0))
    for given in ({}, {"key": None}, {"key": 0}, {"key": np.int64(0)}):
        assert np.array_equal(random(model, images, **given), expected)
    assert np.array_equal(random(model, images, key=7), random(model, images, key=jax.random.key(7)))
    assert not np.array_equal(random(model, images, key=7), expected)
    for wrong in (-1, 1.5, "abc", True, 2**32):
        with pytest.raises(ValueError, match=r"^random\.key is .*; it must be a whole number from 0 to 4294967295, an"):
            random(model, images, key=wrong)
