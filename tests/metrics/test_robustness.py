"""Infidelity, max-sensitivity and local Lipschitz: closed forms, then Captum and Quantus on the same draws."""

from pathlib import Path

import numpy as np
import pytest

from xaijax.metrics import METRICS, Explained, evaluate, robustness
from xaijax.metrics.metric import Inputs, image_seed

SHAPE = (10, 12)


class Linear:
    """Scores linear in the pixels; its gradient is the weights."""

    def __init__(self, weights):
        self.weights = weights
        self.calls = 0

    def predict(self, images):
        self.calls += 1
        return np.asarray(images, np.float64).reshape(len(images), -1) @ self.weights.reshape(
            -1, self.weights.shape[-1]
        )


@pytest.fixture
def linear():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(*SHAPE, 1, 2))
    images = rng.random((3, *SHAPE, 1))
    labels = np.array([0, 1, 0])
    gradient = np.stack([weights[:, :, 0, label] for label in labels])
    return Linear(weights), images, labels, gradient


def run(model, images, labels, maps, metrics, explainers=None, **settings):
    given = {m: Explained(values, explainer=(explainers or {}).get(m)) for m, values in maps.items()}
    scores = evaluate(model, images, labels, given, metrics=metrics, batch_size=7,
                      settings={"robustness": settings} if settings else None)  # fmt: skip
    return {metric: {m: scores.select(metric=metric, method=m) for m in maps} for metric in metrics}


@pytest.mark.parametrize("metric", ["infidelity", "infidelity_patches"])
def test_the_gradient_of_a_linear_model_is_perfect_at_any_scale(linear, metric):
    model, images, labels, gradient = linear
    maps = {"gradient": gradient, "scaled": -3.0 * gradient}
    found = run(model, images, labels, maps, [metric], draws=20)[metric]
    for method in maps:
        np.testing.assert_allclose(found[method].value, 0.0, atol=1e-9)
    plain = run(model, images, labels, maps, [metric], draws=20, normalize=False)[metric]
    np.testing.assert_allclose(plain["gradient"].value, 0.0, atol=1e-9)
    assert (plain["scaled"].value > 0.1).all()


def test_infidelity_of_a_scaled_gradient_has_its_closed_form(linear):
    # I·(aw) - I·w = (a - 1) I·w, so the mean is (a - 1)² mean_j (I_j·w)², in expectation (a - 1)² σ² ‖w‖².
    model, images, labels, gradient = linear
    found = run(model, images, labels, {"m": 2.5 * gradient}, ["infidelity"], draws=400, normalize=False)
    values = found["infidelity"]["m"].value
    for i in range(3):
        drawn = robustness.noises((*SHAPE, 1), 400, 0.2, image_seed(0, str(i), 0))[..., 0].astype(np.float64)
        exact = 1.5**2 * np.mean([(one * gradient[i]).sum() ** 2 for one in drawn])
        assert values[i] == pytest.approx(exact, rel=1e-5)
        expected = 1.5**2 * 0.2**2 * (gradient[i] ** 2).sum()
        # (I·w)² is σ²‖w‖² chi-squared with one degree of freedom: the mean of 400 has a deviation of sqrt(2 / 400).
        assert values[i] == pytest.approx(expected, rel=4 * np.sqrt(2 / 400))


def test_grey_noise_makes_a_map_of_channel_sums_exact_in_colour():
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(*SHAPE, 3, 2))
    images = rng.random((2, *SHAPE, 3))
    labels = np.array([0, 1])
    sums = np.stack([weights[..., label].sum(axis=-1) for label in labels])
    found = run(Linear(weights), images, labels, {"sum": sums}, ["infidelity"], normalize=False)
    np.testing.assert_allclose(found["infidelity"]["sum"].value, 0.0, atol=1e-9)


def test_all_methods_of_an_image_share_its_forward_passes(linear):
    model, images, labels, gradient = linear
    run(model, images, labels, {"a": gradient}, ["infidelity"], draws=30)
    one, model.calls = model.calls, 0
    run(model, images, labels, dict.fromkeys("abcdef", gradient), ["infidelity"], draws=30)
    assert model.calls == one == np.ceil(3 * 31 / 7)


def test_patches_are_squares_of_the_image():
    image = np.random.default_rng(2).random((16, 24, 2)).astype(np.float32) + 0.1
    for made in robustness.patches(image, 50, 0.25, seed=3):
        rows, columns = np.nonzero(made.any(axis=-1))
        assert np.ptp(rows) == np.ptp(columns) == 3
        inside = made[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        np.testing.assert_array_equal(inside, image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])


def test_an_explainer_that_ignores_the_image_never_moves(linear):
    model, images, labels, gradient = linear
    names = ["max_sensitivity", "local_lipschitz"]
    explainers = {"gradient": lambda model, images, labels: np.stack([model.weights[:, :, 0, y] for y in labels])}
    found = run(model, images, labels, {"gradient": gradient}, names, explainers)
    for name in names:
        np.testing.assert_array_equal(found[name]["gradient"].value, 0.0)


def test_the_identity_has_lipschitz_constant_one(linear):
    model, images, labels, _ = linear
    given = {"image": images[..., 0]}
    explainers = {"image": lambda model, images, labels: np.asarray(images)[..., 0]}
    found = run(model, images, labels, given, ["local_lipschitz"], explainers, relative=False)
    np.testing.assert_allclose(found["local_lipschitz"]["image"].value, 1.0, rtol=1e-5)
    relative = run(model, images, labels, given, ["local_lipschitz"], explainers)
    norms = np.sqrt((images**2).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(relative["local_lipschitz"]["image"].value, 1 / norms, rtol=1e-5)


def test_max_sensitivity_of_the_identity_is_the_largest_draw(linear):
    model, images, labels, _ = linear
    explainers = {"image": lambda model, images, labels: np.asarray(images)[..., 0]}
    settings = {"radius": 0.1, "sensitivity_draws": 6}
    found = run(model, images, labels, {"image": images[..., 0]}, ["max_sensitivity"], explainers, **settings)
    for i, value in enumerate(found["max_sensitivity"]["image"].value):
        rng = np.random.default_rng(image_seed(0, str(i), 1))
        draws = [np.sqrt((rng.uniform(-0.1, 0.1, images.shape[1:]) ** 2).sum()) for _ in range(6)]
        assert value == pytest.approx(max(draws) / np.sqrt((images[i] ** 2).sum()), rel=1e-5)


def test_scores_do_not_depend_on_what_stands_beside_an_image(linear):
    model, images, labels, _ = linear
    explainer = lambda model, images, labels: np.asarray(images)[..., 0] ** 2  # noqa: E731
    names = ["infidelity", "infidelity_patches", "max_sensitivity", "local_lipschitz"]
    raw = images[..., 0] ** 2
    ids = ["x", "y", "z"]
    whole = evaluate(model, images, labels, {"m": Explained(raw, explainer=explainer)}, metrics=names, ids=ids)
    one = {"m": Explained(raw[2:], explainer=explainer)}
    last = evaluate(model, images[2:], labels[2:], one, metrics=names, ids=["z"])
    np.testing.assert_allclose(whole.select(image="z").value, last.value, rtol=1e-6)


def test_what_has_no_value_says_why(linear):
    model, images, labels, gradient = linear
    names = ["infidelity", "max_sensitivity", "local_lipschitz"]
    explainers = {"zero": lambda model, images, labels: np.zeros(images.shape[:3])}
    maps = {"zero": 0 * gradient, "alone": gradient}
    found = run(model, images, labels, maps, names, explainers)
    # A map of zeros predicts no change: its infidelity is the mean square of the changes, whatever the scale.
    assert (found["infidelity"]["zero"].value > 0).all()
    for name in names[1:]:
        assert set(found[name]["zero"].reason) == {"zero_map"}
        assert set(found[name]["alone"].reason) == {"no_explainer"}


def test_wrong_settings_and_shapes_are_refused(linear):
    model, images, labels, gradient = linear
    for settings in ({"draws": 0}, {"radius": 0.0}, {"patch": 1.5}, {"nonsense": 1}):
        with pytest.raises((ValueError, TypeError), match=next(iter(settings))):
            run(model, images, labels, {"m": gradient}, ["infidelity"], **settings)
    explainers = {"m": lambda model, images, labels: np.zeros((2, 2, 2))}
    with pytest.raises(ValueError, match="explainer of 'm' must give maps"):
        run(model, images, labels, {"m": gradient}, ["max_sensitivity"], explainers)


# ----------------------------------------------------------------------------------------------------------- parity


@pytest.fixture(scope="module")
def peers():
    """tests/parity/robustness_peers.py says what these are and how they were made."""
    with np.load(Path(__file__).parent / "data" / "robustness.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


class Tanh:
    """The peers' model and its gradient, in float64."""

    def __init__(self, peers):
        self.first, self.second = peers["first"], peers["second"]

    def predict(self, images):
        return np.tanh(np.asarray(images, np.float64).reshape(len(images), -1) @ self.first) @ self.second

    def gradients(self, images, label):
        hidden = np.tanh(images.reshape(len(images), -1) @ self.first)
        return (((1 - hidden**2) * self.second[:, label]) @ self.first.T).reshape(images.shape)


def test_infidelity_is_captums(peers):
    model = Tanh(peers)
    for i, label in enumerate(peers["labels"]):
        x, noise = peers["images"][i], peers["noise"][i]
        changes = model.predict(x[None])[0, label] - model.predict(x - noise)[:, label]
        for name, maps in (("gradient", peers["maps"]), ("other", peers["other"])):
            products = (noise * maps[i]).sum(axis=(1, 2))
            for normalize in (False, True):
                wanted = peers[f"infidelity_{name}_{normalize}"][i]
                # Captum computes in float64 here and stores float32 in between.
                assert robustness.infidelity(products, changes, normalize=normalize) == pytest.approx(wanted, rel=1e-6)


def sensitivity(model, peers, i, draws, name, monkeypatch, **settings):
    """The family's own code, with the peers' draws in place of its own."""
    left = iter(draws)
    monkeypatch.setattr(robustness, "_delta", lambda *args, **options: next(left)[..., None])
    label = int(peers["labels"][i])
    inputs = Inputs(
        classifier=model, images=peers["images"][i : i + 1, ..., None], labels=np.array([label]), maps={},
        raw={"m": peers["maps"][i : i + 1]}, masks={}, variants={}, oracle=None, ids=["0"], seed=0, batch_size=4,
        explainers={"m": lambda model, images, labels: model.gradients(np.asarray(images, np.float64)[..., 0], label)},
        num_threads=None,
    )  # fmt: skip
    count = {"sensitivity_draws": len(draws), "lipschitz_draws": len(draws)}
    (row,) = robustness.score(inputs, [METRICS[name]], robustness.Settings(**count, **settings)).rows
    return row[3]


def test_max_sensitivity_is_captums_and_quantus(peers, monkeypatch):
    for i in range(len(peers["images"])):
        value = sensitivity(Tanh(peers), peers, i, peers["cube"][i], "max_sensitivity", monkeypatch)
        # Images are float32 in our code; the ratio is of the order of 0.1.
        assert value == pytest.approx(peers["max_sensitivity_captum"][i], rel=1e-5)
        assert value == pytest.approx(peers["max_sensitivity_quantus"][i], rel=1e-5)


def test_local_lipschitz_is_quantus(peers, monkeypatch):
    for i in range(len(peers["images"])):
        draws = peers["noise"][i]
        value = sensitivity(Tanh(peers), peers, i, draws, "local_lipschitz", monkeypatch, relative=False)
        assert value == pytest.approx(peers["local_lipschitz_quantus"][i], rel=1e-5)
