"""Training: `xaijax train` (`run_train`), and `train` for arrays in memory.

    xaijax train --data brain_mri/ --model small_resnet --out runs/brain
    xaijax train --data brain_mri/ --weights mobilenet.keras --frozen-epochs 3 --out runs/fine

The out folder holds `model.safetensors` (the weights of the best epoch, with what they were trained on),
`metrics.json`, `log.jsonl` (one line per epoch), `train.json` (configuration, versions, split), the figures
`training.png`, `confusion.png`, `calibration.png` and `embedding.png`, and `checkpoints`, from which `--resume` goes
on. Every file is written whole and renamed into place.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from xaijax import models
from xaijax._training import description, figures, folder, printing, report, state, weights
from xaijax._training.augment import Augmentation
from xaijax._training.config import TrainConfig
from xaijax._training.evaluation import evaluate, logits
from xaijax._training.images import Images, is_grey
from xaijax._training.loop import Trainer
from xaijax._training.options import Options
from xaijax._training.record import Record
from xaijax.classifier import Classifier
from xaijax.data import Dataset, open_dataset, split

__all__ = ["Augmentation", "Options", "TrainConfig", "TrainResult", "Trained", "evaluate", "run_train", "train"]

DEFAULT_MODEL = "small_cnn"


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
        if _note(record, trainer, epoch, losses, evaluate(candidate, *validation)):
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
    base = _base(config)
    dataset = _open(config, base)
    dataset.require_classes()
    classifier, origin = _start(config, base, dataset)
    training, validation = (
        Images.read(dataset, part, classifier.input_shape) for part in split(dataset, config.validation, config.seed)
    )
    trainer = Trainer(classifier, training, training.labels, options)
    record = Record()
    assert classifier.architecture is not None
    name = classifier.architecture.name
    out.mkdir(parents=True, exist_ok=True)
    with state.Checkpoints(out, config.keep) as checkpoints:
        done = checkpoints.latest() if resumes else None
        if done is not None:
            trainer.state, saved = checkpoints.load(done, lambda: trainer.started(done))
            record = Record(**saved)
        folder.write_json(out / "train.json", description.describe(config, trainer, training, validation))
        printing.data(console, name + origin, training, validation)
        if record.log:
            printing.say(console, f"going on after epoch {len(record.log)}")

        for epoch in range(len(record.log) + 1, options.epochs + 1):
            if record.is_stale(options.patience, options.frozen_epochs):
                break
            losses = printing.with_progress(
                trainer.epoch(epoch), trainer.steps, f"epoch {epoch}/{options.epochs}", console
            )
            candidate = trainer.trained(epoch)
            if _note(record, trainer, epoch, losses, evaluate(candidate, validation, validation.labels)):
                models.save(candidate, out, info=description.info(config, record, dataset))
            printing.epoch(console, record)
            # The checkpoint is written last: a training killed before repeats this epoch, and writes the same again.
            checkpoints.save(epoch, trainer.state, dataclasses.asdict(record))
            folder.write_lines(out / "log.jsonl", record.log)

    skipped = {"skipped": [*training.skipped, *validation.skipped]}
    folder.write_json(out / "metrics.json", {"best_epoch": record.best_epoch} | record.metrics | skipped)
    title = f"{name} on {dataset.name}"
    folder.draw(out / "training.png", lambda path: figures.course(record.log, record.best_epoch, path, title))
    best = models.load(out)
    predicted = logits(best, validation).argmax(axis=1)
    report.write_figures(out, best, validation, validation.labels, predicted, record.metrics, f"{title}, validation")
    printing.scores(console, record.metrics, f"Validation images, epoch {record.best_epoch}")
    printing.written(console, out)
    return TrainResult(out, record.best_epoch, record.metrics)


def _note(record: Record, trainer: Trainer, epoch: int, losses: Sequence[float], validation: dict[str, Any]) -> bool:
    frozen = epoch <= trainer.options.frozen_epochs
    return record.add(epoch, losses, validation, trainer.learning_rate(epoch), frozen)


# --------------------------------------------------------------------------------------------------- model and data


def _base(config: TrainConfig) -> Classifier | None:
    """The weights to start from, or None for random ones."""
    if config.weights is None:
        models.entry(config.model or DEFAULT_MODEL)
        return None
    base = weights.read_weights(config.weights, channels=None if config.channels == "auto" else int(config.channels))
    assert base.architecture is not None  # read_weights gives models of the registry alone
    if config.model not in (None, base.architecture.name):
        raise ValueError(
            f"the weights {config.weights} are those of {base.architecture.name}, not of {config.model}; "
            "leave out --model"
        )
    return base


def _open(config: TrainConfig, base: Classifier | None) -> Dataset:
    size = None
    if config.data.partition(":")[0] == "phantoms":
        made_for = models.entry(config.model or DEFAULT_MODEL) if base is None else base
        size = config.size or made_for.input_shape[0]
    return open_dataset(
        config.data,
        transpose=config.transpose,
        n=config.images,
        size=size,
        seed=config.data_seed,
        cues=config.cues,
        correlation=config.correlation,
        covered=config.covered,
    )


def _start(config: TrainConfig, base: Classifier | None, dataset: Dataset) -> tuple[Classifier, str]:
    """The classifier to train, and a few words about where it comes from."""
    if base is not None:
        begun = weights.start(base, dataset.classes, config.size, config.seed)
        kept = "its head too" if begun.head_kept else "a new head"
        return begun.classifier, f" from {config.weights} ({kept})"
    entry = models.entry(config.model or DEFAULT_MODEL)
    height, width, _ = entry.input_shape
    if config.size is not None:
        height = width = config.size
    channels = (1 if is_grey(dataset) else 3) if config.channels == "auto" else int(config.channels)
    return models.create(
        entry.name, input_shape=(height, width, channels), classes=dataset.classes, key=config.seed
    ), ""
