"""Kinds of output: what `predict` gives, what is explained, and what a file keeps. Linear models, known by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models
from xaijax.classifier import Classifier

W = np.random.default_rng(0).normal(size=(2 * 3 * 1, 3)).astype(np.float32)
IMAGES = np.random.default_rng(1).random((4, 2, 3, 1), np.float32)
Z = IMAGES.reshape(4, -1) @ W


def linear(output, columns=3, classes=None):
    return Classifier.from_function(
        lambda w, x: x.reshape(len(x), -1) @ w,
        jnp.asarray(W[:, :columns]),
        input_shape=(2, 3, 1),
        output=output,
        classes=classes,
    )


def sigmoid(z):
    return 1 / (1 + np.exp(-z.astype(np.float64)))


def test_predict_gives_what_the_output_says():
    soft = np.exp(Z.astype(np.float64))
    expected = {
        "softmax": soft / soft.sum(1, keepdims=True),
        "sigmoid": sigmoid(Z),
        "regression": Z,
    }
    for output, values in expected.items():
        np.testing.assert_allclose(linear(output).predict(IMAGES), values, rtol=1e-5)
    binary = linear("binary", 1, ("healthy", "ill"))
    p = sigmoid(Z[:, :1])
    np.testing.assert_allclose(binary.predict(IMAGES), np.concatenate([1 - p, p], axis=1), rtol=1e-5)
    assert binary.logits(binary.params, IMAGES).shape == (4, 1)


def test_repr_and_targets_say_the_output():
    assert repr(linear("binary", 1)) == "Classifier(plain function, 2x3x1, 2 classes, binary, 6 parameters)"
    assert linear("sigmoid", 2, ("effusion", "nodule")).targets == (
        "effusion",
        "nodule",
        "no effusion",
        "no nodule",
    )


@pytest.mark.parametrize(
    ("output", "columns", "label", "column", "sign"),
    [
        ("softmax", 3, 1, 1, 1),
        ("sigmoid", 3, 1, 1, 1),
        ("sigmoid", 3, 4, 1, -1),
        ("binary", 1, 1, 0, 1),
        ("binary", 1, 0, 0, -1),
        ("regression", 3, 2, 2, 1),
    ],
)
def test_input_times_gradient_of_a_linear_model_is_its_column_with_the_sign_of_the_label(
    output, columns, label, column, sign
):
    model = linear(output, columns)
    maps = np.asarray(explain.input_x_gradient(model, IMAGES, np.full(4, label)))
    expected = sign * IMAGES[..., 0] * W[:, column].reshape(2, 3)
    np.testing.assert_allclose(maps, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("label", [0, 4])
def test_the_probability_of_a_finding_is_its_own(label):
    """Not a share of all findings: the derivative is p(1 - p) w, with the sign of the label."""
    maps = np.asarray(explain.input_x_gradient(linear("sigmoid"), IMAGES, np.full(4, label), target="probability"))
    p, sign = sigmoid(Z[:, label % 3]), 1 if label < 3 else -1
    expected = sign * (p * (1 - p))[:, None, None] * IMAGES[..., 0] * W[:, label % 3].reshape(2, 3)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-6)
    logs = np.asarray(explain.input_x_gradient(linear("sigmoid"), IMAGES, np.full(4, label), target="log_probability"))
    np.testing.assert_allclose(logs, expected / (p if label < 3 else 1 - p)[:, None, None], rtol=1e-4, atol=1e-6)


def test_without_labels_the_most_probable_label_is_explained():
    for output, labels in (("sigmoid", Z.argmax(1)), ("regression", np.zeros(4, int))):
        model = linear(output)
        np.testing.assert_array_equal(explain.gradient(model, IMAGES), explain.gradient(model, IMAGES, labels))
    binary = linear("binary", 1)
    expected = explain.gradient(binary, IMAGES, (Z[:, 0] > 0).astype(int))
    np.testing.assert_array_equal(explain.gradient(binary, IMAGES), expected)


def test_perturbation_methods_take_the_sign_too():
    key = jax.random.key(0)
    for target in ("logit", "probability"):
        there, absent = (
            np.asarray(explain.occlusion(linear("sigmoid"), IMAGES, np.full(4, k), window=1, target=target))
            for k in (1, 4)
        )
        np.testing.assert_allclose(there, -absent, atol=1e-6)
    assert np.isfinite(explain.rise(linear("binary", 1), IMAGES, 1, count=20, grid=2, key=key)).all()


def test_what_does_not_fit_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match="output='binary'"):
        linear("softmax", 1)
    with pytest.raises(ValueError, match="a binary output is one logit; the model returns 3"):
        linear("binary", 3)
    with pytest.raises(ValueError, match="must be softmax, sigmoid, binary or regression"):
        linear("multi-label")
    with pytest.raises(ValueError, match=r"from 0 to 5 \(3 \+ k: finding k is absent\); got 6 to 6"):
        explain.gradient(linear("sigmoid"), IMAGES, 6)
    with pytest.raises(TypeError, match="the index of a finding for each image"):
        explain.gradient(linear("sigmoid"), IMAGES, np.ones((4, 3), bool))
    with pytest.raises(ValueError, match="this model's output is sigmoid"):
        explain.gradient(linear("sigmoid"), IMAGES, 1, target=explain.LogitDifference())
    with pytest.raises(ValueError, match="a regression has no probability"):
        explain.gradient(linear("regression"), IMAGES, 1, target="log_probability")


@pytest.mark.parametrize(
    ("output", "classes"),
    [("softmax", ("a", "b", "c")), ("sigmoid", ("a", "b", "c")), ("binary", ("no", "yes")), ("regression", ("age",))],
)
def test_a_file_keeps_the_output(tmp_path, output, classes):
    made = models.create("small_cnn", input_shape=(16, 16, 1), classes=classes, output=output, width=2)
    models.save(made, tmp_path)
    read = models.load(tmp_path)
    assert (read.output, read.classes, read.thresholds) == (output, classes, None)
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    np.testing.assert_array_equal(read.predict(images), made.predict(images))
    (told,) = models.describe(tmp_path)
    assert (told.output, told.num_classes, told.parameters) == (output, len(classes), made.parameter_count())


def test_thresholds_are_kept_and_checked(tmp_path):
    made = models.create("small_cnn", input_shape=(16, 16, 1), classes=("a", "b"), width=2)
    limited = made.with_output("sigmoid", thresholds=(0.3, 0.6))
    models.save(limited, tmp_path)
    assert models.load(tmp_path).thresholds == (0.3, 0.6)
    with pytest.raises(ValueError, match="2 numbers between 0 and 1"):
        made.with_output("sigmoid", thresholds=(0.3,))
    with pytest.raises(ValueError, match="thresholds are for the outputs sigmoid and binary"):
        made.with_output("softmax", thresholds=(0.3, 0.6))


def test_a_softmax_file_is_the_same_bytes_as_before(tmp_path):
    """The header of a softmax says nothing of outputs, so that files written before are read as such, and alike."""
    made = models.create("small_cnn", input_shape=(16, 16, 1), classes=("a", "b"), width=2)
    text = models.save(made, tmp_path).read_bytes()
    assert b"output" not in text[: 8 + int.from_bytes(text[:8], "little")]
    assert models.load(tmp_path).output == "softmax"
