"""Every pair of recipes: over the images that both were scored on, or over folds or seeds where both have several."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xaijax._runs import models
from xaijax.evaluate.gathering import Recipe
from xaijax.evaluate.scoring import Scored
from xaijax.metrics.statistics import holm
from xaijax.training import compare_findings, corrected_t_test, mcnemar, permutation_test
from xaijax.training._comparison import differences

OVER_IMAGES, OVER_REPEATS = "images", "repeats"


def compare(found: Sequence[Recipe], scored: Sequence[Scored], *, seed: int) -> list[dict[str, Any]]:
    """The second minus the first of every pair, with intervals and p-values; Holm's correction is over the pairs.

    Args:
        found: the recipes of a data set.
        scored: their classifiers.
        seed: of the bootstrap, as in `score`.

    Returns:
        JSON values of each pair: `first`, `second`, `over` (images or repeats), `scores` (score -> difference, low,
        high, of repeats also p_value), over images `test` (its name), `p_value` and for McNemar's its counts; and with
        several pairs `p_holm`. A pair without anything in common has `why_not`.
    """
    pairs = []
    for first, second in itertools.combinations(found, 2):
        row: dict[str, Any] = {"first": first.name, "second": second.name}
        own = [{one.repeat: one for one in scored if one.recipe == recipe.name} for recipe in (first, second)]
        shared = [repeat for repeat in own[0] if repeat in own[1]]
        if not shared:
            row["why_not"] = "they were scored on different images, and are not repeats with the same seeds and folds"
        elif len(shared) == 1:
            row |= _over_images(own[0][shared[0]], own[1][shared[0]], seed)
        else:
            row |= _over_repeats(*([side[repeat] for repeat in shared] for side in own))
        pairs.append(row)
    return _corrected(pairs)


def _over_images(first: Scored, second: Scored, seed: int) -> dict[str, Any]:
    images = first.images
    groups = images.groups
    row: dict[str, Any] = {
        "over": OVER_IMAGES,
        "images": len(images),
        "resampled": "images" if groups is None else "patients",
    }
    if images.dataset.multi_label:
        known = len(images.dataset.classes)
        chances = (first.chances[:, :known], second.chances[:, :known])
        made = compare_findings(images.labels, *chances, images.dataset.classes, groups=groups, seed=seed)
        scores = {name: made[name] for name in ("macro_auroc", "macro_auprc")}
        return row | {"scores": scores, "per_finding": made["per_finding"], "units": made["units"], "test": None}
    row["scores"] = differences(first.drawn, second.drawn)
    row["units"] = len(images) if groups is None else len(set(groups))
    row |= mcnemar(images.labels, first.predicted, second.predicted) | {"test": "McNemar, exact"}
    if row["units"] < len(images):
        # McNemar's test takes every image for independent.
        p_value = permutation_test(images.labels, first.predicted, second.predicted, groups or (), seed=seed)
        row |= {"test": "permutation of patients", "p_value": p_value}
    return row


def _over_repeats(first: Sequence[Scored], second: Sequence[Scored]) -> dict[str, Any]:
    overlap = float(np.mean([_overlap(one) for one in (*first, *second)]))
    scores: dict[str, Any] = {}
    for name in first[0].metrics["intervals"]:
        values = [[one.metrics["intervals"][name]["value"] for one in side] for side in (first, second)]
        if None not in values[0] + values[1]:
            scores[name] = corrected_t_test(*values, overlap=overlap)
            scores[name]["p_uncorrected"] = corrected_t_test(*values)["p_value"]
    return {
        "over": OVER_REPEATS,
        "repeats": [one.repeat for one in first],
        "overlap": overlap,
        "scores": scores,
        "test": "paired t, corrected for shared training images",
        "p_value": scores.get("accuracy", {}).get("p_value"),
    }


def _overlap(one: Scored) -> float:
    """Images for test over images for training, as its training says; 0 where it does not."""
    known: Mapping[str, Any] = models.training_of(one.model.path).get("data", {})
    sides = [len(known.get(side, ())) for side in ("test", "training")]
    return sides[0] / sides[1] if sides[1] else 0.0


def _corrected(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Adds Holm's correction over the pairs: of every score over repeats, and of the pair's own test."""
    names = dict.fromkeys(name for row in pairs if row.get("over") == OVER_REPEATS for name in row["scores"])
    for own in (pairs, *([row["scores"][name] for row in pairs if name in row.get("scores", {})] for name in names)):
        tested = [row for row in own if row.get("p_value") is not None]
        for row, value in zip(tested, holm([row["p_value"] for row in tested]) if tested else (), strict=True):
            row["p_holm"] = float(value)
    return pairs
