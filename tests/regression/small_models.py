"""Four small classifiers with fixed parameters, one of each kind, that need no file."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

from xaijax import models
from xaijax.classifier import Classifier

CLASSES = 4


def moved(params: Any, seed: int) -> Any:
    """Parameters with every vector moved, so that no bias is zero and no statistic one; variances stay positive."""
    leaves, layout = jax.tree.flatten(params)
    rng = np.random.default_rng(seed)
    found = [
        leaf + jnp.asarray(np.abs(0.3 * rng.normal(size=leaf.shape)), leaf.dtype) if leaf.ndim == 1 else leaf
        for leaf in leaves
    ]
    return jax.tree.unflatten(layout, found)


def small_cnn() -> Classifier:
    """The zoo's smallest, with random weights: 24x24 RGB."""
    made = models.create("small_cnn", CLASSES, (24, 24, 3), key=0)
    return made.with_params(moved(made.params, 0))


class AttentionWeights(nnx.Module):
    """Queries and keys to probabilities `[B, heads, T, T]`, a layer of its own."""

    def __call__(self, queries, keys):
        return jax.nn.softmax(jnp.einsum("bhtc,bhsc->bhts", queries, keys) * queries.shape[-1] ** -0.5, axis=-1)


class SelfAttention(nnx.Module):
    """Two heads."""

    def __init__(self, width, rngs):
        self.qkv = nnx.Linear(width, 3 * width, rngs=rngs)
        self.weights = AttentionWeights()
        self.project = nnx.Linear(width, width, rngs=rngs)

    def __call__(self, x):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, 2, width // 2).transpose(2, 0, 3, 1, 4)
        mixed = jnp.einsum("bhts,bhsc->bthc", self.weights(q, k), v)
        return self.project(mixed.reshape(batch, tokens, width))


class EncoderBlock(nnx.Module):
    """Attend and transform, each with a shortcut."""

    def __init__(self, width, rngs):
        self.norm1 = nnx.LayerNorm(width, rngs=rngs)
        self.attention = SelfAttention(width, rngs)
        self.norm2 = nnx.LayerNorm(width, rngs=rngs)
        self.dense1 = nnx.Linear(width, 32, rngs=rngs)
        self.dense2 = nnx.Linear(32, width, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.dense2(jax.nn.gelu(self.dense1(self.norm2(x))))


class Transformer(nnx.Module):
    """16 patches of 4 pixels and a class token through two blocks."""

    def __init__(self, rngs):
        self.patches = nnx.Conv(3, 16, (4, 4), strides=4, padding="VALID", rngs=rngs)
        self.token = nnx.Param(jax.random.normal(rngs.params(), (1, 1, 16)))
        self.block1 = EncoderBlock(16, rngs)
        self.block2 = EncoderBlock(16, rngs)
        self.norm = nnx.LayerNorm(16, rngs=rngs)
        self.head = nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = self.patches(x).reshape(x.shape[0], -1, 16)
        x = jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, 16)), x], 1)
        return self.head(self.norm(self.block2(self.block1(x)))[:, 0])


def vit() -> Classifier:
    """A vision transformer of 16x16 RGB images."""
    made = Classifier.from_nnx(Transformer(nnx.Rngs(3)), input_shape=(16, 16, 3))
    return made.with_params(moved(made.params, 1))


class LinenBlock(linen.Module):
    """Convolution, batch norm, ReLU."""

    features: int

    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(self.features, (3, 3), name="conv")(x)
        return linen.relu(linen.BatchNorm(use_running_average=not train, epsilon=1e-3, name="norm")(x))


class LinenModel(linen.Module):
    """Two blocks with pooling between, global average pooling, a dense layer."""

    @linen.compact
    def __call__(self, x, train=True):
        x = linen.max_pool(LinenBlock(6, name="block1")(x, train), (2, 2), (2, 2))
        x = LinenBlock(8, name="block2")(x, train)
        return linen.Dense(CLASSES, name="dense")(x.mean((1, 2)))


def from_linen() -> Classifier:
    """A `flax.linen` module of 16x16 RGB images, with preprocessing."""
    variables = LinenModel().init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False)
    return Classifier.from_linen(LinenModel(), moved(variables, 2), input_shape=(16, 16, 3), preprocess="tf")


def functions() -> Classifier:
    """A function pair: one convolution, and pooling with a dense layer; 16x16 RGB."""
    rng = np.random.default_rng(0)
    params = {
        "conv": jnp.asarray(rng.normal(size=(3, 3, 3, 6)), jnp.float32),
        "dense": jnp.asarray(rng.normal(size=(6, CLASSES)), jnp.float32),
    }

    def features(params, x):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.nn.relu(jax.lax.conv_general_dilated(x, params["conv"], (2, 2), "SAME", dimension_numbers=numbers))

    return Classifier.from_functions(
        features, lambda params, a: a.mean((1, 2)) @ params["dense"], params, input_shape=(16, 16, 3)
    )


def contrast() -> Classifier:
    """Sees whether neighbours differ: blurred images are of another class than sharp ones; 24x24 RGB."""

    def logits(params, x):
        steps = jnp.abs(x[:, 1:] - x[:, :-1]).mean((1, 2, 3)) + jnp.abs(x[:, :, 1:] - x[:, :, :-1]).mean((1, 2, 3))
        sharp = params * (steps - 0.09)
        return jnp.stack([-sharp, sharp, 0 * sharp - 1, x.mean((1, 2, 3))], axis=1)

    return Classifier.from_function(logits, jnp.float32(150.0), input_shape=(24, 24, 3))


MODELS = {"small_cnn": small_cnn, "vit": vit, "linen": from_linen, "functions": functions}


def scenes(count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """`[count, H, W, C]` uint8: coloured discs on a gradient and a little noise, so that places differ."""
    rng = np.random.default_rng(11)
    height, width, channels = shape
    row, column = np.mgrid[:height, :width] / max(height, width)
    found = []
    for _ in range(count):
        image = np.stack([row, column, 1 - row], -1)[..., :channels] * rng.uniform(0.2, 0.6, channels)
        for _ in range(4):
            centre, radius = rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.3)
            image[(row - centre[0]) ** 2 + (column - centre[1]) ** 2 < radius**2] = rng.uniform(0, 1, channels)
        found.append(np.clip(image + 0.02 * rng.normal(size=image.shape), 0, 1))
    return np.rint(255 * np.stack(found)).astype(np.uint8)
