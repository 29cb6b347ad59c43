"""Cluster bootstrap of means: against the single-column one, the textbook's standard error, and what clusters do."""

import numpy as np
import pytest

from xaijax.metrics.statistics import cluster_means, mean_interval
from xaijax.metrics.statistics import clusters as module


def made(patients=30, each=4, seed=0, between=1.0):
    rng = np.random.default_rng(seed)
    names = np.repeat([f"p{i}" for i in range(patients)], each)
    values = np.repeat(between * rng.normal(size=patients), each) + 0.1 * rng.normal(size=patients * each)
    return names, values


def test_one_column_is_the_interval_of_groups():
    names, values = made()
    found = cluster_means(values[:, None], names, seed=3)
    assert (found.low[0], found.high[0]) == pytest.approx(mean_interval(values, groups=list(names), seed=3), abs=1e-12)
    assert found.mean[0] == pytest.approx(values.mean())
    assert (found.n[0], found.clusters[0]) == (120, 30)


def test_images_of_one_patient_do_not_count_as_many():
    names, values = made()
    by_patient = cluster_means(values[:, None], names)
    by_image = cluster_means(values[:, None], np.arange(len(values)))
    width = [float(one.high[0] - one.low[0]) for one in (by_patient, by_image)]
    assert width[0] > 1.8 * width[1]  # four images each that are nearly the same: twice as wide
    error = np.std(values.reshape(30, 4).mean(axis=1), ddof=1) / np.sqrt(30)
    assert width[0] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_what_has_no_value_is_left_out():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0], [5.0, np.nan]])
    found = cluster_means(values, ["a", "a", "b", "c"])
    assert found.mean.tolist() == [3.0, 5.0]
    assert found.n.tolist() == [3, 1]
    assert found.clusters.tolist() == [2, 1]
    assert np.isfinite(found.low[0])
    assert np.isnan(found.low[1])  # one patient says nothing of the others
    none = cluster_means(np.full((2, 1), np.nan), ["a", "b"])
    assert np.isnan(none.mean[0])
    assert none.n[0] == 0


def test_many_clusters_take_the_standard_error(monkeypatch):
    names, values = made(patients=400, each=3, seed=1)
    drawn = cluster_means(values[:, None], names)
    monkeypatch.setattr(module, "MOST", 10)
    near = cluster_means(values[:, None], names)
    assert near.low[0] == pytest.approx(drawn.low[0], abs=0.1 * (drawn.high[0] - drawn.low[0]))
    assert near.high[0] == pytest.approx(drawn.high[0], abs=0.1 * (drawn.high[0] - drawn.low[0]))
    sums = values.reshape(400, 3).sum(axis=1) - 3 * values.mean()
    error = np.sqrt((sums**2).sum() * 400 / 399) / values.size
    assert near.high[0] - near.low[0] == pytest.approx(2 * 1.959963985 * error)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"values must be \[N, C\] with N clusters; got \(3, 1\) and 2"):
        cluster_means(np.zeros((3, 1)), ["a", "b"])
