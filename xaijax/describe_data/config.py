"""The configuration of `xaijax data`."""

import dataclasses
from dataclasses import field
from pathlib import Path

import tyro

from xaijax._errors import InputError
from xaijax._runs import options
from xaijax._runs.options import DataOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class DescribeDataConfig(DataOptions):
    """Say what is understood of a data set before anything is computed: layout, classes, images, masks, patients,
    splits, and every file that was left out, with the reason."""

    data: tyro.conf.Positional[str] = field()

    sheet: Path | None = None
    """Write images of each class, with the outlines of their masks, to this PNG file."""

    decode: bool = True
    """Read every image, for sizes, masks, identical images and what cannot be read; --count reads some. Without it only
    what names and tables say is printed."""

    json: bool = False
    """Print JSON instead of text."""


def check(config: DescribeDataConfig) -> DescribeDataConfig:
    """The configuration with its values checked.

    Raises:
        InputError: for values that are not allowed.
    """
    config = options.check(config)
    if config.sheet is not None and config.sheet.suffix.lower() != ".png":
        raise InputError(f"--sheet is {config.sheet}; the sheet is a PNG, so its name must end in .png")
    return config
