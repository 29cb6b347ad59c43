"""How sure is a mean: bootstrap intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics._groups import Groups, numbered
from xaijax.metrics._rounding import scaled

DRAWS = 2000
LARGE = 10_000
"""Values beyond which the resampling distribution is expanded: 2,000 draws would say less, and take hours."""
BATCH = 1 << 21  # values that are resampled at once
LEVEL = 0.95
Z = 1.959963984540054  # of that level


def wilson(mean: float, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share.

    Example:
        >>> [round(bound, 3) for bound in wilson(0.0, 24)]
        [0.0, 0.138]
    """
    middle = (mean + Z**2 / (2 * trials)) / (1 + Z**2 / trials)
    half = Z * np.sqrt(mean * (1 - mean) / trials + Z**2 / (4 * trials**2)) / (1 + Z**2 / trials)
    return float(min(max(middle - half, 0.0), mean)), float(max(min(middle + half, 1.0), mean))


def mean_interval(
    values: Any,
    *,
    groups: Groups | None = None,
    ends: Sequence[float | None] = (),
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, by `scipy.stats.bootstrap`.

    For more than 10,000 values the quantiles of the resampled mean come from their Cornish-Fisher expansion,
    `mean + se (z + skewness (z^2 - 1) / (6 sqrt N))`: its error is below that of 2,000 draws.

    Values that belong together are drawn together: those of the findings of one image are not independent.

    Where all values are the lowest or the highest possible one the bootstrap has nothing else to draw, and 4 hits of 4
    would be "1 to 1": the bound is then Wilson's, as of a share with as many trials as there are values, or groups.

    Args:
        values: `[N]` finite numbers, any unit.
        groups: `[N]` what each value belongs to, such as its image; None where every value stands alone.
        ends: the lowest and the highest possible value, such as (0, 1); without both nothing is widened.
        seed: of the resampling. The same number of values with the same seed is resampled the same way, so methods
            that are scored on the same images are compared on the same draws.
        draws: number of resamples.
        level: coverage, between 0 and 1.

    Returns:
        Lower and upper bound in the unit of the values; NaN for fewer than two values, or groups.

    Raises:
        ValueError: for values that are not `[N]` finite numbers.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; Wilson, JASA 1927.

    Example:
        >>> mean_interval([2.0, 2.0, 2.0])
        (2.0, 2.0)
        >>> mean_interval([1.0, 1.0, 1.0, 1.0], ends=(0, 1))[0].__round__(2)
        0.51
        >>> mean_interval([0.0, 1.0, 1.0, 0.0], groups=["a", "a", "b", "b"])
        (0.5, 0.5)
    """
    array: NDArray[np.float64] = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must be [N]; got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite; leave out what has no value")
    if len(array) < 2:
        return float("nan"), float("nan")
    # By a power of two: neither the sum nor the squares of the values overflow or vanish.
    array, exponent = scaled(array)
    low, high = (float(np.ldexp(bound, exponent)) for bound in _bounds(array, groups, seed, draws, level))
    trials = len(array) if groups is None else numbered(groups)[1]
    return widened(low, high, float(np.ldexp(array[0], exponent)), trials, ends) if np.ptp(array) == 0 else (low, high)


def widened(low: float, high: float, value: float, trials: int, ends: Sequence[float | None]) -> tuple[float, float]:
    """The interval of values that are all the same: Wilson's where they are an end of what is possible.

    Args:
        low, high: by the bootstrap; NaN stays.
        value: of all of them.
        trials: values, or groups of them.
        ends: the lowest and the highest possible value; without both nothing is widened.

    Example:
        >>> [round(bound, 2) for bound in widened(-1.0, -1.0, -1.0, 4, (-1.0, 1.0))]
        [-1.0, -0.02]
    """
    least, most = ends if len(ends) == 2 else (None, None)
    if least is None or most is None or value not in (least, most) or low != low:
        return low, high
    bounds = wilson((value - least) / (most - least), trials)
    return least + bounds[0] * (most - least), least + bounds[1] * (most - least)


def _bounds(
    array: NDArray[np.float64], groups: Groups | None, seed: int, draws: int, level: float
) -> tuple[float, float]:
    if groups is not None:
        member, count = numbered(groups)
        if count < len(array):
            return _of_groups(array, member, seed, draws, level)
    if len(array) > LARGE:
        return expanded(float(array.mean()), array - array.mean(), level)
    from scipy import stats

    found = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=draws,
        confidence_level=level,
        method="percentile",
        batch=max(1, BATCH // len(array)),  # the same draws in less memory
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def expanded(mean: float, deviations: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """The quantiles of the resampled mean of many values, without resampling; see `mean_interval`.

    Args:
        mean: of the values.
        deviations: `[N]` from it.
        level: coverage.

    Example:
        >>> low, high = expanded(0.0, np.tile([-1.0, 1.0], 20_000))
        >>> round(low, 5), round(high, 5)
        (-0.0098, 0.0098)
    """
    from scipy.special import ndtri

    root = np.sqrt(len(deviations))
    spread = float(np.sqrt(np.mean(deviations**2)))
    if spread == 0:
        return mean, mean
    skewness = float(np.mean((deviations / spread) ** 3))
    z = np.array([ndtri((1 - level) / 2), ndtri((1 + level) / 2)])
    low, high = mean + spread / root * (z + skewness * (z**2 - 1) / (6 * root))
    return float(low), float(high)


def _of_groups(
    array: NDArray[np.float64], member: NDArray[np.int64], seed: int, draws: int, level: float
) -> tuple[float, float]:
    """The interval of the mean over all values where whole groups are drawn."""
    count = int(member.max()) + 1
    if count < 2:
        return float("nan"), float("nan")
    sums, sizes = np.bincount(member, weights=array), np.bincount(member)
    if count > LARGE:
        mean = float(sums.sum() / sizes.sum())
        return expanded(mean, (sums - mean * sizes) / sizes.mean(), level)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
