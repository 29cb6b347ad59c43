"""Do constructions say the same? Each is predicted from the others: how metrics rank in it, and their concordance."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from xaijax.metrics.calibration.result import Calibration


class Predicted(NamedTuple):
    """One construction, predicted from the others.

    Attributes:
        metrics: that have a concordance in all constructions.
        spearman: rank correlation over metrics of the concordance here and the mean of the others; NaN for fewer than
            three metrics, and where all are equal.
        error: mean absolute difference of the two.
        agree: share of the metrics that are on the same side of the threshold of `believe` in both.
    """

    metrics: int
    spearman: float
    error: float
    agree: float


def leave_one_out(calibration: Calibration) -> Mapping[str, Predicted]:
    """Every construction, predicted from the others.

    Args:
        calibration: with two constructions or more.

    Returns:
        Name of the construction -> `Predicted`; empty for one construction alone.

    Example:
        >>> from xaijax.metrics.calibration import judge
        >>> empty = {"depth": "quick", "seed": 0, "images": 0, "classes": [], "textures": ["white", "edges"],
        ...          "levels": [0, 0.5, 1], "constructions": {}}
        >>> leave_one_out(judge(empty, []))
        {}
    """
    from scipy.stats import spearmanr

    names = list(calibration.constructions)
    if len(names) < 2:
        return {}
    table = np.array(
        [
            [one.constructions[name].concordance.value for name in names]
            for one in calibration.metrics.values()
            if all(name in one.constructions for name in names)
        ]
    ).reshape(-1, len(names))
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        return {}
    found = {}
    least = calibration.thresholds.concordance
    for place, name in enumerate(names):
        here, others = table[:, place], np.delete(table, place, axis=1).mean(axis=1)
        varied = len(table) > 2 and np.ptp(here) > 0 and np.ptp(others) > 0
        found[name] = Predicted(
            len(table),
            float(spearmanr(here, others).statistic) if varied else math.nan,
            float(np.abs(here - others).mean()),
            float(((here >= least) == (others >= least)).mean()),
        )
    return found
