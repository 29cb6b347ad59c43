"""The metrics of a run, as the command line names them."""

from collections.abc import Sequence

from xaijax import _names
from xaijax.metrics import METRICS

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
