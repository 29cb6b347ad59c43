"""The work of `xaijax train`.

    xaijax train --data brain_mri/ --model small_resnet --out runs/brain
    xaijax train --data brain_mri/ --weights mobilenet.keras --frozen-epochs 3 --out runs/fine
    srun xaijax train --data brain_mri/ --model resnet50 --out runs/large --distributed auto

The out folder holds `model.safetensors` (the weights of the best epoch, with what they were trained on),
`metrics.json`, `log.jsonl` (one line per epoch), `run.json` (configuration, versions, split), the figures
`training.png`, `confusion.png`, `reliability.png` and `embedding.png`, and `checkpoints`, from which `--resume`
continues. Every file is written whole and renamed into place.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import __version__, models, plot
from xaijax._runs import (
    classifier_figures,
    command_line,
    distributed,
    epochs,
    folder,
    identity,
    options,
    progress,
    provenance,
    training,
)
from xaijax._runs.training import Images, Material
from xaijax.classifier import Classifier
from xaijax.train.config import TrainConfig
from xaijax.training import _processes as processes
from xaijax.training._scores import logits, scores_of_logits, two_columns
from xaijax.training._train import Record
from xaijax.training._trainer import Trainer

if TYPE_CHECKING:
    from rich.console import Console

FREE = options.FREE | training.FREE
NOT_REPEATED = ("resume", "config", "distributed")  # the last is another one in each process
KEPT = (
    "accuracy",
    "macro_f1",
    "macro_auroc",
    "macro_auprc",
    "loss",
    "confusion",
    "images",
)  # scores that are written next to the weights


@dataclass(frozen=True)
class TrainResult:
    """What `run` gives: the out folder, the best epoch, and its scores on the validation and on the test images.

    There are no scores on test images where none were kept.
    """

    out: Path
    best_epoch: int
    metrics: dict[str, Any]
    test: dict[str, Any] | None = None


def run(config: TrainConfig, *, console: "Console | None" = None) -> TrainResult:
    """The command `xaijax train`.

    Args:
        config: what to train on what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the best epoch and its scores.

    Raises:
        InputError: for options that are not allowed or contradict each other, an out folder that cannot be written or
            resumed, and a loss that is not a number any more.
        FileNotFoundError, NotADirectoryError: for data or weights that are not there.
        ValueError: for data of one class, options that the model or the data do not have, no readable image.
    """
    config = options.check(config)
    with distributed.joined(config.distributed):
        return _run(config, console)


def _run(config: TrainConfig, console: "Console | None") -> TrainResult:
    from rich.console import Console

    out = config.out.expanduser()
    plain = command_line.plain(config)
    with processes.together():
        options.use_device(config)
        folder.check_start(out, "training", plain, resume=config.resume, free=FREE)
        material = training.prepare(config, lesions=config.interventions.need_masks)
        trainer = _trainer(config, material)
        found = (
            {"command": command_line.repeat("train", config, skip=NOT_REPEATED), "config": plain}
            | material.describe()
            | {"devices": 1 if trainer.mesh is None else trainer.mesh.size, "processes": processes.count()}
            | provenance.describe()
            | {"made_by": identity.made_by()}
        )
    processes.require_same([found["model"], found["data"]], "images or weights")
    # Process 0 alone writes and prints.
    writes = processes.is_first()
    console = (console or Console(stderr=True)) if writes else Console(quiet=True)
    with (
        progress.resumable(console, out),
        epochs.diverging(out),
        contextlib.ExitStack() as held,
    ):
        with processes.together():
            if writes:
                place = held.enter_context(folder.RunFolder(out, "training", resume=config.resume))
                epochs.take_up(place, found, console)
                epochs.say_material(console, material)
        record = _train(config, material, trainer, out, console)
        test = processes.from_first(lambda: _report(config, material, record, out, console))
    progress.say(console, f"written to {out}")
    return TrainResult(out, record.best_epoch, record.metrics, test)


def _trainer(config: TrainConfig, material: Material) -> Trainer:
    """The training at its start; with interventions it reads the masks of the images."""
    masks, has_mask = None, None
    if config.interventions.need_masks and not material.dataset.multi_label:
        masks, has_mask = material.training.with_masks()
    return Trainer(
        material.classifier,
        material.training,
        material.training.labels,
        config.options(),
        masks=masks,
        has_mask=has_mask,
        exchange=material.training.exchange() if config.interventions.counterfactual else None,
    )


def _train(config: TrainConfig, material: Material, trainer: Trainer, out: Path, console: "Console") -> Record:
    def save(best: Classifier, record: Record) -> None:
        info = {
            "command": command_line.repeat("train", config, skip=NOT_REPEATED),
            "data": material.dataset.name,
            "epoch": record.best_epoch,
            "validation": {name: record.metrics[name] for name in KEPT if name in record.metrics},
            "xaijax": __version__,
        }
        models.save(best, out, info=info)

    labels = material.validation.labels
    return epochs.epochs_in(out, trainer, material.validation, labels, keep=config.keep, save=save, console=console)


def _report(
    config: TrainConfig, material: Material, record: Record, out: Path, console: "Console"
) -> dict[str, Any] | None:
    """Scores and figures of the best epoch; the figures are of the images that did not choose it, where there are any.

    Returns:
        The scores on the test images.
    """
    title = f"{material.architecture} on {material.dataset.name}"
    best = models.load(out)

    def scored(images: Images) -> tuple[np.ndarray, dict[str, Any]]:
        """Logits and scores; several findings with intervals, which the epochs go without."""
        raw = logits(best, images)
        more = {"groups": images.groups, "seed": config.seed} if best.output == "sigmoid" else {}
        return raw, scores_of_logits(raw, images.labels, best.classes, output=best.output, **more)

    validation = record.metrics
    if best.output == "sigmoid":
        validation = scored(material.validation)[1]
    raw, test = scored(material.test) if len(material.test) else (logits(best, material.validation), None)
    images = material.test if len(material.test) else material.validation
    skipped = {"skipped": [list(item) for item in material.skipped]}
    folder.write_json(out / "metrics.json", {"best_epoch": record.best_epoch} | validation | {"test": test} | skipped)
    classifier_figures.save(plot.training_curves(record.log, record.best_epoch, title=title), out / "training.png")
    shown, which = (validation, "validation") if test is None else (test, "test")
    predicted = two_columns(raw, best.output).argmax(axis=1)
    classifier_figures.write_figures(out, best, images, images.labels, predicted, shown, f"{title}, {which}")
    epochs.say_scores(console, validation, f"Validation images, epoch {record.best_epoch}")
    if test is not None:
        epochs.say_scores(console, test, "Test images, which did not choose the epoch")
    return test
