"""The Arrow tables of a part, from what was computed: scores, curves, responses and predictions of one model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax._outputs import present
from xaijax.bench.store import (
    CURVES,
    DETECTIONS,
    GROUPS,
    PICTURES,
    PREDICTIONS,
    RESPONSES,
    SCORES,
    TARGET,
    Tables,
    of_findings,
)
from xaijax.metrics import METRICS, Scores
from xaijax.metrics.detection import detect


def tables_of(
    scores: Scores,
    model: str,
    predictions: pa.Table,
    gallery: dict[str, np.ndarray],
    *,
    pictures: pa.Table | None = None,
    groups: pa.Table | None = None,
    detections: pa.Table | None = None,
) -> Tables:
    """What a part keeps.

    Args:
        scores: of its images, with their curves and responses.
        model: short name of the model that was explained.
        predictions: of schema `PREDICTIONS`, see `predictions_of`.
        gallery: arrays for the figures; may be empty.
        pictures: what the report's browser shows, of schema `PICTURES`.
        groups: what the images belong to, of schema `GROUPS`.
        detections: what maps find of the lesions, of schema `DETECTIONS`.
    """
    return Tables(
        scores=_with_model(scores.to_arrow(), model, SCORES),
        curves=_curves_of(scores, model),
        responses=_with_model(scores.responses.to_arrow(), model, RESPONSES),
        predictions=predictions,
        gallery=gallery,
        pictures=PICTURES.empty_table() if pictures is None else pictures,
        groups=GROUPS.empty_table() if groups is None else groups,
        detections=DETECTIONS.empty_table() if detections is None else detections,
    )


def predictions_of(
    model: str,
    ids: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    thresholds: Sequence[float] | None = None,
) -> pa.Table:
    """What a model predicts: a row per image, or per image and finding.

    Args:
        model: its short name.
        ids: `[B]` names of the images.
        labels: `[B]` classes, or `[B, K]` findings: 1, 0 and NaN.
        probabilities: `[B, K]`.
        classes: `[K]` names.
        thresholds: from which on a finding counts as present, or None for 0.5.
    """
    if labels.ndim == 2:
        return _findings(model, ids, labels, probabilities, classes, thresholds)
    columns = {
        "model": [model] * len(ids),
        "image": list(ids),
        "label": [classes[label] for label in labels],
        "predicted": [classes[guess] for guess in probabilities.argmax(axis=1)],
        "probability": probabilities.max(axis=1).astype(np.float64),
    }
    return pa.table(columns, schema=PREDICTIONS)


def detections_of(
    model: str, ids: Sequence[str], masks: Any, maps: Mapping[str, Any], there: Mapping[str, Any] | None = None
) -> pa.Table:
    """What maps find of the lesions of images, as a table of schema `DETECTIONS`.

    Args:
        model: name of the model that was explained.
        ids: `[B]` names of the images.
        masks: `[B, H, W]` bool; an image without a lesion has no row.
        maps: method -> `[B, H, W]`.
        there: method -> `[B]` which images have a map; None, or no entry: all.
    """
    columns: dict[str, list[Any]] = {name: [] for name in DETECTIONS.names}
    for row, (image, mask) in enumerate(zip(ids, masks, strict=True)):
        for method, values in maps.items():
            has_map = (there or {}).get(method)
            if not np.any(mask) or (has_map is not None and not has_map[row]):
                continue
            one = detect(values[row], mask)
            found = (model, image, method, one.lesions, one.hit, one.iou, one.box_iou, one.found, one.false)
            for name, value in zip(DETECTIONS.names, found, strict=True):
                columns[name].append(value.tolist() if isinstance(value, np.ndarray) else value)
    return pa.table(columns, schema=DETECTIONS)


def groups_of(ids: Sequence[str], named: Sequence[Mapping[str, str]]) -> pa.Table:
    """What images belong to, as a table of schema `GROUPS`.

    Args:
        ids: `[B]` names of the images.
        named: for each image group -> value, such as {"patient": "17", "sex": "F"}; values that are empty are left out.
    """
    rows = [
        (image, group, value) for image, own in zip(ids, named, strict=True) for group, value in own.items() if value
    ]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.table(dict(zip(GROUPS.names, map(list, columns), strict=True)), schema=GROUPS)


def _findings(
    model: str,
    ids: Sequence[str],
    labels: np.ndarray,
    chances: np.ndarray,
    classes: Sequence[str],
    thresholds: Sequence[float] | None,
) -> pa.Table:
    words = np.where(np.isnan(labels), "unknown", np.where(labels == 1, "present", "absent"))
    guess = np.where(present("sigmoid", chances, thresholds), "present", "absent")
    columns = {
        "model": [model] * words.size,
        "image": [name for name in ids for _ in range(len(classes))],
        "label": words.reshape(-1).tolist(),
        "predicted": guess.reshape(-1).tolist(),
        "probability": chances.reshape(-1).astype(np.float64),
        TARGET: list(classes) * len(ids),
    }
    return pa.table(columns, schema=of_findings(PREDICTIONS))


def _with_model(table: pa.Table, model: str, schema: pa.Schema) -> pa.Table:
    names = [*schema.names, *([TARGET] if TARGET in table.column_names else [])]
    return table.add_column(0, "model", pa.array([model] * table.num_rows, pa.string())).select(names)


def _curves_of(scores: Any, model: str) -> pa.Table:
    if not len(scores.curves):
        return CURVES.empty_table()
    table = scores.curves.to_arrow()
    pairs = [(METRICS[metric].kind, METRICS[metric].measure) for metric in table["metric"].to_pylist()]
    table = table.append_column("curve", pa.array([curve for curve, _ in pairs], pa.string()))
    table = table.append_column("entropy", pa.array([entropy for _, entropy in pairs], pa.string()))
    names = [*CURVES.names, *([TARGET] if TARGET in table.column_names else [])]
    return table.append_column("model", pa.array([model] * table.num_rows, pa.string())).select(names)
