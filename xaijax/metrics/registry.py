"""The metrics by name. One table of families; each family's file defines its metrics."""

from collections.abc import Iterable

from xaijax import _names
from xaijax._errors import InputError
from xaijax.metrics import (
    artefact,
    axioms,
    complexity,
    confidence,
    consistency,
    f_fidelity,
    faithfulness,
    localization,
    mosaic,
    perturbation,
    pic,
    robustness,
    sanity,
)
from xaijax.metrics import metric as base
from xaijax.metrics.metric import Family, Metric

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        pic.FAMILY,
        perturbation.FAMILY,
        faithfulness.FAMILY,
        f_fidelity.FAMILY,
        confidence.FAMILY,
        localization.FAMILY,
        mosaic.FAMILY,
        artefact.FAMILY,
        complexity.FAMILY,
        robustness.FAMILY,
        consistency.FAMILY,
        sanity.FAMILY,
        axioms.FAMILY,
    )
}

REASONS: dict[str, str] = dict(base.REASONS)
for _family in FAMILIES.values():
    REASONS.update(_family.reasons)

METRICS: dict[str, Metric] = {metric.name: metric for family in FAMILIES.values() for metric in family.metrics}


def resolve(names: Iterable[str]) -> list[Metric]:
    """The metrics of these names, in this order, each once; case, spaces and hyphens do not count.

    Raises:
        InputError: for a name that means none of `METRICS`, or for no name.

    Example:
        >>> [metric.name for metric in resolve(["Pointing Game", "AIC-webp"])]
        ['pointing_game', 'aic_webp']
    """
    if isinstance(names, str):
        raise InputError(f'metrics must be a list of names; got the string {names!r}: pass ["{names}"]')
    found = dict.fromkeys(_names.match("metric", name, METRICS) for name in names)
    if not found:
        raise InputError(f"no metric was given; choose from {', '.join(METRICS)}")
    return [METRICS[name] for name in found]
