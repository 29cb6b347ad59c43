"""The options that commands share: what an option is called, means, allows and defaults to is written here once.

A command's configuration inherits the groups it has, those that the help lists first last. Where it has another default
it writes the field again without a text: the help is that of the group. A field that has no default there is written
`name: type = field()`.

What a value may be stands in the annotation of its field. The command line checks it when it reads the arguments,
`check` where a configuration was made in Python.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from xaijax import _options
from xaijax._errors import InputError
from xaijax._options import Count, Form, Positive, Range, Share
from xaijax._outputs import Output
from xaijax._runs.cluster.address import WORDS, form
from xaijax._runs.folder import refuse_address
from xaijax.data._own_split import side_name
from xaijax.data.reading import MaskRole
from xaijax.preprocess import Preprocess, Style

Device = Literal["auto", "cpu", "gpu", "tpu"]
Precision = Literal["float32", "bfloat16"]
Images = Annotated[int, Range(0, 100_000_000)]
"""A number of images, or 0 for all."""
Side = Annotated[int, Range(1, 8192)]
"""The side of an image in pixels."""
Seed = Annotated[int, Range(0, 2**32 - 1)]
"""What random numbers are drawn from."""


def _fold(text: str) -> str:
    found = side_name(text) or ""
    if not found.startswith("fold "):
        raise ValueError(text)
    return found


Split = Literal["auto", "training", "validation", "test", "all"] | Annotated[str, Form(_fold, "fold-N")]
"""Which images to draw from."""

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True)
class SeedOptions:
    """What is drawn at random."""

    seed: Seed = 0
    """Seed of everything that is drawn: images, splits, initial weights, random masks and random methods."""


@dataclass(frozen=True, kw_only=True)
class ReadingOptions:
    """How image files are read."""

    window: tuple[str, ...] = ("file",)
    """The stored grey values that become black and white: LOW HIGH; or auto, each image's own range; or file, the
    window that the file states, else auto. 8-bit images keep their values with the last two."""

    transpose: bool = False
    """Swap rows and columns of images and masks, for files that store the transposed image."""


@dataclass(frozen=True, kw_only=True)
class DataOptions(ReadingOptions, SeedOptions):
    """Which images, masks and labels."""

    data: str
    """A folder of images (class folders, labels.csv, or a known data set), a .npz file, WebDataset shards
    (shards/{000..127}.tar), or generated images: phantoms, phantoms:brain_mri, phantoms:chest_xray, phantoms:lung_ct,
    phantoms:dermoscopy."""

    count: Images | None = None
    """How many images, drawn evenly over the classes; 0 takes all. Of phantoms: how many are generated."""

    mask_role: MaskRole | None = None
    """What the masks show where the data do not say it: lesion, organ or artefact. Lesion masks are scored against,
    artefact masks are used by the artefact metrics."""

    mask_values: tuple[str, ...] = ()
    """What the values of label maps mean, as [ROLE=]V[,V...]: lesion=1,4 organ=2, or 1,3 for the role --mask-role.
    Masks of two values need no rule."""

    classes: tuple[str, ...] = ()
    """Take these classes alone; default: all."""

    labels: Path | None = None
    """A table of images and labels (CSV or TSV)."""

    image_column: str | None = None
    """Column of --labels that holds the image's file; default: recognised by its usual names, as the next three."""

    label_column: str | None = None
    """Column of --labels that holds the class, or the classes separated by |."""

    group_column: str | None = None
    """Column of --labels that holds what must stay together in a split, such as the patient."""

    split_column: str | None = None
    """Column of --labels that holds the side of a split: training, validation or test."""

    allow_outside: bool = False
    """Take files outside the folder of --data that a table or a symbolic link names."""

    lesions: Count | None = None
    """Phantoms only: lesions in each image of a class that has any; default: 1."""

    findings: bool = False
    """Phantoms of chest X-rays only: several findings in an image, none or all of them, instead of one class."""

    fixed_anatomy: bool = False
    """Phantoms of brain MRI only: a tumour replaces tissue and leaves the rest of the head unchanged, so that lesions
    can be exchanged."""

    data_seed: Seed | None = None
    """Seed of phantoms and of planted cues; default: one that differs between training and scoring."""

    cues: tuple[str, ...] = ()
    """Plant these in the images, such as text or ruler:glioma; docs/phantoms.md lists them."""

    correlation: Share | None = None
    """With --cues: share of the images of every class on which a cue agrees with the label; default: 0.95."""

    covered: bool = False
    """Cover the artefacts of the images: planted cues, or those with clean files or masks."""


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Which part of the data."""

    split: Split = "auto"
    """Which images to draw from: training, validation or test, a side that the models' trainings name, or else the
    data's own; fold-2, a fold of the data's own; all. auto takes the test images where the models name them, or else
    their validation images, or else the data's own test side, or else all."""


@dataclass(frozen=True, kw_only=True)
class DivisionOptions(SeedOptions):
    """How the images of a training are divided. Patients and identical images stay together."""

    validation: Annotated[float, Range(0, 1, without_low=True, without_high=True)] = 0.1
    """Share of the images that chooses the epoch; of the training images where a split has no validation side."""

    test: Annotated[float, Range(0, 1, without_high=True)] = 0.1
    """Share of the images that takes no part in the training and is scored: by bench, evaluate and cascade with --split
    auto. 0 keeps none: then the validation images are scored too."""

    own_split: bool = False
    """Take the data's own split; of folds the one that --fold names is the test side."""

    split_file: Path | None = None
    """Take the split of this file: a table with the columns file and split (training, validation, test), or JSON; the
    run.json of another training repeats its split."""

    folds: Annotated[int, Range(2, 1000)] | None = None
    """Divide the images into this many folds, for a cross-validation: --fold is the test side, the next fold the
    validation side."""

    fold: Annotated[int, Range(1, 1000)] | None = None
    """With --folds, or with --own-split of folds: the fold that is the test side, from 1."""

    def check_division(self) -> None:
        """Refuses options that contradict each other.

        Raises:
            InputError: naming them.
        """
        given = [
            name
            for name, there in (
                ("--own-split", self.own_split),
                ("--split-file", self.split_file is not None),
                ("--folds", self.folds is not None),
            )
            if there
        ]
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} each say how the images are divided: leave one out")
        if self.validation + self.test >= 1:
            raise InputError(
                f"--validation {self.validation:g} and --test {self.test:g} leave no images for training: together "
                "they must be below 1"
            )
        if self.folds is not None and self.fold is None:
            raise InputError(f"--folds {self.folds} needs --fold, 1 to {self.folds}: the fold that is the test side")
        if self.fold is not None and self.folds is None and not self.own_split:
            raise InputError("--fold needs --folds, or --own-split of data that have folds")
        if self.fold is not None and self.folds is not None and self.fold > self.folds:
            raise InputError(f"--fold is {self.fold}; it must be at most --folds, {self.folds}")


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which models."""

    model: tuple[str, ...]
    """Models: a folder of xaijax train, a file of weights (Keras, PyTorch, .npz), builtin (the small network trained on
    brain MRI phantoms), timm:NAME or torchvision:NAME with --weights, script.py:function, or where a model is trained
    or timed, an architecture (xaijax models lists them)."""

    weights: Path | None = None
    """The weights of a model that is named (timm:NAME, torchvision:NAME). Where a model is trained: start from these, a
    folder of xaijax train, a file of weights (Keras, PyTorch, .npz) or builtin; default: random weights. The head is
    kept where it was trained for the same classes, else it is new."""

    size: Side | None = None
    """Side of the images in pixels; default: what the model is made for."""

    output: Output | None = None
    """What the logits of the model mean: softmax (classes that exclude each other), sigmoid (findings, several labels
    to an image), binary (one logit) or regression; default: what the file says, else softmax."""

    preprocess: tuple[str, ...] = ()
    """What the weights expect of pixels in [0, 1]: torch, tf, caffe, xrv (-1024 to 1024) or identity; or
    range=LOW,HIGH, what black and white become; or numbers such as mean=0.5 std=0.25. Default: what the file says, else
    what the published weights of the architecture expect."""


@dataclass(frozen=True, kw_only=True)
class LayerOptions:
    """Which layer."""

    layer: str | None = None
    """The layer that class activation maps look at (xaijax models MODEL lists them); default: the last convolutional
    block, in a vision transformer the first norm of the last block. xaijax explain also takes all: every method over
    the layers of the model, with a table of what each layer is worth."""


@dataclass(frozen=True, kw_only=True)
class SettingOptions:
    """Options of methods and of metrics."""

    set: tuple[str, ...] = ()
    """Options of methods and of families of metrics, as NAME.OPTION=VALUE: rise.count=500 pic.convention=medical. In a
    file a table of tables. xaijax methods NAME and xaijax metrics NAME list them."""


@dataclass(frozen=True, kw_only=True)
class MetricOptions:
    """Which metrics."""

    metrics: tuple[str, ...]
    """Metrics (xaijax metrics lists them); aic and sic stand for one metric per information measure. Of the default
    list, those that the data do not allow are left out."""


@dataclass(frozen=True, kw_only=True)
class MethodOptions(SettingOptions, LayerOptions):
    """Which explanation methods, and their options."""

    methods: tuple[str, ...]
    """Explanation methods (xaijax methods lists them); all takes those that the model allows."""


@dataclass(frozen=True, kw_only=True)
class MapsOptions:
    """Maps that were made elsewhere or before."""

    maps: tuple[Path, ...] = ()
    """Evidence bundles (xaijax explain --save bundle writes one, docs/bundle.md explains how to write one). bench
    scores their maps too, as methods of their own names; --methods none scores them alone. clusters takes the maps of
    one, and then needs no model."""


@dataclass(frozen=True, kw_only=True)
class TargetOptions:
    """Which class is explained."""

    target: str = "label"
    """The class to explain and score: label (the true one, where images have labels), predicted, or the name of a
    class."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Where and how to compute."""

    device: Device = "auto"
    """Where to compute; auto takes what JAX takes by itself."""

    batch_size: Count = 64
    """Images in one model call, perturbed ones included: bounds the memory. In a training: images per step."""


@dataclass(frozen=True, kw_only=True)
class PrecisionOptions:
    """In which numbers to compute."""

    precision: Precision = "float32"
    """What the layers of the model compute in; bfloat16 is for accelerators that are quicker in it."""


@dataclass(frozen=True, kw_only=True)
class OutOptions:
    """Where the results of short work go."""

    out: Path | None = None
    """Folder for the results; it must be new or empty."""

    config: Path | None = None
    """A YAML or TOML file with any of these options, or the name of one that comes with the command; the command line
    has the last word."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(OutOptions):
    """Where the results of long work go, which may be interrupted."""

    resume: bool = False
    """Resume what is in --out: its options hold, and what is finished is kept."""


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """On which machines."""

    cluster: Annotated[str, Form(form, WORDS)] | None = None
    """Compute the parts on workers of a Dask cluster: local:4 (four processes on this machine), tcp://HOST:8786 (a
    running scheduler), or slurm:20, pbs:20, lsf:20, sge:20 (as many jobs of a batch system, as dask-jobqueue is
    configured). Default: here, one after the other."""

    allow_mixed: bool = False
    """Take workers whose packages, device or instruction set are others than here, and with --resume what others
    computed; the report says so. Default: such workers are left out."""

    part_minutes: Positive | None = None
    """With --cluster: time that a part may take before another worker computes it; default: ten times the longest so
    far, at least 5, and 60 for the first."""


def preprocess_of(options: ModelOptions) -> Preprocess | Style | None:
    """What --preprocess says, or None where it is not given.

    Example:
        >>> preprocess_of(ModelOptions(model=("builtin",), preprocess=("mean=0.5", "std=0.25")))
        Preprocess(scale=1.0, mean=(0.5,), std=(0.25,), order='rgb')
    """
    if not options.preprocess:
        return None
    for style in get_args(Style):
        if options.preprocess == (style,):
            return style  # its numbers depend on the channels
    try:
        return Preprocess.read(options.preprocess)
    except InputError as error:
        raise InputError(f"--{error}") from None


WHERE = frozenset({"cluster", "allow_mixed", "part_minutes"})
"""Options that say on which machines a run computes: they enter no result."""
FREE = frozenset({"out", "resume", "config", "distributed"}) | WHERE
"""Options that may differ between the command that started a run and the one that resumes it: they enter no result."""


def check(config: C) -> C:
    """A configuration with every value as the annotation of its field allows it, lists as tuples, texts as paths.

    Raises:
        InputError: for the first value that is not allowed, by its name on the command line.

    Example:
        >>> check(DeviceOptions(batch_size=0))
        Traceback (most recent call last):
        xaijax._errors.InputError: --batch-size is 0; it must be a whole number from 1 to 1000000
    """
    fields: Any = _options.check_fields(config, lambda name: f"--{name.replace('_', '-')}")
    if fields.get("out") is not None:
        refuse_address(fields["out"])
    return dataclasses.replace(config, **fields)  # type: ignore[type-var]


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
