"""Linen modules behind the same contract; the same model by hand, and as NNX, are the oracles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from xaijax.classifier import Classifier


class Block(linen.Module):
    features: int

    @linen.compact
    def __call__(self, x, train):
        x = linen.Conv(self.features, (3, 3), name="conv")(x)
        x = linen.BatchNorm(use_running_average=not train, epsilon=1e-3, name="norm")(x)
        return linen.Dropout(0.5, deterministic=not train)(linen.relu(x))


class Model(linen.Module):
    classes: int = 3

    @linen.compact
    def __call__(self, x, train=True):
        x = Block(4, name="block1")(x, train)
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = Block(5, name="block2")(x, train)
        return linen.Dense(self.classes, name="dense")(x.mean((1, 2)))


def randomize(variables):
    random = np.random.default_rng(0)
    leaves, treedef = jax.tree.flatten(variables)
    # Positive, which variances must be.
    return jax.tree.unflatten(treedef, [jnp.asarray(random.uniform(0.1, 1, x.shape), jnp.float32) for x in leaves])


@pytest.fixture(scope="module")
def variables():
    return randomize(Model().init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False))


@pytest.fixture(scope="module")
def classifier(variables):
    return Classifier.from_linen(Model(), variables, input_shape=(8, 8, 1), preprocess="tf")


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(1).random((2, 8, 8, 1)), jnp.float32)


def manual(variables, images, offsets=None):
    offsets = {} if offsets is None else offsets
    x = 2 * images - 1
    for i in (1, 2):
        params, statistics = variables["params"][f"block{i}"], variables["batch_stats"][f"block{i}"]["norm"]
        x = linen.Conv(3 + i, (3, 3)).apply({"params": params["conv"]}, x)
        scale = params["norm"]["scale"] / jnp.sqrt(statistics["var"] + 1e-3)
        x = (x - statistics["mean"]) * scale + params["norm"]["bias"]
        x = linen.relu(x + offsets.get(f"block{i}.norm", 0)) + offsets.get(f"block{i}", 0)
        if i == 1:
            x = linen.max_pool(x, (2, 2), (2, 2))
    dense = variables["params"]["dense"]
    return x.mean((1, 2)) @ dense["kernel"] + dense["bias"]


def test_logits_layers_and_default_layer(classifier, variables, images):
    logits = classifier.logits(classifier.params, images)
    np.testing.assert_allclose(logits, manual(variables, images), rtol=1e-4, atol=1e-4)
    layers = classifier.layers()
    assert list(layers) == [
        "preprocess", "block1.conv", "block1.norm", "block1.Dropout_0", "block1",
        "block2.conv", "block2.norm", "block2.Dropout_0", "block2", "dense",
    ]  # fmt: skip
    assert layers["block2"] == (4, 4, 5)
    assert classifier.default_layer == "block2"


def test_gradients_at_layers_equal_an_explicit_split(classifier, variables, images):
    offsets = classifier.zero_offsets(images, ["block1", "block2.norm", "block2"])
    got = jax.jit(jax.grad(lambda o: classifier.tapped(classifier.params, images, o)[0][:, 1].sum()))(offsets)
    expected = jax.grad(lambda o: manual(variables, images, o)[:, 1].sum())(offsets)
    for layer in offsets:
        np.testing.assert_allclose(got[layer], expected[layer], rtol=1e-4, atol=1e-6)


def test_head_biases_groups_and_relu_rules(classifier, variables, images):
    params = classifier.params
    np.testing.assert_allclose(classifier.head(params), variables["params"]["dense"]["kernel"], rtol=1e-5, atol=1e-6)
    biases = classifier.biases(params)
    assert list(biases) == ["preprocess", "block1.conv", "block1.norm", "block2.conv", "block2.norm", "dense"]
    offsets = classifier.zero_offsets(images, list(biases))

    def score(images, offsets):
        return classifier.tapped(params, images, offsets)[0][:, 1].sum()

    by_image, by_layer = jax.grad(score, argnums=(0, 1))(images, offsets)
    total = (by_image * images).sum() + sum((by_layer[name] * bias).sum() for name, bias in biases.items())
    np.testing.assert_allclose(total, score(images, offsets), rtol=1e-4)
    groups = classifier.param_groups(params)
    assert list(groups) == ["dense", "block2.norm", "block2.conv", "block1.norm", "block1.conv"]
    assert set(groups["block2.norm"]) == {"params", "batch_stats"}
    assert sum(len(jax.tree.leaves(group)) for group in groups.values()) == len(jax.tree.leaves(params))
    guided = classifier.with_relu("guided")
    np.testing.assert_allclose(guided.logits(params, images), classifier.logits(params, images))


def test_equal_modules_share_a_compilation(classifier, variables):
    again = Classifier.from_linen(Model(), variables, input_shape=(8, 8, 1), preprocess="tf")
    assert jax.tree.structure(again) == jax.tree.structure(classifier)
    other = Classifier.from_linen(Model(), variables, input_shape=(8, 8, 1), preprocess="identity")
    assert jax.tree.structure(other) != jax.tree.structure(classifier)


def test_layers_inside_lifted_transformations_are_not_offered(images):
    class Lifted(linen.Module):
        @linen.compact
        def __call__(self, x):
            x = linen.remat(linen.Conv)(3, (3, 3), name="inside")(x)
            x = linen.Conv(3, (3, 3), name="outside")(x)
            return linen.Dense(2, name="dense")(x.mean((1, 2)))

    variables = Lifted().init(jax.random.key(0), images)
    model = Classifier.from_linen(Lifted(), variables, input_shape=(8, 8, 1))
    assert "outside" in model.layers()
    logits = model.tapped(model.params, images, {"outside": None})[0]
    np.testing.assert_allclose(logits, Lifted().apply(variables, images), rtol=1e-5, atol=1e-6)


def test_what_is_no_linen_model_is_refused(variables):
    with pytest.raises(TypeError, match=r"must be a flax\.linen\.Module; got a dict"):
        Classifier.from_linen({}, variables, input_shape=(8, 8, 1))
    with pytest.raises(ValueError, match=r'variables must have "params".* got conv'):
        Classifier.from_linen(Model(), {"conv": 1}, input_shape=(8, 8, 1))


def test_it_prints_as_one_line_without_its_batch_statistics():
    module = Model()
    variables = randomize(module.init(jax.random.key(0), jnp.ones((1, 8, 8, 3)), train=False))
    made = Classifier.from_linen(module, variables, input_shape=(8, 8, 3))
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert repr(made) == f"Classifier(linen module, 8x8x3, 3 classes, softmax, {count} parameters)"
