"""Options of metrics in a run: `family.option=value` on the command line, a table of tables in a file.

AIC and SIC's convention and random masks are options of the run itself.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from xaijax import _options
from xaijax._errors import InputError
from xaijax._names import closest

FORM = "family.option=value, such as perturbation.steps=16"
OF_THE_RUN = {("pic", "convention"): "--convention", ("pic", "random_masks"): "--random-masks"}


def parse(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `evaluate` takes as `settings`.

    Args:
        texts: `family.option=value`; numbers in a list have commas between.

    Returns:
        {family: {option: value}}, of the options that are given.

    Raises:
        InputError: for another form, unknown families and options, and values that are not allowed; one sentence.

    Example:
        >>> parse(["perturbation.steps=16", "pic.fractions=0.1,0.5", "robustness.normalize=false"])
        {'perturbation': {'steps': 16}, 'pic': {'fractions': (0.1, 0.5)}, 'robustness': {'normalize': False}}
    """
    from xaijax.metrics import FAMILIES

    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        family, dot, option = name.strip().replace("-", "_").partition(".")
        if not (equals and dot and family and option):
            raise InputError(f"--settings is {text!r}; write {FORM}")
        if family not in FAMILIES:
            raise InputError(f"--settings names no family of metrics by {family!r}: {closest(family, FAMILIES)}")
        kinds = FAMILIES[family].kinds
        if option not in kinds:
            hint = closest(option, kinds) if kinds else "it has none"
            raise InputError(f"--settings names no option of {family} by {option!r}: {hint}")
        if (family, option) in OF_THE_RUN:
            raise InputError(f"{family}.{option} is an option of the run: give {OF_THE_RUN[family, option]} instead")
        if option in found.get(family, {}):
            raise InputError(f"--settings gives {family}.{option} twice; give it once")
        try:
            found.setdefault(family, {})[option] = _options.read(kinds[option], value.strip())
        except ValueError as error:
            raise InputError(f"--settings has {family}.{option}={value}; it must be {error}") from error
    for family, given in found.items():
        try:
            FAMILIES[family].read_settings(given)
        except ValueError as error:
            raise InputError(f"--settings of {family}: {error}") from error
    return found


def of_run(given: Mapping[str, Mapping[str, Any]], convention: str, random_masks: int) -> dict[str, Mapping[str, Any]]:
    """What `evaluate` takes as `settings`, with the options of AIC and SIC that the run itself has."""
    run = {"convention": convention, "random_masks": random_masks}
    return {**given, "pic": {**run, **given.get("pic", {})}}


def to_texts(table: Mapping[str, Any]) -> list[str]:
    """The command-line form of a table of tables.

    Example:
        >>> to_texts({"sanity": {"stages": 4}, "pic": {"fractions": [0.1, 0.5]}})
        ['sanity.stages=4', 'pic.fractions=0.1,0.5']
    """
    texts = []
    for family, options in table.items():
        # What is no table is kept in a form that `parse` refuses by name.
        for option, value in options.items() if isinstance(options, Mapping) else [("", options)]:
            if isinstance(value, list | tuple):
                value = ",".join(map(str, value))
            texts.append(f"{family}.{option}={str(value).lower() if isinstance(value, bool) else value}")
    return texts


def in_use(given: Mapping[str, Mapping[str, Any]], metrics: Iterable[str], **pic: Any) -> dict[str, Any]:
    """All options of the families that are scored, defaults included, as JSON values; what run.json keeps.

    Args:
        given: of `parse`.
        metrics: names.
        **pic: the options of AIC and SIC that the run itself has.
    """
    from xaijax.metrics import FAMILIES, METRICS

    found: dict[str, Any] = {}
    for family in dict.fromkeys(METRICS[metric].family for metric in metrics):
        extra = pic if family == "pic" else {}
        options = dataclasses.asdict(FAMILIES[family].read_settings({**given.get(family, {}), **extra}))
        if options:
            found[family] = {key: list(v) if isinstance(v, tuple) else v for key, v in options.items()}
    return found
