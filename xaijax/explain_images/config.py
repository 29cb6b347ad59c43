"""The configuration of `xaijax explain`."""

import dataclasses
import math
from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from xaijax._errors import InputError
from xaijax._options import Positive, Range, Share
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

Format = Literal["png", "npz", "tiff", "nifti", "dicom-sc", "dicom-seg", "dicom-pm", "bundle"]
SUFFIXES = {
    "png": ".png",
    "npz": ".npz",
    "tiff": ".tiff",
    "nifti": ".nii.gz",
    "dicom-sc": ".sc.dcm",
    "dicom-seg": ".seg.dcm",
    "dicom-pm": ".pm.dcm",
    "errors": ".errors.png",
}
"""Endings of the files of each format that has one for every image and method; `errors`: with --uncertainty and png."""
BUNDLE = "bundle"
"""The format, and the folder in --out, of all maps together."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainConfig(OutOptions, DeviceOptions, TargetOptions, MethodOptions, ModelOptions, ReadingOptions, SeedOptions):
    """Draw heat maps of a classifier over images, and save the maps."""

    images: tyro.conf.Positional[tuple[Path, ...]]
    """Image files, or folders of them."""

    model: tuple[str, ...] = field()
    methods: tuple[str, ...] = ("grad_cam",)
    target: str = "predicted"
    out: Path = Path("explanations")

    save: tuple[Format, ...] = ("png",)
    """What to write: overlays (png), the maps on the pixels of each image (npz, tiff, nifti), objects in the study of
    a DICOM image (dicom-sc: the overlay, dicom-seg: its strongest pixels, dicom-pm: the map), or a bundle of all maps
    that xaijax bench --maps scores."""

    mark_top: Annotated[float, Range(0, 1, without_low=True)] = 0.1
    """With --save dicom-seg: the share of the pixels, those of the strongest evidence, that are marked."""

    mark_from: float | None = None
    """With --save dicom-seg: mark the pixels of this much evidence or more instead of --mark-top."""

    table: Path | None = None
    """Write a table of all overlays to this PNG file too: a row for each method, a column for each image."""

    uncertainty: bool = False
    """Show the error of each map: of methods that draw the standard error of every pixel and the share of pixels whose
    sign is certain (in maps without signs: above or below the mean), of paths how far they miss the change of the
    score."""

    tolerance: Positive | None = None
    """With --uncertainty: as much work as an image needs. rise and smoothgrad draw until the mean standard error of a
    map is at most this, in the unit of the map; integrated_gradients and guided_ig double their steps until the gap is
    at most this share of the change of the score."""

    masks: tuple[Path, ...] = ()
    """With --layer all: mask files of the lesions, one for each image, or a folder of files with the images' names."""

    json: bool = False
    """Print JSON instead of text."""

    bare: bool = False
    """Draw the maps alone, on black, without the images behind them."""

    crop: bool = False
    """Take the central part that has the model's proportions, instead of squeezing the image into them."""

    opacity: Share = 0.75
    """How much the strongest evidence covers the image, 0 to 1."""

    overwrite: bool = False
    """Replace files that are there already."""


def check(config: ExplainConfig) -> ExplainConfig:
    """The configuration with its values checked.

    Raises:
        InputError: for values that are not allowed.
    """
    config = options.check(config)
    if not config.images:
        raise InputError("no image was given; name image files or a folder of them")
    if not config.model:
        raise InputError("--model names no model; give one, or several whose maps are compared")
    parse_window(config.window)
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"{config.out} is a file; name a folder with --out")
    if not config.save and config.table is None:
        raise InputError("--save names nothing to write; name formats, such as png")
    if config.mark_from is not None and not math.isfinite(config.mark_from):
        raise InputError(f"--mark-from is {config.mark_from}; it must be a finite number")
    if "dicom-seg" not in config.save:
        for name, default in (("mark_top", ExplainConfig.mark_top), ("mark_from", None)):
            if getattr(config, name) != default:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"{option} is for --save dicom-seg: add dicom-seg, or leave {option} out")
    if config.tolerance is not None and not config.uncertainty:
        raise InputError("--tolerance is for --uncertainty: add it, or leave --tolerance out")
    if config.table is not None and config.table.suffix.lower() != ".png":
        raise InputError(f"--table is {config.table}; the table is a PNG, so its name must end in .png")
    return config
