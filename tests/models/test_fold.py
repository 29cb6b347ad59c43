"""Folding of batch norm: the same logits and activations, less to compute."""

import jax
import numpy as np
import pytest

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
    folded = models.optimized(classifier)
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
    with pytest.raises(UnsupportedError, match="batch norm can be folded in NNX modules"):
        models.optimized(model)
