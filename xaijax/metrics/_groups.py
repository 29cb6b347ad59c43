"""One value for what belongs together: the findings of one image, the images of one patient.

Tests take their values for independent, and such values are not: under the null hypothesis a test that counted each of
three findings that rise and fall together would find a difference far more often than its level. One value per image
or patient is independent of the others, whatever the correlation within them.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.scores import Scores


def one_of_each(values: Any, groups: Sequence[Hashable] | None) -> NDArray[np.float64]:
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
    place = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    if len(place) == len(table):
        return table
    member = np.array([place[name] for name in groups])
    sums = np.zeros((len(place), *table.shape[1:]))
    np.add.at(sums, member, table)
    return np.asarray(sums / np.bincount(member).reshape(-1, *(1 for _ in table.shape[1:])))


def _check(groups: Sequence[Hashable] | None, count: int) -> None:
    if groups is not None and len(groups) != count:
        raise ValueError(f"groups must name what each of the {count} rows belongs to; got {len(groups)} names")


def kept(groups: Sequence[Hashable] | None, rows: Any) -> list[Hashable] | None:
    """The groups of some rows: `[N]` groups, `[N]` bool -> as many as are true.

    Raises:
        ValueError: for another number of groups than of rows.
    """
    _check(groups, len(rows))
    return None if groups is None else [name for name, there in zip(groups, rows, strict=True) if there]


def units(scores: Scores, metric: str, patients: Mapping[str, Any]) -> list[Hashable]:
    """What each row of `scores.matrix(metric)` belongs to: its patient, or else its image.

    Example:
        >>> rows = [("a", "cam", "iou", 0.5, "", "mass"), ("a", "cam", "iou", 0.2, "", "nodule")]
        >>> units(Scores.from_rows(rows), "iou", {})
        [(False, 'a'), (False, 'a')]
    """
    images = scores.images_of(metric)
    return [(True, patients[image]) if image in patients else (False, image) for image in images]
