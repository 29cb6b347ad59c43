"""The options that commands share: what an option is called, means and defaults to is written here once.

A command's configuration inherits the groups it has. Where it has another default it writes the field again without a
text: the help is that of the group.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xaijax._errors import InputError
from xaijax.data import MaskRole

Device = Literal["auto", "cpu", "gpu", "tpu"]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Which images, masks and labels."""

    data: str
    """A folder of images (class folders, labels.csv, or a known data set), or generated images: phantoms,
    phantoms:brain_mri, phantoms:chest_xray, phantoms:lung_ct, phantoms:dermoscopy."""

    count: int | None = None
    """How many images, drawn evenly over the classes; 0 takes all. Of phantoms: how many are generated."""

    mask_role: MaskRole | None = None
    """What the masks show where the data do not say it: lesion, organ or artefact. Lesion masks are scored against,
    artefact masks are used by the artefact metrics."""

    transpose: bool = False
    """Swap rows and columns of images and masks, for files that store the transposed image."""

    lesions: int | None = None
    """Phantoms only: lesions in each image of a class that has any; default: 1."""

    data_seed: int | None = None
    """Seed of phantoms and of planted cues; default: one that differs between training and scoring."""

    cues: tuple[str, ...] = ()
    """Plant these in the images, such as text or ruler:glioma; docs/phantoms.md lists them."""

    correlation: float | None = None
    """With --cues: share of the images of every class on which a cue agrees with the label; default: 0.95."""

    covered: bool = False
    """Cover the artefacts of the images: planted cues, or those with clean files or masks."""

    seed: int = 0
    """Seed of everything that is drawn: images, splits, initial weights, random masks and random methods."""


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Which part of the data."""

    split: Literal["auto", "validation", "all"] = "auto"
    """Which images to draw from: validation, those that no model was trained on; all; auto takes the validation images
    where a model names them."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which models."""

    model: tuple[str, ...]
    """Models: a folder of xaijax train, a file of weights (Keras, PyTorch, .npz), builtin (the small network trained on
    brain MRI phantoms), or where a model is trained or timed, an architecture (xaijax models lists them)."""

    size: int | None = None
    """Side of the images in pixels; default: what the model is made for."""


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Which explanation methods, and their options."""

    methods: tuple[str, ...]
    """Explanation methods (xaijax methods lists them); all takes those that the model allows."""

    set: tuple[str, ...] = ()
    """Options of methods and of families of metrics, as NAME.OPTION=VALUE: rise.count=500 pic.convention=medical. In a
    file a table of tables. xaijax methods NAME and xaijax metrics NAME list them."""


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Which class is explained."""

    target: str = "label"
    """The class to explain and score: label (the true one), predicted, or the name of a class."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where and how to compute."""

    device: Device = "auto"
    """Where to compute; auto takes what JAX takes by itself."""

    batch_size: int = 64
    """Images in one model call, perturbed ones included: bounds the memory."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where the results go."""

    out: Path | None = None
    """Folder for the results; it must be new or empty."""

    resume: bool = False
    """Resume what is in --out: its options hold, and what is finished is kept."""

    config: Path | None = None
    """A YAML or TOML file with any of these options; the command line has the last word."""


FREE = frozenset({"out", "resume", "config", "preset"})
"""Options that may differ between the command that started a run and the one that resumes it: they enter no result."""


def check_at_least(options: object, **least: int) -> None:
    """Refuses options below their smallest value; None passes.

    Example:
        >>> check_at_least(DeviceOptions(batch_size=0), batch_size=1)
        Traceback (most recent call last):
        xaijax._errors.InputError: --batch-size is 0; it must be at least 1
    """
    for name, low in least.items():
        value = getattr(options, name)
        if value is not None and value < low:
            raise InputError(f"--{name.replace('_', '-')} is {value}; it must be at least {low}")


def use_device(options: DeviceOptions) -> None:
    """Makes JAX use the kind of device that is wanted; to be called before JAX starts its backend.

    Raises:
        InputError: where JAX sees no such device.
    """
    if options.device == "auto":
        return
    import jax

    jax.config.update("jax_platforms", {"gpu": "cuda"}.get(options.device, options.device))
    try:
        found = jax.default_backend()
    except RuntimeError:
        found = ""
    if found != options.device:
        jax.config.update("jax_platforms", "")
        raise InputError(f"--device is {options.device}, but JAX sees no such device here; leave --device out")
