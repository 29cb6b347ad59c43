"""The epochs of a training: scored and noted one by one, with early stopping, and resumed from a checkpoint."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.training import _devices as devices
from xaijax.training import _processes as processes
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._options import Options
from xaijax.training._scores import logits_together, scores_of_logits
from xaijax.training._trainer import Trainer


@dataclass(frozen=True)
class Trained:
    """What `train` gives.

    Attributes:
        classifier: that of the best epoch.
        best_epoch: its number, from 1.
        metrics: its scores on the validation images, as `classification_scores` gives them.
        log: one mapping per epoch.
    """

    classifier: Classifier
    best_epoch: int
    metrics: dict[str, Any]
    log: tuple[dict[str, Any], ...]


class DivergedError(InputError):
    """The loss of a training is not a number any more; `epoch` says when."""

    def __init__(self, epoch: int) -> None:
        super().__init__(f"the loss is not a number any more in epoch {epoch}; use a smaller learning rate")
        self.epoch = epoch


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
        """Note an epoch.

        Args:
            epoch: its number, from 1.
            losses: of its steps.
            validation: what `classification_scores` gives after it.
            learning_rate: of its last step.
            frozen: whether the backbone was frozen.

        Returns:
            True if it is the best so far.

        Raises:
            DivergedError: for a loss that is not finite.
        """
        loss = math.fsum(losses) / len(losses)
        if not math.isfinite(loss) or not math.isfinite(validation["loss"]):
            raise DivergedError(epoch)
        self.log.append(
            {
                "epoch": epoch,
                "backbone_frozen": frozen,
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
        """True when the last `patience` epochs with a moving backbone brought nothing better."""
        return bool(self.log) and self.log[-1]["epoch"] - max(self.best_epoch, frozen_epochs) >= patience


def train(
    classifier: Classifier,
    images: Any,
    labels: Any,
    *,
    validation: tuple[Any, Any],
    options: Options | None = None,
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> Trained:
    """Train a classifier on arrays, with early stopping.

    In a program of several processes that `jax.distributed` has joined, all call it with the same arguments and get the
    same; each reads its own rows of every batch from `images`.

    Args:
        classifier: where to start, from `xaijax.models` or `Classifier.from_nnx`.
        images: `[N, H, W, C]`, uint8 or float in [0, 1].
        labels: `[N]` int; of a classifier of findings `[N, K]`: 1, 0, or NaN where one is not known.
        validation: images and labels like these, to choose the epoch by.
        options: how to train.
        on_epoch: called after each epoch with its line of the log.

    Returns:
        The classifier of the epoch with the best validation macro-F1 (of equals the one with the smaller loss), its
        scores, and the log.

    Raises:
        ValueError: for labels outside the classes, a classifier made from functions, or a loss that is no number.

    Example:
        >>> import numpy as np
        >>> from xaijax import models
        >>> images, labels = np.zeros((8, 16, 16, 1), np.uint8), np.arange(8) % 2
        >>> images[labels == 1, 4:8, 4:8] = 255
        >>> start = models.create("small_cnn", 2, (16, 16, 1), width=2)
        >>> done = train(start, images, labels, validation=(images, labels), options=Options(epochs=1, batch_size=8))
        >>> done.best_epoch, done.log[0]["epoch"], done.log[0]["backbone_frozen"]
        (1, 1, False)
    """
    trainer = Trainer(classifier, images, labels, options or Options())
    best = classifier

    def keep(candidate: Classifier, record: Record) -> None:
        nonlocal best
        best = candidate

    def tell(record: Record) -> None:
        if on_epoch is not None:
            on_epoch(record.log[-1])

    record = run_epochs(trainer, *validation, on_best=keep, on_epoch=tell)
    return Trained(best, record.best_epoch, record.metrics, tuple(record.log))


def run_epochs(
    trainer: Trainer,
    images: Any,
    labels: Any,
    *,
    checkpoints: Checkpoints | None = None,
    on_best: Callable[[Classifier, Record], Any] | None = None,
    on_epoch: Callable[[Record], Any] | None = None,
    on_step: Callable[[int, int, float], Any] | None = None,
    on_resume: Callable[[Record], Any] | None = None,
    stop: Callable[[Record], bool] | None = None,
) -> Record:
    """Train until the epochs or the patience are at an end.

    Args:
        trainer: of the training, at its start.
        images: `[N, H, W, C]` images to choose the epoch by.
        labels: `[N]` int, of these.
        checkpoints: where the state is kept after every epoch; what is there already is resumed. None keeps nothing.
        on_best: called as `on_best(classifier, record)` with the classifier of an epoch that is the best so far, before
            the checkpoint of that epoch is written: after a kill in between the epoch is run again and ends the same.
        on_epoch: called as `on_epoch(record)` after an epoch and its checkpoint.
        on_step: called as `on_step(epoch, step, loss)` after a step, all counted from 1.
        on_resume: called as `on_resume(record)` with the epochs that a checkpoint has.
        stop: called as `stop(record)` before an epoch; True ends the training.

    Returns:
        The record of the epochs.

    Raises:
        DivergedError: for a loss that is not finite.
    """
    options = trainer.options
    if processes.count() > 1:
        processes.require_same(trainer.digest(), "options, labels or weights to start from")
    record = Record()
    if checkpoints is not None and (done := checkpoints.latest()) is not None:
        state, saved = checkpoints.load(done, lambda: trainer.started(done))
        trainer.state = devices.everywhere(trainer.mesh, state)
        record = Record(**saved)
        if on_resume is not None:
            on_resume(record)
    for epoch in range(len(record.log) + 1, options.epochs + 1):
        if record.is_stale(options.patience, options.frozen_epochs) or (stop is not None and stop(record)):
            break
        losses: list[float] = []
        with processes.sending():
            for loss in trainer.epoch(epoch):
                losses.append(loss)
                if on_step is not None:
                    on_step(epoch, len(losses), loss)
            candidate = trainer.trained(epoch)
        found = logits_together(candidate, images)
        if not np.isfinite(found).all():
            raise DivergedError(epoch)
        # Intervals are for the report: they cost more than an epoch of a small model.
        quick = {"draws": 0} if candidate.output == "sigmoid" else {}
        scores = scores_of_logits(found, labels, candidate.classes, output=candidate.output, **quick)
        frozen = epoch <= options.frozen_epochs
        better = record.add(epoch, losses, scores, trainer.learning_rate(epoch), frozen)
        with processes.together():
            if better and on_best is not None:
                on_best(candidate, record)
            if checkpoints is not None:
                checkpoints.save(epoch, trainer.state, dataclasses.asdict(record))
            if on_epoch is not None:
                on_epoch(record)
    return record
