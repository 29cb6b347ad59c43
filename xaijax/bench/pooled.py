"""Several models on the same images: their scores side by side, and the mean over models as one more model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xaijax.bench.columns import NO_ROW, Columns
from xaijax.metrics.scores import Curves

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Pooled:
    """The mean over models as one more model: a value only where every model has one; see `ScoreTable`.

    Args:
        models: their scores.
    """

    models: Sequence[Columns]
    curves: Curves = dataclasses.field(default_factory=Curves)

    def metrics(self) -> list[str]:
        """The metrics that all models have."""
        return [metric for metric in self.models[0].metrics() if all(metric in one.metrics() for one in self.models)]

    def methods(self) -> list[str]:
        """The methods, in order of first appearance."""
        return self.models[0].methods()

    def matrix(self, metric: str) -> tuple[Any, list[str], Floats]:
        """One metric over the rows that all models have for a method."""
        methods, values, there = aligned(self.models, metric)
        every = np.asarray(there.all(axis=0))
        used = np.asarray(every.any(axis=0))
        rows = np.flatnonzero(every.any(axis=1))
        mean = np.where(every, np.add.reduce(values, axis=0) / len(values), np.nan)
        return (
            rows,
            [name for name, one in zip(methods, used, strict=True) if one],
            np.ascontiguousarray(mean[np.ix_(rows, used)]),
        )


def aligned(models: Sequence[Columns], metric: str) -> tuple[list[str], Floats, NDArray[np.bool_]]:
    """The values of several models for the same images, in the order in which these first appear.

    Returns:
        `(methods, values [models, rows, methods], there [models, rows, methods])`; the methods are those of the first
        model, then those of others.
    """
    tables = []
    for one in models:
        rows, methods, values = one.matrix(metric)
        codes, _ = one.reasons(metric)
        names = one.names()
        tables.append((names if len(rows) == len(names) else names.take(pa.array(rows)), methods, values, codes))
    methods = list(dict.fromkeys(name for _, own, _, _ in tables for name in own))
    first = tables[0][0]
    same = all(names.equals(first) for names, *_ in tables)
    every = first if same else pa.concat_arrays([names for names, *_ in tables]).unique()
    values = np.full((len(models), len(every), len(methods)), np.nan)
    there = np.zeros(values.shape, bool)
    for number, (names, own, numbers, codes) in enumerate(tables):
        place = np.arange(len(every)) if same else np.asarray(pc.index_in(names, every), np.int64)
        at = np.array([methods.index(name) for name in own], np.int64)
        values[number][np.ix_(place, at)] = numbers
        there[number][np.ix_(place, at)] = codes != NO_ROW
    return methods, values, there
