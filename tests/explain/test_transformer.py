"""Vision transformers: rollout and token-grid maps without a reshape function, on a grid that is no square."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import explain
from xaijax.classifier import Classifier
from xaijax.models.zoo.vit import EncoderBlock

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PATCH, GRID, WIDTH = 4, (4, 6), 16
SHAPE = (GRID[0] * PATCH, GRID[1] * PATCH, 3)
LAYER = "block2.norm1"
TOKEN_CAMS = (
    *("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam"),
    *("eigen_cam", "eigen_grad_cam", "score_cam", "ablation_cam"),
)


class Small(nnx.Module):
    """Two of the zoo's encoder blocks; without positions, so that patches may be put elsewhere."""

    def __init__(self, rngs):
        self.patches = nnx.Conv(3, WIDTH, (PATCH, PATCH), strides=PATCH, padding="VALID", rngs=rngs)
        self.token = nnx.Param(jax.random.normal(rngs.params(), (1, 1, WIDTH)))
        self.block1 = EncoderBlock(WIDTH, 2, 32, rngs=rngs)
        self.block2 = EncoderBlock(WIDTH, 2, 32, rngs=rngs)
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.head = nnx.Linear(WIDTH, 4, rngs=rngs)

    def tokens(self, x):
        x = self.patches(x).reshape(x.shape[0], -1, WIDTH)
        return jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, WIDTH)), x], 1)

    def __call__(self, x):
        return self.head(self.norm(self.block2(self.block1(self.tokens(x))))[:, 0])


@pytest.fixture(scope="module")
def small():
    module = Small(nnx.Rngs(3))
    for block in (module.block1, module.block2):  # as trained: else the channels of a token sum to zero
        block.norm1.scale[...] = jax.random.uniform(jax.random.key(5), (WIDTH,), minval=0.5, maxval=1.5)
        block.norm1.bias[...] = 0.3 * jax.random.normal(jax.random.key(6), (WIDTH,))
    return module, Classifier.from_nnx(module, input_shape=SHAPE)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(1).random((2, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def maps(small, pictures):
    """`{method: [4, H, W]}` of the pictures and of the same patches with their rows in reverse, in one program."""
    _, classifier = small
    rows = pictures.reshape(2, GRID[0], PATCH, *SHAPE[1:])[:, ::-1].reshape(pictures.shape)
    both, labels = np.concatenate([pictures, rows]), np.array([1, 2, 1, 2])

    def run(classifier, x, y):
        return {name: explain.METHODS[name].function(classifier, x, y) for name in (*TOKEN_CAMS, "attention_rollout")}

    return {k: np.asarray(v) for k, v in jax.jit(run, compiler_options=QUICK_COMPILE)(classifier, both, labels).items()}


def test_the_default_layer_is_the_first_norm_of_the_last_block(small):
    _, classifier = small
    assert classifier.default_layer == LAYER
    assert classifier.layers()[LAYER] == (*GRID, WIDTH)


def test_gradients_at_the_tokens_are_those_of_the_rest_of_the_network(small, pictures, maps):
    """HiResCAM and Grad-CAM from `jax.grad` over all tokens, written by hand: class token dropped, rows by columns."""
    module, _ = small
    block = module.block2
    inner = module.block1(module.tokens(jnp.asarray(pictures)))
    norm = block.norm1(inner)

    def rest(normed):
        x = inner + block.attention(normed)
        return module.head(module.norm(x + block.mlp(block.norm2(x)))[:, 0])[np.arange(2), [1, 2]].sum()

    A, g = (np.asarray(v)[:, 1:].reshape(2, *GRID, WIDTH) for v in (norm, jax.grad(rest)(norm)))
    for name, low in (("hires_cam", (A * g).sum(-1)), ("grad_cam", (A * g.mean((1, 2), keepdims=True)).sum(-1))):
        expected = explain.resize(jnp.asarray(low), SHAPE[:2])
        np.testing.assert_allclose(maps[name][:2], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", [*TOKEN_CAMS, "attention_rollout"])
def test_rows_of_patches_in_reverse_give_rows_of_the_map_in_reverse(maps, name):
    """The network has no positions: only a grid that is put together rightly passes."""
    found = maps[name]
    assert found.shape == (4, *SHAPE[:2])
    assert (found.std((1, 2)) > 0.02 * np.abs(found).max((1, 2))).all()
    if name != "score_cam":  # its masks vary inside a patch, and the patches themselves were not turned
        np.testing.assert_allclose(found[2:], found[:2, ::-1], atol=1e-3 * np.abs(found).max())


def test_rollout_is_the_product_of_the_blocks(small, pictures, maps):
    module, _ = small
    tokens = module.tokens(jnp.asarray(pictures))
    product = np.eye(tokens.shape[1])
    for block in (module.block1, module.block2):
        normed = block.norm1(tokens)
        q, k = (
            v.reshape(2, -1, 2, WIDTH // 2).transpose(0, 2, 1, 3)
            for v in jnp.split(block.attention.qkv(normed), 3, axis=-1)[:2]
        )
        scores = np.asarray(q @ k.transpose(0, 1, 3, 2), np.float64) / np.sqrt(WIDTH // 2)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights = (weights / weights.sum(-1, keepdims=True)).mean(1)
        product = (weights + np.eye(tokens.shape[1])) / 2 @ product
        tokens = block(tokens)
    expected = explain.resize(jnp.asarray(product[:, 0, 1:].reshape(2, *GRID), jnp.float32), SHAPE[:2])
    np.testing.assert_allclose(maps["attention_rollout"][:2], expected, rtol=1e-3, atol=1e-6)
