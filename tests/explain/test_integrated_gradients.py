"""Integrated Gradients where the integral is known, quadrature rules, baselines, completeness."""

from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.classifier import Classifier
from xaijax.explain import integrated_gradients
from xaijax.explain._baselines import make_baselines
from xaijax.explain.gradients._integrated_gradients import Rule, integrated_gradients_with_gap, quadrature

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 5, 2, 3)).astype(np.float32)
X = RNG.random((3, 4, 5, 2)).astype(np.float32)
LABELS = np.array([2, 0, 1])


def power_model(power):
    return Classifier.from_function(
        lambda w, x: jnp.einsum("bhwc,hwck->bk", x**power, w), jnp.asarray(W), input_shape=(4, 5, 2)
    )


@pytest.mark.parametrize("rule", get_args(Rule))
def test_linear_model_is_exact_under_every_rule(rule):
    expected = (X * np.moveaxis(W[..., LABELS], -1, 0)).sum(-1)
    got = integrated_gradients(power_model(1), X, LABELS, rule=rule, steps=5)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rule", ["gauss_legendre", "middle", "trapezoid"])
@pytest.mark.parametrize("baseline", [0.0, 0.25, "white"])
def test_quadratic_model_is_exact_under_rules_of_second_order(rule, baseline):
    x0 = 1.0 if baseline == "white" else baseline
    expected = ((X**2 - x0**2) * np.moveaxis(W[..., LABELS], -1, 0)).sum(-1)
    got = integrated_gradients(power_model(2), X, LABELS, rule=rule, steps=4, baseline=baseline)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("rule", "moment"), [("left", 0.375), ("right", 0.625), ("pair", 0.5)])
def test_first_order_rules_have_their_own_error(rule, moment):
    # d/da (a x)^2 = 2 a x^2: the rule's mean of a over 4 nodes (5 for "pair") is what comes out.
    expected = 2 * moment * (X**2 * np.moveaxis(W[..., LABELS], -1, 0)).sum(-1)
    got = integrated_gradients(power_model(2), X, LABELS, rule=rule, steps=5 if rule == "pair" else 4)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_weights_sum_to_one(rule):
    nodes, weights = quadrature(rule, None)
    assert len(nodes) == (25 if rule == "pair" else 50)
    assert weights.sum() == pytest.approx(1.0, abs=1e-13)
    assert nodes.min() >= 0
    assert nodes.max() <= 1


def test_several_baselines_are_averaged():
    model = power_model(2)
    images = RNG.random((4, 5, 2)).astype(np.float32)
    each = [integrated_gradients(model, X, LABELS, baseline=b) for b in ("black", "white", images)]
    both = integrated_gradients(model, X, LABELS, baseline=("black", "white", images))
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-4, atol=1e-6)


def test_completeness_on_a_network(model, images, labels):
    maps, gap = integrated_gradients_with_gap(model, images, labels, steps=200)
    y = model.logits(model.params, images)[np.arange(3), labels]
    y0 = model.logits(model.params, np.zeros_like(images))[np.arange(3), labels]
    np.testing.assert_allclose(maps.sum((1, 2)), y - y0, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(gap, maps.sum((1, 2)) - (y - y0), atol=2e-5)


def test_gap_shows_too_few_steps():
    _, gap = integrated_gradients_with_gap(power_model(2), X, LABELS, rule="left", steps=4)
    value = (X**2 * np.moveaxis(W[..., LABELS], -1, 0)).sum((1, 2, 3))
    np.testing.assert_allclose(gap, (0.75 - 1) * value, rtol=1e-3, atol=1e-5)
    _, fine = integrated_gradients_with_gap(power_model(2), X, LABELS)
    np.testing.assert_allclose(fine, 0, atol=2e-5)


def test_baselines():
    x = jnp.asarray(X)
    made = make_baselines(x, ("black", "white", "mean", "blur", 0.5, np.full((4, 5, 2), 51, np.uint8)))
    assert made.shape == (3, 6, 4, 5, 2)
    assert not made[:, 0].any()
    assert (made[:, 1] == 1).all()
    np.testing.assert_allclose(made[:, 2, 0, 0], X.mean((1, 2)), rtol=1e-5)
    assert float(made[:, 3].std()) < X.std()
    assert (made[:, 4] == 0.5).all()
    np.testing.assert_allclose(made[:, 5], 0.2, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": "simpson"}, "rule is 'simpson'; it must be gauss_legendre, left"),
        ({"steps": 0}, "steps is 0; it must be a whole number from 1 to"),
        ({"steps": 1, "rule": "pair"}, "steps must be at least 2 for rule='pair'; got 1"),
        ({"steps": 2.5}, "steps is 2.5; it must be a whole number"),
        ({"steps": 10_001}, "steps must be at most 10000 for rule='gauss_legendre'; got 10001: take rule='middle'"),
        ({"baseline": "grey"}, "baseline is 'grey'; it must be black, zeros, white, mean, blur, a number"),
        ({"baseline": np.zeros((7, 7))}, r"baseline must broadcast to the images' shape \(3, 4, 5, 2\)"),
        ({"baseline": ()}, "at least one baseline"),
    ],
)
def test_bad_options_are_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        integrated_gradients(power_model(1), X, LABELS, **options)
