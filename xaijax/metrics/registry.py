"""The metrics by name. One table of families; each family's file says what its metrics are."""

from collections.abc import Iterable

from xaijax.metrics import artefact, complexity, confidence, consistency, localization, perturbation, robustness, sanity
from xaijax.metrics import metric as base
from xaijax.metrics import pic as information
from xaijax.metrics.metric import Family, Metric

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        information.FAMILY,
        perturbation.FAMILY,
        confidence.FAMILY,
        localization.FAMILY,
        artefact.FAMILY,
        complexity.FAMILY,
        robustness.FAMILY,
        consistency.FAMILY,
        sanity.FAMILY,
    )
}

REASONS: dict[str, str] = dict(base.REASONS)
for _family in FAMILIES.values():
    REASONS.update(_family.reasons)

METRICS: dict[str, Metric] = {metric.name: metric for family in FAMILIES.values() for metric in family.metrics}


def resolve(names: Iterable[str]) -> list[Metric]:
    """The metrics of these names, in this order, each once.

    Raises:
        ValueError: for a name that is not in `METRICS`, or for no name.
    """
    if isinstance(names, str):
        raise ValueError(f'metrics must be a list of names; got the string {names!r}: pass ["{names}"]')
    names = list(dict.fromkeys(names))
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"unknown metric {', '.join(map(repr, unknown))}; choose from {', '.join(METRICS)}")
    if not names:
        raise ValueError(f"metrics must name at least one of {', '.join(METRICS)}")
    return [METRICS[name] for name in names]
