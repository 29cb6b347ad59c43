"""The work of `xaijax cascade`: CasCAM.

    xaijax cascade --data pets/ --model small_resnet --rounds 5 --theta 2 --out runs/pets
    xaijax cascade --data pets/ --form frozen --model runs/pets_classifier --rounds 5 --out runs/pets_frozen

The retrained form trains a classifier for every round on what the rounds before left; its out folder holds
`cascade.safetensors` (all K parameter sets; `xaijax.cascade.load` gives an object that explains any image), `run.json`
(configuration, versions, split), `rounds.jsonl` (validation scores, epochs, seconds of training, maps, thresholds and
saving) and `rounds/KK` with the images, maps and weights of every round. Both forms write `cascade.png` (what the
rounds saw and found), `evaluation.md`, `evaluation.json`, `scores.csv`, `tests.csv`, and of a sweep `sweep.md`,
`sweep.csv`, `sweep.png`. `--resume` resumes a killed command: finished rounds stay unchanged.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax import __version__, _files, models
from xaijax._runs import command_line, data, epochs, folder, identity, options, progress, provenance, training
from xaijax._runs import models as run_models
from xaijax._runs.folder import RunFolder
from xaijax._runs.training import Material
from xaijax.cascade import figures, frozen, report, rounds, scoring, sweep
from xaijax.cascade.config import FREE, CascadeConfig, checked
from xaijax.cascade.files import FILE, save, stack
from xaijax.cascade.scoring import Heldout
from xaijax.classifier import Classifier
from xaijax.explain.cascade import Cascade
from xaijax.explain.cascade._steps import base_names

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class CascadeResult:
    """What `run` gives: the out folder, the trained cascade (None for the frozen form), and its evaluation."""

    out: Path
    cascade: Cascade | None
    evaluation: dict[str, Any]


def run(config: CascadeConfig, *, console: "Console | None" = None) -> CascadeResult:
    """The command `xaijax cascade`.

    Args:
        config: what to explain with what, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the cascade, and its evaluation.

    Raises:
        InputError: for options that are not allowed or contradict each other, an out folder that cannot be written or
            resumed, and a loss that is not a number any more.
        FileNotFoundError, NotADirectoryError: for data or weights that are not there.
        ValueError: for data of one class, settings out of their ranges.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    config = checked(config)
    options.use_device(config)
    out = config.out.expanduser()
    folder.check_start(out, "cascade", command_line.plain(config), resume=config.resume, free=FREE)
    with progress.resumable(console, out), epochs.diverging(out):
        found = (_frozen if config.form == "frozen" else _retrained)(config, out, console)
    progress.say(console, f"written to {out}")
    return found


def _retrained(config: CascadeConfig, out: Path, console: "Console") -> CascadeResult:
    material = training.prepare(config)
    shape = material.classifier.input_shape
    with RunFolder(out, "cascade", resume=config.resume) as place:
        _describe(place, config, material.describe(), console)
        epochs.say_material(console, material)
        trained, found = _train(config, material, out, console)
        known = range(len(material.dataset.classes))
        positions = list(material.scored.indices)
        heldout = Heldout.read(material.dataset, positions, shape, known, config.explained, config.seed)
        maps, per_image = _maps_of(trained, heldout, config)
        prepared = [sum(row["seconds"].values()) for row in found]
        classifiers = [trained.round(number) for number in range(trained.rounds)]
        scored = _score(config, out, heldout, classifiers, maps, per_image, prepared, found, console)
        _draw_rounds(config, material, heldout, maps, out)
        kept: dict[float, np.ndarray] = {config.theta: maps}

        def maps_at(theta: float, threshold: str) -> np.ndarray:
            if theta not in kept:
                own = sweep.at_theta(config, theta)
                progress.say(console, f"sweep: a cascade with theta {theta:g}")
                there = own.out.expanduser()
                rounds.take_first(out, there)  # round 0 knows no theta
                other, _ = _train(own, material, there, console)
                kept[theta], _ = _maps_of(other, heldout, config)
            return kept[theta]

        if config.sweeps():
            sweep.run(config, out, heldout, maps_at, lambda text: progress.say(console, text))
    return CascadeResult(out, trained, scored)


def _train(
    config: CascadeConfig, material: Material, out: Path, console: "Console"
) -> tuple[Cascade, list[dict[str, Any]]]:
    """Run what is missing of the rounds, and put them into one file."""
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
    save(trained, out / FILE, info={"command": command_line.repeat("cascade", config), "xaijax": __version__})
    return trained, found


def _maps_of(trained: Cascade, heldout: Heldout, config: CascadeConfig) -> tuple[np.ndarray, float]:
    """The rounds' maps `[K, N, H, W]` of held-out images, before the threshold, and seconds per image."""
    return scoring.timed(lambda x, y: trained.maps(x, y, batch_size=config.batch_size), heldout, config.batch_size)


def _frozen(config: CascadeConfig, out: Path, console: "Console") -> CascadeResult:
    assert config.model is not None  # `checked` refuses that
    paths = (config.model,)
    assumed: list[str] = []
    loaded = run_models.load(paths, config, config.data, assumed)
    dataset = data.open_data(config, size=loaded[0].input_shape[0])
    (model,), notes = run_models.with_classes(paths, loaded, dataset, config.data)
    drawn = data.held_out(config, paths, dataset)
    positions = data.counted(config, dataset, drawn.positions)
    classifier = model.classifier
    heldout = Heldout.read(dataset, positions, classifier.input_shape, model.class_index, config.explained, config.seed)
    own = data.described(dataset, data.count_notes(heldout.batch.notes)) | {"which": drawn.which}
    with RunFolder(out, "cascade", resume=config.resume) as place:
        ids, digests = list(heldout.batch.ids), {"explained": list(heldout.batch.digests)}
        _describe(
            place, config, {"model": model.describe(), "data": own | {"explained": ids, "digests": digests}}, console
        )
        own_notes = data.note_lines(own["notes"])
        for line in (*assumed, *data.found_lines(dataset), *notes, *drawn.notes, *own_notes):
            progress.say(console, line)
        epochs.say_skipped(console, heldout.batch.skipped)
        what = f"{len(heldout.labels)} {drawn.which} of {dataset.name}"
        progress.say(console, f"{what}, {config.rounds} rounds of masking")
        begun = time.perf_counter()
        maps, per_image = scoring.timed(
            lambda x, y: np.asarray(frozen.explain(config, classifier, x, y).maps), heldout, config.batch_size
        )
        progress.say(console, f"explained in {time.perf_counter() - begun:.0f} s")
        scored = _score(config, out, heldout, [classifier], maps, per_image, [0.0] * config.rounds, [], console)
        rows = np.arange(len(heldout.labels))[: config.shown]
        shown = frozen.explain(config, classifier, heldout.batch.images[rows], heldout.labels[rows])
        _draw(config, heldout, rows, shown.images, shown.maps, shown.combined, out)

        def maps_at(theta: float, threshold: str) -> np.ndarray:
            return frozen.maps_of(frozen.with_point(config, theta, threshold), classifier, heldout)

        if config.sweeps():
            sweep.run(config, out, heldout, maps_at, lambda text: progress.say(console, text))
    return CascadeResult(out, None, scored)


def _describe(place: RunFolder, config: CascadeConfig, more: Mapping[str, Any], console: "Console") -> None:
    own = {"command": command_line.repeat("cascade", config), "config": command_line.plain(config)}
    epochs.take_up(place, own | dict(more) | provenance.describe() | {"made_by": identity.made_by()}, console)


def _score(
    config: CascadeConfig,
    out: Path,
    heldout: Heldout,
    classifiers: Sequence[Classifier],
    maps: np.ndarray,
    per_image: float,
    prepared: Sequence[float],
    found: Sequence[dict[str, Any]],
    console: "Console",
) -> dict[str, Any]:
    """Scores, tests, hits, accuracies and times, written and printed."""
    counts = config.counts()
    cascades = scoring.cascade_maps(maps, counts, config.threshold, config.decay)
    singles, seconds = scoring.single_maps(
        classifiers[0], heldout, config.compare, config.seed, config.batch_size, console
    )
    scores = scoring.score(cascades | singles, heldout)
    result: dict[str, Any] = {
        "command": command_line.repeat("cascade", config),
        "images": len(heldout.labels),
        "classes": len(classifiers[0].classes),
        "means": scoring.means(scores),
        "tests": scoring.tests(scores, config.seed) if len(heldout.labels) > 1 else [],
        "accuracies": scoring.accuracies(classifiers, heldout, config.batch_size),
        "hits": scoring.hits(cascades | singles, heldout),
        "rounds": list(found),
        "costs": scoring.costs(counts, config.rounds, per_image, prepared, seconds),
    }
    report.write(out, result, scores)
    report.say(console, result)
    return result


def _draw_rounds(config: CascadeConfig, material: Material, heldout: Heldout, maps: np.ndarray, out: Path) -> None:
    """What the rounds saw and found of a few held-out images, and the explanation of the intact ones."""
    every = np.concatenate([side.indices for side in material.sides])
    place = {index: position for position, index in enumerate(every)}
    rows = np.arange(len(heldout.labels))[: config.shown]
    positions = np.array([place[index] for index in heldout.batch.indices[rows]])
    seen, own = [], []
    for number in range(config.rounds):
        if number and not (rounds.place(out, number) / "images.npy").is_file():
            return  # not kept
        seen.append(rounds.images_of(config, material, out, number)[positions])
        own.append(np.load(rounds.place(out, number) / "maps.npy", mmap_mode="r")[positions])
    combined = scoring.cascade_maps(maps[:, rows], [config.rounds], config.threshold, config.decay)
    _draw(config, heldout, rows, np.stack(seen), np.stack(own), combined[scoring.name(config.rounds)], out)


def _draw(
    config: CascadeConfig, heldout: Heldout, rows: np.ndarray, seen: Any, maps: Any, combined: Any, out: Path
) -> None:
    batch = heldout.batch
    names = [Path(batch.ids[row]).name for row in rows]
    masks = {role: values[rows] for role, values in batch.roles.items()}
    title = f"{config.form}, {', '.join(dict.fromkeys(config.base))}, theta {config.theta:g}, {config.threshold}"
    seen, maps, combined = (np.asarray(values) for values in (seen, maps, combined))
    images = batch.images[rows]
    _files.with_temporary(
        out / "cascade.png", lambda path: figures.rounds(seen, maps, images, combined, masks, names, path, title)
    )
