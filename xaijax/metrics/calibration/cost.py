"""Which metrics can be judged on given maps, and how many model passes they take."""

from collections.abc import Mapping, Sequence
from typing import Any

from xaijax.metrics import checks
from xaijax.metrics.axioms import COMPLETENESS
from xaijax.metrics.metric import Metric
from xaijax.metrics.registry import FAMILIES, METRICS, resolve

QUICK_SETTINGS: dict[str, dict[str, Any]] = {
    "perturbation": {"steps": 10, "flip_steps": 16, "regions": 25, "segments": 60},
    "faithfulness": {
        "draws": 50, "grid_draws": 50, "sizes": 5, "size_draws": 20, "steps": 16, "cells": 4, "cell_draws": 10,
        "noise_draws": 10,
    },
    "robustness": {"draws": 50},
    "f_fidelity": {"shares": (0.1, 0.3, 0.6), "draws": 10},
}  # fmt: skip
"""Shorter curves, where `quick` is given no others: its verdicts hold for metrics with these settings."""

NOT_JUDGED = {
    "needs_explainer": "it needs an explainer instead of a map",
    "needs_variants": "it compares several maps of an image",
    "reads_mask": "it reads the mask, not the model",
    "reads_sum": "it reads the sum of the map, which has no truth here: maps are scaled to [0, 1]",
    "rounded": "it changes images by less than a grey level, which this model does not see",
}
"""Why a metric is not judged at all."""


def why_not(metric: Metric, classifier: Any = None) -> str:
    """A code of `NOT_JUDGED`, or `""` for a metric that can be judged on maps.

    Example:
        >>> why_not(METRICS["iou"]), why_not(METRICS["adcc"]), why_not(METRICS["sic_mutual"])
        ('reads_mask', 'needs_explainer', '')
    """
    if "mask" in metric.needs:
        return "reads_mask"
    if "explainer" in metric.needs:
        return "needs_explainer"
    if "variants" in metric.needs:
        return "needs_variants"
    if metric.name == COMPLETENESS:
        return "reads_sum"
    rounds = getattr(getattr(classifier, "network", None), "rounds", False)
    return "rounded" if rounds and metric.name in ("infidelity", "pgi", "pgu") else ""


def judgeable() -> tuple[str, ...]:
    """Names of all metrics that can be judged on maps."""
    return tuple(name for name, metric in METRICS.items() if not why_not(metric))


def with_defaults(given: Mapping[str, Mapping[str, Any]] | None, *, quick: bool) -> dict[str, dict[str, Any]]:
    """Settings by family, with those of `QUICK_SETTINGS` where none are given.

    Example:
        >>> with_defaults({"robustness": {"draws": 7}}, quick=True)["robustness"]
        {'draws': 7}
    """
    checks.check_settings(given, FAMILIES)
    found = {family: dict(options) for family, options in (QUICK_SETTINGS if quick else {}).items()}
    for family, options in (given or {}).items():
        found[family] = {**found.get(family, {}), **options}
    return found


def passes_of(
    metrics: Sequence[str] | None,
    settings: Mapping[str, Mapping[str, Any]],
    maps: int,
    size: tuple[int, int] = (224, 224),
) -> int:
    """Images that one case shows its classifier, at most: metrics with the same changed images share them.

    Args:
        metrics: names; default: all that can be judged.
        settings: by family.
        maps: of the case.
        size: (height, width) of its image.

    Example:
        >>> passes_of(["sic_webp", "aic_webp"], {"pic": {"fractions": (0.1, 0.5)}}, 3), passes_of(["entropy"], {}, 3)
        (8, 0)
    """
    options = checks.check_settings(settings, FAMILIES)
    chosen = [metric for metric in resolve(judgeable() if metrics is None else metrics) if not why_not(metric)]
    total = 0
    for name in dict.fromkeys(metric.family for metric in chosen):
        cost = FAMILIES[name].passes(options[name], size, [metric for metric in chosen if metric.family == name])
        total += cost.image + maps * cost.map
    return total
