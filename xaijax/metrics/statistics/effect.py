"""How large is a difference: effect sizes of paired scores, which do not grow with the number of images."""

from typing import Any

import numpy as np
from scipy import stats

from xaijax.metrics._rounding import ROUNDING, scaled


def cohens_d(differences: Any) -> float:
    """Cohen's d of paired scores (d_z): `mean(d) / sd(d)`, sd with n - 1.

    Args:
        differences: `[N]`, first minus second.

    Returns:
        Any size and sign; 0.2 is usually called small, 0.5 medium, 0.8 large. NaN for fewer than two differences or
        where they do not vary by more than rounding.

    References:
        Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.3.5.

    Example:
        >>> cohens_d([1.0, 3.0])
        1.414213562373095
    """
    d = np.asarray(differences, np.float64)
    if len(d) < 2:
        return float("nan")
    d = scaled(d)[0]
    if np.ptp(d) <= ROUNDING * np.abs(d).max():
        return float("nan")
    return float(d.mean() / d.std(ddof=1))


def rank_biserial(differences: Any) -> float:
    """Matched-pairs rank-biserial correlation: `(R+ - R-) / (R+ + R-)`.

    R+ and R- are the sums of the ranks of the absolute differences, over the positive and the negative ones; zeros are
    left out, as in Wilcoxon's test, tied ones share their mean rank.

    Args:
        differences: `[N]`, first minus second.

    Returns:
        From -1 (the second is larger on every image) to 1; NaN where all differences are zero.

    References:
        Kerby, "The Simple Difference Formula", Comprehensive Psychology 2014.

    Example:
        >>> rank_biserial([3.0, 2.0, -1.0])
        0.6666666666666666
    """
    d = np.asarray(differences, np.float64)
    d = d[d != 0]
    if not len(d):
        return float("nan")
    ranks = stats.rankdata(np.abs(d))
    return float((ranks * np.sign(d)).sum() / ranks.sum())
