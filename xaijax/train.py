"""Training: `xaijax train` (`run_train`), and `train` for arrays in memory.

    xaijax train --data brain_mri/ --model small_cnn --out runs/brain

The out folder holds `model.safetensors` (the weights of the best epoch, with what they were trained on),
`metrics.json`, `log.jsonl` (one line per epoch), `train.json` (configuration, versions, split), the figures
`training.png` and `confusion.png`, and `state.safetensors`, from which `--resume` goes on. Every file is written
whole and renamed into place.
"""

import dataclasses
import json
import math
import os
import platform
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from xaijax import __version__, models
from xaijax._training import figures, state
from xaijax._training.augment import Augmentation
from xaijax._training.loop import Options, Trainer, evaluate
from xaijax.classifier import Classifier
from xaijax.data import Dataset, open_dataset, split

__all__ = ["Augmentation", "Options", "TrainConfig", "TrainResult", "Trained", "evaluate", "run_train", "train"]

CACHE_BYTES = 1 << 30  # images that need more are read from their files in every epoch


@dataclass(frozen=True)
class TrainConfig:
    """Train a classifier on a folder of images, or on the built-in phantoms.

    Args:
        data: a folder of images (class folders or labels.csv), or phantoms, phantoms:brain_mri.
        out: folder to write.
        model: name of the architecture (xaijax.models.list_models()).
        size: side of the images in pixels; default: what the model is made for.
        channels: 1 or 3; auto looks whether the images are grey.
        epochs: most passes over the training images.
        batch_size: images per step.
        learning_rate: the largest, after the warm-up.
        weight_decay: of kernels, decoupled (AdamW).
        warmup: share of all steps during which the learning rate rises.
        patience: epochs without a better validation macro-F1 after which to stop.
        validation: share of the images kept for validation; patients and identical images stay together.
        balance: weight the loss so that every class counts alike.
        augment: change training images at random.
        augmentation: how much they are changed.
        transpose: swap rows and columns of the images.
        images: phantoms only: number of images.
        data_seed: phantoms only: seed of the images.
        seed: seed of the initial weights, the split, the order and the augmentation.
        resume: go on with the training in the out folder.
    """

    data: str
    out: Path
    model: str = "small_cnn"
    size: int | None = None
    channels: Literal["auto", "1", "3"] = "auto"
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    patience: int = 10
    validation: float = 0.2
    balance: bool = True
    augment: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)
    transpose: bool = False
    images: int | None = None
    data_seed: int | None = None
    seed: int = 0
    resume: bool = False

    def options(self) -> Options:
        """What of it concerns the optimisation."""
        return Options(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup=self.warmup,
            patience=self.patience,
            balance=self.balance,
            augmentation=self.augmentation if self.augment else None,
            seed=self.seed,
        )

    def command(self) -> str:
        """The command that repeats this training, without `--resume`."""
        always = ["--data", self.data, "--model", self.model, "--out", str(self.out)]
        return shlex.join(["xaijax", "train", *always, *_arguments(self, skip=("data", "model", "out", "resume"))])


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
    record = _Record()
    best = classifier
    for epoch in range(1, options.epochs + 1):
        losses = list(trainer.epoch(epoch))
        candidate = trainer.trained()
        if record.add(epoch, losses, evaluate(candidate, *validation)):
            best = candidate
        if on_epoch is not None:
            on_epoch(record.log[-1])
        if record.is_stale(options.patience):
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
        FileNotFoundError, NotADirectoryError: for data that are not there.
        ValueError: for data of one class, options that the model or the data do not have, no readable image, or a
            configuration that differs from the one to resume.
    """
    console = console or Console(stderr=True)
    options = config.options()
    out = config.out.expanduser()
    previous = _check_out(config, out)
    dataset = _open(config)
    dataset.require_classes()
    shape = _image_shape(config, dataset)
    parts = split(dataset, config.validation, config.seed)
    training, validation = (_Images.read(dataset, part, shape) for part in parts)
    skipped = [*training.skipped, *validation.skipped]
    classifier = models.create(config.model, input_shape=shape, classes=dataset.classes, key=config.seed)
    trainer = Trainer(classifier, training, training.labels, options)
    record = _Record()
    description = _describe(config, dataset, shape, training, validation, skipped)
    out.mkdir(parents=True, exist_ok=True)
    if previous:
        trainer.state, saved = state.load(out, trainer.state)
        record = _Record(**saved)
    _write_json(out / "train.json", description)
    _print_start(console, config, dataset, training, validation, skipped, len(record.log))

    for epoch in range(len(record.log) + 1, options.epochs + 1):
        if record.is_stale(options.patience):
            break
        losses = _with_progress(trainer.epoch(epoch), trainer.steps, f"epoch {epoch}/{options.epochs}", console)
        candidate = trainer.trained()
        if record.add(epoch, losses, evaluate(candidate, validation, validation.labels)):
            models.save(candidate, out, info=_info(config, record, dataset))
        _print_epoch(console, record)
        # The state is written last: a training killed before repeats this epoch, and writes the same again.
        state.save(out, trainer.state, dataclasses.asdict(record))
        _write_lines(out / "log.jsonl", record.log)

    _write_json(out / "metrics.json", {"best_epoch": record.best_epoch} | record.metrics | {"skipped": skipped})
    title = f"{config.model} on {dataset.name}"
    _draw(out / "training.png", lambda path: figures.course(record.log, record.best_epoch, path, title))
    _draw(
        out / "confusion.png",
        lambda path: figures.confusion(record.metrics, path, f"{title}, {record.metrics['images']} validation images"),
    )
    _print_end(console, record, out)
    return TrainResult(out, record.best_epoch, record.metrics)


# ------------------------------------------------------------------------------------------------------------ record


@dataclass
class _Record:
    """The epochs so far, and the best of them."""

    log: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)

    def add(self, epoch: int, losses: Sequence[float], validation: dict[str, Any]) -> bool:
        """Note an epoch; True if it is the best so far."""
        loss = math.fsum(losses) / len(losses)
        if not math.isfinite(loss) or not math.isfinite(validation["loss"]):
            raise ValueError(f"the loss is not a number any more in epoch {epoch}; use a smaller learning rate")
        self.log.append(
            {
                "epoch": epoch,
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

    def is_stale(self, patience: int) -> bool:
        """True when the last `patience` epochs brought nothing better."""
        return bool(self.log) and self.log[-1]["epoch"] - self.best_epoch >= patience


# -------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class _Images:
    """Images of a data set by position, in memory where they fit, else read when they are asked for."""

    dataset: Dataset
    indices: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int, int]
    pixels: np.ndarray | None
    skipped: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, dataset: Dataset, indices: np.ndarray, shape: tuple[int, int, int]) -> "_Images":
        if len(indices) * math.prod(shape) <= CACHE_BYTES:
            batch = dataset.read(indices, shape, masks=False)
            return cls(dataset, batch.indices, batch.labels, shape, batch.images, batch.skipped)
        kept: list[np.ndarray] = []
        skipped: list[tuple[str, str]] = []
        for start in range(0, len(indices), 64):
            part = dataset.read(indices[start : start + 64], shape, masks=False)
            kept.append(part.indices)
            skipped += part.skipped
        found = np.concatenate(kept)
        return cls(dataset, found, dataset.labels[found], shape, None, tuple(skipped))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, positions: np.ndarray) -> np.ndarray:
        if self.pixels is not None:
            return self.pixels[positions]
        batch = self.dataset.read(self.indices[positions], self.shape, masks=False)
        if batch.skipped:
            raise ValueError(f"{batch.skipped[0][0]} could be read before and now cannot: {batch.skipped[0][1]}")
        return batch.images


def _open(config: TrainConfig) -> Dataset:
    size = None
    if config.data.partition(":")[0] == "phantoms":
        size = config.size or models.entry(config.model).input_shape[0]
    return open_dataset(config.data, transpose=config.transpose, n=config.images, size=size, seed=config.data_seed)


def _image_shape(config: TrainConfig, dataset: Dataset) -> tuple[int, int, int]:
    height, width, _ = models.entry(config.model).input_shape
    if config.size is not None:
        height = width = config.size
    channels = (1 if _is_grey(dataset) else 3) if config.channels == "auto" else int(config.channels)
    models.entry(config.model).check(len(dataset.classes), (height, width, channels), {})
    return height, width, channels


def _is_grey(dataset: Dataset, looked_at: int = 24) -> bool:
    """Whether some images, evenly spread, have equal channels."""
    positions = np.unique(np.linspace(0, len(dataset) - 1, looked_at).round().astype(int))
    pixels = dataset.read(positions, (64, 64, 3), masks=False).images
    return bool((pixels == pixels[..., :1]).all())


# -------------------------------------------------------------------------------------------------------- the folder


def _check_out(config: TrainConfig, out: Path) -> bool:
    """True if there is a training to go on with."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; give a folder to write")
    if not out.exists() or not any(out.iterdir()):
        return False
    if not config.resume:
        raise FileExistsError(f"{out} is not empty; give another folder, or --resume to go on with its training")
    file = out / "train.json"
    if not file.is_file():
        raise FileNotFoundError(f"{out} holds no training to resume; give the folder of one, or an empty one")
    before = json.loads(file.read_text())["config"]
    now = _plain(config)
    changed = [name for name in now if name not in ("resume", "out") and now[name] != before.get(name)]
    if changed:
        differences = "; ".join(f"{name} was {before.get(name)!r}, now {now[name]!r}" for name in changed)
        raise ValueError(
            f"the training in {out} had another configuration and cannot go on with this one: {differences}"
        )
    return (out / state.FILE).is_file()


def _describe(
    config: TrainConfig,
    dataset: Dataset,
    shape: tuple[int, int, int],
    training: _Images,
    validation: _Images,
    skipped: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "command": config.command(),
        "config": _plain(config),
        "data": {
            "name": dataset.name,
            "options": dict(dataset.options),
            "classes": dataset.class_counts(),
            "training": [dataset.cases[index].id for index in training.indices],
            "validation": [dataset.cases[index].id for index in validation.indices],
            "skipped": [list(item) for item in skipped],
        },
        "input_shape": list(shape),
        "versions": {"xaijax": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "machine": {"system": platform.system(), "processor": platform.machine(), "cpus": os.cpu_count()},
    }


def _info(config: TrainConfig, record: _Record, dataset: Dataset) -> dict[str, Any]:
    kept = ("accuracy", "macro_f1", "loss", "confusion", "images")
    return {
        "command": config.command(),
        "data": dataset.name,
        "epoch": record.best_epoch,
        "validation": {name: record.metrics[name] for name in kept},
        "xaijax": __version__,
    }


def _plain(config: Any) -> dict[str, Any]:
    """The configuration as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def _arguments(config: Any, *, skip: Iterable[str] = (), prefix: str = "") -> list[str]:
    """Command-line arguments of the fields that differ from their defaults."""
    found: list[str] = []
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        default = item.default if item.default_factory is dataclasses.MISSING else item.default_factory()
        if item.name in skip or value == default:
            continue
        name = prefix + item.name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            found += _arguments(value, prefix=f"{name}.")
        elif isinstance(value, bool):
            found.append(f"--{name}" if value else f"--{prefix}no-{item.name.replace('_', '-')}")
        else:
            found += [f"--{name}", str(value)]
    return found


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text)
    os.replace(partial, path)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    _write(path, json.dumps(values, indent=1) + "\n")


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    _write(path, "".join(json.dumps(row) + "\n" for row in rows))


def _draw(path: Path, draw: Callable[[Path], None]) -> None:
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    draw(partial)
    os.replace(partial, path)


# ---------------------------------------------------------------------------------------------------------- printing


def _with_progress(losses: Iterable[float], steps: int, what: str, console: Console) -> list[float]:
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


def _print_start(
    console: Console,
    config: TrainConfig,
    dataset: Dataset,
    training: _Images,
    validation: _Images,
    skipped: Sequence[tuple[str, str]],
    done: int,
) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in dataset.class_counts().items())
    shape = "x".join(map(str, training.shape))
    console.print(f"{config.model} at {shape} on {dataset.name} ({counts})", highlight=False)
    console.print(f"{len(training)} images for training, {len(validation)} for validation", highlight=False)
    if skipped:
        console.print(f"{len(skipped)} images could not be read and are left out:", highlight=False)
        for name, reason in skipped[:10]:
            console.print(f"  {name}: {reason}", highlight=False)
        if len(skipped) > 10:
            console.print("  ...", highlight=False)
    if done:
        console.print(f"going on after epoch {done}", highlight=False)


def _print_epoch(console: Console, record: _Record) -> None:
    row = record.log[-1]
    console.print(
        f"epoch {row['epoch']:3d}  loss {row['train_loss']:.3f}  validation: loss {row['validation_loss']:.3f}, "
        f"accuracy {row['validation_accuracy']:.3f}, macro-F1 {row['validation_macro_f1']:.3f}"
        + ("  *" if record.best_epoch == row["epoch"] else ""),
        highlight=False,
    )


def _print_end(console: Console, record: _Record, out: Path) -> None:
    metrics = record.metrics
    table = Table(title=f"Validation images of epoch {record.best_epoch}: true (rows), predicted (columns)")
    for heading in ("", *metrics["classes"], "precision", "recall", "F1"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in zip(metrics["classes"], metrics["confusion"], strict=True):
        each = metrics["per_class"][name]
        table.add_row(name, *map(str, row), *(f"{each[what]:.3f}" for what in ("precision", "recall", "f1")))
    console.print(table)
    console.print(
        f"accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f}; written to {out}", highlight=False
    )
