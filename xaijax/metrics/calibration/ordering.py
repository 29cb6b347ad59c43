"""The order of cases: whichever first part of them is scored, it is balanced over constructions and classes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax.metrics.calibration.case import Case


def balanced(labels: NDArray[Any], rng: np.random.Generator) -> list[int]:
    """All positions, the classes in turn.

    Example:
        >>> labels = np.array([0, 0, 0, 1])
        >>> labels[balanced(labels, np.random.default_rng(0))].tolist()
        [0, 1, 0, 0]
    """
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), int)
    for label in np.unique(labels):
        same = order[labels[order] == label]
        rank[same] = np.arange(len(same))
    return [int(i) for i in np.lexsort((labels, rank))]


def in_turn(found: Mapping[Any, Sequence[Case]] | Iterable[Sequence[Case]]) -> tuple[Case, ...]:
    """The cases of all constructions, one of each in turn, numbered from 0."""
    each = list(found.values() if isinstance(found, Mapping) else found)
    longest = max((len(some) for some in each), default=0)
    cases = [some[i] for i in range(longest) for some in each if i < len(some)]
    return tuple(replace(case, number=number) for number, case in enumerate(cases))
