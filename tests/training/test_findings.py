"""AUROC and average precision against scikit-learn, and the training of findings and of one logit."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from xaijax import models
from xaijax._errors import InputError
from xaijax.training import (
    Options,
    auroc,
    average_precision,
    classification_scores,
    compare_findings,
    corrected_t_test,
    finding_scores,
    train,
)
from xaijax.training._scores import scores_of_logits

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [False, True])
def test_the_areas_are_those_of_scikit_learn(ties):
    for count in (2, 3, 10, 57):
        truth = RNG.random(count) < 0.4
        truth[:2] = [True, False]
        chances = RNG.random(count)
        chances = np.round(chances * 4) / 4 if ties else chances
        assert auroc(truth, chances) == pytest.approx(roc_auc_score(truth, chances), abs=1e-12)
        assert average_precision(truth, chances) == pytest.approx(average_precision_score(truth, chances), abs=1e-12)


def test_areas_without_a_value():
    assert np.isnan(auroc([True, True], [0.1, 0.2]))
    assert np.isnan([auroc([], []), average_precision([], [])]).all()
    assert np.isnan(average_precision([False, False], [0.1, 0.2]))
    assert average_precision([True, True], [0.1, 0.2]) == 1.0


def test_every_finding_has_its_scores_over_the_images_where_it_is_known():
    labels = (RNG.random((60, 3)) < 0.4).astype(float)
    labels[::7, 1] = np.nan
    labels[:, 2] = 0  # no image has it
    chances = 0.3 * (labels == 1) + 0.7 * RNG.random((60, 3))
    found = finding_scores(labels, chances, ["a", "b", "c"], seed=3)
    for k, name in enumerate("ab"):
        known = ~np.isnan(labels[:, k])
        row = found["per_finding"][name]
        truth, p = labels[known, k], chances[known, k]
        assert row["auroc"] == pytest.approx(roc_auc_score(truth, p))
        assert row["auprc"] == pytest.approx(average_precision_score(truth, p))
        assert row["present"] + row["absent"] == known.sum()
        assert row["unknown"] == 60 - known.sum()
        assert row["sensitivity"] == pytest.approx((p[truth == 1] >= 0.5).mean())
        assert row["specificity"] == pytest.approx((p[truth == 0] < 0.5).mean())
        assert row["auroc_low"] <= row["auroc"] <= row["auroc_high"]
        assert row["auprc_low"] < row["auprc_high"]
    empty = found["per_finding"]["c"]
    assert empty["auroc"] is None
    assert empty["sensitivity"] is None
    known = ~np.isnan(labels)
    assert found["loss"] == pytest.approx(log_loss(labels[known], np.clip(chances[known], 1e-12, 1), labels=[0, 1]))
    both = [found["per_finding"][name]["auroc"] for name in "ab"]
    assert found["macro_auroc"] == pytest.approx(np.mean(both))
    json.dumps(found, allow_nan=False)


def test_the_interval_is_the_percentile_over_samples_of_the_images():
    """The same draws, one by one with scikit-learn."""
    labels = (RNG.random((30, 1)) < 0.5).astype(float)
    chances = np.clip(0.3 * labels + 0.8 * RNG.random((30, 1)), 0, 1)
    row = finding_scores(labels, chances, ["a"], draws=200, seed=5)["per_finding"]["a"]
    drawn = np.random.default_rng(5).multinomial(30, np.full(30, 1 / 30), size=200)
    for name, score in (("auroc", roc_auc_score), ("auprc", average_precision_score)):
        values = [score(labels[:, 0], chances[:, 0], sample_weight=weights) for weights in drawn]
        np.testing.assert_allclose([row[f"{name}_low"], row[f"{name}_high"]], np.percentile(values, [2.5, 97.5]))


def test_patients_are_drawn_together():
    """Copies of an image of the same patient add nothing: the interval is that of the patients."""
    labels = (RNG.random((20, 1)) < 0.5).astype(float)
    chances = np.clip(0.3 * labels + 0.8 * RNG.random((20, 1)), 0, 1)
    once = finding_scores(labels, chances, ["a"], seed=1)["per_finding"]["a"]
    names = [f"p{i}" for i in range(20)] * 4
    copies = finding_scores(np.tile(labels, (4, 1)), np.tile(chances, (4, 1)), ["a"], groups=names, seed=1)
    assert copies["resampled"] == "patients"
    row = copies["per_finding"]["a"]
    assert (row["auroc_low"], row["auroc_high"]) == pytest.approx((once["auroc_low"], once["auroc_high"]))


def squares(count):
    """Two findings, each a bright square of its own, independent of each other; some labels are not known."""
    labels = np.stack([np.arange(count) % 2, np.arange(count) // 2 % 2], axis=1).astype(np.float32)
    images = np.random.default_rng(1).integers(0, 60, (count, 16, 16, 1)).astype(np.uint8)
    images[labels[:, 0] == 1, 2:7, 2:7] = 230
    images[labels[:, 1] == 1, 9:14, 9:14] = 230
    return images, labels


def test_findings_are_learned_and_unknown_labels_play_no_part():
    images, labels = squares(48)
    hidden = labels.copy()
    hidden[::3, 0] = np.nan
    start = models.create("small_cnn", input_shape=(16, 16, 1), classes=["left", "right"], output="sigmoid", width=4)
    options = Options(epochs=12, batch_size=16, learning_rate=1e-2, augmentation=None, patience=12)
    done = train(start, images, hidden, validation=(images, labels), options=options)
    assert done.metrics["macro_auroc"] > 0.95
    found = classification_scores(done.classifier, images, labels)
    assert found["per_finding"]["left"]["auroc"] > 0.95
    assert done.classifier.output == "sigmoid"
    # A label that is not known is not a zero: the wrong guess would change the weights.
    wrong = np.where(np.isnan(hidden), 1 - labels, hidden)
    other = train(start, images, wrong, validation=(images, labels), options=options)
    assert other.metrics["per_finding"]["left"]["auroc"] < done.metrics["per_finding"]["left"]["auroc"] + 1e-9


def test_one_logit_is_trained_by_the_loss_of_two_classes():
    images, labels = squares(32)
    start = models.create("small_cnn", input_shape=(16, 16, 1), classes=["no", "yes"], output="binary", width=4)
    options = Options(epochs=10, batch_size=16, learning_rate=1e-2, augmentation=None)
    one = labels[:, 0].astype(int)
    done = train(start, images, one, validation=(images, one), options=options)
    assert done.metrics["accuracy"] > 0.9
    assert done.classifier.logits(done.classifier.params, images[:2]).shape == (2, 1)
    found = np.asarray(done.classifier.predict(images)).argmax(1)
    assert done.metrics["accuracy"] == pytest.approx((found == one).mean())


def test_labels_that_do_not_fit_the_output_are_refused():
    images, labels = squares(8)
    soft = models.create("small_cnn", input_shape=(16, 16, 1), classes=["a", "b"], width=2)
    with pytest.raises(ValueError, match="make the classifier with output='sigmoid'"):
        train(soft, images, labels, validation=(images, labels))
    with pytest.raises(ValueError, match=r"labels of findings must be \[N, 2\]; got shape \(8,\)"):
        train(soft.with_output("sigmoid"), images, labels[:, 0], validation=(images, labels))
    with pytest.raises(ValueError, match="1 \\(present\\), 0 \\(absent\\) or NaN"):
        train(soft.with_output("sigmoid"), images, labels * 2, validation=(images, labels))


class TestComparison:
    LABELS = (np.random.default_rng(1).random((50, 3)) < 0.4).astype(float)
    LABELS[::6, 1] = np.nan
    NOISE = np.random.default_rng(2).random((2, 50, 3))
    FIRST, SECOND = 0.1 * (LABELS == 1) + 0.9 * NOISE[0], 0.4 * (LABELS == 1) + 0.6 * NOISE[1]

    def test_the_differences_are_those_of_scikit_learn(self):
        found = compare_findings(self.LABELS, self.FIRST, self.SECOND, ["a", "b", "c"], draws=50)
        areas = {"auroc": roc_auc_score, "auprc": average_precision_score}
        for name, area in areas.items():
            expected = []
            for k, finding in enumerate("abc"):
                known = ~np.isnan(self.LABELS[:, k])
                truth = self.LABELS[known, k]
                expected.append(area(truth, self.SECOND[known, k]) - area(truth, self.FIRST[known, k]))
                row = found["per_finding"][finding][name]
                assert row["difference"] == pytest.approx(expected[-1], abs=1e-12)
                assert row["low"] <= row["high"]
            assert found[f"macro_{name}"]["difference"] == pytest.approx(np.mean(expected), abs=1e-12)
        json.dumps(found, allow_nan=False)

    def test_images_are_resampled_with_all_their_findings_for_both(self):
        """The interval of the mean over findings by the definition, image by image."""
        found = compare_findings(self.LABELS, self.FIRST, self.SECOND, ["a", "b", "c"], draws=200, seed=5)
        assert (found["units"], found["draws"]) == (50, 200)
        counts = np.random.default_rng(5).multinomial(50, np.full(50, 1 / 50), size=200)
        drawn = []
        for count in counts:
            rows = np.repeat(np.arange(50), count)
            labels, differences = self.LABELS[rows], []
            for k in range(3):
                known = ~np.isnan(labels[:, k])
                truth = labels[known, k]
                areas = [roc_auc_score(truth, chances[rows][known, k]) for chances in (self.FIRST, self.SECOND)]
                differences.append(areas[1] - areas[0])
            drawn.append(np.mean(differences))
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert found["macro_auroc"]["low"] == pytest.approx(low, abs=1e-9)
        assert found["macro_auroc"]["high"] == pytest.approx(high, abs=1e-9)

    def test_equal_classifiers_do_not_differ(self):
        found = compare_findings(self.LABELS, self.FIRST, self.FIRST, ["a", "b", "c"], draws=50)
        assert found["macro_auprc"] == {"difference": 0.0, "low": 0.0, "high": 0.0}

    def test_patients_are_drawn_whole(self):
        groups = [f"p{i // 10}" for i in range(50)]
        found = compare_findings(self.LABELS, self.FIRST, self.SECOND, ["a", "b", "c"], groups=groups, draws=50)
        assert found["units"] == 5

    def test_a_finding_that_no_image_has_has_no_difference(self):
        labels = self.LABELS.copy()
        labels[:, 2] = 0
        found = compare_findings(labels, self.FIRST, self.SECOND, ["a", "b", "c"], draws=50)
        assert found["per_finding"]["c"]["auroc"] == {"difference": None, "low": None, "high": None}
        both = [found["per_finding"][name]["auroc"]["difference"] for name in "ab"]
        assert found["macro_auroc"]["difference"] == pytest.approx(np.mean(both))


@pytest.mark.parametrize("area", [auroc, average_precision])
def test_what_is_not_known_is_not_ranked_last(area):
    """NaN sorts behind all numbers: an image without a probability would count as a sure negative."""
    with pytest.raises(InputError, match="0 labels and 1 probabilities of 3 are not"):
        area([1, 0, 1], [0.9, np.nan, 0.2])
    with pytest.raises(InputError, match="1 labels and 0 probabilities of 3 are not"):
        area([1, 0, np.nan], [0.9, 0.1, 0.2])
    with pytest.raises(InputError, match="alike"):
        area([1, 0, 1], [0.9, 0.1])


@pytest.mark.filterwarnings("error")
def test_logits_of_any_size_are_probabilities():
    found = scores_of_logits(np.array([[1e5], [-1e5]]), np.array([[1.0], [0.0]]), ["a"], output="sigmoid", draws=0)
    assert (found["accuracy"], found["macro_auroc"]) == (1.0, 1.0)
    assert found["loss"] == pytest.approx(0.0, abs=1e-11)


def test_equal_differences_have_no_test_whatever_their_unit():
    """Student's t of differences that rounding alone tells apart is some 1e15."""
    rng = np.random.default_rng(0)
    first = rng.random(5) * 1e6
    assert corrected_t_test(first, first + 0.1)["p_value"] is None
    tiny = corrected_t_test([1e-17, 2e-17, 3e-17], [2e-17, 5e-17, 3e-17])
    same = corrected_t_test([1.0, 2.0, 3.0], [2.0, 5.0, 3.0])
    assert tiny["p_value"] == pytest.approx(same["p_value"], rel=1e-9)
