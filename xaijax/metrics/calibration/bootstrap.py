"""Means over cases with 95 % intervals; cases of one group (an image, a patient) are drawn together.

Percentile bootstrap. Where the values are shares of yes and no, or do not vary at all, the bootstrap would give an
interval that is too short (0 of 5 is not "0 to 0"); it then is made as wide as Wilson's interval with as many trials as
there are groups.

References:
    Efron and Tibshirani, An Introduction to the Bootstrap, 1993; Wilson, JASA 1927.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xaijax.metrics._interval import wilson

DRAWS = 2000


class Mean(NamedTuple):
    """A mean and its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float
    groups: int


def mean_of(
    values: Any, groups: Sequence[str], *, share: bool = False, bounded: bool = True, seed: int = 0, draws: int = DRAWS
) -> Mean:
    """The mean over cases, with an interval over groups.

    Args:
        values: `[n]`, NaN for cases without a value, which are left out.
        groups: `[n]` names.
        share: whether each value is yes (1) or no (0).
        bounded: whether the values lie in [0, 1].
        seed: of the resampling.
        draws: of the bootstrap.

    Example:
        >>> found = mean_of([1.0, 1.0, 1.0, 1.0], ["a", "b", "c", "d"])
        >>> found.value, round(found.low, 2), found.high
        (1.0, 0.51, 1.0)
    """
    q = np.asarray(values, np.float64)
    there = ~np.isnan(q)
    if not there.any():
        return Mean(np.nan, np.nan, np.nan, 0)
    names = np.asarray(groups, object)[there]
    _, index = np.unique(names.astype(str), return_inverse=True)
    q = q[there]
    sums, counts = np.bincount(index, weights=q), np.bincount(index)
    value, size = float(q.mean()), len(counts)
    if size < 2:
        return Mean(value, np.nan, np.nan, size)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), (0.025, 0.975))
    if bounded and (share or np.ptp(q) == 0):
        wide = wilson(min(max(value, 0.0), 1.0), size)
        low, high = min(low, wide[0]), max(high, wide[1])
    return Mean(value, float(low), float(high), size)
