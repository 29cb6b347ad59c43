"""The configuration of `xaijax train`, from which the command line is made."""

import dataclasses
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xaijax.training.arguments import arguments
from xaijax.training.augment import Augmentation
from xaijax.training.options import Optimizer, Options, Precision, Schedule


@dataclass(frozen=True)
class TrainConfig:
    """Train a classifier on a folder of images, or on the built-in phantoms.

    Args:
        data: a folder of images (class folders or labels.csv), or phantoms, phantoms:brain_mri,
            phantoms:chest_xray, phantoms:lung_ct, phantoms:dermoscopy.
        out: folder to write.
        model: name of the architecture (xaijax.models.list_models()); default: that of the weights, or small_cnn.
        weights: start from these: the folder of another training, or a file of Keras (.keras, .h5), of torch (.pth,
            .pt, .safetensors) or of arrays (.npz); default: random weights. The head is kept where it was for the
            same classes, else made anew.
        size: side of the images in pixels; default: what the model or the weights are made for.
        channels: 1 or 3; auto takes those of the weights, or without weights looks whether the images are grey.
        epochs: most passes over the training images.
        batch_size: images per step.
        optimizer: AdamW, or stochastic gradient descent with Nesterov momentum 0.9.
        learning_rate: the largest, after the warm-up.
        schedule: how the learning rate falls after the warm-up: to 0 along a cosine or a line, or not at all.
        warmup: share of all steps during which the learning rate rises.
        weight_decay: of kernels, decoupled.
        frozen_epochs: with weights: epochs at the start during which only the head is trained.
        frozen_learning_rate: that of these epochs, constant.
        patience: epochs without a better validation macro-F1 after which to stop.
        validation: share of the images kept for validation; patients and identical images stay together.
        balance: weight the loss so that every class counts alike.
        augment: change training images at random.
        augmentation: how much they are changed.
        precision: what the layers compute in; bfloat16 is for accelerators that are quicker in it.
        devices: over how many devices a batch is divided; default: as many as there are and as divide it.
        transpose: swap rows and columns of the images.
        images: phantoms only: number of images.
        lesions: phantoms only: lesions in each image of a class that has any; default: 1.
        data_seed: seed of phantoms and of planted cues.
        cues: plant these in the images, such as text or ruler:glioma (xaijax.data.cues).
        correlation: with cues: share of the images of every class on which a cue tells the truth; default: 0.95.
        covered: cover the artefacts of the images: planted cues, or those with clean files or masks.
        seed: seed of the initial weights, the split, the order and the augmentation.
        keep: how many epochs' checkpoints to keep.
        resume: go on with the training in the out folder.
    """

    data: str
    out: Path
    model: str | None = None
    weights: Path | None = None
    size: int | None = None
    channels: Literal["auto", "1", "3"] = "auto"
    epochs: int = 30
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    learning_rate: float = 1e-3
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    weight_decay: float = 1e-4
    frozen_epochs: int = 0
    frozen_learning_rate: float = 1e-3
    patience: int = 10
    validation: float = 0.2
    balance: bool = True
    augment: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Precision = "float32"
    devices: int | None = None
    transpose: bool = False
    images: int | None = None
    lesions: int | None = None
    data_seed: int | None = None
    cues: tuple[str, ...] = ()
    correlation: float | None = None
    covered: bool = False
    seed: int = 0
    keep: int = 1
    resume: bool = False

    def options(self) -> Options:
        """What of it concerns the optimisation."""
        same = {
            item.name: getattr(self, item.name) for item in dataclasses.fields(Options) if item.name != "augmentation"
        }
        return Options(**same, augmentation=self.augmentation if self.augment else None)

    def command(self) -> str:
        """The command that repeats this training, without `--resume`."""
        given = ["--data", self.data, *(["--model", self.model] if self.model else []), "--out", str(self.out)]
        return shlex.join(["xaijax", "train", *given, *arguments(self, skip=("data", "model", "out", "resume"))])
