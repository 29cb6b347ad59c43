"""Values of many tests in order, those without a value left out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def in_order(p_values: Any) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Checks p-values and sorts them.

    Args:
        p_values: `[M]`, in [0, 1], or NaN.

    Returns:
        `[M]` float64, and the positions of those that are not NaN, smallest first, equal ones in the given order.

    Raises:
        ValueError: for another shape, or numbers outside [0, 1].

    Example:
        >>> in_order([0.5, float("nan"), 0.1])[1].tolist()
        [2, 0]
    """
    given = np.asarray(p_values, np.float64)
    if given.ndim != 1:
        raise ValueError(f"p_values must be [M]; got {given.shape}")
    there = np.flatnonzero(~np.isnan(given))
    if ((given[there] < 0) | (given[there] > 1)).any():
        raise ValueError("p_values must be in [0, 1], or NaN where a test has none")
    return given, there[np.argsort(given[there], kind="stable")]
