"""Gradients: closed forms, targets, reductions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import LogitDifference, gradient, input_x_gradient

W = np.random.default_rng(0).normal(size=(4, 5, 2, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def linear():
    return Classifier.from_function(lambda w, x: jnp.einsum("bhwc,hwck->bk", x, w), W, input_shape=(4, 5, 2))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).random((3, 4, 5, 2)).astype(np.float32)


def test_linear_model(linear, x):
    labels = np.array([2, 0, 1])
    rows = np.moveaxis(W[..., labels], -1, 0)
    np.testing.assert_allclose(gradient(linear, x, labels), np.abs(rows).max(-1), rtol=1e-5)
    np.testing.assert_allclose(gradient(linear, x, labels, reduce="none"), rows, rtol=1e-5)
    np.testing.assert_allclose(input_x_gradient(linear, x, labels), (x * rows).sum(-1), rtol=1e-4, atol=1e-6)


def test_labels_default_to_the_predicted_class(linear, x):
    predicted = np.einsum("bhwc,hwck->bk", x, W).argmax(1)
    assert np.array_equal(gradient(linear, x), gradient(linear, x, predicted))
    assert np.array_equal(gradient(linear, x, 2), gradient(linear, x, [2, 2, 2]))


def test_targets(linear, x):
    labels = np.array([2, 0, 1])
    by = {t: gradient(linear, x, labels, target=t, reduce="none") for t in ("probability", "log_probability")}
    logits = np.einsum("bhwc,hwck->bk", x, W)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    own = np.eye(3)[labels]
    expected = np.einsum("bk,hwck->bhwc", own - p, W)  # d log p_c = (1_c - p) dy
    np.testing.assert_allclose(by["log_probability"], expected, rtol=1e-4, atol=1e-5)
    own_p = p[np.arange(3), labels][:, None, None, None]
    np.testing.assert_allclose(by["probability"], own_p * expected, rtol=1e-4, atol=1e-5)
    difference = gradient(linear, x, labels, target=LogitDifference(1), reduce="none")
    np.testing.assert_allclose(difference, np.moveaxis(W[..., labels] - W[..., [1]], -1, 0), rtol=1e-5, atol=1e-6)
    second = np.where(own.astype(bool), -np.inf, logits).argmax(1)
    runner_up = gradient(linear, x, labels, target=LogitDifference(), reduce="none")
    np.testing.assert_allclose(runner_up, np.moveaxis(W[..., labels] - W[..., second], -1, 0), rtol=1e-5, atol=1e-6)


def test_any_function_of_the_logits(linear, x):
    def energy(logits, labels):
        return jax.nn.logsumexp(logits, axis=1)

    logits = np.einsum("bhwc,hwck->bk", x, W)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    got = gradient(linear, x, target=energy, reduce="none")
    np.testing.assert_allclose(got, np.einsum("bk,hwck->bhwc", p, W), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="target must return one score per image"):
        gradient(linear, x, target=lambda logits, labels: logits)


def test_integer_images_are_scaled(linear):
    raw = np.random.default_rng(2).integers(0, 256, (2, 4, 5, 2), np.uint8)
    as_float = raw.astype(np.float32) / 255
    np.testing.assert_allclose(input_x_gradient(linear, raw, 0), input_x_gradient(linear, as_float, 0), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"images": np.zeros((4, 5, 2))},
            ValueError,
            r"images must be a non-empty \[B, H, W, C\]",
        ),
        ({"images": np.zeros((0, 4, 5, 2))}, ValueError, "non-empty"),
        ({"images": np.zeros((1, 4, 5, 3))}, ValueError, r"images must be \[B, 4, 5, 2\]"),
        ({"labels": np.array([0.0, 1.0, 2.0])}, TypeError, "labels must be integers"),
        ({"labels": np.array([0, 1])}, ValueError, r"labels must be \[B\] with B = 3"),
        ({"labels": np.array([0, 1, 3])}, ValueError, "labels must be from 0 to 2; got 0 to 3"),
        ({"batch_size": 0}, InputError, r"^gradient\.batch_size is 0; it must be a whole number of at least 1$"),
        ({"target": "logits"}, InputError, r"^gradient\.target is 'logits'; it must be logit, probability, log_prob"),
        ({"target": 3}, InputError, r"^gradient\.target is 3; it must be logit, probability, .* or a function"),
        ({"reduce": "max"}, InputError, r"^gradient\.reduce is 'max'; it must be sum, abs_sum, abs_max or none$"),
        ({"step": 4}, InputError, "^gradient has no option 'step': choose from batch_size, reduce, target$"),
    ],
)
def test_bad_input_is_one_sentence(linear, x, change, error, words):
    arguments = {"images": x, "labels": None} | change
    with pytest.raises(error, match=words):
        gradient(linear, **arguments)


def test_classifier_must_be_one(x):
    with pytest.raises(TypeError, match=r"classifier must be a xaijax.classifier.Classifier; got function"):
        gradient(lambda images: images, x)
