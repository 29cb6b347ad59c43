"""Empirical Bernstein interval, valid at any time and in closed form: for display, about twice as wide as it could be.

With the bets of `_hedged.py`, at most 1/2, and the mean of the values before each one,

    sum bet X / sum bet  ±  (ln(2 / alpha) + sum (X_i - mean_{i-1})^2 (-ln(1 - bet_i) - bet_i)) / sum bet
"""

from typing import Any

import numpy as np

from xaijax.metrics.statistics._hedged import moments, plain_bets, without_missing
from xaijax.metrics.statistics.anytime import Anytime, first_true, intersected, running_mean, scaled

MOST = 0.5


def empirical_bernstein(differences: Any, *, bound: float, alpha: float = 0.05) -> Anytime:
    """Interval of the mean difference after every image, in closed form.

    It needs about twice as many images as `hedged` to decide, and no grid: for figures.

    Args:
        differences: `[images]` first minus second on the same image, in random order, in [-bound, bound].
        bound: width of the metric's range, fixed in advance.
        alpha: chance of intervals that ever miss the mean.

    Returns:
        An `Anytime` without `e` and `p`; it is decided where the interval leaves zero out.

    Raises:
        ValueError: for differences beyond the bound or without a value, or arguments out of range.

    References:
        Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024, theorem 2.

    Example:
        >>> found = empirical_bernstein(np.full(400, 0.2), bound=1.0)
        >>> found.decided_after, bool(found.low[-1] < 0.2 < found.high[-1])
        (74, True)
    """
    values = without_missing(scaled(differences, bound, alpha))
    n, mean = running_mean(values, bound)
    bets = np.minimum(plain_bets(values, alpha), MOST)
    weight = np.cumsum(bets)
    squares = np.cumsum((values - moments(values)[0]) ** 2 * (-np.log1p(-bets) - bets))
    center, radius = np.cumsum(bets * values) / weight, (np.log(2.0 / alpha) + squares) / weight
    low, high = np.maximum(center - radius, 0.0), np.minimum(center + radius, 1.0)
    if len(values):
        low, high = intersected(low, high)
    decided = first_true((low > 0.5) | (high < 0.5))
    low, high = (2.0 * low - 1.0) * bound, (2.0 * high - 1.0) * bound
    return Anytime(n, mean, low, high, np.full(len(values), np.nan), np.full(len(values), np.nan), decided, alpha)
