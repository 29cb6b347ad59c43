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
    for model in dict.fromkeys(scores["model"].unique().to_pylist()):
        of_model = scores.filter(pc.equal(scores["model"], model))
        for metric in of_model["metric"].unique().to_pylist():  # one after the other: a run may have a million images
            own = of_model.filter(pc.equal(of_model["metric"], metric))
            images, targets, methods, values = _wide(own)
            clusters = np.array([patients.get(image, f"image {image}") for image in images], object)

            def add(
                group: str,
                value: str,
                keep: np.ndarray,
                names: tuple[str, str, list[str]] = (model, metric, methods),
                found: tuple[np.ndarray, np.ndarray] = (values, clusters),
            ) -> None:
                rows.extend(_rows(*names, group, value, found[0][keep], found[1][keep], seed))

            if patients:
                add(ALL, ALL, np.ones(len(images), bool))
            if findings:
                for target in dict.fromkeys(filter(None, targets)):
                    add(FINDING, target, np.array([one == target for one in targets]))
            for group, values_of in dimensions.items():
                of_image = np.array([values_of.get(image, "") for image in images], object)
                there = set(of_image) - {""}
                if len(there) > MOST:
                    said[f"There is no table by {group}: it has {len(there)} values, more than {MOST}."] = None
                elif len(there) > 1:
                    order = [name for name in classes if name in there] if group == CLASS else []
                    for value in [*order, *sorted(there - set(order), key=_natural)]:
                        add(group, value, of_image == value)
    return rows, list(said)


def _wide(scores: pa.Table) -> tuple[list[str], list[str], list[str], np.ndarray]:
    """Images (with the finding of each), methods, and values `[images, methods]`, of one metric."""
    targets = scores[TARGET].to_pylist() if TARGET in scores.column_names else [""] * scores.num_rows
    pairs = list(zip(scores["image"].to_pylist(), targets, strict=True))
    row = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
    encoded = scores["method"].combine_chunks().dictionary_encode()
    methods = encoded.dictionary.to_pylist()
    values = np.full((len(row), len(methods)), np.nan)
    values[[row[pair] for pair in pairs], encoded.indices.to_numpy()] = scores["value"].to_numpy()
    return [image for image, _ in row], [target for _, target in row], methods, values


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
    found = cluster_means(values, clusters, seed=seed)
    for method, mean, low, high, n, count in zip(methods, *found, strict=True):
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
