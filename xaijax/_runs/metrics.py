"""The metrics of a run, as the command line names them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from xaijax import _names
from xaijax.metrics import FAMILIES, METRICS

CURVES = ("aic", "sic")
"""Names that stand for one metric for each of these information measures."""
MEASURES = ("shannon", "webp", "mutual")


def expand_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """The metrics that are meant, with one metric per information measure for "aic" and "sic", in the same order.

    Raises:
        InputError: for unknown and repeated names.

    Example:
        >>> expand_metrics(["SIC", "IoU"])
        ('sic_shannon', 'sic_webp', 'sic_mutual', 'iou')
    """
    names: list[str] = []
    for metric in metrics:
        curve = _names.normal(metric)
        if curve in CURVES:
            names += [f"{curve}_{measure}" for measure in MEASURES]
        else:
            names.append(metric)
    return _names.match_all("metric", names, METRICS)


def complete_settings(metrics: Sequence[str], given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """All options of the families of metrics, defaults included, as JSON values.

    Example:
        >>> complete_settings(("sic_mutual",), {"pic": {"random_masks": 2}})["pic"]["random_masks"]
        2
    """
    found: dict[str, dict[str, Any]] = {}
    for family in dict.fromkeys(METRICS[metric].family for metric in metrics if metric in METRICS):
        options = dataclasses.asdict(FAMILIES[family].read_settings(given.get(family, {})))
        if options:
            found[family] = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    return found
