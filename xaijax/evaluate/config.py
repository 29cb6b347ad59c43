"""The configuration of `xaijax evaluate`, from which the command line is made."""

from dataclasses import dataclass, field
from pathlib import Path

from xaijax._errors import InputError
from xaijax._runs import options
from xaijax._runs.options import DataOptions, DeviceOptions, ModelOptions, OutOptions, SplitOptions


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(OutOptions, DeviceOptions, ModelOptions, SplitOptions, DataOptions):
    """Score trained classifiers on labelled images and compare them: any number of models on any number of data sets.

    Trainings of one recipe that differ in --seed or --fold are taken together, each on its own test images.
    """

    out: Path = field()
    data: tuple[str, ...] = field()  # type: ignore[assignment]  # each is scored on its own

    json: bool = False
    """Print JSON instead of text."""


@dataclass(frozen=True, kw_only=True)
class OneData(OutOptions, DeviceOptions, ModelOptions, SplitOptions, DataOptions):
    """An evaluation on one of its data sets."""


def checked(config: EvaluateConfig) -> EvaluateConfig:
    """Refuses what no data set and no model could make right; raises `InputError`."""
    config = options.check(config)
    for name, values in (("data", config.data), ("model", config.model)):
        if not values:
            raise InputError(f"--{name} names nothing; give one or more")
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise InputError(f"--{name} names {twice[0]} twice; name each once")
    return config


def with_data(config: EvaluateConfig, source: str) -> OneData:
    """The evaluation on one of its data sets."""
    same = {name: getattr(config, name) for name in OneData.__dataclass_fields__}
    return OneData(**(same | {"data": source}))
