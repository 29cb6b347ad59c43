"""`tapped` on every architecture of the zoo and every other kind of classifier, under jit and vmap.

Three things are held against a computation without taps. At the default layer the gradient is that of the model split
by hand behind this layer. In the middle the gradient, summed over positions, is the gradient by that layer's own bias,
which reaches every position alike. And a batch of single images under `vmap` gives what the batch gives.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from xaijax import models
from xaijax.classifier import Classifier

# Nothing is measured here, and of most models the compilation is the test.
QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
SIDES = {"xception": 71, "inception_v3": 75, "inception_resnet_v2": 75}
OPTIONS = {"vgg16": {"hidden": (8,)}, "vgg19": {"hidden": (8,)}}  # the usual head has a hundred million weights
QUICK = ("small_cnn", "small_resnet", "small_vit", "squeezenet")
CLASSES = 4
MIDDLE = {"vit_b16": None, "small_vit": None}  # their biases reach the class token, which has no offset


def zoo(name):
    """A model with random weights and statistics, two images, and logits by the module from the default layer on."""
    side = SIDES.get(name, 32)
    made = models.create(name, CLASSES, (side, side, 3), key=jax.random.key(0), **OPTIONS.get(name, {}))
    rng = np.random.default_rng(0)
    # Scales, variances and biases start as ones and zeros, where many mistakes do not show.
    params = jax.tree.map(
        lambda a: a + jnp.asarray(rng.uniform(0, 0.3, a.shape), a.dtype) if a.ndim == 1 else a, made.params
    )
    made = made.with_params(params)
    images = rng.random((2, side, side, 3)).astype(np.float32)
    return made, images, functools.partial(behind, name, made)


def behind(name, classifier, params, A):
    """Logits from the activations of the default layer."""
    module = classifier.network.merge(params)
    if name.startswith("vgg"):
        # Not `.max` of reshaped blocks: it divides the gradient among equal maxima, pooling gives it to the first.
        pooled = jax.lax.reduce_window(A, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        assert pooled.shape[1:3] == (1, 1)  # all 7 x 7 cells of the average have this value
        return module.head(jnp.broadcast_to(pooled, (*pooled.shape[:1], 7, 7, pooled.shape[-1])))
    if name == "squeezenet":
        return jax.nn.relu(module.class_maps(A)).mean((1, 2))
    return module.dense(A.mean((1, 2))) if name == "small_cnn" else module.head(A)


def behind_vit(classifier, images, layer):
    """A function of an offset at the patch tokens of the last block's first norm, through the module's own parts."""
    module = classifier.network.merge(classifier.params)
    x = module.patches(classifier.preprocess(images)).reshape(images.shape[0], -1, module.class_token.shape[-1])
    first = jnp.broadcast_to(module.class_token[...], (x.shape[0], 1, x.shape[-1]))
    x = jnp.concatenate([first, x], axis=1) + module.positions[...]
    *earlier, last = (name for name, _ in nnx.iter_children(module.blocks))
    assert layer == f"blocks.{last}.norm1"
    for name in earlier:
        x = getattr(module.blocks, name)(x)
    block = getattr(module.blocks, last)

    def logits(offset):
        tokens = block.norm1(x).at[:, 1:].add(offset.reshape(offset.shape[0], -1, offset.shape[-1]))
        after = x + block.attention(tokens)
        after = after + block.mlp(block.norm2(after))
        return module.head(module.norm(after)[:, :1, None])

    return logits


def middle_layer(name, classifier):
    """The layer with a bias that is nearest to the middle of the model."""
    if name in MIDDLE:
        return MIDDLE[name]
    order = list(classifier.layers())
    with_bias = [layer for layer in classifier.biases(classifier.params) if layer != "preprocess"]
    return min(with_bias, key=lambda layer: abs(order.index(layer) - len(order) / 2))


def bias_of(params, layer):
    part = functools.reduce(lambda tree, key: tree[key], layer.split("."), params)
    return part["bias"]


def with_bias(params, layer, bias):
    def put(tree, keys):
        return bias if not keys else {**tree, keys[0]: put(tree[keys[0]], keys[1:])}

    return put(params, [*layer.split("."), "bias"])


def close(got, expected, tolerance=2e-4):
    np.testing.assert_allclose(got, expected, atol=tolerance * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in models.list_models()]
)
def test_zoo(name):
    classifier, images, head = zoo(name)
    layer, middle = classifier.default_layer, middle_layer(name, classifier)
    taps = [layer] if middle is None else [layer, middle]
    weights = jnp.asarray(np.random.default_rng(1).normal(size=CLASSES), jnp.float32)

    def score(offsets, params, x):
        logits, activations = classifier.tapped(params, x, offsets)
        return (logits @ weights).sum(), (logits, activations)

    @functools.partial(jax.jit, compiler_options=QUICK_COMPILE)
    def batch(params, x, offsets):
        gradients, (logits, activations) = jax.grad(score, has_aux=True)(offsets, params, x)
        found = {"logits": logits, "plain": classifier.logits(params, x), "tapped": gradients}
        if "vit" in name:
            split = behind_vit(classifier.with_params(params), x, layer)
            found["again"] = split(offsets[layer])
            found["split"] = jax.grad(lambda o: (split(o) @ weights).sum())(offsets[layer])
        else:
            found["again"] = head(params, activations[layer])
            found["split"] = jax.grad(lambda a: (head(params, a) @ weights).sum())(activations[layer])
        if middle is not None:
            by_bias = jax.grad(lambda b: (classifier.logits(with_bias(params, middle, b), x) @ weights).sum())
            found["bias"] = by_bias(bias_of(params, middle))
        return found

    @functools.partial(jax.jit, compiler_options=QUICK_COMPILE)
    def singly(params, x, offset):
        one = lambda x, o: jax.grad(score, has_aux=True)({layer: o[None]}, params, x[None])[0][layer][0]  # noqa: E731
        return jax.vmap(one)(x, offset)

    offsets = classifier.zero_offsets(images, taps)
    found = batch(classifier.params, images, offsets)
    close(found["logits"], found["plain"], 1e-5)
    close(found["again"], found["plain"], 1e-5)
    assert float(jnp.abs(found["split"]).max()) > 0
    close(found["tapped"][layer], found["split"])
    if middle is not None:
        assert float(jnp.abs(found["bias"]).max()) > 0
        close(found["tapped"][middle].sum((0, 1, 2)), found["bias"])
    close(singly(classifier.params, images, offsets[layer]), found["split"])


class NNXModel(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 5, (3, 3), rngs=rngs)
        self.act = nnx.relu
        self.second = nnx.Conv(5, 6, (3, 3), strides=2, rngs=rngs)
        self.dense = nnx.Linear(6, CLASSES, rngs=rngs)

    def after(self, a):
        return self.dense(nnx.relu(self.second(nnx.relu(a))).mean((1, 2)))

    def __call__(self, x):
        return self.after(self.conv(x))


class LinenModel(linen.Module):
    def setup(self):
        self.conv = linen.Conv(5, (3, 3))
        self.second = linen.Conv(6, (3, 3), strides=2)
        self.dense = linen.Dense(CLASSES)

    def after(self, a):
        return self.dense(linen.relu(self.second(linen.relu(a))).mean((1, 2)))

    def __call__(self, x):
        return self.after(self.conv(x))


SHAPE = (8, 8, 3)


def users(kind):
    """A classifier of a user's own, the layer to tap, and logits from its activations on."""
    if kind == "nnx":
        module = NNXModel(nnx.Rngs(0))
        return Classifier.from_nnx(module, input_shape=SHAPE), "conv", module.after
    if kind == "linen":
        module = LinenModel()
        variables = module.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
        made = Classifier.from_linen(module, variables, input_shape=SHAPE)
        return made, "conv", lambda a: module.apply(variables, a, method="after")
    rng = np.random.default_rng(0)
    params = {
        name: jnp.asarray(rng.normal(size=(3, 5 if name == "mix" else CLASSES)), jnp.float32) for name in ("mix",)
    }
    params["dense"] = jnp.asarray(rng.normal(size=(5, CLASSES)), jnp.float32)

    def features(p, x):
        return jnp.sin(x @ p["mix"])

    def head(p, a):
        return (a**2).mean((1, 2)) @ p["dense"]

    return Classifier.from_functions(features, head, params, input_shape=SHAPE), "features", lambda a: head(params, a)


@pytest.mark.parametrize("kind", ["nnx", "linen", "functions"])
def test_of_a_users_own(kind):
    classifier, layer, after = users(kind)
    images = np.random.default_rng(2).random((3, *SHAPE)).astype(np.float32)
    offsets = classifier.zero_offsets(images, [layer])[layer]

    def gradient(params, x, offset):
        def score(o):
            logits, activations = classifier.tapped(params, x, {layer: o})
            return logits[:, 1].sum(), activations[layer]

        return jax.grad(score, has_aux=True)(offset)

    got, activations = jax.jit(gradient)(classifier.params, images, offsets)
    expected = jax.grad(lambda a: after(a)[:, 1].sum())(activations)
    close(got, expected, 1e-5)
    single = jax.jit(jax.vmap(lambda p, x, o: gradient(p, x[None], o[None])[0][0], in_axes=(None, 0, 0)))
    close(single(classifier.params, images, offsets), expected, 1e-5)
    np.testing.assert_allclose(after(activations), classifier.logits(classifier.params, images), rtol=1e-4, atol=1e-5)


def test_of_a_plain_function():
    """No layer to tap; with no offsets it gives the logits, traced or not."""
    classifier = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, jnp.eye(3) + 0.5, input_shape=SHAPE)
    images = np.random.default_rng(2).random((3, *SHAPE)).astype(np.float32)
    one = jax.vmap(lambda p, x: classifier.tapped(p, x[None], {})[0][0], in_axes=(None, 0))
    expected = images.mean((1, 2)) @ (np.eye(3) + 0.5)
    np.testing.assert_allclose(jax.jit(one)(classifier.params, images), expected, rtol=1e-5)
