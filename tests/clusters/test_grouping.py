"""Pooling, distributions and spectral clustering, against closed forms and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from xaijax.clusters import grouping


def test_pooling_is_the_mean_of_blocks_and_keeps_the_mean_of_other_sizes():
    maps = np.random.default_rng(0).random((2, 12, 18))
    blocks = maps.reshape(2, 3, 4, 6, 3).mean((2, 4))
    np.testing.assert_allclose(grouping.pool(maps, (3, 6)), blocks)
    for size in ((5, 7), (12, 18), (1, 1)):
        np.testing.assert_allclose(grouping.pool(maps, size).mean((1, 2)), maps.mean((1, 2)))
    np.testing.assert_allclose(grouping.pool(maps, (12, 18)), maps)
    grown = np.kron(maps, np.ones((1, 5, 7)))  # cells of 5 x 7 pixels: every edge of the grid lies between two
    wanted = grown.reshape(2, 5, 12, 7, 18).mean((2, 4))
    np.testing.assert_allclose(grouping.pool(maps, (5, 7)), wanted)


def test_negative_evidence_counts_as_none_and_maps_without_evidence_are_told():
    maps = np.array([[[3.0, -5.0], [1.0, 0.0]], [[-1.0, 0.0], [0.0, -2.0]]])
    found, there = grouping.distributions(maps)
    assert there.tolist() == [True, False]
    assert found[0].tolist() == [[0.75, 0.0], [0.25, 0.0]]
    assert not found[1].any()


def groups(sizes, *, spread, seed=0):
    """Points around the corners of a simplex, with noise in more dimensions, and which corner each belongs to."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return np.eye(12)[truth] + spread * rng.normal(size=(len(truth), 12)), truth


@pytest.mark.parametrize("sizes", [(20, 20), (30, 14, 13), (25, 20, 15, 12, 11)])
def test_groups_that_lie_apart_are_counted_and_found(sizes):
    points, truth = groups(sizes, spread=0.05)
    found = grouping.spectrum(points)
    assert found.clusters == len(sizes)
    assert found.clear
    # Parts that no neighbour joins are as many as the eigenvalues that are 0.
    np.testing.assert_allclose(found.eigenvalues[: len(sizes)], 0, atol=1e-9)
    assert found.eigenvalues[len(sizes)] > 0.01
    np.testing.assert_array_equal(found.affinity, found.affinity.T)
    labels = grouping.cluster(found, found.clusters, seed=0)
    assert adjusted_rand_score(truth, labels) == 1.0
    assert np.bincount(labels).tolist() == sorted(sizes, reverse=True)


def test_there_are_no_fewer_clusters_than_wanted_and_no_more_than_half_of_the_maps():
    points, _ = groups((20, 20, 20), spread=0.05)
    assert grouping.spectrum(points).clusters == 3
    assert grouping.spectrum(points, least=5).clusters >= 5
    assert grouping.spectrum(points[:12], least=9).clusters >= 6


def test_one_cloud_is_said_to_be_one():
    points = np.random.default_rng(0).random((120, 2))
    assert not grouping.spectrum(points).clear


def test_equal_maps_are_one_cluster_and_no_number_is_lost():
    points = np.repeat(np.eye(3), 8, axis=0)
    found = grouping.spectrum(points, neighbours=5)
    assert np.isfinite(found.affinity).all()
    assert adjusted_rand_score(np.repeat(np.arange(3), 8), grouping.cluster(found, 3, seed=0)) == 1.0
    assert np.isfinite(grouping.spectrum(np.zeros((12, 2))).eigenvalues).all()


@pytest.mark.parametrize("kind", ["tsne", "spectral"])
def test_points_of_one_group_lie_together_and_the_seed_repeats_them(kind):
    points, truth = groups((15, 15, 15), spread=0.05)
    found = grouping.spectrum(points)
    placed = grouping.embed(points, found, kind, seed=3)
    np.testing.assert_array_equal(placed, grouping.embed(points, found, kind, seed=3))
    assert placed.shape == (45, 2)
    if kind == "tsne":
        middle = np.stack([placed[truth == k].mean(0) for k in range(3)])
        assert (np.linalg.norm(placed[:, None] - middle, axis=2).argmin(1) == truth).all()


def test_prototypes_are_nearest_to_the_mean():
    points = np.array([[0.0], [1.0], [5.0], [10.0], [11.0], [15.0]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert [own.tolist() for own in grouping.prototypes(points, labels, 2)] == [[1, 0], [4, 3]]


@pytest.mark.parametrize("exponent", [-1000, -150, 150, 1023])
@pytest.mark.filterwarnings("error")
def test_a_map_of_any_unit_is_the_same_distribution(exponent):
    maps = np.random.default_rng(0).random((2, 8, 8)) - 0.2
    found, there = grouping.distributions(np.ldexp(maps, exponent))
    np.testing.assert_allclose(found, grouping.distributions(maps)[0], rtol=1e-12)
    assert there.all()
