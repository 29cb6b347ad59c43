"""The retrained form: round by round train, explain, hide; a cascade that resumes leaves its finished rounds untouched.

`rounds/KK` holds what a round made, in this order, each file whole or not there: `images.npy` (from the second round
on: the suppressed images it is trained on), `run.json` (what it was trained on), `model.safetensors`, `checkpoints` and
`log.jsonl` (one line per epoch), `trained.json`, `maps.npy` (of every image for its class), and `round.json`, which
ends it.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from xaijax import _files, models
from xaijax._batches import positions as batches
from xaijax._runs import command_line, epochs, folder, progress
from xaijax._runs.training import Material
from xaijax.cascade import store
from xaijax.cascade.config import CascadeConfig
from xaijax.classifier import Classifier
from xaijax.explain import METHODS
from xaijax.explain.cascade import apply_threshold, suppress
from xaijax.explain.cascade._steps import base_map, base_names
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._train import Record
from xaijax.training._trainer import Trainer

if TYPE_CHECKING:
    from rich.console import Console

ENDED = "round.json"


def place(out: Path, number: int) -> Path:
    """The folder of a round."""
    return out / "rounds" / f"{number:02d}"


def ended(out: Path, number: int) -> dict[str, Any] | None:
    """What a finished round says of itself, or None."""
    file = place(out, number) / ENDED
    return folder.read_json(file, "cascade") if file.is_file() else None


def run(config: CascadeConfig, material: Material, out: Path, console: "Console") -> list[dict[str, Any]]:
    """Run the rounds that are not finished.

    Args:
        config: of the cascade.
        material: what all rounds start from.
        out: folder of the cascade.
        console: where to print.

    Returns:
        What every round says of itself, as in `rounds.jsonl`.
    """
    found: list[dict[str, Any]] = []
    spent: list[float] = []
    for number in range(config.rounds):
        before = ended(out, number)
        if before is None:
            begun = time.perf_counter()
            before = _one(config, material, out, number, console)
            spent.append(time.perf_counter() - begun)
            left = config.rounds - number - 1
            estimate = f"; about {_minutes(left * float(np.mean(spent)))} to go" if left else ""
            score = before["validation"]["macro_f1"]
            progress.say(
                console, f"round {number + 1}/{config.rounds} in {_minutes(spent[-1])}, macro-F1 {score:.3f}{estimate}"
            )
        else:
            progress.say(console, f"round {number + 1}/{config.rounds} is finished")
        found.append(before)
        folder.write_lines(out / "rounds.jsonl", found)
    return found


def take_first(source: Path, target: Path) -> None:
    """Give a cascade the finished round 0 of another one that differs in θ alone: the same images, weights and maps."""
    there = place(target, 0)
    if there.exists() or ended(source, 0) is None:
        return
    left_out = shutil.ignore_patterns(Checkpoints(source).folder.name)
    _files.with_temporary(there, lambda path: shutil.copytree(place(source, 0), path, ignore=left_out))


def images_of(config: CascadeConfig, material: Material, out: Path, number: int) -> Any:
    """The images of a round, by position."""
    if number == 0:
        return store.Intact(*material.sides)
    return store.read(place(out, number) / "images.npy")


def _one(config: CascadeConfig, material: Material, out: Path, number: int, console: "Console") -> dict[str, Any]:
    here = place(out, number)
    seconds = {"training": 0.0, "maps": 0.0, "thresholds": 0.0, "saving": 0.0}
    hidden = 0 if number == 0 else _hide(config, material, out, number, seconds)
    images = images_of(config, material, out, number)
    trained = _train(config, material, here, images, number, console)
    seconds["training"] = trained["seconds"]
    base = base_names(config.base, config.rounds)[number]
    if not (here / "maps.npy").is_file():
        _explain(config, material, here, images, base, seconds)
    shown = ("accuracy", "macro_f1", "loss")
    done = {
        "round": number,
        "base": base,
        "epochs": trained["epochs"],
        "best_epoch": trained["best_epoch"],
        "stopped_early": trained["epochs"] < config.epochs,
        "resumed": trained["resumed"],
        "validation": {name: trained["metrics"][name] for name in shown},
        "maps_not_thresholded": hidden,  # of the round before
        "seconds": seconds,
    }
    folder.write_json(here / ENDED, done)
    return done


def _train(
    config: CascadeConfig, material: Material, here: Path, images: Any, number: int, console: "Console"
) -> dict[str, Any]:
    """Train from the same initial weights, with early stopping; or read what was trained."""
    file = here / "trained.json"
    if file.is_file():
        return folder.read_json(file, "cascade")
    begun = time.perf_counter()
    command = command_line.repeat("cascade", config)
    count = len(material.training)
    training = store.Stretch(images, 0, count)
    validation = store.Stretch(images, count, len(material.validation))
    trainer = Trainer(material.classifier, training, material.training.labels, config.options())
    progress.say(console, f"round {number + 1}/{config.rounds}")
    resumes = Checkpoints(here).folder.is_dir()

    def save(best: Classifier, record: Record) -> None:
        # What bench, evaluate and the frozen form look for next to weights: which images they were not trained on.
        origin = {"kind": "training", "command": command, "config": command_line.plain(config)} | material.describe()
        folder.write_json(here / folder.DESCRIPTION, origin)
        models.save(best, here, info={"command": command, "round": number, "epoch": record.best_epoch})

    record = epochs.epochs_in(
        here, trainer, validation, material.validation.labels, keep=config.keep, save=save, console=console
    )
    trained = {
        "epochs": len(record.log),
        "best_epoch": record.best_epoch,
        "metrics": record.metrics,
        "resumed": resumes,  # then the seconds are those since then
        "seconds": time.perf_counter() - begun,
    }
    folder.write_json(file, trained)
    return trained


def _explain(
    config: CascadeConfig, material: Material, here: Path, images: Any, base: str, seconds: dict[str, float]
) -> None:
    """The base maps of all images of a round, each for its class."""
    classifier = models.load(here)
    labels = material.labels
    options: dict[str, Any] = {"batch_size": config.batch_size}
    if "key" in METHODS[base].needs:
        options["key"] = jax.random.key(config.seed)

    def fill(array: np.ndarray) -> None:
        for positions, kept in batches(len(labels), config.batch_size):
            begun = time.perf_counter()
            maps = base_map(base, classifier, images[positions], labels[positions], config.scale, options)
            made = np.asarray(maps)[:kept]
            seconds["maps"] += time.perf_counter() - begun
            begun = time.perf_counter()
            array[positions[:kept]] = made
            seconds["saving"] += time.perf_counter() - begun

    height, width, _ = classifier.input_shape
    store.write(here / "maps.npy", (len(labels), height, width), fill)


def _hide(config: CascadeConfig, material: Material, out: Path, number: int, seconds: dict[str, float]) -> int:
    """The images of this round, from the images and maps of the round before; how many maps had no threshold."""
    file = place(out, number) / "images.npy"
    note = file.with_name("hidden.json")
    if file.is_file() and note.is_file():
        return int(folder.read_json(note, "cascade")["maps_not_thresholded"])
    images, maps = images_of(config, material, out, number - 1), store.read(place(out, number - 1) / "maps.npy")
    without = 0

    def fill(array: np.ndarray) -> None:
        nonlocal without
        for positions, kept in batches(len(maps), config.batch_size):
            begun = time.perf_counter()
            made, reasons = _hidden(config.threshold, images[positions], np.asarray(maps[positions]), config.theta)
            made = np.asarray(made)[:kept]
            without += int((np.asarray(reasons)[:kept] > 0).sum())
            seconds["thresholds"] += time.perf_counter() - begun
            begun = time.perf_counter()
            array[positions[:kept]] = made
            seconds["saving"] += time.perf_counter() - begun

    store.write(file, (len(maps), *material.classifier.input_shape), fill)
    folder.write_json(note, {"maps_not_thresholded": without})
    if config.store == "last" and number > 1:
        (place(out, number - 1) / "images.npy").unlink(missing_ok=True)
    return without


def _suppressed(threshold: str, images: Any, maps: Any, theta: Any) -> Any:
    kept, reasons = apply_threshold(maps, threshold)
    return suppress(images, kept, theta), reasons


_hidden: Callable[..., Any] = jax.jit(_suppressed, static_argnums=0)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
