"""Statistics against published examples, closed forms and SciPy."""

import itertools

import numpy as np
import pytest
from scipy import stats

from xaijax.metrics import statistics as st
from xaijax.metrics._curves import Curves
from xaijax.metrics.scores import Scores
from xaijax.metrics.statistics._friedman import runs
from xaijax.metrics.statistics.analysis import entropy_stability
from xaijax.metrics.statistics.pairs import compare_two, tied_differences
from xaijax.metrics.statistics.stability import agreement, over_masks, over_metrics, over_subsets

# Demšar, JMLR 2006, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.97501, 0.975],  # printed as equal, ranked as different
        [0.957, 0.978, 0.946, 0.970],
    ]
)
NAMES = ["c45", "m", "cf", "m+cf"]


# --------------------------------------------------------------------------------------------------------- Holm


def test_holm_on_a_published_example():
    # The worked example of the article "Holm-Bonferroni method": four tests, corrected by 4, 3, 2, 1 in order.
    np.testing.assert_allclose(st.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], rtol=1e-12)


def test_holm_follows_its_definition_and_ignores_tests_without_a_value():
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 30):
        p = rng.random(count) ** 3
        order = np.argsort(p)
        steps = [(count - j) * p[order[j]] for j in range(count)]
        wanted = np.empty(count)
        for i in range(count):
            wanted[order[i]] = min(1.0, max(steps[: i + 1]))
        np.testing.assert_allclose(st.holm(p), wanted, rtol=1e-12)
        padded = np.insert(p, 0, np.nan)
        np.testing.assert_array_equal(st.holm(padded)[1:], st.holm(p))
        assert np.isnan(st.holm(padded)[0])
    assert len(st.holm([])) == 0
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        st.holm([0.5, 1.5])


# --------------------------------------------------------------------------------------------- intervals and effects


def test_intervals_are_scipys_and_refuse_what_is_no_number():
    values = np.random.default_rng(1).gamma(2.0, size=60)
    peer = stats.bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(7))
    assert st.mean_interval(values, seed=7) == (peer.confidence_interval.low, peer.confidence_interval.high)
    with pytest.raises(ValueError, match="finite"):
        st.mean_interval([1.0, np.nan])


def test_effect_sizes_have_their_closed_forms():
    rng = np.random.default_rng(2)
    d = rng.normal(0.3, 1.0, 40)
    t = stats.ttest_1samp(d, 0.0).statistic
    assert st.cohens_d(d) == pytest.approx(t / np.sqrt(40), rel=1e-12)  # d_z = t / sqrt(n)
    # R+ + R- = n (n + 1) / 2, and SciPy's one-sided statistic is R+.
    plus = stats.wilcoxon(d, alternative="greater").statistic
    assert st.rank_biserial(d) == pytest.approx(2 * plus / (40 * 41 / 2) - 1, rel=1e-12)
    assert st.rank_biserial(-d) == -st.rank_biserial(d)
    assert st.rank_biserial([1.0, 1.0, 0.0]) == 1.0
    assert np.isnan(st.rank_biserial([0.0, 0.0]))
    assert np.isnan(st.cohens_d([0.1]))


# ------------------------------------------------------------------------------------------------------------ pairs


def test_pairs_are_scipys():
    rng = np.random.default_rng(3)
    table = rng.random((20, 4))
    table[3, 1] = table[7, 2] = np.nan
    pairs = st.compare_pairs(table, NAMES)
    assert [(p.first, p.second) for p in pairs] == list(itertools.combinations(NAMES, 2))
    for pair in pairs:
        a, b = table[:, NAMES.index(pair.first)], table[:, NAMES.index(pair.second)]
        both = ~np.isnan(a) & ~np.isnan(b)
        t, w = stats.ttest_rel(a[both], b[both]), stats.wilcoxon(a[both], b[both], method="exact")
        assert (pair.n, pair.missing) == (both.sum(), 20 - both.sum())
        assert pair.t == pytest.approx(t.statistic, rel=1e-9)
        assert pair.p_t == pytest.approx(t.pvalue, rel=1e-9)
        assert (pair.w, pair.p_w, pair.w_kind) == (w.statistic, pytest.approx(w.pvalue, rel=1e-12), "exact")
        assert pair.low <= pair.difference <= pair.high
        assert pair.note == ""
    np.testing.assert_array_equal([p.p_t_holm for p in pairs], st.holm([p.p_t for p in pairs]))
    np.testing.assert_array_equal([p.p_w_holm for p in pairs], st.holm([p.p_w for p in pairs]))


def test_tied_differences_of_few_images_get_an_exact_test():
    d = np.array([0.5, 0.5, -0.5, 1.0, 1.5, 0.0, -1.0, 2.0, 1.5])
    pair = st.compare_two(d, np.zeros(9))
    left = d[d != 0]
    peer = stats.wilcoxon(left, method=stats.PermutationMethod(n_resamples=2**13))
    assert pair.w_kind == "permutation"
    assert (pair.w, pair.p_w) == (peer.statistic, pytest.approx(peer.pvalue, rel=1e-12))
    # By hand: all sign changes of the ranks, as far from the middle as ours.
    ranks = stats.rankdata(np.abs(left))
    ours = (ranks * np.sign(left)).sum()
    sums = np.array([(ranks * signs).sum() for signs in itertools.product((-1, 1), repeat=len(left))])
    assert pair.p_w == pytest.approx((np.abs(sums) >= abs(ours)).mean(), rel=1e-12)


def test_many_images_or_ties_get_the_normal_approximation():
    d = np.random.default_rng(4).normal(0.2, 1.0, 80)
    assert st.compare_two(d, np.zeros(80)).w_kind == "normal"
    tied = np.round(np.random.default_rng(5).normal(0.2, 1.0, 30), 1)
    pair = st.compare_two(tied, np.zeros(30))
    peer = stats.wilcoxon(tied[tied != 0], method="asymptotic")
    assert (pair.w, pair.p_w, pair.w_kind) == (peer.statistic, peer.pvalue, "normal")


def test_wilcoxon_of_a_published_example():
    # Demšar 2006, table 2 splits the ranks of the zeros between both sides: R+ = 93 and R- = 12.
    d = DEMSAR[:, 1] - DEMSAR[:, 0]
    assert stats.wilcoxon(np.round(d, 6), zero_method="zsplit").statistic == 12.0
    # We leave the two zeros out, which takes 1.5 from each side and 2 from each of the twelve other ranks.
    pair = st.compare_two(DEMSAR[:, 1], DEMSAR[:, 0])
    assert (pair.n, pair.w) == (14, 12.0 - 1.5 - 2 * int((d < 0).sum()))
    assert pair.p_w < 0.05


def test_rounding_parts_no_ties():
    a, b = np.array([0.5, 0.3, 0.9, 0.7]), np.array([0.3, 0.1, 0.7, 0.5])
    pair = st.compare_two(a, b)
    assert "the same on every image" in pair.note
    assert np.isnan([pair.t, pair.p_t, pair.cohens_d]).all()
    assert (pair.w, pair.p_w) == (0.0, 0.125)
    assert pair.difference == pytest.approx(0.2)


def test_what_cannot_be_said_is_no_number():
    same = np.random.default_rng(6).random(10)
    equal = st.compare_two(same, same)
    assert equal.note == st.compare_two(np.zeros(3), np.zeros(3)).note == "both have the same value on every image"
    assert equal.difference == equal.low == equal.high == 0.0
    assert np.isnan([equal.t, equal.p_t, equal.w, equal.p_w, equal.cohens_d, equal.rank_biserial]).all()

    one = st.compare_two([0.4, np.nan, 0.1], [0.1, 0.2, np.nan])
    assert (one.n, one.missing, one.note) == (1, 2, "fewer than two images have a value for both")
    assert np.isnan([one.p_t, one.p_w, one.low]).all()

    nothing = st.compare_two([np.nan, 0.1], [0.2, np.nan])
    assert nothing.n == 0
    assert np.isnan(nothing.difference)


def test_one_image_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"^one image has no p-value: score at least two images"):
        st.compare_pairs([[0.1, 0.2]], ["a", "b"])


@pytest.mark.parametrize("n", [2, 5])
def test_few_images_are_said(n):
    rng = np.random.default_rng(n)
    pair = st.compare_two(rng.random(n) + 1, rng.random(n))
    assert f"cannot be below {2 ** (1 - n):g}" in pair.note
    assert pair.p_w == 2 ** (1 - n)  # all differences positive: the smallest there is


def test_bad_arrays_are_refused():
    with pytest.raises(ValueError, match=r"\[images, 2\]"):
        st.compare_pairs(np.zeros((3, 3)), ["a", "b"])
    with pytest.raises(ValueError, match="distinct"):
        st.compare_pairs(np.zeros((3, 2)), ["a", "a"])
    with pytest.raises(ValueError, match="infinity"):
        st.friedman([[0.1, np.inf]] * 3, ["a", "b"])
    with pytest.raises(ValueError, match="alike"):
        st.compare_two(np.zeros(3), np.zeros(2))


# --------------------------------------------------------------------------------------------- Friedman and Nemenyi


def test_friedman_and_nemenyi_of_a_published_example():
    # Demšar 2006, section 3.2.2: mean ranks 3.143, 2.000, 2.893, 1.964, chi-squared 9.28, critical difference 1.25.
    # His chi-squared is not corrected for ties; the formula with the sum of squared ranks gives his number.
    ranking = st.friedman(DEMSAR, NAMES)
    found = dict(zip(ranking.methods, ranking.ranks, strict=True))
    assert [round(found[name], 3) for name in NAMES] == [3.143, 2.0, 2.893, 1.964]
    n, k = DEMSAR.shape
    plain = 12 * n / (k * (k + 1)) * ((ranking.ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    peer = stats.friedmanchisquare(*DEMSAR.T)
    assert (ranking.statistic, ranking.p) == (peer.statistic, peer.pvalue)
    assert ranking.critical_difference == pytest.approx(1.25, abs=0.005)
    # 3.143 - 1.964 = 1.18 < 1.25: his post-hoc test cannot tell any two apart.
    assert ranking.groups == (("m+cf", "m", "cf", "c45"),)
    # p-values and the critical difference are one test.
    assert (ranking.p_nemenyi > 0.05).all()
    np.testing.assert_allclose(np.diag(ranking.p_nemenyi), 1.0)


def test_critical_values_are_those_of_the_published_table():
    # Demšar 2006, table 5a, for 2 to 10 classifiers.
    published = {3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}
    rng = np.random.default_rng(0)
    for k, q in published.items():
        n = 12
        gap = st.friedman(rng.random((n, k)), [str(i) for i in range(k)]).critical_difference
        # Some of the table's entries are rounded, some are cut after three digits.
        assert gap / np.sqrt(k * (k + 1) / (6 * n)) == pytest.approx(q, abs=0.001)


def test_the_p_value_at_the_critical_difference_is_alpha():
    rng = np.random.default_rng(1)
    ranking = st.friedman(rng.random((15, 5)) + np.arange(5) / 3, list("abcde"), alpha=0.1)
    apart = np.abs(ranking.ranks[:, None] - ranking.ranks)
    np.testing.assert_array_equal(ranking.p_nemenyi <= 0.1, apart >= ranking.critical_difference)


def test_direction_and_missing_values():
    rng = np.random.default_rng(2)
    table = rng.random((10, 3)) + np.arange(3.0)
    up, down = (st.friedman(table, list("abc"), higher_is_better=h) for h in (True, False))
    assert up.methods == tuple("cba")
    assert down.methods == tuple("abc")
    assert up.statistic == pytest.approx(down.statistic, rel=1e-12)
    table[[1, 4], [0, 2]] = np.nan
    found = st.friedman(table, list("abc"))
    assert (found.n, found.missing) == (8, 2)
    assert found.statistic == pytest.approx(stats.friedmanchisquare(*np.delete(table, [1, 4], 0).T).statistic)


def test_no_test_where_there_can_be_none():
    two = st.friedman(np.random.default_rng(0).random((5, 2)), ["a", "b"])
    assert "fewer than three methods" in two.note
    assert np.isnan([two.p, two.critical_difference]).all()
    equal = st.friedman(np.full((5, 3), 0.5), list("abc"))
    assert equal.note == "all methods have the same value on every image"
    assert equal.ranks.tolist() == [2.0, 2.0, 2.0]
    one = st.friedman([[1.0, 2.0, 3.0]], list("abc"))
    assert "fewer than two images" in one.note
    none = st.friedman([[1.0, np.nan, 3.0]], list("abc"))
    assert none.note == "no image has a value for every method"
    assert np.isnan(none.ranks).all()


def test_groups_are_the_largest_runs():
    assert runs([1.0, 2.0, 3.0], 0.5) == []
    assert runs([1.0, 1.4, 1.8, 2.2], 0.9) == [(0, 3), (1, 4)]
    assert runs([1.0, 1.4, 1.8, 2.2], 5.0) == [(0, 4)]


# -------------------------------------------------------------------------------------------------------- stability


def test_tau_is_kendalls():
    # Five items, two neighbouring pairs exchanged: 8 of 10 pairs agree, tau = (8 - 2) / 10.
    assert st.kendall_tau([1, 2, 3, 4, 5], [2, 1, 3, 5, 4]) == pytest.approx(0.6)
    assert np.isnan(st.kendall_tau([1, 1, 1], [1, 2, 3]))
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 12), rng.integers(0, 4, 12)
    assert st.kendall_tau(a, b) == stats.kendalltau(a, b, variant="b").statistic


def test_a_clear_order_is_stable_and_noise_is_not():
    rng = np.random.default_rng(0)
    clear = over_subsets(rng.normal(0, 0.01, (30, 4)) + np.arange(4), list("abcd"))
    assert (clear.tau, clear.low, clear.high, clear.same_best) == (1.0, 1.0, 1.0, 1.0)
    # Independent noise: the halves' orders are independent, so the mean tau is 0 in expectation. Splits of one sample
    # are not independent of each other, and the mean over samples is what vanishes.
    noise = [over_subsets(rng.normal(size=(20, 4)), list("abcd"), splits=20, seed=i).tau for i in range(60)]
    # tau of 4 items under independence has variance 2 (2 k + 5) / (9 k (k - 1)) = 0.24, less within one sample.
    assert abs(np.mean(noise)) < 4 * np.sqrt(0.24 / 60)


def test_subsets_follow_direction_and_seed():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(12, 3)) + 0.3 * np.arange(3)
    up = over_subsets(table, list("abc"), seed=4)
    assert up == over_subsets(table, list("abc"), seed=4)
    down = over_subsets(-table, list("abc"), higher_is_better=False, seed=4)
    assert (up.tau, up.same_best) == (down.tau, down.same_best)
    assert "fewer than four images" in over_subsets(table[:3], list("abc")).note
    assert "fewer than three methods" in over_subsets(table[:, :2], list("ab")).note


def test_tied_rankings_have_no_tau():
    tied = agreement([[1, 1, 1], [1, 2, 3], [1, 2, 3]], over="masks")
    assert (tied.tau, tied.undefined) == (1.0, 2)
    nothing = agreement(np.zeros((3, 3)), over="masks")
    assert nothing.note == "all methods tie"
    assert np.isnan(nothing.tau)
    assert nothing.undefined == 3
    assert "fewer than two masks" in agreement([[1, 2, 3]], over="masks").note


def curves_of(areas):
    """Curves with given areas {(image, method, draw): area}."""
    rows = [(i, m, "sic_mutual", draw, auc, [0, 1], [0, 1], [0.5], [0.5]) for (i, m, draw), auc in areas.items()]
    return Curves.from_rows(rows)


def test_stability_over_masks_uses_the_images_with_every_curve():
    areas = {(i, m, d): k for i in "xyz" for k, m in enumerate("abc") for d in range(2)}
    areas["x", "a", 1] = 9.0  # one image of one mask turns the order of the means: (9 + 0 + 0) / 3 = 3 > 2
    found = over_masks(curves_of(areas), "sic_mutual", list("abc"))
    assert (found.n, found.rankings) == (3, 2)
    assert found.tau == pytest.approx(stats.kendalltau([0, 1, 2], [3, 1, 2]).statistic)
    assert found.same_best == 0.0
    del areas["x", "b", 0]
    found = over_masks(curves_of(areas), "sic_mutual", list("abc"))
    assert (found.n, found.tau) == (2, 1.0)
    one = over_masks(curves_of({k: v for k, v in areas.items() if k[2] == 0}), "sic_mutual", list("abc"))
    assert "fewer than two masks" in one.note


def test_stability_over_metrics_uses_the_images_that_all_could_score():
    first = (["x", "y", "z"], [[0, 1, 2], [0, 1, 2], [2, 1, 0]])
    second = (["z", "x"], [[np.nan, 1, 2], [0.1, 0.2, 0.3]])
    found = over_metrics([first, second], over="entropies", methods=3)
    assert (found.n, found.tau, found.same_best) == (1, 1.0, 1.0)
    apart = over_metrics([first, (["q"], [[1, 2, 3]])], over="entropies", methods=3)
    assert "no image has a value" in apart.note


# ------------------------------------------------------------------------------------------------------ all of them


def test_analyse_makes_every_table():
    rng = np.random.default_rng(0)
    rows = []
    for i, j in itertools.product(range(12), range(5)):
        method = ("cam", "ig", "fullgrad", "random", "oracle")[j]
        rows.append((f"i{i}", method, "sic_mutual", float(rng.random() / 5 + 1 - j / 10), ""))
        rows.append((f"i{i}", method, "sic_webp", float(rng.random() / 5 + 1 - j / 10), ""))
        empty = i == 2
        rows.append((f"i{i}", method, "iou", np.nan if empty else float(rng.random()), "empty_mask" if empty else ""))
    scores = Scores.from_rows(rows)
    found = st.analyze(scores, controls=("random",))
    assert list(found) == ["sic_mutual", "sic_webp", "iou"]
    entry = found["sic_mutual"]
    assert [mean.method for mean in entry.means] == ["cam", "ig", "fullgrad", "random", "oracle"]
    assert len(entry.pairs) == 6  # the oracle takes no part
    assert set(entry.ranking.methods) == {"cam", "ig", "fullgrad", "random"}
    assert entry.stability[0].methods == 3  # and the control none in the stability
    assert found["iou"].means[0].n == 11
    assert found["iou"].pairs[0].missing == 1
    stable = entropy_stability(scores, "sic", methods=["cam", "ig", "fullgrad"])
    assert (stable.rankings, stable.n, stable.tau) == (2, 12, 1.0)
    assert "fewer than two entropies" in entropy_stability(scores, "aic", methods=["cam", "ig", "fullgrad"]).note


def test_analyse_says_what_one_image_cannot():
    rows = [("only", method, "iou", 0.1 * i, "") for i, method in enumerate("abc")]
    entry = st.analyze(Scores.from_rows(rows))["iou"]
    assert entry.pairs == ()
    assert entry.note.startswith("one image has no p-value")
    assert np.isnan(entry.means[0].low)
    assert "fewer than two images" in entry.ranking.note
    assert "fewer than four images" in entry.stability[0].note


def test_small_differences_of_large_values_are_not_rounded_away():
    a = 1e9 + np.array([3, 1, 4, 1.5, 9, 2.5, -6, 5, 3.5, 8, 7, 2]) * 1e-3
    b = np.full_like(a, 1e9)
    pair = compare_two(a, b)
    assert pair.p_w == pytest.approx(stats.wilcoxon(a - b, method="exact").pvalue, rel=1e-12)
    assert pair.p_t == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert pair.difference == np.mean(a - b)


def test_differences_that_only_rounding_tells_apart_are_ties():
    rng = np.random.default_rng(3)
    for _ in range(200):
        scale = 10.0 ** rng.integers(-12, 12)
        low = rng.integers(0, 50, 30) / 100
        step = rng.choice([0.0, 0.1, -0.1, 0.25], 30)
        a, b = (low + step) * scale, low * scale
        found = tied_differences(a, b)
        assert len(np.unique(np.abs(found))) == len(np.unique(np.abs(step)))
        np.testing.assert_array_equal(np.sign(found), np.sign(step))
        np.testing.assert_allclose(found, step * scale, rtol=0, atol=4e-16 * 8 * scale)


@pytest.mark.parametrize("large", [1e13, 1e16, 1e300])
def test_one_image_with_large_values_changes_no_other_difference(large):
    """The rounding of 1e13 is 0.002: it must not make the differences of all other images zero."""
    rng = np.random.default_rng(0)
    a = rng.random(60)
    b = a - rng.normal(0.02, 0.05, 60)
    a[7] = b[7] = large
    pair = compare_two(a, b)
    assert pair.note == ""
    assert pair.difference == pytest.approx(np.mean(a - b), rel=1e-12)
    assert pair.p_t == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert pair.p_w == pytest.approx(stats.wilcoxon(a - b, method="asymptotic").pvalue, rel=1e-9)

    a[7], b[7] = large, 0.0  # the large value is the one difference that dominates the mean, and one rank of 60
    assert compare_two(a, b).p_w == pytest.approx(stats.wilcoxon(a - b, method="asymptotic").pvalue, rel=1e-9)


def test_values_of_sizes_up_to_a_thousandfold_apart_are_tied_by_their_rounding():
    d = tied_differences(np.array([100.3, 0.3, 0.5]), np.array([100.1, 0.1, 0.3]))
    assert len(set(d.tolist())) == 1


@pytest.mark.parametrize("exponent", [-1070, -1000, -700, 700, 1000])
def test_statistics_do_not_depend_on_the_unit_of_the_values(exponent):
    """Squares of values below 1e-162 vanish: SciPy's t is infinite and its p 0 there. Above 1e154 they overflow."""
    rng = np.random.default_rng(1)
    # Few bits, so that the smallest values are still exact.
    a, b = rng.integers(0, 200, 40).astype(float), rng.integers(0, 100, 40).astype(float)
    one = compare_two(a, b)
    other = compare_two(np.ldexp(a, exponent), np.ldexp(b, exponent))
    for name in ("t", "p_t", "p_w", "cohens_d", "rank_biserial"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9), name
    if exponent > -1070:
        for name in ("difference", "low", "high"):
            assert getattr(other, name) == pytest.approx(np.ldexp(getattr(one, name), exponent), rel=1e-12), name
    low, high = st.mean_interval(np.ldexp(np.tile(a, 300), min(exponent, 1000)))
    wanted = st.mean_interval(np.tile(a, 300))
    if exponent > -1070:
        assert (low, high) == pytest.approx(tuple(np.ldexp(wanted, min(exponent, 1000))), rel=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 4), (4, 4), (0, 30), (30, 30)])
def test_no_miss_in_a_few_images_is_no_certainty(hits, count):
    """4 hits of 4 are "1 to 1" by the bootstrap, which has only hits to draw."""
    values = [1.0] * hits + [0.0] * (count - hits)
    peer = stats.binomtest(hits, count).proportion_ci(method="wilson")
    wanted = pytest.approx((peer.low, peer.high), abs=1e-9)
    assert st.mean_interval(values, ends=(0, 1)) == wanted
    assert st.mean_interval([2 * v - 1 for v in values], ends=(-1, 1)) == pytest.approx(
        (2 * peer.low - 1, 2 * peer.high - 1), abs=1e-9
    )
    found = st.cluster_means(np.array(values)[:, None], [str(n) for n in range(count)], ends=(0, 1))
    assert (found.low[0], found.high[0]) == wanted
    scores = Scores.from_rows([(str(n), "cam", "pointing_game", v, "") for n, v in enumerate(values)])
    (row,) = scores.summary()
    (mean,) = st.analyze(scores)["pointing_game"].means
    assert (row.low, row.high) == (mean.low, mean.high) == wanted
    # Images of one patient are one trial; values between the ends, and metrics without one, are as they were.
    groups = ["a"] * (count // 2) + ["b"] * (count - count // 2)
    pair = stats.binomtest(2 if hits else 0, 2).proportion_ci(method="wilson")
    assert st.mean_interval(values, groups=groups, ends=(0, 1)) == pytest.approx((pair.low, pair.high), abs=1e-9)
    assert st.mean_interval([0.5] * count, ends=(0, 1)) == (0.5, 0.5)
    assert st.mean_interval(values, ends=(0, None)) == st.mean_interval(values) == (values[0], values[0])


def test_infinity_is_no_equal_value():
    with pytest.raises(ValueError, match="1 of 3 are infinite"):
        compare_two([np.inf, 1.0, 2.0], [0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="2 of 2 are infinite"):
        compare_two([1.7e308, 1.6e308], [-1.7e308, -1.6e308])


def test_differences_that_do_not_vary_but_for_rounding_have_no_effect_size():
    assert np.isnan(st.cohens_d([0.1 + 0.2, 0.3, 0.3]))
    assert st.cohens_d(np.array([1.0, 2.0, 3.0]) * 1e-200) == st.cohens_d(np.array([1.0, 2.0, 3.0]) * 1e200) == 2.0


def test_ranks_are_tied_where_rounding_alone_tells_values_apart():
    """A rounding that always falls the same way would be a significant difference on every image."""
    x = np.random.default_rng(2).random(30) + 0.1
    same = np.stack([x, np.nextafter(x, 2), (x + 0.3) - 0.3], axis=1)
    ranking = st.friedman(same, ["a", "b", "c"])
    assert ranking.ranks.tolist() == [2.0, 2.0, 2.0]
    assert ranking.note == "all methods have the same value on every image"

    real = np.stack([x, x + 1e-12, x - 1e-12], axis=1)  # small, and no rounding
    ranking = st.friedman(real, ["a", "b", "c"])
    assert ranking.methods == ("b", "a", "c")
    peer = stats.friedmanchisquare(*real.T)
    assert (ranking.statistic, ranking.p) == (peer.statistic, peer.pvalue)


# ------------------------------------------------------------------- what belongs together: findings, patients


def related(rng, images, findings, methods, *, shared):
    """`[images * findings, methods]` noise without a difference, `shared` of it common to the findings of an image."""
    own = rng.normal(size=(images, 1, methods)) * np.sqrt(shared)
    return (own + rng.normal(size=(images, findings, methods)) * np.sqrt(1 - shared)).reshape(-1, methods)


def test_findings_of_one_image_do_not_make_a_difference_significant():
    """Under the null the tests keep their level where the findings of an image rise and fall together, and whatever is
    missing; taken for independent they reject three times as often."""
    rng, images, findings, draws = np.random.default_rng(5), 20, 5, 400
    groups = np.repeat(np.arange(images), findings).tolist()
    rejected = {"t": 0, "w": 0, "interval": 0, "friedman": 0, "apart": 0}
    for _ in range(draws):
        table = related(rng, images, findings, 3, shared=0.8)
        table[rng.random(table.shape[0]) < 0.2] = np.nan  # some findings have no value
        pair = compare_two(table[:, 0], table[:, 1], groups=groups)
        assert pair.n <= images
        rejected["t"] += pair.p_t < 0.05
        rejected["w"] += pair.p_w < 0.05
        rejected["interval"] += not pair.low <= 0 <= pair.high
        rejected["friedman"] += st.friedman(table, list("abc"), groups=groups).p < 0.05
        rejected["apart"] += compare_two(table[:, 0], table[:, 1]).p_t < 0.05
    most = stats.binom.ppf(0.999, draws, 0.05)  # 34 of 400
    assert rejected["t"] <= most
    assert rejected["w"] <= most
    assert rejected["friedman"] <= most
    assert rejected["interval"] <= stats.binom.ppf(
        0.999, draws, 0.08
    )  # a percentile bootstrap of 20 is a little narrow
    assert rejected["apart"] > 3 * most


def test_a_difference_of_findings_is_found_all_the_same():
    rng = np.random.default_rng(6)
    groups = np.repeat(np.arange(20), 5).tolist()
    table = related(rng, 20, 5, 3, shared=0.5) + np.array([2.0, 1.0, 0.0])
    pair, *_ = st.compare_pairs(table, list("abc"), groups=groups)
    assert pair.n == 20
    assert pair.p_w_holm < 0.05
    assert st.friedman(table, list("abc"), groups=groups).methods == ("a", "b", "c")


def test_an_image_counts_by_the_mean_of_its_findings():
    a, b = [1.0, 3.0, np.nan, 2.0, np.nan], [0.0, 1.0, 5.0, 4.0, 1.0]
    groups = ["x", "x", "x", "y", "z"]
    pair = compare_two(a, b, groups=groups)
    assert (pair.n, pair.missing, pair.difference) == (2, 1, np.mean([1.5, -2.0]))
    peer = compare_two([2.0, 2.0], [0.5, 4.0])
    assert (pair.t, pair.p_t, pair.w, pair.low) == (peer.t, peer.p_t, peer.w, peer.low)
    table = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 4.0], [9.0, np.nan, 0.0], [1.0, 2.0, 0.0]])
    found = st.friedman(table, list("abc"), groups=["x", "x", "x", "y"])
    by_hand = st.friedman([[2.0, 2.0, 3.5], [1.0, 2.0, 0.0]], list("abc"))
    assert (found.methods, found.n, found.missing, found.p) == (by_hand.methods, 2, 0, by_hand.p)
    assert found.ranks.tolist() == by_hand.ranks.tolist()
    alone = over_subsets(np.repeat(DEMSAR, 2, axis=0), NAMES, groups=np.repeat(np.arange(len(DEMSAR)), 2).tolist())
    assert alone == over_subsets(DEMSAR, NAMES)
    with pytest.raises(ValueError, match="one image has no p-value"):
        st.compare_pairs(np.arange(6.0).reshape(3, 2), ["a", "b"], groups=["x"] * 3)
    with pytest.raises(ValueError, match="groups must name what each of the 3 rows belongs to; got 2 names"):
        compare_two([1, 2, 3], [1, 2, 4], groups=["x", "y"])


def test_analyse_takes_findings_and_patients_together():
    rng = np.random.default_rng(0)
    rows = [
        (f"i{i}", method, "iou", float(rng.random() / 5 + j / 10), "", finding)
        for i in range(12)
        for finding in ("mass", "nodule", "edema")[: 1 + i % 3]
        for j, method in enumerate(("cam", "ig", "fullgrad"))
    ]
    scores = Scores.from_rows(rows)
    by_image = {(image, method): [] for image, method, *_ in rows}
    for image, method, _, value, *_ in rows:
        by_image[image, method].append(value)
    means = Scores.from_rows([(image, method, "iou", np.mean(v), "") for (image, method), v in by_image.items()])
    found, peer = st.analyze(scores)["iou"], st.analyze(means)["iou"]
    assert found.means[0].n == 24  # the means are over all rows
    assert [pair.p_w_holm for pair in found.pairs] == [pair.p_w_holm for pair in peer.pairs]
    assert [pair.n for pair in found.pairs] == [12] * 3
    assert (found.ranking.p, found.ranking.n, found.stability[0].tau) == (peer.ranking.p, 12, peer.stability[0].tau)
    patients = {f"i{i}": i // 2 for i in range(10)}  # i10 and i11 are of unknown patients
    grouped = st.analyze(scores, patients=patients)["iou"]
    assert (grouped.pairs[0].n, grouped.ranking.n, grouped.means[0].n) == (7, 7, 24)
    assert grouped.means[0].mean == found.means[0].mean
    one = st.analyze(scores, patients=dict.fromkeys((f"i{i}" for i in range(12)), "p"))["iou"]
    assert one.note.startswith("one image has no p-value")
    assert np.isnan(one.means[0].low)
