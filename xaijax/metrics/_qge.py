"""QGE, the quality gap estimate: how much better does a map score than its own opposite?

`Q(Φ) - Q(Φ_inv)`, the sign turned where lower values of Q are better: higher is better for every metric. Φ becomes the
ranks of its values in [0, 1] (tied pixels share the mean of their ranks), Φ_inv is 1 minus them. For a metric that
looks at the order of the pixels alone the first term is its own value; one that reads values is scored on ranks on both
sides, so that the two maps have the same values. It costs one more evaluation of each map.

References:
    "Quality Gap Estimate", arXiv 2502.15403.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax._errors import InputError
from xaijax.metrics._evaluate import Predictor, evaluate
from xaijax.metrics.metric import Explained
from xaijax.metrics.registry import resolve
from xaijax.metrics.scores import Scores

PREFIX = "qge_"
OPPOSITE = "\x1fopposite"


def rank_maps(maps: Any) -> NDArray[np.float64]:
    """Maps with their ranks in place of their values, from 0 to 1; tied pixels share the mean of their ranks.

    Args:
        maps: `[..., H, W]`, any unit, finite.

    Returns:
        `[..., H, W]` in [0, 1]; 0.5 everywhere for a map with one value.

    Example:
        >>> rank_maps([[[5.0, -1.0, 5.0]]]).tolist()
        [[[0.75, 0.0, 0.75]]]
    """
    from scipy.stats import rankdata

    maps = np.asarray(maps)
    flat = maps.reshape(-1, maps.shape[-2] * maps.shape[-1])
    ranks = (rankdata(flat, axis=1) - 1) / max(flat.shape[1] - 1, 1)  # NaN makes a map NaN, which `evaluate` refuses
    return np.asarray(ranks.reshape(maps.shape), np.float64)


def qge(
    classifier: Predictor | None,
    images: Any,
    labels: Any,
    maps: Mapping[str, Any],
    masks: Any = None,
    metrics: Sequence[str] = ("sic_mutual",),
    **options: Any,
) -> Scores:
    """The quality gap of the maps of any number of methods under any metrics that read the map alone.

    Args:
        classifier: as in `evaluate`.
        images: `[B, H, W, C]`, as in `evaluate`.
        labels: `[B]`, as in `evaluate`.
        maps: method -> `[B, H, W]`, or an `Explained`; only the maps are read.
        masks: as in `evaluate`.
        metrics: names out of `METRICS` that need neither an explainer nor variants.
        options: of `evaluate`; the ground truth is not scored.

    Returns:
        `Scores` whose metrics are named `"qge_..."`, in the unit of the metric, without curves; no value where either
        side has none, with the reason of the first that has none.

    Raises:
        InputError: for a metric that needs more than a map, and for whatever `evaluate` refuses.

    References:
        "Quality Gap Estimate", arXiv 2502.15403.

    Example:
        >>> masks = np.zeros((1, 4, 4), bool)
        >>> masks[0, :2] = True
        >>> images = np.zeros((1, 4, 4, 1), np.uint8)
        >>> scores = qge(None, images, [0], {"exact": masks * 1.0}, masks, ["pointing_game", "centroid_distance"])
        >>> scores.metric.tolist(), scores.value.round(3).tolist()
        (['qge_pointing_game', 'qge_centroid_distance'], [1.0, 2.0])
    """
    asked = resolve(metrics)
    for metric in asked:
        if more := sorted(metric.needs & {"explainer", "variants"}):
            raise InputError(f"QGE turns maps round and reads nothing else; {metric.name} needs {', '.join(more)}")
    if options.pop("oracle", False):
        raise InputError("QGE does not score the ground truth: leave oracle out")
    checked = {name: given.maps if isinstance(given, Explained) else given for name, given in maps.items()}
    both: dict[str, Any] = {}
    for name, values in checked.items():
        ranks = rank_maps(values)
        both |= {name: ranks, f"{name}{OPPOSITE}": 1 - ranks}
    found = evaluate(classifier, images, labels, both, masks, [metric.name for metric in asked], **options)
    signs = {metric.name: 1.0 if metric.higher_is_better else -1.0 for metric in asked}
    other = {(row.image, row.target, row.method, row.metric): row for row in found if row.method.endswith(OPPOSITE)}
    rows = []
    for row in found:
        if row.method.endswith(OPPOSITE):
            continue
        against = other[row.image, row.target, row.method + OPPOSITE, row.metric]
        reason = row.reason or against.reason
        value = np.nan if reason else signs[row.metric] * (row.value - against.value)
        rows.append((row.image, row.method, PREFIX + row.metric, value, reason, row.target))
    return Scores.from_rows(rows)
