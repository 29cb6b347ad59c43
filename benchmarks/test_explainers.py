"""Explainers in pytest-benchmark: the compiled method beside a plain JAX program of the same definition.

The packages for PyTorch live in an environment of their own: run_peers.py times them.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain, models

SIDE, BATCH, STEPS = 64, 8, 16


@pytest.fixture(scope="module")
def case():
    classifier = models.create("small_cnn", 3, (SIDE, SIDE, 3)).optimized()
    images = jax.random.uniform(jax.random.key(0), (BATCH, SIDE, SIDE, 3))
    return classifier, images, jnp.zeros(BATCH, jnp.int32)


@jax.jit
def plain_integrated_gradients(classifier, images, labels):
    """One gradient after the other, from black, by the midpoint rule."""

    def score(x):
        logits = classifier.logits(classifier.params, x)
        return jnp.take_along_axis(logits, labels[:, None], 1).sum()

    def add(total, alpha):
        return total + jax.grad(score)(alpha * images), None

    points = (jnp.arange(STEPS) + 0.5) / STEPS
    total, _ = jax.lax.scan(add, jnp.zeros_like(images), points)
    return (images * total / STEPS).sum(-1)


def ours(classifier, images, labels):
    return explain.integrated_gradients(classifier, images, labels, steps=STEPS, rule="middle", batch_size=BATCH)


@pytest.mark.parametrize("method", [ours, plain_integrated_gradients], ids=["ours", "plain JAX"])
def test_integrated_gradients(benchmark, case, method):
    np.testing.assert_allclose(ours(*case), plain_integrated_gradients(*case), atol=1e-4)
    benchmark.group = f"integrated gradients, {STEPS} steps, small_cnn, {BATCH} images {SIDE}x{SIDE}"
    benchmark.pedantic(lambda: jax.block_until_ready(method(*case)), rounds=9, warmup_rounds=1)
