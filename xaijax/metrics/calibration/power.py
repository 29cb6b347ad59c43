"""How many images a comparison needs, what it can show, and whether its test keeps its level.

References:
    Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988 (d of paired differences).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FACTOR = 2.80
"""1.96 + 0.84: two-sided level 0.05, power 0.8."""
CORRECTION = 1.92
"""Of the t distribution: half of 1.96², images."""
FEWEST = 5
LEVEL = 0.05
REPEATS = 2000
MIN_PAIRS = 5
SIZE = (0.03, 0.07)
"""Within which the size of a correct test lies, over 1,000 repeats or more."""


def images_for_power(d: float) -> float:
    """Images for 80 % power of the paired t-test at level 0.05; infinity where the effect is not positive.

    Args:
        d: mean difference over its standard deviation.

    Example:
        >>> images_for_power(0.5), images_for_power(3.0), images_for_power(-1.0)
        (34, 5, inf)
    """
    if not d > 0:
        return math.nan if math.isnan(d) else math.inf
    return math.inf if d < 1e-6 else max(FEWEST, math.ceil((FACTOR / d) ** 2 + CORRECTION))


def detectable(spread: float, images: int) -> float:
    """The smallest mean difference that so many images show with 80 % power; NaN for fewer than 3.

    Example:
        >>> round(detectable(1.0, 34), 2)
        0.49
    """
    return FACTOR * spread / math.sqrt(images - CORRECTION) if images > 2 else math.nan


def effect(differences: Any) -> float:
    """Mean over standard deviation (n - 1) of `[n]` paired differences, NaN left out; ±infinity if they do not vary."""
    d = np.asarray(differences, np.float64)
    d = d[~np.isnan(d)]
    if len(d) < 2:
        return math.nan
    spread, mean = float(d.std(ddof=1)), float(d.mean())
    if spread > 1e-12 * abs(mean):
        return mean / spread
    return math.copysign(math.inf, mean) if mean else 0.0


def size_of_test(differences: Any, *, seed: int = 0, repeats: int = REPEATS, level: float = LEVEL) -> float:
    """How often the paired t-test calls two noise maps of one kind different, although neither is better.

    Which of the two comes first is chance: each repeat draws as many images as there are, with replacement, and turns
    the sign of each difference at random, so that the null hypothesis holds. All repeats run at once.

    Args:
        differences: `[n, kinds]` of the value of one noise map and another one of the same kind, NaN for missing ones.
            Each repeat uses one kind; kinds take turns.
        seed: of the repeats.
        repeats: at least 1,000: at 200 a correct test leaves 0.03 to 0.07 in one run of five.
        level: of the test.

    Returns:
        Share of the repeats that are significant; NaN for fewer than 5 differences of every kind.

    Example:
        >>> d = np.random.default_rng(0).normal(size=(40, 1))
        >>> 0.03 < size_of_test(d) < 0.07
        True
    """
    q = np.asarray(differences, np.float64)
    kinds = [column[~np.isnan(column)] for column in q.T]
    kinds = [column for column in kinds if len(column) >= MIN_PAIRS]
    if not kinds:
        return math.nan
    rng = np.random.default_rng(seed)
    each = -(-repeats // len(kinds))
    hits: list[NDArray[np.bool_]] = []
    for column in kinds:
        n = len(column)
        drawn = column[rng.integers(0, n, (each, n))] * rng.choice([-1.0, 1.0], (each, n))
        mean, spread = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
        critical = float(stats.t.ppf(1 - level / 2, n - 1))
        hits.append(np.abs(mean) * math.sqrt(n) > critical * spread)
    return float(np.concatenate(hits).mean())
