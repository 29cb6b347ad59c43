"""LIME, KernelSHAP, Sobol and HSIC against their definitions, on functions of the mask whose answer is known.

An image of ones over a black baseline shows each region's share z as its pixel value, so a model is any function of z,
and a black box that keeps what it gets tells which masks were drawn.
"""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from xaijax import explain, models
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import METHODS
from xaijax.explain.perturbation import _coalitions, _hsic, _regions

NAMES = ("lime", "kernel_shap", "sobol", "hsic")
SMALL = {"lime": {"count": 40}, "kernel_shap": {"count": 40}, "sobol": {"design": 4}, "hsic": {"count": 30}}


def pixels(players):
    """One region per pixel of a `[1, players]` image."""
    return np.eye(players, dtype=bool)[:, None, :]


@functools.cache
def of_mask(function, players):
    """A classifier whose logit of class 0 is a function of z `[N, players]`."""

    def logits(params, x):
        found = function(x[:, 0, :, 0]) + params
        return jnp.stack([found, jnp.zeros_like(found)], axis=1)

    return Classifier.from_function(logits, jnp.zeros(()), input_shape=(1, players, 1))


def values(name, function, players, **options):
    """`[players]`: the map of an image of ones."""
    image = np.ones((1, 1, players, 1), np.float32)
    options = {"regions": pixels(players), "baseline": "black", "target": "logit"} | options
    return np.asarray(METHODS[name].function(of_mask(function, players), image, 0, **options))[0, 0]


class Recorder:
    """A black box that keeps the masks it was asked about."""

    def __init__(self, function, players):
        self.function, self.players, self.seen = function, players, []

    def model(self):
        def predict(x):
            self.seen.append(x[:, 0, :, 0].astype(np.float64))
            found = self.function(self.seen[-1])
            return np.stack([found, 0 * found], axis=1)

        made = models.from_predict(predict, input_shape=(1, self.players, 1), classes=["a", "b"], logits=True)
        self.seen.clear()  # trial calls
        return made

    def explain(self, name, count, **options):
        """The map, the `count` masks that make it, and their scores; the last call of a black box is filled up."""
        model = self.model()
        image = np.ones((1, 1, self.players, 1), np.float32)
        options = {"regions": pixels(self.players), "baseline": "black", "target": "logit"} | options
        if "count" in METHODS[name].options:
            options["count"] = count
        found = np.asarray(METHODS[name].function(model, image, 0, batch_size=10**6, **options))[0, 0]
        before = {"lime": 1, "kernel_shap": 1}.get(name, 0)  # the intact image; all and no regions
        masks = np.concatenate(self.seen[before:])[:count]
        return found, masks, self.function(masks)


def bumpy(z):
    """Not additive, in NumPy or JAX."""
    return 3 * z[:, 0] * z[:, 1] - 2 * z[:, 2] + z[:, 3] * z[:, 4] * z[:, 0] + 0.5 * z[:, 1]


def shapley(function, players):
    """Shapley values by their definition, in float64."""
    masks = np.array(list(itertools.product([0.0, 1.0], repeat=players)))
    value = dict(zip(map(tuple, masks), function(masks), strict=True))
    found = np.zeros(players)
    for mask in masks:
        size = int(mask.sum())
        for i in np.flatnonzero(mask == 0):
            more = mask.copy()
            more[i] = 1
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            found[i] += weight * (value[tuple(more)] - value[tuple(mask)])
    return found


@pytest.mark.parametrize("players", [5, 8])
def test_kernel_shap_of_few_regions_is_the_enumeration(players):
    table = np.random.default_rng(players).normal(size=2**players).astype(np.float32)

    def function(z):
        index = (z * 2.0 ** np.arange(players, dtype=z.dtype)).sum(1).astype(np.int32)
        return (table if isinstance(z, np.ndarray) else jnp.asarray(table))[index]

    expected = shapley(function, players)
    got = values("kernel_shap", function, players, key=3)
    np.testing.assert_allclose(got, expected, atol=2e-5)
    ends = function(np.ones((1, players)))[0] - function(np.zeros((1, players)))[0]
    np.testing.assert_allclose(got.sum(), ends, atol=2e-5)


def test_kernel_shap_that_draws_approaches_the_enumeration_and_keeps_the_sum():
    players = 13

    def function(z):
        return z @ np.arange(players, dtype=np.float32) + 4 * bumpy(z) * z[:, 12] + 6 * z[:, 7] * z[:, 8]

    expected = shapley(function, players)
    runs = np.array([values("kernel_shap", function, players, count=300, key=key) for key in range(12)])
    np.testing.assert_allclose(runs.sum(1), expected.sum(), rtol=1e-5)
    error = np.abs(runs.mean(0) - expected)
    standard_error = runs.std(0, ddof=1) / math.sqrt(12)
    assert (error < 4 * standard_error + 1e-3).all()
    assert error.max() < 0.25
    more = values("kernel_shap", function, players, count=4000, key=0)
    assert (np.abs(more - expected) ** 2).mean() < 0.25 * ((runs - expected) ** 2).mean()


def test_kernel_shap_is_the_constrained_least_squares_of_its_coalitions():
    """The Lagrangian's solution in float64 on the masks that the model was asked about."""
    players, count = 13, 301
    recorder = Recorder(lambda z: bumpy(z) * (1 + z[:, 12]), players)
    got, masks, found = recorder.explain("kernel_shap", count - count % 2, key=5)
    plan = _coalitions.make_plan(players, count)
    assert len(masks) == plan.count
    _, weights = _coalitions.coalitions(plan, jax.random.key(5), jnp.arange(plan.count))
    w = np.asarray(weights, np.float64)
    matrix, right = masks.T @ (w[:, None] * masks), masks.T @ (w * (found - recorder.function(np.zeros((1, players)))))
    change = (recorder.function(np.ones((1, players))) - recorder.function(np.zeros((1, players))))[0]
    inverse, one = np.linalg.inv(matrix), np.ones(players)
    expected = inverse @ (right - one * (one @ inverse @ right - change) / (one @ inverse @ one))
    np.testing.assert_allclose(got, expected, atol=2e-4)


@pytest.mark.parametrize(("players", "count"), [(13, 300), (12, 900), (64, None), (20, 2000), (6, 20), (5, 2)])
def test_coalitions_are_enumerated_from_the_outside_in_and_drawn_with_complements(players, count):
    budget = _coalitions.default_count(players) if count is None else count
    plan = _coalitions.make_plan(players, budget)
    assert plan.count in (budget, budget - 1)
    z, weights = map(np.asarray, _coalitions.coalitions(plan, jax.random.key(1), jnp.arange(plan.count)))
    sizes = z.sum(1).astype(int)
    assert set(np.unique(z)) <= {0.0, 1.0}
    assert sizes.min() > 0
    assert sizes.max() < players
    drawn = z[plan.listed :]
    assert np.array_equal(drawn[::2], 1 - drawn[1::2])
    listed = {tuple(row) for row in z[: plan.listed]}
    assert len(listed) == plan.listed
    mass = np.array([1 / (s * (players - s)) for s in range(1, players)])
    mass /= mass.sum()
    whole = {s for s in range(1, players) if (sizes[: plan.listed] == s).any()}
    for size in whole:
        assert (sizes[: plan.listed] == size).sum() == math.comb(players, size)
        assert players - size in whole
        assert weights[: plan.listed][sizes[: plan.listed] == size].sum() == pytest.approx(mass[size - 1], rel=1e-4)
    assert not {*sizes[plan.listed :]} & whole
    assert weights.sum() == pytest.approx(1, rel=1e-4)


def test_drawn_sizes_have_the_kernels_weight():
    players = 9
    plan = _coalitions.make_plan(players, 400)
    assert plan.listed
    many = jax.vmap(lambda k: _coalitions.coalitions(plan, k, plan.listed + jnp.arange(2))[0])(
        jax.random.split(jax.random.key(0), 4000)
    )
    sizes = np.asarray(many).reshape(-1, players).sum(1)
    whole = {int(s) for s in plan.table.sum(1)}
    rest = [s for s in range(1, players) if s not in whole]
    mass = np.array([1 / (s * (players - s)) for s in rest])
    share = np.array([(sizes == s).mean() for s in rest])
    np.testing.assert_allclose(share, mass / mass.sum(), atol=0.03)
    each = np.asarray(many).mean((0, 1))
    np.testing.assert_allclose(each, 0.5, atol=1e-6)  # complements


def test_kernel_shap_of_too_few_coalitions_and_of_one_region():
    got = values("kernel_shap", bumpy, 12, count=4)
    assert np.isfinite(got).all()
    assert got.sum() == pytest.approx(float(bumpy(np.ones((1, 12)))[0]), abs=1e-4)
    whole = np.ones((1, 1, 5), bool)
    np.testing.assert_allclose(values("kernel_shap", bumpy, 5, regions=whole), 2.5, rtol=1e-6)  # bumpy(1) - bumpy(0)
    np.testing.assert_allclose(values("lime", bumpy, 5, regions=whole, ridge=1e-4, count=200), 2.5, rtol=1e-2)
    np.testing.assert_allclose(values("sobol", lambda z: z[:, 0], 5, regions=whole, design=256), 1.0, rtol=0.1)
    assert np.isfinite(values("hsic", bumpy, 5, regions=whole, count=20)).all()


def test_lime_is_the_weighted_ridge_of_scikit_learn():
    players = 6
    recorder = Recorder(lambda z: bumpy(z) + z[:, 5], players)
    for width, ridge in ((0.25, 1.0), (0.1, 0.01), (1.0, 30.0)):
        got, masks, found = recorder.explain("lime", 300, width=width, ridge=ridge, key=2)
        assert len(masks) == 300
        assert masks[0].all()
        assert abs(masks[1:].mean() - 0.5) < 0.05
        distance = 1 - np.sqrt(masks.sum(1) / players)
        fit = Ridge(alpha=ridge).fit(masks, found, sample_weight=np.exp(-(distance**2) / (2 * width**2)))
        np.testing.assert_allclose(got, fit.coef_, atol=1e-4)


def test_lime_and_kernel_shap_leave_out_regions_without_pixels():
    """Superpixels may be fewer than the masks that are given for them."""

    def function(z):
        return 2 * z[:, 0] * z[:, 1] - z[:, 2] + z[:, 3]

    masks = pixels(4)
    padded = np.concatenate([masks, np.zeros((3, 1, 4), bool)])
    np.testing.assert_allclose(
        values("kernel_shap", function, 4, regions=padded), values("kernel_shap", function, 4), atol=1e-5
    )
    recorder = Recorder(function, 4)
    got, seen, found = recorder.explain("lime", 200, regions=padded)
    distance = 1 - np.sqrt(seen.sum(1) / 4)
    fit = Ridge(alpha=1.0).fit(seen, found, sample_weight=np.exp(-(distance**2) / (2 * 0.25**2)))
    np.testing.assert_allclose(got, fit.coef_, atol=1e-4)


WEIGHTS = np.array([1.0, 2.0, 0.5, 3.0], np.float32)


def additive(z):
    return z @ WEIGHTS


def multiplicative(z):
    return (1 + WEIGHTS * (z - np.float32(0.5))).prod(1)


def ishigami(z):
    x = math.pi * (2 * z - 1)
    sin = np.sin if isinstance(z, np.ndarray) else jnp.sin
    return sin(x[:, 0]) + 7 * sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * sin(x[:, 0])


def closed_form(name):
    """Total indices of the three functions for independent uniform z."""
    if name == "additive":
        return WEIGHTS**2 / (WEIGHTS**2).sum()
    if name == "multiplicative":
        own = WEIGHTS**2 / 12  # variance of each factor, whose mean is 1
        return np.array([own[i] * np.delete(1 + own, i).prod() for i in range(4)]) / ((1 + own).prod() - 1)
    a, b = 7.0, 0.1
    first = (1 + b * math.pi**4 / 5) ** 2 / 2
    second, mixed = a**2 / 8, b**2 * math.pi**8 * (1 / 18 - 1 / 50)
    return np.array([first + mixed, second, mixed]) / (first + second + mixed)


@pytest.mark.parametrize(("function", "players"), [(additive, 4), (multiplicative, 4), (ishigami, 3)])
def test_sobol_indices_are_those_in_closed_form(function, players):
    got = np.array([values("sobol", function, players, design=4096, key=key) for key in (0, 1)])
    np.testing.assert_allclose(got, np.broadcast_to(closed_form(function.__name__), got.shape), atol=0.02)


def test_sobol_is_jansens_estimator_on_its_masks():
    players, design = 5, 16
    recorder = Recorder(bumpy, players)
    got, masks, found = recorder.explain("sobol", design * (players + 1), design=design, key=9)
    masks, found = masks.reshape(design, players + 1, players), found.reshape(design, players + 1)
    for i in range(players):  # C_i differs from A in region i alone
        moved = masks[:, i + 1] != masks[:, 0]
        assert np.array_equal(moved, np.broadcast_to(np.arange(players) == i, moved.shape))
    variance = found[:, 0].var(ddof=1)
    expected = ((found[:, :1] - found[:, 1:]) ** 2).sum(0) / (2 * design * variance)
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    # Every stratum of each coordinate of A holds one point, as in any scrambled Sobol sequence.
    assert np.array_equal(np.sort(np.floor(masks[:, 0] * design), axis=0)[:, 0], np.arange(design))
    other = recorder.explain("sobol", len(found.flat), design=design, key=10)[1].reshape(masks.shape)
    assert not np.allclose(other, masks)


def criterion(masks, found, width):
    """The definition: two n x n kernels and a trace for each region, in float64."""
    n = len(found)
    centre = np.eye(n) - 1 / n
    output = np.exp(-((found[:, None] - found[None]) ** 2) / (2 * width**2))
    each = []
    for column in masks.T:
        kernel = 1 - (column[:, None] - column[None]) ** 2
        each.append(np.trace(centre @ kernel @ centre @ output) / n)
    return np.array(each)


def test_hsic_is_the_trace_of_its_kernels():
    players = 5
    recorder = Recorder(bumpy, players)
    for count in (40, 41):
        got, masks, found = recorder.explain("hsic", count, key=4)
        assert len(masks) == count
        assert np.isin(masks, (0, 1)).all()
        assert (np.abs(masks.sum(0) - count / 2) <= 0.5).all()
        width = np.median([abs(a - b) for a, b in itertools.combinations(found, 2)])
        np.testing.assert_allclose(got, criterion(masks, found, width), rtol=1e-4, atol=1e-5)
        got, masks, found = recorder.explain("hsic", count, key=4, convention="xplique")
        if np.median(found):
            np.testing.assert_allclose(got, criterion(masks, found, np.median(found)), rtol=1e-4, atol=1e-5)


def test_hsic_of_regions_without_influence_is_small():
    got = values("hsic", lambda z: 2 * z[:, 0] + 1.5 * z[:, 1], 6, count=500)
    assert got[:2].min() > 10 * got[2:].max()


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_answers_the_same_to_everything_has_zeros(name):
    for constant in (0.0, 0.1, -7.3, 1e6):
        got = values(name, lambda z, c=constant: jnp.full(z.shape[0], c, jnp.float32), 5, **SMALL[name])
        assert np.array_equal(got, np.zeros(5))
    one = values(name, lambda z: 1e4 + 1e-3 * z[:, 0], 5, **SMALL[name])  # lost in rounding
    assert np.isfinite(one).all()


def test_hsic_without_a_width_is_zero():
    """Most pairs of scores are equal: the median of their distances is 0."""
    got = values("hsic", lambda z: (z.sum(1) > 7.5).astype(jnp.float32), 8, count=60)
    assert np.array_equal(got, np.zeros(8))


@pytest.mark.parametrize("name", NAMES)
def test_missing_scores_stay_missing(name):
    assert np.isnan(values(name, lambda z: jnp.where(z[:, 0] < 0.5, jnp.nan, z[:, 1]), 5, **SMALL[name])).any()


SHAPE = (12, 12, 1)
IMAGES = np.random.default_rng(1).random((2, *SHAPE)).astype(np.float32)
W = np.random.default_rng(2).normal(size=(144, 3)).astype(np.float32) / 4


def pair(output, columns):
    """The same model as a black box and in JAX."""

    def predict(x):
        z = np.tanh(x.reshape(len(x), -1).astype(np.float64) @ W[:, :columns])
        if output == "softmax":
            return np.exp(z) / np.exp(z).sum(1, keepdims=True)
        p = 1 / (1 + np.exp(-z))
        return np.concatenate([1 - p, p], axis=1) if output == "binary" else p

    names = ["a", "b"] if output == "binary" else [*"abc"[:columns]]
    box = models.from_predict(predict, input_shape=SHAPE, classes=names, output=output)
    ours = Classifier.from_function(
        lambda w, x: jnp.tanh(x.reshape(x.shape[0], -1) @ w),
        jnp.asarray(W[:, :columns]),
        input_shape=SHAPE,
        output=output,
        classes=names,
    )
    return box, ours


@pytest.mark.parametrize(("output", "columns"), [("softmax", 3), ("sigmoid", 3), ("binary", 1)])
@pytest.mark.parametrize("name", NAMES)
def test_black_boxes_have_the_maps_of_the_model_in_jax(name, output, columns):
    for labels, batch_size in ((np.array([1, 0]), 7), (None, 64)):
        options = SMALL[name] | {"regions": 3, "key": 5, "batch_size": batch_size, "target": "probability"}
        box, ours = (
            np.asarray(METHODS[name].function(model, IMAGES, labels, **options)) for model in pair(output, columns)
        )
        assert box.std() > 0
        np.testing.assert_allclose(box, ours, atol=2e-4 * np.abs(ours).max())
        assert METHODS[name].allowed_by(pair(output, columns)[0])


@pytest.mark.parametrize("name", NAMES)
def test_superpixels_follow_each_image(name):
    rng = np.random.default_rng(0)
    image = np.kron(rng.random((2, 3, 3, 3)), np.ones((1, 6, 6, 1))).astype(np.float32)
    model = Classifier.from_function(lambda w, x: x.mean((1, 2)) @ w, jnp.eye(3), input_shape=(18, 18, 3))
    options = SMALL[name] | {"regions": "slic:9"}
    together = np.asarray(METHODS[name].function(model, image, 0, **options))
    alone = np.asarray(METHODS[name].function(model, image[1:], 0, **options))
    np.testing.assert_allclose(together[1:], alone, atol=1e-4)
    traced = jax.jit(jax.vmap(lambda x: METHODS[name].function(model, x[None], 0, **options)[0]))(image)
    np.testing.assert_allclose(traced, together, atol=1e-4)
    places, count = _regions.make_regions(jnp.asarray(image), "slic:9")
    assert count == 9
    assert places.max() < 9
    for found, place in zip(together, np.asarray(places), strict=True):
        assert all(np.ptp(found[place == region]) == 0 for region in np.unique(place))
    grey, _ = _regions.make_regions(jnp.asarray(image[..., :1]), "slic:4")
    assert grey.min() >= 0
    assert grey.max() < 4


def test_regions_are_a_grid_or_the_first_mask_that_covers_a_pixel():
    places, count = _regions.make_regions(jnp.zeros((2, 5, 7, 1)), 2)
    assert count == 4
    assert places[0].tolist() == [[0] * 4 + [1] * 3] * 3 + [[2] * 4 + [3] * 3] * 2
    masks = np.zeros((2, 1, 4), bool)
    masks[0, 0, :2] = masks[1, 0, 1:3] = True
    places, count = _regions.make_regions(jnp.zeros((1, 1, 4, 1)), masks)
    assert (places.tolist(), count) == ([[[0, 0, 1, 2]]], 2)
    painted = _regions.paint(jnp.array([[5.0, 7.0]]), places)
    assert painted.tolist() == [[[5.0, 5.0, 7.0, 0.0]]]


def test_pixels_outside_all_regions_are_never_hidden():
    recorder = Recorder(lambda z: z.sum(1), 3)
    for name in NAMES:
        got, masks, _ = recorder.explain(name, 12, regions=pixels(3)[:2], **({"design": 4} if name == "sobol" else {}))
        assert (masks[:, 2] == 1).all()
        assert got[2] == 0


def test_a_hidden_region_has_its_mean_colour_or_the_baseline():
    x = jnp.asarray(np.random.default_rng(0).random((2, 4, 6, 3)), jnp.float32)
    places, count = _regions.make_regions(x, 2)
    fills = np.asarray(_regions.fill_images(x, places, count, "region_mean", "lime"))
    corner = np.asarray(x)[0, :2, 3:]
    np.testing.assert_allclose(fills[0, :2, 3:], np.broadcast_to(corner.mean((0, 1)), corner.shape), rtol=1e-6)
    white = np.asarray(_regions.fill_images(x, places, count, "white", "lime"))
    assert (white == 1).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regions": 13}, "regions must be from 1 to 12 cells along each side for these images; got 13"),
        (
            {"regions": "slick:4"},
            r"regions must be the side of a grid, slic:COUNT with 1 to 1024 superpixels, or masks",
        ),
        ({"regions": "slic:0"}, r"regions must be the side of a grid, slic:COUNT"),
        ({"regions": np.ones((2, 3, 3), bool)}, r"masks \[M, 12, 12\] or \[2, M, 12, 12\]; got shape \(2, 3, 3\)"),
        ({"baseline": ("black", "white")}, "takes one baseline; got 2"),
        ({"batch_size": 0}, "batch_size is 0; it must be a whole number of at least 1"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(name, options, words):
    with pytest.raises(InputError, match=words) as caught:
        METHODS[name].function(pair("softmax", 3)[1], IMAGES, 0, **options)
    assert "\n" not in str(caught.value)


def test_a_design_is_a_power_of_two():
    with pytest.raises(InputError, match="design must be a power of two, such as 32; got 12"):
        explain.sobol(pair("softmax", 3)[1], IMAGES, 0, design=12)


def test_bicubic_enlargement_goes_through_the_cells_and_not_below_zero():
    model = pair("softmax", 3)[1]
    cells, smooth = (
        np.asarray(explain.hsic(model, IMAGES, 0, count=50, regions=4, enlargement=how))
        for how in ("nearest", "bicubic")
    )
    assert not np.ptp(cells.reshape(2, 4, 3, 4, 3), axis=(2, 4)).any()
    np.testing.assert_allclose(smooth[:, 1::3, 1::3], cells[:, 1::3, 1::3], rtol=1e-4)  # the centres of the cells
    assert smooth.min() >= 0


def test_median_of_differences():
    found = np.random.default_rng(0).normal(size=31).astype(np.float32)
    expected = np.median([abs(a - b) for a, b in itertools.combinations(found, 2)])
    assert float(_hsic.kernel_width(jnp.asarray(found), "paper")) == pytest.approx(expected, rel=1e-6)
