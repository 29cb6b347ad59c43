"""The epochs of a training in a folder, with a progress bar, and what the commands print of a training."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import folder, identity, progress, tables
from xaijax._runs.data import found_lines, note_lines
from xaijax._runs.training import Material
from xaijax.classifier import Classifier
from xaijax.training import DivergedError
from xaijax.training import _processes as processes
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._train import Record, run_epochs
from xaijax.training._trainer import Trainer

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 10  # unreadable images that are named


def epochs_in(
    out: Path,
    trainer: Trainer,
    validation: Any,
    labels: Any,
    *,
    keep: int,
    save: Callable[[Classifier, Record], Any],
    console: "Console",
) -> Record:
    """Trains in a folder until the epochs or the patience are at an end; resumes what is in it.

    Args:
        out: folder for `checkpoints` and `log.jsonl`.
        trainer: of the training, at its start.
        validation: `[N, H, W, C]` images to choose the epoch by.
        labels: `[N]` int, of these.
        keep: how many epochs' checkpoints to keep.
        save: keeps the classifier of an epoch that is the best so far; called in the first of several processes alone.
        console: where to print.

    Returns:
        The record of the epochs.
    """
    epochs = trainer.options.epochs
    with progress.bar(console, f"epoch 1/{epochs}") as report, Checkpoints(out, keep) as checkpoints:

        def step(epoch: int, number: int, loss: float) -> None:
            report((epoch - 1 + number / trainer.steps) / epochs, f"epoch {epoch}/{epochs}, loss {loss:.3f}")

        def finished(record: Record) -> None:
            if not processes.is_first():
                return
            folder.write_lines(out / "log.jsonl", record.log)
            say_epoch(console, record)

        return run_epochs(
            trainer,
            validation,
            labels,
            checkpoints=checkpoints,
            on_best=save if processes.is_first() else None,
            on_epoch=finished,
            on_step=step,
            on_resume=lambda record: progress.say(console, f"resuming after epoch {len(record.log)}"),
        )


def take_up(place: folder.RunFolder, description: Mapping[str, Any], console: "Console") -> None:
    """Writes what `run.json` says; a folder that is resumed must have been started with the same.

    Raises:
        InputError: naming what is another one now, or a damaged file that nothing can replace.
    """
    if place.resumed:
        before = place.description()
        identity.refuse_changed(place.path, before, description)
        for line in (*place.repair(), *identity.another_machine(before, description)):
            progress.say(console, line)
    place.describe(description)


@contextmanager
def diverging(out: Path) -> Iterator[None]:
    """Adds to the error of a diverged training what to do about it, once the run folder is closed."""
    try:
        yield
    except DivergedError as error:
        kept = f" and another --out: {out} keeps the epochs before and ends the same when it is resumed"
        raise InputError(
            f"the loss is not a number any more in epoch {error.epoch}; start again with a smaller --learning-rate"
            + (kept if (out / folder.DESCRIPTION).is_file() else "")
        ) from error


def say_material(console: "Console", material: Material) -> None:
    """Prints the model, the data, how they were divided, and what could not be read."""
    counts = ", ".join(f"{name} {count}" for name, count in material.dataset.class_counts().items())
    shape = "x".join(map(str, material.training.shape))
    what = f"{material.architecture}{material.origin} at {shape} on {material.dataset.name}"
    progress.say(console, f"{what} ({counts})")
    for line in found_lines(material.dataset):
        progress.say(console, line)
    test = f"{len(material.test)} for test" if len(material.test) else "none for test"
    progress.say(
        console, f"{len(material.training)} images for training, {len(material.validation)} for validation, {test}"
    )
    for line in (*material.division.notes, *note_lines(material.notes)):
        progress.say(console, line)
    say_skipped(console, material.skipped)


def say_skipped(console: "Console", found: Sequence[tuple[str, str]]) -> None:
    """Prints which images could not be read, the first of them by name."""
    if found:
        progress.say(console, f"{len(found)} images could not be read and are left out:")
        for name, reason in found[:SHOWN]:
            progress.say(console, f"  {name}: {reason}")
        if len(found) > SHOWN:
            progress.say(console, "  ...")


def say_epoch(console: "Console", record: Record) -> None:
    """Prints the last epoch in one line; a star where it is the best so far."""
    row = record.log[-1]
    progress.say(
        console,
        f"epoch {row['epoch']:3d}  loss {row['train_loss']:.3f}  validation: loss {row['validation_loss']:.3f}, "
        f"accuracy {row['validation_accuracy']:.3f}, macro-F1 {row['validation_macro_f1']:.3f}"
        + ("  (backbone frozen)" if row["backbone_frozen"] else "")
        + ("  *" if record.best_epoch == row["epoch"] else ""),
    )


def say_scores(console: "Console", metrics: Mapping[str, Any], title: str) -> None:
    """Prints the confusion matrix and the scores of a classifier, or the scores of each finding."""
    if "per_finding" in metrics:
        say_findings(console, metrics, title)
        return
    rows = []
    for name, counts in zip(metrics["classes"], metrics["confusion"], strict=True):
        each = metrics["per_class"][name]
        row = {"": name} | dict(zip(metrics["classes"], counts, strict=True))
        rows.append(row | {"precision": each["precision"], "recall": each["recall"], "F1": each["f1"]})
    tables.print_rows(console, rows, title=f"{title}: true (rows), predicted (columns)")
    progress.say(
        console,
        f"accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f}, "
        f"expected calibration error {metrics['reliability']['ece']:.3f}",
    )


def say_findings(console: "Console", metrics: Mapping[str, Any], title: str) -> None:
    """Prints the scores of each finding, with their intervals."""
    rows = []
    for name, one in metrics["per_finding"].items():
        row = {"": name, "present": one["present"], "absent": one["absent"]}
        for key, heading in (("auroc", "AUROC"), ("auprc", "AUPRC")):
            row[heading] = one[key]
            row[f"{heading} 95 %"] = (
                "–" if one[f"{key}_low"] is None else f"{one[f'{key}_low']:.3f} to {one[f'{key}_high']:.3f}"
            )
        rows.append(row | {"sensitivity": one["sensitivity"], "specificity": one["specificity"], "F1": one["f1"]})
    tables.print_rows(console, rows, title=title)
    means = (("AUROC", metrics["macro_auroc"]), ("AUPRC", metrics["macro_auprc"]), ("F1", metrics["macro_f1"]))
    shown = ", ".join(f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in means)
    progress.say(console, f"mean over findings: {shown}")
