"""The optimisation itself: one compiled step, epochs that depend on the seed and their number alone, early stopping.

AdamW with linear warm-up and cosine decay; weight decay on kernels only; cross-entropy, weighted so that every class
counts alike; running batch statistics. An epoch's order and augmentation are drawn from `(seed, epoch)`, so a
training that goes on from a saved state gives the same weights as one that was never interrupted.

References:
    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019;
    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017 (cosine decay).
"""

import functools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from xaijax._network import nnx_module
from xaijax._network.trees import flatten, nest
from xaijax._training import scores
from xaijax._training.augment import Augmentation
from xaijax.classifier import Classifier, to_float

CALIBRATION_IMAGES = 512  # on which the batch statistics are measured after an epoch


@dataclass(frozen=True)
class Options:
    """How a classifier is trained.

    Args:
        epochs: most passes over the training images.
        batch_size: images per step.
        learning_rate: the largest, after the warm-up.
        weight_decay: of kernels, decoupled.
        warmup: share of all steps during which the learning rate rises from 0.
        patience: epochs without a better validation macro-F1 after which to stop.
        balance: weight the loss so that every class counts alike.
        augmentation: random changes of training images, or None.
        seed: of the order of images and the augmentation.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    patience: int = 10
    balance: bool = True
    augmentation: Augmentation | None = Augmentation()  # noqa: RUF009 - frozen
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more; got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}")
        if self.weight_decay < 0 or not 0 <= self.warmup < 1:
            raise ValueError(
                f"weight_decay must not be negative and warmup lie in [0, 1); got {self.weight_decay} and {self.warmup}"
            )


@dataclass(frozen=True)
class _Spec:
    """The static half of a training step; equal specs share the compiled step."""

    network: nnx_module.NNXNetwork
    preprocess: Any
    augmentation: Augmentation | None
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    steps: int

    def optimizer(self) -> optax.GradientTransformation:
        schedule = optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, self.warmup_steps, self.steps)
        return optax.adamw(schedule, weight_decay=self.weight_decay, mask=_is_kernel)


class Trainer:
    """A classifier in training, epoch by epoch.

    Args:
        classifier: from an NNX module or `xaijax.models`; its parameters are where training starts.
        images: `[N, H, W, C]`, uint8 or float in [0, 1]: an array, or anything with `len` and indexing by an index
            array that gives one.
        labels: `[N]` int.
        options: how to train.
    """

    def __init__(self, classifier: Classifier, images: Any, labels: Any, options: Options) -> None:
        if not isinstance(classifier.network, nnx_module.NNXNetwork):
            raise ValueError(
                f"a classifier made from {classifier.network.kind} cannot be trained; use models.create or from_nnx"
            )
        self.classifier = classifier
        self.images, self.labels = images, np.asarray(labels, np.int32)
        self.options = options
        if len(images) != len(self.labels) or len(self.labels) == 0:
            raise ValueError(f"images and labels must be as many and not none; got {len(images)}, {len(self.labels)}")
        classes = len(classifier.classes)
        if self.labels.min() < 0 or self.labels.max() >= classes:
            raise ValueError(f"labels must lie in 0..{classes - 1}; got {self.labels.min()} to {self.labels.max()}")
        self.batch = min(options.batch_size, len(self.labels))
        self.steps = -(-len(self.labels) // self.batch)
        total = self.steps * options.epochs
        self._spec = _Spec(
            classifier.network,
            classifier.preprocess,
            options.augmentation,
            options.learning_rate,
            options.weight_decay,
            round(options.warmup * total),
            total,
        )
        self._weights = class_weights(self.labels, classes) if options.balance else np.ones(classes, np.float32)
        mask = dict(flatten(nnx_module.trainable(classifier.network, classifier.params)))
        trained = {".".join(path): leaf for path, leaf in flatten(classifier.params) if mask[path]}
        kept = {".".join(path): leaf for path, leaf in flatten(classifier.params) if not mask[path]}
        # Copies, because the step gives its input's memory back and the classifier keeps its own parameters.
        self.state: Any = jax.tree.map(jnp.array, (trained, kept, self._spec.optimizer().init(trained)))

    def epoch(self, number: int) -> Iterator[float]:
        """Run epoch `number` (from 1); yields each step's loss."""
        key = jax.random.fold_in(jax.random.key(self.options.seed), number)
        order = np.random.default_rng([self.options.seed, number]).permutation(len(self.labels))
        order = np.concatenate([order, order[: self.steps * self.batch - len(order)]])  # the last batch is full too
        batches = order.reshape(self.steps, self.batch)
        with ThreadPoolExecutor(1) as reader:  # reads the next batch while this one is computed
            coming = reader.submit(self._read, batches[0])
            for step, batch in enumerate(batches):
                images = coming.result()
                if step + 1 < self.steps:
                    coming = reader.submit(self._read, batches[step + 1])
                labels = self.labels[batch]
                self.state, loss = _step(
                    self._spec, self.state, images, labels, self._weights, jax.random.fold_in(key, step)
                )
                yield float(loss)

    def _read(self, batch: np.ndarray) -> Any:
        return self.images[batch]

    def trained(self) -> Classifier:
        """The classifier as it is now, its batch statistics measured anew on training images without augmentation.

        The running statistics lag behind the weights and are those of augmented images: with them the validation
        scores jump from epoch to epoch (0.75 for 0.84 accuracy on brain MRI).

        References:
            Wu & Johnson, "Rethinking 'Batch' in BatchNorm", 2021 (precise statistics).
        """
        trained, kept, _ = self.state
        if kept:
            order = np.random.default_rng(self.options.seed).permutation(len(self.labels))
            count = min(self.steps, -(-CALIBRATION_IMAGES // self.batch), len(order) // self.batch)
            parts = [
                _statistics(self._spec, (trained, kept), self._read(order[i * self.batch : (i + 1) * self.batch]))
                for i in range(count)
            ]
            kept = jax.tree.map(lambda *values: sum(values) / count, *parts)
        # Copies, because the next step takes the state's memory.
        return self.classifier.with_params(jax.tree.map(jnp.array, nest(trained | kept)))


@functools.partial(jax.jit, static_argnums=0)
def _statistics(spec: _Spec, state: Any, images: Any) -> dict[str, Any]:
    trained, kept = state
    params = nnx_module.batch_statistics(spec.network, nest(trained | kept), spec.preprocess(to_float(images)))
    measured = {".".join(path): leaf for path, leaf in flatten(params)}
    return {name: measured[name] for name in kept}


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def _step(spec: _Spec, state: Any, images: Any, labels: Any, weights: Any, key: Any) -> tuple[Any, Any]:
    trained, kept, moments = state
    augment_key, model_key = jax.random.split(key)
    images = to_float(images)
    if spec.augmentation is not None:
        images = spec.augmentation(images, augment_key)
    images = spec.preprocess(images)

    def loss(trained: Any) -> tuple[Any, Any]:
        logits, params = nnx_module.apply_training(spec.network, nest(trained | kept), images, model_key)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return (weights[labels] * losses).mean(), params

    (value, params), gradients = jax.value_and_grad(loss, has_aux=True)(trained)
    updates, moments = spec.optimizer().update(gradients, moments, trained)
    moved = {".".join(path): leaf for path, leaf in flatten(params)}
    return (optax.apply_updates(trained, updates), {name: moved[name] for name in kept}, moments), value


def evaluate(classifier: Classifier, images: Any, labels: Any, *, batch_size: int = 64) -> dict[str, Any]:
    """Loss and scores of a classifier on labelled images.

    Args:
        classifier: any.
        images: `[N, H, W, C]`, as for `Trainer`.
        labels: `[N]` int.
        batch_size: images per forward pass.

    Returns:
        JSON values: `loss` (mean cross-entropy, nats) and what `scores.scores` gives.
    """
    labels = np.asarray(labels)
    parts = []
    for start in range(0, len(labels), batch_size):
        part = np.asarray(images[np.arange(start, min(start + batch_size, len(labels)))])
        missing = batch_size - len(part) if len(labels) > batch_size else 0
        padded = np.concatenate([part, np.zeros((missing, *part.shape[1:]), part.dtype)])
        parts.append(np.asarray(_logits(classifier, padded))[: len(part)])
    logits = np.concatenate(parts).astype(np.float64)
    top = logits.max(axis=1, keepdims=True)
    log_probabilities = logits - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    loss = float(-log_probabilities[np.arange(len(labels)), labels].mean())
    confusion = scores.confusion_matrix(labels, logits.argmax(axis=1), len(classifier.classes))
    return {"loss": loss} | scores.scores(confusion, classifier.classes)


@jax.jit
def _logits(classifier: Classifier, images: Any) -> Any:
    return classifier.logits(classifier.params, images)


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """`[K]` float32: weights inverse to the class counts, with mean 1 over the images; 0 for absent classes."""
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    weights = np.where(present, len(labels) / (present.sum() * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)


def _is_kernel(trained: dict[str, Any]) -> dict[str, bool]:
    return {name: leaf.ndim > 1 for name, leaf in trained.items()}
