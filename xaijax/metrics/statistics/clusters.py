"""Means with intervals where several images belong together: the images of a patient are not independent."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaijax.metrics._interval import DRAWS, LEVEL, widened

MOST = 5000
"""Clusters up to which they are drawn; of more the interval is that of the normal approximation."""


class ClusterMeans(NamedTuple):
    """Means of several columns of values.

    Attributes:
        mean: `[C]` over the values of a column; NaN where there is none.
        low, high: `[C]` bounds of the interval; NaN for fewer than two clusters with a value.
        n: `[C]` values.
        clusters: `[C]` clusters with a value.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]


def cluster_means(
    values: Any,
    clusters: Any,
    *,
    ends: Sequence[float | None] = (),
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> ClusterMeans:
    """Means over images, with percentile bootstrap intervals for which whole clusters are drawn.

    All columns see the same draws. With more than `MOST` clusters the interval is mean ± z times the cluster-robust
    standard error, which is the same to rounding there.

    Args:
        values: `[N, C]`, NaN where an image has no value.
        clusters: `[N]` what each image belongs to, such as its patient.
        ends: the lowest and the highest possible value, as in `mean_interval`.
        seed: of the draws.
        draws: number of resamples.
        level: coverage, between 0 and 1.

    Returns:
        `ClusterMeans`.

    Raises:
        ValueError: for shapes that do not fit.

    References:
        Field and Welsh, "Bootstrapping clustered data", JRSS B 2007 (cluster bootstrap of the mean).

    Example:
        >>> found = cluster_means([[0.0], [1.0], [1.0], [0.0]], ["a", "a", "b", "b"])
        >>> found.mean.tolist(), found.low.tolist(), found.clusters.tolist()
        ([0.5], [0.5], [2])
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 2 or len(array) != len(clusters):
        raise ValueError(f"values must be [N, C] with N clusters; got {array.shape} and {len(clusters)}")
    place = {name: at for at, name in enumerate(dict.fromkeys(clusters))}
    member = np.array([place[name] for name in clusters], np.int64)
    there = ~np.isnan(array)
    sums, sizes = np.zeros((len(place), array.shape[1])), np.zeros((len(place), array.shape[1]))
    np.add.at(sums, member, np.where(there, array, 0.0))
    np.add.at(sizes, member, there)
    n, held = there.sum(axis=0), (sizes > 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.sum(axis=0) / sizes.sum(axis=0)
        if len(place) > MOST:
            # Residuals of the ratio of sums, cluster by cluster.
            spread = sums - mean * sizes
            error = np.sqrt((spread**2).sum(axis=0) * held / (held - 1)) / sizes.sum(axis=0)
            reach = stats.norm.ppf((1 + level) / 2) * error
            low, high = mean - reach, mean + reach
        else:
            drawn = np.random.default_rng(seed).multinomial(
                len(place), np.full(len(place), 1 / max(len(place), 1)), draws
            )
            means = (drawn @ sums) / (drawn @ sizes)  # NaN where a draw has no value
            low, high = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
            for column in np.flatnonzero(held > 1):
                known = means[:, column][~np.isnan(means[:, column])]
                low[column], high[column] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    for column in np.flatnonzero(held > 1):
        own = array[there[:, column], column]
        if np.ptp(own) == 0:
            low[column], high[column] = widened(low[column], high[column], float(own[0]), int(held[column]), ends)
    few = held < 2
    return ClusterMeans(mean, np.where(few, np.nan, low), np.where(few, np.nan, high), n, held)
