"""Statistics against loops, SciPy and closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from xaijax.metrics.calibration import power, statistics
from xaijax.metrics.calibration.bootstrap import mean_of, wilson


def values(n=7, k=4, levels=5, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    q = np.round(rng.normal(size=(n, k, levels)) - np.linspace(0, 1.5, levels), 1)  # rounded: some ties
    q[:, :, 0] = q[:, :1, 0]
    q[rng.random(q.shape) < missing] = np.nan
    return q


def better(a, b):
    return 1.0 if a > b else 0.5 if a == b else 0.0


def test_concordance_against_a_loop():
    q = values()
    for one, found in zip(q, statistics.concordance(q), strict=True):
        k, levels = one.shape
        pairs = [
            better(one[t, a], one[u, b])
            for t in range(k) for u in range(k) if t != u
            for a in range(levels) for b in range(a + 1, levels)
            if not np.isnan(one[t, a] + one[u, b])
        ]  # fmt: skip
        assert found == pytest.approx(np.mean(pairs), abs=1e-12)


def test_tau_against_scipy():
    q = values(missing=0.0)
    q[0, 0] = 1.0  # no variation: no knowledge, where SciPy has no number
    share = -np.arange(q.shape[2])
    for one, found in zip(q, statistics.tau(q), strict=True):
        expected = [np.nan_to_num(stats.kendalltau(share, row).statistic) for row in one]
        assert found == pytest.approx(np.mean(expected), abs=1e-12)


def test_texture_share_against_a_two_way_analysis():
    q = values(missing=0.0)
    for one, found in zip(q, statistics.texture_share(q), strict=True):
        k, levels = one.shape
        mean = one.mean()
        a = sum(k * (one[:, j].mean() - mean) ** 2 for j in range(levels))
        t = sum(levels * (one[i].mean() - mean) ** 2 for i in range(k))
        both = sum((one[i, j] - one[i].mean() - one[:, j].mean() + mean) ** 2 for i in range(k) for j in range(levels))
        assert found == pytest.approx((t + both) / (a + t + both), abs=1e-12)


def test_random_dominance_and_the_winning_texture():
    q = values(n=40)
    found, best = statistics.random_dominance(q)
    for one, dominated, winner in zip(q, found, best, strict=True):
        noise = one[:, -1]
        if np.isnan(one[0, 0]) or np.isnan(noise).all():
            assert np.isnan(dominated)
            assert winner == -1
            continue
        assert dominated == float(np.nanmax(noise) >= one[0, 0])
        assert winner == np.nanargmax(noise)


def test_a_metric_that_knows_nothing_has_the_dominance_of_chance():
    k = 3
    q = np.random.default_rng(0).normal(size=(40_000, k, 2))
    q[:, :, 0] = q[:, :1, 0]
    assert statistics.random_dominance(q)[0].mean() == pytest.approx(k / (k + 1), abs=0.01)
    assert statistics.concordance(q).mean() == pytest.approx(0.5, abs=0.01)
    assert statistics.tau(q).mean() == pytest.approx(0, abs=0.01)


def test_sums_in_another_order_are_ties():
    rng = np.random.default_rng(0)
    numbers = rng.random((50, 1000))
    a, b = numbers.sum(axis=1), np.array([math.fsum(row[::-1]) for row in numbers])
    assert (a != b).any()
    assert (statistics.compare(a, b) == 0.5).all()
    assert (statistics.compare(1e-30 * a, 2e-30 * a) == 0).all()
    assert statistics.twin([[1.0, np.nan]], [[1.0, 2.0]]).tolist() == [0.5]
    assert np.isnan(statistics.twin([[np.nan]], [[2.0]])).all()


@pytest.mark.parametrize("exponent", [-1000, -600, 600, 1000])
def test_the_share_of_texture_does_not_depend_on_the_unit(exponent):
    q = np.random.default_rng(0).random((4, 3, 5))
    np.testing.assert_array_equal(statistics.texture_share(np.ldexp(q, exponent)), statistics.texture_share(q))


@pytest.mark.filterwarnings("error")
def test_infinity_ties_with_itself_alone():
    found = statistics.compare([np.inf, -np.inf, np.inf, 1.0], [np.inf, -np.inf, 1.0, np.inf])
    assert found.tolist() == [0.5, 0.5, 1.0, 0.0]


def test_the_bootstrap_draws_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat([str(i) for i in range(12)], 5)
    q = np.repeat(rng.random(12), 5)  # all cases of a patient are equal
    alone, together = mean_of(q, [str(i) for i in range(60)]), mean_of(q, groups)
    assert together.value == alone.value == pytest.approx(q.mean())
    assert together.groups == 12
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(math.sqrt(5), rel=0.1)
    expected = stats.bootstrap((q[::5],), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert together.low == pytest.approx(expected.low, abs=0.02)
    assert together.high == pytest.approx(expected.high, abs=0.02)
    missing = np.where(np.arange(60) < 5, np.nan, q)
    assert mean_of(missing, groups).groups == 11


def test_intervals_of_shares_are_no_shorter_than_wilsons():
    for hits, n in ((0, 24), (24, 24), (3, 20)):
        q = np.r_[np.ones(hits), np.zeros(n - hits)]
        found = mean_of(q, [str(i) for i in range(n)], share=True)
        expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found.low <= expected.low + 1e-9
        assert found.high >= expected.high - 1e-9
    alone = mean_of([0.5], ["a"])
    assert np.isnan([alone.low, alone.high]).all()
    assert np.isnan(mean_of([np.nan], ["a"]).value)


def test_images_for_power_agree_with_the_exact_t_test():
    def exact(d):
        for n in range(3, 2000):
            critical = stats.t.ppf(0.975, n - 1)
            miss = stats.nct.cdf(critical, n - 1, d * math.sqrt(n)) - stats.nct.cdf(-critical, n - 1, d * math.sqrt(n))
            if 1 - miss >= 0.8:
                return n
        raise AssertionError

    for d in (0.2, 0.3, 0.5, 0.8, 1.0, 1.5):
        assert abs(power.images_for_power(d) - exact(d)) <= 1
    assert power.images_for_power(5.0) == power.images_for_power(math.inf) == 5
    assert power.images_for_power(0.0) == power.images_for_power(-math.inf) == math.inf
    assert math.isnan(power.images_for_power(math.nan))
    n = power.images_for_power(0.4)
    assert power.detectable(1.0, n) == pytest.approx(0.4, rel=0.02)
    assert power.effect([1.0, 1.0]) == math.inf
    assert power.effect([0.0, 0.0]) == 0
    assert power.effect([1.0, 3.0, np.nan]) == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("seed", range(5))
def test_size_of_a_correct_test(seed):
    d = np.random.default_rng(seed).normal(size=(30, 2))
    d[0, 0] = np.nan
    assert 0.03 < power.size_of_test(d, seed=seed) < 0.07
    assert power.size_of_test(d + 5, seed=seed) < 0.07  # which map comes first is chance


def test_size_shows_a_test_that_does_not_keep_its_level():
    rare = np.zeros((40, 1))
    rare[0] = 1.0
    assert power.size_of_test(rare) < 0.03
    assert math.isnan(power.size_of_test(np.full((4, 1), 1.0)))
    assert math.isnan(power.size_of_test(np.zeros((0, 0))))
    assert power.size_of_test(np.zeros((20, 1))) == 0
