"""The epochs of a training in a folder: scored, saved and noted one by one, and gone on with after a kill."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from xaijax.classifier import Classifier
from xaijax.training import folder, printing, state
from xaijax.training.evaluation import evaluate
from xaijax.training.loop import Trainer
from xaijax.training.record import Record


def run(
    trainer: Trainer,
    validation: Any,
    labels: Any,
    out: Path,
    *,
    keep: int,
    resumes: bool,
    save: Callable[[Classifier, Record], Any],
    console: Console,
) -> Record:
    """Train until the epochs or the patience are at an end.

    Args:
        trainer: of the training, at its start.
        validation: `[N, H, W, C]` images to choose the epoch by: an array, or anything indexed like one.
        labels: `[N]` int, of these.
        out: folder for `checkpoints` and `log.jsonl`; it exists.
        keep: how many epochs' checkpoints to keep.
        resumes: go on after the last checkpoint in the folder, if there is one.
        save: keeps the classifier of an epoch that is the best so far.
        console: where to print.

    Returns:
        The record of the epochs.
    """
    options = trainer.options
    record = Record()
    with state.Checkpoints(out, keep) as checkpoints:
        done = checkpoints.latest() if resumes else None
        if done is not None:
            trainer.state, saved = checkpoints.load(done, lambda: trainer.started(done))
            record = Record(**saved)
            printing.say(console, f"going on after epoch {len(record.log)}")
        for epoch in range(len(record.log) + 1, options.epochs + 1):
            if record.is_stale(options.patience, options.frozen_epochs):
                break
            losses = printing.with_progress(
                trainer.epoch(epoch), trainer.steps, f"epoch {epoch}/{options.epochs}", console
            )
            candidate = trainer.trained(epoch)
            if note(record, trainer, epoch, losses, evaluate(candidate, validation, labels)):
                save(candidate, record)
            printing.epoch(console, record)
            # The checkpoint is written last: a training killed before repeats this epoch, and writes the same again.
            checkpoints.save(epoch, trainer.state, dataclasses.asdict(record))
            folder.write_lines(out / "log.jsonl", record.log)
    return record


def note(record: Record, trainer: Trainer, epoch: int, losses: Sequence[float], validation: dict[str, Any]) -> bool:
    """Note an epoch; True if it is the best so far."""
    frozen = epoch <= trainer.options.frozen_epochs
    return record.add(epoch, losses, validation, trainer.learning_rate(epoch), frozen)
