"""What a training says about itself, and whether another one can go on with it."""

import json
import os
import platform
from collections.abc import Container
from importlib import metadata
from pathlib import Path
from typing import Any

from xaijax import __version__
from xaijax.data import Dataset
from xaijax.training import state
from xaijax.training.arguments import plain
from xaijax.training.config import TrainConfig
from xaijax.training.images import Images
from xaijax.training.loop import Trainer
from xaijax.training.record import Record

FREE = ("resume", "out", "devices", "keep")  # may differ when a training goes on


def resumes(config: TrainConfig, out: Path) -> bool:
    """True if there is a training in the out folder to go on with.

    Raises:
        FileExistsError: for a folder with something in it, unless `resume` is set.
        FileNotFoundError: for a folder to resume without a training in it.
        ValueError: for a configuration that differs from the one to resume, or contradicts itself.
    """
    if config.frozen_epochs and config.weights is None:
        raise ValueError(
            "frozen_epochs needs --weights: the trunk of a model with random weights would be frozen; "
            "give weights, or leave out --frozen-epochs"
        )
    if config.keep < 1:
        raise ValueError(f"keep must be 1 or more; got {config.keep}")
    check_same(config, out, "train.json", "training", FREE)
    return state.exist(out)


def check_same(config: Any, out: Path, name: str, what: str, free: Container[str]) -> None:
    """Refuses a folder that cannot be written or gone on with.

    Args:
        config: with the field `resume`.
        out: the folder.
        name: the file in it that holds the configuration of what is there.
        what: what it holds, for the messages.
        free: fields that may differ when it goes on.

    Raises:
        FileExistsError: for a folder with something in it, unless `resume` is set, and for a file.
        FileNotFoundError: for a folder to resume that holds something else.
        ValueError: for a configuration that differs from the one to resume.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; give a folder to write")
    if not out.exists() or not any(out.iterdir()):
        return
    if not config.resume:
        raise FileExistsError(f"{out} is not empty; give another folder, or --resume to go on with its {what}")
    file = out / name
    if not file.is_file():
        raise FileNotFoundError(f"{out} holds no {what} to resume; give the folder of one, or an empty one")
    before = json.loads(file.read_text("utf-8"))["config"]
    now = plain(config)
    changed = [field for field in now if field not in free and now[field] != before.get(field)]
    if changed:
        differences = "; ".join(f"{field} was {before.get(field)!r}, now {now[field]!r}" for field in changed)
        raise ValueError(f"the {what} in {out} had another configuration and cannot go on with this one: {differences}")


def describe(config: TrainConfig, trainer: Trainer, training: Images, validation: Images) -> dict[str, Any]:
    """What `train.json` says."""
    dataset = training.dataset
    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    architecture = trainer.classifier.architecture
    assert architecture is not None
    return {
        "command": config.command(),
        "config": plain(config),
        "model": {"architecture": architecture.name, "options": dict(architecture.options)},
        "data": {
            "name": dataset.name,
            "options": dict(dataset.options),
            "classes": dataset.class_counts(),
            "training": training.ids,
            "validation": validation.ids,
            "skipped": [list(item) for item in (*training.skipped, *validation.skipped)],
        },
        "input_shape": list(training.shape),
        "devices": 1 if trainer.mesh is None else trainer.mesh.size,
        "versions": {"xaijax": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "machine": {"system": platform.system(), "processor": platform.machine(), "cpus": os.cpu_count()},
    }


def info(config: TrainConfig, record: Record, dataset: Dataset) -> dict[str, Any]:
    """What a checkpoint says of its training."""
    kept = ("accuracy", "macro_f1", "loss", "confusion", "images")
    return {
        "command": config.command(),
        "data": dataset.name,
        "epoch": record.best_epoch,
        "validation": {name: record.metrics[name] for name in kept},
        "xaijax": __version__,
    }
