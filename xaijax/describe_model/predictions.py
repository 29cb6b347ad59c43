"""What a model predicts for a few images, and what is suspicious about it."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._names import short
from xaijax._outputs import check_predictions, present
from xaijax._runs import answers
from xaijax._runs.data import counted, open_data
from xaijax._runs.training import Images
from xaijax.classifier import Classifier
from xaijax.describe_model.config import ModelsConfig
from xaijax.models._load import is_unnamed

SAME = 1e-6  # predictions that differ by less are one
TRIALS = ("black", "grey", "white", "noise")


def of_trials(classifier: Classifier) -> dict[str, Any]:
    """Predictions of a black, a grey, a white image and one of noise."""
    shape = classifier.input_shape
    images = np.stack([np.full(shape, value, np.uint8) for value in (0, 128, 255)])
    noise = np.random.default_rng(0).integers(0, 256, (1, *shape)).astype(np.uint8)
    return _judged(classifier, np.concatenate([images, noise]), TRIALS, [None] * 4, "black, grey, white and noise")


def of_data(classifier: Classifier, config: ModelsConfig) -> dict[str, Any]:
    """Predictions of images of `--data`."""
    dataset = open_data(config, size=classifier.input_shape[0], classes=1, findings=True)
    images = Images.read(dataset, np.asarray(counted(config, dataset)), classifier.input_shape)
    unnamed = is_unnamed(classifier.classes) and len(classifier.classes) == len(dataset.classes)
    if unnamed:
        classifier = dataclasses.replace(classifier, classes=tuple(dataset.classes))
    labels: list[str | None] = []
    for label in images.labels:
        if dataset.multi_label:
            labels.append(", ".join(name for name, there in zip(dataset.classes, label, strict=True) if there == 1))
        else:
            labels.append(dataset.classes[int(label)])
    found = _judged(classifier, np.asarray(images[np.arange(len(images))]), images.ids, labels, config.data)
    return found if dataset.multi_label else _with_accuracy(found, classifier, config.model[0], unnamed)


def _with_accuracy(found: dict[str, Any], classifier: Classifier, path: str, unnamed: bool) -> dict[str, Any]:
    """How many images are predicted right, where labels are classes of the model, and what is suspicious about it."""
    known = set(classifier.classes)
    pairs = Counter((one["label"], one["predicted"]) for one in found["images"] if one["predicted"] is not None)
    if classifier.output not in ("softmax", "binary") or not pairs or not {label for label, _ in pairs} <= known:
        return found
    hits, total = answers.right(pairs)
    said = answers.cautions(short([path])[0], pairs, classifier.classes, path)
    assumed = list(classifier.classes) if unnamed else None
    return found | {
        "right": {"images": hits, "of": total, "taken_as": assumed},
        "warnings": [*found["warnings"], *said],
    }


def _judged(
    classifier: Classifier, images: np.ndarray, names: Sequence[str], labels: Sequence[str | None], what: str
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "of": what,
        "images": [],
        "shape": None,
        "range": None,
        "sums": None,
        "right": None,
        "warnings": [],
    }
    try:
        values = np.asarray(classifier.predict(images), np.float64)
        check_predictions(values, classifier.output, len(images), classifier.classes)
    except InputError as error:  # of a black box: its predictions are not what its output says
        return found | {"warnings": [str(error)]}
    finite = np.asarray(np.isfinite(values).all(axis=1))
    known = values[finite]
    found["shape"] = list(values.shape)
    if len(known):
        found["range"] = [float(known.min()), float(known.max())]
        if classifier.output in ("softmax", "binary"):
            found["sums"] = [float(known.sum(axis=1).min()), float(known.sum(axis=1).max())]
    for name, label, row, there in zip(names, labels, values, finite, strict=True):
        entry: dict[str, Any] = {"name": name, "label": label, "predicted": None, "value": None}
        found["images"].append(entry | (_best(classifier, row) if there else {}))
    found["warnings"] = _warnings(values, finite)
    return found


def _best(classifier: Classifier, row: np.ndarray) -> dict[str, Any]:
    """The most probable class; of findings those that are reported; of a regression its first number."""
    names = classifier.classes
    if classifier.output == "regression":
        return {"predicted": names[0], "value": float(row[0])}
    top = int(row.argmax())
    if classifier.output == "sigmoid":
        reported = present("sigmoid", row[None], classifier.thresholds)[0]
        words = ", ".join(name for name, there in zip(names, reported, strict=True) if there)
        return {"predicted": words or f"none (highest: {names[top]})", "value": float(row[top])}
    return {"predicted": names[top], "value": float(row[top])}


def _warnings(values: np.ndarray, finite: np.ndarray) -> list[str]:
    found = []
    bad = int((~finite).sum())
    if bad:
        found.append(
            f"{bad} of {len(values)} images get NaN or infinity: the weights are damaged, or the training diverged"
        )
    known = values[finite]
    if len(known) > 1 and np.ptp(known, axis=0).max() <= SAME:
        found.append(
            f"all {len(known)} images get the same prediction: the weights are not those of this model, or its "
            "preprocessing is wrong (--preprocess)"
        )
    return found
