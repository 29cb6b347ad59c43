"""What a training and an evaluation print."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from xaijax.training.images import Images
from xaijax.training.record import Record

SHOWN = 10  # unreadable images that are named


def with_progress(losses: Iterable[float], steps: int, what: str, console: Console) -> list[float]:
    """The losses of an epoch, with a progress bar while they come."""
    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    found: list[float] = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=steps, loss="")
        for loss in losses:
            found.append(loss)
            progress.update(task, advance=1, loss=f"loss {loss:.3f}")
    return found


def data(console: Console, what: str, training: Images, validation: Images) -> None:
    """The model, the data and what could not be read."""
    dataset = training.dataset
    counts = ", ".join(f"{name} {count}" for name, count in dataset.class_counts().items())
    shape = "x".join(map(str, training.shape))
    say(console, f"{what} at {shape} on {dataset.name} ({counts})")
    say(console, f"{len(training)} images for training, {len(validation)} for validation")
    skipped(console, [*training.skipped, *validation.skipped])


def skipped(console: Console, found: Sequence[tuple[str, str]]) -> None:
    """The images that could not be read, the first of them by name."""
    if found:
        say(console, f"{len(found)} images could not be read and are left out:")
        for name, reason in found[:SHOWN]:
            say(console, f"  {name}: {reason}")
        if len(found) > SHOWN:
            say(console, "  ...")


def epoch(console: Console, record: Record) -> None:
    """The last epoch in one line; a star where it is the best so far."""
    row = record.log[-1]
    say(
        console,
        f"epoch {row['epoch']:3d}  loss {row['train_loss']:.3f}  validation: loss {row['validation_loss']:.3f}, "
        f"accuracy {row['validation_accuracy']:.3f}, macro-F1 {row['validation_macro_f1']:.3f}"
        + ("  (trunk frozen)" if row["trunk_frozen"] else "")
        + ("  *" if record.best_epoch == row["epoch"] else ""),
    )


def scores(console: Console, metrics: Mapping[str, Any], title: str) -> None:
    """Confusion matrix and scores."""
    table = Table(title=f"{title}: true (rows), predicted (columns)")
    for heading in ("", *metrics["classes"], "precision", "recall", "F1"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in zip(metrics["classes"], metrics["confusion"], strict=True):
        each = metrics["per_class"][name]
        table.add_row(name, *map(str, row), *(f"{each[what]:.3f}" for what in ("precision", "recall", "f1")))
    console.print(table)
    say(
        console,
        f"accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f}, "
        f"calibration error {metrics['calibration']['ece']:.3f}",
    )


def written(console: Console, out: Path) -> None:
    """Where the results are."""
    say(console, f"written to {out}")


def say(console: Console, text: str) -> None:
    """One line, as it is."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)
