"""What is left of the probability: a linear model, where everything has a closed form."""

import numpy as np
import pytest

from xaijax.metrics import METRICS, Explained, evaluate
from xaijax.metrics.confidence import scaled

H, W = 10, 14
PLAIN = ["average_drop", "average_drop_absolute", "confidence_increase", "confidence_gain"]
TOPS = ["drop_top15", "drop_top30", "drop_top50"]


class Signed:
    """p of class 0 is `(1 + Σ w x) / 2`, with weights of both signs whose magnitudes add up to 1."""

    def __init__(self, weights):
        self.weights = weights / np.abs(weights).sum()

    def predict(self, images):
        p = (1 + (np.asarray(images, np.float64) * self.weights).sum((1, 2, 3))) / 2
        return np.stack([p, 1 - p], axis=1)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    maps = np.stack([rng.permutation(H * W).reshape(H, W) for _ in range(3)]) - 30.0
    # The weights balance: whether the probability grows depends on the map.
    weights = rng.standard_normal((H, W, 3))
    weights -= weights.mean()
    return rng.random((3, H, W, 3)).astype(np.float32), weights, maps


def test_values_are_those_of_the_definitions(problem):
    images, weights, maps = problem
    model, labels = Signed(weights), np.array([0, 1, 0])
    scores = evaluate(model, images, labels, {"m": maps}, metrics=[*PLAIN, *TOPS], batch_size=4)
    p = model.predict(images)[[0, 1, 2], labels]
    soft = np.maximum(maps, 0) / maps.max(axis=(1, 2), keepdims=True)
    after = model.predict(images * soft[..., None])[[0, 1, 2], labels]
    expected = {
        "average_drop": np.maximum(p - after, 0) / p,
        "average_drop_absolute": np.maximum(p - after, 0),
        "confidence_increase": after > p,
        "confidence_gain": after - p,
    }
    for name in TOPS:
        share = int(name[-2:]) / 100
        position = (H * W - 1) * (1 - share)  # of the quantile, in a permutation of 0..n-1
        keep = maps + 30 >= position
        left = model.predict(images * keep[..., None])[[0, 1, 2], labels]
        expected[name] = np.maximum(p - left, 0) / p
    for name, values in expected.items():
        np.testing.assert_allclose(scores.matrix(name)[2][:, 0], values, atol=1e-6, err_msg=name)
    assert 0 < scores.matrix("confidence_increase")[2].sum() < 3


def test_bytes_and_floats_are_one_picture(problem):
    images, weights, maps = problem
    as_bytes = np.rint(images * 255).astype(np.uint8)
    names = [*PLAIN, *TOPS]
    a = evaluate(Signed(weights), as_bytes, [0, 0, 0], {"m": maps}, metrics=names)
    b = evaluate(Signed(weights), (as_bytes / 255).astype(np.float64), [0, 0, 0], {"m": maps}, metrics=names)
    np.testing.assert_allclose(a.value, b.value, atol=1e-6)


def test_adcc_of_an_explainer_that_is_known(problem):
    """The method marks the brightness: of the masked image it gives brightness times mask."""
    images, weights, _ = problem
    calls = []

    def bright(classifier, x, labels):
        calls.append((classifier, x.shape, labels.tolist()))
        return x.mean(-1)

    model = Signed(np.abs(weights))
    maps = bright(None, images, np.zeros(3, int))
    calls.clear()
    scores = evaluate(model, images, [0, 0, 0], {"m": Explained(maps, explainer=bright)}, metrics=["adcc"])
    assert calls == [(model, images.shape, [0, 0, 0])]
    for i in range(3):
        soft = (maps[i] - maps[i].min()) / np.ptp(maps[i])
        again = maps[i] * soft
        coherency = (np.corrcoef(maps[i].ravel(), again.ravel())[0, 1] + 1) / 2
        p, after = (model.predict(x[None])[0, 0] for x in (images[i], images[i] * soft[..., None]))
        terms = np.array([coherency, 1 - soft.mean(), 1 - max(p - after, 0) / p])
        assert scores.value[i] == pytest.approx(3 / (1 / terms).sum(), abs=1e-6)


def test_what_has_no_value_is_said(problem):
    images, weights, maps = problem
    maps = maps.copy()
    maps[0], maps[1] = 3.0, -np.arange(1, H * W + 1).reshape(H, W)
    names = [*PLAIN, "adcc"]
    same = Explained(maps, explainer=lambda classifier, x, labels: np.ones(x.shape[:3]))
    scores = evaluate(Signed(weights), images, [0, 0, 0], {"m": same, "n": maps}, metrics=names)
    assert set(scores.select(image="0").reason) == {"flat_map"}
    assert set(scores.select(image="1").reason) == {"not_positive"}
    assert scores.select(image="2", method="m").reason.tolist() == ["", "", "", "", "flat_again"]
    assert scores.select(image="2", method="n").reason.tolist() == ["", "", "", "", "no_explainer"]

    class Sure(Signed):
        def predict(self, x):
            return np.tile([0.0, 1.0], (len(x), 1))

    scores = evaluate(Sure(weights), images[2:], [0], {"m": maps[2:]}, metrics=[*PLAIN, *TOPS])
    expected = ["zero_probability", "", "", "", *["zero_probability"] * 3]
    assert scores.reason.tolist() == expected
    with pytest.raises(ValueError, match=r"explainer of 'm' must give maps \[B, H, W\] = \(3, 10, 14\); got \(3, 10\)"):
        evaluate(
            Signed(weights),
            images,
            [0] * 3,
            {"m": Explained(maps, explainer=lambda c, x, y: x.mean((2, 3)))},
            metrics=["adcc"],
        )


def test_one_class_leaves_nothing_to_drop(problem):
    images, _, maps = problem

    class One:
        classes = ("only",)

        def predict(self, x):
            return np.ones((len(x), 1))

    scores = evaluate(One(), images, [0] * 3, {"m": maps}, metrics=[*PLAIN, "aic_mutual", "sic_mutual"])
    for name in PLAIN:
        np.testing.assert_array_equal(scores.matrix(name)[2], 0.0)
    assert set(scores.select(metric="aic_mutual").reason) == {"blurred_already_right"}
    assert set(scores.select(metric="sic_mutual").reason) == {"blurred_as_probable"}


def test_scaling_never_divides_by_zero():
    np.testing.assert_array_equal(scaled(np.zeros((1, 2, 2))), 0.0)
    assert {METRICS[name].family for name in [*PLAIN, *TOPS]} == {"confidence"}
