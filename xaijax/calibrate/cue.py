"""The planted cue of a calibration: a copy of the model is fine-tuned, checked at the gate, and kept in the run folder.

    cue/checkpoints         the state of the fine-tuning, until it is done
    cue/model.safetensors   the parameters of the fine-tuned copy
    cue/gate.json           what the gate measured, and the digest of the parameters; both are signed

A calibration that is resumed takes what is there, whatever came of it: its cases are numbered by it.
"""

import dataclasses
import hashlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._network.trees import flatten, nest
from xaijax._runs import checksums
from xaijax._runs.data import is_phantoms, open_data, scoring_seed
from xaijax._runs.folder import read_json
from xaijax._runs.models import Model, digest_of
from xaijax._runs.progress import bar, say
from xaijax.calibrate.config import CUE, CalibrateConfig
from xaijax.data import Dataset
from xaijax.metrics import calibration
from xaijax.metrics.calibration.gate import FEWEST

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.calibrate.plan import Work

FOLDER = "cue"
WEIGHTS = "model.safetensors"
GATE = "gate.json"
TRAINING, VALIDATION, UNSEEN = 512, 96, 800
"""Most images of each kind; the images of the calibration itself are unseen as well. With 800 the gate bears three
images that are wrong, with 299 none."""
LEAST = 60
"""Images to learn from, and to say when it is learnt."""
LEAST_TRAINING = 48
SHARE = 0.5
"""Of the time that --minutes gives, the most that the fine-tuning may take."""
OTHER_PHANTOMS = 500_009
"""Added to the seed of the scored phantoms: those of the cue are others."""


@dataclasses.dataclass(frozen=True)
class Sides:
    """The images of a planted cue, besides those of the calibration: positions in a data set.

    Attributes:
        dataset: that of the calibration, or more phantoms.
        training: to fine-tune on.
        validation: which say when the cue is learnt.
        unseen: for the gate alone.
    """

    dataset: Dataset = dataclasses.field(repr=False)
    training: tuple[int, ...]
    validation: tuple[int, ...]
    unseen: tuple[int, ...]


def sides(
    config: CalibrateConfig, model: Model, dataset: Dataset, chosen: Sequence[int], held_out: Sequence[int]
) -> Sides:
    """Which images a cue is learnt on and measured on.

    Args:
        config: checked.
        model: that is calibrated for.
        dataset: of the calibration.
        chosen: positions of the images of the calibration, which are unseen.
        held_out: positions that the training of the model left out: they are taken for the gate first.

    Raises:
        InputError: for a model that cannot be fine-tuned, and for too few images.
    """
    from xaijax.training._cue import check_trainable

    check_trainable(model.classifier, model.path)
    rng = np.random.default_rng([config.seed, 1])
    if is_phantoms(config.data):
        own = config.data_seed if config.data_seed is not None else scoring_seed(config)
        wanted = dataclasses.replace(
            config, count=TRAINING + VALIDATION + UNSEEN, data_seed=(own or 0) + OTHER_PHANTOMS
        )
        order = rng.permutation(wanted.count)
        kinds = np.split(order, np.cumsum([TRAINING, VALIDATION]))
        return Sides(open_data(wanted), *(tuple(int(i) for i in some) for some in kinds))

    def group(position: int) -> str:
        return dataset.cases[position].group or dataset.cases[position].id

    taken = {group(position) for position in chosen}
    rest = [int(i) for i in rng.permutation(len(dataset)) if group(int(i)) not in taken]
    inside = set(held_out)
    people = _one_each([i for i in rest if i in inside] + [i for i in rest if i not in inside], group)
    least = max(0, FEWEST - len(taken))
    count = min(max(least, min(UNSEEN, len(people) // 2)), len(people))
    unseen = people[:count]
    known = {group(i) for i in unseen}
    free = [i for i in rest if group(i) not in known]
    others = list(dict.fromkeys(map(group, free)))
    judging = set(others[: min(len(others) // 5, VALIDATION)])
    validation = tuple(i for i in free if group(i) in judging)[:VALIDATION]
    training = tuple(i for i in free if group(i) not in judging)[:TRAINING]
    if len(taken) + len(unseen) < FEWEST or len(training) < LEAST_TRAINING or not validation:
        raise InputError(
            f"the construction cue needs {FEWEST} images for its gate (of patients, where they are named, one each) "
            f"and {LEAST} of others to learn from, and {config.data} with its {len(dataset)} leaves too few: give more "
            "images, or leave cue out of --constructions"
        )
    return Sides(dataset, training, validation, tuple(unseen))


def _one_each(positions: Sequence[int], group: Any) -> list[int]:
    """The first position of each group."""
    first: dict[str, int] = {}
    for position in positions:
        first.setdefault(group(position), position)
    return list(first.values())


def cases(work: "Work") -> int:
    """How many cases the cue adds at most: one for each image."""
    return len(work.batch) if CUE in work.config.constructions else 0


def passes(work: "Work") -> int:
    """Model passes of the fine-tuning and the gate, at most."""
    if work.sides is None:
        return 0
    from xaijax.training._cue import cue_passes

    return sum(cue_passes(unseen=len(work.batch) + len(work.sides.unseen)))


def planted(work: "Work", out: Path, console: "Console") -> "Work":
    """The work with the cases of the cue, which is learnt first where the folder has none.

    Args:
        work: as it was planned.
        out: the run folder.
        console: where to show progress and what the gate says.

    Returns:
        The work as it is without the construction `cue`.
    """
    if work.sides is None:
        return work
    place = out / FOLDER
    if not (place / GATE).is_file():
        _learn(work, work.sides, place, console)
    shutil.rmtree(place / "checkpoints", ignore_errors=True)
    found = taken_up(work, place)
    planted = found.plan.planted
    assert planted is not None
    kept = read_json(place / GATE, "calibration")
    if planted.gate.passed:
        say(console, f"cue: accepted: {planted.gate.sentence()}")
    else:
        say(console, f"cue: {left_out(kept)}")
    return found


def left_out(kept: dict[str, Any]) -> str:
    """Why there is no planted cue, and what to do, in one sentence."""
    why = f"; {kept['stopped']}" if kept["stopped"] else ""
    advice = "more --minutes" if "time" in kept["stopped"] else "more images"
    return (
        f"left out, and no number rests on it: {kept['gate']['sentence']}{why}; start again in another folder with "
        f"{advice}, or without cue in --constructions"
    )


def taken_up(work: "Work", place: Path) -> "Work":
    """The work with the cases of the cue that a folder holds.

    Raises:
        InputError: for a folder without one, and for parameters that were changed after they were written.
    """
    from safetensors.numpy import load

    from xaijax.training._cue import planted_images

    assert work.sides is not None
    kept = read_json(place / GATE, "calibration")
    try:
        content = (place / WEIGHTS).read_bytes()
    except OSError as error:
        raise InputError(
            f"{place / WEIGHTS} cannot be read ({error.strerror}); start again in another folder"
        ) from error
    if hashlib.sha256(content).hexdigest() != kept["weights"]:
        raise InputError(
            f"{place / WEIGHTS} was changed after it was written; put it back as it was, or start again in another "
            "folder with --out"
        )
    tuned = work.model.classifier.with_params(nest(load(content)))
    images, labels, masks = planted_images(work.batch.images, len(tuned.classes), seed=work.config.seed)
    gate = calibration.Gate.from_json(kept["gate"])
    made = calibration.PlantedCue(tuned, images, labels, masks, gate, work.groups)
    return dataclasses.replace(work, plan=calibration.with_cue(work.plan, made))


def _learn(work: "Work", sides: Sides, place: Path, console: "Console") -> None:
    """Fine-tunes a copy, measures it, and keeps both."""
    from safetensors.numpy import save

    from xaijax.training._checkpoints import Checkpoints
    from xaijax.training._cue import planted_cue, tune_to_cue

    place.mkdir(exist_ok=True)
    begun = time.monotonic()
    limit = None if work.config.minutes is None else 60 * SHARE * work.config.minutes
    shape: Any = tuple(work.model.classifier.input_shape)
    training, validation, unseen = (
        sides.dataset.read(some, shape, masks=False).images if some else work.batch.images[:0]
        for some in (sides.training, sides.validation, sides.unseen)
    )
    with bar(console, "planting the cue") as report, Checkpoints(place) as checkpoints:
        tuned = tune_to_cue(
            work.model.classifier,
            training,
            validation=validation,
            seed=work.config.seed,
            checkpoints=checkpoints,
            stop=None if limit is None else lambda: time.monotonic() - begun > limit,
            on_step=lambda epoch, share: report(share, f"planting the cue, epoch {epoch}"),
        )
    with console.status("checking the cue"):
        made = planted_cue(
            tuned.classifier,
            work.batch.images,
            unseen=unseen,
            groups=work.groups,
            seed=work.config.seed,
            batch_size=work.config.batch_size,
        )
    arrays = {".".join(path): np.array(leaf, order="C") for path, leaf in flatten(tuned.classifier.params)}
    content = save(arrays)
    write_whole(place / WEIGHTS, lambda file: file.write(content))
    kept = {
        "gate": made.gate.to_json(),
        "weights": hashlib.sha256(content).hexdigest(),
        "model": digest_of(tuned.classifier),
        "epochs": tuned.epochs,
        "stopped": tuned.stopped,
        "training_images": len(training),
        "validation_images": len(validation),
    }
    checksums.write_signed(place / GATE, kept)
