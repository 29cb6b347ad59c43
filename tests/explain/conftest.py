"""Small random-weight models and images for the explainers' tests, and cheap options for every method."""

import dataclasses
import functools

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


SMALL = {"steps": 6, "draws": 5, "count": 12, "window": 5, "stride": 4, "max_sigma": 3.0, "min_pixel_diff": 5}
SMALL |= {"regions": 3, "design": 4}


@dataclasses.dataclass
class Case:
    """A method with a model that has what it needs, cheap options, and its maps (made once)."""

    name: str
    classifier: Classifier
    traces: list  # grows by one each time the model is traced
    images: np.ndarray
    labels: np.ndarray
    options: dict

    def __call__(self, *, images=None, labels=None, classifier=None, **more):
        from xaijax.explain import METHODS

        return METHODS[self.name].function(
            self.classifier if classifier is None else classifier,
            self.images if images is None else images,
            self.labels if labels is None else labels,
            **self.options | more,
        )

    @functools.cached_property
    def maps(self):
        return np.asarray(self())


def _tiny(traces):
    """One convolution, ReLU, pooling and a dense layer, from functions: quick to trace and to compile."""

    def features(params, x):
        traces.append(x.shape)
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.nn.relu(jax.lax.conv_general_dilated(x, params["conv"], (2, 2), "SAME", dimension_numbers=numbers))

    def head(params, a):
        return a.mean((1, 2)) @ params["dense"]

    rng = np.random.default_rng(0)
    params = {
        "conv": jnp.asarray(rng.normal(size=(3, 3, 3, 6)), jnp.float32),
        "dense": jnp.asarray(rng.normal(size=(6, 5)), jnp.float32),
    }
    return Classifier.from_functions(features, head, params, input_shape=SHAPE)


def _attentive(traces):
    """A "transformer" of one attention over 16 patches and a class token, whose row is mixed into the logits."""

    def features(params, x):
        traces.append(x.shape)
        patches = x.reshape(x.shape[0], 4, 4, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], 16, 48)
        tokens = jnp.concatenate([jnp.ones_like(patches[:, :1]), patches], axis=1) @ params["embed"]
        return jax.nn.softmax(jnp.einsum("btc,hcd,bsd->bhts", tokens, params["mix"], tokens))

    rng = np.random.default_rng(0)
    params = {
        "embed": jnp.asarray(rng.normal(size=(48, 4)) / 7, jnp.float32),
        "mix": jnp.asarray(rng.normal(size=(2, 4, 4)), jnp.float32),
        "values": jnp.asarray(rng.normal(size=(2, 17, 5)), jnp.float32),
    }

    def head(params, weights):
        return jnp.tanh(jnp.einsum("bhs,hsk->bk", weights[:, :, 0], params["values"]))

    return Classifier.from_functions(features, head, params, input_shape=SHAPE, layer="attention")


@pytest.fixture(scope="session")
def cases(model, images, labels):
    """`name -> Case`, made on first use."""
    from xaijax.explain import METHODS

    traces = []
    tiny = _tiny(traces)

    @functools.cache
    def case(name):
        method = METHODS[name]
        options = {option: value for option, value in SMALL.items() if option in method.options}
        if name == "lime":  # mean colours move these probabilities by little more than their rounding
            options["baseline"] = "black"
        if "key" in method.needs:
            options["key"] = jax.random.key(1)
        if "masks" in method.needs:
            options["masks"] = np.zeros(images.shape[:3], bool) | (np.arange(images.shape[2]) < 4)
        seen, classifier = traces, tiny
        if "attention" in method.needs:
            seen = []
            classifier = _attentive(seen)
        elif "biases" in method.needs:
            seen, classifier = [], model
        return Case(name, classifier, seen, images, labels, options)

    return case
