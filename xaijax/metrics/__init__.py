"""Metrics of visual explanations: one value per image, with the reason where there is none.

Images are `[B, H, W, C]`, maps and masks `[B, H, W]`, labels `[B]`. `evaluate` scores the maps of any number of
methods; `METRICS` defines each metric's numbers, `health` tells whether they can be trusted.
"""

from xaijax.metrics._curves import Curves, Responses
from xaijax.metrics._describe import MetricDescription, SettingDescription, describe
from xaijax.metrics._evaluate import evaluate
from xaijax.metrics._health import MethodHealth, MetricHealth, Statement, health, statements
from xaijax.metrics._qge import qge, rank_maps
from xaijax.metrics._refusals import refusals
from xaijax.metrics._surrogates import Surrogates, surrogates
from xaijax.metrics.localization import oracle_maps
from xaijax.metrics.metric import ORACLE, Explained, Family, Metric
from xaijax.metrics.registry import FAMILIES, METRICS, REASONS
from xaijax.metrics.scores import Scores
from xaijax.metrics.webp import webp_size

__all__ = [
    "FAMILIES",
    "METRICS",
    "ORACLE",
    "REASONS",
    "Curves",
    "Explained",
    "Family",
    "MethodHealth",
    "Metric",
    "MetricDescription",
    "MetricHealth",
    "Responses",
    "Scores",
    "SettingDescription",
    "Statement",
    "Surrogates",
    "describe",
    "evaluate",
    "health",
    "oracle_maps",
    "qge",
    "rank_maps",
    "refusals",
    "statements",
    "surrogates",
    "webp_size",
]
