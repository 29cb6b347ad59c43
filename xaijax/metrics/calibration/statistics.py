"""What the values of a metric say, case by case: concordance, tau, texture share, random dominance, twins.

Values are `[cases, textures, levels]`, higher = better (turn the sign of the others), NaN where there is none; the
levels ascend from a = 0, where all textures have the same map. Each function gives one number per case, NaN where no
comparison was possible; means and intervals over cases are `bootstrap`'s.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TIE = 1e-9
"""Relative difference up to which two values are equal: sums of the same numbers in another order differ by less."""


def compare(first: Any, second: Any) -> Floats:
    """1 where the first value is larger, 1/2 at a tie, 0 where it is smaller, NaN where one is missing.

    Example:
        >>> compare([2.0, 1.0, 1.0, np.nan], [1.0, 1.0 + 1e-15, 3.0, 0.0]).tolist()
        [1.0, 0.5, 0.0, nan]
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    result = np.where(a > b, 1.0, 0.0)
    with np.errstate(invalid="ignore"):  # infinity ties with itself
        near = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= TIE * np.maximum(np.abs(a), np.abs(b)))
    result[near | (a == b)] = 0.5
    result[np.isnan(a) | np.isnan(b)] = np.nan
    return result


def _mean(values: Floats) -> Floats:
    """`[n, ...]` -> `[n]`: means of what is there."""
    flat = values.reshape(len(values), -1)
    count = (~np.isnan(flat)).sum(axis=1)
    return np.divide(np.nansum(flat, axis=1), count, out=np.full(len(flat), np.nan), where=count > 0)


def concordance(values: Any) -> Floats:
    """P(the map with less noise is better) + P(tie)/2, over all pairs of different textures and levels a < a'.

    Args:
        values: `[n, textures, levels]`.

    Returns:
        `[n]` in [0, 1]; 0.5 for a metric that knows nothing.

    Example:
        >>> concordance([[[3.0, 2.0], [3.0, 1.0]]]).tolist(), concordance([[[1.0, 1.0], [1.0, 1.0]]]).tolist()
        ([1.0], [0.5])
    """
    q = np.asarray(values, np.float64)
    different = ~np.eye(q.shape[1], dtype=bool)
    pairs = [
        compare(*np.broadcast_arrays(q[:, :, None, low], q[:, None, :, high]))[:, different]
        for low in range(q.shape[2])
        for high in range(low + 1, q.shape[2])
    ]
    return _mean(np.concatenate(pairs, axis=1))


def tau(values: Any) -> Floats:
    """Kendall's tau-b between the share of truth and the value, within each texture, mean over the textures.

    A texture whose values are all equal counts as 0; one with a missing value is left out.

    Args:
        values: `[n, textures, levels]`.

    Returns:
        `[n]` in [-1, 1].

    Example:
        >>> tau([[[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]]).round(3).tolist()
        [0.667]
    """
    q = np.asarray(values, np.float64)
    low, high = np.triu_indices(q.shape[2], 1)
    signs = 2 * compare(q[:, :, low], q[:, :, high]) - 1
    untied = (signs != 0).sum(axis=2)
    total = signs.sum(axis=2)
    found = np.divide(total, np.sqrt(untied * len(low)), out=np.zeros(total.shape), where=untied > 0)
    return _mean(np.where(np.isnan(total), np.nan, found))


def texture_share(values: Any) -> Floats:
    """Share of the variation that a does not explain: `1 - SS_a/SS_total` of the table of textures and levels.

    Args:
        values: `[n, textures, levels]`.

    Returns:
        `[n]` in [0, 1]; NaN for a table with a missing value or without variation.

    Example:
        >>> texture_share([[[3.0, 2.0], [3.0, 2.0]], [[1.0, 1.0], [3.0, 3.0]]]).tolist()
        [0.0, 1.0]
    """
    q = np.asarray(values, np.float64)
    # By powers of two, so that no square vanishes or overflows.
    exponents = np.frexp(np.abs(q).max(axis=(1, 2), keepdims=True))[1]
    q = np.ldexp(q, -np.where(np.isfinite(q).all(axis=(1, 2), keepdims=True), exponents, 0))
    mean = q.mean(axis=(1, 2), keepdims=True)
    total = ((q - mean) ** 2).sum(axis=(1, 2))
    levels = q.shape[1] * ((q.mean(axis=1) - mean[:, 0]) ** 2).sum(axis=1)
    size = np.abs(q).max(axis=(1, 2)) * TIE
    share = np.divide(levels, total, out=np.full(len(q), np.nan), where=total > q.shape[1] * q.shape[2] * size**2)
    return np.asarray(np.clip(1 - share, 0, 1))


def random_dominance(values: Any) -> tuple[Floats, NDArray[np.intp]]:
    """Whether the best texture without truth is at least as good as the truth, and which texture is the best.

    A metric that knows nothing has k/(k + 1) for k textures.

    Args:
        values: `[n, textures, levels]`, the first level the truth, the last one texture alone.

    Returns:
        `[n]` 1, 0 or NaN; `[n]` the number of the best texture, -1 where there is none.

    Example:
        >>> [part.tolist() for part in random_dominance([[[2.0, 1.0], [2.0, 3.0]]])]
        [[1.0], [1]]
    """
    q = np.asarray(values, np.float64)
    noise = np.where(np.isnan(q[:, :, -1]), -np.inf, q[:, :, -1])
    best, truth = noise.argmax(axis=1), q[:, 0, 0]
    there = np.isfinite(noise.max(axis=1)) & ~np.isnan(truth)
    top = np.where(there, noise[np.arange(len(q)), best], np.nan)
    found = compare(truth, top)
    return np.where(there, (found < 1).astype(np.float64), np.nan), np.where(there, best, -1)


def twin(values: Any, rolled: Any) -> Floats:
    """D: P(the map is better than its twin) + P(tie)/2.

    Args:
        values: `[n, maps]`.
        rolled: `[n, maps]`, of the same maps in the wrong place.

    Returns:
        `[n]` in [0, 1].

    Example:
        >>> twin([[2.0, 1.0]], [[1.0, 1.0]]).tolist()
        [0.75]
    """
    return _mean(compare(values, rolled))
