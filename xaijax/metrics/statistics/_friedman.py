"""Do the methods differ at all, and which of them are not distinguishable: Friedman's test with Nemenyi groups."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaijax.metrics._groups import Groups, kept, numbered, one_of_each
from xaijax.metrics._rounding import tied_rows
from xaijax.metrics.metric import shorten
from xaijax.metrics.statistics.pairs import check_values

NONE = float("nan")


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Mean ranks of the methods, and which differences of ranks mean something.

    Attributes:
        methods: from the best mean rank to the worst.
        ranks: `[M]` mean ranks over the images, 1 is best; values tie where at most rounding tells them apart, and ties
            share their mean.
        n: images (or groups) that all methods have a value for; only they count.
        missing: images left out.
        statistic, p: Friedman's chi-squared (corrected for ties, M - 1 degrees of freedom) and its p-value.
        critical_difference: two methods differ where their mean ranks are at least this far apart.
        p_nemenyi: `[M, M]` p-values of the pairs, corrected for their number; the diagonal is 1.
        groups: methods that are not distinguishable, in the largest possible groups of neighbours in rank; a method in
            no group differs from all others.
        alpha: level of the critical difference and of the groups.
        note: why numbers are missing, or `""`.
    """

    methods: tuple[str, ...]
    ranks: NDArray[np.float64]
    n: int
    missing: int
    statistic: float = NONE
    p: float = NONE
    critical_difference: float = NONE
    p_nemenyi: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros((0, 0)))
    groups: tuple[tuple[str, ...], ...] = ()
    alpha: float = 0.05
    note: str = ""

    def __repr__(self) -> str:
        order = ", ".join(f"{method} {rank:.2f}" for method, rank in zip(self.methods, self.ranks, strict=True))
        note = f"; {self.note}" if self.note else f", p = {self.p:.2g}"
        return f"Ranking({shorten(order, 120)}; {self.n} images{shorten(note, 50)})"


def friedman(
    values: Any,
    names: Sequence[str],
    *,
    groups: Groups | None = None,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> Ranking:
    """Friedman's test over images, and Nemenyi's critical difference of mean ranks.

    `CD = q sqrt(M (M + 1) / (6 N))` with q the upper alpha quantile of the studentized range of M means and infinite
    degrees of freedom, divided by sqrt(2). The quantile assumes many images; below about ten the groups are a guide.

    Args:
        values: `[images, methods]`, NaN where there is no value; images where any method has none are left out.
        names: of the methods, distinct.
        groups: `[images]` what belongs together, as in `compare_pairs`; the methods are ranked by their means over the
            complete rows of each group, which counts once.
        higher_is_better: which values get rank 1.
        alpha: level of the groups, in (0, 1).

    Returns:
        A `Ranking`. With fewer than three methods or two complete images, or when all methods tie on every image,
        there is no test, and `note` says so.

    Raises:
        ValueError: for values that do not fit the names, or alpha out of range.

    References:
        Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006, section 3.2.

    Example:
        >>> values = [[0.9, 0.5, 0.1], [0.8, 0.6, 0.2], [0.7, 0.3, 0.0], [0.9, 0.2, 0.1]]
        >>> ranking = friedman(values, ["a", "b", "c"])
        >>> ranking.ranks.tolist(), ranking.statistic, round(ranking.p, 4), ranking.groups
        ([1.0, 2.0, 3.0], 8.0, 0.0183, (('a', 'b'), ('b', 'c')))
    """
    table = check_values(values, names)
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must be in (0, 1); got {alpha!r}")
    complete = ~np.isnan(table).any(axis=1)
    rows, count = one_of_each(table[complete], kept(groups, complete)), len(names)
    n = len(rows)
    missing = (len(table) if groups is None else numbered(groups)[1]) - n
    if n == 0:
        note = "no image has a value for every method"
        return Ranking(tuple(names), np.full(count, np.nan), 0, missing, alpha=alpha, note=note)
    # Ranks would turn what rounding alone tells apart into a difference, and the same one on every image.
    places = tied_rows(-rows if higher_is_better else rows)
    ranks = stats.rankdata(places, axis=1).mean(axis=0)
    order = np.argsort(ranks, kind="stable")
    methods, ranks = tuple(names[i] for i in order), ranks[order]
    ranking = Ranking(methods, ranks, n, missing, alpha=alpha)
    if count < 3:
        return dataclasses.replace(ranking, note="fewer than three methods: see the paired tests")
    if n < 2:
        return dataclasses.replace(ranking, note="fewer than two images have a value for every method")
    if (places == places[:, :1]).all():
        return dataclasses.replace(ranking, note="all methods have the same value on every image")
    found = stats.friedmanchisquare(*places.T)
    unit = np.sqrt(count * (count + 1) / (6.0 * n))
    gap = float(stats.studentized_range.ppf(1.0 - alpha, count, np.inf) / np.sqrt(2.0) * unit)
    apart = np.abs(ranks[:, None] - ranks[None, :])
    p = np.minimum(1.0, stats.studentized_range.sf(apart / unit * np.sqrt(2.0), count, np.inf))
    return dataclasses.replace(
        ranking,
        statistic=float(found.statistic),
        p=float(found.pvalue),
        critical_difference=gap,
        p_nemenyi=np.asarray(p, np.float64),
        groups=tuple(tuple(methods[i:j]) for i, j in runs(ranks, gap)),
    )


def runs(ranks: Any, gap: float) -> list[tuple[int, int]]:
    """The largest runs of neighbours whose ends are less than `gap` apart, as half-open index ranges.

    Args:
        ranks: `[M]` in ascending order.
        gap: the critical difference, in ranks.

    Returns:
        Runs of at least two, none inside another.

    Example:
        >>> runs([1.0, 1.5, 2.5, 4.0], 1.6)
        [(0, 3), (2, 4)]
    """
    ranks = np.asarray(ranks, np.float64)
    found: list[tuple[int, int]] = []
    for start in range(len(ranks)):
        # A rounding error must not part what the critical difference just joins or joins just not.
        end = start + int((ranks[start:] - ranks[start] < gap - 1e-12).sum())
        if end - start > 1 and (not found or end > found[-1][1]):
            found.append((start, end))
    return found
