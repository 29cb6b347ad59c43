"""CasCAM: `xaijax cascade` (`run_cascade`), and cascades as files (`save`, `load`).

    xaijax cascade --data pets/ --model small_resnet --rounds 5 --theta 2 --out runs/pets
    xaijax cascade --data pets/ --form frozen --model runs/pets_classifier --rounds 5 --out runs/pets_frozen

The retrained form trains a classifier for every round on what the rounds before left; its out folder holds
`cascade.safetensors` (all K parameter sets; `load` gives an object that explains any image), `cascade.json`
(configuration, versions, split), `rounds.jsonl` (validation scores, epochs, seconds of training, maps, thresholds and
saving) and `rounds/KK` with the images, maps and weights of every round. Both forms write `cascade.png` (what the
rounds saw and found), `evaluation.md`, `evaluation.json`, `scores.csv`, `tests.csv`, and of a sweep `sweep.md`,
`sweep.csv`, `sweep.png`. A killed command goes on with `--resume`: finished rounds stay as they are.
"""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from rich.console import Console

from xaijax import __version__, models
from xaijax.bench.inputs import match_classes
from xaijax.bench.plan import check_names
from xaijax.cascade import evaluation, figures, frozen, rounds, sweep, tables
from xaijax.cascade.checkpoint import FILE, load, save, stack
from xaijax.cascade.config import CAMS, CascadeConfig
from xaijax.cascade.evaluation import Heldout
from xaijax.classifier import Classifier
from xaijax.data import Dataset, split
from xaijax.explain import methods
from xaijax.explain.cascade import Cascade
from xaijax.explain.cascade._steps import base_names, check_settings
from xaijax.training import description, folder, opening, printing
from xaijax.training.arguments import plain
from xaijax.training.images import Images

__all__ = ["CAMS", "CascadeConfig", "CascadeResult", "load", "run_cascade", "save"]

DESCRIPTION = "cascade.json"
# What may differ when a cascade goes on: it changes no finished round.
FREE = (
    *("resume", "out", "devices", "keep", "store", "rounds", "decay", "prefixes", "compare", "explained", "shown"),
    *("sweep_theta", "sweep_decay", "sweep_threshold"),
)


@dataclass(frozen=True)
class CascadeResult:
    """What `run_cascade` gives: the out folder, the trained cascade (None for the frozen form), and its evaluation."""

    out: Path
    cascade: Cascade | None
    evaluation: dict[str, Any]


def run_cascade(config: CascadeConfig, *, console: Console | None = None) -> CascadeResult:
    """The command `xaijax cascade`.

    Args:
        config: what to explain with what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the cascade, and its evaluation.

    Raises:
        FileExistsError: if the out folder is not empty and `resume` is not set.
        FileNotFoundError, NotADirectoryError: for data or weights that are not there.
        ValueError: for data of one class, settings out of their ranges, or a configuration that differs from the one
            to resume.
    """
    console = console or Console(stderr=True)
    check_settings(config.rounds, config.threshold, config.theta, config.decay, config.scale)
    for _, threshold, decay in sweep.points(config):
        check_settings(config.rounds, threshold, config.theta, decay, config.scale)
    base_names(config.base, config.rounds)
    check_names("compare", config.compare, methods(without="masks"))
    out = config.out.expanduser()
    description.check_same(config, out, DESCRIPTION, "cascade", FREE)
    try:
        return (_frozen if config.form == "frozen" else _retrained)(config, out, console)
    except KeyboardInterrupt:
        printing.say(console, f"interrupted; what is finished stays in {out}: go on with --resume")
        raise


def _retrained(config: CascadeConfig, out: Path, console: Console) -> CascadeResult:
    base = opening.base(config)
    dataset = opening.open_data(config, opening.side_of(config, base), config.mask_role)
    dataset.require_classes()
    classifier, origin = opening.start(config, base, dataset)
    training, validation = (
        Images.read(dataset, part, classifier.input_shape) for part in split(dataset, config.validation, config.seed)
    )
    material = rounds.Material(classifier, training, validation)
    _describe(config, out, dataset, {"training": training.ids, "validation": validation.ids})
    assert classifier.architecture is not None
    printing.data(console, classifier.architecture.name + origin, training, validation)
    trained, found = _train(config, material, out, console)
    heldout = Heldout.read(
        dataset,
        list(validation.indices),
        classifier.input_shape,
        range(len(dataset.classes)),
        config.explained,
        config.seed,
    )
    maps, per_image = evaluation.timed(
        lambda x, y: trained.maps(x, y, batch_size=config.batch_size), heldout, config.batch_size
    )
    prepared = [sum(row["seconds"].values()) for row in found]
    classifiers = [trained.round(number) for number in range(trained.rounds)]
    scored = _evaluate(config, out, heldout, classifiers, maps, per_image, prepared, found, console)
    _draw_rounds(config, material, heldout, maps, out)
    if config.sweeps():
        kept: dict[float, np.ndarray] = {config.theta: maps}

        def maps_at(theta: float, threshold: str) -> np.ndarray:
            if theta not in kept:
                own = sweep.at_theta(config, theta)
                printing.say(console, f"sweep: a cascade with theta {theta:g}")
                there = own.out.expanduser()
                rounds.take_first(out, there)  # round 0 knows no theta
                other, _ = _train(own, material, there, console)
                kept[theta] = evaluation.timed(
                    lambda x, y: other.maps(x, y, batch_size=config.batch_size), heldout, config.batch_size
                )[0]
            return kept[theta]

        sweep.run(config, out, heldout, maps_at, lambda text: printing.say(console, text))
    printing.written(console, out)
    return CascadeResult(out, trained, scored)


def _train(
    config: CascadeConfig, material: rounds.Material, out: Path, console: Console
) -> tuple[Cascade, list[dict[str, Any]]]:
    """Run what is missing of the rounds, and put them into one file."""
    out.mkdir(parents=True, exist_ok=True)
    found = rounds.run(config, material, out, console)
    trained = stack(
        [models.load(rounds.place(out, number)) for number in range(config.rounds)],
        base=base_names(config.base, config.rounds),
        scale=config.scale,
        threshold=config.threshold,
        theta=config.theta,
        decay=config.decay,
        seed=config.seed,
    )
    save(trained, out / FILE, info={"command": config.command(), "xaijax": __version__})
    return trained, found


def _frozen(config: CascadeConfig, out: Path, console: Console) -> CascadeResult:
    classifier = frozen.classifier_of(config)
    dataset = opening.open_data(config, classifier.input_shape[0], config.mask_role)
    dataset.require_classes()
    index = match_classes(dataset.classes, classifier.classes, f"model {config.model}", f"the data {config.data}")
    chosen = frozen.heldout_positions(config, dataset)
    heldout = Heldout.read(dataset, chosen, classifier.input_shape, index, config.explained, config.seed)
    _describe(config, out, dataset, {"explained": list(heldout.batch.ids)})
    printing.say(console, f"{len(heldout.labels)} images of {dataset.name}, {config.rounds} rounds of masking")
    begun = time.perf_counter()
    maps, per_image = evaluation.timed(
        lambda x, y: np.asarray(frozen.explain(config, classifier, x, y).maps), heldout, config.batch_size
    )
    printing.say(console, f"explained in {time.perf_counter() - begun:.0f} s")
    scored = _evaluate(config, out, heldout, [classifier], maps, per_image, [0.0] * config.rounds, [], console)
    shown = frozen.explain(config, classifier, heldout.batch.images[: config.shown], heldout.labels[: config.shown])
    _draw(
        config, heldout, np.arange(len(heldout.labels))[: config.shown], shown.images, shown.maps, shown.combined, out
    )
    if config.sweeps():

        def maps_at(theta: float, threshold: str) -> np.ndarray:
            return frozen.maps_of(frozen.with_point(config, theta, threshold), classifier, heldout)

        sweep.run(config, out, heldout, maps_at, lambda text: printing.say(console, text))
    printing.written(console, out)
    return CascadeResult(out, None, scored)


def _evaluate(
    config: CascadeConfig,
    out: Path,
    heldout: Heldout,
    classifiers: Sequence[Classifier],
    maps: np.ndarray,
    per_image: float,
    prepared: Sequence[float],
    found: Sequence[dict[str, Any]],
    console: Console,
) -> dict[str, Any]:
    """Scores, tests, hits, accuracies and times, written and printed."""
    counts = config.counts()
    cascades = evaluation.cascade_maps(maps, counts, config.threshold, config.decay)
    singles, seconds = evaluation.single_maps(
        classifiers[0], heldout, config.compare, config.seed, config.batch_size, console
    )
    scores = evaluation.score(cascades | singles, heldout)
    result: dict[str, Any] = {
        "command": config.command(),
        "images": len(heldout.labels),
        "classes": len(classifiers[0].classes),
        "means": evaluation.means(scores),
        "tests": evaluation.tests(scores, config.seed) if len(heldout.labels) > 1 else [],
        "accuracies": evaluation.accuracies(classifiers, heldout, config.batch_size),
        "hits": evaluation.hits(cascades | singles, heldout),
        "rounds": list(found),
        "costs": evaluation.costs(counts, config.rounds, per_image, prepared, seconds),
    }
    folder.write_json(out / "evaluation.json", result)
    folder.write(out / "evaluation.md", tables.summary(config.command(), result))
    folder.write(out / "tests.csv", tables.comma_separated(result["tests"]))
    folder.draw(out / "scores.csv", lambda path: pyarrow.csv.write_csv(scores.to_arrow(), path))
    if not result["means"]:
        printing.say(console, "the data have no masks: no localization scores")
    for row in result["means"]:
        values = ", ".join(
            f"{tables.HEADINGS[k]} {v:.3f}" for k, v in row.items() if k in tables.HEADINGS and v is not None
        )
        printing.say(console, f"{row['method']}: {values}")
    return result


def _draw_rounds(
    config: CascadeConfig, material: rounds.Material, heldout: Heldout, maps: np.ndarray, out: Path
) -> None:
    """What the rounds saw and found of a few validation images, and the explanation of the intact ones."""
    place = {index: position for position, index in enumerate(material.validation.indices)}
    rows = np.arange(len(heldout.labels))[: config.shown]
    positions = np.array([place[index] for index in heldout.batch.indices[rows]]) + len(material.training)
    seen, own = [], []
    for number in range(config.rounds):
        if number and not (rounds.place(out, number) / "images.npy").is_file():
            return  # not kept
        seen.append(rounds.images_of(config, material, out, number)[positions])
        own.append(np.load(rounds.place(out, number) / "maps.npy", mmap_mode="r")[positions])
    combined = evaluation.cascade_maps(maps[:, rows], [config.rounds], config.threshold, config.decay)
    _draw(config, heldout, rows, np.stack(seen), np.stack(own), combined[evaluation.name(config.rounds)], out)


def _draw(
    config: CascadeConfig, heldout: Heldout, rows: np.ndarray, seen: Any, maps: Any, combined: Any, out: Path
) -> None:
    batch = heldout.batch
    names = [Path(batch.ids[row]).name for row in rows]
    masks = {role: values[rows] for role, values in batch.roles.items()}
    title = f"{config.form}, {', '.join(dict.fromkeys(config.base))}, theta {config.theta:g}, {config.threshold}"
    seen, maps, combined = (np.asarray(values) for values in (seen, maps, combined))
    images = batch.images[rows]
    folder.draw(
        out / "cascade.png", lambda path: figures.rounds(seen, maps, images, combined, masks, names, path, title)
    )


def _describe(config: CascadeConfig, out: Path, dataset: Dataset, images: dict[str, list[str]]) -> None:
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    out.mkdir(parents=True, exist_ok=True)
    folder.write_json(
        out / DESCRIPTION,
        {
            "command": config.command(),
            "config": plain(config),
            "data": {"name": dataset.name, "options": dict(dataset.options), "classes": dataset.class_counts()}
            | images,
            "versions": {"xaijax": __version__, "python": platform.python_version()}
            | {name: metadata.version(name) for name in packages},
            "machine": {"system": platform.system(), "processor": platform.machine(), "cpus": os.cpu_count()},
        },
    )
