"""DeepLIFT: completeness on networks of pieces that are linear, the rule by hand, and what has no rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier

RNG = np.random.default_rng(0)
SHAPE = (8, 8, 2)
IMAGES = RNG.random((3, *SHAPE)).astype(np.float32)
LABELS = np.array([2, 0, 1])
PARAMS = {
    "conv1": jnp.asarray(RNG.normal(size=(3, 3, 2, 6)), jnp.float32),
    "conv2": jnp.asarray(RNG.normal(size=(3, 3, 6, 6)) / 3, jnp.float32),
    "bias": jnp.asarray(RNG.normal(size=6), jnp.float32),
    "dense": jnp.asarray(RNG.normal(size=(6, 3)), jnp.float32),
}


def convolve(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def max_pool(x, stride=2):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, stride, stride, 1), "SAME")


def network(activation=jax.nn.relu, pool=max_pool):
    """Two convolutions with a shortcut, a pool of windows that overlap, an average and a dense layer."""

    def logits(p, x):
        x = activation(convolve(x, p["conv1"]) + p["bias"])
        x = pool(activation(x + convolve(x, p["conv2"]) - p["bias"]))
        return x.mean((1, 2)) @ p["dense"]

    return Classifier.from_function(logits, PARAMS, input_shape=SHAPE)


@pytest.mark.parametrize("baseline", ["black", "mean", "blur"])
@pytest.mark.parametrize(
    "activation",
    [jax.nn.relu, jax.nn.relu6, jax.nn.leaky_relu, jax.nn.elu, jnp.tanh, jax.nn.silu, jax.nn.sigmoid],
    ids=lambda function: function.__name__,
)
def test_the_map_adds_up_to_the_difference_of_the_logit(activation, baseline):
    model = network(activation)
    start = {"black": 0 * IMAGES, "mean": np.broadcast_to(IMAGES.mean((1, 2), keepdims=True), IMAGES.shape)}.get(
        baseline
    )
    if start is None:
        from xaijax.explain._baselines import make_baselines

        start = np.asarray(make_baselines(jnp.asarray(IMAGES), baseline))[:, 0]
    y = [np.asarray(model.logits(model.params, x))[np.arange(3), LABELS] for x in (IMAGES, start)]
    maps = explain.deeplift(model, IMAGES, LABELS, baseline=baseline)
    np.testing.assert_allclose(np.asarray(maps).sum((1, 2)), y[0] - y[1], rtol=1e-3, atol=1e-3)


def test_a_network_without_bends_is_its_gradient_times_the_difference():
    model = network(
        lambda x: x, lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    )
    expected = explain.input_x_gradient(model, IMAGES, LABELS, reduce="sum")
    np.testing.assert_allclose(explain.deeplift(model, IMAGES, LABELS), expected, rtol=1e-3, atol=1e-4)


def test_the_multipliers_of_one_hidden_layer_by_hand():
    """`y = v · relu(W x + c)`: the multiplier of unit h is `Δrelu/Δin`, the map `Σ_h v_h m_h W_h (x - x0)`."""
    W, c, v = RNG.normal(size=(8, 5)), RNG.normal(size=5), RNG.normal(size=(5, 3))
    params = {"W": jnp.asarray(W, jnp.float32), "c": jnp.asarray(c, jnp.float32), "v": jnp.asarray(v, jnp.float32)}
    model = Classifier.from_function(
        lambda p, x: jax.nn.relu(x.reshape(-1, 8) @ p["W"] + p["c"]) @ p["v"], params, input_shape=(2, 4, 1)
    )
    x, x0 = RNG.random((2, 4, 1)).astype(np.float32), RNG.random((2, 4, 1)).astype(np.float32)
    inside, before = x.ravel() @ W + c, x0.ravel() @ W + c
    m = (np.maximum(inside, 0) - np.maximum(before, 0)) / (inside - before)
    for label in range(3):
        expected = (x - x0).ravel() * (W @ (m * v[:, label]))
        got = explain.deeplift(model, x[None], label, baseline=x0)
        np.testing.assert_allclose(np.asarray(got).ravel(), expected, rtol=1e-3, atol=1e-5)


def test_a_pool_gives_its_difference_to_the_winner():
    """Four pixels in one window: the image's winner where the window grew, the baseline's where it fell."""
    model = Classifier.from_function(
        lambda p, x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")[:, 0, 0] * p,
        jnp.array([1.0, 3.0]),
        input_shape=(2, 2, 1),
    )
    low, high = np.array([[0.1, 0.2], [0.4, 0.3]]), np.array([[0.2, 0.9], [0.5, 0.4]])
    grew = explain.deeplift(model, high[None, ..., None], 1, baseline=low[..., None].astype(np.float32))
    np.testing.assert_allclose(grew[0], [[0, 3 * (0.9 - 0.4)], [0, 0]], atol=1e-6)
    fell = explain.deeplift(model, low[None, ..., None], 1, baseline=high[..., None].astype(np.float32))
    np.testing.assert_allclose(fell[0], [[0, 3 * (0.4 - 0.9)], [0, 0]], atol=1e-6)
    tied = explain.deeplift(model, low[None, ..., None], 1, baseline=np.full((2, 2, 1), 0.9, np.float32))
    np.testing.assert_allclose(tied[0], [[0, 0], [3 * (0.4 - 0.9), 0]], atol=1e-6)  # all pixels of the baseline win


def test_the_image_as_its_own_baseline_gives_zeros():
    assert not np.asarray(explain.deeplift(network(), IMAGES[:1], LABELS[:1], baseline=IMAGES[0])).any()


def gate(x):
    return x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True))


@pytest.mark.parametrize(
    ("activation", "words"),
    [
        (gate, "a product"),
        (lambda x: jax.nn.softmax(x), "a maximum"),
        (lambda x: (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5), "a product"),
    ],
)
def test_what_has_no_rule_is_refused_in_one_sentence(activation, words):
    reason = explain.METHODS["deeplift"].refusal(network(activation))
    assert reason == (
        f"deeplift has no rule for {words} in this model (products of activations as in attention and gates, softmax, "
        "layer norm): use integrated_gradients"
    )
    with pytest.raises(InputError, match="deeplift takes one baseline; got 2"):
        explain.deeplift(network(), IMAGES, LABELS, baseline=("black", "white"))
