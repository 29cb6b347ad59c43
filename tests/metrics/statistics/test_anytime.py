"""Anytime-valid comparisons: against loops over their formulas, and by simulation where they promise chances."""

import numpy as np
import pytest

from xaijax.metrics import statistics as st
from xaijax.metrics.statistics._betting import MOST, Bets
from xaijax.metrics.statistics.anytime import GRID


def bet_by_loop(x, m, population=None, most=0.9):
    """Capital against one mean, image after image; NaN is an image without a value."""
    seen, squares, missing, capital, found = [], 0.0, 0, 1.0, []
    for value in x:
        t = len(seen)
        mean, variance = (0.5 + sum(seen)) / (t + 1), (0.25 + squares) / (t + 1)
        now = m if population is None else ((population - missing) * m - sum(seen)) / (population - missing - t)
        if np.isnan(value):
            missing += 1
        else:
            now = min(max(now, 0.0), 1.0)
            bet = (mean - now) / (variance + (mean - now) ** 2)
            bet = min(bet, most / now) if now > 0 else bet
            bet = max(bet, -most / (1 - now)) if now < 1 else bet
            if population is not None and bet * (sum(seen) - t * m) < 0:
                bet = 0.0
            capital *= 1 + bet * (value - now)
            seen.append(value)
            squares += (value - (0.5 + sum(seen)) / (len(seen) + 1)) ** 2
        if population is not None:
            left, total = population - missing, sum(seen)
            if total > left * m + 1e-6 or total + left - len(seen) < left * m - 1e-6:
                capital = np.inf
        found.append(capital)
    return np.array(found)


@pytest.mark.parametrize("population", [None, 60])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_capital_of_bets_is_that_of_a_loop(population, missing):
    rng = np.random.default_rng(0)
    x = rng.beta(2, 3, 60)
    x[rng.random(60) < missing] = np.nan
    means = np.linspace(0, 1, 21)
    found = np.exp(Bets(means, population=population).add(x))
    for column, m in enumerate(means):
        np.testing.assert_allclose(found[:, column], bet_by_loop(x, m, population), rtol=1e-9)


@pytest.mark.parametrize("population", [None, 200])
def test_bets_do_not_depend_on_how_the_images_come(population):
    rng = np.random.default_rng(1)
    x = rng.random((3, 200))
    x[rng.random(x.shape) < 0.1] = np.nan
    whole = Bets([0.3, 0.5], population=population).add(x)
    for row in range(3):
        bets = Bets([0.3, 0.5], population=population)
        pieces = [bets.add(piece) for piece in np.split(x[row], [1, 8, 8, 77])]
        np.testing.assert_array_equal(np.concatenate(pieces), whole[row])


def test_the_first_bets_by_hand():
    # Nothing is bet before the first value; then mean 3/4 and variance (1/4 + 1/16) / 2.
    bet = 0.25 / (5 / 32 + 1 / 16)
    np.testing.assert_allclose(np.exp(Bets(0.5).add([1.0, 1.0])[:, 0]), [1.0, 1 + bet / 2], rtol=1e-12)


def test_the_interval_is_the_hull_of_what_is_not_refuted():
    rng = np.random.default_rng(2)
    d = rng.uniform(-0.5, 0.9, 300)
    found = st.betting(d, bound=2.0, alpha=0.1)
    x = (d + 2) / 4
    grid = np.linspace(0, 1, GRID)
    alive = np.array([bet_by_loop(x, m) for m in grid[300:750]]) < 10  # the others are far from it after 300 images
    low = np.maximum.accumulate([max(0, grid[300 + np.argmax(one)] - 0.001) for one in alive.T])
    at = 299
    assert found.low[at] == pytest.approx(4 * low[at] - 2, abs=1e-9)
    kept = np.flatnonzero(alive[:, at])
    assert found.high[at] == pytest.approx(4 * (grid[300 + kept[-1]] + 0.001) - 2, abs=0.021)
    assert found.low[at] < d.mean() < found.high[at]
    assert (np.diff(found.low) >= 0).all()
    assert (np.diff(found.high) <= 0).all()
    np.testing.assert_allclose(found.difference, np.cumsum(d) / np.arange(1, 301), atol=1e-12)


def hedged_by_loop(x, m, alpha, population=None, most=0.5):
    up = down = 1.0
    seen, squares, found = [], 0.0, []
    for t, value in enumerate(x, 1):
        variance = (0.25 + squares) / t
        bet = np.sqrt(2 * np.log(2 / alpha) / (variance * t * np.log(1 + t)))
        now = m if population is None else (population * m - sum(seen)) / (population - t + 1)
        now = min(max(now, 0.0), 1.0)
        up *= 1 + min(bet, most / now if now > 0 else np.inf) * (value - now)
        down *= 1 - min(bet, most / (1 - now) if now < 1 else np.inf) * (value - now)
        seen.append(value)
        squares += (value - (0.5 + sum(seen)) / (t + 1)) ** 2
        sure = population is not None and not -1e-6 <= population * m - sum(seen) <= population - t + 1e-6
        found.append(np.inf if sure else max(up, down) / 2)
    return np.array(found)


@pytest.mark.parametrize("population", [None, 320])
def test_hedged_capital_is_that_of_a_loop(population):
    rng = np.random.default_rng(3)
    x = rng.beta(3, 2, 320)
    found = st.hedged(2 * x - 1, bound=1.0, alpha=0.02, population=population)
    wanted = hedged_by_loop(x, 0.5, 0.02, population)
    # Once a mean is refuted for certain nothing finite is compared.
    np.testing.assert_allclose(found.e, wanted, rtol=1e-9)
    np.testing.assert_allclose(found.p, np.minimum(1, 1 / np.maximum.accumulate(wanted)), rtol=1e-9)
    assert found.decided_after == int(np.argmax(wanted >= 50)) + 1
    # The grid is computed in blocks: beyond the first one, of 256, the ends still are those of the loop.
    grid = np.linspace(0, 1, GRID)[500:700]
    alive = np.array([hedged_by_loop(x[:300], m, 0.02, population) < 50 for m in grid])
    assert not alive[[0, -1], 257:].any()
    kept = np.flatnonzero(alive[:, -1])
    assert (np.diff(kept) == 1).all()  # an interval by construction
    ends = np.array([[one[0] - 1, one[-1] + 1] for one in map(np.flatnonzero, alive[:, 257:].T)])
    assert found.low[299] == pytest.approx(max(found.low[256], 2 * grid[ends[:, 0].max()] - 1), abs=1e-9)
    assert found.high[299] == pytest.approx(min(found.high[256], 2 * grid[ends[:, 1].min()] - 1), abs=1e-9)


def test_empirical_bernstein_is_its_formula():
    rng = np.random.default_rng(4)
    x = rng.beta(2, 2, 150)
    found = st.empirical_bernstein(2 * x - 1, bound=1.0, alpha=0.05)
    weight = total = squares_of_mean = slack = 0.0
    seen, low, high = [], [], []
    for t, value in enumerate(x, 1):
        bet = min(0.5, np.sqrt(2 * np.log(40) / ((0.25 + squares_of_mean) / t * t * np.log(1 + t))))
        slack += (value - (0.5 + sum(seen)) / t) ** 2 * (-np.log(1 - bet) - bet)
        seen.append(value)
        squares_of_mean += (value - (0.5 + sum(seen)) / (t + 1)) ** 2
        weight, total = weight + bet, total + bet * value
        low.append(max(0, total / weight - (np.log(40) + slack) / weight))
        high.append(min(1, total / weight + (np.log(40) + slack) / weight))
    np.testing.assert_allclose(found.low, 2 * np.maximum.accumulate(low) - 1, atol=1e-12)
    np.testing.assert_allclose(found.high, 2 * np.minimum.accumulate(high) - 1, atol=1e-12)
    assert np.isnan(found.e).all()


# ------------------------------------------------------------------------------------------- what is promised


def until_power(reached, share=0.8):
    """Images until `share` of the repetitions are decided, of `[repetitions, images]` bool."""
    ever = np.logical_or.accumulate(reached, axis=1).mean(axis=0)
    return int(np.argmax(ever >= share)) + 1


def drawn(effect, images, repetitions, seed):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0.15 * effect, 0.15, (repetitions, images)), -1, 1)


@pytest.mark.parametrize(("effect", "images"), [(0.2, 318), (0.5, 78), (0.8, 45)])
def test_images_until_bets_have_a_power_of_80_percent(effect, images):
    d = drawn(effect, 2 * images, 3000, seed=5)
    capital = Bets(0.5).add((d + 1) / 2)[..., 0]
    assert until_power(capital >= np.log(20)) == pytest.approx(images, rel=0.05)


@pytest.mark.parametrize(("effect", "images"), [(0.2, 419), (0.5, 127), (0.8, 76)])
def test_images_until_hedged_capital_has_a_power_of_80_percent(effect, images):
    d = drawn(effect, 2 * images, 800, seed=6)
    reached = np.array([st.hedged(one, bound=1.0, interval=False).e >= 20 for one in d])
    assert until_power(reached) == pytest.approx(images, rel=0.07)


@pytest.mark.parametrize(("effect", "images"), [(0.2, 198), (0.5, 34), (0.8, 15)])
def test_images_for_a_fixed_number_to_have_a_power_of_80_percent(effect, images):
    """The t-test that the numbers above are compared with."""
    from scipy import stats

    d = drawn(effect, images, 4000, seed=7)
    power = (stats.ttest_1samp(d, 0, axis=1).pvalue <= 0.05).mean()
    assert power == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("kind", ["normal", "extreme", "skewed", "rare"])
def test_false_alarms_under_continuous_looking_are_at_most_alpha(kind):
    rng = np.random.default_rng(8)
    shape = (4000, 400)
    x = {
        "normal": lambda: np.clip(rng.normal(0.5, 0.075, shape), 0, 1),
        "extreme": lambda: rng.integers(0, 2, shape).astype(float),
        "skewed": lambda: np.where(rng.random(shape) < 0.1, 0.95, 0.45),
        "rare": lambda: 0.5 + 0.5 * rng.choice([-1, 0, 1], shape, p=[0.02, 0.96, 0.02]),
    }[kind]()
    alarms = (Bets(0.5).add(x)[..., 0].max(axis=1) >= np.log(20)).mean()
    # Three standard errors of a share of 0.05 in 4000 repetitions are 0.010.
    assert alarms <= 0.05 + 0.010
    if kind == "normal":
        assert alarms == pytest.approx(0.021, abs=0.009)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_false_alarms_without_replacement_are_at_most_alpha(missing):
    """All images of a data set whose mean difference is zero, in random order; some have no value."""
    rng = np.random.default_rng(9)
    half = rng.uniform(0, 0.5, 60)
    x = 0.5 + np.concatenate([half, -half])
    size = len(x)
    there = np.concatenate([x, np.full(int(missing * size), np.nan)])
    orders = np.array([rng.permutation(there) for _ in range(4000)])
    capital = Bets(0.5, population=len(there)).add(orders)[..., 0]
    assert np.isfinite(capital).all()  # "no difference" is true, so it is never refuted for certain
    alarms = (capital.max(axis=1) >= np.log(20)).mean()
    assert alarms <= 0.05 + 0.010


@pytest.mark.parametrize("population", [None, 150])
def test_intervals_hold_the_mean_at_all_times(population):
    rng = np.random.default_rng(10)
    source = rng.beta(0.6, 1.4, 120) * 1.4 - 0.5
    missing = np.full(30 if population else 0, np.nan)
    mean, missed = source.mean(), 0
    repetitions = 150
    for _ in range(repetitions):
        whole = rng.permutation(np.concatenate([source, missing]))
        d = rng.choice(source, 150) if population is None else whole
        found = st.betting(d, bound=1.0, alpha=0.1, population=population)
        missed += bool(((found.low > mean + 1e-9) | (found.high < mean - 1e-9)).any())
    assert missed / repetitions <= 0.1 + 3 * np.sqrt(0.09 / repetitions)
    if population is not None:
        assert found.low[-1] == pytest.approx(mean, abs=1e-12)
        assert found.high[-1] == pytest.approx(mean, abs=1e-12)


def test_the_bernstein_interval_holds_the_mean_at_all_times():
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(400):
        found = st.empirical_bernstein(rng.uniform(-0.3, 0.7, 200), bound=1.0, alpha=0.1)
        missed += bool(((found.low > 0.2) | (found.high < 0.2)).any())
    assert missed / 400 <= 0.1 + 3 * np.sqrt(0.09 / 400)


def test_a_whole_data_set_settles_every_difference():
    d = np.array([0.3, -0.2, 0.1, -0.1, 0.05])
    found = st.betting(d, bound=1.0, population=5)
    assert found.decided_after == 5
    assert found.e[-1] == np.inf
    assert found.p[-1] == 0
    # A tie stays one, and its interval says so.
    tie = st.betting([0.25, -0.25, 0.5, -0.5], bound=1.0, population=4)
    assert tie.decided_after is None
    assert tie.low[-1] == pytest.approx(0, abs=1e-12) == tie.high[-1]


def test_images_without_a_value_are_no_bets():
    d = np.random.default_rng(12).uniform(-0.2, 0.6, 80)
    spread = np.full(160, np.nan)
    spread[1::2] = d
    plain, holes = st.betting(d, bound=1.0), st.betting(spread, bound=1.0)
    np.testing.assert_array_equal(holes.e[1::2], plain.e)
    np.testing.assert_array_equal(holes.low[1::2], plain.low)
    assert holes.decided_after == 2 * plain.decided_after
    assert holes.n[-1] == 80
    for interval in (st.hedged, st.empirical_bernstein):
        with pytest.raises(ValueError, match="leave out images without a value"):
            interval(spread, bound=1.0)


def test_no_images_more_can_bring_more_than_what_is_reachable():
    rng = np.random.default_rng(13)
    for population in (None, 40):
        for _ in range(200):
            begun, more = int(rng.integers(0, 20)), int(rng.integers(1, 8))
            x = rng.random(begun + more)
            pattern = rng.integers(0, 3)
            x[begun:] = [np.ones(more), np.zeros(more), rng.integers(0, 2, more)][pattern]
            x[begun + more - 1] = np.nan if pattern == 2 else x[-1]
            bets = Bets(0.5, population=population)
            if begun:
                bets.add(x[:begun])
            bound = bets.reachable(more)
            assert bets.add(x[begun:])[:, 0].max() <= bound + 1e-9
    assert np.exp(Bets(0.5).reachable(3)) == pytest.approx((1 + MOST) ** 3)
    # The last image of a data set may refute anything that the others left open.
    assert Bets(0.5, population=5).reachable(5) == np.inf


def test_the_scale_of_a_metric_does_not_matter():
    d = np.random.default_rng(14).uniform(-0.4, 0.8, 50)
    for one in (st.betting, st.hedged, st.empirical_bernstein):
        small, large = one(d, bound=1.0), one(2 * d, bound=2.0)
        np.testing.assert_allclose(2 * small.low, large.low, atol=1e-12)
        np.testing.assert_allclose(2 * small.difference, large.difference, atol=1e-12)
        assert small.decided_after == large.decided_after
        flipped = one(-d, bound=1.0)
        np.testing.assert_allclose(flipped.low, -small.high, atol=1e-9)


@pytest.mark.parametrize("one", [st.betting, st.hedged, st.empirical_bernstein])
def test_what_cannot_be_compared_is_refused(one):
    with pytest.raises(ValueError, match=r"in \[-1, 1\]; got one of size 1.5"):
        one([0.5, -1.5], bound=1.0)
    with pytest.raises(ValueError, match="alpha"):
        one([0.5], bound=1.0, alpha=1.0)
    with pytest.raises(ValueError, match="bound"):
        one([0.5], bound=0.0)
    with pytest.raises(ValueError, match="differences must be"):
        one([[0.5]], bound=1.0)
    assert one([], bound=1.0).decided_after is None


def test_more_images_than_there_are_is_refused():
    for one in (st.betting, st.hedged):
        with pytest.raises(ValueError, match="population of 2"):
            one([0.1, 0.2, 0.3], bound=1.0, population=2)


# ----------------------------------------------------------------------------------------------- many tests at once


def test_false_discovery_corrections_follow_their_definitions():
    rng = np.random.default_rng(15)
    for count in (1, 2, 9, 40):
        p = rng.random(count) ** 3
        order = np.sort(p)
        for correct, factor in (
            (st.benjamini_hochberg, 1.0),
            (st.benjamini_yekutieli, sum(1 / i for i in range(1, count + 1))),
        ):
            wanted = [
                min(min(1.0, factor * count * order[j] / (j + 1)) for j in range(count) if order[j] >= value)
                for value in p
            ]
            holes = np.insert(p, count // 2, np.nan)
            np.testing.assert_allclose(correct(p), wanted, rtol=1e-12)
            np.testing.assert_allclose(np.delete(correct(holes), count // 2), wanted, rtol=1e-12)
            assert np.isnan(correct(holes)[count // 2])


def test_false_discovery_corrections_agree_with_scipy():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(16).random(50) ** 2
    np.testing.assert_allclose(st.benjamini_hochberg(p), false_discovery_control(p, method="bh"), rtol=1e-12)
    np.testing.assert_allclose(st.benjamini_yekutieli(p), false_discovery_control(p, method="by"), rtol=1e-12)


def test_e_bh_rejects_the_largest_set_that_its_rule_allows():
    rng = np.random.default_rng(17)
    for _ in range(50):
        e = np.exp(rng.normal(1, 3, 12))
        order = np.sort(e)[::-1]
        k = max((k for k in range(1, 13) if order[k - 1] >= 12 / (0.1 * k)), default=0)
        rejected = st.e_benjamini_hochberg(e, alpha=0.1)
        assert rejected.sum() == k
        assert not k or e[rejected].min() >= order[k - 1]
    assert st.e_benjamini_hochberg([np.inf, np.nan, 1.0], alpha=0.05).tolist() == [True, False, False]


def test_e_bh_keeps_the_share_of_false_discoveries_when_it_looks_at_any_time():
    """Capitals at a time chosen by the data, ten true and ten false hypotheses that share their noise."""
    rng = np.random.default_rng(18)
    shares = []
    for _ in range(400):
        noise = rng.normal(0, 0.1, (1, 120))
        means = np.repeat([0.0, 0.08], 10)[:, None]
        d = np.clip(means + noise * rng.choice([-1, 1], (20, 1)) + rng.normal(0, 0.1, (20, 120)), -1, 1)
        e = np.exp(Bets(0.5).add((d + 1) / 2)[..., 0])
        stop = int(np.argmax((e[10:] > 40).mean(axis=0) >= 0.5))
        rejected = st.e_benjamini_hochberg(e[:, stop], alpha=0.1)
        shares.append(rejected[:10].sum() / max(1, rejected.sum()))
    assert np.mean(shares) <= 0.1


@pytest.mark.parametrize("correct", [st.benjamini_hochberg, st.benjamini_yekutieli])
def test_what_is_no_p_value_is_refused(correct):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        correct([0.5, 1.5])
    with pytest.raises(ValueError, match=r"\[M\]"):
        correct([[0.5]])
    with pytest.raises(ValueError, match="at least 0"):
        st.e_benjamini_hochberg([-1.0])
    with pytest.raises(ValueError, match="alpha"):
        st.e_benjamini_hochberg([1.0], alpha=2)
