"""Scores of the classifiers of a block with intervals, and what they predicted for every image."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._runs import models
from xaijax._runs.models import Model
from xaijax._runs.training import Images
from xaijax.evaluate.gathering import Recipe
from xaijax.training import corrected_t_test
from xaijax.training._comparison import drawn_scores, interval
from xaijax.training._scores import log_softmax, logits, scores_of_logits, sigmoid, two_columns

NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "micro_f1": "micro-F1", "auroc": "AUROC", "ece": "ECE"}
"""Scores of classes that exclude each other, as tables name them; ECE is lower where it is better."""
FINDINGS = {"macro_auroc": "AUROC", "macro_auprc": "AUPRC", "macro_f1": "F1", "accuracy": "accuracy"}
"""Scores of findings: means over them."""
LOWER = ("ece",)


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """A classifier on the images of a block.

    Attributes:
        model: itself.
        recipe: name of its recipe.
        repeat: of its training; "" where no recipe has several.
        images: that it was scored on.
        metrics: JSON values of `scores_of_logits`, with `auroc` and `intervals`: score -> value, low, high.
        chances: `[N, K]` probabilities, the columns in the order of the data's classes, those of no class of it last.
        drawn: of `drawn_scores`; empty for findings.
    """

    model: Model
    recipe: str
    repeat: str
    images: Images
    metrics: dict[str, Any]
    chances: np.ndarray
    drawn: Mapping[str, np.ndarray]

    @property
    def predicted(self) -> np.ndarray:
        """`[N]` predicted classes, by their places among the data's."""
        return np.asarray(self.chances.argmax(axis=1))


def score(model: Model, images: Images, recipe: str, repeat: str, *, seed: int, batch_size: int) -> Scored:
    """Runs a classifier on images and scores it; intervals draw patients where all are known, else images."""
    classifier = model.classifier
    if classifier.input_shape != images.shape:
        images = Images.read(images.dataset, images.indices, classifier.input_shape)
    own = models.labels_of(model, images.labels)
    raw = logits(classifier, images, batch_size=batch_size)
    findings = classifier.output == "sigmoid"
    given: dict[str, Any] = {}
    if findings:
        given = {"thresholds": classifier.thresholds, "groups": images.groups, "seed": seed}
    metrics = scores_of_logits(raw, own, classifier.classes, output=classifier.output, **given)
    raw = two_columns(raw, classifier.output)
    chances = _in_order(sigmoid(raw) if findings else np.exp(log_softmax(raw)), model.class_index)
    drawn: Mapping[str, np.ndarray] = {}
    if findings:
        intervals = {
            name: {"value": metrics[name], "low": metrics.get(f"{name}_low"), "high": metrics.get(f"{name}_high")}
            for name in FINDINGS
        }
    else:
        drawn = drawn_scores(chances, images.labels, groups=images.groups, seed=seed)
        intervals = {name: interval(values) for name, values in drawn.items()}
        intervals["micro_f1"] = dict(intervals["accuracy"])  # of one label and one prediction for an image
        metrics["auroc"] = intervals["auroc"]["value"]
    metrics |= {"intervals": intervals, "resampled": "images" if images.groups is None else "patients"}
    return Scored(model, recipe, repeat, images, metrics, chances, drawn)


def _in_order(probabilities: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Columns in the order of the data's classes; classes that the data do not have come last."""
    rest = [column for column in range(probabilities.shape[1]) if column not in order]
    return probabilities[:, [*order, *rest]]


def of_recipes(found: Sequence[Recipe], scored: Sequence[Scored]) -> list[dict[str, Any]]:
    """A row for each recipe: its scores with intervals, over the images of one training or over several trainings.

    The interval of several is that of their mean (Student's t), which takes the repeats for independent. Every score is
    a share, so that the interval ends at 0 and at 1: of two repeats Student's reaches far beyond.
    """
    rows = []
    for recipe in found:
        own = [one for one in scored if one.recipe == recipe.name]
        row: dict[str, Any] = {
            "recipe": recipe.name,
            "trainings": len({one.model.path for one in own}),
            "images": sum(len(one.images) for one in own),
        }
        if len(own) == 1:
            row |= {"interval": f"bootstrap over {own[0].metrics['resampled']}", "scores": own[0].metrics["intervals"]}
        else:
            row |= {"interval": "over repeats", "scores": _over_repeats([one.metrics["intervals"] for one in own])}
        rows.append(row)
    return rows


def _over_repeats(intervals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in intervals[0]:
        values = [one[name]["value"] for one in intervals if one[name]["value"] is not None]
        if not values:
            found[name] = {"value": None, "low": None, "high": None}
            continue
        mean = corrected_t_test(np.zeros(len(values)), values)
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
        low, high = (None if bound is None else min(max(bound, 0.0), 1.0) for bound in (mean["low"], mean["high"]))
        found[name] = {"value": mean["difference"], "low": low, "high": high, "sd": spread, "repeats": values}
    return found
