"""The curves behind scores, from the tables of a run's parts: what is said of them, and the lines of the figures.

Curves are read from at most 10,000 images of a model, evenly from all its parts: a figure and a share need no more,
and their points would be most of what is read. Scores and tables are of all images.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xaijax import plot
from xaijax.bench.store import Store, paired, together
from xaijax.metrics._curves import Curves
from xaijax.metrics.pic_curve import area, positions, read_curve

IMAGES = 10_000
"""Images of a model whose curves are read."""

Lines = dict[tuple[str, str], dict[str, plot.MeanCurve]]


def sampled(parts: Sequence[str], images: int) -> list[str]:
    """Some of the parts of a model, evenly, with about as many images as are read.

    Args:
        parts: their names.
        images: in all of them.

    Example:
        >>> sampled(["0", "1", "2", "3"], 20_000)
        ['0', '2']
    """
    step = max(1, -(-images // IMAGES))
    return list(parts[::step])


def table_of(store: Store, parts: Iterable[str], folder: str, model: str, metric: str | None = None) -> pa.Table:
    """The curves or responses of a model in some parts, of one metric where it is named; findings are in the names."""
    table = together([store.part(name) for name in parts], folder)
    keep = pc.equal(table["model"], model)
    return paired(table.filter(keep if metric is None else pc.and_(keep, pc.equal(table["metric"], metric))))


def without_points(table: pa.Table) -> Curves:
    """The information and the response behind the curves of a model, and areas where there are several random masks."""
    count = table.num_rows
    if not count:
        return Curves()
    draws = table["draw"].to_numpy()
    areas = np.full(count, np.nan)
    if draws.max() > 0:
        points = zip(lists(table["position"]), lists(table["value"]), strict=True)
        areas = np.array([float(area(read_curve(x, y))) for x, y in points])
    names = pc.binary_join_element_wise(table["curve"], table["entropy"], "_")
    nothing = np.zeros((count, 0))
    return Curves(
        _objects(table["image"]),
        _objects(table["method"]),
        _objects(names),
        np.asarray(draws, np.int64),
        areas,
        nothing,
        nothing,
        np.stack(lists(table["information"])),
        np.stack(lists(table["response"])),
    )


def mean_lines(table: pa.Table) -> Lines:
    """{(information measure, kind): {method: its line}} of a model: first over an image's random masks, then over
    images, so that its area is the table's mean."""
    read: dict[tuple[str, str], dict[str, dict[str, list[int]]]] = {}
    names = ("entropy", "curve", "method", "image")
    for row, (measure, kind, method, image) in enumerate(zip(*(table[n].to_pylist() for n in names), strict=True)):
        read.setdefault((measure, kind), {}).setdefault(method, {}).setdefault(image, []).append(row)
    x, y = lists(table["position"]), lists(table["value"])
    found: Lines = {}
    for key, methods in read.items():
        for method, images in methods.items():
            total = np.zeros(len(positions()))
            for rows in images.values():
                total += np.mean([read_curve(x[row], y[row]) for row in rows], axis=0)
            mean = total / len(images)
            line = plot.MeanCurve(positions(), mean, None, None, len(images), float(area(mean)))
            found.setdefault(key, {})[method] = line
    return found


def response_lines(table: pa.Table, *, seed: int = 0) -> dict[str, dict[str, plot.MeanCurve]]:
    """{metric: {method: its line}} of a model, from its table of responses."""
    rows: dict[tuple[str, str], list[int]] = {}
    lengths = pc.list_value_length(table["fraction"]).to_pylist()
    names = zip(table["metric"].to_pylist(), table["method"].to_pylist(), lengths, strict=True)
    for row, (metric, method, length) in enumerate(names):
        if length:
            rows.setdefault((metric, method), []).append(row)
    x, y, areas = lists(table["fraction"]), lists(table["value"]), table["area"].to_numpy()
    found: dict[str, dict[str, plot.MeanCurve]] = {}
    for (metric, method), own in rows.items():
        line = plot.mean_curve([x[i] for i in own], [y[i] for i in own], areas[own], seed=seed)
        found.setdefault(metric, {})[method] = line
    return found


def lists(column: pa.ChunkedArray) -> list[NDArray[np.float64]]:
    """The lists of a column as arrays, without a copy of their numbers."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    numbers, ends = array.values.to_numpy(), array.offsets.to_numpy()
    return [numbers[start:end] for start, end in itertools.pairwise(ends)]


def _objects(column: Any) -> NDArray[np.object_]:
    found = np.empty(len(column), object)
    found[:] = column.to_pylist()
    return found


def counts(lines: Mapping[str, plot.MeanCurve]) -> int:
    """Of how many images a figure's lines are, at most."""
    return max(line.images for line in lines.values())
