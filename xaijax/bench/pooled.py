"""Several models on the same images: their scores side by side, and the mean over models as one more model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xaijax.bench.columns import NO_ROW, Columns, units_of
from xaijax.metrics._curves import Curves

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
        methods, values, there, _ = aligned(self.models, metric)
        every = np.asarray(there.all(axis=0))
        used = np.asarray(every.any(axis=0))
        rows = np.flatnonzero(every.any(axis=1))
        mean = np.where(every, np.add.reduce(values, axis=0) / len(values), np.nan)
        return (
            rows,
            [name for name, one in zip(methods, used, strict=True) if one],
            np.ascontiguousarray(mean[np.ix_(rows, used)]),
        )

    def units(self, metric: str, patients: Mapping[str, Any] | None = None) -> NDArray[np.int64]:
        """What each row of `matrix(metric)` belongs to, as a number: its patient, or else its image."""
        _, _, there, images = aligned(self.models, metric)
        rows = np.flatnonzero(np.asarray(there.all(axis=0)).any(axis=1))
        return units_of(images.take(pa.array(rows)), patients)


def aligned(models: Sequence[Columns], metric: str) -> tuple[list[str], Floats, NDArray[np.bool_], pa.Array]:
    """The values of several models for the same rows, in the order in which these first appear.

    Returns:
        `(methods, values [models, rows, methods], there [models, rows, methods], images [rows])`; the methods are those
        of the first model, then those of others.
    """
    tables = []
    for one in models:
        rows, methods, values = one.matrix(metric)
        codes, _ = one.reasons(metric)
        take = pa.array(rows)
        tables.append((one.names().take(take), one.images().take(take), methods, values, codes))
    methods = list(dict.fromkeys(name for _, _, own, _, _ in tables for name in own))
    first, images, *_ = tables[0]
    same = all(names.equals(first) for names, *_ in tables)
    every = first
    if not same:
        all_names = pa.concat_arrays([names for names, *_ in tables])
        every = all_names.unique()
        images = pa.concat_arrays([own for _, own, *_ in tables]).take(pc.index_in(every, all_names))
    found = np.full((len(models), len(every), len(methods)), np.nan)
    there = np.zeros(found.shape, bool)
    for number, (names, _, own, numbers, codes) in enumerate(tables):
        place = np.arange(len(every)) if same else np.asarray(pc.index_in(names, every), np.int64)
        at = np.array([methods.index(name) for name in own], np.int64)
        found[number][np.ix_(place, at)] = numbers
        there[number][np.ix_(place, at)] = codes != NO_ROW
    return methods, found, there, images
