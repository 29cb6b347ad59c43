"""Mosaics of images: cases in closed form, a count by hand, and Quantus' focus on the same arrays."""

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.metrics import METRICS, Explained, evaluate, mosaic

SIZE = (12, 16)
NAMES = ["grid_pointing_game", "focus"]


class Levels:
    """Three classes, told by the mean grey level: 0.2, 0.5, 0.8."""

    classes = ("dark", "middle", "bright")

    def predict(self, images):
        far = np.abs(np.asarray(images).mean(axis=(1, 2, 3))[:, None] - np.array([0.2, 0.5, 0.8]))
        odds = np.exp(-60 * far)
        return odds / odds.sum(axis=1, keepdims=True)


def data(count=9):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = np.array([0.2, 0.5, 0.8])[labels][:, None, None, None] + rng.uniform(-0.02, 0.02, (count, *SIZE, 1))
    return images.astype(np.float32), labels


def exact(model, images, labels):
    """1 where a pixel looks like the class, -1 elsewhere."""
    level = np.array([0.2, 0.5, 0.8])[np.asarray(labels)][:, None, None]
    return np.where(np.abs(np.asarray(images)[..., 0] - level) < 0.1, 1.0, -1.0)


def wrong(model, images, labels):
    return -exact(model, images, labels)


def even(model, images, labels):
    return np.ones(np.asarray(images).shape[:3])


def none(model, images, labels):
    return -np.ones(np.asarray(images).shape[:3])


def score(explainers, metrics=NAMES, images=None, labels=None, model=None, pool=None, **settings):
    given_images, given_labels = data()
    images, labels = (given_images, given_labels) if images is None else (images, labels)
    given = {name: Explained(np.zeros(images.shape[:3]), explainer=one) for name, one in explainers.items()}
    ids = [f"{image.sum():.6f}" for image in images]
    return evaluate(
        model or Levels(), images, labels, given, metrics=metrics, settings={"mosaic": settings}, ids=ids, pool=pool
    )


def values(scores, method, metric):
    return scores.select(method=method, metric=metric).value


@pytest.mark.parametrize("canvas", ["fit"])
@pytest.mark.parametrize("side", [2, 3])
def test_known_maps_have_known_scores(side, canvas):
    """The map of the class is right, its opposite is wrong, and an even one has the chance of the cells."""
    found = score({"exact": exact, "wrong": wrong, "even": even, "none": none}, side=side, canvas=canvas)
    np.testing.assert_allclose(values(found, "exact", "grid_pointing_game"), 1.0)
    np.testing.assert_allclose(values(found, "exact", "focus"), 1.0)
    np.testing.assert_allclose(values(found, "wrong", "grid_pointing_game"), 0.0)
    np.testing.assert_allclose(values(found, "wrong", "focus"), 0.0)
    # 12 x 16 pixels in 3 x 3 cells: the last column of cells is one pixel wider.
    expected = [1 / 4] if side == 2 else [5 / 48, 6 / 48]
    for value in values(found, "even", "grid_pointing_game"):
        assert min(abs(value - one) for one in expected) < 1e-12
    np.testing.assert_allclose(values(found, "even", "focus"), 0.5)
    assert set(found.select(method="none").reason) == {"not_positive"}


@pytest.mark.parametrize("side", [2, 3])
def test_a_mosaic_is_what_loops_make(side):
    images = np.random.default_rng(1).random((side * side, 7, 8, 2)).astype(np.float32)
    h, w = 7 // side, 8 // side
    wanted = np.zeros((7, 8, 2))
    for row in range(7):
        for column in range(8):
            i, j = min(row // h, side - 1), min(column // w, side - 1)
            y, x = min(row - i * h, h - 1) * side, min(column - j * w, w - 1) * side
            wanted[row, column] = images[side * i + j, y : y + side, x : x + side].mean(axis=(0, 1))
    np.testing.assert_allclose(mosaic.compose(images, side), wanted, atol=1e-6)
    full = mosaic.compose(images, side, "full")
    for k in range(side * side):
        i, j = divmod(k, side)
        np.testing.assert_array_equal(full[7 * i : 7 * (i + 1), 8 * j : 8 * (j + 1)], images[k])


def test_the_share_is_counted_by_hand_on_the_mosaics_that_were_explained():
    images, labels = data()
    seen = []

    def noise(model, given, targets):
        made = np.random.default_rng(3).normal(size=np.asarray(given).shape[:3])
        seen.append((np.asarray(given), made, np.asarray(targets)))
        return made

    found = values(score({"noise": noise}, ["grid_pointing_game"]), "noise", "grid_pointing_game")
    ((canvases, maps, targets),) = seen
    np.testing.assert_array_equal(targets, labels)
    small = images.reshape(9, 6, 2, 8, 2, 1).mean(axis=(2, 4))
    for i in range(9):
        cells = [canvases[i, 6 * (k // 2) : 6 * (k // 2) + 6, 8 * (k % 2) : 8 * (k % 2) + 8] for k in range(4)]
        own = [k for k in range(4) if np.allclose(cells[k], small[i], atol=1e-6)]
        assert len(own) == 1
        rest = [int(np.abs(small - cells[k]).sum(axis=(1, 2, 3)).argmin()) for k in range(4) if k != own[0]]
        assert len(set(rest)) == 3
        assert all(labels[other] != labels[i] for other in rest)
        positive = np.maximum(maps[i], 0)
        y, x = 6 * (own[0] // 2), 8 * (own[0] % 2)
        assert found[i] == pytest.approx(positive[y : y + 6, x : x + 8].sum() / positive.sum())


def test_a_mosaic_at_full_size_shows_the_images_as_they_are():
    class Any(Levels):
        def __init__(self, shape=(*SIZE, 1)):
            self.input_shape = shape

        def with_input_shape(self, shape):
            return Any(tuple(shape))

    seen = []

    def watched(model, images, labels):
        seen.append((model.input_shape, np.asarray(images).shape))
        return exact(model, images, labels)

    found = score({"exact": watched}, model=Any(), canvas="full", side=3)
    np.testing.assert_allclose(found.value, 1.0)
    assert seen == [((36, 48, 1), (9, 36, 48, 1)), ((24, 32, 1), (9, 24, 32, 1))]


def test_what_cannot_be_scored_says_why():
    images, labels = data()
    alone = score({"m": exact}, images=images[:1], labels=labels[:1])
    assert alone.reason.tolist() == ["no_other_class", "no_other_class"]
    two = score({"m": exact}, images=images[:2], labels=labels[:2])
    assert values(two, "m", "grid_pointing_game").tolist() == [1.0, 1.0]
    assert set(two.select(metric="focus").reason) == {"no_same_class"}
    unsure = images.copy()
    unsure[0] += 0.15  # between two classes
    found = score({"m": exact}, ["grid_pointing_game"], images=unsure, labels=labels)
    assert found.reason.tolist() == ["not_confident", *[""] * 8]
    without = {"maps": np.ones(images.shape[:3]), "m": Explained(np.ones(images.shape[:3]), explainer=exact)}
    kept = evaluate(Levels(), images, labels, without, metrics=NAMES)
    assert set(kept.select(method="maps").reason) == {"no_explainer"}


def test_with_a_pool_an_image_scores_the_same_whatever_else_is_scored():
    def noise(model, images, labels):
        return np.stack([np.random.default_rng(int(1e6 * image.sum())).normal(size=SIZE) for image in images])

    images, labels = data()
    whole = score({"noise": noise}, pool=(images, labels))
    for i in (0, 4):
        one = score({"noise": noise}, images=images[i : i + 1], labels=labels[i : i + 1], pool=(images, labels))
        for name in NAMES:
            assert values(one, "noise", name)[0] == values(whole, "noise", name)[i]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: score({"m": exact}, canvas="full"), "canvas=full needs a model that takes images 2 times as large"),
        (lambda: score({"m": exact}, side=1), "mosaic.side is 1"),
        (lambda: score({"m": exact}, pool=3), "pool must be a pair"),
        (lambda: score({"m": exact}, pool=(np.zeros((2, 4, 4, 1), np.float32), [0, 1])), "like those that are scored"),
        (lambda: score({"m": exact}, pool=(data()[0], [0.5] * 9)), "the labels of pool must be 9 whole numbers"),
    ],
)
def test_wrong_uses_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_findings_are_refused():
    class Findings:
        output = "sigmoid"
        classes = ("a", "b")

        def predict(self, images):
            return np.full((len(images), 2), 0.5)

    images, _ = data(2)
    given = {"m": Explained(np.ones(images.shape[:3]), explainer=even)}
    with pytest.raises(InputError, match="needs classes that exclude each other"):
        evaluate(Findings(), images, [0, 1], given, metrics=["focus"])


@pytest.mark.parity
@pytest.mark.filterwarnings("ignore")
def test_focus_is_quantus():
    import quantus
    import torch

    maps = np.random.default_rng(0).normal(size=(5, *SIZE))
    right = [(1, 1, 0, 0), (0, 1, 0, 1), (1, 0, 0, 1), (0, 0, 1, 1), (1, 0, 1, 0)]
    found = quantus.Focus(disable_warnings=True, display_progressbar=False, normalise=False)(
        model=torch.nn.Identity().eval(),
        x_batch=np.zeros((5, 1, *SIZE)),
        y_batch=np.zeros(5, int),
        a_batch=maps[:, None].copy(),
        custom_batch=right,
        channel_first=True,
    )
    wanted = [one[np.array(cells, bool)].sum() for one, cells in zip(mosaic.shares(maps, 2), right, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_directions_and_ranges():
    for name in NAMES:
        assert METRICS[name].higher_is_better
        assert METRICS[name].range == (0.0, 1.0)
