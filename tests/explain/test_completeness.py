"""Completeness gaps against the quadrature written out, and steps that follow from them."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import completeness

SHAPE = (3, 4, 2)
IMAGES = np.random.default_rng(0).random((2, *SHAPE)).astype(np.float32) + np.float32(0.0)


@pytest.fixture(scope="module")
def fourth():
    """`y_k = w_k Σ x⁴`: the left sum of n steps misses by a known amount."""
    return Classifier.from_function(
        lambda w, x: (x**4).sum((1, 2, 3))[:, None] * w, jnp.array([3.0, -1.0]), input_shape=SHAPE
    )


def left_sum(n):
    """`Σ_k 4 (k/n)³/n`, what the left rule makes of 1."""
    return (4 * (np.arange(n) / n) ** 3 / n).sum()


@pytest.mark.parametrize("label", [0, 1])
def test_the_gap_is_what_the_quadrature_misses(label, fourth):
    found = completeness("integrated_gradients", fourth, IMAGES, label, rule="left", steps=12)
    change = np.array([3.0, -1.0])[label] * (IMAGES.astype(np.float64) ** 4).sum((1, 2, 3))
    np.testing.assert_allclose(found.changes, change, rtol=1e-5)
    np.testing.assert_allclose(found.gaps, change * (left_sum(12) - 1), rtol=1e-3)
    plain = explain.integrated_gradients(fourth, IMAGES, label, rule="left", steps=12)
    np.testing.assert_allclose(found.maps, plain, rtol=1e-5)
    np.testing.assert_allclose(found.maps.sum((1, 2)) - found.changes, found.gaps, atol=1e-4)
    assert found.steps.tolist() == [12, 12]
    _, gaps = explain.gradients._integrated_gradients.integrated_gradients_with_gap(
        fourth, IMAGES, label, rule="left", steps=12
    )
    np.testing.assert_allclose(found.gaps, gaps, atol=1e-5)


def test_steps_are_doubled_until_the_gap_is_small_twice(fourth):
    """The left sum misses by about 2/n: below 2 % from 100 steps on, so at 128 and, once more, at 256."""
    found = completeness("integrated_gradients", fourth, IMAGES, 0, rule="left", tolerance=0.02)
    assert abs(left_sum(64) - 1) > 0.02 > abs(left_sum(128) - 1)
    assert found.steps.tolist() == [256, 256]
    assert (np.abs(found.gaps) <= 0.02 * np.abs(found.changes)).all()
    exact = completeness("integrated_gradients", fourth, IMAGES, 0, tolerance=1e-3)
    assert exact.steps.tolist() == [16, 16]  # Gauss and Legendre's points are exact for a polynomial
    cut = completeness("integrated_gradients", fourth, IMAGES, 0, rule="left", tolerance=1e-6, max_steps=70)
    assert cut.steps.tolist() == [64, 64]
    assert (np.abs(cut.gaps) > 1e-6 * np.abs(cut.changes)).all()


def test_other_options_and_methods(fourth):
    several = completeness("integrated_gradients", fourth, IMAGES, 0, baseline=("black", 0.5), reduce="abs_sum")
    ends = 3.0 * (IMAGES.astype(np.float64) ** 4).sum((1, 2, 3))
    np.testing.assert_allclose(several.changes, ends - 3.0 * 24 * 0.5**4 / 2, rtol=1e-4)
    np.testing.assert_allclose(several.gaps, 0, atol=1e-3)
    assert several.steps.tolist() == [50, 50]
    assert (several.maps >= 0).all()
    guided = completeness("guided_ig", fourth, IMAGES, 0, tolerance=0.1)
    assert (np.abs(guided.gaps) <= 0.1 * guided.changes).all()
    assert (guided.steps >= 16).all()
    predicted = completeness("Integrated Gradients", fourth, IMAGES)
    np.testing.assert_allclose(predicted.changes, ends, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("grad_cam", {}, "grad_cam has no completeness gap; choose from integrated_gradients, guided_ig, deeplift"),
        ("guided_ig", {"tolerance": 0}, "tolerance is 0; it must be a number above 0"),
        ("guided_ig", {"tolerance": 0.1, "steps": 9}, "tolerance chooses the steps; leave one of the two out"),
        ("deeplift", {"tolerance": 0.1}, "tolerance chooses steps, and deeplift has none"),
        ("guided_ig", {"tolerance": 0.1, "max_steps": 9}, "max_steps is 9; it must be at least 16"),
        ("guided_ig", {"draws": 3}, "guided_ig has no option 'draws'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name, options, words, fourth):
    with pytest.raises(InputError, match=words) as caught:
        completeness(name, fourth, IMAGES, 0, **options)
    assert "\n" not in str(caught.value)
