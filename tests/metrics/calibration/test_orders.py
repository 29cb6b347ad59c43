"""A grid of 3 x 3 cells with known weights: all 9! = 362,880 orders are counted, and nothing is estimated."""

import itertools

import numpy as np
import pytest
from scipy.special import expit

from xaijax.metrics import evaluate
from xaijax.metrics.calibration.shapley import coalitions, values_of

CELLS, SIDE = 9, 8
WEIGHTS = np.array([2.0, -1.0, 0.5, 0.0, 3.0, 1.0, -2.5, 0.25, 1.5])


@pytest.fixture(scope="module")
def orders():
    """`[9!, 9]`."""
    return np.array(list(itertools.permutations(range(CELLS))), np.int16)


def paths(orders):
    """`[9!, 10]`: the coalition after each step of each order, as a binary number with the first cell lowest."""
    steps = np.cumsum(1 << orders, axis=1, dtype=np.int16)
    return np.concatenate([np.zeros((len(orders), 1), np.int16), steps], axis=1)


@pytest.mark.parametrize(
    "game",
    [
        lambda z: z @ WEIGHTS,
        lambda z: expit(z @ WEIGHTS),
        lambda z: (z + WEIGHTS).min(axis=1),
        lambda z: (z * WEIGHTS).max(axis=1),
    ],
)
def test_shapley_values_are_the_mean_gain_over_all_orders_of_nine(orders, game):
    rng = np.random.default_rng(0)
    present, absent = rng.normal(size=CELLS), rng.normal(size=CELLS) - 1
    worth = game(np.where(coalitions(CELLS), present, absent))
    gains = np.diff(worth[paths(orders)], axis=1)
    total = np.bincount(orders.ravel(), weights=gains.ravel(), minlength=CELLS)
    np.testing.assert_allclose(values_of(game, present, absent), total / len(orders), rtol=1e-9, atol=1e-10)


class Grid:
    """`sigmoid(Σ w_k mean(cell_k))` of an image of 3 x 3 cells."""

    classes = ("other", "class")

    def predict(self, images):
        means = np.asarray(images, np.float64)[..., 0].reshape(-1, 3, SIDE, 3, SIDE).mean(axis=(2, 4))
        p = expit(means.reshape(-1, CELLS) @ WEIGHTS)
        return np.stack([1 - p, p], axis=1)


def spread(values):
    return np.asarray(values, np.float64).reshape(3, 3).repeat(SIDE, axis=0).repeat(SIDE, axis=1)


def test_no_order_of_nine_cells_beats_that_of_the_truth(orders):
    """Weights of a sum under an increasing function have one order that is best at every step: deletion finds it."""
    image = spread(np.linspace(0.3, 1.0, CELLS))[..., None].astype(np.float32)
    means = image[::SIDE, ::SIDE, 0].astype(np.float64).ravel()
    there = coalitions(CELLS)
    area = {
        "deletion_black": expit(np.where(there, 0.0, means) @ WEIGHTS),
        "insertion_black": expit(np.where(there, means, 0.0) @ WEIGHTS),
    }
    truth = values_of(lambda z: z @ WEIGHTS, means, np.zeros(CELLS))
    np.testing.assert_allclose(truth, means * WEIGHTS, atol=1e-12)
    some = [tuple(np.argsort(-truth)), *(tuple(orders[i]) for i in (0, 1000, 200_000, len(orders) - 1))]
    maps = {"".join(map(str, order)): spread(CELLS - np.argsort(order))[None] for order in some}
    scores = evaluate(
        Grid(), image[None], np.array([1]), maps, metrics=list(area), settings={"perturbation": {"steps": CELLS}}
    )
    for metric, worth in area.items():
        curves = worth[paths(orders)]
        areas = ((curves[:, 1:] + curves[:, :-1]) / 2).mean(axis=1)
        found = [scores.select(metric=metric, method=method).value[0] for method in maps]
        places = [np.flatnonzero((orders == order).all(axis=1))[0] for order in some]
        np.testing.assert_allclose(found, areas[places], atol=1e-6)
        best = areas.min() if metric.startswith("deletion") else areas.max()
        np.testing.assert_allclose(areas[places[0]], best, atol=1e-12)
        assert np.ptp(areas) > 0.3
