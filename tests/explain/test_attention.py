"""The attention family against NumPy, written from the definitions: transformers of one and two blocks by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.models.zoo.vit import EncoderBlock

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
PATCH, GRID, WIDTH, HEADS, CLASSES = 2, (3, 3), 4, 2, 3
PATCHES = GRID[0] * GRID[1]
SHAPE = (GRID[0] * PATCH, GRID[1] * PATCH, 1)
NAMES = ("generic_attention", "gradient_rollout", "legrad")
LABELS = np.array([2, 0])
SEED = 16  # every method has positive evidence for both labels


class Block(nnx.Module):
    """`z + A(z) z V` with A the softmax attention of each head; no norm, no MLP: derivatives fit on a line."""

    def __init__(self, rng):
        self.query = nnx.Param(jnp.asarray(0.5 * rng.normal(size=(HEADS, WIDTH, WIDTH)), jnp.float32))
        self.value = nnx.Param(jnp.asarray(0.5 * rng.normal(size=(HEADS, WIDTH, WIDTH)), jnp.float32))
        self.attention = Attention()

    def __call__(self, z):
        weights = self.attention(z, self.query[...])
        return z + jnp.einsum("bhts,bsc,hcd->btd", weights, z, self.value[...])


class Attention(nnx.Module):
    def __call__(self, z, query):
        return jax.nn.softmax(jnp.einsum("btc,hcd,bsd->bhts", z, query, z), axis=-1)


class Tiny(nnx.Module):
    """Patches, a class token in front of them if there is one, blocks, `tanh` as the last norm, a dense head.

    `reads` is what the head reads: the class token, or the mean of the patches.
    """

    def __init__(self, blocks, class_token, reads):
        rng = np.random.default_rng(SEED)
        self.embed = nnx.Param(jnp.asarray(0.5 * rng.normal(size=(PATCH * PATCH, WIDTH)), jnp.float32))
        self.token = nnx.Param(jnp.asarray(rng.normal(size=(1, 1, WIDTH)), jnp.float32))
        self.block1 = Block(rng)
        if blocks == 2:
            self.block2 = Block(rng)
        self.head = nnx.Param(jnp.asarray(rng.normal(size=(WIDTH, CLASSES)), jnp.float32))
        self.class_token, self.reads, self.blocks = class_token, reads, blocks

    def __call__(self, x):
        z = x.reshape(-1, GRID[0], PATCH, GRID[1], PATCH).transpose(0, 1, 3, 2, 4).reshape(-1, PATCHES, PATCH * PATCH)
        z = z @ self.embed[...]
        if self.class_token:
            z = jnp.concatenate([jnp.broadcast_to(self.token[...], (z.shape[0], 1, WIDTH)), z], 1)
        z = self.block1(z)
        if self.blocks == 2:
            z = self.block2(z)
        z = jnp.tanh(z)
        return (z[:, 0] if self.reads == "class" else z[:, int(self.class_token) :].mean(1)) @ self.head[...]


class ByHand:
    """One image through `Tiny` in NumPy, float64, with derivatives written out."""

    def __init__(self, module, image, label):
        get = lambda variable: np.asarray(variable[...], np.float64)  # noqa: E731
        z = image[..., 0].reshape(GRID[0], PATCH, GRID[1], PATCH).transpose(0, 2, 1, 3).reshape(PATCHES, -1)
        z = z.astype(np.float64) @ get(module.embed)
        if module.class_token:
            z = np.concatenate([get(module.token)[0], z])
        self.prefix = int(module.class_token)
        self.reading = np.zeros(len(z))  # how much of each token the head reads
        if module.reads == "class":
            self.reading[0] = 1
        else:
            self.reading[self.prefix :] = 1 / PATCHES
        self.head = get(module.head)[:, label]
        self.inputs, self.queries, self.values, self.attention = [], [], [], []
        for block in (module.block1, module.block2)[: module.blocks] if module.blocks == 2 else (module.block1,):
            query, value = get(block.query), get(block.value)
            scores = np.stack([z @ q @ z.T for q in query])
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            attention = scores / scores.sum(-1, keepdims=True)
            self.inputs.append(z)
            self.queries.append(query)
            self.values.append(value)
            self.attention.append(attention)
            z = z + sum(a @ z @ v for a, v in zip(attention, value, strict=True))
        self.output = z

    def tail(self, z):
        """`ds/dz` of the score read off tokens z."""
        return self.reading[:, None] * (1 - np.tanh(z) ** 2) * self.head

    def to_attention(self, block, gradient):
        """The gradient of a block's output to that of its attention: `out_t = ... + Σ_s A_ts (z_s V)`."""
        z = self.inputs[block]
        return np.stack([gradient @ (z @ v).T for v in self.values[block]])

    def to_input(self, block, gradient):
        """The gradient of a block's output to that of its input, through values, queries and keys."""
        z, found = self.inputs[block], gradient.copy()
        dA = self.to_attention(block, gradient)
        for a, d, q, v in zip(self.attention[block], dA, self.queries[block], self.values[block], strict=True):
            found += a.T @ gradient @ v.T
            d_scores = a * (d - (d * a).sum(-1, keepdims=True))
            found += d_scores @ z @ q.T + d_scores.T @ z @ q
        return found

    def gradients(self):
        """`G_l = dy/dA_l` through all that follows."""
        gradient, found = self.tail(self.output), []
        for block in reversed(range(len(self.inputs))):
            found.insert(0, self.to_attention(block, gradient))
            gradient = self.to_input(block, gradient)
        return found

    def outputs(self):
        return [*self.inputs[1:], self.output]

    def read(self, relevance):
        row = relevance[0] if self.reading[0] and self.prefix else relevance[self.prefix :].mean(0)
        return row[self.prefix :].reshape(GRID)

    def generic_attention(self, last=2):
        relevance = np.eye(len(self.output))
        for a, g in [*zip(self.attention, self.gradients(), strict=True)][-last:]:
            relevance = relevance + np.maximum(a * g, 0).mean(0) @ relevance
        return self.read(relevance)

    def gradient_rollout(self, last=2):
        product = np.eye(len(self.output))
        for a, g in [*zip(self.attention, self.gradients(), strict=True)][-last:]:
            mixed = (np.maximum((a * g).mean(0), 0) + np.eye(len(product))) / 2
            product = mixed / mixed.sum(1, keepdims=True) @ product
        return self.read(product)

    def legrad(self, last=2):
        total = np.zeros(len(self.output))
        for block, tokens in [*enumerate(self.outputs())][-last:]:
            total += np.maximum(self.to_attention(block, self.tail(tokens)), 0).mean((0, 1))
        return total[self.prefix :].reshape(GRID)


KINDS = {
    "one block": (1, True, "class"),
    "two blocks": (2, True, "class"),
    "no class token": (2, False, "mean"),
    "class token that is not read": (2, True, "mean"),
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).random((2, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def made(request, images):
    module = Tiny(*KINDS[request.param])
    classifier = Classifier.from_nnx(module, input_shape=SHAPE)

    def run(classifier, x, y):
        found = {(name, 2): explain.METHODS[name].function(classifier, x, y) for name in NAMES}
        return found | {(name, 1): explain.METHODS[name].function(classifier, x, y, last=1) for name in NAMES}

    maps = jax.jit(run, compiler_options=QUICK_COMPILE)(classifier, images, LABELS)
    return module, classifier, {key: np.asarray(value) for key, value in maps.items()}


@pytest.mark.parametrize("last", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_maps_are_those_written_from_the_definition(made, images, name, last):
    module, _, maps = made
    low = np.stack([getattr(ByHand(module, x, y), name)(last) for x, y in zip(images, LABELS, strict=True)])
    assert low.std() > 0
    expected = explain.resize(jnp.asarray(low, jnp.float32), SHAPE[:2])
    np.testing.assert_allclose(maps[name, last], expected, atol=2e-5 * np.abs(expected).max())


def test_the_hand_written_gradient_is_the_slope(made, images):
    """The oracle itself, against finite differences of the logit in the attention of the first block."""
    module, classifier, _ = made
    hand = ByHand(module, images[0], 1)
    G, name = hand.gradients()[0], "block1.attention"
    rng = np.random.default_rng(0)
    direction = rng.normal(size=G.shape).astype(np.float32)

    def logit(step):
        offset = jnp.asarray(step * direction[None])
        return float(classifier.tapped(classifier.params, images[:1], {name: offset})[0][0, 1])

    slope = (logit(2e-3) - logit(-2e-3)) / 4e-3
    np.testing.assert_allclose((G * direction).sum(), slope, rtol=3e-3, atol=1e-3 * np.abs(G).sum())


FUSED = {"mean": np.mean, "max": np.max, "min": np.min}


@pytest.mark.parametrize("fuse", FUSED)
@pytest.mark.parametrize("discard_ratio", [0.0, 0.35, 0.9])
def test_rollout_fuses_heads_and_discards_the_lowest(images, fuse, discard_ratio):
    module = Tiny(2, True, "class")
    classifier = Classifier.from_nnx(module, input_shape=SHAPE)
    low = []
    for x in images:
        product = np.eye(PATCHES + 1)
        for attention in ByHand(module, x, 0).attention:
            fused = FUSED[fuse](attention, axis=0)
            flat = fused.ravel()
            flat[np.argsort(flat, kind="stable")[: int(discard_ratio * flat.size)]] = 0
            mixed = (fused + np.eye(len(fused))) / 2
            product = mixed / mixed.sum(1, keepdims=True) @ product
        low.append(product[0, 1:].reshape(GRID))
    expected = explain.resize(jnp.asarray(np.stack(low), jnp.float32), SHAPE[:2])
    got = explain.attention_rollout(classifier, images, fuse=fuse, discard_ratio=discard_ratio)
    np.testing.assert_allclose(got, expected, atol=2e-5)
    assert discard_ratio == 0 or not np.allclose(got, explain.attention_rollout(classifier, images, fuse=fuse))


def test_rollout_of_equal_weights_discards_the_first(images):
    """Ties go by place: of 5 x 5 equal weights, a share of 0.2 is the first row, the class token's."""

    def attention(p, x):
        return jnp.full((x.shape[0], 1, 5, 5), 0.2) + 0 * x.sum()

    model = Classifier.from_functions(
        attention, lambda p, a: a[:, 0, 0, :2] * p, jnp.ones(2), input_shape=(2, 2, 1), layer="attention"
    )
    got = explain.attention_rollout(model, np.zeros((1, 2, 2, 1)), discard_ratio=0.2)
    assert not got.any()


def test_rollout_by_the_rows_of_the_patches(images):
    module = Tiny(1, True, "mean")
    classifier = Classifier.from_nnx(module, input_shape=SHAPE)
    mixed = [(ByHand(module, x, 0).attention[0].mean(0) + np.eye(PATCHES + 1)) / 2 for x in images]
    low = np.stack([each[1:].mean(0)[1:].reshape(GRID) for each in mixed])
    got = explain.attention_rollout(classifier, images, rows="mean")
    np.testing.assert_allclose(got, explain.resize(jnp.asarray(low, jnp.float32), SHAPE[:2]), atol=1e-5)


def test_a_head_of_no_weight_gives_no_evidence(images):
    classifier = Classifier.from_nnx(Tiny(2, True, "class"), input_shape=SHAPE)
    blind = classifier.with_params(classifier.params | {"head": jnp.zeros((WIDTH, CLASSES))})
    for name in NAMES:
        assert not np.asarray(explain.METHODS[name].function(blind, images, LABELS)).any(), name


@pytest.mark.parametrize("name", [*NAMES, "attention_rollout"])
def test_refusals_are_one_sentence(model, name):
    method = explain.METHODS[name]
    reason = method.refusal(model)
    assert reason == (
        f"{name} needs a vision transformer that shows its attention weights as layers (heads, T, T); this model has "
        "none (attention in windows, as in Swin, is not defined for it): use grad_cam"
    )
    if "layer" in method.options:
        with pytest.raises(InputError, match=rf"^{name} takes layers of attention weights .* layer 'block1' is"):
            method.function(model, np.zeros((1, 16, 16, 3)), 0, layer="block1")
    if "last" in method.options:
        with pytest.raises(InputError, match=rf"^{name}\.last is 0"):
            method.function(model, np.zeros((1, 16, 16, 3)), 0, last=0)


class Hidden(nnx.Module):
    """Two attentions inside one module: no block's output is a layer."""

    def __init__(self):
        self.attention1, self.attention2 = Attention(), Attention()

    def __call__(self, z, query):
        for attention in (self.attention1, self.attention2):
            z = z + jnp.einsum("bhts,bsc->btc", attention(z, query), z)
        return z


class WithHidden(Tiny):
    def __init__(self):
        super().__init__(1, True, "class")
        self.block1 = Hidden()

    def __call__(self, x):
        z = jnp.broadcast_to(x.mean((1, 2, 3))[:, None, None], (x.shape[0], PATCHES + 1, WIDTH))
        return self.block1(z, jnp.ones((HEADS, WIDTH, WIDTH)))[:, 0] @ self.head[...]


def test_legrad_needs_the_outputs_of_blocks(images):
    classifier = Classifier.from_nnx(WithHidden(), input_shape=SHAPE)
    reason = explain.METHODS["legrad"].refusal(classifier)
    assert reason.startswith("legrad needs the output of every block as a layer; this model shows none around ")
    assert reason.endswith(": use generic_attention")
    assert explain.METHODS["generic_attention"].refusal(classifier) is None


def test_cam_refuses_a_transformer(images):
    classifier = Classifier.from_nnx(Tiny(2, True, "class"), input_shape=SHAPE)
    reason = explain.METHODS["cam"].refusal(classifier)
    assert reason == "cam needs a model that ends in global average pooling and one dense layer; use grad_cam"


def test_the_blocks_of_the_zoo(images):
    """Two of the zoo's blocks with norms and MLPs: LeGrad by `jax.grad` over each block, written by hand."""

    class Small(nnx.Module):
        def __init__(self, rngs):
            self.patches = nnx.Conv(1, 8, (PATCH, PATCH), strides=PATCH, padding="VALID", rngs=rngs)
            self.token = nnx.Param(jax.random.normal(rngs.params(), (1, 1, 8)))
            self.block1 = EncoderBlock(8, 2, 16, rngs=rngs)
            self.block2 = EncoderBlock(8, 2, 16, rngs=rngs)
            self.norm = nnx.LayerNorm(8, rngs=rngs)
            self.head = nnx.Linear(8, CLASSES, rngs=rngs)

        def tokens(self, x):
            x = self.patches(x).reshape(x.shape[0], -1, 8)
            return jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, 8)), x], 1)

        def __call__(self, x):
            return self.head(self.norm(self.block2(self.block1(self.tokens(x))))[:, 0])

    module = Small(nnx.Rngs(3))
    classifier = Classifier.from_nnx(module, input_shape=SHAPE)
    z, low = module.tokens(jnp.asarray(images)), 0.0
    for block in (module.block1, module.block2):
        normed = block.norm1(z)
        q, k, v = (
            each.reshape(2, -1, 2, 4).transpose(0, 2, 1, 3) for each in jnp.split(block.attention.qkv(normed), 3, -1)
        )
        weights = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / 2.0)

        def after(weights, block=block, z=z, v=v):
            mixed = z + block.attention.project((weights @ v).transpose(0, 2, 1, 3).reshape(z.shape))
            return mixed + block.mlp(block.norm2(mixed))

        def score(weights, after=after):
            return module.head(module.norm(after(weights))[:, 0])[np.arange(2), LABELS].sum()

        low = low + jnp.maximum(jax.grad(score)(weights), 0).mean((1, 2))
        z = after(weights)
    expected = explain.resize(low[:, 1:].reshape(2, *GRID), SHAPE[:2])
    got = explain.legrad(classifier, images, LABELS)
    np.testing.assert_allclose(got, expected, atol=2e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", [*NAMES, "attention_rollout"])
def test_two_blocks_under_vmap_and_in_groups(images, name):
    """An image alone, in a group, in reverse and under `grad`: the same map, and a finite slope."""
    classifier, method = Classifier.from_nnx(Tiny(2, True, "class"), input_shape=SHAPE), explain.METHODS[name].function
    whole = np.asarray(method(classifier, images, LABELS))
    one = jax.jit(jax.vmap(lambda x, y: method(classifier, x[None], y[None])[0]))(images[::-1], LABELS[::-1])
    np.testing.assert_allclose(one[::-1], whole, atol=2e-5 * whole.max())
    np.testing.assert_allclose(method(classifier, images, LABELS, batch_size=1), whole, atol=2e-5 * whole.max())
    slope = jax.grad(lambda x: (method(classifier, x, LABELS) ** 2).sum())(jnp.asarray(images))
    assert np.isfinite(slope).all()
    predicted = classifier.predict(images).argmax(1)
    np.testing.assert_array_equal(method(classifier, images), method(classifier, images, predicted))


class Larger(nnx.Module):
    """Three of the zoo's blocks on 64 patches: large enough that products of tokens are most of the work."""

    def __init__(self, rngs):
        self.patches = nnx.Conv(3, 64, (4, 4), strides=4, padding="VALID", rngs=rngs)
        self.token = nnx.Param(jax.random.normal(rngs.params(), (1, 1, 64)))
        self.block1, self.block2, self.block3 = (EncoderBlock(64, 4, 256, rngs=rngs) for _ in range(3))
        self.norm, self.head = nnx.LayerNorm(64, rngs=rngs), nnx.Linear(64, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = self.patches(x).reshape(x.shape[0], -1, 64)
        x = jnp.concatenate([jnp.broadcast_to(self.token[...], (x.shape[0], 1, 64)), x], 1)
        return self.head(self.norm(self.block3(self.block2(self.block1(x))))[:, 0])


def test_no_method_costs_more_than_the_passes_that_it_needs():
    """Operations as XLA counts them, against one forward pass, and one forward and backward pass."""
    classifier = Classifier.from_nnx(Larger(nnx.Rngs(0)), input_shape=(32, 32, 3))
    x, y = np.zeros((2, 32, 32, 3), np.float32), np.zeros(2, np.int32)

    def operations(function):
        compiled = jax.jit(function).lower(classifier, x, y).compile()
        return compiled.cost_analysis()["flops"]

    forward = operations(lambda c, x, y: c.logits(c.params, x))
    both = operations(explain.gradient)
    assert operations(explain.attention_rollout) < 1.3 * forward
    for name in NAMES:
        assert operations(explain.METHODS[name].function) < 1.3 * both, name
        assert explain.METHODS[name].cost == 3
