"""The optimiser and its learning rate, as optax transformations of flat dictionaries of parameters.

References:
    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019;
    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017 (cosine decay).
"""

from dataclasses import dataclass
from typing import Any

import optax

from xaijax.training.options import Optimizer, Options, Schedule

MOMENTUM = 0.9


@dataclass(frozen=True)
class Descent:
    """One phase of a training: an optimiser, and the course of its learning rate.

    Args:
        optimizer: its name.
        schedule: course after the warm-up.
        learning_rate: the largest.
        weight_decay: of kernels, decoupled.
        warmup_steps: steps during which the learning rate rises from 0.
        steps: all steps.
    """

    optimizer: Optimizer
    schedule: Schedule
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    steps: int

    def rates(self) -> optax.Schedule:
        """Step (from 0) -> learning rate."""
        rest = max(self.steps - self.warmup_steps, 1)
        after: optax.Schedule = {
            "cosine": lambda: optax.cosine_decay_schedule(self.learning_rate, rest),
            "linear": lambda: optax.linear_schedule(self.learning_rate, 0.0, rest),
            "constant": lambda: optax.constant_schedule(self.learning_rate),
        }[self.schedule]()
        if not self.warmup_steps:
            return after
        rise = optax.linear_schedule(0.0, self.learning_rate, self.warmup_steps)
        return optax.join_schedules([rise, after], [self.warmup_steps])

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser."""
        decay = optax.add_decayed_weights(self.weight_decay, _is_kernel)
        direction = optax.scale_by_adam() if self.optimizer == "adamw" else optax.trace(decay=MOMENTUM, nesterov=True)
        return optax.chain(direction, decay, optax.scale_by_learning_rate(self.rates()))


def frozen_phase(options: Options, steps: int) -> Descent:
    """The phase during which only the head is trained; `steps` are those of an epoch."""
    return Descent(
        options.optimizer,
        "constant",
        options.frozen_learning_rate,
        options.weight_decay,
        0,
        steps * options.frozen_epochs,
    )


def full_phase(options: Options, steps: int) -> Descent:
    """The phase during which everything is trained; `steps` are those of an epoch."""
    total = steps * (options.epochs - options.frozen_epochs)
    return Descent(
        options.optimizer,
        options.schedule,
        options.learning_rate,
        options.weight_decay,
        round(options.warmup * total),
        total,
    )


def _is_kernel(trained: dict[str, Any]) -> dict[str, bool]:
    return {name: leaf.ndim > 1 for name, leaf in trained.items()}
