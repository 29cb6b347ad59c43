"""Shapley values of a few players, by enumeration of all coalitions.

References:
    Shapley, "A Value for n-Person Games", 1953.
"""

from collections.abc import Callable
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray


def coalitions(players: int) -> NDArray[np.bool_]:
    """`[2^players, players]`: who takes part; row i is the binary number i, the first player its lowest digit.

    Example:
        >>> coalitions(2).astype(int).tolist()
        [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1


def shapley_values(worth: Any) -> NDArray[np.float64]:
    """Shapley values from the worth of every coalition.

    `φ_i = Σ_S |S|! (n - |S| - 1)!/n! (v(S ∪ i) - v(S))` over the coalitions S without i.

    Args:
        worth: `[2^n]`, in the order of `coalitions`.

    Returns:
        `[n]`; they sum to `v(all) - v(none)`.

    Example:
        >>> shapley_values([0.0, 1.0, 2.0, 3.0]).tolist(), shapley_values([0.0, 0.0, 0.0, 1.0]).tolist()
        ([1.0, 2.0], [0.5, 0.5])
    """
    v = np.asarray(worth, np.float64)
    n = len(v).bit_length() - 1
    if n < 1 or v.shape != (2**n,):
        raise ValueError(f"worth must be [2^n] for n players; got shape {v.shape}")
    members = coalitions(n)
    sizes = members.sum(axis=1)
    weights = np.array([factorial(s) * factorial(n - s - 1) / factorial(n) if s < n else 0.0 for s in range(n + 1)])
    index = np.arange(2**n)
    return np.array(
        [
            (weights[sizes[~members[:, i]]] * (v[index[~members[:, i]] | (1 << i)] - v[~members[:, i]])).sum()
            for i in range(n)
        ]
    )


def values_of(game: Callable[[NDArray[np.float64]], Any], present: Any, absent: Any) -> NDArray[np.float64]:
    """Shapley values of a function of n numbers, which are `present[i]` where i takes part and else `absent[i]`.

    Args:
        game: from `[coalitions, n]` to `[coalitions]`.
        present, absent: `[n]` each.

    Example:
        >>> values_of(lambda z: z.min(axis=1), [3.0, 5.0], [0.0, 0.0]).tolist()
        [1.5, 1.5]
    """
    on, off = np.asarray(present, np.float64), np.asarray(absent, np.float64)
    return shapley_values(game(np.where(coalitions(len(on)), on, off)))
