"""Correction of p-values for the number of tests."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.statistics._order import in_order


def holm(p_values: Any) -> NDArray[np.float64]:
    """Holm's step-down correction.

    With the p-values in ascending order, `p'_(i) = max_{j <= i} min(1, (m - j + 1) p_(j))`: rejecting where
    `p' <= alpha` keeps the chance of any false rejection among the m tests at alpha, whatever their dependence.

    Args:
        p_values: `[M]`, in [0, 1]; NaN for a test that has no p-value, which does not count as a test.

    Returns:
        `[M]` corrected p-values in the same order, in [0, 1]; NaN stays NaN.

    Raises:
        ValueError: for numbers outside [0, 1].

    References:
        Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    given, order = in_order(p_values)
    factors = np.arange(len(order), 0, -1)
    corrected = np.full(given.shape, np.nan)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return corrected
