"""One value for what belongs together: the findings of one image, the images of one patient.

Tests take their values for independent, and such values are not: under the null hypothesis a test that counted each of
three findings that rise and fall together would find a difference far more often than its level. One value per image
or patient is independent of the others, whatever the correlation within them.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Groups = Sequence[Hashable] | NDArray[np.int64]
"""What rows belong to: names, or numbers."""


def one_of_each(values: Any, groups: Groups | None) -> NDArray[np.float64]:
    """The mean of the rows of each group.

    Args:
        values: `[N, ...]`, finite.
        groups: `[N]` what each row belongs to; None where every row stands alone.

    Returns:
        `[G, ...]` float64, in the order in which the groups first appear; the rows themselves where each is a group of
        its own.

    Raises:
        ValueError: for another number of groups than of rows.

    Example:
        >>> one_of_each([1.0, 3.0, 5.0], ["a", "a", "b"]).tolist()
        [2.0, 5.0]
    """
    table = np.asarray(values, np.float64)
    if groups is None:
        return table
    _check(groups, len(table))
    member, count = numbered(groups)
    if count == len(table):
        return table
    sums = np.zeros((count, *table.shape[1:]))
    np.add.at(sums, member, table)
    return np.asarray(sums / np.bincount(member).reshape(-1, *(1 for _ in table.shape[1:])))


def numbered(groups: Groups) -> tuple[NDArray[np.int64], int]:
    """Groups as numbers in the order of their first appearance, and how many there are.

    Example:
        >>> member, count = numbered(["b", "a", "b"])
        >>> member.tolist(), count
        ([0, 1, 0], 2)
    """
    if not isinstance(groups, np.ndarray):
        place: dict[Any, int] = {}
        member = np.array([place.setdefault(name, len(place)) for name in groups], np.int64)
        return member, len(place)
    if (np.diff(groups) > 0).all():  # each row is a group of its own
        return np.arange(len(groups)), len(groups)
    _, first, found = np.unique(groups, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), np.int64)
    numbers[np.argsort(first, kind="stable")] = np.arange(len(first))
    return numbers[found], len(first)


def _check(groups: Groups | None, count: int) -> None:
    if groups is not None and len(groups) != count:
        raise ValueError(f"groups must name what each of the {count} rows belongs to; got {len(groups)} names")


def kept(groups: Groups | None, rows: Any) -> Any:
    """The groups of some rows: `[N]` groups, `[N]` bool -> as many as are true.

    Raises:
        ValueError: for another number of groups than of rows.
    """
    _check(groups, len(rows))
    if isinstance(groups, np.ndarray):
        return groups[rows]
    return None if groups is None else [name for name, there in zip(groups, rows, strict=True) if there]
