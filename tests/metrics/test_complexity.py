"""Sparseness, entropy and effective size: closed forms, and what has no value."""

import numpy as np
import pytest

from xaijax.metrics import evaluate

NAMES = ["sparseness", "entropy", "effective_size"]


def score(maps):
    maps = np.asarray(maps)
    images = np.zeros((*maps.shape, 1), np.uint8)
    return evaluate(None, images, np.zeros(len(maps), int), {"m": maps}, metrics=NAMES)


@pytest.mark.parametrize("marked", [1, 3, 48])
def test_equal_pixels_among_zeros(marked):
    n, maps = 48, np.zeros((1, 6, 8))
    maps.reshape(-1)[:marked] = -7.5  # the magnitude counts
    gini, entropy, size = score(maps).value
    assert gini == pytest.approx(1 - marked / n, abs=1e-12)
    assert entropy == pytest.approx(np.log(marked), abs=1e-12)
    assert size == pytest.approx(marked / n, abs=1e-12)


def test_a_ramp_and_any_permutation_or_factor_of_it():
    n = 60
    ramp = np.arange(1.0, n + 1)
    shuffled = np.random.default_rng(0).permutation(ramp).reshape(1, 6, 10)
    for factor in (1.0, 1e-200, 1e300):
        gini, entropy, size = score(shuffled * factor).value
        # Gini of 1..n is (n - 1) / (3 n), since Σ i (2i - n - 1) = n (n² - 1) / 6.
        assert gini == pytest.approx((n - 1) / (3 * n), abs=1e-12)
        q = ramp / ramp.sum()
        assert entropy == pytest.approx(-(q * np.log(q)).sum(), abs=1e-12)
        assert size == pytest.approx(np.exp(entropy) / n, abs=1e-12)


def test_a_map_of_zeros_has_no_value_and_a_flat_one_has():
    maps = np.zeros((2, 4, 4))
    maps[1] = 0.5
    scores = score(maps)
    assert scores.select(image="0").reason.tolist() == ["zero_map"] * 3
    np.testing.assert_allclose(scores.select(image="1").value, [0.0, np.log(16), 1.0], atol=1e-12)
