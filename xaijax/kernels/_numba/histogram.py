"""Histograms by binary search in NumPy's own bin edges."""

import numba
import numpy as np


def edges_of(values: np.ndarray, bins: int, value_range: tuple[float, float] | None) -> np.ndarray | None:
    """`np.histogram_bin_edges`, or None where NumPy refuses (not finite, or too many bins for the range).

    NumPy 2.0 does not refuse the latter: its edges are then equal to their neighbours.
    """
    try:
        with np.errstate(all="ignore"):
            edges = np.histogram_bin_edges(values, bins, value_range)
    except ValueError:
        return None
    return edges if np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all() else None


@numba.njit(nogil=True)
def bins_of(values, edges, clamp):  # type: ignore[no-untyped-def]
    """The bin of each value; outside: the edge bin if `clamp`, else -1."""
    last = len(edges) - 2
    found = np.empty(len(values), np.int64)
    for i in range(len(values)):
        value = values[i]
        if value < edges[0]:
            found[i] = 0 if clamp else -1
        elif value > edges[last + 1]:
            found[i] = last if clamp else -1
        else:
            low, high = 0, last
            while low < high:  # the last edge that is not above the value
                middle = (low + high + 1) // 2
                if edges[middle] <= value:
                    low = middle
                else:
                    high = middle - 1
            found[i] = low
    return found


def entropy_of_counts(counts: np.ndarray) -> float:
    """`-Σ p log2 p` in bits; NaN when nothing was counted."""
    total = counts.sum()
    if total == 0:
        return float("nan")
    p = counts[counts > 0] / total
    return float(-(p * np.log2(p)).sum()) + 0.0
