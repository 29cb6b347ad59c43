"""Would the ranking of the methods come out the same: Kendall's tau over masks, entropies and subsets of images.

Tau-b is 1 for the same order and -1 for the reverse; `(tau + 1) / 2` is about the share of pairs in the same order.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaijax.metrics._curves import Curves
from xaijax.metrics._groups import Groups, kept, one_of_each
from xaijax.metrics.statistics.pairs import check_values

SPLITS = 200
NONE = float("nan")


@dataclasses.dataclass(frozen=True)
class Stability:
    """How alike rankings of the same methods are.

    Attributes:
        over: what was varied: `"subsets"`, `"masks"`, `"entropies"` or another word of the caller.
        tau, low, high: mean of Kendall's tau-b over the pairs of rankings, and its 2.5 and 97.5 percentiles over them;
            they describe the spread and are no confidence interval.
        same_best: share of the pairs with the same best method (any one, where several tie).
        rankings: how many rankings were compared.
        n: images behind them.
        methods: how many methods were ranked.
        undefined: pairs without a tau, because all methods tie in one of the two rankings.
        note: why numbers are missing, or `""`.
    """

    over: str
    tau: float = NONE
    low: float = NONE
    high: float = NONE
    same_best: float = NONE
    rankings: int = 0
    n: int = 0
    methods: int = 0
    undefined: int = 0
    note: str = ""


def kendall_tau(a: Any, b: Any) -> float:
    """Kendall's tau-b of two lists of scores, NaN where one of them is all tied.

    Example:
        >>> kendall_tau([0.1, 0.5, 0.9], [1, 2, 4]), round(kendall_tau([0.1, 0.5, 0.9], [2, 1, 4]), 3)
        (1.0, 0.333)
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(a) < 2 or (a == a[0]).all() or (b == b[0]).all():
        return NONE
    return float(stats.kendalltau(a, b).statistic)


def agreement(
    rankings: Any,
    *,
    over: str,
    n: int = 0,
    higher_is_better: bool = True,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> Stability:
    """Compares rankings of the same methods.

    Args:
        rankings: `[R, M]` scores, one row per ranking, finite.
        over: what was varied, for the result.
        n: images behind each ranking, for the result.
        higher_is_better: which score is best.
        pairs: rows to compare; default: all pairs.

    Returns:
        A `Stability`; with fewer than three methods or two rankings its `note` says that there is no value.

    Raises:
        ValueError: for rankings that are not finite `[R, M]`.

    Example:
        >>> round(agreement([[1, 2, 3], [1, 2, 3], [1, 3, 2]], over="masks").tau, 3)
        0.556
    """
    table = np.asarray(rankings, np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"rankings must be [R, M] finite scores; got shape {table.shape}")
    count, methods = table.shape
    result = Stability(over, rankings=count, n=n, methods=methods)
    if methods < 3:
        return dataclasses.replace(result, note="fewer than three methods")
    if count < 2:
        return dataclasses.replace(result, note=f"fewer than two {over} to compare")
    chosen = list(itertools.combinations(range(count), 2)) if pairs is None else list(pairs)
    signed = table if higher_is_better else -table
    best = signed == signed.max(axis=1, keepdims=True)
    taus = np.asarray([kendall_tau(table[i], table[j]) for i, j in chosen])
    same = float(np.mean([(best[i] & best[j]).any() for i, j in chosen]))
    there = taus[~np.isnan(taus)]
    undefined = int(np.isnan(taus).sum())
    if not len(there):
        return dataclasses.replace(result, undefined=undefined, note="all methods tie")
    low, high = np.quantile(there, [0.025, 0.975])
    return dataclasses.replace(
        result, tau=float(there.mean()), low=float(low), high=float(high), same_best=same, undefined=undefined
    )


def over_subsets(
    values: Any,
    names: Sequence[str],
    *,
    groups: Groups | None = None,
    higher_is_better: bool = True,
    splits: int = SPLITS,
    seed: int = 0,
) -> Stability:
    """Rankings by the mean over one random half of the images and over the other half.

    Args:
        values: `[images, methods]`, NaN where there is no value; images where any method has none are left out.
        names: of the methods.
        groups: `[images]` what belongs together, as in `compare_pairs`; a group is in one half.
        higher_is_better: which score is best.
        splits: how many times the images are split in halves.
        seed: of the splits.

    Returns:
        A `Stability` over the splits; `n` counts all complete images. With fewer than four there is no value.

    Example:
        >>> values = np.arange(3.0) + np.zeros((8, 1))
        >>> over_subsets(values, ["a", "b", "c"]).tau
        1.0
    """
    table = check_values(values, names)
    complete = ~np.isnan(table).any(axis=1)
    rows = one_of_each(table[complete], kept(groups, complete))
    if len(rows) < 4:
        note = "fewer than four images have a value for every method"
        return Stability("subsets", n=len(rows), methods=len(names), note=note)
    rng = np.random.default_rng(seed)
    means: list[NDArray[np.float64]] = []
    for _ in range(splits):
        order = rng.permutation(len(rows))
        half = len(rows) // 2
        means += [rows[order[:half]].mean(axis=0), rows[order[half : 2 * half]].mean(axis=0)]
    pairs = [(2 * i, 2 * i + 1) for i in range(splits)]
    return agreement(np.stack(means), over="subsets", n=len(rows), higher_is_better=higher_is_better, pairs=pairs)


def over_masks(curves: Curves, metric: str, methods: Sequence[str]) -> Stability:
    """Rankings of AIC or SIC by each of the random masks, over the images that have a curve for every mask and method.

    Args:
        curves: from `evaluate(..., settings={"pic": {"random_masks": N}})`.
        metric: for example `"sic_mutual"`.
        methods: to rank.

    Returns:
        A `Stability` over the pairs of masks; without a second mask it has no value.
    """
    chosen = curves.paired().select(metric=metric)
    chosen = chosen.take(np.isin(chosen.method.astype(str), list(methods)))
    draws = sorted(set(chosen.draw.tolist()))
    images = list(dict.fromkeys(chosen.image))
    place = {name: i for i, name in enumerate(images)}, {name: i for i, name in enumerate(methods)}
    table = np.full((len(draws), len(images), len(methods)), np.nan)
    for image, method, draw, auc in zip(chosen.image, chosen.method, chosen.draw, chosen.auc, strict=True):
        table[draws.index(draw), place[0][image], place[1][method]] = auc
    complete = ~np.isnan(table).any(axis=(0, 2))
    if len(draws) < 2 or not complete.any():
        note = "fewer than two masks to compare" if len(draws) < 2 else "no image has a curve for every mask and method"
        return Stability("masks", rankings=len(draws), methods=len(methods), note=note)
    return agreement(table[:, complete].mean(axis=1), over="masks", n=int(complete.sum()))


def over_metrics(tables: Sequence[tuple[Any, Any]], *, over: str, methods: int) -> Stability:
    """Rankings of the same methods by several metrics, over the images that all of them could score.

    Args:
        tables: one pair (images, `[images, methods]` values) per metric; higher is better in all of them.
        over: what was varied, for the result.
        methods: number of methods.

    Returns:
        A `Stability` over the pairs of metrics.
    """
    given = [(np.asarray(images), np.asarray(values, np.float64)) for images, values in tables]
    complete = [(images[good], table[good]) for images, table in given for good in [~np.isnan(table).any(axis=1)]]
    shared = complete[0][0] if complete else np.zeros(0)
    for images, _ in complete[1:]:
        shared = shared[np.isin(shared, images)]
    if len(tables) < 2 or not len(shared):
        few = f"fewer than two {over} to compare"
        note = few if len(tables) < 2 else f"no image has a value for every method by all {over}"
        return Stability(over, rankings=len(tables), methods=methods, note=note)
    means = np.stack([_rows(images, table, shared).mean(axis=0) for images, table in complete])
    return agreement(means, over=over, n=len(shared))


def _rows(images: NDArray[Any], table: NDArray[np.float64], wanted: NDArray[Any]) -> NDArray[np.float64]:
    """The rows of some images, in the order of these."""
    order = np.argsort(images, kind="stable")
    return np.ascontiguousarray(table[order[np.searchsorted(images, wanted, sorter=order)]])
