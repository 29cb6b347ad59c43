"""Folding of batch norm: the same logits and activations, less to compute."""

import jax
import numpy as np
import pytest
from flax import nnx

from xaijax import models
from xaijax.classifier import Classifier, UnsupportedError


def randomised(classifier):
    """With batch statistics as after a training, so that folding has something to do."""
    random = np.random.default_rng(0)

    def drawn(path, leaf):
        last = path[-1].key
        if last in ("mean", "bias"):
            return random.normal(0, 0.1, leaf.shape).astype(leaf.dtype)
        return random.uniform(0.5, 1.5, leaf.shape).astype(leaf.dtype) if last in ("var", "scale") else leaf

    return classifier.with_params(jax.tree_util.tree_map_with_path(drawn, classifier.params))


@pytest.mark.parametrize(
    "name",
    ["small_cnn", "mobilenet_v2", *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet50", "xception"))],
)
def test_logits_and_activations_stay(name):
    classifier = randomised(models.create(name, 5, (96, 96, 3)))
    folded = classifier.optimized()
    images = np.random.default_rng(1).random((2, 96, 96, 3), np.float32)
    layer = classifier.default_layer
    assert folded.default_layer == layer
    assert folded.layers() == classifier.layers()

    @jax.jit
    def run(model):
        return model.tapped(model.params, images, {layer: None})

    before, after = run(classifier), run(folded)
    np.testing.assert_allclose(after[0], before[0], rtol=0, atol=1e-4 * np.abs(before[0]).max())
    np.testing.assert_allclose(after[1][layer], before[1][layer], rtol=0, atol=1e-4 * np.abs(before[1][layer]).max())
    # Four vectors of each batch norm become one bias.
    assert len(jax.tree.leaves(folded.params)) < len(jax.tree.leaves(classifier.params))
    assert not any(
        "var" in jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(folded.params)
    )


def test_a_model_of_functions_is_refused():
    model = Classifier.from_function(
        lambda w, x: x.mean((1, 2)) @ w, np.eye(3, dtype=np.float32), input_shape=(8, 8, 3)
    )
    with pytest.raises(UnsupportedError, match="an NNX module or a converted graph can be optimized"):
        model.optimized()


def products(classifier, images):
    """Equations of the program by primitive name, those of inner programs too."""
    found = {}

    def count(jaxpr):
        for equation in jaxpr.eqns:
            found[equation.primitive.name] = found.get(equation.primitive.name, 0) + 1
            for value in equation.params.values():
                if hasattr(value, "jaxpr"):
                    count(value.jaxpr)

    count(jax.make_jaxpr(classifier.logits)(classifier.params, images).jaxpr)
    return found


def test_pointwise_convolutions_of_any_module_are_matrix_products():
    class Module(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Conv(3, 8, (3, 3), rngs=rngs)
            self.second = nnx.Conv(8, 6, (1, 1), strides=2, rngs=rngs)
            self.grouped = nnx.Conv(6, 6, (1, 1), feature_group_count=2, rngs=rngs)
            self.padded = nnx.Conv(6, 4, (1, 1), padding=[(1, 1), (1, 1)], rngs=rngs)

        def __call__(self, x):
            return self.padded(self.grouped(jax.nn.relu(self.second(self.first(x))))).mean((1, 2))

    module = Module(nnx.Rngs(0))
    classifier = Classifier.from_nnx(module, input_shape=(9, 11, 3))
    fast = classifier.optimized()
    images = np.random.default_rng(1).random((2, 9, 11, 3), np.float32)
    assert products(classifier, images) == products(classifier, images) | {"conv_general_dilated": 4}
    assert products(fast, images) == products(fast, images) | {"conv_general_dilated": 3, "dot_general": 1}
    np.testing.assert_allclose(
        fast.logits(fast.params, images), classifier.logits(classifier.params, images), rtol=1e-5, atol=1e-6
    )
    assert module.second.conv_general_dilated is jax.lax.conv_general_dilated  # the user's module is not touched
    assert fast.layers() == classifier.layers()


@pytest.mark.parametrize("name", ["mobilenet_v2", pytest.param("vit_b16", marks=pytest.mark.slow)])
def test_bfloat16_computes_in_it_and_returns_float32(name):
    classifier = randomised(models.create(name, 5, (64, 64, 3)))
    half = classifier.optimized(dtype="bfloat16")
    images = np.random.default_rng(1).random((2, 64, 64, 3), np.float32)
    layer = classifier.default_layer
    logits, activations = jax.jit(lambda model: model.tapped(model.params, images, {layer: None}))(half)
    assert logits.dtype == np.float32
    assert activations[layer].dtype == "bfloat16"
    assert {leaf.dtype.name for leaf in jax.tree.leaves(half.params)} == {"float32"}
    expected = np.asarray(jax.jit(classifier.logits)(classifier.params, images))
    # 8 bits of precision through 50 layers; not nothing, or it would not have computed in them.
    assert 1e-5 < np.abs(logits - expected).max() / np.abs(expected).max() < 0.1


def test_another_dtype_is_refused():
    with pytest.raises(ValueError, match="dtype must be float32 or bfloat16; got 'float16'"):
        models.create("small_cnn", 3).optimized(dtype="float16")
