"""Quartiles, the 95th percentile, and a ratio of two sets of times with its spread."""

from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST = 5
"""Times on either side that a verdict needs."""
NOISE = 0.02
"""Share below which a difference is not spoken of, however sure."""
_DRAWS = 2000


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and 95th percentile (NumPy's linear interpolation).

    Example:
        >>> summary([1.0, 2.0, 3.0, 4.0, 5.0])
        {'median': 3.0, 'q1': 2.0, 'q3': 4.0, 'p95': 4.8}
    """
    q1, median, q3, p95 = np.quantile(np.asarray(values, float), [0.25, 0.5, 0.75, 0.95])
    return {"median": float(median), "q1": float(q1), "q3": float(q3), "p95": float(p95)}


def ratio(new: Sequence[float], old: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """Ratio of the medians of two sets of times, its 95 % bootstrap interval, and a verdict.

    Args:
        new: seconds.
        old: seconds.
        seed: of the bootstrap.

    Returns:
        `ratio` (above 1: slower now), `low`, `high`, and `verdict`: "slower" or "faster" where the interval lies beyond
        2 % on one side, else "same"; "too few" with less than five times on either side.

    Example:
        >>> ratio([2.0] * 9, [1.0] * 9)["verdict"]
        'slower'
    """
    a, b = np.asarray(new, float), np.asarray(old, float)
    rng = np.random.default_rng(seed)
    draws = np.median(rng.choice(a, (_DRAWS, len(a))), axis=1) / np.median(rng.choice(b, (_DRAWS, len(b))), axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    verdict = "same"
    if min(len(a), len(b)) < LEAST:
        verdict = "too few"
    elif low > 1 + NOISE:
        verdict = "slower"
    elif high < 1 - NOISE:
        verdict = "faster"
    return {"ratio": float(np.median(a) / np.median(b)), "low": float(low), "high": float(high), "verdict": verdict}


def exponent(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
    """The power p of `y ~ x^p`: slope of a least-squares line through the logarithms, with its 95 % interval.

    Args:
        x: at least three different values, positive.
        y: positive.

    Returns:
        `exponent`, `low`, `high` (by Student's t on n - 2 degrees of freedom) and `factor`, so that y = factor x^p.

    Example:
        >>> round(exponent([1, 2, 4, 8], [3, 12, 48, 192])["exponent"], 6)
        2.0
    """
    from scipy.stats import t

    u, v = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    if len(np.unique(u)) < 3:
        raise ValueError(f"an exponent needs three different sizes; got {sorted(set(x))}")
    centred = u - u.mean()
    slope = float(centred @ v / (centred @ centred))
    rest = v - v.mean() - slope * centred
    error = float(np.sqrt(rest @ rest / (len(u) - 2) / (centred @ centred)))
    wide = float(t.ppf(0.975, len(u) - 2)) * error
    factor = float(np.exp(v.mean() - slope * u.mean()))
    return {"exponent": slope, "low": slope - wide, "high": slope + wide, "factor": factor}
