"""How good a classifier is: confusion matrix, accuracy, precision, recall, F1. NumPy alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def confusion_matrix(labels: Any, predictions: Any, num_classes: int) -> np.ndarray:
    """Counts of true against predicted classes.

    Args:
        labels: `[N]` int.
        predictions: `[N]` int.
        num_classes: K.

    Returns:
        `[K, K]` int64; rows are true classes, columns predicted ones.
    """
    pairs = np.asarray(labels, np.int64) * num_classes + np.asarray(predictions, np.int64)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def scores(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Accuracy, macro-F1, micro-F1 and the scores of each class.

    The F1 of a class is `2 TP / (2 TP + FP + FN)`; macro-F1 is its mean over the classes that occur as a label or a
    prediction, as in scikit-learn. Micro-F1 counts TP, FP and FN of all classes together; with one label and one
    prediction for each image it is the accuracy.

    Args:
        confusion: `[K, K]`, rows are true classes.
        classes: K names.

    Returns:
        JSON values: `images`, `accuracy`, `macro_f1`, `micro_f1`, `per_class` (precision, recall, f1, images),
        `classes`, `confusion`.
    """
    confusion = np.asarray(confusion, np.int64)
    hits = np.diag(confusion).astype(np.float64)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * hits / np.maximum(true + predicted, 1)
    occurs = (true + predicted) > 0
    micro_f1 = 2 * hits.sum() / max((true + predicted).sum(), 1)
    precision, recall = hits / np.maximum(predicted, 1), hits / np.maximum(true, 1)
    return {
        "images": int(confusion.sum()),
        "accuracy": float(hits.sum() / max(confusion.sum(), 1)),
        "macro_f1": float(f1[occurs].mean()) if occurs.any() else 0.0,
        "micro_f1": float(micro_f1),
        "per_class": {
            name: {
                "precision": float(precision[k]),
                "recall": float(recall[k]),
                "f1": float(f1[k]),
                "images": int(true[k]),
            }
            for k, name in enumerate(classes)
        },
        "classes": list(classes),
        "confusion": confusion.tolist(),
    }
