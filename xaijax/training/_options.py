"""How a classifier is trained: the options, checked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from xaijax._errors import InputError
from xaijax._options import Count, NonNegative, Positive, Range, check_fields
from xaijax.training._augment import Augmentation
from xaijax.training._interventions import Interventions

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["float32", "bfloat16"]
Warmup = Annotated[float, Range(0, 1, without_high=True)]
Epochs = Annotated[int, Range(0, 1_000_000)]
Momentum = Annotated[float, Range(0, 1, without_high=True)]
MOMENTUM = 0.9


@dataclass(frozen=True)
class Options:
    """How a classifier is trained.

    Args:
        epochs: maximum number of epochs.
        batch_size: images per step.
        optimizer: AdamW, or stochastic gradient descent with momentum.
        momentum: of the gradient descent.
        nesterov: whether that is Nesterov's momentum, which looks ahead, or the plain one.
        learning_rate: peak learning rate, after the warm-up.
        schedule: how the learning rate falls after the warm-up: to 0 along a cosine or a line, or not at all.
        warmup: share of all steps during which the learning rate rises from 0.
        weight_decay: of kernels, decoupled.
        frozen_epochs: epochs at the start during which only the head is trained and the backbone stays unchanged.
        frozen_learning_rate: that of these epochs, constant.
        patience: epochs without a better validation macro-F1 after which to stop; not counted while the backbone is
            frozen.
        balance: weight the loss so that every class counts alike.
        augmentation: random changes of training images, or None.
        interventions: training images that are changed on purpose, with the answer that follows from the change.
        precision: what the layers compute in; parameters, batch statistics and the loss are float32 in any case.
        devices: over how many devices a batch is divided; default: as many as there are and as divide it.
        seed: of the order of images and the augmentation.

    Raises:
        InputError: for a value outside its range.

    Example:
        >>> Options(epochs=0)
        Traceback (most recent call last):
        xaijax._errors.InputError: epochs is 0; it must be a whole number from 1 to 1000000
    """

    epochs: Count = 30
    batch_size: Count = 32
    optimizer: Optimizer = "adamw"
    momentum: Momentum = MOMENTUM
    nesterov: bool = True
    learning_rate: Positive = 1e-3
    schedule: Schedule = "cosine"
    warmup: Warmup = 0.1
    weight_decay: NonNegative = 1e-4
    frozen_epochs: Epochs = 0
    frozen_learning_rate: Positive = 1e-3
    patience: Count = 10
    balance: bool = True
    augmentation: Augmentation | None = Augmentation()  # noqa: RUF009 - frozen
    interventions: Interventions = Interventions()  # noqa: RUF009 - frozen
    precision: Precision = "float32"
    devices: Count | None = None
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0

    def __post_init__(self) -> None:
        for name, value in check_fields(self).items():
            object.__setattr__(self, name, value)
        if self.frozen_epochs > self.epochs:
            raise InputError(f"frozen_epochs is {self.frozen_epochs}; it must be at most the epochs, {self.epochs}")
        if self.optimizer != "sgd" and (self.momentum, self.nesterov) != (MOMENTUM, True):
            raise InputError(f"momentum and nesterov are for optimizer='sgd'; it is {self.optimizer!r}: leave them out")
