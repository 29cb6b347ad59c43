"""The configuration of `xaijax models`."""

import dataclasses

import tyro

from xaijax._errors import InputError
from xaijax._runs import options
from xaijax._runs.options import DataOptions, Images, LayerOptions, ModelOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelsConfig(LayerOptions, ModelOptions, DataOptions):
    """List the architectures, or say what is understood of one model: source, input, preprocessing, output, classes,
    layers, what each family of explainers can do with it, and what it predicts: for images of --data, else for a black,
    a grey and a white one and noise."""

    model: tyro.conf.Positional[tuple[str, ...]] = ()

    data: str = ""
    count: Images | None = 8

    layers: bool = False
    """Print every layer; default: the first and the last ones."""

    json: bool = False
    """Print JSON instead of text."""


def check(config: ModelsConfig) -> ModelsConfig:
    """The configuration with its values checked.

    Raises:
        InputError: for values that are not allowed, and options of a model where none is given.
    """
    config = options.check(config)
    if len(config.model) > 1:
        raise InputError(f"one model is described at a time; got {', '.join(config.model)}")
    plain = ModelsConfig(json=config.json)
    given = [
        f"--{field.name.replace('_', '-')}"
        for field in dataclasses.fields(config)
        if field.name != "model" and getattr(config, field.name) != getattr(plain, field.name)
    ]
    if given and not config.model:
        raise InputError(f"{given[0]} says something of a model; name one, such as xaijax models MODEL {given[0]} ...")
    return config
