"""Parameter randomisation and random logit: exact cases, any zoo model, Quantus on identical maps."""

from pathlib import Path

import numpy as np
import pytest

from xaijax import models
from xaijax.classifier import Classifier
from xaijax.metrics import Explained, evaluate, mprt, sanity
from xaijax.metrics.consistency import compare

MPRT = ["mprt_spearman", "mprt_ssim"]
LOGIT = ["random_logit_spearman", "random_logit_ssim"]


@pytest.fixture(scope="module")
def small():
    return models.create("small_cnn", input_shape=(32, 32, 1), classes=("a", "b", "c"), key=0)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)


def leaves(tree, prefix=""):
    if isinstance(tree, dict):
        return {k: v for key, value in tree.items() for k, v in leaves(value, f"{prefix}/{key}").items()}
    return {prefix: np.asarray(tree)}


def test_layers_are_randomised_from_the_output_backwards(small):
    before = leaves(small.params)
    groups = list(small.param_groups(small.params).items())
    left = set(before)
    stages = list(sanity.randomised(small, seed=1))
    assert [(name, share) for name, share, _ in stages] == [(g[0], (i + 1) / 13) for i, g in enumerate(groups)]
    for (_, _, model), (_, part) in zip(stages, groups, strict=True):
        left -= set(leaves(part))
        after = leaves(model.params)
        assert after.keys() == before.keys()
        for key in left:  # nothing before this layer has changed
            np.testing.assert_array_equal(after[key], before[key])
    assert left == set()
    for key, value in after.items():
        if key.endswith("kernel"):
            assert not np.array_equal(value, before[key])
            fan_in = np.prod(value.shape[:-1])
            # Variance 1 / fan-in; the deviation of n normal draws has a relative error of about 1 / sqrt(2 n).
            assert value.std() == pytest.approx(fan_in**-0.5, rel=5 / np.sqrt(2 * value.size) + 0.02)
        if key.endswith(("scale", "var")):
            np.testing.assert_array_equal(value, 1.0)
        if key.endswith(("bias", "mean")):
            np.testing.assert_array_equal(value, 0.0)


def test_a_layer_gets_the_same_parameters_in_any_number_of_stages(small):
    every = list(sanity.randomised(small, seed=1))
    few = list(sanity.randomised(small, seed=1, stages=3))
    assert [round(share * len(every)) for _, share, _ in few] == [4, 9, 13]
    for name, _, model in few:
        same = next(other for known, _, other in every if known == name)
        for key, value in leaves(model.params).items():
            np.testing.assert_array_equal(value, leaves(same.params)[key])
    kernels = [v for k, v in leaves(every[-1][2].params).items() if k.endswith("kernel")]
    # Another key per layer: no two begin with the same numbers.
    starts = [tuple(np.round(v.reshape(-1)[:5] * np.sqrt(np.prod(v.shape[:-1])), 3)) for v in kernels]
    assert len(set(starts)) == len(starts) > 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [("resnet34", (64, 64, 3)), ("densenet121", (64, 64, 3)), ("vit_b16", (224, 224, 3)), ("xception", (96, 96, 3))],
)
def test_any_zoo_model_can_be_randomised(name, shape):
    model = models.create(name, input_shape=shape, classes=("a", "b"))
    image = np.random.default_rng(0).random((1, *shape)).astype(np.float32)
    before = leaves(model.params)
    found = list(sanity.randomised(model, seed=2, stages=3))
    assert len(found) == 3
    for _, _, changed in found:
        assert np.isfinite(np.asarray(changed.logits(changed.params, image))).all()
    after = leaves(found[-1][2].params)
    kernels = [key for key in before if key.endswith("kernel")]
    assert len(kernels) > 30
    assert not any(np.array_equal(before[key], after[key]) for key in kernels)


def test_maps_of_the_image_alone_fail_and_the_curve_says_so(small, images):
    labels = np.array([0, 1])

    def sobel(model, images, labels):
        return np.abs(np.diff(np.asarray(images)[..., 0], axis=1, append=0))

    def of_the_model(model, images, labels):
        logits = np.asarray(model.logits(model.params, images))
        rng = np.random.default_rng(abs(int(1e6 * logits[0, 0])))
        return rng.random(np.asarray(images).shape[:3])

    explainers = {"sobel": sobel, "model": of_the_model}
    maps = {
        name: Explained(function(small, images, labels), explainer=function) for name, function in explainers.items()
    }
    scores = evaluate(small, images, labels, maps, metrics=MPRT)
    for metric in MPRT:
        np.testing.assert_allclose(scores.select(method="sobel", metric=metric).value, 1.0, atol=1e-6)
        # Independent noise of 1,024 pixels, mean over 13 layers.
        assert (np.abs(scores.select(method="model", metric=metric).value) < 0.1).all()
    curve = scores.responses.select(method="sobel", metric="mprt_spearman")
    assert len(curve) == 2
    np.testing.assert_allclose(curve.fraction[0], np.arange(1, 14) / 13)
    few = evaluate(small, images, labels, maps, metrics=MPRT[:1], settings={"sanity": {"stages": 4}})
    assert len(few.responses.fraction[0]) == 4


def test_mprt_of_a_real_method_falls(small, images):
    from xaijax.explain import METHODS

    def gradient(model, images, labels):
        return METHODS["input_x_gradient"].function(model, images, labels)

    labels = np.array([0, 1])
    maps = {"gradient": Explained(np.asarray(gradient(small, images, labels)), explainer=gradient)}
    scores = evaluate(small, images, labels, maps, metrics=MPRT, settings={"sanity": {"stages": 5}})
    assert (scores.value < 0.9).all()
    assert np.isfinite(scores.value).all()


def test_random_logit_compares_two_classes(images):
    weights = np.random.default_rng(1).normal(size=(32 * 32, 3))
    model = Classifier.from_function(
        lambda w, x: x.reshape(x.shape[0], -1) @ w, weights.astype(np.float32), input_shape=(32, 32, 1)
    )

    def gradient(model, images, labels):
        return np.asarray(model.params).T[np.asarray(labels)].reshape(-1, 32, 32)

    labels = np.array([2, 0])
    maps = gradient(model, images, labels)
    given = {"gradient": Explained(maps, explainer=gradient)}
    scores = evaluate(model, images, labels, given, metrics=LOGIT, ids=["p", "q"])
    others = sanity.other_classes(labels, 3, ["p", "q"], 0)
    assert (others != labels).all()
    wanted = compare(maps, gradient(model, images, others), ["spearman", "ssim"])
    for measure in ("spearman", "ssim"):
        np.testing.assert_allclose(scores.select(metric=f"random_logit_{measure}").value, wanted[measure], rtol=1e-9)


def test_other_classes_are_drawn_evenly_and_follow_the_name():
    labels = np.repeat([0, 1, 2, 3], 500)
    ids = [str(i) for i in range(2000)]
    others = sanity.other_classes(labels, 4, ids, 0)
    assert (others != labels).all()
    counts = np.array([[np.sum(others[labels == a] == b) for b in range(4) if b != a] for a in range(4)])
    assert (np.abs(counts - 500 / 3) < 4 * np.sqrt(500 * 2 / 9)).all()
    assert others[7] == sanity.other_classes(labels[7:8], 4, ["7"], 0)[0]


def test_no_explainer_and_flat_maps_have_no_value(small, images):
    labels = np.array([0, 1])
    flat = Explained(
        np.ones((2, 32, 32)), explainer=lambda model, images, labels: np.ones(np.asarray(images).shape[:3])
    )
    maps = {"flat": flat, "alone": np.random.default_rng(0).random((2, 32, 32))}
    scores = evaluate(small, images, labels, maps, metrics=[*MPRT, *LOGIT], settings={"sanity": {"stages": 2}})
    assert set(scores.select(method="flat").reason) == {"flat_map"}
    assert set(scores.select(method="alone").reason) == {"no_explainer"}


def test_layer_similarities_are_quantus():
    """tests/parity/robustness_peers.py: Quantus' MPRT on maps that were handed to it, its own "original" apart."""
    with np.load(Path(__file__).parent / "data" / "robustness.npz") as arrays:
        stages, wanted = arrays["stages"], arrays["mprt"]
    np.testing.assert_allclose(wanted[0], 1.0, atol=1e-12)
    for stage, quantus in zip(stages[1:], wanted[1:], strict=True):
        found = compare(np.abs(stages[0]), np.abs(stage), ["spearman"])["spearman"]
        np.testing.assert_allclose(found, quantus, atol=1e-6)


def entropy_by_hand(values):
    low, high = values.min(), values.max()
    counts = np.zeros(100)
    for value in values.ravel():
        counts[min(int((value - low) / (high - low) * 100), 99)] += 1
    shares = counts[counts > 0] / values.size
    return -(shares * np.log(shares)).sum()


def counted(function, calls):
    def explainer(model, images, labels):
        calls.append(images)
        return function(model, images, labels)

    return explainer


def signed(model, images, labels):
    """A map of the image and of the model, with both signs."""
    logits = np.asarray(model.logits(model.params, images))
    return (np.asarray(images)[..., 0] - 0.5) ** 3 + 0.05 * np.sin(
        40 * np.asarray(images)[..., 0] + logits[:, :1, None]
    )


def test_efficient_mprt_compares_the_entropy_of_values(small, images):
    labels, calls = np.array([0, 1]), []
    maps = signed(small, images, labels)
    given = {"m": Explained(np.abs(maps), raw=maps, explainer=counted(signed, calls))}
    scores = evaluate(small, images, labels, given, metrics=["emprt"], seed=3)
    assert len(calls) == 1  # the fully random model alone
    *_, (_, _, model) = sanity.randomised(small, seed=3)
    again = signed(model, images, labels)
    for i in range(2):
        before, after = entropy_by_hand(maps[i]), entropy_by_hand(again[i].astype(np.float64))
        assert scores.value[i] == pytest.approx((after - before) / before, abs=1e-6)
    # Of a map with two values to one with four, in closed form: from ln 2 to ln 4.
    plain = np.broadcast_to(np.arange(32) % 2, (2, 32, 32)).astype(np.float64)
    four = np.broadcast_to(np.arange(32) % 4, (2, 32, 32)).astype(np.float64)
    given = {"m": Explained(plain, explainer=lambda *_: four), "flat": Explained(plain * 0, explainer=lambda *_: four)}
    scores = evaluate(small, images, labels, given, metrics=["emprt"])
    np.testing.assert_allclose(scores.select(method="m").value, 1.0)
    assert scores.select(method="flat").reason.tolist() == ["flat_map"] * 2


def test_the_bins_of_efficient_mprt_can_be_set(small, images):
    plain = np.broadcast_to(np.arange(32) % 4, (2, 32, 32)).astype(np.float64)
    many = np.broadcast_to(np.arange(32) % 16, (2, 32, 32)).astype(np.float64)
    given = {"m": Explained(plain, explainer=lambda *_: many)}
    for bins, rise in ((100, 1.0), (4, 0.0), (2, 0.0), (8, 0.5)):  # ln 16, ln 4, ln 2 and ln 8 over the same of four
        scores = evaluate(
            small, images, np.array([0, 1]), given, metrics=["emprt"], settings={"sanity": {"bins": bins}}
        )
        np.testing.assert_allclose(scores.value, rise, atol=1e-12)


def test_a_map_whose_range_is_rounding_has_an_entropy():
    """NumPy has no 100 numbers between 1 and the next one, and refuses such a histogram."""
    two = np.where(np.arange(64).reshape(1, 8, 8) % 2, 1.0, np.nextafter(1.0, 2.0))
    assert mprt.value_entropy(two) == pytest.approx(np.log(2))


def test_smooth_mprt_averages_over_the_same_noise(small, images):
    from scipy.stats import spearmanr

    labels, calls = np.array([0, 1]), []
    maps = signed(small, images, labels)
    given = {"m": Explained(np.abs(maps), raw=maps, explainer=counted(signed, calls))}
    settings = {"sanity": {"stages": 2, "smooth_draws": 6, "smooth_noise": 0.2}}
    scores = evaluate(small, images, labels, given, metrics=["smprt_spearman", "smprt_ssim"], settings=settings)
    assert len(calls) == 6 * 3
    noisy = calls[:6]
    for stage in (calls[6:12], calls[12:]):
        for one, other in zip(noisy, stage, strict=True):
            np.testing.assert_array_equal(one, other)
    for i in range(2):
        noise = np.stack(noisy)[:, i] - images[i]
        assert noise.std() == pytest.approx(0.2 * np.ptp(images[i]), rel=0.05)
        assert abs(noise.mean()) < 0.02
    stages = [model for _, _, model in sanity.randomised(small, seed=0, stages=2)]
    mean = [np.mean([signed(model, one, labels) for one in noisy], axis=0) for model in [small, *stages]]
    for i in range(2):
        wanted = [spearmanr(np.abs(mean[0][i]).ravel(), np.abs(one[i]).ravel()).statistic for one in mean[1:]]
        got = scores.select(image=str(i), metric="smprt_spearman")
        assert got.value[0] == pytest.approx(np.mean(wanted), abs=1e-5)
        np.testing.assert_allclose(got.responses.value[0], wanted, atol=1e-5)
        ssim = [compare(np.abs(mean[0][i : i + 1]), np.abs(one[i : i + 1]), ["ssim"])["ssim"][0] for one in mean[1:]]
        assert scores.select(image=str(i), metric="smprt_ssim").value[0] == pytest.approx(np.mean(ssim), abs=1e-5)


def test_random_models_are_shared_and_counted(small, images):
    from xaijax.metrics import FAMILIES, METRICS

    labels, family = np.array([0, 1]), FAMILIES["sanity"]
    maps = signed(small, images, labels)
    for names in (
        ["mprt_ssim", "emprt"],
        ["emprt", "smprt_ssim"],
        ["mprt_spearman", "smprt_ssim", "random_logit_ssim"],
    ):
        for stages in (0, 3):
            calls = []
            given = {"m": Explained(np.abs(maps), raw=maps, explainer=counted(signed, calls))}
            settings = {"stages": stages, "smooth_draws": 2}
            evaluate(small, images, labels, given, metrics=names, settings={"sanity": settings})
            cost = family.passes(family.settings(**settings), (32, 32), [METRICS[name] for name in names])
            assert len(calls) == cost.explanations + 13 * cost.layers
