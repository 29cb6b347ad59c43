"""Metrics of visual explanations: one value per image, with the reason where there is none.

Images are `[B, H, W, C]`, maps and masks `[B, H, W]`, labels `[B]`. `evaluate` scores the maps of any number of
methods; `METRICS` says what each metric's numbers mean, `health` whether they can be trusted.
"""

from xaijax.metrics._evaluate import DEFAULT_MASK_METRICS, DEFAULT_METRICS, evaluate
from xaijax.metrics._health import MethodHealth, MetricHealth, health
from xaijax.metrics.localization import oracle_maps
from xaijax.metrics.metric import Family, Metric
from xaijax.metrics.registry import FAMILIES, METRICS, REASONS
from xaijax.metrics.scores import Curves, Responses, Scores
from xaijax.metrics.webp import webp_size

__all__ = [
    "DEFAULT_MASK_METRICS",
    "DEFAULT_METRICS",
    "FAMILIES",
    "METRICS",
    "REASONS",
    "Curves",
    "Family",
    "MethodHealth",
    "Metric",
    "MetricHealth",
    "Responses",
    "Scores",
    "evaluate",
    "health",
    "oracle_maps",
    "webp_size",
]
