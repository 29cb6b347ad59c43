"""Training: `xaijax train` (`run_train`), and `train` for arrays in memory.

    xaijax train --data brain_mri/ --model small_resnet --out runs/brain
    xaijax train --data brain_mri/ --weights mobilenet.keras --frozen-epochs 3 --out runs/fine

The out folder holds `model.safetensors` (the weights of the best epoch, with what they were trained on),
`metrics.json`, `log.jsonl` (one line per epoch), `train.json` (configuration, versions, split), the figures
`training.png`, `confusion.png`, `calibration.png` and `embedding.png`, and `checkpoints`, from which `--resume` goes
on. Every file is written whole and renamed into place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from xaijax import models, plot
from xaijax._runs import classifier_figures
from xaijax.classifier import Classifier
from xaijax.data import split
from xaijax.training import course, description, folder, opening, printing
from xaijax.training.augment import Augmentation
from xaijax.training.config import TrainConfig
from xaijax.training.evaluation import evaluate, logits
from xaijax.training.images import Images
from xaijax.training.loop import Trainer
from xaijax.training.options import Options
from xaijax.training.record import Record

__all__ = ["Augmentation", "Options", "TrainConfig", "TrainResult", "Trained", "evaluate", "run_train", "train"]


@dataclass(frozen=True)
class Trained:
    """What `train` gives: the classifier of the best epoch, that epoch, its scores, and one mapping per epoch."""

    classifier: Classifier
    best_epoch: int
    metrics: dict[str, Any]
    log: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class TrainResult:
    """What `run_train` gives: the out folder, the best epoch and its scores on the validation images."""

    out: Path
    best_epoch: int
    metrics: dict[str, Any]


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

    Args:
        classifier: where to start, from `xaijax.models` or `Classifier.from_nnx`.
        images: `[N, H, W, C]`, uint8 or float in [0, 1].
        labels: `[N]` int.
        validation: images and labels like these, to choose the epoch by.
        options: how to train.
        on_epoch: called after each epoch with its line of the log.

    Returns:
        The classifier of the epoch with the best validation macro-F1 (of equals the one with the smaller loss), its
        scores, and the log.

    Raises:
        ValueError: for labels outside the classes, a classifier made from functions, or a loss that is no number.
    """
    options = options or Options()
    trainer = Trainer(classifier, images, labels, options)
    record = Record()
    best = classifier
    for epoch in range(1, options.epochs + 1):
        losses = list(trainer.epoch(epoch))
        candidate = trainer.trained(epoch)
        if course.note(record, trainer, epoch, losses, evaluate(candidate, *validation)):
            best = candidate
        if on_epoch is not None:
            on_epoch(record.log[-1])
        if record.is_stale(options.patience, options.frozen_epochs):
            break
    return Trained(best, record.best_epoch, record.metrics, tuple(record.log))


def run_train(config: TrainConfig, *, console: Console | None = None) -> TrainResult:
    """The command `xaijax train`.

    Args:
        config: what to train on what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the best epoch and its validation scores.

    Raises:
        FileExistsError: if the out folder is not empty and `resume` is not set.
        FileNotFoundError, NotADirectoryError: for data or weights that are not there.
        ValueError: for data of one class, options that the model or the data do not have, no readable image, or a
            configuration that differs from the one to resume.
    """
    console = console or Console(stderr=True)
    options = config.options()
    out = config.out.expanduser()
    resumes = description.resumes(config, out)
    base = opening.base(config)
    dataset = opening.open_data(config, opening.side_of(config, base))
    dataset.require_classes()
    classifier, origin = opening.start(config, base, dataset)
    training, validation = (
        Images.read(dataset, part, classifier.input_shape) for part in split(dataset, config.validation, config.seed)
    )
    trainer = Trainer(classifier, training, training.labels, options)
    assert classifier.architecture is not None
    name = classifier.architecture.name
    out.mkdir(parents=True, exist_ok=True)
    folder.write_json(out / "train.json", description.describe(config, trainer, training, validation))
    printing.data(console, name + origin, training, validation)
    record = course.run(
        trainer,
        validation,
        validation.labels,
        out,
        keep=config.keep,
        resumes=resumes,
        save=lambda best, record: models.save(best, out, info=description.info(config, record, dataset)),
        console=console,
    )

    skipped = {"skipped": [*training.skipped, *validation.skipped]}
    folder.write_json(out / "metrics.json", {"best_epoch": record.best_epoch} | record.metrics | skipped)
    title = f"{name} on {dataset.name}"
    classifier_figures.save(plot.course(record.log, record.best_epoch, title=title), out / "training.png")
    best = models.load(out)
    predicted = logits(best, validation).argmax(axis=1)
    classifier_figures.write_figures(
        out, best, validation, validation.labels, predicted, record.metrics, f"{title}, validation"
    )
    printing.scores(console, record.metrics, f"Validation images, epoch {record.best_epoch}")
    printing.written(console, out)
    return TrainResult(out, record.best_epoch, record.metrics)
