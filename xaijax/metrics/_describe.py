"""The metrics in words, as data: what `xaijax metrics [NAME]` prints and docs/metrics.md lists."""

import dataclasses
import inspect
import re
from typing import Any

from xaijax import _names, _options
from xaijax.metrics.metric import Family, Metric
from xaijax.metrics.registry import FAMILIES, METRICS

SIZE = (224, 224)
"""Of the images for which model passes are counted."""


@dataclasses.dataclass(frozen=True)
class SettingDescription:
    """An option of a family.

    Attributes:
        name: as in `settings={"family": {"name": value}}` and in `--set family.name=value`.
        default: as text.
        allowed: which values it takes.
        summary: what it does.
    """

    name: str
    default: str
    allowed: str
    summary: str


@dataclasses.dataclass(frozen=True)
class MetricDescription:
    """A metric in words.

    Attributes:
        name: as in scores and on the command line.
        title: in tables and figures.
        family: the name of its family.
        family_title: the family's heading.
        summary: one line.
        better: `"higher"` or `"lower"`.
        range: such as "0 to 1".
        unit: of the value.
        needs: such as ("lesion mask", "model"); empty where maps suffice.
        roles: of the masks that it needs.
        reference: the source of the definition.
        parity: what the tests validate the values against.
        passes: through the model for images of 224 x 224 pixels with the default settings: a number for each image,
            one times m for each map, one times e for maps that the method makes again.
        settings: options of its family.
    """

    name: str
    title: str
    family: str
    family_title: str
    summary: str
    better: str
    range: str
    unit: str
    needs: tuple[str, ...]
    roles: tuple[str, ...]
    reference: str
    parity: str
    passes: str
    settings: tuple[SettingDescription, ...]


def describe(name: str | None = None) -> list[MetricDescription]:
    """Metrics in words: all of them, those of a family, or one.

    Args:
        name: of a metric or a family; case, spaces and hyphens do not count. None for all metrics.

    Returns:
        One description per metric, in the order of `METRICS`.

    Raises:
        InputError: for a name that means none of them.

    Example:
        >>> found, = describe("Pointing Game")
        >>> found.name, found.range, found.needs, len(describe("pic"))
        ('pointing_game', '0 to 1', ('lesion mask',), 8)
    """
    if name is None:
        return [_description(metric) for metric in METRICS.values()]
    meant = _names.match("metric", name, [*METRICS, *FAMILIES])
    return [_description(metric) for metric in (FAMILIES[meant].metrics if meant in FAMILIES else (METRICS[meant],))]


def _description(metric: Metric) -> MetricDescription:
    family = FAMILIES[metric.family]
    return MetricDescription(
        name=metric.name,
        title=metric.title,
        family=family.name,
        family_title=family.title or family.name,
        summary=metric.summary,
        better="higher" if metric.higher_is_better else "lower",
        range=bounds(metric),
        unit=metric.unit,
        needs=needs(metric),
        roles=metric.roles,
        reference=metric.reference,
        parity=metric.parity,
        passes=str(family.passes(family.settings(), SIZE, [metric])),
        settings=settings_of(family),
    )


def bounds(metric: Metric) -> str:
    """The range in words.

    Example:
        >>> bounds(METRICS["iou"]), bounds(METRICS["centroid_distance"])
        ('0 to 1', '0 to ∞')
    """
    low, high = metric.range
    return f"{'−∞' if low is None else f'{low:g}'.replace('-', '−')} to {'∞' if high is None else f'{high:g}'}"


def needs(metric: Metric) -> tuple[str, ...]:
    """What it cannot do without, with the roles of masks.

    Example:
        >>> needs(METRICS["iou"]), needs(METRICS["adcc"]), needs(METRICS["entropy"])
        (('lesion mask',), ('explainer', 'model'), ())
    """
    return (*(f"{role} mask" for role in metric.roles), *sorted(metric.needs - {"mask"}))


def settings_of(family: Family) -> tuple[SettingDescription, ...]:
    """The options of a family, with what the docstring of their class says of them.

    Example:
        >>> settings_of(FAMILIES["pic"])[2]  # doctest: +NORMALIZE_WHITESPACE
        SettingDescription(name='random_masks', default='1', allowed='a whole number from 1 to 1000000',
            summary='random masks per image; a score is the mean over them')
    """
    said = _attributes(family.settings)
    return tuple(
        SettingDescription(
            option.name, _default(option.default), _options.allowed(family.kinds[option.name]), said[option.name]
        )
        for option in dataclasses.fields(family.settings)
    )


def _default(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{part:g}" for part in value)
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _attributes(documented: type) -> dict[str, str]:
    """{name: text} of the section "Attributes" of a docstring; names that share an entry have the same text."""
    _, _, section = (inspect.getdoc(documented) or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"\n    (?=\S)", f"\n{section}")[1:]:
        names, _, text = entry.partition(": ")
        found |= {name.strip(): " ".join(text.split()).rstrip(".") for name in names.split(",")}
    return found
