"""SmoothGrad, Guided IG, Blur IG, expected gradients and guided backpropagation where the answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax.classifier import Classifier
from xaijax.explain.gradients._guided_ig import kth_smallest

RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 5, 2, 3)).astype(np.float32)
X = RNG.random((3, 4, 5, 2)).astype(np.float32)
LABELS = np.array([2, 0, 1])
OWN = np.moveaxis(W[..., LABELS], -1, 0)
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def linear():
    return Classifier.from_function(
        lambda w, x: jnp.einsum("bhwc,hwck->bk", x, w), jnp.asarray(W), input_shape=(4, 5, 2)
    )


@pytest.fixture(scope="module")
def quadratic():
    return Classifier.from_function(
        lambda w, x: jnp.einsum("bhwc,hwck->bk", x**2, w), jnp.asarray(W), input_shape=(4, 5, 2)
    )


def test_smoothgrad_of_a_quadratic_is_known_for_given_noise(quadratic):
    noise = RNG.normal(size=(7, 4, 5, 2)).astype(np.float32)
    sigma = 0.3 * (X.max((1, 2, 3)) - X.min((1, 2, 3)))[:, None, None, None, None]
    grads = 2 * OWN[:, None] * (X[:, None] + sigma * noise)  # of w x² at every noisy copy
    expected = {"mean": grads.mean(1), "square": (grads**2).mean(1), "variance": grads.var(1)}
    for statistic, value in expected.items():
        got = explain.smoothgrad(
            quadratic, X, LABELS, noise=noise, std=0.3, statistic=statistic, reduce="none", batch_size=4
        )
        np.testing.assert_allclose(got, value, rtol=1e-3, atol=1e-4)


def test_smoothgrad_draws_have_the_stated_distribution(quadratic):
    """The variance of 2 w (x + σ ε) over ε is 4 w² σ²."""
    got = explain.vargrad(quadratic, X, LABELS, key=KEY, draws=2000, std=0.2, reduce="none", batch_size=1000)
    sigma = 0.2 * (X.max((1, 2, 3)) - X.min((1, 2, 3)))[:, None, None, None]
    ratio = np.asarray(got) / (4 * OWN**2 * sigma**2)
    assert abs(ratio.mean() - 1) < 0.02  # 120 values, each within 3 %
    assert ratio.std() == pytest.approx(np.sqrt(2 / 2000), rel=0.4)


def test_a_variance_far_below_the_square_of_the_mean_is_not_rounded_away(linear):
    """A linear model has no variance. With gradients of some hundred that vary by 1e-4, 5e-12 of their squares, the
    difference of two sums in float32 is off by a factor of thousands."""
    assert not np.asarray(explain.vargrad(linear, X, LABELS, key=KEY)).any()
    nearly = Classifier.from_function(
        lambda w, x: 100 * jnp.einsum("bhwc,hwck->bk", x, w) + 1e-3 * (x**2).sum((1, 2, 3))[:, None],
        jnp.asarray(W),
        input_shape=(4, 5, 2),
    )
    got = explain.vargrad(nearly, X, LABELS, key=KEY, draws=1000, std=0.2, reduce="none", batch_size=1000)
    sigma = 0.2 * (X.max((1, 2, 3)) - X.min((1, 2, 3)))[:, None, None, None]
    ratio = np.asarray(got) / (2e-3 * sigma) ** 2
    assert abs(ratio.mean() - 1) < 0.02
    noise = RNG.normal(size=(9, 4, 5, 2)).astype(np.float32)
    given = explain.smoothgrad(
        nearly, X, LABELS, noise=noise, std=0.2, statistic="variance", reduce="none", batch_size=4
    )
    np.testing.assert_allclose(given, (2e-3 * sigma[:, None] * noise).var(1), rtol=0.05)


def test_smoothgrad_variants_are_what_they_say(quadratic):
    options = {"key": KEY, "draws": 6, "reduce": "sum"}
    square = explain.smoothgrad(quadratic, X, LABELS, statistic="square", **options)
    np.testing.assert_allclose(explain.smoothgrad_squared(quadratic, X, LABELS, **options), square, rtol=1e-5)
    by_input = explain.smoothgrad(quadratic, X, LABELS, method="input_x_gradient", **options)
    # x·dy/dx = 2 w x², IG from black = w x²: at the same noise one is twice the other.
    ig = explain.smoothgrad_ig(quadratic, X, LABELS, steps=4, **options)
    np.testing.assert_allclose(by_input, 2 * ig, rtol=1e-3, atol=1e-5)


def test_noise_of_the_wrong_shape_or_no_key(quadratic):
    with pytest.raises(ValueError, match=r"noise must be \[draws, 4, 5, 2\]; got \(3, 4, 5\)"):
        explain.smoothgrad(quadratic, X, noise=np.zeros((3, 4, 5), np.float32))
    options = {"draws": 3, "reduce": "sum"}
    expected = explain.smoothgrad(quadratic, X, **options, key=jax.random.key(0))
    assert np.array_equal(explain.smoothgrad(quadratic, X, **options), expected)
    assert not np.array_equal(explain.smoothgrad(quadratic, X, **options, key=1), expected)
    with pytest.raises(ValueError, match=r"smoothgrad\.statistic is 'median'; it must be mean, square or variance"):
        explain.smoothgrad(quadratic, X, key=KEY, statistic="median")
    with pytest.raises(
        ValueError, match=r"^smoothgrad\.method: unknown base method 'grad_cam': did you mean gradient\?$"
    ):
        explain.smoothgrad(quadratic, X, key=KEY, method="grad_cam")


@pytest.mark.parametrize("k", [0, 1, 17, 98, 99])
def test_kth_smallest_is_that_of_a_sort(k):
    values = np.abs(RNG.normal(size=100)).astype(np.float32) ** 8
    values[[3, 50, 51]] = values[7], 0, np.inf
    assert float(jax.jit(kth_smallest, static_argnums=1)(values, k)) == np.sort(values)[k]


def test_guided_ig_without_a_corridor_is_integrated_gradients(quadratic):
    got = explain.guided_ig(quadratic, X, LABELS, max_dist=0.0, steps=20)
    expected = explain.integrated_gradients(quadratic, X, LABELS, rule="left", steps=20)
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


def test_guided_ig_is_exact_for_a_linear_model_on_any_path(linear):
    for fraction, max_dist in ((0.25, 0.02), (0.5, 1.0), (0.1, 0.3)):
        got = explain.guided_ig(linear, X, LABELS, fraction=fraction, max_dist=max_dist, steps=10, reduce="none")
        np.testing.assert_allclose(got, X * OWN, rtol=1e-3, atol=1e-5)


def test_guided_ig_is_complete_and_finite(model, images, labels):
    got = explain.guided_ig(model, images, labels, steps=300, baseline="white")
    y = model.logits(model.params, images)[np.arange(3), labels]
    y0 = model.logits(model.params, np.ones_like(images))[np.arange(3), labels]
    np.testing.assert_allclose(got.sum((1, 2)), y - y0, atol=0.02 * np.abs(y - y0).max())
    # Nothing to explain: the image is its own baseline.
    assert not np.asarray(explain.guided_ig(model, images, labels, steps=3, baseline=images)).any()


def test_blur_ig_is_complete(model, images, labels):
    from scipy import ndimage

    got = explain.blur_ig(model, images, labels, max_sigma=6.0, steps=400, batch_size=100)
    blurred = ndimage.gaussian_filter(images, (0, 6, 6, 0), mode="constant")
    y, y0 = (model.logits(model.params, x)[np.arange(3), labels] for x in (images, blurred))
    np.testing.assert_allclose(got.sum((1, 2)), y - y0, atol=0.03 * np.abs(y - y0).max())


def test_expected_gradients_of_a_linear_model_is_x_minus_the_mean_baseline(linear):
    """Every draw is exact for a linear model, so only which baselines were drawn is random."""
    one = RNG.random((1, 4, 5, 2)).astype(np.float32)
    got = explain.expected_gradients(linear, X, LABELS, baselines=one, key=KEY, draws=7, reduce="none")
    np.testing.assert_allclose(got, (X - one) * OWN, rtol=1e-3, atol=1e-5)
    many = RNG.random((10, 4, 5, 2)).astype(np.float32)
    got = explain.expected_gradients(linear, X, LABELS, baselines=many, key=KEY, draws=5000, reduce="none")
    np.testing.assert_allclose(got, (X - many.mean(0)) * OWN, atol=0.08)


def test_expected_gradients_of_a_quadratic_is_integrated_gradients(quadratic):
    got = explain.expected_gradients(quadratic, X, LABELS, baselines="black", key=KEY, draws=400)
    expected = explain.integrated_gradients(quadratic, X, LABELS)
    np.testing.assert_allclose(got, expected, atol=2e-3)
    with pytest.raises(ValueError, match=r"baselines must be \[N, 4, 5, 2\]"):
        explain.expected_gradients(quadratic, X, baselines=np.zeros((3, 4, 4, 2), np.float32), key=KEY)


def test_guided_backprop_of_two_relu_layers_by_hand():
    w1 = RNG.normal(size=(6, 8)).astype(np.float32)
    w2 = RNG.normal(size=(8, 3)).astype(np.float32)

    def logits(p, x):
        return jax.nn.relu(x.reshape(x.shape[0], -1) @ p[0]) @ p[1]

    net = Classifier.from_function(logits, (jnp.asarray(w1), jnp.asarray(w2)), input_shape=(1, 3, 2))
    x = RNG.random((2, 1, 3, 2)).astype(np.float32)
    before = x.reshape(2, 6) @ w1
    expected = ((before > 0) * np.maximum(w2[:, [1, 2]].T, 0)) @ w1.T
    got = explain.guided_backprop(net, x, np.array([1, 2]), reduce="none")
    np.testing.assert_allclose(np.asarray(got).reshape(2, 6), expected, rtol=1e-4, atol=1e-6)


def test_smooth_paths_are_means_over_paths_of_noisy_copies():
    """By the plain methods on the noisy images themselves, path by path."""
    rng = np.random.default_rng(8)
    weights = jnp.asarray(rng.normal(size=(6, 7, 2, 3)), jnp.float32)
    model = Classifier.from_function(
        lambda w, x: jnp.einsum("bhwc,hwck->bk", jnp.tanh(2 * x), w), weights, input_shape=(6, 7, 2)
    )
    images = (0.4 + 0.2 * rng.random((2, 6, 7, 2))).astype(np.float32)  # noise keeps them in [0, 1]
    noise = rng.normal(size=(3, 6, 7, 2)).astype(np.float32)
    labels = np.array([2, 0])
    spread = 0.15 * (images.max((1, 2, 3)) - images.min((1, 2, 3)))
    pairs = (
        (explain.smooth_blur_ig, explain.blur_ig, {"max_sigma": 2.0, "steps": 5}),
        (explain.smooth_guided_ig, explain.guided_ig, {"steps": 5, "fraction": 0.5, "max_dist": 0.1}),
    )
    for smooth, plain, options in pairs:
        copies = [
            plain(model, images + spread[:, None, None, None] * each, labels, reduce="none", **options)
            for each in noise
        ]
        expected = np.mean(copies, axis=0).sum(-1)
        got = smooth(model, images, labels, noise=noise, batch_size=4, **options)
        np.testing.assert_allclose(got, expected, atol=2e-5 * np.abs(expected).max())
        square = smooth(model, images, labels, noise=noise, statistic="square", reduce="none", **options)
        np.testing.assert_allclose(square, np.square(copies).mean(0), atol=2e-5 * np.square(copies).max())
