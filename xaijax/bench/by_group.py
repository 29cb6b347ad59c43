"""Scores by class, finding, sex, site, scanner and patient; images of one patient are drawn together.

groups.csv   model, method, metric, group, value, mean, low, high, n, clusters (patients, or images where none is known)
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax._runs import tables
from xaijax.bench.columns import Columns
from xaijax.bench.groups import PATIENT
from xaijax.bench.results import describe
from xaijax.metrics import METRICS, ORACLE
from xaijax.metrics.statistics import cluster_means
from xaijax.plot import _style as style

MOST = 40
"""Values of a group up to which it has a table."""
ALL, CLASS, FINDING = "all images", "class", "finding"


@dataclasses.dataclass(frozen=True)
class GroupRow:
    """Mean of a metric of a method over the images of one value of a group, with the 95 % interval by clusters."""

    model: str
    method: str
    metric: str
    group: str
    value: str
    mean: float
    low: float
    high: float
    n: int
    clusters: int


def by_group(
    models: Mapping[str, Columns], groups: pa.Table, classes: Iterable[str], *, seed: int = 0
) -> tuple[list[GroupRow], list[str]]:
    """The means of a run by class and group.

    Args:
        models: model -> its scores.
        groups: of all parts, of schema `GROUPS`.
        classes: of the data, in their order.
        seed: of the bootstrap.

    Returns:
        The rows, and sentences on groups that are left out.
    """
    belong: dict[str, dict[str, str]] = {}
    for image, group, value in zip(*(groups[name].to_pylist() for name in groups.column_names), strict=True):
        belong.setdefault(group, {})[image] = value
    patients = belong.get(PATIENT, {})
    rows: list[GroupRow] = []
    said: dict[str, None] = {}
    for model, scores in models.items():
        every = scores.images().to_pylist()
        for metric in scores.metrics():  # one after the other: a run may have a million images
            places, methods, values = scores.matrix(metric)
            images = [every[place] for place in places]
            clusters = np.array([patients.get(image, f"image {image}") for image in images], object)
            codes, there = scores.classes(places)
            names = np.array([*there, ""], object)[codes]  # -1, not known, is the last
            found: dict[str, tuple[np.ndarray, list[str]]] = {}
            if patients:
                found[ALL] = np.full(len(images), ALL, object), [ALL]
            found |= _dimension(FINDING if scores.by_finding else CLASS, names, [*classes, *there], said)
            for group, values_of in belong.items():
                of_image = np.array([values_of.get(image, "") for image in images], object)
                found |= _dimension(group, of_image, sorted(set(of_image), key=_natural), said)
            for group, (of_image, order) in found.items():
                for value in order:
                    keep = of_image == value
                    rows += _rows(model, metric, methods, group, value, values[keep], clusters[keep], seed)
    return rows, list(said)


def _dimension(
    group: str, of_image: np.ndarray, order: Iterable[str], said: dict[str, None]
) -> dict[str, tuple[np.ndarray, list[str]]]:
    """The values of a group that has a table, in their order; nothing where it tells no images apart."""
    there = set(of_image) - {""}
    if len(there) > MOST:
        said[f"There is no table by {group}: it has {len(there)} values, more than {MOST}."] = None
    if not 1 < len(there) <= MOST:
        return {}
    return {group: (of_image, [value for value in dict.fromkeys(order) if value in there])}


def _rows(
    model: str,
    metric: str,
    methods: Sequence[str],
    group: str,
    value: str,
    values: np.ndarray,
    clusters: np.ndarray,
    seed: int,
) -> Iterator[GroupRow]:
    ends = METRICS[metric].range if metric in METRICS else ()
    found = cluster_means(values, clusters, ends=ends, seed=seed)
    for method, mean, low, high, n, count in zip(methods, *found, strict=True):
        yield GroupRow(model, method, metric, group, value, float(mean), float(low), float(high), int(n), int(count))


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers by size, then texts."""
    try:
        number = float(text)
    except ValueError:
        return 1, 0.0, text
    return (0, number, text) if math.isfinite(number) else (1, 0.0, text)


def to_csv(rows: Sequence[GroupRow]) -> str:
    """The rows as CSV text."""
    return tables.to_csv(
        [dataclasses.asdict(row) for row in rows], [field.name for field in dataclasses.fields(GroupRow)]
    )


def shown(rows: Sequence[GroupRow], believed: Mapping[str, Sequence[str]] | None = None) -> list[dict[str, Any]]:
    """What the report shows: for each model and group one table per metric, methods down, values across.

    Args:
        rows: of `by_group`.
        believed: model -> the metrics that are believed; None where nothing was calibrated.
    """
    sections: dict[tuple[str, str], dict[str, list[GroupRow]]] = {}
    for row in rows:
        sections.setdefault((row.model, row.group), {}).setdefault(row.metric, []).append(row)
    found = []
    for (model, group), metrics in sections.items():
        trusted = None if believed is None else believed.get(model, ())
        entries: list[dict[str, Any]] = [_table(metric, own, trusted) for metric, own in metrics.items()]
        ordered = sorted(entries, key=lambda one: bool(one["doubted"]))
        found.append({"model": model, "group": group, "tables": ordered})
    return found


def _table(metric: str, rows: Sequence[GroupRow], trusted: Sequence[str] | None) -> dict[str, Any]:
    cells = {(row.method, row.value): row for row in rows}
    values = list(dict.fromkeys(row.value for row in rows))
    methods = style.in_order([row.method for row in rows])
    sizes = {value: max(row.n for row in rows if row.value == value) for value in values}
    held = {value: max(row.clusters for row in rows if row.value == value) for value in values}
    lines = []
    for method in methods:
        own = [cells[method, value] for value in values]
        kind = "oracle" if method == ORACLE else "control" if method in style.controls() else "method"
        shown_cells = [
            {
                "text": tables.rounded(one.mean),
                "interval": f"{one.low:.3f} – {one.high:.3f}" if one.low == one.low else "",
            }
            for one in own
        ]
        lines.append({"method": method, "kind": kind, "cells": shown_cells})
    return {
        "metric": metric,
        "title": describe(metric)["title"],
        "doubted": trusted is not None and metric not in trusted,
        "values": [{"name": value, "n": sizes[value], "clusters": held[value]} for value in values],
        "lines": lines,
    }
