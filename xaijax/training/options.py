"""How a classifier is trained: the options, checked."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from xaijax.training.augment import Augmentation

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Options:
    """How a classifier is trained.

    Args:
        epochs: most passes over the training images.
        batch_size: images per step.
        optimizer: AdamW, or stochastic gradient descent with Nesterov momentum 0.9.
        learning_rate: the largest, after the warm-up.
        schedule: how the learning rate falls after the warm-up: to 0 along a cosine or a line, or not at all.
        warmup: share of all steps during which the learning rate rises from 0.
        weight_decay: of kernels, decoupled.
        frozen_epochs: epochs at the start during which only the head is trained and the trunk stays as it is.
        frozen_learning_rate: that of these epochs, constant.
        patience: epochs without a better validation macro-F1 after which to stop; not counted while the trunk is
            frozen.
        balance: weight the loss so that every class counts alike.
        augmentation: random changes of training images, or None.
        precision: what the layers compute in; parameters, batch statistics and the loss are float32 in any case.
        devices: over how many devices a batch is divided; default: as many as there are and as divide it.
        seed: of the order of images and the augmentation.

    Raises:
        ValueError: for a value outside its range.
    """

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
    balance: bool = True
    augmentation: Augmentation | None = Augmentation()  # noqa: RUF009 - frozen
    precision: Precision = "float32"
    devices: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")
        for name in ("learning_rate", "frozen_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive; got {getattr(self, name)}")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay must not be negative; got {self.weight_decay}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup must lie in [0, 1); got {self.warmup}")
        if not 0 <= self.frozen_epochs <= self.epochs:
            raise ValueError(f"frozen_epochs must lie in 0..{self.epochs}, the epochs; got {self.frozen_epochs}")
        if self.devices is not None and self.devices < 1:
            raise ValueError(f"devices must be 1 or more; got {self.devices}")
        for name, allowed in (("optimizer", Optimizer), ("schedule", Schedule), ("precision", Precision)):
            _check_choice(name, getattr(self, name), get_args(allowed))


def _check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
