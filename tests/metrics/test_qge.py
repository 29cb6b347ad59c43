"""QGE: scores of ranks and reversed ranks, by evaluate; closed forms."""

import numpy as np
import pytest

from xaijax._errors import InputError
from xaijax.metrics import METRICS, Explained, evaluate, health, qge, rank_maps

H, W = 6, 8


class Linear:
    classes = ("a", "b")

    def __init__(self, seed=0):
        self.weights = np.random.default_rng(seed).random((H, W, 1))
        self.weights /= self.weights.sum()

    def predict(self, images):
        p = (np.asarray(images, np.float64) * self.weights).sum((1, 2, 3))
        return np.stack([p, 1 - p], axis=1)


@pytest.fixture
def problem():
    rng = np.random.default_rng(2)
    return rng.uniform(0.2, 1, (2, H, W, 1)).astype(np.float32), np.exp(3 * rng.standard_normal((2, H, W)))


def test_of_metrics_of_the_order_it_is_the_difference_to_the_negative_map(problem):
    images, maps = problem
    names = ["deletion_black", "insertion_mean", "pixel_flipping", "sic_mutual", "region_perturbation"]
    scores = qge(Linear(), images, [0, 0], {"m": maps}, metrics=names, settings={"perturbation": {"patch": 1}})
    plain = evaluate(
        Linear(), images, [0, 0], {"m": maps, "negative": -maps}, metrics=names, settings={"perturbation": {"patch": 1}}
    )
    assert scores.metrics() == [f"qge_{name}" for name in names]
    for name in names:
        sign = 1 if METRICS[name].higher_is_better else -1
        gap = sign * (plain.select(method="m", metric=name).value - plain.select(method="negative", metric=name).value)
        np.testing.assert_allclose(scores.select(metric=f"qge_{name}").value, gap, atol=1e-12)


def test_of_metrics_of_values_both_sides_are_ranks(problem):
    images, maps = problem
    masks = np.zeros((2, H, W), bool)
    masks[:, :3, :4] = True
    scores = qge(None, images, [0, 0], {"m": Explained(maps, raw=-maps)}, masks, ["energy", "entropy"])
    for i in range(2):
        order = maps[i].ravel().argsort()
        ranks = np.empty(H * W)
        ranks[order] = np.arange(H * W) / (H * W - 1)
        inside = masks[i].ravel()
        gap = ranks[inside].sum() / ranks.sum() - (1 - ranks)[inside].sum() / (1 - ranks).sum()
        assert scores.select(image=str(i), metric="qge_energy").value[0] == pytest.approx(gap, abs=1e-6)
        # Entropy never sees where the pixels are, and both sides have the same values.
        assert scores.select(image=str(i), metric="qge_entropy").value[0] == pytest.approx(0, abs=1e-9)


def test_ties_share_their_rank_and_turn_round_as_ties():
    ranks = rank_maps([[[0.0, 0.0, 7.0, 9.0]]])[0, 0]
    np.testing.assert_allclose(ranks, [0.5 / 3, 0.5 / 3, 2 / 3, 1.0])
    assert (1 - ranks)[0] == (1 - ranks)[1]


def test_missing_values_and_findings(problem):
    images, maps = problem
    flat = maps.copy()
    flat[1] = 3.0
    scores = qge(Linear(), images, [0, 0], {"m": flat}, metrics=["deletion_black"])
    assert scores.reason.tolist() == ["", "flat_map"]
    assert health(scores)["qge_deletion_black"].used == 1

    class Findings(Linear):
        output = "sigmoid"

    labels = np.array([[1, 1], [0, 1]])
    scores = qge(Findings(), images, labels, {"m": maps[[0, 0, 1]]}, metrics=["deletion_black"])
    assert scores.target.tolist() == ["a", "b", "b"]
    assert scores.value[0] == pytest.approx(-scores.value[1])  # p of b is 1 - p of a


def test_a_map_that_is_not_finite_is_refused_by_name(problem):
    images, maps = problem
    broken = maps.copy()
    broken[1, 2, 3] = np.nan
    with pytest.raises(InputError, match="'m'"):
        qge(Linear(), images, [0, 0], {"m": broken}, metrics=["deletion_black"])


def test_what_reads_more_than_a_map_is_refused(problem):
    images, maps = problem
    with pytest.raises(InputError, match=r"^QGE turns maps round and reads nothing else; adcc needs explainer$"):
        qge(Linear(), images, [0, 0], {"m": maps}, metrics=["adcc"])
    with pytest.raises(InputError, match="oracle"):
        qge(Linear(), images, [0, 0], {"m": maps}, maps > 1, metrics=["deletion_black"], oracle=True)
