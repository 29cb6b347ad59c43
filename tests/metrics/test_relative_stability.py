"""RIS, ROS and RRS: loops from the definition over the images that the explainer saw, and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.metrics import Explained, evaluate

H, W = 7, 9
NAMES = ["ris", "ros", "rrs"]


@pytest.fixture(scope="module")
def weights():
    return np.random.default_rng(0).standard_normal((H * W, 3)).astype(np.float32)


@pytest.fixture
def images():
    found = np.random.default_rng(1).uniform(0.2, 0.8, (3, H, W, 1)).astype(np.float32)
    found[2, 0, 0] = 0.0  # an element by which nothing can be divided
    return found


def layered(weights):
    return Classifier.from_functions(
        lambda w, x: jnp.tanh(3 * x - 1), lambda w, maps: maps.reshape(len(maps), -1) @ w, jnp.asarray(weights),
        input_shape=(H, W, 1),
    )  # fmt: skip


def by_hand(model, weights, images, labels, explainer, seen, convention):
    """{metric: [B]}: the definition, image by image and draw by draw."""
    features = lambda x: np.tanh(3 * np.asarray(x, np.float64) - 1)  # noqa: E731
    logits = lambda x: features(x).reshape(1, -1) @ weights.astype(np.float64)  # noqa: E731

    def move(a, b):
        if convention == "norms":
            return np.sqrt(((a - b) ** 2).sum()) / np.sqrt((a**2).sum())
        return np.sqrt((((a - b) / np.where(a == 0, 1e-6, a)) ** 2).sum())

    found = {name: [] for name in NAMES}
    for i in range(len(images)):
        x = images[i : i + 1].astype(np.float64)
        most = dict.fromkeys(NAMES, 0.0)
        for batch in seen:
            y = batch[i : i + 1].astype(np.float64)
            if logits(x).argmax() != logits(y).argmax():
                continue
            above = move(*(explainer(model, z.astype(np.float32), labels[i : i + 1]) for z in (x, y)))
            plain = np.linalg.norm(logits(x) - logits(y))
            ros = plain if convention == "quantus" else move(logits(x), logits(y))
            below = {"ris": move(x, y), "ros": ros, "rrs": move(features(x), features(y))}
            most = {name: max(most[name], above / max(below[name], 1e-6)) for name in NAMES}
        for name in NAMES:
            found[name].append(np.log(most[name]))
    return found


@pytest.mark.parametrize("convention", ["norms", "quantus"])
def test_the_largest_ratio_over_draws_that_keep_the_prediction(weights, images, convention):
    model, seen, labels = layered(weights), [], np.array([0, 2, 1])

    def explainer(classifier, x, targets):
        return (np.asarray(x, np.float64)[..., 0] ** 2) * weights[:, targets].T.reshape(-1, H, W)

    def watched(classifier, x, targets):
        seen.append(np.asarray(x))
        return explainer(classifier, x, targets)

    maps = explainer(model, images, labels)
    settings = {"robustness": {"stability_draws": 12, "stability_deviation": 0.1, "convention": convention}}
    given = {"m": Explained(np.abs(maps), raw=maps, explainer=watched)}
    scores = evaluate(model, images, labels, given, metrics=NAMES, settings=settings)
    assert len(seen) == 12
    noise = np.stack(seen) - images
    assert noise.std() == pytest.approx(0.1, rel=0.1)
    classes = [(np.tanh(3 * one - 1).reshape(3, -1) @ weights).argmax(1) for one in (images, *seen)]
    kept = [one == classes[0] for one in classes[1:]]
    assert not np.all(kept)  # some draws are left out
    wanted = by_hand(model, weights, images, labels, explainer, seen, convention)
    for name in NAMES:
        np.testing.assert_allclose(scores.select(metric=name).value, wanted[name], rtol=1e-3, atol=1e-3)
    alone = evaluate(model, images, labels, given, metrics=["ros"], settings=settings)
    np.testing.assert_allclose(alone.value, scores.select(metric="ros").value)


def test_a_map_that_is_the_image_moves_as_much_as_the_image(weights, images):
    """The relative change of both is the same: a ratio of 1, whose logarithm is 0."""
    identity = lambda classifier, x, labels: np.asarray(x)[..., 0]  # noqa: E731
    given = {"m": Explained(images[..., 0], explainer=identity)}
    for convention in ("norms", "quantus"):
        settings = {"robustness": {"stability_draws": 5, "convention": convention}}
        scores = evaluate(layered(weights), images, [0, 0, 0], given, metrics=["ris"], settings=settings)
        np.testing.assert_allclose(scores.value, 0.0, atol=1e-6)


def test_what_has_no_value_is_said(weights, images):
    model, maps = layered(weights), images[..., 0].copy()
    maps[1] = 0.0

    def explainer(classifier, x, labels):
        return np.asarray(x)[..., 0]

    still = images[..., 0]
    given = {
        "moves": Explained(maps, explainer=explainer),
        "still": Explained(still, explainer=lambda *_: still),
        "bare": maps + 1,
    }
    settings = {"robustness": {"stability_draws": 3}}
    scores = evaluate(model, images, [0, 0, 0], given, metrics=["ris"], settings=settings)
    assert scores.select(method="moves").reason.tolist() == ["", "zero_map", ""]
    assert scores.select(method="still").reason.tolist() == ["unmoved"] * 3
    assert scores.select(method="bare").reason.tolist() == ["no_explainer"] * 3

    class Nervous:
        def predict(self, x):
            first = np.abs(x - images).max((1, 2, 3)) > 0
            return np.stack([first, ~first], axis=1).astype(float)

    scores = evaluate(Nervous(), images, [0, 0, 0], {"m": given["moves"]}, metrics=["ris", "ros"], settings=settings)
    assert set(scores.reason) == {"prediction_changes"}
    black = np.zeros_like(images)
    scores = evaluate(
        model, black, [0, 0, 0], {"m": Explained(still, explainer=explainer)}, metrics=["ris"], settings=settings
    )
    assert set(scores.reason) <= {"zero_norm", "prediction_changes"}
    assert "zero_norm" in scores.reason
    with pytest.raises(InputError, match=r"^rrs needs a classifier with layers, .*; got Nervous: leave rrs out$"):
        evaluate(Nervous(), images, [0, 0, 0], {"m": given["moves"]}, metrics=["rrs"])


@pytest.mark.parametrize("output", ["sigmoid", "binary", "regression"])
def test_outputs_other_than_softmax(weights, images, output):
    """h is one logit for a finding; a regression keeps its prediction always."""
    columns = weights[:, :1] if output != "sigmoid" else weights
    model = Classifier.from_function(
        lambda w, x: (x.reshape(len(x), -1) - 0.5) @ w, jnp.asarray(columns), input_shape=(H, W, 1), output=output
    )
    seen = []

    def explainer(classifier, x, labels):
        seen.append(np.asarray(x))
        return np.asarray(x)[..., 0]

    given = {"m": Explained(images[..., 0], explainer=explainer)}
    options = {"spread": 1.0} if output == "regression" else {}
    settings = {"robustness": {"stability_draws": 8}}
    scores = evaluate(model, images, [0, 0, 0], given, metrics=["ros"], settings=settings, **options)
    h = lambda x: (np.asarray(x, np.float64).reshape(len(x), -1) - 0.5) @ columns  # noqa: E731
    for i in range(3):
        ratios = []
        for one in seen:
            a, b = h(images)[i], h(one)[i]
            if output == "regression" or (a[0] > 0) == (b[0] > 0):
                moved = np.linalg.norm(one[i] - images[i]) / np.linalg.norm(images[i])
                ratios.append(moved / (np.linalg.norm(a - b) / np.linalg.norm(a)))
        assert scores.value[i] == pytest.approx(np.log(max(ratios)), abs=2e-3)
