"""What the commands that train share: their options, and what a training starts with."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

import numpy as np

from xaijax import models
from xaijax._errors import InputError
from xaijax._options import Count, NonNegative, Positive, Range
from xaijax._runs import data
from xaijax._runs.dividing import Division, divide
from xaijax._runs.models import digest_of
from xaijax._runs.options import (
    DataOptions,
    DeviceOptions,
    DivisionOptions,
    ModelOptions,
    PrecisionOptions,
    preprocess_of,
)
from xaijax.classifier import Classifier
from xaijax.data import Dataset, phantoms
from xaijax.models import zoo
from xaijax.preprocess import PixelStatistics, Preprocess
from xaijax.training import Augmentation, Options, start_from
from xaijax.training._interventions import Exchange
from xaijax.training._options import Optimizer, Schedule

DEFAULT_MODEL = "small_cnn"
CACHE_BYTES = 1 << 30  # images that need more are read from their files in every epoch
READ_AT_ONCE = 64


# In this module and not with the other groups: the commands that do not train need not import Optax and Flax for it.
@dataclass(frozen=True, kw_only=True)
class TrainingOptions(PrecisionOptions, DeviceOptions, DivisionOptions, ModelOptions, DataOptions):
    """What is trained on what, and how."""

    model: str | None = None  # type: ignore[assignment]  # one, or that of the weights
    batch_size: Count = 32

    channels: Literal["auto", "1", "3"] = "auto"
    """Channels of the images; auto takes those of the weights, or without weights looks whether the images are grey."""

    standardize: Literal["training", "all"] | None = None
    """Standardise every pixel by its own mean and standard deviation over the training images, or over all (the
    training then knows something of the test images); in place of --preprocess. Default: what the architecture
    expects."""

    head: Literal["average", "max", "flatten"] | None = None
    """What stands behind the last convolution: the mean or maximum over all positions, or all of them, then one dense
    layer. Default: what the architecture has."""

    dropout: Annotated[float, Range(0, 1, without_high=True)] | None = None
    """Share of the values that the head drops in training, before each dense layer. Default: 0."""

    epochs: Count = 30
    """Maximum number of epochs."""

    optimizer: Optimizer = "adamw"
    """AdamW, or stochastic gradient descent with momentum."""

    momentum: Annotated[float, Range(0, 1, without_high=True)] = 0.9
    """Momentum of --optimizer sgd."""

    nesterov: bool = True
    """With --optimizer sgd: Nesterov's momentum, which looks ahead; else the plain one."""

    learning_rate: Positive = 1e-3
    """Peak learning rate, after the warm-up."""

    schedule: Schedule = "cosine"
    """How the learning rate falls after the warm-up: to 0 along a cosine or a line, or not at all."""

    warmup: Annotated[float, Range(0, 1, without_high=True)] = 0.1
    """Share of all steps during which the learning rate rises."""

    weight_decay: NonNegative = 1e-4
    """Weight decay of kernels, decoupled."""

    frozen_epochs: Annotated[int, Range(0, 1_000_000)] = 0
    """With --weights: epochs at the start during which only the head is trained."""

    frozen_learning_rate: Positive = 1e-3
    """Learning rate of these epochs, constant."""

    patience: Count = 10
    """Epochs without a better validation macro-F1 after which to stop."""

    balance: bool = True
    """Weight the loss so that every class counts alike."""

    augment: bool = True
    """Change training images at random."""

    augmentation: Augmentation = field(default_factory=Augmentation)
    """How much training images are changed."""

    devices: Count | None = None
    """Over how many devices a batch is divided; default: as many as there are and as divide it."""

    keep: Count = 1
    """How many epochs' checkpoints to keep."""

    def options(self) -> Options:
        """What of it the library needs.

        Raises:
            InputError: for options that contradict each other.
        """
        self.check_division()
        if self.frozen_epochs and self.weights is None:
            raise InputError(
                "--frozen-epochs needs --weights: the backbone of a model with random weights would be frozen; give "
                "--weights, or leave out --frozen-epochs"
            )
        if self.frozen_epochs > self.epochs:
            raise InputError(f"--frozen-epochs is {self.frozen_epochs}; it must be at most --epochs, {self.epochs}")
        if self.optimizer != "sgd" and (self.momentum, self.nesterov) != (Options.momentum, Options.nesterov):
            raise InputError(
                f"--momentum and --no-nesterov are for --optimizer sgd, and it is {self.optimizer}: leave them out"
            )
        if self.standardize is not None and self.preprocess:
            raise InputError("--standardize and --preprocess each say what the pixels become: leave one out")
        same = {one.name: getattr(self, one.name) for one in fields(Options) if hasattr(self, one.name)}
        return Options(**(same | {"augmentation": self.augmentation if self.augment else None}))


FREE = frozenset({"device", "devices", "keep"})
"""Options of a training that may differ when it is resumed, in addition to those that always may."""


@dataclass(frozen=True)
class Images:
    """Images by position: `len`, and indexing by an index array that gives uint8 `[n, H, W, C]`.

    Args:
        dataset: where they come from.
        indices: `[N]` positions in it of those that can be read.
        labels: `[N]` int32; of a multi-label data set `[N, K]` float32.
        shape: (H, W, C).
        pixels: `[N, H, W, C]` uint8, or None where they are read when they are needed.
        skipped: `(id, reason)` of those that cannot be read.
        notes: what was noted while reading -> images.
        digests: of the pixels and label of each, see `Batch.digests`.
        lesions: `[N, H, W]` bool, lesion masks that were read with the images, or None.
    """

    dataset: Dataset
    indices: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int, int]
    pixels: np.ndarray | None
    skipped: tuple[tuple[str, str], ...]
    notes: Mapping[str, int] = field(default_factory=dict)
    digests: tuple[str, ...] = ()
    lesions: np.ndarray | None = None

    @classmethod
    def read(
        cls, dataset: Dataset, indices: np.ndarray, shape: tuple[int, int, int], *, lesions: bool = False
    ) -> "Images":
        """Look through the images once; those that cannot be read are left out. No indices give no images.

        With `lesions` their masks are kept too, where the images are.
        """
        if not len(indices):
            nothing = np.zeros((0, *shape), np.uint8)
            return cls(dataset, np.zeros(0, np.int64), np.zeros(0, np.int32), shape, nothing, ())
        if len(indices) * math.prod(shape) <= CACHE_BYTES:
            batch = dataset.read(indices, shape, masks=lesions, digests=True)
            notes = data.count_notes(batch.notes)
            masks = batch.roles.get("lesion") if lesions else None
            read = (dataset, batch.indices, batch.labels, shape, batch.images, batch.skipped)
            return cls(*read, notes, batch.digests, masks)
        kept: list[np.ndarray] = []
        skipped: list[tuple[str, str]] = []
        noted: list[tuple[str, str]] = []
        digests: list[str] = []
        for start in range(0, len(indices), READ_AT_ONCE):
            part = dataset.read(indices[start : start + READ_AT_ONCE], shape, masks=False, digests=True)
            digests += part.digests
            kept.append(part.indices)
            skipped += part.skipped
            noted += part.notes
        found = np.concatenate(kept)
        notes = data.count_notes(noted)
        return cls(dataset, found, dataset.labels[found], shape, None, tuple(skipped), notes, tuple(digests))

    @property
    def ids(self) -> list[str]:
        """The ids of the images, in order."""
        return [self.dataset.cases[index].id for index in self.indices]

    @property
    def groups(self) -> list[str] | None:
        """The patient of each image, where all are known."""
        found = [self.dataset.cases[index].group for index in self.indices]
        known = [group for group in found if group is not None]
        return known if len(known) == len(found) else None

    def with_masks(self) -> "tuple[Masks, np.ndarray]":
        """The lesion masks by position, and `[N]` bool: which images have one.

        Raises:
            InputError: for data without lesion masks.
        """
        if "lesion" not in self.dataset.roles:
            raise InputError(
                f"data set {self.dataset.name!r} has no lesion masks; --interventions.counterfactual, "
                "--interventions.lesion-alone and the kinds removed and covered need them"
            )
        masks = Masks(self)
        starts = range(0, len(self), READ_AT_ONCE)
        parts = [masks[np.arange(start, min(start + READ_AT_ONCE, len(self)))] for start in starts]
        return masks, np.concatenate([part.any(axis=(1, 2)) for part in parts])

    def exchange(self) -> Exchange | None:
        """How the generator exchanges lesions, for images of one that can; by position."""
        if not phantoms.can_exchange(self.dataset):
            return None

        def exchanged(heads: np.ndarray, lesions: np.ndarray) -> np.ndarray:
            made = phantoms.exchange(self.dataset, self.indices[heads].tolist(), self.indices[lesions].tolist())
            return made.read(shape=self.shape, masks=False).images

        return exchanged

    def parts(self) -> Iterator[np.ndarray]:
        """The images in batches."""
        for start in range(0, len(self), READ_AT_ONCE):
            yield self[np.arange(start, min(start + READ_AT_ONCE, len(self)))]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        if self.pixels is not None:
            return self.pixels[positions]
        batch = self.dataset.read(self.indices[positions], self.shape, masks=False)
        if batch.skipped:
            raise InputError(f"{batch.skipped[0][0]} could be read before and now cannot: {batch.skipped[0][1]}")
        return batch.images


@dataclass(frozen=True)
class Masks:
    """The lesion masks of `Images`: indexing by an index array gives bool `[n, H, W]`; empty where there is none."""

    images: Images

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        if self.images.lesions is not None:
            return self.images.lesions[positions]
        return self.images.dataset.read(self.images.indices[positions], self.images.shape).roles["lesion"]


@dataclass(frozen=True)
class Material:
    """What a training starts with.

    Attributes:
        classifier: to be trained.
        origin: a few words on where its weights come from; empty for random ones.
        training: images to train on.
        validation: images that choose the epoch.
        test: images that take no part in the training; may be empty.
        division: how they were divided.
        left_out: ids of the images that are on no side: `--count` or the split left them out.
    """

    classifier: Classifier
    origin: str
    training: Images
    validation: Images
    test: Images
    division: Division
    left_out: tuple[str, ...]

    @property
    def dataset(self) -> Dataset:
        """Of the images of all sides."""
        return self.training.dataset

    @property
    def sides(self) -> tuple[Images, Images, Images]:
        """Training, validation and test."""
        return self.training, self.validation, self.test

    @property
    def scored(self) -> Images:
        """The images to score: those for test, and where there are none those for validation."""
        return self.test if len(self.test) else self.validation

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """`(id, reason)` of the images that cannot be read."""
        return [item for side in self.sides for item in side.skipped]

    @property
    def notes(self) -> dict[str, int]:
        """What was noted while reading -> images."""
        return data.added_notes(*(side.notes for side in self.sides))

    @property
    def labels(self) -> np.ndarray:
        """`[N]` of the images for training, then those for validation, then those for test."""
        return np.concatenate([side.labels for side in self.sides])

    @property
    def architecture(self) -> str:
        """The name of the classifier's architecture."""
        assert self.classifier.architecture is not None  # `models` makes no others
        return self.classifier.architecture.name

    def describe(self) -> dict[str, Any]:
        """What `run.json` says of it; `_runs.models.sides_of` reads the images of the sides there."""
        assert self.classifier.architecture is not None
        return {
            "model": {
                "architecture": self.architecture,
                "options": dict(self.classifier.architecture.options),
                # Of the parameters that it starts from.
                "digest": digest_of(self.classifier),
                "classes": list(self.classifier.classes),
                "input_shape": list(self.classifier.input_shape),
                "output": self.classifier.output,
                "preprocess": self.classifier.preprocess.describe(),
            },
            "data": data.described(self.dataset, self.notes)
            | {
                "split": self.division.describe(),
                "training": self.training.ids,
                "validation": self.validation.ids,
                "test": self.test.ids,
                "digests": {
                    side: list(images.digests)
                    for side, images in zip(("training", "validation", "test"), self.sides, strict=True)
                },
                "left_out": list(self.left_out),
                "skipped": [list(item) for item in self.skipped],
            },
            "input_shape": list(self.training.shape),
        }


def prepare(options: TrainingOptions, *, lesions: bool = False) -> Material:
    """Opens the weights and the data, and reads the images of all sides of the split.

    Args:
        options: of the training.
        lesions: whether the lesion masks of the training images are needed too.

    Raises:
        InputError, FileNotFoundError, NotADirectoryError, ValueError: for data or weights that are not there or do not
            fit, and options that they do not have.
    """
    options.options()
    found = base(options)
    findings = options.output in (None, "sigmoid")
    whole = data.open_data(options, size=options.size or side_of(options, found), findings=findings)
    if options.output == "sigmoid" and not whole.multi_label:
        raise InputError(
            f"--output is sigmoid, for several findings to an image; data set {whole.name!r} gives each image one "
            "class: leave out --output"
        )
    if options.output == "regression":
        raise InputError("--output is regression; data sets have classes or findings, not numbers to train on")
    positions = data.counted(options, whole)
    dataset = whole if len(positions) == len(whole) else whole.take(positions)
    dataset.require_classes(1 if dataset.multi_label else 2)
    classifier, origin = start(options, found, dataset)
    division = divide(options, dataset)
    training, validation, test = (
        Images.read(dataset, division.sides[side], classifier.input_shape, lesions=lesions and side == "training")
        for side in ("training", "validation", "test")
    )
    if options.standardize is not None:
        looked_at = (training,) if options.standardize == "training" else (training, validation, test)
        statistics = PixelStatistics.of(part for side in looked_at for part in side.parts())
        classifier = classifier.with_preprocess(Preprocess(pixels=statistics))
    taken = {dataset.cases[at].id for positions in division.sides.values() for at in positions}
    left_out = tuple(case.id for case in whole.cases if case.id not in taken)
    return Material(classifier, origin, training, validation, test, division, left_out)


def base(options: TrainingOptions) -> Classifier | None:
    """The classifier with the weights to start from, or None for random ones."""
    if options.weights is None:
        zoo.entry(options.model or DEFAULT_MODEL)
        return None
    found = models.load(
        options.weights,
        channels=None if options.channels == "auto" else int(options.channels),
        preprocess=preprocess_of(options),
    )
    if found.architecture is None:
        raise InputError(
            f"{options.weights} is a converted model or a black box, which cannot be trained: give weights of an "
            "architecture (xaijax models lists them)"
        )
    if options.model not in (None, found.architecture.name):
        raise InputError(
            f"the weights {options.weights} are those of {found.architecture.name}, not of {options.model}; leave out "
            "--model"
        )
    return found


def side_of(options: TrainingOptions, found: Classifier | None) -> int:
    """Side in pixels of the images that the weights or the architecture are made for."""
    return (zoo.entry(options.model or DEFAULT_MODEL) if found is None else found).input_shape[0]


def start(options: TrainingOptions, found: Classifier | None, dataset: Dataset) -> tuple[Classifier, str]:
    """The classifier to train, and a few words on where it comes from."""
    output = "sigmoid" if dataset.multi_label else options.output
    if found is not None:
        # A head of another kind of output is not kept.
        assert found.architecture is not None  # others were refused
        head = head_options(options, found.architecture.name)
        begun = start_from(found, dataset.classes, options.size, options.seed, output=output or "softmax", options=head)
        kept = "its head too" if begun.head_kept else "a new head"
        return begun.classifier, f" from {options.weights} ({kept})"
    entry = zoo.entry(options.model or DEFAULT_MODEL)
    height, width, _ = entry.input_shape
    if options.size is not None:
        height = width = options.size
    channels = (1 if is_grey(dataset) else 3) if options.channels == "auto" else int(options.channels)
    made = models.create(
        entry.name,
        input_shape=(height, width, channels),
        classes=dataset.classes,
        key=options.seed,
        output=output or "softmax",
        **head_options(options, entry.name),
    )
    given = preprocess_of(options)
    return (made if given is None else made.with_preprocess(given)), ""


def head_options(options: TrainingOptions, name: str) -> dict[str, Any]:
    """What --head and --dropout say, as options of an architecture.

    Raises:
        InputError: for an architecture whose head is its own.
    """
    known = zoo.entry(name).options
    given = {"pool": options.head, "dropout": options.dropout}
    wanted = {key: value for key, value in given.items() if value is not None}
    if not set(wanted) <= set(known):
        raise InputError(f"{name} has no head that --head or --dropout can change: leave them out")
    # A head that is named has no hidden layers.
    return wanted | ({"hidden": ()} if "pool" in wanted and "hidden" in known else {})


def is_grey(dataset: Dataset, looked_at: int = 24) -> bool:
    """Whether some images, evenly spread, have equal channels."""
    positions = np.unique(np.linspace(0, len(dataset) - 1, looked_at).round().astype(int))
    pixels = dataset.read(positions, (64, 64, 3), masks=False).images
    return bool((pixels == pixels[..., :1]).all())
