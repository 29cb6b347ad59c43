"""Running a classifier over labelled images and scoring what it says."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from xaijax import _cpu
from xaijax.classifier import Classifier
from xaijax.training import scores
from xaijax.training.calibration import calibration


def evaluate(classifier: Classifier, images: Any, labels: Any, *, batch_size: int = 64) -> dict[str, Any]:
    """Loss and scores of a classifier on labelled images.

    Args:
        classifier: any.
        images: `[N, H, W, C]`: an array, or anything with `len` and indexing by an index array that gives one.
        labels: `[N]` int.
        batch_size: images per forward pass.

    Returns:
        JSON values: `loss` (mean cross-entropy, nats), `images`, `accuracy`, `macro_f1`, `micro_f1`, `per_class`
        (precision, recall, f1, images), `classes`, `confusion` (rows are true classes) and `calibration`
        (expected calibration error `ece` and its bins).
    """
    return evaluate_logits(logits(classifier, images, batch_size=batch_size), labels, classifier.classes)


def evaluate_logits(logits: np.ndarray, labels: Any, classes: tuple[str, ...]) -> dict[str, Any]:
    """What `evaluate` gives, from logits `[N, K]`."""
    labels = np.asarray(labels)
    logs = log_softmax(logits)
    confusion = scores.confusion_matrix(labels, logs.argmax(axis=1), len(classes))
    return {
        "loss": float(-logs[np.arange(len(labels)), labels].mean()),
        **scores.scores(confusion, classes),
        "calibration": calibration(np.exp(logs), labels),
    }


def logits(classifier: Classifier, images: Any, *, batch_size: int = 64) -> np.ndarray:
    """Logits of any number of images, `[N, K]` float64; it compiles once."""
    parts = [np.asarray(_logits(classifier, part))[:count] for part, count in batches(images, batch_size)]
    return np.concatenate(parts).astype(np.float64)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """`[N, K]` logits -> log probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def batches(images: Any, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of one size, the last one filled up with zeros, and how many images each holds."""
    total = len(images)
    for start in range(0, total, batch_size):
        part = np.asarray(images[np.arange(start, min(start + batch_size, total))])
        missing = batch_size - len(part) if total > batch_size else 0
        yield np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)]), len(part)


@_cpu.jit
def _logits(classifier: Classifier, images: Any) -> Any:
    return classifier.logits(classifier.params, images)
