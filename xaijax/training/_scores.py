"""How good a classifier is on labelled images: loss, accuracy, F1, confusion matrix, reliability of probabilities."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from xaijax import _batches, _cpu
from xaijax._errors import InputError
from xaijax._outputs import Output
from xaijax.classifier import Classifier
from xaijax.training import _processes as processes
from xaijax.training._findings import finding_scores

BINS = 15


def classification_scores(classifier: Classifier, images: Any, labels: Any, *, batch_size: int = 64) -> dict[str, Any]:
    """Loss and scores of a classifier on labelled images.

    Args:
        classifier: any.
        images: `[N, H, W, C]`: an array, or anything with `len` and indexing by an index array that gives one.
        labels: `[N]` int; of a classifier of findings `[N, K]`.
        batch_size: images per forward pass.

    Returns:
        JSON values; of findings those of `finding_scores`. Else `loss` (mean cross-entropy, nats), `images`,
        `accuracy`, `macro_f1`, `micro_f1`, `per_class` (precision, recall, f1, images), `classes`, `confusion` (rows
        are true classes) and `reliability` (expected calibration error `ece` and its bins).

    Example:
        >>> from xaijax import data, models
        >>> batch = data.open_dataset("phantoms", count=12, size=128, seed=9).read()
        >>> found = classification_scores(models.builtin(), batch.images, batch.labels)
        >>> found["images"], found["classes"]
        (12, ['glioma', 'meningioma', 'pituitary'])
    """
    found = logits(classifier, images, batch_size=batch_size)
    return scores_of_logits(found, labels, classifier.classes, output=classifier.output)


def scores_of_logits(
    logits: np.ndarray, labels: Any, classes: Sequence[str], *, output: Output = "softmax", **findings: Any
) -> dict[str, Any]:
    """What `classification_scores` gives, from logits `[N, K]`.

    Args:
        logits: `[N, K]`, of a binary output `[N, 1]`.
        labels: `[N]` int; of findings `[N, K]`.
        classes: their names.
        output: what the logits mean.
        **findings: further arguments of `finding_scores`, for findings.

    Returns:
        JSON values; of findings those of `finding_scores`.

    Raises:
        InputError: for logits that are not finite.

    Example:
        >>> found = scores_of_logits(np.array([[2.0, 0.0], [0.0, 1.0]]), [0, 0], ["cat", "dog"])
        >>> found["accuracy"], found["confusion"], round(found["loss"], 3)
        (0.5, [[1, 1], [0, 0]], 0.72)
    """
    if output == "regression":
        raise InputError("a regression has no scores of a classification")
    if output == "sigmoid":
        return finding_scores(labels, sigmoid(logits), classes, **findings)
    labels, logits = np.asarray(labels), two_columns(logits, output)
    bad = int((~np.isfinite(logits).all(axis=1)).sum())
    if bad:
        raise InputError(
            f"the classifier gives NaN or infinity for {bad} of {len(logits)} images; train or load it again"
        )
    logs = log_softmax(logits)
    confusion = confusion_matrix(labels, logs.argmax(axis=1), len(classes))
    return {
        "loss": float(-logs[np.arange(len(labels)), labels].mean()),
        **scores_of_confusion(confusion, classes),
        "reliability": reliability(labels, np.exp(logs)),
    }


def logits(classifier: Classifier, images: Any, *, batch_size: int = 64) -> np.ndarray:
    """Logits of any number of images, `[N, K]` float64; it compiles once."""
    run = (lambda model, part: model.logits(model.params, part)) if classifier.network.host else _logits
    parts = [np.asarray(run(classifier, part))[:count] for part, count in batches(images, batch_size)]
    return np.concatenate(parts).astype(np.float64)


def logits_together(classifier: Classifier, images: Any, *, batch_size: int = 64) -> np.ndarray:
    """`logits` in all processes, each of which computes its share of the batches, and the same bits in all."""
    many = processes.count()
    if many == 1:
        return logits(classifier, images, batch_size=batch_size)
    parts = _batches.positions(len(images), batch_size)
    size, columns = len(parts[0][0]), 1 if classifier.output == "binary" else len(classifier.classes)
    found = np.zeros((-(-len(parts) // many), size, columns), np.float32)
    with processes.together():
        for place, (positions, wanted) in enumerate(parts[processes.index() :: many]):
            own = _batches.padded(np.asarray(images[positions[:wanted]]), size)
            found[place] = np.asarray(_logits(classifier, own))
    # Batch number n is the one at n // many of process n % many.
    rows = processes.gathered(found).swapaxes(0, 1).reshape(-1, columns)
    return rows[: len(images)].astype(np.float64)


def two_columns(logits: np.ndarray, output: Output) -> np.ndarray:
    """Logits whose softmax gives the classes' probabilities: z of a binary output becomes (0, z).

    Example:
        >>> two_columns(np.array([[2.0]]), "binary").tolist()
        [[0.0, 2.0]]
    """
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if output == "binary" else logits


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Logits -> probabilities; of any size, without an overflow.

    Example:
        >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
        [0.0, 0.5, 1.0]
    """
    from scipy.special import expit

    return np.asarray(expit(logits))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """`[N, K]` logits -> log probabilities.

    Example:
        >>> np.exp(log_softmax(np.zeros((1, 2)))).tolist()
        [[0.5, 0.5]]
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def batches(images: Any, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Batches of one size, the last one filled up, and how many images of each are wanted."""
    for positions, wanted in _batches.positions(len(images), batch_size):
        yield _batches.padded(np.asarray(images[positions[:wanted]]), len(positions)), wanted


@_cpu.jit
def _logits(classifier: Classifier, images: Any) -> Any:
    return classifier.logits(classifier.params, images)


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


def scores_of_confusion(confusion: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
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


def reliability(labels: Any, probabilities: Any, *, bins: int = BINS) -> dict[str, Any]:
    """Reliability of probabilities: by bins, and the expected calibration error of the predicted classes.

    Images are put into bins of equal width by the probability p of their predicted class, (0, 1/bins], ...:
    `ECE = Σ_b n_b/N |accuracy_b - mean p_b|`.

    Args:
        labels: `[N]` int.
        probabilities: `[N, K]`, rows of sum 1.
        bins: number of bins.

    Returns:
        JSON values: `ece` in [0, 1], and `bins`, a list with `low`, `high`, `images`, `accuracy`, `confidence` of each;
        the last two are None in an empty bin.

    Raises:
        ValueError: for no images, or fewer than one bin.

    References:
        Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015;
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Example:
        >>> round(reliability([0, 1], [[0.9, 0.1], [0.9, 0.1]])["ece"], 3)
        0.4
    """
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    if len(labels) == 0 or len(probabilities) != len(labels) or bins < 1:
        raise ValueError(
            f"probabilities and labels must be as many and not none, bins 1 or more; got {len(probabilities)}, "
            f"{len(labels)} and {bins}"
        )
    confidence, member = bins_of(probabilities, bins)
    hits = probabilities.argmax(axis=1) == labels
    rows, error = [], 0.0
    for index in range(bins):
        inside = member == index
        row: dict[str, Any] = {"low": index / bins, "high": (index + 1) / bins, "images": int(inside.sum())}
        row |= {"accuracy": None, "confidence": None}
        if inside.any():
            row |= {"accuracy": float(hits[inside].mean()), "confidence": float(confidence[inside].mean())}
            error += row["images"] / len(labels) * abs(row["accuracy"] - row["confidence"])
        rows.append(row)
    return {"ece": float(error), "bins": rows}


def bins_of(probabilities: np.ndarray, bins: int = BINS) -> tuple[np.ndarray, np.ndarray]:
    """`[N]` probability of the predicted class, and `[N]` the bin (0, 1/bins], (1/bins, 2/bins], ... that it is in."""
    confidence = probabilities.max(axis=1)
    return confidence, np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
