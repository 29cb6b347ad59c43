"""Which of two methods is better, looked at after every image: capital of bets against "no difference".

Whoever bets against a true mean wins nothing in expectation, so the capital ever reaches 1 / alpha with a chance of at
most alpha. Before image t the bet against the mean m is, with the mean and the variance of the values before it,

    mean_t = (1/2 + sum X) / (t + 1)        variance_t = (1/4 + sum (X_i - mean_i)^2) / (t + 1)
    bet = (mean - m) / (variance + (mean - m)^2), clipped to [-c / (1 - m), c / m], c = 0.9
    capital(m) = product of (1 + bet_i (X_i - m))

Where a finite data set of N images is read without replacement the claim is about these N images. Given the first
t - 1 the next one has the mean `m_t = (N m - sum X) / (N - t + 1)`, which takes the place of m in bet and capital. A
mean m is refuted for certain once the images that are left cannot bring it about.

Images may lack a value, and how many do is known only when all were seen. So N is an upper bound of the images with a
value, and falls by one with each that turns out to have none. Under an upper bound bets stay fair where they have the
sign of `sum X - (t - 1) m`; others are not made. For m = 1/2 all bets have that sign.
"""

import math
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

MOST = 0.9
"""The share of the capital that one bet can lose at most (c)."""
EQUAL = 0.5


class Bets:
    """Capital of bets against some means, image after image.

    Args:
        means: `[M]` in [0, 1], or one.
        population: how many images there are in all, those without a value included; None where they are drawn from
            an unlimited source.

    Example:
        >>> bets = Bets(0.5)
        >>> [round(float(capital[0]), 3) for capital in np.exp(bets.add([1.0, 1.0]))]
        [1.0, 1.571]
    """

    def __init__(self, means: Any, *, population: int | None = None) -> None:
        self.means = np.atleast_1d(np.asarray(means, np.float64))
        if population is not None and population < 1:
            raise ValueError(f"population must be at least 1; got {population}")
        self.population = population
        self._sums: NDArray[np.float64] | None = None  # values, missing, sum, squares
        self._capital: Any = 0.0
        self._refuted: Any = False

    @property
    def seen(self) -> int:
        """Images with a value so far."""
        return 0 if self._sums is None else int(self._sums[0].max())

    def add(self, values: Any) -> NDArray[np.float64]:
        """Takes the values of the next images.

        Args:
            values: `[..., T]` in [0, 1], NaN for none; leading axes are independent repetitions and stay the same.

        Returns:
            `[..., T, M]` logarithm of the capital after each image; infinity where a mean is refuted for certain.

        Raises:
            ValueError: for more images than the population has.
        """
        given = np.asarray(values, np.float64)
        if not given.shape[-1]:
            return np.zeros((*given.shape, len(self.means)))
        there = ~np.isnan(given)
        x = np.where(there, given, 0.0)
        before = np.zeros((4, *given.shape[:-1])) if self._sums is None else self._sums
        n, missing, total = (_running(start, one) for start, one in zip(before[:3], (there, ~there, x), strict=True))
        if self.population is not None and (n[..., -1] + missing[..., -1] > self.population).any():
            raise ValueError(f"there are more images than the population of {self.population} has")
        mean = (0.5 + total) / (n + 1)
        squares = _running(before[3], np.where(there, (x - mean[..., 1:]) ** 2, 0.0))
        variance = (0.25 + squares) / (n + 1)
        self._sums = np.stack([n[..., -1], missing[..., -1], total[..., -1], squares[..., -1]])

        m: Any = self.means
        if self.population is not None:
            left = self.population - missing[..., :-1, None]
            # In [0, 1] unless the mean is refuted already.
            m = np.clip((left * m - total[..., :-1, None]) / (left - n[..., :-1, None]), 0.0, 1.0)
        gap = mean[..., :-1, None] - m
        with np.errstate(divide="ignore"):
            bets = np.clip(gap / (variance[..., :-1, None] + gap**2), -MOST / (1.0 - m), MOST / m)
        if self.population is not None:
            against = bets * (total[..., :-1, None] - n[..., :-1, None] * self.means) < 0
            bets = np.where(against, 0.0, bets)
        growth = np.where(there[..., None], np.log1p(bets * (x[..., None] - m)), 0.0)
        capital = _running(self._capital, growth, axis=-2)
        self._capital = capital[..., -1, :]
        capital = capital[..., 1:, :]
        if self.population is None:
            return capital
        left, n, total = (one[..., 1:, None] for one in (self.population - missing, n, total))
        slack = SLACK * self.population
        over = (total - left * self.means > slack) | (total + left - n - left * self.means < -slack)
        before = np.asarray(self._refuted)
        refuted = np.logical_or.accumulate(over, axis=-2) | (before[..., None, :] if before.ndim else before)
        self._refuted = refuted[..., -1, :]
        return np.where(refuted, np.inf, capital)

    def reachable(self, images: int) -> float:
        """The largest logarithm of the capital against the first mean that so many more images could bring, at most.

        Args:
            images: how many more can be taken.

        Returns:
            An upper bound that holds whatever the images show; infinity where the mean may be refuted for certain.

        Example:
            >>> bool(np.exp(Bets(0.5).reachable(1)).round(6) == 1.9)
            True
        """
        if self._sums is not None and self._sums.ndim != 1:
            raise ValueError("reachable is of one sequence of images, not of repetitions")
        if np.any(self._refuted):
            return math.inf
        n, missing, total, _ = np.zeros(4) if self._sums is None else self._sums
        held = float(np.ravel(self._capital)[0])
        low = high = np.full(images, self.means[0])
        if self.population is not None:
            left, steps = self.population - missing, np.arange(images + 1)
            if images > left - n:
                raise ValueError(f"{images} more images are more than the population of {self.population} has")
            rest = left - n - steps
            # The next mean is lowest after ones alone, and highest after zeros alone.
            least, most = left * self.means[0] - total - steps, left * self.means[0] - total
            if (least < 0).any() or (most > rest).any():
                return math.inf
            low, high = least[:-1] / rest[:-1], most / rest[:-1]
        with np.errstate(divide="ignore"):
            factors = 1.0 + MOST * np.maximum((1.0 - low) / low, high / (1.0 - high))
        return held + float(np.log(factors).sum())


def betting(
    differences: Any, *, bound: float, alpha: float = 0.05, population: int | None = None, interval: bool = True
) -> Anytime:
    """Compares two methods by bets: the evidence and the interval after every image.

    Args:
        differences: `[images]` first minus second on the same image, in random order, in [-bound, bound]; NaN where one
            of the two has no value. Several images of one patient are one difference: their mean, or one image alone.
        bound: width of the metric's range, fixed in advance.
        alpha: chance of ever rejecting "no difference" where there is none, and of intervals that ever miss the mean.
        population: how many images (patients) the data set has, those without a value included, where they are read
            without replacement and the claim is about these; None: the claim is about the source they are drawn from.
        interval: whether intervals are wanted, which take most of the time; else they are NaN.

    Returns:
        An `Anytime`.

    Raises:
        ValueError: for differences beyond the bound, or arguments out of range.

    References:
        Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024.

    Example:
        >>> found = betting(np.random.default_rng(0).uniform(0.0, 0.4, 60), bound=1.0)
        >>> found.decided_after, bool(found.low[-1] > 0)
        (23, True)
    """
    values = scaled(differences, bound, alpha)
    n, mean = running_mean(values, bound)
    if not len(values):
        nothing = np.zeros(0)
        return Anytime(n, nothing, nothing, nothing, nothing, nothing, None, alpha)
    capital = Bets(EQUAL, population=population).add(values)[:, 0]
    with np.errstate(over="ignore"):
        e = np.exp(capital)
    p = np.minimum(1.0, np.exp(-np.maximum.accumulate(capital)))
    low, high = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if interval:
        low, high = grid_interval(values, Bets(np.linspace(0.0, 1.0, GRID), population=population).add, alpha)
        if population is not None:
            # What the images that are left can still change, at most.
            left = population - np.cumsum(np.isnan(values))
            total = np.cumsum(np.nan_to_num(values))
            surely = total / left, (total + left - n) / left
            low, high = intersected(np.maximum(low, surely[0]), np.minimum(high, surely[1]))
            low, high = np.clip(low, *surely), np.clip(high, *surely)
        else:
            low, high = intersected(low, high)
        low, high = (2.0 * low - 1.0) * bound, (2.0 * high - 1.0) * bound
    return Anytime(n, mean, low, high, e, p, first_true(capital >= -np.log(alpha)), alpha)


def _running(start: Any, values: NDArray[Any], axis: int = -1) -> NDArray[np.float64]:
    """`start` and the sums after each value: the same bits however the values are cut into calls."""
    shape = list(values.shape)
    shape[axis] = 1
    first = np.broadcast_to(np.expand_dims(np.asarray(start, np.float64), axis), shape) if np.ndim(start) else None
    first = np.full(shape, float(start)) if first is None else first
    return np.cumsum(np.concatenate([first, values.astype(np.float64)], axis=axis), axis=axis)
