"""Axioms: linear models, of which everything is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.metrics import METRICS, Explained, evaluate
from xaijax.metrics.calibration.cost import judgeable

NAMES = ("completeness_gap", "input_invariance", "non_sensitivity")
SIZE = (8, 12)


def weights(still=True):
    """Two classes; with `still` the first quarter of the image has no influence."""
    drawn = np.random.default_rng(0).normal(size=(*SIZE, 2)).astype(np.float32)
    if still:
        drawn[:4, :6] = 0
    return drawn


def linear(W):
    return Classifier.from_function(
        lambda p, x: jnp.tensordot(x[..., 0], p, axes=((1, 2), (0, 1))) + 0.25,
        jnp.asarray(W),
        input_shape=(*SIZE, 1),
        preprocess="identity",
    )


def images(count=3):
    return np.random.default_rng(1).random((count, *SIZE, 1)).astype(np.float32)


def method(name, **options):
    def explainer(classifier, given, labels):
        return explain.METHODS[name].maps(classifier, given, labels, **options)

    return explainer


def product(classifier, given, labels):
    """Gradient times input."""
    gradient = method("gradient", reduce="sum")(classifier, given, labels)
    return gradient * np.asarray(given)[..., 0]


def even(classifier, given, labels):
    return np.ones(np.asarray(given).shape[:3])


def score(explainers, W, metrics=NAMES, labels=(0, 1, 1), **settings):
    given, model = images(), linear(W)
    labels = np.array(labels)
    maps = {name: np.asarray(one(model, given, labels)) for name, one in explainers.items()}
    sources = {name: Explained(maps[name], maps[name], explainer=one) for name, one in explainers.items()}
    return evaluate(model, given, labels, sources, metrics=metrics, settings={"axioms": settings})


def values(scores, name, metric):
    return scores.select(method=name, metric=metric).value


def test_a_linear_model():
    W, given, labels = weights(), images(), np.array([0, 1, 1])
    own = np.moveaxis(W[..., labels], -1, 0)
    explainers = {"gradient": method("gradient", reduce="sum"), "product": product, "even": even}
    found = score(explainers, W, cells=2)
    changes = (own * given[..., 0]).sum(axis=(1, 2))  # from black
    np.testing.assert_allclose(values(found, "product", "completeness_gap"), 0, atol=1e-5)
    wanted = np.abs(own.sum(axis=(1, 2)) - changes) / np.abs(changes)
    np.testing.assert_allclose(values(found, "gradient", "completeness_gap"), wanted, rtol=1e-4)
    np.testing.assert_allclose(
        values(found, "even", "completeness_gap"), np.abs(96 - changes) / np.abs(changes), rtol=1e-4
    )
    np.testing.assert_allclose(values(found, "gradient", "input_invariance"), 0, atol=1e-6)
    np.testing.assert_allclose(values(found, "even", "input_invariance"), 0, atol=1e-6)
    far = 0.1 * np.linalg.norm(own.reshape(3, -1), axis=1)
    size = np.linalg.norm((own * given[..., 0]).reshape(3, -1), axis=1)
    np.testing.assert_allclose(values(found, "product", "input_invariance"), far / size, rtol=1e-4)
    np.testing.assert_allclose(values(found, "gradient", "non_sensitivity"), 0, atol=1e-9)
    np.testing.assert_allclose(values(found, "even", "non_sensitivity"), 0.25, rtol=1e-6)


def test_another_baseline_and_shift():
    W, given, labels = weights(), images(), np.array([0, 1, 1])
    own = np.moveaxis(W[..., labels], -1, 0)
    found = score({"product": product}, W, baseline="mean", shift=0.3)
    total = (own * given[..., 0]).sum(axis=(1, 2))
    changes = total - own.sum(axis=(1, 2)) * given.mean(axis=(1, 2))[:, 0]
    np.testing.assert_allclose(
        values(found, "product", "completeness_gap"), np.abs(total - changes) / np.abs(changes), rtol=1e-3
    )
    far = 0.3 * np.linalg.norm(own.reshape(3, -1), axis=1)
    size = np.linalg.norm((own * given[..., 0]).reshape(3, -1), axis=1)
    np.testing.assert_allclose(values(found, "product", "input_invariance"), far / size, rtol=1e-4)


def test_integrated_gradients_are_complete_and_depend_on_their_baseline():
    ig = method("integrated_gradients", reduce="sum")
    found = score({"ig": ig}, weights())
    assert (values(found, "ig", "completeness_gap") < 1e-4).all()
    # Its black baseline does not move along with the image (Kindermans et al., figure 4).
    assert (values(found, "ig", "input_invariance") > 0.01).all()


def test_what_has_no_value_says_why():
    found = score({"even": even, "nothing": lambda c, x, y: np.zeros(np.asarray(x).shape[:3])}, weights(False))
    assert set(found.select(metric="non_sensitivity").reason) == {"no_insensitive"}
    assert set(found.select(method="nothing", metric="input_invariance").reason) == {"flat_map"}
    same = score({"even": even}, np.zeros((*SIZE, 2), np.float32), ["completeness_gap"])
    assert set(same.reason) == {"unchanged"}

    class Rounded:
        """Its logits differ by the last bit of float32, as those of sums in another order do."""

        classes = ("a", "b")

        def predict(self, given):
            dark = np.asarray(given).reshape(len(given), -1).max(axis=1) == 0
            first = np.where(dark, np.float32(0.7), np.nextafter(np.float32(0.7), np.float32(1)))
            return np.stack([first, 1 - first], axis=1)

    maps = {"m": np.asarray(even(None, images(), None))}
    found = evaluate(Rounded(), images(), [0, 0, 0], maps, metrics=["completeness_gap"])
    assert set(found.reason) == {"unchanged"}
    model, given = linear(weights()), images()
    sources = {"maps": even(None, given, None), "even": Explained(even(None, given, None), explainer=even)}
    kept = evaluate(model, given, [0, 1, 1], sources, metrics=["input_invariance"])
    assert set(kept.select(method="maps").reason) == {"no_explainer"}


def test_an_object_without_a_preprocessing_is_refused():
    class Plain:
        def predict(self, images):
            return np.full((len(images), 2), 0.5)

    given = images()
    with pytest.raises(InputError, match="input_invariance needs a Classifier"):
        evaluate(Plain(), given, [0, 1, 1], {"even": Explained(even(None, given, None), explainer=even)},
                 metrics=["input_invariance"])  # fmt: skip


def test_lower_is_better_and_calibration_judges_what_it_can():
    assert not any(METRICS[name].higher_is_better for name in NAMES)
    assert set(judgeable()) & set(NAMES) == {"non_sensitivity"}
