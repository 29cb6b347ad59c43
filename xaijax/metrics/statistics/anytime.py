"""What the anytime-valid comparisons of two methods share: their result, the scale, and intervals from a grid.

An anytime-valid interval may be looked at after every image, and a run may stop because of what it shows: the chance
that it ever misses the mean is at most alpha. The images must come in random order. Differences D between two methods
on the same image lie in [-R, R], where R follows from the metric's range and is fixed in advance; all computation is on
X = (D + R) / (2 R) in [0, 1], where "no difference" is a mean of 1/2.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRID = 1001
BLOCK = 256  # images for which the grid is computed at once
SLACK = 1e-9  # by how much rounding may move a value or a mean


@dataclasses.dataclass(frozen=True)
class Anytime:
    """A comparison of two methods, as it stood after each image.

    Attributes:
        n: `[T]` differences seen so far; images where one method has no value are not among them.
        difference: `[T]` their mean, in the metric's unit; NaN before the first.
        low, high: `[T]` the interval of the mean difference.
        e: `[T]` evidence against "no difference" (the capital of the bets); NaN where the method gives none.
        p: `[T]` anytime-valid p-value, `min(1, 1 / max e)`; NaN where the method gives none.
        decided_after: after how many images, those without a value included, "no difference" is rejected; None where it
            is not.
        alpha: the chance of a false rejection, and of intervals that ever miss the mean.
    """

    n: NDArray[np.int64] = dataclasses.field(repr=False)
    difference: NDArray[np.float64] = dataclasses.field(repr=False)
    low: NDArray[np.float64] = dataclasses.field(repr=False)
    high: NDArray[np.float64] = dataclasses.field(repr=False)
    e: NDArray[np.float64] = dataclasses.field(repr=False)
    p: NDArray[np.float64] = dataclasses.field(repr=False)
    decided_after: int | None
    alpha: float

    def __repr__(self) -> str:
        after = "undecided" if self.decided_after is None else f"decided after {self.decided_after}"
        now = f", {self.difference[-1]:.3g} ({self.low[-1]:.3g} to {self.high[-1]:.3g})" if len(self.n) else ""
        return f"Anytime({len(self.n)} images{now}, {after}, alpha {self.alpha:g})"


def scaled(differences: Any, bound: float, alpha: float) -> NDArray[np.float64]:
    """Differences in [-bound, bound] as values in [0, 1], checked; NaN stays NaN.

    Raises:
        ValueError: for a bound or an alpha that cannot be used, or differences beyond the bound.

    Example:
        >>> scaled([-1.0, 0.0, 0.5], 1.0, 0.05).tolist()
        [0.0, 0.5, 0.75]
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must be in (0, 1); got {alpha!r}")
    if not (np.isfinite(bound) and bound > 0):
        raise ValueError(f"bound must be a positive number: the width of the metric's range; got {bound!r}")
    given = np.asarray(differences, np.float64)
    if given.ndim != 1:
        raise ValueError(f"differences must be [images]; got {given.shape}")
    if (np.abs(given) > bound * (1 + SLACK)).any():
        worst = float(np.nanmax(np.abs(given)))
        raise ValueError(f"differences must be in [-{bound:g}, {bound:g}]; got one of size {worst:g}")
    return np.clip((given + bound) / (2.0 * bound), 0.0, 1.0)


def running_mean(values: NDArray[np.float64], bound: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Values so far, and their mean as a difference; NaN before the first."""
    there = ~np.isnan(values)
    n = np.cumsum(there)
    with np.errstate(invalid="ignore"):
        return n, (2.0 * np.cumsum(np.where(there, values, 0.0)) / n - 1.0) * bound


def first_true(found: NDArray[np.bool_]) -> int | None:
    """After how many images something is true for the first time."""
    return int(np.argmax(found)) + 1 if found.any() else None


def grid_interval(
    values: NDArray[np.float64], log_capital: Callable[[NDArray[np.float64]], NDArray[np.float64]], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`[T]` lower and `[T]` upper ends of the means that the capital does not refute, before they are intersected.

    The hull of the grid points with a capital below 1 / alpha, and one step more on each side for what lies between two
    points. Where no point is left the ends are 0 and 1: that image says nothing new.

    Args:
        values: `[T]` in [0, 1], NaN for none.
        log_capital: takes the next `[t]` values, gives the logarithm of the capital after each, `[t, GRID]`.
        alpha: of the interval.
    """
    grid = np.linspace(0.0, 1.0, GRID)
    low, high = np.zeros(len(values)), np.ones(len(values))
    for start in range(0, len(values), BLOCK):
        alive = log_capital(values[start : start + BLOCK]) < -np.log(alpha)
        some = alive.any(axis=1)
        first, last = alive.argmax(axis=1), GRID - 1 - alive[:, ::-1].argmax(axis=1)
        low[start : start + BLOCK] = np.where(some, grid[np.maximum(first - 1, 0)], 0.0)
        high[start : start + BLOCK] = np.where(some, grid[np.minimum(last + 1, GRID - 1)], 1.0)
    return low, high


def intersected(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Running intersection of intervals; where it would be empty, which has a chance below alpha, the last one stays.

    Example:
        >>> low, high = intersected(np.array([0.1, 0.0, 0.3, 0.7]), np.array([0.9, 0.6, 0.8, 0.8]))
        >>> low.tolist(), high.tolist()
        ([0.1, 0.1, 0.3, 0.3], [0.9, 0.6, 0.6, 0.6])
    """
    low, high = np.maximum.accumulate(low), np.minimum.accumulate(high)
    empty = low > high
    if empty.any():
        last = int(np.argmax(empty)) - 1
        low[last + 1 :], high[last + 1 :] = low[last], high[last]
    return low, high
