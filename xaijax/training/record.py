"""The epochs of a training so far, the best of them, and when to stop."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Record:
    """The epochs so far, and the best of them: JSON values, kept with every checkpoint.

    Args:
        log: one mapping per epoch, the lines of `log.jsonl`.
        best_epoch: the epoch with the best validation macro-F1; of equals the one with the smaller loss. 0 at first.
        metrics: its scores.
    """

    log: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)

    def add(
        self, epoch: int, losses: Sequence[float], validation: dict[str, Any], learning_rate: float, frozen: bool
    ) -> bool:
        """Note an epoch; True if it is the best so far."""
        loss = math.fsum(losses) / len(losses)
        if not math.isfinite(loss) or not math.isfinite(validation["loss"]):
            raise ValueError(f"the loss is not a number any more in epoch {epoch}; use a smaller learning rate")
        self.log.append(
            {
                "epoch": epoch,
                "trunk_frozen": frozen,
                "learning_rate": learning_rate,
                "train_loss": loss,
                "validation_loss": validation["loss"],
                "validation_accuracy": validation["accuracy"],
                "validation_macro_f1": validation["macro_f1"],
            }
        )
        rank = (validation["macro_f1"], -validation["loss"])
        better = not self.metrics or rank > (self.metrics["macro_f1"], -self.metrics["loss"])
        if better:
            self.best_epoch, self.metrics = epoch, validation
        return better

    def is_stale(self, patience: int, frozen_epochs: int = 0) -> bool:
        """True when the last `patience` epochs with a moving trunk brought nothing better."""
        return bool(self.log) and self.log[-1]["epoch"] - max(self.best_epoch, frozen_epochs) >= patience
