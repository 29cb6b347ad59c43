"""What the constructions promise: Shapley values in closed form, parts without influence, one compilation."""

import itertools
import math

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.metrics.calibration import calibrate, plan
from xaijax.metrics.calibration.cells import canvas, cell_of, enlarge, shrink
from xaijax.metrics.calibration.models import Model, Parts
from xaijax.metrics.calibration.shapley import coalitions, shapley_values, values_of

SIZE = (16, 16)


class Bright:
    """Two classes by the mean of the middle; notes what it is called with."""

    classes = ("dark", "bright")

    def __init__(self):
        self.calls = []

    def predict(self, images):
        self.calls.append((images.shape, images.dtype))
        p = 1 / (1 + np.exp(4 - 16 * images[:, 2:-2, 2:-2].mean(axis=(1, 2, 3))))
        return np.stack([1 - p, p], axis=1)


def data(count=6, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (count, *SIZE, 1)).astype(np.uint8)
    images[:, 3:13, 3:13] += 180
    masks = np.zeros((count, *SIZE), bool)
    masks[:, 4:12, 4:12] = True
    return images, np.ones(count, int), masks


def by_orders(game, present, absent):
    """Shapley values as the mean gain over all orders of the players."""
    n = len(present)
    gains = np.zeros(n)
    for order in itertools.permutations(range(n)):
        z = np.array(absent, float)
        before = game(z[None])[0]
        for player in order:
            z[player] = present[player]
            after = game(z[None])[0]
            gains[player] += after - before
            before = after
    return gains / math.factorial(n)


@pytest.mark.parametrize(
    "game", [lambda z: z.min(axis=1), lambda z: z.max(axis=1), lambda z: np.exp(z).sum(axis=1) ** 2]
)
def test_shapley_values_are_the_mean_gain_over_all_orders(game):
    rng = np.random.default_rng(1)
    for n in (2, 3, 4):
        on, off = rng.normal(size=n), rng.normal(size=n) - 1
        np.testing.assert_allclose(values_of(game, on, off), by_orders(game, on, off), rtol=1e-10, atol=1e-12)


def test_shapley_values_of_a_sum_of_two_cells_that_fight_and_of_a_tie():
    weights, on, off = np.array([1.0, 0.5, 0.25]), np.array([2.0, 3.0, -1.0]), np.array([1.0, -1.0, 1.0])
    np.testing.assert_allclose(values_of(lambda z: z @ weights, on, off), weights * (on - off))
    # and, or: φ_1 = [v(1) - v(∅) + v(12) - v(2)]/2
    v = {key: min(key) for key in itertools.product((0.5, 3.0), (0.5, 2.0))}
    first = (v[3.0, 0.5] - v[0.5, 0.5] + v[3.0, 2.0] - v[0.5, 2.0]) / 2
    np.testing.assert_allclose(values_of(lambda z: z.min(axis=1), [3.0, 2.0], [0.5, 0.5])[0], first)
    np.testing.assert_allclose(values_of(lambda z: z.min(axis=1), [2.0, 2.0], [0.0, 0.0]), [1.0, 1.0])
    np.testing.assert_allclose(values_of(lambda z: z.max(axis=1), [2.0, 2.0], [0.0, 0.0]), [1.0, 1.0])
    assert coalitions(3).sum() == 12
    with pytest.raises(ValueError, match="2\\^n"):
        shapley_values([1.0, 2.0, 3.0])


def test_canvas_and_cells():
    images = np.random.default_rng(0).integers(0, 256, (4, 15, 16, 2)).astype(np.uint8)
    small = shrink(images)
    assert small.shape == (4, 7, 8, 2)
    blocks = images[:, :14].reshape(4, 7, 2, 8, 2, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(small, np.rint(blocks).astype(np.uint8))
    whole = canvas(small)
    for k in range(4):
        np.testing.assert_array_equal(cell_of(whole, k), small[k])
    large = enlarge(small, (15, 16))
    np.testing.assert_array_equal(large[:, :14], small.repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_array_equal(large[:, 14], large[:, 13])


def test_what_has_no_influence_changes_no_bit():
    images, labels, masks = data()
    made = plan(Bright(), images, labels, masks=masks, depth="full", textures=["white", "edges"], batch_size=8)
    assert {case.construction for case in made.cases} == {"view", "mosaic", "parts", "and", "or"}
    rng = np.random.default_rng(3)
    for case in made.cases:
        scene = made.scene(case.number)
        inert = scene.truth == 0
        if case.construction != "view":
            weights = np.asarray(case.weights).reshape(2, 2)
            inert = weights.repeat(8, axis=0).repeat(8, axis=1) == 0
        assert inert.any()
        before = scene.classifier.predict(scene.image[None])
        changed = scene.image.copy()
        changed[inert] = rng.integers(0, 256, (inert.sum(), 1))
        fresh = made.scene(case.number).classifier  # remembers nothing of the intact image
        np.testing.assert_array_equal(fresh.predict(changed[None]), before)
        np.testing.assert_array_equal(fresh.scores(changed[None]), scene.classifier.scores(scene.image[None]))
        hidden = np.where(inert[..., None], scene.image, 0).astype(np.uint8)
        assert not np.array_equal(fresh.predict(hidden[None]), before), "the evidence has an influence"


def test_view_without_masks_is_a_blob_that_keeps_the_prediction():
    images, labels, _ = data()
    made = plan(Bright(), images, labels, constructions=["view"])
    assert made.cases
    for case in made.cases:
        scene = made.scene(case.number)
        assert scene.classifier.predict(scene.image[None])[0, 1] >= 0.8
        assert 0 < case.visible.mean() < 1
        base = np.median(images[case.sources[0]]) / 255
        seen = np.where(case.visible[..., None], images[case.sources[0]] / np.float32(255), np.float32(base))
        np.testing.assert_allclose(
            scene.classifier.predict(scene.image[None]), Bright().predict(seen[None].astype(np.float32)), rtol=1e-6
        )


def test_parts_are_the_weighted_sum_of_margins():
    images, labels, _ = data()
    made = plan(Bright(), images, labels, constructions=["parts"])
    model = Model(Bright(), 4)
    for case in made.cases:
        scene = made.scene(case.number)
        assert sorted(case.weights) == [0.0, 1 / 3, 2 / 3, 1.0]
        median = np.round(np.median(scene.image)).astype(np.uint8)
        values = np.zeros((2, 2))
        for k, weight in enumerate(case.weights):
            cell = enlarge(cell_of(scene.image, k), SIZE)[None]
            there, gone = model.margin(cell, 1)[0], model.margin(np.full_like(cell, median), 1)[0]
            values[divmod(k, 2)] = weight * (there - gone)
        np.testing.assert_allclose(scene.truth * 64, values.repeat(8, axis=0).repeat(8, axis=1), atol=1e-9)
        ends = scene.classifier.logit(np.stack([np.full_like(scene.image, median), scene.image]))
        np.testing.assert_allclose(ends, [-3, 3], atol=1e-9)
        p = scene.classifier.predict(scene.image[None])
        np.testing.assert_allclose(p[0, 1], 1 / (1 + np.exp(-3)), rtol=1e-9)


def test_and_and_or_read_two_cells():
    images, labels, _ = data()
    made = plan(Bright(), images, labels, constructions=["and", "or"])
    for case in made.cases:
        scene = made.scene(case.number)
        margins = scene.classifier.margins(scene.image[None])[0]
        assert margins.shape == (2,)
        best = margins.min() if case.construction == "and" else margins.max()
        assert case.ends[1] == best
        # efficiency: the values sum to v(all) - v(none)
        np.testing.assert_allclose(scene.truth.sum(), case.ends[1] - case.ends[0], rtol=1e-9)


def test_the_model_sees_one_shape_and_one_dtype():
    images, labels, masks = data()
    model = Bright()
    calibrate(
        model, images, labels, masks=masks, depth="full", textures=["white", "edges"], levels=[0, 0.5, 1], count=2,
        metrics=["sic_mutual", "deletion_black", "average_drop", "infidelity_patches"], batch_size=8,
        settings={"perturbation": {"steps": 4}, "robustness": {"draws": 4}},
    )  # fmt: skip
    assert set(model.calls) == {((2, *SIZE, 1), np.dtype(np.float32))}


def test_a_case_is_a_pure_function_of_inputs_seed_and_number():
    images, labels, masks = data()
    first, second = (plan(Bright(), images, labels, masks=masks, seed=5) for _ in range(2))
    other = plan(Bright(), images, labels, masks=masks, seed=6)
    assert [case.sources for case in first.cases] == [case.sources for case in second.cases]
    assert [case.sources for case in first.cases] != [case.sources for case in other.cases]
    for number in (0, 4):
        a, b = first.scene(number), second.scene(number)
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.truth, b.truth)


def test_what_is_left_out_is_counted():
    images, labels, masks = data()
    images[0] = 0  # dark, labelled bright
    made = plan(Bright(), images, labels, masks=masks)
    assert made.left_out == {name: {"not_predicted": 1} for name in ("view", "mosaic", "parts")}
    assert len(made.cases) == 15
    assert plan(Bright(), images[1:2], labels[1:2]).left_out["mosaic"] == {"one_image": 1}


def test_cells_at_which_the_model_sees_nothing_are_left_out():
    class Fine(Bright):
        """Bright only where neighbours differ: nothing is left of that at half the size."""

        def predict(self, images):
            rough = np.abs(np.diff(images, axis=2)[:, :, ::2]).mean(axis=(1, 2, 3))
            p = 1 / (1 + np.exp(4 - 40 * rough))
            return np.stack([1 - p, p], axis=1)

    board = np.zeros((3, *SIZE, 1), np.uint8)
    board[:, :, ::2] = 200
    made = plan(Fine(), board, [1, 1, 1], constructions=["mosaic"])
    assert made.left_out == {"mosaic": {"not_predicted_small": 3}}


class Findings:
    output = "sigmoid"
    classes = ("effusion", "nodule")
    thresholds = (0.4, 0.6)

    def predict(self, images):
        p = Bright().predict(images)[:, 1]
        return np.stack([p, 0.3 * p], axis=1)


class Ill:
    output = "binary"
    classes = ("healthy", "ill")

    def predict(self, images):
        return Bright().predict(images)[:, 1]


@pytest.mark.parametrize(
    ("model", "label", "name"), [(Findings(), 0, "effusion"), (Findings(), 3, "no nodule"), (Ill(), 1, "ill")]
)
def test_other_outputs(model, label, name):
    images, _, masks = data(9)
    found = calibrate(model, images, np.full(9, label), masks=masks, metrics=["deletion_black"], count=9,
                      constructions=["view", "parts"] if label == 0 else ["view"],
                      settings={"perturbation": {"steps": 4}})  # fmt: skip
    assert found.classes == (name,)
    assert found.constructions["view"]["cases"] + sum(found.constructions["view"]["left_out"].values()) == 9
    if label != 3:
        assert found.constructions["view"]["cases"] == 9
        assert found.metrics["deletion_black"].constructions["view"].twin.value > 0.8


def test_what_cannot_be_calibrated_is_refused_in_one_sentence():
    images, labels, _ = data()

    class Age(Bright):
        output = "regression"

    with pytest.raises(InputError, match="this one is a regression"):
        plan(Age(), images, labels)
    with pytest.raises(InputError, match="choose one finding for each image"):
        plan(Findings(), images, np.ones((6, 2), int))
    with pytest.raises(InputError, match="unknown texture 'plaid': choose from white, smooth 2"):
        plan(Bright(), images, labels, textures=["plaid", "white"])
    with pytest.raises(InputError, match="unknown construction"):
        plan(Bright(), images, labels, constructions=["half"])
    with pytest.raises(InputError, match="levels must ascend from 0 to 1"):
        plan(Bright(), images, labels, levels=[0.1, 0.5, 1])
    with pytest.raises(InputError, match="two or more"):
        plan(Bright(), images, labels, textures=["white"])
    with pytest.raises(InputError, match="8 pixels or more"):
        plan(Bright(), images[:, :4], labels)
    with pytest.raises(InputError, match="groups must be 6 names"):
        plan(Bright(), images, labels, groups=["a"])
    with pytest.raises(InputError, match="got none"):
        plan(Bright(), images[:0], labels[:0])
    assert Parts.output == "softmax"
