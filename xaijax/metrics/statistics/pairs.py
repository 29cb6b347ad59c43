"""Which of two methods scores higher on the same images: paired tests for every pair, corrected for their number."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaijax.metrics._groups import Groups, kept, numbered, one_of_each
from xaijax.metrics._interval import mean_interval
from xaijax.metrics._rounding import ROUNDING, scaled
from xaijax.metrics.statistics._holm import holm
from xaijax.metrics.statistics.effect import cohens_d, rank_biserial

EXACT_TIES = 13  # images up to which tied differences get all 2^n sign changes (8,192)
MOST_EXACT = 50  # images up to which the exact distribution is used where nothing is tied, as SciPy chooses
ALPHA = 0.05
ALIKE = 1000  # times as large: values of sizes further apart are not tied by the rounding of the larger ones
NONE = float("nan")

NOTES = {
    "few": "fewer than two images have a value for both",
    "equal": "both have the same value on every image",
    "constant": "the difference is the same on every image, so t and d have no value",
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two methods compared on the images that both have a value for.

    Attributes:
        first, second: names; differences are first minus second.
        n: images compared, or groups of them where groups were given.
        missing: images left out because at least one of the two has no value.
        difference, low, high: mean of the differences and its 95 % bootstrap interval, in the metric's unit.
        t, p_t, p_t_holm: paired t-test, two-sided, and its p-value corrected over all pairs.
        w, p_w, p_w_holm: Wilcoxon's signed rank test, two-sided; W is the smaller rank sum. Zero differences are
            left out.
        w_kind: `"exact"`, `"permutation"` (exact with ties) or `"normal"` (approximation), how p_w was found.
        cohens_d, rank_biserial: effect sizes.
        note: why numbers are missing (NaN), or what few images mean; `""` where there is nothing to say.
    """

    first: str
    second: str
    n: int
    missing: int
    difference: float = NONE
    low: float = NONE
    high: float = NONE
    t: float = NONE
    p_t: float = NONE
    p_t_holm: float = NONE
    w: float = NONE
    p_w: float = NONE
    p_w_holm: float = NONE
    w_kind: str = ""
    cohens_d: float = NONE
    rank_biserial: float = NONE
    note: str = ""


def check_values(values: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """`[images, methods]` float64 with NaN for no value, checked."""
    table = np.asarray(values, np.float64)
    if table.ndim != 2 or table.shape[1] != len(names):
        raise ValueError(f"values must be [images, {len(names)}], one column per name; got {table.shape}")
    if len(set(names)) != len(names):
        raise ValueError(f"names must be distinct; got {', '.join(names)}")
    if np.isinf(table).any():
        raise ValueError("values must be finite, or NaN where there is none; got infinity")
    return table


def compare_pairs(values: Any, names: Sequence[str], *, groups: Groups | None = None, seed: int = 0) -> list[Pair]:
    """Paired tests for every pair of methods, with Holm's correction over all pairs and effect sizes.

    Args:
        values: `[images, methods]`, NaN where there is no value; every pair uses the images where both have one.
        names: of the methods, distinct.
        groups: `[images]` what belongs together: the image where rows are findings, or the patient. The rows of a group
            with a value for both give one difference, their mean. None: every row stands alone.
        seed: of the bootstrap intervals.

    Returns:
        One `Pair` for each of the M (M - 1) / 2 pairs, in the order of the names.

    Raises:
        ValueError: for a single image or group: one image has no p-value.

    References:
        Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1945; Holm 1979.

    Example:
        >>> values = [[0.5, 0.2], [0.7, 0.3], [0.6, 0.4], [0.9, 0.4], [0.8, 0.2]]
        >>> pair, = compare_pairs(values, ["grad_cam", "random"])
        >>> round(pair.difference, 3), round(pair.p_t, 4), pair.p_w, pair.rank_biserial
        (0.4, 0.0048, 0.0625, 1.0)
    """
    table = check_values(values, names)
    if (len(table) if groups is None else numbered(groups)[1]) == 1:
        raise ValueError("one image has no p-value: score at least two images, better thirty")
    pairs = [
        compare_two(table[:, i], table[:, j], groups=groups, first=names[i], second=names[j], seed=seed)
        for i, j in itertools.combinations(range(len(names)), 2)
    ]
    of_t, of_w = holm([pair.p_t for pair in pairs]), holm([pair.p_w for pair in pairs])
    return [
        dataclasses.replace(pair, p_t_holm=float(t), p_w_holm=float(w))
        for pair, t, w in zip(pairs, of_t, of_w, strict=True)
    ]


def compare_two(
    a: Any,
    b: Any,
    *,
    groups: Groups | None = None,
    first: str = "first",
    second: str = "second",
    seed: int = 0,
) -> Pair:
    """One pair; the corrected p-values are left NaN, because they depend on the other pairs.

    Args:
        a, b: `[images]`, NaN where there is no value.
        groups: as in `compare_pairs`.
        first, second: names.
        seed: of the bootstrap interval.

    Returns:
        A `Pair`; what has no value is NaN, and `note` says why.

    Raises:
        ValueError: for arrays that are not one value per image, and infinity.

    Example:
        >>> a, b = [0.5, 0.9, 0.4, 0.3], [0.3, 0.3, 0.4, 0.2]  # two findings of image x, one of y, one of z
        >>> pair = compare_two(a, b, groups=["x", "x", "y", "z"])
        >>> pair.n, round(pair.difference, 4)
        (3, 0.1667)
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a and b must be [images] alike; got {a.shape} and {b.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        infinite = np.isinf(a) | np.isinf(b) | np.isinf(a - b)
    if infinite.any():
        raise ValueError(
            f"a, b and their differences must be finite, or NaN where there is no value; {int(infinite.sum())} of "
            f"{len(a)} are infinite: leave them out"
        )
    both = ~(np.isnan(a) | np.isnan(b))
    units = len(a) if groups is None else numbered(groups)[1]
    some = kept(groups, both)
    a, b = one_of_each(a[both], some), one_of_each(b[both], some)
    n, missing = len(a), units - len(a)
    if n < 2:
        difference = float(a[0] - b[0]) if n else NONE
        return Pair(first, second, n, missing, difference, note=NOTES["few"])
    d = tied_differences(a, b)
    low, high = mean_interval(d, seed=seed)
    one, exponent = scaled(d)  # squares of very small differences would vanish, and sums of large ones overflow
    pair = Pair(first, second, n, missing, float(np.ldexp(one.mean(), exponent)), low, high)
    if not d.any():
        return dataclasses.replace(pair, note=NOTES["equal"])
    w, p_w, kind = _wilcoxon(d)
    pair = dataclasses.replace(pair, w=w, p_w=p_w, w_kind=kind, rank_biserial=rank_biserial(d), note=_few(d))
    if (d == d[0]).all():
        return dataclasses.replace(pair, note="; ".join(filter(None, (NOTES["constant"], pair.note))))
    found = stats.ttest_rel(one, np.zeros_like(one))
    return dataclasses.replace(pair, t=float(found.statistic), p_t=float(found.pvalue), cohens_d=cohens_d(d))


def tied_differences(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """`a - b`, where differences that only rounding tells apart are tied: 0.5 - 0.3 and 0.3 - 0.1.

    Rounding moves a difference by a few units in the last place of what is subtracted, image by image: one image with
    large values must not decide which others are tied. A difference within eight such units of zero becomes zero;
    magnitudes that are closer than eight units of the larger values become equal, where these are at most `ALIKE` times
    the others; nothing else changes.

    Args:
        a, b: `[N]`, finite, N at least 1.

    Returns:
        `[N]` float64.

    Example:
        >>> d = tied_differences(np.array([0.5, 0.3, 0.1 + 0.2, 1e16]), np.array([0.3, 0.1, 0.3, 1e16]))
        >>> bool(d[0] == d[1]), d[2:].tolist()
        (True, [0.0, 0.0])
    """
    d = a - b
    rounding = ROUNDING * np.maximum(np.abs(a), np.abs(b))
    sizes = np.where(np.abs(d) <= rounding, 0.0, np.abs(d))
    order = np.argsort(sizes, kind="stable")
    ascending, limits = sizes[order], rounding[order]
    finer = np.minimum(limits[1:], limits[:-1])
    first = np.ones(len(d), bool)
    first[1:] = np.diff(ascending) > np.minimum(np.maximum(limits[1:], limits[:-1]), ALIKE * finer)
    first[1:] |= ascending[:-1] == 0  # what is not zero is told apart from zero
    first[1:] &= ascending[1:] != ascending[:-1]
    tied = np.empty_like(sizes)
    tied[order] = ascending[first][np.cumsum(first) - 1]  # the smallest of its tie
    return np.copysign(tied, d) * (tied > 0)


def _wilcoxon(d: NDArray[np.float64]) -> tuple[float, float, str]:
    """The smaller rank sum, the two-sided p-value, and how it was found."""
    d = d[d != 0]
    if len(np.unique(np.abs(d))) < len(d) <= EXACT_TIES:
        # The test that `stats.wilcoxon` makes of a PermutationMethod, ranked once instead of once per sign change.
        signed = stats.rankdata(np.abs(d)) * np.sign(d)
        exact = stats.permutation_test((signed,), _sum, permutation_type="samples", vectorized=True, n_resamples=np.inf)
        return float(min(signed[signed > 0].sum(), -signed[signed < 0].sum())), float(exact.pvalue), "permutation"
    ties = len(np.unique(np.abs(d))) < len(d)
    kind = "normal" if ties or len(d) > MOST_EXACT else "exact"
    found = stats.wilcoxon(d, method="exact" if kind == "exact" else "asymptotic")
    return float(found.statistic), float(found.pvalue), kind


def _sum(signed: NDArray[np.float64], axis: int) -> Any:
    return signed.sum(axis=axis)


def _few(d: NDArray[np.float64]) -> str:
    """What few images can show at most."""
    n = int((d != 0).sum())
    least = 2.0 ** (1 - n)
    if least <= ALPHA:
        return ""
    return f"{n} image{'' if n == 1 else 's'} with a difference: Wilcoxon's p cannot be below {least:g}"
