"""How sure is a mean: bootstrap intervals."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95


def mean_interval(values: Any, *, seed: int = 0, draws: int = DRAWS, level: float = LEVEL) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, by `scipy.stats.bootstrap`.

    Args:
        values: `[N]` finite numbers, any unit.
        seed: of the resampling. The same number of values with the same seed is resampled the same way, so methods
            that are scored on the same images are compared on the same draws.
        draws: number of resamples.
        level: coverage, between 0 and 1.

    Returns:
        Lower and upper bound in the unit of the values; NaN for fewer than two values.

    Raises:
        ValueError: for values that are not `[N]` finite numbers.

    References:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

    Example:
        >>> mean_interval([2.0, 2.0, 2.0])
        (2.0, 2.0)
    """
    array: NDArray[np.float64] = np.asarray(values, np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must be [N]; got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite; leave out what has no value")
    if len(array) < 2:
        return float("nan"), float("nan")
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
