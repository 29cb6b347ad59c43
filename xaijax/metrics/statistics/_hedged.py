"""Hedged capital: one half bets that the mean is larger, the other that it is smaller, whatever was seen.

Unlike in `_betting.py` the means that are not refuted are an interval by construction. It takes more images to decide.
Before image t, with the variance of the values before it,

    bet = sqrt(2 ln(2 / alpha) / (variance t ln(1 + t)))        at most c / m upwards, c / (1 - m) downwards; c = 1/2
    capital(m) = max(1/2 product of (1 + up_i (X_i - m)), 1/2 product of (1 - down_i (X_i - m)))

`confseq.hedged_cs` takes ln(1 / alpha) in place of ln(2 / alpha), and alpha = 0.05 for the bets downwards whatever
alpha is: valid too, not identical.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.statistics.anytime import (
    GRID,
    SLACK,
    Anytime,
    first_true,
    grid_interval,
    intersected,
    running_mean,
    scaled,
)

MOST = 0.5


def moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`[T]` mean and `[T]` variance of the values before each one, with one value of 1/2 put before them.

    Example:
        >>> mean, variance = moments(np.array([1.0, 0.0]))
        >>> mean.tolist(), variance.tolist()
        ([0.5, 0.75], [0.25, 0.15625])
    """
    count = np.arange(1, len(values) + 1)
    mean = (0.5 + np.cumsum(values)) / (count + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (count + 1)
    return np.concatenate([[0.5], mean])[:-1], np.concatenate([[0.25], variance])[:-1]


def plain_bets(values: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """`[T]` the size of the bets before they are clipped."""
    t = np.arange(1, len(values) + 1)
    return np.asarray(np.sqrt(2.0 * np.log(2.0 / alpha) / (moments(values)[1] * t * np.log1p(t))))


def without_missing(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values; refuses NaN, which only `betting` takes."""
    if np.isnan(values).any():
        raise ValueError("differences must be numbers: leave out images without a value, or use betting")
    return values


def hedged(
    differences: Any, *, bound: float, alpha: float = 0.05, population: int | None = None, interval: bool = True
) -> Anytime:
    """Compares two methods by hedged capital: the evidence and the interval after every image.

    Args:
        differences: `[images]` first minus second on the same image, in random order, in [-bound, bound].
        bound: width of the metric's range, fixed in advance.
        alpha: chance of ever rejecting "no difference" where there is none, and of intervals that ever miss the mean.
        population: how many images the data set has, where they are read without replacement and the claim is about
            these; None: the claim is about the source they are drawn from.
        interval: whether intervals are wanted, which take most of the time; else they are NaN.

    Returns:
        An `Anytime`.

    Raises:
        ValueError: for differences beyond the bound or without a value, or arguments out of range.

    References:
        Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024, section 4.4.

    Example:
        >>> found = hedged(np.random.default_rng(0).uniform(0.0, 0.4, 90), bound=1.0)
        >>> found.decided_after, bool(found.low[-1] > 0)
        (38, True)
    """
    values = without_missing(scaled(differences, bound, alpha))
    if population is not None and len(values) > population:
        raise ValueError(f"there are more images than the population of {population} has")
    n, mean = running_mean(values, bound)
    if not len(values):
        nothing = np.zeros(0)
        return Anytime(n, nothing, nothing, nothing, nothing, nothing, None, alpha)
    size = plain_bets(values, alpha)
    capital = _Capital(0.5, size, population).add(values)[:, 0]
    with np.errstate(over="ignore"):
        e = np.exp(capital)
    p = np.minimum(1.0, np.exp(-np.maximum.accumulate(capital)))
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if interval:
        grid = _Capital(np.linspace(0.0, 1.0, GRID), size, population)
        low, high = intersected(*grid_interval(values, grid.add, alpha))
        low, high = (2.0 * low - 1.0) * bound, (2.0 * high - 1.0) * bound
    return Anytime(n, mean, low, high, e, p, first_true(capital >= -np.log(alpha)), alpha)


class _Capital:
    """Logarithm of the hedged capital against some means, image after image."""

    def __init__(self, means: Any, size: NDArray[np.float64], population: int | None) -> None:
        self.means = np.atleast_1d(np.asarray(means, np.float64))
        self.size = size
        self.population = population
        self.seen, self.total = 0, 0.0
        self.up, self.down = np.zeros(len(self.means)), np.zeros(len(self.means))

    def add(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """`[T, M]` after each of the next `[T]` values."""
        count, x = len(values), values[:, None]
        bet = self.size[self.seen : self.seen + count, None]
        n = self.seen + np.arange(count + 1)[:, None]
        total = np.cumsum(np.concatenate([[self.total], values]))[:, None]
        m: Any = self.means
        if self.population is not None:
            m = np.clip((self.population * m - total[:-1]) / (self.population - n[:-1]), 0.0, 1.0)
        with np.errstate(divide="ignore"):
            up, down = np.minimum(bet, MOST / m), np.minimum(bet, MOST / (1.0 - m))
        ups = self.up + np.cumsum(np.log1p(up * (x - m)), axis=0)
        downs = self.down + np.cumsum(np.log1p(-down * (x - m)), axis=0)
        found = np.maximum(ups, downs) + np.log(0.5)
        self.seen, self.total, self.up, self.down = self.seen + count, float(total[-1, 0]), ups[-1], downs[-1]
        if self.population is None:
            return np.asarray(found)
        # What the images that are left cannot bring about is refuted for certain, and stays so.
        slack, wanted = SLACK * self.population, self.population * self.means
        refuted = (total[1:] > wanted + slack) | (total[1:] + self.population - n[1:] < wanted - slack)
        return np.where(refuted, np.inf, found)
