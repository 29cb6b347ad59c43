"""What rounding does to scores: which of them it alone tells apart, and how to square them without loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROUNDING = 8 * float(np.finfo(np.float64).eps)
"""Relative difference up to which two numbers are the same but for rounding."""


def scaled(values: Any) -> tuple[NDArray[np.float64], int]:
    """Finite values divided by a power of two, so that the largest magnitude is between 1/2 and 1, and its exponent.

    Statistics that square values lose those below 1e-162 and overflow above 1e154; a power of two rounds nothing.

    Example:
        >>> scaled([1e-200, -3e-200])[0].round(2).tolist()
        [0.19, -0.57]
    """
    array = np.asarray(values, np.float64)
    exponent = int(np.frexp(np.abs(array).max(initial=0.0))[1])
    return np.ldexp(array, -exponent), exponent


def tied_rows(values: Any) -> NDArray[np.int64]:
    """Values as whole numbers of the same order within each row, equal where only rounding tells them apart.

    Args:
        values: `[N, M]`, finite.

    Returns:
        `[N, M]`, 0 for the smallest of a row.

    Example:
        >>> tied_rows([[0.1 + 0.2, 0.3, 0.1]]).tolist()
        [[1, 1, 0]]
    """
    table = np.asarray(values, np.float64)
    order = np.argsort(table, axis=1, kind="stable")
    ascending = np.take_along_axis(table, order, axis=1)
    size = np.maximum(np.abs(ascending[:, 1:]), np.abs(ascending[:, :-1]))
    with np.errstate(over="ignore"):
        apart = np.diff(ascending, axis=1) > ROUNDING * size
    found = np.zeros(table.shape, np.int64)
    np.put_along_axis(found, order[:, 1:], np.cumsum(apart, axis=1), axis=1)
    return found
