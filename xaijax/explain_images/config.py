"""The configuration of `xaijax explain`."""

import dataclasses
from dataclasses import field
from pathlib import Path

import tyro

from xaijax._errors import InputError
from xaijax._options import Share
from xaijax._runs import options
from xaijax._runs.options import (
    DeviceOptions,
    MethodOptions,
    ModelOptions,
    OutOptions,
    ReadingOptions,
    SeedOptions,
    TargetOptions,
)
from xaijax.data.reading import parse_window


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig(OutOptions, DeviceOptions, TargetOptions, MethodOptions, ModelOptions, ReadingOptions, SeedOptions):
    """Draw heat maps of a classifier over images, as PNG."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them."""

    model: str = field()  # type: ignore[assignment]
    methods: tuple[str, ...] = ("grad_cam",)
    target: str = "predicted"
    out: Path = Path("explanations")

    table: Path | None = None
    """Write a table of all overlays to this PNG file too: a row for each method, a column for each image."""

    bare: bool = False
    """Draw the maps alone, on black, without the images behind them."""

    crop: bool = False
    """Take the central part that has the model's proportions, instead of squeezing the image into them."""

    opacity: Share = 0.75
    """How much the strongest evidence covers the image, 0 to 1."""

    overwrite: bool = False
    """Replace overlays that are there already."""


def check(config: ExplainConfig) -> ExplainConfig:
    """The configuration with its values checked.

    Raises:
        InputError: for values that are not allowed.
    """
    config = options.check(config)
    if not config.images:
        raise InputError("no image was given; name image files or a folder of them")
    parse_window(config.window)
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file; name a folder with --out")
    if config.table is not None and config.table.suffix.lower() != ".png":
        raise InputError(f"--table is {config.table}; the table is a PNG, so its name must end in .png")
    return config
