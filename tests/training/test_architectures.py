"""Every architecture can be trained."""

import jax
import numpy as np
import pytest

from xaijax import models, training
from xaijax.models import zoo
from xaijax.training._trainer import Trainer

NAMES = models.list_models()


def trainer(name, precision):
    entry = zoo.entry(name)
    side = max(entry.minimum, 32)
    images = np.random.default_rng(0).random((2, side, side, 3)).astype(np.float32)
    options = training.Options(epochs=1, batch_size=2, precision=precision, warmup=0.0)
    start = models.create(name, 2, (side, side, 3))
    return Trainer(start, images, [0, 1], options)


def test_no_class_map_of_squeezenet_starts_dead():
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32)
    for seed in range(4):
        made = models.create("squeezenet", 2, (32, 32, 3), key=jax.random.key(seed))
        logits = np.asarray(made.logits(made.params, images))
        assert (logits > 0.2).all(), logits  # the mean behind the ReLU: 0 has no gradient


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_changes_the_parameters(name, precision):
    made = trainer(name, precision)
    before = jax.tree.map(np.array, made.state[0])
    (loss,) = made.epoch(1)
    assert 0 < loss < 20
    still = [key for key, leaf in made.state[0].items() if np.array_equal(leaf, before[key])]
    # Some have no gradient: a bias of attention keys, a bias that batch normalisation takes away.
    assert len(still) < 0.1 * len(before), still
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(made.state[:2]))
