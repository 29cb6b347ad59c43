"""How sure is a mean: bootstrap intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95


def mean_interval(
    values: Any, *, groups: Sequence[Any] | None = None, seed: int = 0, draws: int = DRAWS, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, by `scipy.stats.bootstrap`.

    Values that belong together are drawn together: those of the findings of one image are not independent.

    Args:
        values: `[N]` finite numbers, any unit.
        groups: `[N]` what each value belongs to, such as its image; None where every value stands alone.
        seed: of the resampling. The same number of values with the same seed is resampled the same way, so methods
            that are scored on the same images are compared on the same draws.
        draws: number of resamples.
        level: coverage, between 0 and 1.

    Returns:
        Lower and upper bound in the unit of the values; NaN for fewer than two values, or groups.

    Raises:
        ValueError: for values that are not `[N]` finite numbers.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Example:
        >>> mean_interval([2.0, 2.0, 2.0])
        (2.0, 2.0)
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
    if groups is not None and len(set(groups)) < len(array):
        return _of_groups(array, groups, seed, draws, level)
    from scipy import stats

    found = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=draws,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(found.low), float(found.high)


def _of_groups(
    array: NDArray[np.float64], groups: Sequence[Any], seed: int, draws: int, level: float
) -> tuple[float, float]:
    """The interval of the mean over all values where whole groups are drawn."""
    place = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    if len(place) < 2:
        return float("nan"), float("nan")
    member = np.array([place[name] for name in groups])
    sums, sizes = np.bincount(member, weights=array), np.bincount(member)
    drawn = np.random.default_rng(seed).multinomial(len(place), np.full(len(place), 1 / len(place)), size=draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ sizes), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
