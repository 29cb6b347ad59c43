"""The Arrow tables of a part, from what was computed: scores, curves, responses and predictions of one model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xaijax._outputs import present
from xaijax.bench.store import CURVES, PREDICTIONS, RESPONSES, SCORES, TARGET, Tables, of_findings
from xaijax.metrics import METRICS, Scores


def tables_of(scores: Scores, model: str, predictions: pa.Table, gallery: dict[str, np.ndarray]) -> Tables:
    """What a part keeps.

    Args:
        scores: of its images, with their curves and responses.
        model: short name of the model that was explained.
        predictions: of schema `PREDICTIONS`, see `predictions_of`.
        gallery: arrays for the figures; may be empty.
    """
    return Tables(
        scores=_with_model(scores.to_arrow(), model, SCORES),
        curves=_curves_of(scores, model),
        responses=_with_model(scores.responses.to_arrow(), model, RESPONSES),
        predictions=predictions,
        gallery=gallery,
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
