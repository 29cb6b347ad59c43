"""Scores by class, finding, sex, site, scanner and patient; images of one patient are drawn together.

groups.csv   model, method, metric, group, value, mean, low, high, n, clusters (patients, or images where none is known)
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaijax._runs import tables
from xaijax.bench.groups import PATIENT
from xaijax.bench.results import describe
from xaijax.bench.store import TARGET
from xaijax.metrics import ORACLE
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
    scores: pa.Table, predictions: pa.Table, groups: pa.Table, classes: Sequence[str], *, seed: int = 0
) -> tuple[list[GroupRow], list[str]]:
    """The means of a run by class and group.

    Args:
        scores: of all parts.
        predictions: likewise: they have the class of each image.
        groups: likewise, of schema `GROUPS`.
        classes: of the data, in their order.
        seed: of the bootstrap.

    Returns:
        The rows, and sentences on groups that are left out.
    """
    belong: dict[str, dict[str, str]] = {}
    for image, group, value in zip(*(groups[name].to_pylist() for name in groups.column_names), strict=True):
        belong.setdefault(group, {})[image] = value
    patients = belong.get(PATIENT, {})
    findings = TARGET in scores.column_names
    dimensions: dict[str, Mapping[str, str]] = {}
    if not findings and predictions.num_rows:
        columns = (predictions[name].to_pylist() for name in ("image", "label"))
        dimensions[CLASS] = dict(zip(*columns, strict=True))
    dimensions |= belong
    rows: list[GroupRow] = []
    said: dict[str, None] = {}
    for model in dict.fromkeys(scores["model"].to_pylist()):
        images, targets, names, values = _wide(scores.filter(pc.equal(scores["model"], model)))
        clusters = [patients.get(image, f"image {image}") for image in images]
        if patients:
            rows += _rows(model, ALL, ALL, names, values, clusters, seed)
        if findings:
            for target in dict.fromkeys(filter(None, targets)):
                keep = np.array([one == target for one in targets])
                own = [cluster for cluster, one in zip(clusters, keep, strict=True) if one]
                rows += _rows(model, FINDING, target, names, values[keep], own, seed)
        for group, own_values in dimensions.items():
            of_image = [own_values.get(image, "") for image in images]
            found = set(of_image) - {""}
            if len(found) < 2:
                continue
            if len(found) > MOST:
                said[f"There is no table by {group}: it has {len(found)} values, more than {MOST}."] = None
                continue
            order = [name for name in classes if name in found] if group == CLASS else []
            for value in [*order, *sorted(found - set(order), key=_natural)]:
                keep = np.array([one == value for one in of_image])
                own = [cluster for cluster, one in zip(clusters, keep, strict=True) if one]
                rows += _rows(model, group, value, names, values[keep], own, seed)
    return rows, list(said)


def _wide(scores: pa.Table) -> tuple[list[str], list[str], list[tuple[str, str]], np.ndarray]:
    """Images (with the finding of each), (method, metric) of the columns, and values `[images, columns]`."""
    targets = scores[TARGET].to_pylist() if TARGET in scores.column_names else [""] * scores.num_rows
    pairs = list(zip(scores["image"].to_pylist(), targets, strict=True))
    cells = list(zip(scores["method"].to_pylist(), scores["metric"].to_pylist(), strict=True))
    row = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
    column = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
    values = np.full((len(row), len(column)), np.nan)
    values[[row[pair] for pair in pairs], [column[cell] for cell in cells]] = scores["value"].to_numpy()
    return [image for image, _ in row], [target for _, target in row], list(column), values


def _rows(
    model: str,
    group: str,
    value: str,
    names: Sequence[tuple[str, str]],
    values: np.ndarray,
    clusters: Sequence[str],
    seed: int,
) -> Iterator[GroupRow]:
    found = cluster_means(values, clusters, seed=seed)
    for (method, metric), mean, low, high, n, count in zip(names, *found, strict=True):
        yield GroupRow(model, method, metric, group, value, float(mean), float(low), float(high), int(n), int(count))


def _natural(text: str) -> tuple[int, float, str]:
    """Numbers by size, then texts."""
    return (0, float(text), text) if text.replace(".", "", 1).isdigit() else (1, 0.0, text)


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
