"""Corrections that bound the share of false discoveries among many tests: for p-values and for e-values.

Holm's correction (`_holm.py`) keeps the chance of any false rejection at alpha and suits few planned comparisons. These
three keep the expected share of false rejections among all rejections at alpha and suit screens. The number of tests is
that of all tests that were run, whatever their result; those without a value do not count.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.statistics._order import in_order


def benjamini_hochberg(p_values: Any) -> NDArray[np.float64]:
    """Benjamini's and Hochberg's correction, for tests that are independent or positively dependent.

    With the m p-values in ascending order, `q_(i) = min_{j >= i} min(1, m p_(j) / j)`: rejecting where `q <= alpha`
    keeps the expected share of false rejections at alpha.

    Args:
        p_values: `[M]`, in [0, 1]; NaN for a test that has no p-value, which does not count as a test.

    Returns:
        `[M]` corrected p-values in the same order, in [0, 1]; NaN stays NaN.

    Raises:
        ValueError: for numbers outside [0, 1].

    References:
        Benjamini and Hochberg, "Controlling the False Discovery Rate", JRSS-B 1995.

    Example:
        >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
        [0.04, 0.0533, 0.0533, 0.5]
    """
    return _step_up(p_values, lambda m: 1.0)


def benjamini_yekutieli(p_values: Any) -> NDArray[np.float64]:
    """Benjamini's and Yekutieli's correction, for tests of any dependence.

    That of Benjamini and Hochberg times `1 + 1/2 + ... + 1/m`.

    Args:
        p_values: as `benjamini_hochberg` takes them.

    Returns:
        `[M]` corrected p-values in the same order, in [0, 1]; NaN stays NaN.

    Raises:
        ValueError: for numbers outside [0, 1].

    References:
        Benjamini and Yekutieli, "The control of the false discovery rate in multiple testing under dependency", Annals
        of Statistics 2001.

    Example:
        >>> benjamini_yekutieli([0.01, 0.04]).tolist()
        [0.03, 0.06]
    """
    return _step_up(p_values, lambda m: float(np.sum(1.0 / np.arange(1, m + 1))))


def e_benjamini_hochberg(e_values: Any, *, alpha: float = 0.05) -> NDArray[np.bool_]:
    """The e-BH procedure: which hypotheses to reject by their e-values, whatever their dependence.

    With the m e-values in descending order it rejects those of the largest k with `e_(k) >= m / (alpha k)`. In a
    sequential run the e-value is the capital at the time the run stopped, not its largest value so far.

    Args:
        e_values: `[M]`, at least 0, infinity allowed; NaN for a test that has none, which does not count as a test.
        alpha: bound of the expected share of false rejections, in (0, 1).

    Returns:
        `[M]` bool, True for what is rejected.

    Raises:
        ValueError: for negative numbers, or alpha out of range.

    References:
        Wang and Ramdas, "False discovery rate control with e-values", JRSS-B 2022.

    Example:
        >>> e_benjamini_hochberg([100.0, 1.0, 32.0]).tolist()
        [True, False, True]
    """
    given = np.asarray(e_values, np.float64)
    if given.ndim != 1:
        raise ValueError(f"e_values must be [M]; got {given.shape}")
    if (given < 0).any():
        raise ValueError("e_values must be at least 0, or NaN where a test has none")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must be in (0, 1); got {alpha!r}")
    there = np.flatnonzero(~np.isnan(given))
    order = there[np.argsort(-given[there], kind="stable")]
    count = len(order)
    enough = np.flatnonzero(given[order] >= count / (alpha * np.arange(1, count + 1)))
    rejected = np.zeros(given.shape, bool)
    if len(enough):
        rejected[order[: enough[-1] + 1]] = True
    return rejected


def _step_up(p_values: Any, factor: Any) -> NDArray[np.float64]:
    given, order = in_order(p_values)
    count = len(order)
    scaled = factor(count) * count * given[order] / np.arange(1, count + 1)
    corrected = np.full(given.shape, np.nan)
    corrected[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return corrected
