"""Scores the maps of one case by every metric, controls included."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xaijax import _options
from xaijax._options import Count
from xaijax.metrics import complexity
from xaijax.metrics._evaluate import evaluate
from xaijax.metrics.calibration.case import Case, Row
from xaijax.metrics.calibration.cost import judgeable, why_not
from xaijax.metrics.calibration.ladder import TRUTH, maps_of
from xaijax.metrics.calibration.models import Model
from xaijax.metrics.calibration.others import OtherMetric, check_others
from xaijax.metrics.calibration.planning import Plan
from xaijax.metrics.registry import resolve

CONTROL = "control:"
POSITIVE = CONTROL + "pearson"
NEGATIVE = tuple(CONTROL + metric.name for metric in complexity.FAMILY.metrics)
FLAT_TEXTURE = "flat_texture"
"""The reason of maps whose texture is constant on this image, or a multiple of the truth."""


def control_directions() -> dict[str, bool]:
    """Name of a control -> whether higher is better."""
    own = {CONTROL + metric.name: metric.higher_is_better for metric in complexity.FAMILY.metrics}
    return {POSITIVE: True, **own}


def pearson(map: Any, truth: Any) -> float:
    """Correlation of two maps.

    Example:
        >>> round(pearson([[0.0, 1.0]], [[2.0, 4.0]]), 12)
        1.0
    """
    return float(np.corrcoef(np.ravel(map), np.ravel(truth))[0, 1])


def _controls(maps: Mapping[str, NDArray[np.float64]], truth: NDArray[np.float64]) -> dict[str, list[float]]:
    flat = np.stack(list(maps.values())).reshape(len(maps), -1)
    shares = flat / flat.sum(axis=1, keepdims=True)
    return {
        POSITIVE: [pearson(one, truth) for one in maps.values()],
        CONTROL + "sparseness": complexity.sparseness(shares).tolist(),
        CONTROL + "entropy": complexity.entropy(shares).tolist(),
        CONTROL + "effective_size": complexity.effective_size(shares).tolist(),
    }


def check_asked(metrics: Sequence[str] | None, others: Mapping[str, OtherMetric]) -> list[str]:
    """Names of the metrics to judge; none of them is allowed where metrics of other packages are there.

    Raises:
        InputError: for a name that means no metric, and for no metric at all.

    Example:
        >>> check_asked(["SIC-mutual"], {})
        ['sic_mutual']
    """
    if metrics is None:
        return list(judgeable())
    if not isinstance(metrics, str) and not len(metrics) and others:
        return []
    return [metric.name for metric in resolve(metrics)]


def score_case(
    plan: Plan,
    number: int,
    metrics: Sequence[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    others: Mapping[str, OtherMetric] | None = None,
    batch_size: int | None = None,
    num_threads: int | None = None,
) -> list[Row]:
    """All rows of one case; a pure function of the plan's inputs, its seed and the number.

    Args:
        plan: as `plan` gives it.
        number: of the case.
        metrics: names; default: all that can be judged on maps. One that cannot gets one row that says why.
        settings: of metrics by family; `plan.settings` adds those of `quick`.
        others: name -> another package's metric.
        batch_size: images in a model call; default: that of the plan.
        num_threads: threads of the kernels.

    Returns:
        One row per map and metric, and for the controls.
    """
    if batch_size is not None and batch_size != plan.model.batch_size:
        size = _options.check(Count, batch_size, "batch_size")
        plan = dataclasses.replace(plan, model=Model(plan.model.classifier, size))
    case, scene, extra = plan.cases[number], plan.scene(number), check_others(others)
    asked = check_asked(metrics, extra)
    unfit = {metric.name: why_not(metric, plan.model.classifier) for metric in resolve(asked)} if asked else {}
    maps, rows = {}, []
    for name, made in maps_of(scene.truth, scene.image, plan.textures, plan.levels, (plan.seed, case.number)):
        if made is not None:
            maps[name] = made
            continue
        rows += [
            _row(case, name, metric, np.nan, FLAT_TEXTURE)
            for metric in (*(one for one in asked if not unfit[one]), *extra, POSITIVE, *NEGATIVE)
        ]
    rows += [_row(case, TRUTH, name, np.nan, reason) for name, reason in unfit.items() if reason]
    fit = [name for name in asked if not unfit[name]]
    if fit:
        scores = evaluate(
            scene.classifier,
            scene.image[None],
            np.array([scene.label]),
            {name: one[None] for name, one in maps.items()},
            metrics=fit,
            settings=plan.settings(settings),
            ids=[f"{case.construction}-{case.number}"],
            seed=plan.seed,
            batch_size=plan.model.batch_size,
            num_threads=num_threads,
        )
        rows += [
            _row(case, name, metric, float(value), reason)
            for name, metric, value, reason in zip(
                scores.method, scores.metric, scores.value, scores.reason, strict=True
            )
        ]
    for metric, one in extra.items():
        for name, value in zip(maps, one.scores(scene, list(maps.values())), strict=True):
            rows.append(_row(case, name, metric, value, "" if np.isfinite(value) else "not_finite"))
    for control, values in _controls(maps, scene.truth).items():
        rows += [_row(case, name, control, value, "") for name, value in zip(maps, values, strict=True)]
    return rows


def _row(case: Case, map: str, metric: str, value: float, reason: str) -> Row:
    value = value if np.isfinite(value) else float("nan")
    return Row(case.construction, case.number, case.group, case.label_class, map, metric, value, reason)
