"""Scores of classifiers with intervals, and two classifiers on the same images or over the same folds or seeds.

References:
    McNemar, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12, 1947;
    Dietterich, "Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms", Neural
    Computation 10, 1998; Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13;
    Nadeau & Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003;
    Hand & Till, "A Simple Generalisation of the Area Under the ROC Curve for Multiple Class Classification Problems",
    Machine Learning 45, 2001 (on areas of several classes; here each class is set against the rest).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from xaijax._errors import InputError
from xaijax.training._findings import class_areas
from xaijax.training._scores import BINS, bins_of

DRAWS = 2000
LEVEL = 0.95
SCORES = ("accuracy", "macro_f1", "auroc", "ece")
"""What `drawn_scores` gives: with one label to an image the micro-F1 is the accuracy."""


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


def permutation_test(
    labels: Any, first: Any, second: Any, groups: Sequence[Any], *, seed: int = 0, draws: int = 9999
) -> float:
    """McNemar's question where several images are of one patient: a permutation test that swaps whole patients.

    Under the null hypothesis the two classifiers' answers for a patient could be exchanged. The statistic is the number
    of images that the second gets right minus that of the first.

    Args:
        labels: `[N]` int.
        first, second: `[N]` int, predicted.
        groups: `[N]` the patient of each image.
        seed, draws: of the random swaps; of few patients all swaps are tried.

    Returns:
        The two-sided p-value.

    Example:
        >>> permutation_test([0] * 6, [0] * 6, [0] + [1] * 5, list("abcdef"))  # one patient each: McNemar's
        0.0625
    """
    labels = np.asarray(labels)
    each = (np.asarray(second) == labels).astype(np.int64) - (np.asarray(first) == labels)
    codes = np.unique(list(groups), return_inverse=True)[1]
    sums = np.bincount(codes, weights=each)
    sums = sums[sums != 0]  # swapping the others changes nothing
    if not len(sums):
        return 1.0
    if len(sums) < 2:
        return 1.0  # one patient can be swapped in two ways, which are equally far from 0
    found = stats.permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=draws, rng=np.random.default_rng(seed)
    )
    return float(found.pvalue)


def drawn_scores(
    probabilities: Any, labels: Any, *, groups: Sequence[Any] | None = None, seed: int = 0, draws: int = DRAWS
) -> dict[str, np.ndarray]:
    """Scores of a classifier on the images, and on bootstrap samples of them.

    The same seed and groups draw the same images, so that the scores of two classifiers are paired sample by sample.
    Whole groups are drawn where they are given, since images of one patient are not independent.

    Args:
        probabilities: `[N, K]`, rows of sum 1.
        labels: `[N]` int, below K.
        groups: `[N]` the patient of each image, or None where every image stands alone.
        seed: of the draws.
        draws: how many samples.

    Returns:
        For each of `SCORES` an array `[1 + draws]`, the value on the images first. `auroc` is the mean over the classes
        of the area of each against the rest, over those that a sample has images in and outside of. `ece` is the
        expected calibration error; of a sample it is larger than that of the images on average, since a smaller set of
        distinct images fills the bins.

    Raises:
        InputError: for arrays that do not fit together, no images or no draws.

    Example:
        >>> found = drawn_scores([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], [0, 1, 1], draws=10)
        >>> {name: round(float(values[0]), 3) for name, values in found.items()}
        {'accuracy': 0.667, 'macro_f1': 0.667, 'auroc': 1.0, 'ece': 0.3}
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels, np.int64)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not len(labels) or draws < 1:
        raise InputError(
            f"probabilities must be [N, K], labels [N] and draws 1 or more; got {probabilities.shape}, {labels.shape} "
            f"and {draws}"
        )
    count = probabilities.shape[1]
    codes = np.arange(len(labels)) if groups is None else np.unique(list(groups), return_inverse=True)[1]
    units = int(codes.max()) + 1
    predicted = probabilities.argmax(axis=1)
    confidence, member = bins_of(probabilities)
    # Confusion matrices and the sums in the bins are linear in how often each unit was drawn.
    table = np.zeros((units, count**2))
    np.add.at(table, (codes, labels * count + predicted), 1.0)
    sums = np.zeros((units, BINS))
    np.add.at(sums, (codes, member), (predicted == labels) - confidence)
    rng = np.random.default_rng(seed)
    parts: list[tuple[np.ndarray, ...]] = []
    step = max(1, 2_000_000 // len(labels))
    for start in range(-1, draws, step):
        many = min(step, draws - start)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=many).astype(np.float64)
        if start < 0:
            drawn[0] = 1.0
        confusion = (drawn @ table).reshape(-1, count, count)
        images = confusion.sum(axis=(1, 2))
        areas = class_areas(probabilities, labels, drawn[:, codes])
        parts.append(
            (*_accuracy_and_macro_f1(confusion), areas, np.abs(drawn @ sums).sum(axis=1) / np.maximum(images, 1))
        )
    found = {name: np.concatenate(values) for name, values in zip(SCORES, zip(*parts, strict=True), strict=True)}
    if units < 2:
        for values in found.values():
            values[1:] = np.nan  # one patient says nothing of others
    return found


def interval(values: Any) -> dict[str, float | None]:
    """The 95 % percentile interval of `[1 + draws]` scores or differences, the value itself first.

    Example:
        >>> interval([0.5, 0.4, 0.6, np.nan])
        {'value': 0.5, 'low': 0.405, 'high': 0.595}
    """
    values = np.asarray(values, np.float64)
    drawn = values[1:][np.isfinite(values[1:])]
    enough = len(drawn) > 1 and np.isfinite(values[0])
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if enough else (np.nan, np.nan)
    return {name: _plain(one) for name, one in zip(("value", "low", "high"), (values[0], low, high), strict=True)}


def bootstrap_difference(
    labels: Any,
    first: Any,
    second: Any,
    *,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, Any]:
    """Second minus first in accuracy, macro-F1, AUROC and ECE, with paired percentile bootstrap intervals.

    Both classifiers are scored on the same resampled images, or patients; see `drawn_scores`.

    Args:
        labels: `[N]` int.
        first: `[N, K]` probabilities of the first classifier.
        second: `[N, K']` probabilities of the second.
        groups: `[N]` the patient of each image, or None where every image stands alone.
        seed: of the resampling.
        draws: number of resamples.

    Returns:
        JSON values: for each of `SCORES` the `difference` and the bounds `low` and `high` of its 95 % interval; and
        `units`, how many images or groups were resampled.
    """
    both = [drawn_scores(one, labels, groups=groups, seed=seed, draws=draws) for one in (first, second)]
    units = len(np.asarray(labels)) if groups is None else len(set(groups))
    return {"units": units, "draws": draws, "level": LEVEL} | differences(*both)


def differences(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Second minus first of two `drawn_scores` with the same draws: for each score `difference`, `low` and `high`."""
    found: dict[str, Any] = {}
    for name in first:
        one = interval(second[name] - first[name])
        found[name] = {"difference": one["value"], "low": one["low"], "high": one["high"]}
    return found


def corrected_t_test(first: Any, second: Any, *, overlap: float = 0.0) -> dict[str, Any]:
    """Second minus first over repeated trainings: folds of a cross-validation, or seeds.

    The paired t-test takes the repeats for independent. They share training images, so it finds differences too often;
    Nadeau and Bengio multiply the variance of a repeat by `1/n + overlap` in place of `1/n`.

    Args:
        first: `[n]` scores of the first recipe, one for each repeat.
        second: `[n]` scores of the second, of the same repeats.
        overlap: images for test over images for training, of a repeat; 0: the plain paired t-test.

    Returns:
        JSON values: `difference`, `low` and `high` (95 %), `p_value`, `repeats`; None where there are fewer than two
        repeats or all differences are equal but for rounding.

    Raises:
        InputError: for scores of different numbers of repeats.

    Example:
        >>> found = corrected_t_test([0.80, 0.82, 0.81], [0.84, 0.85, 0.86])
        >>> round(found["difference"], 3), round(found["p_value"], 3)
        (0.04, 0.02)
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise InputError(f"scores must be of the same repeats, [n]; got {first.shape} and {second.shape}")
    each, n = second - first, len(first)
    mean = float(each.mean())
    found: dict[str, Any] = {"difference": mean, "low": None, "high": None, "p_value": None, "repeats": n}
    spread = float(each.std(ddof=1)) if n > 1 else 0.0
    rounding = 8 * float(np.finfo(np.float64).eps) * float(np.abs([first, second]).max())
    if spread <= rounding:
        return found
    error = spread * np.sqrt(1 / n + overlap)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    p_value = 2 * stats.t.sf(abs(mean) / error, n - 1)
    return found | {"low": float(mean - reach), "high": float(mean + reach), "p_value": float(p_value)}


def _accuracy_and_macro_f1(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`[R, K, K]` counts -> two `[R]`, as `scores_of_confusion` defines them."""
    hits = np.einsum("rkk->rk", confusion)
    sums = confusion.sum(axis=1) + confusion.sum(axis=2)
    occurs = sums > 0
    f1 = np.where(occurs, 2 * hits / np.maximum(sums, 1), 0.0)
    return hits.sum(axis=1) / confusion.sum(axis=(1, 2)), f1.sum(axis=1) / occurs.sum(axis=1)


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
