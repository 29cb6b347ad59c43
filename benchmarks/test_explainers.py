"""Explainers in pytest-benchmark, maps asserted to agree before the timing.

    XAIJAX_PEERS_PYTHON=PYTHON pytest benchmarks/test_explainers.py

PYTHON is the interpreter of an environment with pytorch-grad-cam, Captum and PAIR's saliency (run_peers.py makes one);
the cases are those of run_peers.py, which writes them into README.md. Without it the compiled method is timed next to a
plain JAX program of the same definition alone.
"""

import os
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import run_peers

from xaijax import explain, models

PYTHON = os.environ.get("XAIJAX_PEERS_PYTHON")
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


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """`name -> Sides`, made and checked once."""
    if not PYTHON:
        pytest.skip("needs XAIJAX_PEERS_PYTHON, an interpreter with grad-cam, captum and saliency")
    classifier, images, peer = run_peers.start(
        Path(PYTHON), tmp_path_factory.mktemp("peers"), len(os.sched_getaffinity(0))
    )
    found = {}

    def of(name):
        if name not in found:
            found[name] = run_peers.prepare(name, run_peers.CASES[name], classifier, images, peer)
        return found[name]

    yield of
    peer.close()


@pytest.mark.parametrize("side", ["ours", "theirs"])
@pytest.mark.parametrize("name", run_peers.CASES)
def test_beside_the_package(benchmark, sides, name, side):
    case, both = run_peers.CASES[name], sides(name)
    benchmark.group = f"{name}, resnet50, {case['images']} images {run_peers.SIDE}x{run_peers.SIDE}"
    benchmark.extra_info["who"] = "xaijax" if side == "ours" else case["peer"]
    benchmark.pedantic(getattr(both, side), rounds=max(1, case["rounds"]), warmup_rounds=0)
