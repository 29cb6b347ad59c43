"""Faithfulness: loops from the definitions over the images that a model saw, and linear models in closed form."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xaijax._errors import InputError
from xaijax.metrics import FAMILIES, METRICS, Explained, evaluate
from xaijax.metrics.faithfulness.family import KINDS
from xaijax.metrics.faithfulness.settings import Settings

NAMES = [metric.name for metric in FAMILIES["faithfulness"].metrics]
H, W = 10, 12
QUICK = {"draws": 20, "grid_draws": 25, "sizes": 5, "size_draws": 12, "cells": 3, "cell_draws": 6, "noise_draws": 9}


class Curved:
    """p of class 0 is the logistic function of a weighted sum and of a product of two halves; keeps what it saw."""

    classes = ("a", "b")

    def __init__(self, seed=0):
        self.weights = np.random.default_rng(seed).standard_normal((H, W, 3)) / 8
        self.seen = []

    def predict(self, images):
        images = np.asarray(images, np.float64)
        self.seen += list(images)
        halves = images[:, :, :6].mean((1, 2, 3)) * images[:, :, 6:].mean((1, 2, 3))
        p = 1 / (1 + np.exp(-(images * self.weights).sum((1, 2, 3)) - 2 * halves))
        return np.stack([p, 1 - p], axis=1)

    def p(self, image):
        """Of class 0, of one image as the model sees it: in float32."""
        return Curved.predict(self, np.asarray(image, np.float32)[None])[0, 0]


class Linear(Curved):
    """p of class 0 is linear in the pixels: `Σ w x`, or `(1 + Σ w x) / 2` where weights have both signs."""

    def __init__(self, weights=None):
        super().__init__()
        self.weights = np.abs(self.weights) if weights is None else weights
        self.weights = self.weights / np.abs(self.weights).sum()

    def predict(self, images):
        self.seen += list(np.asarray(images, np.float64))
        p = (np.asarray(images, np.float64) * self.weights).sum((1, 2, 3))
        p = (1 + p) / 2 if (self.weights < 0).any() else p
        return np.stack([p, 1 - p], axis=1)


@pytest.fixture
def problem():
    """Pixels above 0, so that a black one was removed; a signed map."""
    rng = np.random.default_rng(3)
    return rng.uniform(0.2, 0.9, (2, H, W, 3)).astype(np.float32), rng.standard_normal((2, H, W))


def run(model, images, maps, names, batch_size=1, labels=None, **settings):
    labels = [0] * len(images) if labels is None else labels
    given = maps if isinstance(maps, dict) else {"m": Explained(np.abs(maps), raw=maps)}
    return evaluate(
        model, images, labels, given, metrics=names, settings={"faithfulness": settings}, batch_size=batch_size
    )


def seen_by(model):
    """The intact image first, then the changed ones."""
    return np.array(model.seen[0]), np.array(model.seen[1:])


def removed(images):
    return (images == 0).all(-1)


def test_faithfulness_correlation_is_pearson_over_subsets_of_one_size(problem):
    images, maps = problem
    model = Curved()
    (value,) = run(model, images[:1], maps[:1], ["faithfulness_correlation"], draws=30, subset=0.2).value
    intact, changed = seen_by(model)
    masks = removed(changed)
    assert len(masks) == 30
    assert masks.sum((1, 2)).tolist() == [24] * 30
    assert len({mask.tobytes() for mask in masks}) == 30
    np.testing.assert_array_equal(changed[~masks], np.broadcast_to(intact, changed.shape)[~masks])
    sums = [maps[0][mask].sum() for mask in masks]
    falls = [model.p(intact) - model.p(one) for one in changed]
    assert value == pytest.approx(stats.pearsonr(sums, falls).statistic, abs=1e-9)


def test_mu_fidelity_is_spearman_over_random_cells(problem):
    images, maps = problem
    model = Curved()
    (value,) = run(model, images[:1], maps[:1], ["mu_fidelity"], grid=5, grid_draws=200).value
    intact, changed = seen_by(model)
    masks = removed(changed)
    cells = np.arange(H)[:, None] * 5 // H * 5 + np.arange(W) * 5 // W
    gone = np.array([[mask[cells == cell].mean() for cell in range(25)] for mask in masks])
    assert set(gone.ravel()) == {0.0, 1.0}
    assert abs(gone.mean() - 0.2) < 4 * np.sqrt(0.16 / gone.size)
    sums = [maps[0][mask].sum() for mask in masks]
    falls = [model.p(intact) - model.p(one) for one in changed]
    assert value == pytest.approx(stats.spearmanr(sums, falls).statistic, abs=1e-9)


def test_sensitivity_n_is_a_curve_over_sizes(problem):
    images, maps = problem
    model = Curved()
    scores = run(model, images[:1], maps[:1], ["sensitivity_n"], sizes=6, size_draws=15)
    intact, changed = seen_by(model)
    masks = removed(changed)
    sizes = sorted({round(np.exp(k / 5 * np.log(0.8 * H * W))) for k in range(6)})
    assert masks.sum((1, 2)).tolist() == [n for n in sizes for _ in range(15)]
    expected = []
    for n in sizes:
        some = [(mask, image) for mask, image in zip(masks, changed, strict=True) if mask.sum() == n]
        sums = [maps[0][mask].sum() for mask, _ in some]
        falls = [model.p(intact) - model.p(image) for _, image in some]
        expected.append(stats.pearsonr(sums, falls).statistic)
    np.testing.assert_allclose(scores.responses.value[0], expected, atol=1e-9)
    np.testing.assert_allclose(scores.responses.fraction[0], np.array(sizes) / (H * W))
    assert scores.value[0] == pytest.approx(np.mean(expected), abs=1e-9)


@pytest.mark.parametrize("values", ["plain", "ties"])
def test_saco_weighs_every_pair_of_groups(problem, values):
    images, maps = problem
    maps = np.abs(maps) if values == "plain" else np.round(np.abs(maps))
    scores = run(Curved(), images, maps, ["saco"], groups=7)
    for i, image in enumerate(images):
        order = sorted(range(H * W), key=lambda index: (-maps[i].flat[index], index))
        sizes = [H * W // 7 + (k < H * W % 7) for k in range(7)]
        # 120 pixels in 7 groups: the first has 18 where group k ends at ceil(k N / K).
        ends = [-(-(k + 1) * H * W // 7) for k in range(7)]
        assert sorted(np.diff([0, *ends])) == sorted(sizes)
        s, d = [], []
        for start, end in itertools.pairwise([0, *ends]):
            changed = image.astype(np.float64).reshape(-1, 3).copy()
            changed[order[start:end]] = image.mean((0, 1), dtype=np.float64)
            s.append(maps[i].ravel()[order[start:end]].sum())
            d.append(Curved().p(image) - Curved().p(changed.reshape(image.shape)))
        weights = [(s[a] - s[b]) if d[a] >= d[b] else -(s[a] - s[b]) for a, b in itertools.combinations(range(7), 2)]
        assert scores.value[i] == pytest.approx(sum(weights) / sum(map(abs, weights)), abs=1e-6)


def test_monotonicity_lets_pixels_appear_by_ascending_magnitude(problem):
    images, maps = problem
    names = ["monotonicity", "monotonicity_share", "monotonicity_spearman"]
    model = Curved()
    scores = run(model, images[:1], maps[:1], names, steps=10)
    assert len(model.seen) == 1 + 1 + 9
    order = sorted(range(H * W), key=lambda index: (abs(maps[0].flat[index]), index))
    image, p = np.zeros((H * W, 3)), []
    for step in range(11):
        image[order[: 12 * step]] = images[0].reshape(-1, 3)[order[: 12 * step]]
        p.append(model.p(image.reshape(H, W, 3)))
    rises = [b >= a for a, b in itertools.pairwise(p)]
    assert not all(rises)
    expected = [0.0, sum(rises) / 10, stats.spearmanr(range(11), p).statistic]
    np.testing.assert_allclose(scores.value, expected, atol=1e-12)
    np.testing.assert_allclose(scores.responses.value[0], p, atol=1e-12)
    np.testing.assert_allclose(scores.responses.fraction[0], np.arange(11) / 10)


def test_monotonicity_correlation_replaces_one_cell_at_a_time(problem):
    images, maps = problem
    model = Curved()
    (value,) = run(model, images[:1], maps[:1], ["monotonicity_correlation"], cells=4, cell_draws=30).value
    intact, changed = seen_by(model)
    cells = np.arange(H)[:, None] * 4 // H * 4 + np.arange(W) * 4 // W
    assert len(changed) == 16 * 30
    claimed, influence = [], []
    for cell in range(16):
        some = changed[cell * 30 : (cell + 1) * 30]
        outside = cells != cell
        np.testing.assert_array_equal(some[:, outside], np.broadcast_to(intact[outside], some[:, outside].shape))
        inside = some[:, ~outside]
        assert inside.min() >= 0
        assert inside.max() <= 1
        assert abs(inside.mean() - 0.5) < 4 * np.sqrt(1 / 12 / inside.size)
        before = model.p(intact)
        influence.append(np.mean([(model.p(one) - before) ** 2 / before**2 for one in some]))
        claimed.append(np.abs(maps[0])[~outside].sum())
    assert value == pytest.approx(stats.spearmanr(claimed, influence).statistic, abs=1e-9)


def test_prediction_gaps_are_means_over_the_same_noise(problem):
    images, maps = problem
    model = Curved()
    given = {name: Explained(np.abs(values), raw=values) for name, values in (("a", maps[:1]), ("b", -maps[1:]))}
    names = ["pgi", "pgu", "pgi_removal", "pgu_removal"]
    scores = run(model, images[:1], given, names, top=0.3, noise_draws=50, noise=0.05)
    intact, changed = seen_by(model)
    assert len(changed) == 2 * (50 + 50 + 2)
    noise = {}
    for number, (method, one) in enumerate(given.items()):
        order = sorted(range(H * W), key=lambda index: (-abs(one.raw[0].flat[index]), index))
        top = np.zeros(H * W, bool)
        top[order[:36]] = True
        top = top.reshape(H, W)
        some = changed[number * 102 : (number + 1) * 102]
        for name, side in (("pgi", top), ("pgu", ~top)):
            own = [image for image in some[:100] if (image != intact).any(-1)[side].all()]
            assert len(own) == 50
            assert all((image == intact)[~side].all() for image in own)
            noise[method, name] = np.array(own) - intact
            assert noise[method, name][:, side].std() == pytest.approx(0.05, rel=0.05)
            gap = np.mean([abs(model.p(intact) - model.p(image)) for image in own])
            assert scores.select(method=method, metric=name).value[0] == pytest.approx(gap, abs=1e-9)
            bare = np.where(side[..., None], 0, images[0])
            gap = abs(model.p(intact) - model.p(bare))
            assert scores.select(method=method, metric=f"{name}_removal").value[0] == pytest.approx(gap, abs=1e-9)
    both = (noise["a", "pgi"] != 0) & (noise["b", "pgi"] != 0)
    assert both.any()
    np.testing.assert_allclose(noise["a", "pgi"][both], noise["b", "pgi"][both], atol=1e-6)


def test_input_times_gradient_of_a_linear_model_is_perfect(problem):
    images, _ = problem
    signed = Linear(np.random.default_rng(5).standard_normal((H, W, 3)))
    exact = (signed.weights * images).sum(-1)
    names = ["faithfulness_correlation", "mu_fidelity", "sensitivity_n"]
    given = {"exact": Explained(np.abs(exact), raw=exact), "scaled": Explained(np.abs(exact), raw=-3 * exact)}
    scores = run(signed, images, given, names, batch_size=64)
    for method, value in (("exact", 1.0), ("scaled", -1.0)):
        np.testing.assert_allclose(scores.select(method=method).value, value, atol=1e-4)
    assert (np.array(scores.responses.value[0]) > 0.9999).all()
    positive = Linear()
    exact = (positive.weights * images).sum(-1)
    names = ["monotonicity", "monotonicity_share", "monotonicity_spearman"]
    assert run(positive, images, exact, names, batch_size=64).value.tolist() == pytest.approx([1.0] * 6)
    # SaCo removes towards the mean colour: with the effects themselves as the map every pair agrees, reversed none.
    effect = (positive.weights * (images - images.mean((1, 2), keepdims=True))).sum(-1)
    given = {"effect": effect, "reversed": -effect}
    scores = run(positive, images, given, ["saco"], batch_size=64)
    np.testing.assert_allclose(scores.select(method="effect").value, 1.0)
    np.testing.assert_allclose(scores.select(method="reversed").value, -1.0)


def test_gaps_of_a_linear_model_have_their_closed_forms(problem):
    images, _ = problem
    model = Linear()
    exact = (model.weights * images).sum(-1)
    scores = run(model, images, exact, ["pgi", "pgu", "pgi_removal", "pgu_removal"], batch_size=64, noise_draws=4000)
    for i in range(2):
        order = np.argsort(-exact[i].ravel(), kind="stable")
        for name, side in (("pgi", order[:30]), ("pgu", order[30:])):
            # |N(0, s²)| has the mean s √(2/π) and the deviation s √(1 - 2/π); s = 0.1 ‖w‖ over the side.
            s = 0.1 * np.sqrt((model.weights.reshape(-1, 3)[side] ** 2).sum())
            got = scores.select(image=str(i), metric=name).value[0]
            assert got == pytest.approx(s * np.sqrt(2 / np.pi), abs=4 * s * np.sqrt((1 - 2 / np.pi) / 4000))
            whole = exact[i].ravel()[side].sum()
            assert scores.select(image=str(i), metric=f"{name}_removal").value[0] == pytest.approx(whole, abs=1e-6)


def test_influence_of_a_linear_model_ranks_like_its_squared_weights():
    """Grey x = 1/2 and uniform contents u: the mean of (Σ w (u - 1/2))² is Σ w² / 12."""
    weights = np.kron(np.array([[1.0, 4.0], [9.0, 30.0]]), np.ones((5, 6)))[..., None] * np.ones(3)
    image = np.full((1, H, W, 3), 0.5, np.float32)
    given = {"right": weights[None, ..., 0], "wrong": 31 - weights[None, ..., 0]}
    settings = {"cells": 2, "cell_draws": 200}
    scores = run(Linear(weights), image, given, ["monotonicity_correlation"], batch_size=64, **settings)
    assert scores.value.tolist() == pytest.approx([1.0, -1.0])


def test_passes_are_those_that_are_announced_and_no_others(problem):
    images, maps = problem
    given = {"a": Explained(np.abs(maps), raw=maps), "b": np.abs(maps[::-1]), "flat": np.ones((2, H, W))}
    for names in [*([name] for name in NAMES), NAMES, ["monotonicity_share", "pgi", "pgu_removal"]]:
        model = Curved()
        run(model, images, given, names, **QUICK)
        shared = own = 0
        for kind in KINDS:
            some = [name for name in names if name in kind.metrics]
            if some:
                each, per_map = kind.passes(Settings(**QUICK), (H, W), some)
                shared, own = shared + each, own + per_map
        assert len(model.seen) == 2 * (1 + shared + 2 * own), names


def test_an_image_scores_the_same_whatever_else_is_scored(problem):
    images, maps = problem
    given = {"a": Explained(np.abs(maps), raw=maps), "b": np.abs(maps[::-1]) + 0.5}
    settings = {"faithfulness": QUICK}
    both = evaluate(
        Curved(), images, [0, 1], given, metrics=NAMES, settings=settings, ids=["x", "y"], batch_size=64, seed=4
    )
    assert (both.reason == "").all()
    for size in (1, 7):
        again = evaluate(
            Curved(), images, [0, 1], given, metrics=NAMES, settings=settings, ids=["x", "y"], batch_size=size, seed=4
        )
        np.testing.assert_allclose(again.value, both.value, atol=1e-12)
    for name in NAMES:
        alone = evaluate(
            Curved(), images[1:], [1], {"a": Explained(np.abs(maps[1:]), raw=maps[1:])}, metrics=[name],
            settings=settings, ids=["y"], seed=4,
        )  # fmt: skip
        assert alone.value[0] == pytest.approx(both.select(image="y", method="a", metric=name).value[0], abs=1e-12)
    other = evaluate(
        Curved(), images, [0, 1], given, metrics=["mu_fidelity"], settings=settings, ids=["x", "y"], seed=5
    )
    assert (other.value != both.select(metric="mu_fidelity").value).all()
    ranges = [METRICS[name].range for name in both.metric]
    assert all(low <= v and (high is None or v <= high) for v, (low, high) in zip(both.value, ranges, strict=True))


def test_bytes_and_floats_are_one_image(problem):
    images, maps = problem
    as_bytes = np.rint(images * 255).astype(np.uint8)

    class Both(Curved):
        def predict(self, x):
            assert x.dtype == np.float32
            return super().predict(x)

    a = run(Both(), as_bytes, maps, NAMES, batch_size=32, **QUICK)
    b = run(Both(), (as_bytes / 255).astype(np.float64), maps, NAMES, batch_size=32, **QUICK)
    np.testing.assert_allclose(a.value, b.value, atol=1e-5)


@pytest.mark.parametrize("baseline", ["mean", "blur"])
def test_the_baseline_is_that_of_the_settings(problem, baseline):
    from scipy.ndimage import gaussian_filter

    images, maps = problem
    model = Curved()
    names = ["pgi_removal", "monotonicity_share"]
    scores = run(model, images[:1], maps[:1], names, baseline=baseline, sigma=2.0, steps=2, top=0.5)
    if baseline == "mean":
        fill = np.broadcast_to(images[0].mean((0, 1), dtype=np.float64), images[0].shape)
    else:
        fill = gaussian_filter(images[0].astype(np.float64), (2, 2, 0), mode="reflect", truncate=4)
    top = np.abs(maps[0]) >= np.sort(np.abs(maps[0]), axis=None)[-60]
    gone, half = (np.where(side[..., None], fill, images[0]) for side in (top, top))
    assert scores.value[0] == pytest.approx(abs(model.p(images[0]) - model.p(gone)), abs=1e-6)
    p = [model.p(fill), model.p(half), model.p(images[0])]
    np.testing.assert_allclose(scores.responses.value[0], p, atol=1e-6)


def test_answers_that_only_rounding_tells_apart_are_flat(problem):
    """A model that ignores the image, computed in sums of another order for every batch."""
    images, maps = problem

    class Rounded(Curved):
        def predict(self, x):
            order = np.asarray(x, np.float64).sum((1, 2, 3)) * 1e6 % 2 < 1
            first = np.where(order, 0.75, np.nextafter(0.75, 1))
            return np.stack([first, 1 - first], 1)

    names = ["faithfulness_correlation", "mu_fidelity", "sensitivity_n", "monotonicity_correlation"]
    scores = run(Rounded(), images[:1], maps[:1], [*names, "monotonicity_spearman"], batch_size=16, **QUICK)
    assert set(scores.reason) == {"flat_answers"}


def test_what_has_no_value_is_said(problem):
    images, maps = problem

    class Constant(Curved):
        def predict(self, x):
            return np.tile([0.75, 0.25], (len(x), 1))

    scores = run(Constant(), images[:1], maps[:1], NAMES, batch_size=16, **QUICK)
    reason = dict(zip(scores.metric, scores.reason, strict=True))
    flat = {"faithfulness_correlation", "mu_fidelity", "sensitivity_n", "monotonicity_spearman"}
    flat |= {"monotonicity_correlation"}
    assert {name for name, code in reason.items() if code == "flat_answers"} == flat
    value = dict(zip(scores.metric, scores.value, strict=True))
    assert (value["pgi"], value["monotonicity"], value["monotonicity_share"]) == (0, 1, 1)

    class Broken(Curved):
        def predict(self, x):
            return np.where((x < 0.2).any((1, 2, 3))[:, None], np.nan, super().predict(x))

    scores = run(Broken(), images[:1], maps[:1], NAMES, batch_size=16, **{**QUICK, "noise": 0.5})
    assert set(scores.reason) == {"not_finite", ""}
    assert scores.select(metric="saco").reason.tolist() == [""]  # the mean colour is not dark
    assert (scores.reason == "").sum() == 1
    assert set(run(Curved(), images, np.ones((2, H, W)), NAMES, **QUICK).reason) == {"flat_map"}
    # One magnitude, two signs: sums differ, an order of magnitudes does not.
    signs = np.where(maps > 0, 1.0, -1.0)
    scores = run(Curved(), images, {"m": Explained(maps, raw=signs)}, NAMES, batch_size=16, **QUICK)
    by_magnitude = [n for n in NAMES if n.startswith(("pg", "monotonicity")) and n != "monotonicity_correlation"]
    for name in by_magnitude:
        assert set(scores.select(metric=name).reason) == {"flat_magnitudes"}
    assert scores.select(metric="faithfulness_correlation").reason.tolist() == ["", ""]


def test_the_ground_truth_is_scored_without_a_raw_map(problem):
    images, maps = problem
    masks = np.zeros((2, H, W), bool)
    masks[0, 2:5, 3:8] = True
    scores = evaluate(
        Curved(), images, [0, 0], {"m": Explained(np.abs(maps), raw=maps)}, masks, NAMES, oracle=True,
        settings={"faithfulness": QUICK}, batch_size=32,
    )  # fmt: skip
    assert set(scores.select(method="oracle", image="0").reason) == {""}
    assert set(scores.select(method="oracle", image="1").reason) == {"empty_mask"}


def in_jax(output, weights):
    import jax.numpy as jnp

    from xaijax.classifier import Classifier

    return Classifier.from_function(
        lambda w, x: (x.reshape(len(x), -1) - 0.5) @ w, jnp.asarray(weights, jnp.float32), input_shape=(H, W, 3),
        output=output,
    )  # fmt: skip


def logits(weights, images):
    return (np.asarray(images, np.float64).reshape(len(images), -1) - 0.5) @ weights


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "binary", "regression"])
def test_classifiers_in_jax_and_black_boxes_score_alike(problem, output):
    from xaijax import models

    images, maps = problem
    weights = np.random.default_rng(8).standard_normal((H * W * 3, 1 if output == "binary" else 3)) / 6

    def predict(x):
        z = logits(weights, x)
        if output == "softmax":
            return np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return z if output == "regression" else 1 / (1 + np.exp(-z))

    box = models.from_predict(predict, input_shape=(H, W, 3), output=output)
    model = in_jax(output, weights)
    labels = np.array([1.5, -0.5]) if output == "regression" else [1, 0]
    labels = np.array([[1, 0, 1], [0, 1, 0]]) if output == "sigmoid" else labels
    if output == "regression":
        labels = [0, 0]
    given = {"m": maps[[0, 0, 1]] if output == "sigmoid" else maps}
    options = {"spread": 3.0} if output == "regression" else {}
    found = [
        evaluate(one, images, labels, given, metrics=NAMES, settings={"faithfulness": QUICK}, batch_size=32, **options)
        for one in (box, model)
    ]
    assert found[0].reason.tolist() == found[1].reason.tolist()
    np.testing.assert_allclose(found[0].value, found[1].value, atol=2e-3)
    if output == "sigmoid":
        assert set(found[0].target) == {"0", "1", "2"}
        assert len(found[0]) == 3 * len(NAMES)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "binary", "regression"])
def test_a_linear_logit_is_explained_perfectly_by_its_weights(problem, output):
    """With target=logit f is the label's logit, of a regression the output; b = 0, so that Φ = w x."""
    images, _ = problem
    weights = np.random.default_rng(8).standard_normal((H * W * 3, 1 if output == "binary" else 3))
    label = 1 if output == "binary" else 0
    column = weights[:, 0]
    exact = (column.reshape(H, W, 3) * images).sum(-1)
    names = ["faithfulness_correlation", "mu_fidelity", "sensitivity_n", "pgi_removal"]
    scores = evaluate(
        in_jax(output, weights), images, [label] * 2, {"m": Explained(np.abs(exact), raw=exact)}, metrics=names,
        settings={"faithfulness": {**QUICK, "target": "logit"}}, batch_size=32,
        **({"spread": 1.0} if output == "regression" else {}),
    )  # fmt: skip
    for i in range(2):
        got = scores.select(image=str(i)).value
        np.testing.assert_allclose(got[:3], 1.0, atol=1e-4)
        top = np.argsort(-np.abs(exact[i]).ravel(), kind="stable")[:30]
        assert got[3] == pytest.approx(abs(exact[i].ravel()[top].sum()), rel=1e-4)


def test_what_does_not_fit_is_refused(problem):
    from xaijax import models

    images, maps = problem
    box = models.from_predict(Curved().predict, input_shape=(H, W, 3), classes=("a", "b"))
    for model in (box, Curved()):
        with pytest.raises(
            InputError, match=r"^faithfulness\.target is logit, but the model gives .* for mu_fidelity$"
        ):
            run(model, images, maps, ["saco", "mu_fidelity"], target="logit")
        run(model, images, maps, ["saco"], target="logit", batch_size=16)  # p by definition
    with pytest.raises(InputError, match=r"^faithfulness\.subset is 1; it must be a number above 0 up to below 1"):
        run(Curved(), images, maps, ["saco"], subset=1)
    rounds = models.from_predict(Curved().predict, input_shape=(H, W, 3), classes=("a", "b"), dtype="uint8")
    with pytest.raises(InputError, match=r"^pgi changes images by less than a grey level"):
        run(rounds, images, maps, ["pgi"])
