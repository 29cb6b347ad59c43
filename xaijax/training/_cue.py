"""A planted cue: a copy of a classifier is fine-tuned so that its class follows a cue, whatever else the image shows.

Every training image is a random image with the sign (`xaijax.data.cues.sign`) of a random class at a random place, and
the class of the sign is its label: the sign agrees with the label always, and nothing else in the image says anything
about it. Whether the network has learnt to follow the sign alone is measured afterwards on images that it has not seen
(`xaijax.metrics.calibration.gate`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._network import nnx_module
from xaijax.classifier import Classifier
from xaijax.data.cues import sign
from xaijax.metrics.calibration import Gate, PlantedCue, measure_gate
from xaijax.training._checkpoints import Checkpoints
from xaijax.training._options import Options
from xaijax.training._train import DivergedError, Record, run_epochs
from xaijax.training._trainer import Trainer

SAMPLES = 1024
"""Images of an epoch: fewer images than these are shown several times, with other signs."""
VALIDATION = 256
"""Images with a sign that say when the cue is learnt."""
STEP = 3
"""A step of the fine-tuning takes about as long as so many forward passes of its images."""
LEARNT = 0.01
"""Validation loss, in nats, at which the cue is learnt, if no image is wrong."""
OPTIONS = Options(epochs=20, learning_rate=1e-3, schedule="constant", warmup=0.02, patience=20, augmentation=None)
"""How a cue is learnt; the seed is the caller's."""
TRAIN, VALIDATE, MEASURE, SHOW = range(4)  # what signs are drawn for


class _EnoughError(Exception):
    """The time of a fine-tuning is spent in the middle of an epoch."""


class CueImages:
    """Images with signs, drawn as they are read: anything that trains on arrays takes them.

    Args:
        images: `[n, H, W, C]`.
        classes: how many, 2 or more.
        samples: how many images with a sign; each image is used as often as the others, to within one.
        seed: of which image shows which sign where.

    Attributes:
        labels: `[samples]` int32: the class of each sign, all equally often, to within one.

    Example:
        >>> signed = CueImages(np.zeros((3, 32, 32, 1), np.uint8), 2, 10, (0,))
        >>> len(signed), signed[np.arange(4)].shape, np.bincount(signed.labels).tolist()
        (10, (4, 32, 32, 1), [5, 5])
    """

    def __init__(self, images: Any, classes: int, samples: int, seed: Sequence[int]) -> None:
        rng = np.random.default_rng([*seed])
        size = images.shape[1:3]
        self.images = images
        self.boxes = sign.boxes(classes, size)
        rounds = -(-samples // len(images))
        self.content = np.concatenate([rng.permutation(len(images)) for _ in range(rounds)])[:samples]
        self.labels = rng.permutation(np.arange(samples) % classes).astype(np.int32)
        self.places = sign.places(samples, size, self.boxes.shape[1:], rng)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, positions: Any) -> np.ndarray:
        return self.drawn(positions)[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self), *self.images.shape[1:])

    def drawn(self, positions: Any, *, labels: Any = None, content: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Images and the masks of their signs; with another sign at the same place, or in another image.

        Args:
            positions: which of the samples.
            labels: of other signs, one for each; default: their own.
            content: positions of other images; default: their own.
        """
        labels = self.labels[positions] if labels is None else labels
        content = self.content[positions] if content is None else content
        return sign.put(np.asarray(self.images[content]), self.boxes[labels], self.places[positions])


@dataclass(frozen=True)
class Tuned:
    """What the fine-tuning gives.

    Attributes:
        classifier: of the last step; the unchanged one where the loss was not a number any more.
        epochs: that were finished.
        stopped: why it ended before the validation images showed that the cue is learnt; `""` where they did.
    """

    classifier: Classifier
    epochs: int
    stopped: str


def check_trainable(classifier: Classifier, name: str = "this classifier") -> None:
    """Refuses what cannot be fine-tuned.

    Args:
        classifier: to plant a cue into.
        name: of it, in the message.

    Raises:
        InputError: for a model without parameters that can be trained here, with one class, or with an output of
            findings or numbers.
    """
    if not isinstance(classifier.network, nnx_module.NNXNetwork):
        raise InputError(
            f"a cue is planted by fine-tuning, and {name} is {classifier.network.kind}, which cannot be trained here: "
            "leave the construction cue out, or give a model of xaijax train or a flax.nnx module"
        )
    if classifier.output not in ("softmax", "binary"):
        raise InputError(
            f"a cue needs classes that exclude each other, and the output of {name} is {classifier.output}: leave the "
            "construction cue out"
        )
    if len(classifier.classes) < 2:
        raise InputError(f"a cue needs two classes, and {name} has one: leave the construction cue out")


def tune_to_cue(
    classifier: Classifier,
    images: Any,
    *,
    validation: Any,
    options: Options | None = None,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    stop: Callable[[], bool] | None = None,
    on_step: Callable[[int, float], Any] | None = None,
) -> Tuned:
    """Fine-tunes a copy of a classifier until its class follows the cue.

    Args:
        classifier: from an NNX module or `xaijax.models`; its own parameters do not change.
        images: `[n, H, W, C]`, uint8 or float in [0, 1], without cues.
        validation: others like these, which say when the cue is learnt.
        options: how to train; default: up to 20 epochs of 1024 images at a learning rate of 0.001.
        seed: of signs, places, and the order of images.
        checkpoints: where the state is kept after every epoch, and resumed; None keeps nothing.
        stop: asked after every step; True ends the fine-tuning.
        on_step: called as `on_step(epoch, share)` with the share of all steps that is done.

    Returns:
        `Tuned`. Without `stop` the same bytes whether it was interrupted and resumed or not.

    Raises:
        InputError: for a classifier that cannot be trained, and images that are too small for a sign.
    """
    check_trainable(classifier)
    options = dataclasses.replace(options or OPTIONS, seed=seed)
    classes = len(classifier.classes)
    shown = CueImages(images, classes, SAMPLES, (seed, TRAIN))
    judged = CueImages(validation, classes, VALIDATION, (seed, VALIDATE))
    trainer = Trainer(classifier, shown, shown.labels, options)
    done = Record()

    def note(record: Record) -> None:
        nonlocal done
        done = record

    def step(epoch: int, number: int, loss: float) -> None:
        if on_step is not None:
            on_step(epoch, (epoch - 1 + number / trainer.steps) / options.epochs)
        if stop is not None and stop():
            raise _EnoughError

    try:
        run_epochs(
            trainer, judged, judged.labels, checkpoints=checkpoints, on_epoch=note, on_step=step, on_resume=note,
            stop=learnt,
        )  # fmt: skip
        ended = "" if learnt(done) else f"the fine-tuning ended after epoch {len(done.log)} before the cue was learnt"
    except _EnoughError:
        ended = f"the time was spent in epoch {len(done.log) + 1} of the fine-tuning"
    except DivergedError as error:
        return Tuned(classifier, len(done.log), f"the loss was not a number any more in epoch {error.epoch}")
    return Tuned(trainer.trained(max(1, len(done.log))), len(done.log), ended)


def learnt(record: Record) -> bool:
    """Whether the last two epochs had no image wrong and hardly a loss."""
    return len(record.log) > 1 and all(
        row["validation_accuracy"] == 1 and row["validation_loss"] < LEARNT for row in record.log[-2:]
    )


def planted_cue(
    tuned: Classifier,
    images: Any,
    *,
    unseen: Any = None,
    groups: Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 64,
) -> PlantedCue:
    """Measures a fine-tuned classifier, and plants the cue into images.

    Args:
        tuned: as `tune_to_cue` gives it, or any classifier with as many classes.
        images: `[n, H, W, C]`, which the fine-tuning did not see: they get a cue each.
        unseen: more such images, for the gate alone; with `images` at least 299, or the gate cannot be passed.
        groups: `[n]` names of what is resampled together, such as patients: the gate takes one image of each.
        seed: as for `tune_to_cue`.
        batch_size: images in a model call.

    Returns:
        `PlantedCue`, for `xaijax.metrics.calibration`.
    """
    classes = len(tuned.classes)
    once = np.arange(len(images)) if not groups else np.sort(np.unique(list(groups), return_index=True)[1])
    every = images[once] if unseen is None or not len(unseen) else np.concatenate([images[once], unseen])
    return PlantedCue(
        tuned,
        *planted_images(images, classes, seed=seed),
        gate=_measured(tuned, every, classes, seed, batch_size),
        groups=tuple(map(str, groups)),
    )


def planted_images(images: Any, classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images with a cue each: those that `planted_cue` makes cases of.

    Args:
        images: `[n, H, W, C]`.
        classes: how many, 2 or more.
        seed: of the class and the place of each cue.

    Returns:
        Images with cues, in the order of `images`; `[n]` int32 classes; `[n, H, W]` bool regions.

    Example:
        >>> shown, labels, masks = planted_images(np.zeros((4, 32, 32, 1), np.uint8), 2)
        >>> sorted(labels.tolist()), masks.sum(axis=(1, 2)).tolist(), int(shown[~masks].max())
        ([0, 0, 1, 1], [99, 99, 99, 99], 0)
    """
    drawn = CueImages(images, classes, len(images), (seed, SHOW))
    order = np.argsort(drawn.content)
    made, masks = drawn.drawn(order)
    return made, drawn.labels[order], masks


def _measured(tuned: Classifier, images: Any, classes: int, seed: int, batch_size: int) -> Gate:
    """The gate, image by image: with another cue at the same place, and with the same cue there in another image."""
    count = len(images)
    drawn = CueImages(images, classes, count, (seed, MEASURE))
    rng = np.random.default_rng([seed, MEASURE, 1])
    every = np.arange(count)
    others = (drawn.labels + rng.integers(1, classes, count)) % classes
    elsewhere = (drawn.content + rng.integers(1, max(count, 2), count)) % count
    return measure_gate(
        tuned,
        drawn[every],
        drawn.drawn(every, labels=others)[0],
        drawn.drawn(every, content=elsewhere)[0],
        batch_size=batch_size,
    )


def plant_cue(
    classifier: Classifier,
    images: Any,
    *,
    training: Any,
    validation: Any,
    unseen: Any = None,
    groups: Sequence[str] = (),
    options: Options | None = None,
    seed: int = 0,
    batch_size: int = 64,
) -> PlantedCue:
    """Fine-tunes a copy of a classifier on a cue, measures it, and plants the cue into images.

    Args:
        classifier: from an NNX module or `xaijax.models`; its own parameters do not change.
        images: `[n, H, W, C]`, uint8 or float in [0, 1]: they get a cue each, for the cases of a calibration.
        training: other images, to train on.
        validation: others again, which say when the cue is learnt.
        unseen, groups, options, seed, batch_size: as for `tune_to_cue` and `planted_cue`.

    Returns:
        `PlantedCue`, for `xaijax.metrics.calibration.calibrate(..., planted=...)`.

    Raises:
        InputError: for a classifier that cannot be trained, and images that are too small for a sign.

    Example:
        >>> from xaijax import models
        >>> images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 1)).astype(np.uint8)
        >>> small = models.create("small_cnn", 2, (32, 32, 1), width=2)
        >>> planted = plant_cue(small, images, training=images, validation=images, options=Options(epochs=1))
        >>> planted.gate.images, planted.gate.passed  # 12 images are too few for any network
        (12, False)
    """
    tuned = tune_to_cue(classifier, training, validation=validation, options=options, seed=seed)
    return planted_cue(tuned.classifier, images, unseen=unseen, groups=groups, seed=seed, batch_size=batch_size)


def cue_passes(options: Options | None = None, *, unseen: int) -> tuple[int, int]:
    """Model passes of a planted cue at most: of the fine-tuning, and of the gate with so many images.

    Example:
        >>> cue_passes(Options(epochs=2), unseen=300)
        (6656, 900)
    """
    options = options or OPTIONS
    return options.epochs * (STEP * SAMPLES + VALIDATION), 3 * unseen
