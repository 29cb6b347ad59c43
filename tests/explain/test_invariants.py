"""What holds for every method: symmetric inputs, flat images, a model that sees nothing, all kinds of target, check."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from xaijax import explain
from xaijax.classifier import Classifier
from xaijax.explain import METHODS, LogitDifference

QUICK_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
SHAPE = (9, 9, 2)
HOST = [name for name, method in METHODS.items() if method.host]
SMALL = {"steps": 4, "draws": 3, "count": 6, "window": 3, "max_sigma": 2.0, "min_pixel_diff": 4}
SMALL |= {"regions": 3, "design": 4}


class Act(nnx.Module):
    def __call__(self, x):
        return jax.nn.relu(x)


class Mirrored(nnx.Module):
    """Convolution, ReLU, pooling, dense; left and right of every kernel are the same."""

    def __init__(self, rngs):
        self.conv = nnx.Conv(2, 5, (3, 3), padding=((1, 1), (1, 1)), rngs=rngs)
        self.act = Act()
        self.dense = nnx.Linear(5, 3, rngs=rngs)
        kernel = self.conv.kernel[...]
        self.conv.kernel[...] = kernel + kernel[:, ::-1]
        self.conv.bias[...] = jnp.array([0.3, -0.2, 0.1, 0.2, -0.1])

    def __call__(self, x):
        return self.dense(self.act(self.conv(x)).mean((1, 2)))


def options_of(name, shape):
    """Few passes, and what the method must be given."""
    method = METHODS[name]
    options = {option: value for option, value in SMALL.items() if option in method.options}
    if "key" in method.needs:
        options["key"] = jax.random.key(0)
    if "masks" in method.needs:
        options["masks"] = np.ones(shape[:3], bool)
    return options


def maps_of(classifier, images, labels, names, **more):
    """`{method: maps}` of many methods in one program."""

    def run(classifier, x, y):
        return {
            name: METHODS[name].function(
                classifier,
                x,
                y,
                **options_of(name, images.shape),
                **{option: value for option, value in more.items() if option in METHODS[name].options},
            )
            for name in names
        }

    compiled = jax.jit(run, compiler_options=QUICK_COMPILE)
    return {name: np.asarray(found) for name, found in compiled(classifier, images, labels).items()}


TRACED = [name for name in METHODS if name not in HOST and "attention" not in METHODS[name].needs]
DETERMINISTIC = [name for name in TRACED if "key" not in METHODS[name].needs]
# Two pixels that mirror each other are equal but for rounding: Guided IG moves the smaller gradient first, and the
# cascade's threshold may keep one of the two. The grid of an extremal perturbation begins at the first pixel.
SYMMETRIC = [name for name in DETERMINISTIC if name not in ("guided_ig", "cascade", "extremal_perturbation")]


@pytest.fixture(scope="module")
def mirrored():
    return Classifier.from_nnx(Mirrored(nnx.Rngs(2)), input_shape=SHAPE)


@pytest.fixture(scope="module")
def symmetric_maps(mirrored):
    half = np.random.default_rng(4).random((2, 9, 5, 2)).astype(np.float32)
    image = np.concatenate([half, half[:, :, 3::-1]], axis=2)
    assert np.array_equal(image, image[:, :, ::-1])
    return maps_of(mirrored, image, np.array([0, 2]), SYMMETRIC)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_symmetric_image_has_a_symmetric_map(symmetric_maps, name):
    found = symmetric_maps[name]
    np.testing.assert_allclose(found, found[:, :, ::-1], atol=1e-4 * np.abs(found).max())
    assert found.std() > 0 or name == "ground_truth"


@pytest.fixture(scope="module")
def flat_maps(mirrored):
    """Black, white and grey images, on the model, on one with dead activations, and on one of all-zero parameters."""
    flat = np.stack([np.full(SHAPE, value, np.float32) for value in (0.0, 1.0, 0.5)])
    labels = np.array([0, 1, 2])
    dead = jax.tree.map(lambda leaf: leaf, mirrored.params)
    dead["conv"]["bias"] = jnp.full(5, -100.0)
    nothing = jax.tree.map(jnp.zeros_like, mirrored.params)
    classifiers = [mirrored, mirrored.with_params(dead), mirrored.with_params(nothing)]
    return [maps_of(each, flat, labels, TRACED) for each in classifiers]


@pytest.mark.parametrize("name", TRACED)
def test_flat_images_and_dead_models_give_finite_maps(flat_maps, name):
    for found in flat_maps:
        assert np.isfinite(found[name]).all()
        scaled = explain.postprocess(found[name], METHODS[name].postprocess_steps())
        assert np.isfinite(scaled).all()
    # A model that sees nothing has nothing to explain, but two methods show the score itself, and here a third is the
    # probability of every class; the third has a given area.
    if METHODS[name].family != "control" and name not in ("rise", "recipro_cam", "extremal_perturbation"):
        assert not flat_maps[2][name].any()


@pytest.mark.parametrize("convention", ["pytorch-grad-cam", "tf-keras-vis", "torch-cam"])
def test_flat_maps_stay_finite_in_the_conventions(mirrored, convention):
    names = [
        name
        for name in TRACED
        if "convention" in METHODS[name].options and convention in get_args(METHODS[name].kinds["convention"])
    ]
    nothing = mirrored.with_params(jax.tree.map(jnp.zeros_like, mirrored.params))
    for found in maps_of(nothing, np.zeros((2, *SHAPE), np.float32), None, names, convention=convention).values():
        assert not found.any()


@pytest.mark.parametrize("name", HOST)
def test_xrai_of_a_flat_image_is_finite(mirrored, name):
    flat = np.full((1, *SHAPE), 0.5, np.float32)
    assert np.isfinite(METHODS[name].function(mirrored, flat, 0, steps=3)).all()


TARGETED = [name for name in DETERMINISTIC if METHODS[name].options.get("target", "") == "logit"]


def weighted_sum(logits, labels):
    """Any function of the logits will do as a target."""
    return logits @ jnp.array([1.0, -2.0, 0.5])


def test_targets_of_every_method_that_has_them(mirrored):
    """A logit difference, a function of all logits and the predicted class, against a model whose logits are those."""
    image = np.random.default_rng(7).random((2, *SHAPE)).astype(np.float32)
    mix = jnp.array([[1.0, 0.0, 1.0], [-1.0, 1.0, -2.0], [0.0, 0.0, 0.5]])  # y0 - y1, y1, y0 - 2 y1 + y2/2

    def mixed(params):
        dense = params["dense"]
        return params | {"dense": {"kernel": dense["kernel"] @ mix, "bias": dense["bias"] @ mix}}

    other = mirrored.with_params(mixed(mirrored.params))
    pairs = ((LogitDifference(1), [0, 0], 0), (weighted_sum, [0, 1], 2))
    for target, labels, column in pairs:
        got = maps_of(mirrored, image, np.array(labels), TARGETED, target=target)
        expected = maps_of(other, image, np.full(2, column), TARGETED)
        for name in TARGETED:
            np.testing.assert_allclose(
                got[name], expected[name], atol=2e-4 * np.abs(expected[name]).max(), err_msg=f"{name} {target}"
            )
    predicted = np.asarray(mirrored.predict(image)).argmax(1)
    got, expected = maps_of(mirrored, image, None, TARGETED), maps_of(mirrored, image, predicted, TARGETED)
    for name in TARGETED:
        np.testing.assert_allclose(got[name], expected[name], atol=1e-5 * np.abs(expected[name]).max(), err_msg=name)


def test_check_names_the_method_whose_maps_are_not_finite():
    """Finite images and logits, but the slope of a root at 0 is infinite."""
    root = Classifier.from_function(lambda p, x: jnp.sqrt(x).mean((1, 2)) @ p, jnp.eye(2), input_shape=(4, 4, 2))
    images = np.full((3, 4, 4, 2), 0.25, np.float32)
    assert np.isfinite(explain.explain("gradient", root, images, check=True)).all()
    images[1, 0, 0, 0] = 0
    with pytest.raises(ValueError, match="maps of gradient must be finite; NaN or infinity for image 1 of the batch"):
        explain.explain("gradient", root, images, 0, check=True)
