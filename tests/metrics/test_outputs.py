"""Findings, one logit and numbers: each finding scores as a model of two classes of its own would."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax.classifier import Classifier
from xaijax.metrics import METRICS, Explained, Scores, evaluate, health
from xaijax.metrics.statistics import analyze

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 12, 12, 1)).astype(np.uint8)
W = RNG.normal(size=(144, 3)) * 0.35
CLASSES = ("effusion", "nodule", "mass")
FINDINGS = np.array([[1, 0, 1], [0, 0, np.nan], [0, 1, 1]])
PAIRS = [(0, 0), (0, 2), (2, 1), (2, 2)]
MAPS = {name: RNG.random((3, 3, 12, 12)) for name in ("a", "b")}  # [B, K, H, W]
PREDICTED = ("deletion_black", "insertion_mean", "road", "road_accuracy", "average_drop", "confidence_gain")
CURVES = ("aic_shannon", "sic_shannon", "sic_mutual")


class Findings:
    """Independent findings, each a logistic regression of the pixels."""

    classes, output = CLASSES, "sigmoid"

    def chances(self, images):
        assert images.dtype == np.float32
        assert 0 <= images.min() <= images.max() <= 1
        return 1 / (1 + np.exp(-(images.reshape(len(images), -1) - 0.5) @ W))

    def predict(self, images):
        return self.chances(images)


class One(Findings):
    """A finding alone, as a model of two classes: the oracle."""

    classes, output = ("absent", "present"), "softmax"

    def __init__(self, finding):
        self.finding = finding

    def predict(self, images):
        p = self.chances(images)[:, self.finding]
        return np.stack([1 - p, p], axis=1)


def of_image(i, k=None):
    """The maps of one image and, with k, of one finding."""
    return {name: values[i : i + 1] if k is None else values[i : i + 1, k] for name, values in MAPS.items()}


def test_every_finding_that_is_present_is_scored_as_a_model_of_its_own():
    names = [*PREDICTED, *CURVES]
    scores = evaluate(Findings(), IMAGES, FINDINGS, MAPS, metrics=names, ids=["x", "y", "z"])
    pairs = list(dict.fromkeys(zip(scores.image, scores.target, strict=True)))
    assert pairs == [("x", "effusion"), ("x", "mass"), ("z", "nodule"), ("z", "mass")]
    assert len(scores) == 4 * 2 * len(names)
    seen = set()
    for i, k in PAIRS:
        name = "xyz"[i]
        alone = evaluate(One(k), IMAGES[i : i + 1], [1], of_image(i, k), metrics=names, ids=[name])
        own = scores.select(image=name, target=CLASSES[k])
        np.testing.assert_allclose(own.value, alone.value, atol=1e-9)
        assert own.reason.tolist() == alone.reason.tolist()
        assert len(own.curves) == len(alone.curves)
        assert own.metric.tolist() == alone.metric.tolist()
        seen |= set(own.reason)
    assert "" in seen
    assert set(scores.responses.target) == {"effusion", "nodule", "mass"}


def test_a_finding_that_is_absent_scores_by_its_complement():
    labels = [3, 4, 5]  # K + k
    maps = {name: values[np.arange(3), np.arange(3)] for name, values in MAPS.items()}
    scores = evaluate(Findings(), IMAGES, labels, maps, metrics=PREDICTED)
    assert list(dict.fromkeys(scores.target)) == ["no effusion", "no nodule", "no mass"]
    for k in range(3):
        one = {name: values[k : k + 1] for name, values in maps.items()}
        alone = evaluate(One(k), IMAGES[k : k + 1], [0], one, metrics=PREDICTED, ids=[str(k)])
        np.testing.assert_allclose(scores.select(image=str(k)).value, alone.value, atol=1e-9)


def test_maps_may_be_given_finding_by_finding():
    flat = {name: np.stack([values[i, k] for i, k in PAIRS]) for name, values in MAPS.items()}
    one, other = (
        evaluate(Findings(), IMAGES, labels, maps, metrics=["deletion_black"])
        for labels, maps in ((FINDINGS, MAPS), (FINDINGS == 1, flat))
    )
    np.testing.assert_array_equal(one.value, other.value)
    with pytest.raises(ValueError, match=r"maps of 'a' must be \[4, H, W\], one for each finding.*or \[3, K, H, W\]"):
        evaluate(Findings(), IMAGES, FINDINGS, of_image(0, 0), metrics=["deletion_black"])


def test_masks_hold_for_all_findings_of_an_image():
    masks = np.zeros((3, 12, 12), bool)
    masks[:, 2:5, 3:9] = True
    per_finding = np.broadcast_to(masks[:, None], (3, 3, 12, 12))
    found = [
        evaluate(Findings(), IMAGES, FINDINGS, MAPS, given, metrics=["iou", "pointing_game"]).value
        for given in (masks, per_finding, {"lesion": masks})
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    assert len(found[0]) == 16


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
def test_accuracy_curves_use_the_threshold_of_the_finding(threshold):
    """A threshold t is the threshold 0.5 of a model whose logit is shifted by log((1 - t) / t)."""

    class Stored(Findings):
        thresholds = (threshold, 0.5, 0.5)

    class Shifted(One):
        def predict(self, images):
            p = self.chances(images)[:, self.finding]
            shifted = 1 / (1 + (1 - p) / p * threshold / (1 - threshold))
            return np.stack([1 - shifted, shifted], axis=1)

    maps = {"a": MAPS["a"][:, 0]}
    for name in ("road_accuracy", "aic_shannon"):
        stored = evaluate(Stored(), IMAGES, [0, 0, 0], maps, metrics=[name])
        shifted = evaluate(Shifted(0), IMAGES, [1, 1, 1], maps, metrics=[name])
        np.testing.assert_allclose(stored.value, shifted.value, atol=1e-9)


def test_a_binary_output_is_a_softmax_of_two_classes():
    class Binary(One):
        output = "binary"

    class Column(Binary):
        def predict(self, images):
            return super().predict(images)[:, 1]

    maps = {"a": MAPS["a"][:, 0]}
    expected = evaluate(One(0), IMAGES, [1, 0, 1], maps, metrics=[*PREDICTED, *CURVES])
    for model in (Binary(0), Column(0)):
        found = evaluate(model, IMAGES, np.array([1, 0, 1], bool), maps, metrics=[*PREDICTED, *CURVES])
        np.testing.assert_allclose(found.value, expected.value, atol=1e-12)
        assert not found.by_finding


def test_a_classifier_of_findings_scores_like_its_predictions():
    """A `Classifier` in JAX and an object with `predict` are one model."""
    model = Classifier.from_function(
        lambda w, x: (x.reshape(len(x), -1) - 0.5) @ w,
        jnp.asarray(W, jnp.float32),
        input_shape=(12, 12, 1),
        output="sigmoid",
        classes=CLASSES,
    )
    names = [*PREDICTED, *CURVES]
    ours, plain = (evaluate(one, IMAGES, FINDINGS, MAPS, metrics=names) for one in (model, Findings()))
    np.testing.assert_allclose(ours.value, plain.value, atol=1e-5)
    # The logit of a linear model changes by what its gradient says, also for a finding that is absent.
    labels = np.array([1, 4, 2])
    maps = np.asarray(explain.gradient(model, IMAGES, labels, reduce="sum"))
    found = evaluate(model, IMAGES, labels, {"gradient": maps}, metrics=["infidelity"])
    np.testing.assert_allclose(found.value, 0, atol=1e-8)


def test_the_other_finding_of_random_logit_has_the_same_sign():
    asked = []

    def explainer(classifier, images, labels):
        asked.append(np.asarray(labels).tolist())
        return np.stack([MAPS["a"][0, k % 3] for k in labels])

    maps = {"a": Explained(MAPS["a"][:, 0], explainer=explainer)}
    evaluate(Findings(), IMAGES, [0, 1, 5], maps, metrics=["random_logit_spearman"])
    (others,) = asked
    assert [label // 3 for label in others] == [0, 0, 1]
    assert all(label != own for label, own in zip(others, [0, 1, 5], strict=True))


class Age:
    """The mean of the image in years."""

    classes, output = ("age",), "regression"

    def predict(self, images):
        return 100 * images.mean((1, 2, 3), dtype=np.float64)[:, None]


def test_the_response_of_a_regression_is_its_similarity_to_the_intact_image():
    image = np.full((1, 8, 8, 1), 255, np.uint8)
    maps = {"m": np.arange(64.0).reshape(1, 8, 8)}
    settings = {"perturbation": {"steps": 4}}
    found = evaluate(Age(), image, [100.0], maps, metrics=["deletion_black"], settings=settings, spread=50.0)
    (curve,) = found.responses.value
    # 100, 75, 50, 25, 0 years: half a spread less is a response of one half, a whole one of none.
    np.testing.assert_allclose(curve, [1.0, 0.5, 0.0, 0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(found.value, 0.25 * (0.75 + 0.25), atol=1e-6)


def test_a_regression_is_neither_right_nor_wrong_and_needs_a_spread():
    maps = {"m": MAPS["a"][:, 0]}
    names = ["aic_shannon", "road_accuracy", "sic_shannon", "road"]
    found = evaluate(Age(), IMAGES, [40.0, 50.0, 60.0], maps, metrics=names)
    for name in names[:2]:
        assert set(found.select(metric=name).reason) == {"regression"}
    assert (found.select(metric="road").reason == "").all()
    # The spread is that of the labels where none is given.
    same = evaluate(Age(), IMAGES, [0.0, 0.0, 0.0], maps, metrics=names, spread=float(np.std([40.0, 50.0, 60.0])))
    np.testing.assert_array_equal(found.value, same.value)
    with pytest.raises(ValueError, match="give spread, the standard deviation of the labels"):
        evaluate(Age(), IMAGES, [1.0, 1.0, 1.0], maps, metrics=names)


@pytest.fixture(scope="module")
def scores():
    return evaluate(Findings(), IMAGES, FINDINGS, MAPS, metrics=["deletion_black", "sic_shannon"], ids=["x", "y", "z"])


def test_tables_keep_the_finding(scores):
    table = scores.to_arrow()
    assert table.column_names == ["image", "method", "metric", "value", "reason", "target"]
    again = Scores.from_arrow(table)
    assert again.target.tolist() == scores.target.tolist()
    assert Scores.from_rows(list(scores)).target.tolist() == scores.target.tolist()
    for one in (scores.curves, scores.responses):
        assert type(one).from_arrow(one.to_arrow()).target.tolist() == one.target.tolist()
    assert scores.select(target="mass").target.tolist() == ["mass"] * 8
    softmax = evaluate(One(0), IMAGES, [1, 1, 1], {"a": MAPS["a"][:, 0]}, metrics=["iou"][:0] or ["deletion_black"])
    assert softmax.to_arrow().column_names == ["image", "method", "metric", "value", "reason"]


def test_rows_are_paired_by_image_and_finding(scores):
    images, methods, values = scores.matrix("deletion_black")
    assert images == ["x: effusion", "x: mass", "z: nodule", "z: mass"]
    assert values.shape == (4, len(methods))
    assert analyze(scores)["deletion_black"].ranking.n == 2  # an image has one value in every test
    assert health(scores)["deletion_black"].images == 4


def test_the_summary_has_all_findings_and_then_each(scores):
    rows = {(row.target, row.method, row.metric): row for row in scores.summary()}
    own = scores.select(method="a", metric="deletion_black")
    assert rows["", "a", "deletion_black"].n == 4
    assert rows["", "a", "deletion_black"].mean == pytest.approx(own.value.mean())
    assert rows["mass", "a", "deletion_black"].n == 2
    assert rows["mass", "a", "deletion_black"].mean == pytest.approx(own.select(target="mass").value.mean())
    text = str(scores.summary())
    assert text.splitlines()[0].startswith("finding")
    assert text.splitlines()[1].startswith("all ")


def test_what_does_not_fit_is_refused_in_one_sentence():
    maps = {"a": MAPS["a"][:, 0]}
    with pytest.raises(ValueError, match=r"1 \(present\), 0 \(absent\) or NaN .*image '1' has 2 for nodule"):
        evaluate(Findings(), IMAGES, np.array([[1, 0, 0], [0, 2, 0], [0, 0, 0]]), MAPS, metrics=["road"])
    with pytest.raises(ValueError, match=r"\[B, K\] = \(3, 3\) findings \(effusion, nodule, mass\); got \(3, 2\)"):
        evaluate(Findings(), IMAGES, np.ones((3, 2)), MAPS, metrics=["road"])
    with pytest.raises(ValueError, match=r"labels must be in \[0, 6\); image '0' has 6"):
        evaluate(Findings(), IMAGES, [6, 0, 0], maps, metrics=["road"])
    with pytest.raises(ValueError, match="which scores the predicted class; a model with the output sigmoid has none"):
        evaluate(
            Findings(), IMAGES, [0, 0, 0], maps, metrics=["sic_shannon"], settings={"pic": {"convention": "medical"}}
        )

    class Nameless(Findings):
        classes = None

    with pytest.raises(TypeError, match="needs its names"):
        evaluate(Nameless(), IMAGES, [0, 0, 0], maps, metrics=["road"])


def test_every_metric_takes_findings():
    """No family is left behind: each of its metrics gives rows about the findings. Mosaics need one class an image."""
    masks = np.zeros((3, 12, 12), bool)
    masks[:, 2:5, 3:9] = True
    model = Classifier.from_function(
        lambda w, x: (x.reshape(len(x), -1) - 0.5) @ w,
        jnp.asarray(W, jnp.float32), input_shape=(12, 12, 1), output="sigmoid", classes=CLASSES,
    )  # fmt: skip

    def gradient(classifier, images, labels):
        return np.asarray(explain.input_x_gradient(classifier, images, labels)) if images.min() >= 0 else _wide(images)

    def _wide(images):
        return images[..., 0]

    given = Explained(MAPS["a"], variants={"b": MAPS["b"]}, explainer=gradient)
    names = [
        name
        for name, metric in METRICS.items()
        if not metric.kind.endswith("mprt") and metric.measure not in ("webp", "mean") and name != "rrs"  # no layers
        if metric.family != "mosaic"
    ]
    found = evaluate(
        model, IMAGES, FINDINGS, {"a": given}, {"lesion": masks, "artefact": masks, "organ": masks}, names,
        settings={
            "robustness": {"draws": 2, "sensitivity_draws": 1, "lipschitz_draws": 1, "stability_draws": 3},
            "faithfulness": {"cell_draws": 2, "size_draws": 10, "noise_draws": 5},
        },
    )  # fmt: skip
    assert set(found.metric) == set(names)
    assert len(found) == 4 * len(names)
    assert set(found.target) == {"effusion", "nodule", "mass"}
    assert dataclasses.replace(found).by_finding
