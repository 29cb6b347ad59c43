"""Small random-weight models and images for the explainers' tests, and cheap options for every method."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax.classifier import Classifier

SHAPE = (16, 16, 3)


@pytest.fixture(autouse=True)
def _strict_types():
    with jax.numpy_dtype_promotion("strict"):
        yield


class Act(nnx.Module):
    def __call__(self, x):
        return jax.nn.relu(x)


class Block(nnx.Module):
    def __init__(self, inputs, outputs, stride, rngs):
        self.conv = nnx.Conv(inputs, outputs, (3, 3), strides=stride, padding=((1, 1), (1, 1)), rngs=rngs)
        self.norm = nnx.BatchNorm(outputs, use_running_average=True, epsilon=1e-5, rngs=rngs)
        self.act = Act()

    def __call__(self, x):
        return self.act(self.norm(self.conv(x)))


class Net(nnx.Module):
    """Three blocks of convolution, batch norm and ReLU, global average pooling, one dense layer."""

    def __init__(self, rngs, classes=5, widths=(8, 12, 16)):
        self.block1 = Block(3, widths[0], 1, rngs)
        self.block2 = Block(widths[0], widths[1], 2, rngs)
        self.block3 = Block(widths[1], widths[2], 2, rngs)
        self.dense = nnx.Linear(widths[2], classes, rngs=rngs)

    def __call__(self, x):
        return self.dense(self.block3(self.block2(self.block1(x))).mean((1, 2)))


@pytest.fixture(scope="session")
def net_class():
    return Net


@pytest.fixture(scope="session")
def model():
    """A classifier of 16 x 16 RGB images with five classes, random batch-norm statistics and biases included."""
    module = Net(nnx.Rngs(0))
    made = Classifier.from_nnx(module, input_shape=SHAPE)
    key = jax.random.key(7)
    leaves, layout = jax.tree.flatten(made.params)
    keys = jax.random.split(key, len(leaves))
    # Vectors (biases, scales, means, variances) start as zeros and ones: move them, variances stay positive.
    moved = [
        leaf + jnp.abs(0.3 * jax.random.normal(k, leaf.shape)) if leaf.ndim == 1 else leaf
        for k, leaf in zip(keys, leaves, strict=True)
    ]
    return made.with_params(jax.tree.unflatten(layout, moved))


@pytest.fixture(scope="session")
def images():
    """`[3, 16, 16, 3]` in [0, 1], smooth enough to have edges."""
    rng = np.random.default_rng(3)
    coarse = rng.random((3, 6, 6, 3))
    return np.clip(np.kron(coarse, np.ones((1, 3, 3, 1)))[:, :16, :16], 0, 1).astype(np.float32)


@pytest.fixture(scope="session")
def labels():
    return np.array([0, 3, 1], np.int32)


@pytest.fixture(scope="session")
def cheap_options():
    """`(method name, images) -> options` that make the method quick without changing what it does."""

    def options(name, images):
        from xaijax.explain import METHODS

        method = METHODS[name]
        found = {}
        if "key" in method.needs:
            found["key"] = jax.random.key(1)
        if "masks" in method.needs:
            found["masks"] = np.zeros(images.shape[:3], bool) | (np.arange(images.shape[2]) < 4)
        small = {"steps": 6, "draws": 5, "count": 12, "window": 5, "stride": 4, "max_sigma": 3.0}
        found |= {option: value for option, value in small.items() if option in method.options}
        return found

    return options


@pytest.fixture
def counted():
    """A two-layer classifier whose features function counts how often it is traced: `(classifier, counter)`."""

    @dataclasses.dataclass
    class Counter:
        traces: int = 0

    counter = Counter()

    def features(params, x):
        counter.traces += 1
        kernel = jax.lax.conv_dimension_numbers(x.shape, params["conv"].shape, ("NHWC", "HWIO", "NHWC"))
        return jax.nn.relu(jax.lax.conv_general_dilated(x, params["conv"], (2, 2), "SAME", dimension_numbers=kernel))

    def head(params, a):
        return a.mean((1, 2)) @ params["dense"]

    rng = np.random.default_rng(0)
    params = {
        "conv": jnp.asarray(rng.normal(size=(3, 3, 3, 6)), jnp.float32),
        "dense": jnp.asarray(rng.normal(size=(6, 4)), jnp.float32),
    }
    return Classifier.from_functions(features, head, params, input_shape=SHAPE), counter
