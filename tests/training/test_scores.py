"""Scores against scikit-learn, reliability, the comparison of two classifiers, the embedding."""

import numpy as np
import pytest
from scipy import stats
from sklearn import decomposition
from sklearn import metrics as sklearn_metrics

from xaijax import models
from xaijax.training import (
    bootstrap_difference,
    confusion_matrix,
    corrected_t_test,
    mcnemar,
    permutation_test,
    reliability,
)
from xaijax.training._comparison import drawn_scores, interval
from xaijax.training._embedding import penultimate, principal_components
from xaijax.training._scores import scores_of_confusion, scores_of_logits
from xaijax.training._trainer import class_weights


def test_scores_equal_scikit_learn():
    random = np.random.default_rng(0)
    for classes in (2, 3, 5):
        labels, predictions = random.integers(0, classes, (2, 200))
        confusion = confusion_matrix(labels, predictions, classes)
        np.testing.assert_array_equal(confusion, sklearn_metrics.confusion_matrix(labels, predictions))
        got = scores_of_confusion(confusion, [str(k) for k in range(classes)])
        assert got["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predictions), abs=1e-12)
        macro = sklearn_metrics.f1_score(labels, predictions, average="macro")
        assert got["macro_f1"] == pytest.approx(macro, abs=1e-12)
        micro = sklearn_metrics.f1_score(labels, predictions, average="micro")
        assert got["micro_f1"] == pytest.approx(micro, abs=1e-12)
        each = sklearn_metrics.precision_recall_fscore_support(labels, predictions)
        for k in range(classes):
            row = got["per_class"][str(k)]
            assert [row[w] for w in ("precision", "recall", "f1", "images")] == pytest.approx([e[k] for e in each])


def test_a_class_that_nobody_has_or_predicts_does_not_count():
    labels, predictions = np.array([0, 0, 2, 2]), np.array([0, 2, 2, 2])
    got = scores_of_confusion(confusion_matrix(labels, predictions, 4), "abcd")
    expected = sklearn_metrics.f1_score(labels, predictions, average="macro")
    assert got["macro_f1"] == pytest.approx(expected, abs=1e-12)


def test_class_weights_make_classes_count_alike():
    weights = class_weights(np.array([0, 0, 0, 2]), 3)
    np.testing.assert_allclose(weights, [4 / 6, 0, 2], rtol=1e-6)
    assert weights[[0, 0, 0, 2]].mean() == pytest.approx(1)


def test_calibration_error_by_hand():
    """Bins (0.4, 0.6] and (0.8, 1]: |1/2 - 0.55| of two images in five, |2/3 - 0.9| of three."""
    probabilities = [[0.5, 0.5], [0.6, 0.4], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    found = reliability([1, 0, 0, 1, 0], probabilities, bins=5)
    assert found["ece"] == pytest.approx(2 / 5 * 0.05 + 3 / 5 * (0.9 - 2 / 3))
    assert [row["images"] for row in found["bins"]] == [0, 0, 2, 0, 3]
    assert found["bins"][4]["accuracy"] == pytest.approx(2 / 3)
    assert found["bins"][4]["confidence"] == pytest.approx(0.9)
    assert found["bins"][0]["accuracy"] is None


def test_probabilities_that_are_true_are_calibrated():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 60_000)
    labels = (random.random((60_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    assert reliability(labels, probabilities)["ece"] < 0.01
    sharper = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    assert reliability(labels, sharper)["ece"] > 0.1
    with pytest.raises(ValueError, match="as many and not none"):
        reliability([], np.zeros((0, 3)))


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="gives NaN or infinity for 2 of 3 images"):
        scores_of_logits(np.array([[0.0, np.nan], [1.0, 2.0], [np.inf, 0.0]]), [0, 1, 0], ["a", "b"])


def test_mcnemar_is_the_binomial_tail():
    """1 against 9 discordant images: p = 2 (1 + 10) / 2^10."""
    labels = np.zeros(30, int)
    first, second = np.zeros(30, int), np.zeros(30, int)
    first[:9], second[9:10] = 1, 1
    found = mcnemar(labels, first, second)
    assert found == {"only_first_right": 1, "only_second_right": 9, "p_value": pytest.approx(22 / 1024)}
    assert mcnemar(labels, second, first)["p_value"] == found["p_value"]
    assert mcnemar(labels, first, first)["p_value"] == 1


def certain(predicted, classes):
    """Probabilities of a classifier that is always sure."""
    return np.eye(classes)[predicted]


def test_drawn_scores_equal_scikit_learn_on_the_images_and_on_a_sample():
    random = np.random.default_rng(4)
    labels = random.integers(0, 3, 60)
    chances = random.dirichlet(np.ones(3), 60) + 0.5 * np.eye(3)[labels]
    chances /= chances.sum(axis=1, keepdims=True)
    found = drawn_scores(chances, labels, seed=8, draws=5)
    # The first draw of the generator stands for the images; sample 1 is the second.
    counts = np.random.default_rng(8).multinomial(60, np.full(60, 1 / 60), size=6)
    for row, weights in ((0, np.ones(60, int)), (1, counts[1]), (5, counts[5])):
        taken = np.repeat(np.arange(60), weights)
        own, p = labels[taken], chances[taken]
        areas = [sklearn_metrics.roc_auc_score(own == k, p[:, k]) for k in range(3)]
        assert found["auroc"][row] == pytest.approx(np.mean(areas), abs=1e-12)
        assert found["accuracy"][row] == pytest.approx(sklearn_metrics.accuracy_score(own, p.argmax(1)), abs=1e-12)
        macro = sklearn_metrics.f1_score(own, p.argmax(1), average="macro")
        assert found["macro_f1"][row] == pytest.approx(macro, abs=1e-12)
        assert found["ece"][row] == pytest.approx(reliability(own, p)["ece"], abs=1e-12)


def test_a_sample_without_a_class_has_the_area_of_the_others():
    """Of two images one is drawn twice in half of the samples: then no class has images in and outside of it."""
    found = drawn_scores([[0.9, 0.1], [0.2, 0.8]], [0, 1], draws=50)
    assert found["auroc"][0] == 1
    assert np.isnan(found["auroc"]).any()
    assert interval(found["auroc"]) == {"value": 1, "low": 1, "high": 1}
    assert interval(drawn_scores([[0.9, 0.1], [0.2, 0.8]], [0, 1], groups=["a", "a"])["accuracy"])["low"] is None


def test_bootstrap_interval_of_a_difference():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 400)
    first, second = (np.where(random.random(400) < p, labels, random.integers(0, 3, 400)) for p in (0.6, 0.7))
    found = bootstrap_difference(labels, certain(first, 3), certain(second, 3))
    each = [scores_of_confusion(confusion_matrix(labels, predicted, 3), "abc") for predicted in (first, second)]
    for name in ("accuracy", "macro_f1"):
        assert found[name]["difference"] == pytest.approx(each[1][name] - each[0][name], abs=1e-12)
    # Of the accuracy, a mean of differences of -1, 0 and 1, the normal approximation is good.
    differences = (second == labels).astype(float) - (first == labels)
    half = stats.norm.ppf(0.975) * differences.std() / 20
    assert found["accuracy"]["low"] == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert found["accuracy"]["high"] == pytest.approx(differences.mean() + half, abs=0.1 * half)
    same = bootstrap_difference(labels, certain(first, 3), certain(first, 3))["macro_f1"]
    assert same == {"difference": 0, "low": 0, "high": 0}


def test_bootstrap_draws_whole_patients():
    """Three copies of each image are as much evidence as one, if they are one patient's."""
    random = np.random.default_rng(0)
    labels, first, second = random.integers(0, 2, (3, 50))
    alone = bootstrap_difference(labels, certain(first, 2), certain(second, 2))
    copies = [np.repeat(values, 3, axis=0) for values in (labels, certain(first, 2), certain(second, 2))]
    names = np.repeat([f"{number:02d}" for number in range(50)], 3)
    grouped = bootstrap_difference(*copies, groups=names)
    assert grouped["units"] == 50
    for name in ("accuracy", "macro_f1", "auroc", "ece"):
        assert grouped[name] == pytest.approx(alone[name], abs=1e-12)


def test_swapping_patients_is_mcnemar_where_each_has_one_image_and_counts_copies_once():
    random = np.random.default_rng(3)
    labels, first, second = random.integers(0, 2, (3, 16))
    assert permutation_test(labels, first, second, range(16)) == pytest.approx(
        mcnemar(labels, first, second)["p_value"]
    )
    copies = [np.repeat(values, 5) for values in (labels, first, second)]
    assert permutation_test(*copies, np.repeat(range(16), 5)) == pytest.approx(
        mcnemar(labels, first, second)["p_value"]
    )
    assert permutation_test(labels, first, first, range(16)) == 1
    assert permutation_test(labels, first, second, ["one patient"] * 16) == 1


def test_repeats_are_the_paired_t_test_and_the_correction_widens_it():
    random = np.random.default_rng(5)
    first, second = random.random(5), random.random(5) + 0.2
    plain = corrected_t_test(first, second)
    theirs = stats.ttest_rel(second, first)
    assert plain["p_value"] == pytest.approx(theirs.pvalue)
    bounds = theirs.confidence_interval()
    assert (plain["low"], plain["high"]) == pytest.approx((bounds.low, bounds.high))
    wide = corrected_t_test(first, second, overlap=1 / 9)
    ratio = (wide["high"] - wide["low"]) / (plain["high"] - plain["low"])
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 9) / (1 / 5)))  # Nadeau and Bengio, equation 9
    t = theirs.statistic / ratio
    assert wide["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), 4))
    assert corrected_t_test([0.5], [0.7])["p_value"] is None
    assert corrected_t_test([0.5, 0.6], [0.7, 0.8])["low"] is None  # no spread


def test_the_penultimate_layer_gives_the_logits():
    images = np.random.default_rng(0).random((5, 32, 32, 1)).astype(np.float32)
    model = models.create("small_cnn", 3, (32, 32, 1), width=4)
    found = penultimate(model, images, batch_size=3)
    dense = model.params["dense"]
    logits = found @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])
    np.testing.assert_allclose(logits, model.logits(model.params, images), rtol=1e-4, atol=1e-5)
    pooled = model.tapped(model.params, images, {"top": None})[1]["top"].mean((1, 2))
    np.testing.assert_allclose(found, pooled, rtol=1e-4, atol=1e-6)


def test_a_model_without_a_dense_layer_gives_the_means_of_its_default_layer():
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    model = models.create("squeezenet", 3, (32, 32, 3))
    layer = model.default_layer
    expected = model.tapped(model.params, images, {layer: None})[1][layer].mean((1, 2))
    np.testing.assert_allclose(penultimate(model, images), expected, rtol=1e-4, atol=1e-4)


def test_principal_components_are_those_of_scikit_learn():
    features = np.random.default_rng(0).normal(size=(40, 7)) @ np.diag([5, 3, 1, 1, 1, 1, 0.1])
    coordinates, shares = principal_components(features)
    oracle = decomposition.PCA(2, svd_solver="full")
    np.testing.assert_allclose(np.abs(coordinates), np.abs(oracle.fit_transform(features)), atol=1e-9)
    np.testing.assert_allclose(shares, oracle.explained_variance_ratio_, atol=1e-12)
    assert (coordinates.max(axis=0) == np.abs(coordinates).max(axis=0)).all()
    flat, none = principal_components(np.ones((3, 4)))
    assert not flat.any()
    assert not none.any()
