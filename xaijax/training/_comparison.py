"""Two classifiers on the same images: McNemar's test, and bootstrap intervals of the differences.

References:
    McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12, 1947;
    Dietterich, "Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms", Neural
    Computation 10, 1998; Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

DRAWS = 10_000
LEVEL = 0.95


def mcnemar(labels: Any, first: Any, second: Any) -> dict[str, Any]:
    """Exact McNemar test: are the two right equally often?

    Of the images that one of the two gets right and the other wrong, under the null hypothesis each is won by either
    with probability 1/2; the two-sided p-value is that of the binomial distribution.

    Args:
        labels: `[N]` int.
        first: `[N]` int, predicted by the first classifier.
        second: `[N]` int, predicted by the second.

    Returns:
        JSON values: `only_first_right`, `only_second_right` (images) and `p_value`.

    Example:
        >>> mcnemar([0] * 6, [0] * 6, [0] + [1] * 5)
        {'only_first_right': 5, 'only_second_right': 0, 'p_value': 0.0625}
    """
    labels = np.asarray(labels)
    right, other = np.asarray(first) == labels, np.asarray(second) == labels
    won, lost = int((right & ~other).sum()), int((~right & other).sum())
    p_value = stats.binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    return {"only_first_right": won, "only_second_right": lost, "p_value": float(p_value)}


def bootstrap_difference(
    labels: Any,
    first: Any,
    second: Any,
    num_classes: int,
    *,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Second minus first in accuracy and macro-F1, with paired percentile bootstrap intervals.

    Both classifiers are scored on the same resampled images. Whole groups are resampled where they are given, since
    images of one patient are not independent.

    Args:
        labels: `[N]` int.
        first: `[N]` int, predicted by the first classifier.
        second: `[N]` int, predicted by the second.
        num_classes: K.
        groups: `[N]` the patient of each image, or None where every image stands alone.
        seed: of the resampling.
        draws: number of resamples.

    Returns:
        JSON values: for `accuracy` and `macro_f1` the `difference` and the bounds `low` and `high` of its 95 %
        interval; and `units`, how many images or groups were resampled.
    """
    labels, first, second = (np.asarray(values, np.int64) for values in (labels, first, second))
    codes = np.arange(len(labels)) if groups is None else np.unique(list(groups), return_inverse=True)[1]
    units = int(codes.max()) + 1
    # A resample is how often each unit was drawn; the confusion matrix is linear in that.
    counts = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=draws)
    scored = []
    for predicted in (first, second):
        table = np.zeros((units, num_classes**2))
        np.add.at(table, (codes, labels * num_classes + predicted), 1.0)
        rows = np.concatenate([table.sum(axis=0, keepdims=True), counts @ table])
        scored.append(_accuracy_and_macro_f1(rows.reshape(-1, num_classes, num_classes)))
    found: dict[str, Any] = {"units": units, "draws": draws, "level": LEVEL}
    for name, before, after in zip(("accuracy", "macro_f1"), *scored, strict=True):
        differences = after - before
        low, high = np.quantile(differences[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found[name] = {"difference": float(differences[0]), "low": float(low), "high": float(high)}
    return found


def _accuracy_and_macro_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[R, K, K]` counts -> two `[R]`, as `scores_of_confusion` defines them."""
    hits = np.einsum("rkk->rk", confusion)
    sums = confusion.sum(axis=1) + confusion.sum(axis=2)
    occurs = sums > 0
    f1 = np.where(occurs, 2 * hits / np.maximum(sums, 1), 0.0)
    return hits.sum(axis=1) / confusion.sum(axis=(1, 2)), f1.sum(axis=1) / occurs.sum(axis=1)
