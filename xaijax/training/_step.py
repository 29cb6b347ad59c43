"""One compiled step: augmentation, forward and backward pass, optimiser; and batch statistics measured again.

References:
    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019;
    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017 (cosine decay).
"""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from xaijax import _cpu
from xaijax._network import nnx_module
from xaijax._network.trees import flatten, nest
from xaijax._outputs import Output
from xaijax.classifier import to_float
from xaijax.training import _devices as devices
from xaijax.training._augment import Augmentation
from xaijax.training._interventions import NO_CLASS
from xaijax.training._options import MOMENTUM, Optimizer, Options, Precision, Schedule


@dataclass(frozen=True)
class Descent:
    """One phase of a training: an optimiser, and the course of its learning rate.

    Args:
        optimizer: its name.
        schedule: course after the warm-up.
        learning_rate: the peak.
        weight_decay: of kernels, decoupled.
        warmup_steps: steps during which the learning rate rises from 0.
        steps: all steps.
        momentum: of the gradient descent.
        nesterov: whether that looks ahead.
    """

    optimizer: Optimizer
    schedule: Schedule
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    steps: int
    momentum: float = MOMENTUM
    nesterov: bool = True

    def rates(self) -> optax.Schedule:
        """Step (from 0) -> learning rate."""
        rest = max(self.steps - self.warmup_steps, 1)
        after: optax.Schedule = {
            "cosine": lambda: optax.cosine_decay_schedule(self.learning_rate, rest),
            "linear": lambda: optax.linear_schedule(self.learning_rate, 0.0, rest),
            "constant": lambda: optax.constant_schedule(self.learning_rate),
        }[self.schedule]()
        if not self.warmup_steps:
            return after
        rise = optax.linear_schedule(0.0, self.learning_rate, self.warmup_steps)
        return optax.join_schedules([rise, after], [self.warmup_steps])

    def transformation(self) -> optax.GradientTransformation:
        """The optimiser."""
        decay = optax.add_decayed_weights(self.weight_decay, _is_kernel)
        descent = optax.trace(decay=self.momentum, nesterov=self.nesterov)
        direction = optax.scale_by_adam() if self.optimizer == "adamw" else descent
        return optax.chain(direction, decay, optax.scale_by_learning_rate(self.rates()))


def frozen_phase(options: Options, steps: int) -> Descent:
    """The phase during which only the head is trained; `steps` are those of an epoch."""
    return Descent(
        options.optimizer,
        "constant",
        options.frozen_learning_rate,
        options.weight_decay,
        0,
        steps * options.frozen_epochs,
        options.momentum,
        options.nesterov,
    )


def full_phase(options: Options, steps: int) -> Descent:
    """The phase during which everything is trained; `steps` are those of an epoch."""
    total = steps * (options.epochs - options.frozen_epochs)
    return Descent(
        options.optimizer,
        options.schedule,
        options.learning_rate,
        options.weight_decay,
        round(options.warmup * total),
        total,
        options.momentum,
        options.nesterov,
    )


def _is_kernel(trained: dict[str, Any]) -> dict[str, bool]:
    return {name: leaf.ndim > 1 for name, leaf in trained.items()}


@dataclass(frozen=True)
class Recipe:
    """The static half of a step; equal recipes share the compiled step.

    Args:
        network: the model.
        preprocess: what its weights expect of pixels in [0, 1].
        augmentation: random changes of the images, or None.
        precision: what the layers compute in.
        descent: optimiser and learning rate.
        moving: names of the parameters that are changed while the others are frozen, or None to change all.
        mesh: the devices, or None for one.
        output: what the logits mean, which decides the loss.
        uniform: whether labels may be `NO_CLASS`.
    """

    network: nnx_module.NNXNetwork
    preprocess: Any
    augmentation: Augmentation | None
    precision: Precision
    descent: Descent
    moving: tuple[str, ...] | None
    mesh: Mesh | None
    output: Output = "softmax"
    uniform: bool = False

    def moved(self, trained: dict[str, Any]) -> dict[str, Any]:
        """Those of the parameters that the optimiser changes."""
        return trained if self.moving is None else {name: trained[name] for name in self.moving}


def state_of(recipe: Recipe, trained: dict[str, Any], kept: dict[str, Any]) -> Any:
    """The state of a phase at its start.

    Args:
        recipe: of the phase.
        trained: name -> parameter.
        kept: name -> batch statistic.

    Returns:
        `(trained, kept, the optimiser's state)`.
    """
    return trained, kept, recipe.descent.transformation().init(recipe.moved(trained))


@functools.partial(_cpu.jit, static_argnums=0, donate_argnums=1)
def step(
    recipe: Recipe, state: Any, images: Any, labels: Any, weights: Any, key: Any, done: Any = None
) -> tuple[Any, Any]:
    """One step of the optimiser.

    Args:
        recipe: how.
        state: from `state_of` or a step; its memory is given back.
        images: `[B, H, W, C]`, uint8 or float in [0, 1].
        labels: `[B]` int32; of findings `[B, K]` float32, NaN where one is not known. With `recipe.uniform` it may be
            `NO_CLASS`, for the uniform distribution, which weighs 1.
        weights: `[K]`, of the classes in the loss; of findings `[2, K]`, absent and present, of a binary output `[2]`.
        key: JAX random key.
        done: `[B]` bool, images that are not to be augmented; None for none.

    Returns:
        The next state and the loss, in nats.
    """
    trained, kept, moments = state
    augment_key, model_key = jax.random.split(key)
    images = to_float(images)
    if recipe.augmentation is not None:
        changed = recipe.augmentation(images, augment_key)
        images = changed if done is None else jnp.where(done[:, None, None, None], images, changed)
    images = recipe.preprocess(images)
    dtype = None if recipe.precision == "float32" else jnp.dtype(recipe.precision)
    frozen = recipe.moving is not None

    def loss(moving: Any) -> tuple[Any, Any]:
        params = nest(trained | moving | kept)
        logits, params = nnx_module.apply_training(
            recipe.network, params, images, model_key, dtype=dtype, statistics=not frozen
        )
        logits = logits.astype(jnp.float32)
        if recipe.output == "sigmoid":
            return _loss_of_findings(logits, labels, weights), params
        if recipe.uniform:
            return _loss_or_uniform(recipe.output, logits, labels, weights), params
        if recipe.output == "binary":
            losses = optax.sigmoid_binary_cross_entropy(logits[:, 0], labels.astype(jnp.float32))
        else:
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return (weights[labels] * losses).mean(), params

    moving = recipe.moved(trained)
    (value, params), gradients = jax.value_and_grad(_cpu.fast(loss), has_aux=True)(moving)
    updates, moments = recipe.descent.transformation().update(gradients, moments, moving)
    after = {".".join(path): leaf for path, leaf in flatten(params)}
    state = (trained | optax.apply_updates(moving, updates), {name: after[name] for name in kept}, moments)
    return devices.everywhere(recipe.mesh, state), value


def _loss_or_uniform(output: Output, logits: Any, labels: Any, weights: Any) -> Any:
    """Mean cross-entropy with the labels, or with the uniform distribution where there is `NO_CLASS`."""
    if output == "binary":
        logits = jnp.concatenate([jnp.zeros_like(logits), logits], axis=1)
    chances = jax.nn.log_softmax(logits)
    known = labels != NO_CLASS
    wanted = jnp.where(known[:, None], jax.nn.one_hot(labels, chances.shape[1]), 1 / chances.shape[1])
    weigh = jnp.where(known, weights[jnp.maximum(labels, 0)], 1.0)
    return (weigh * -(wanted * chances).sum(axis=1)).mean()


def _loss_of_findings(logits: Any, labels: Any, weights: Any) -> Any:
    """Mean binary cross-entropy over the known labels of a batch; 0 where none is known."""
    known = ~jnp.isnan(labels)
    present = jnp.where(known, labels, 0.0)
    losses = optax.sigmoid_binary_cross_entropy(logits, present)
    weighted = jnp.where(known, jnp.where(present == 1, weights[1], weights[0]) * losses, 0.0)
    return weighted.sum() / jnp.maximum(known.sum(), 1)


@functools.partial(_cpu.jit, static_argnums=0)
def statistics(recipe: Recipe, trained: dict[str, Any], kept: dict[str, Any], images: Any) -> dict[str, Any]:
    """The batch statistics of one batch, in place of the running ones, by the names of `kept`."""
    pixels = recipe.preprocess(to_float(images))
    params = nnx_module.batch_statistics(recipe.network, nest(trained | kept), pixels)
    measured = {".".join(path): leaf for path, leaf in flatten(params)}
    return devices.everywhere(recipe.mesh, {name: measured[name] for name in kept})
