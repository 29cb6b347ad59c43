"""Finer-CAM, Smooth Grad-CAM++, Recipro-CAM and Guided Grad-CAM in NumPy, written from the definitions.

The layer is `a = x²` and the head is pooling and `tanh` and a dense layer, so that gradients depend on the image and
are written in a line: `dz_k/da_uc = (1 - tanh² m_c) W_ck/n`, m the mean of a.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._errors import InputError
from xaijax.classifier import Classifier
from xaijax.explain import _activations
from xaijax.explain.cams import _finer_cam

RNG = np.random.default_rng(0)
H, W, C, K = 3, 4, 5, 6
WEIGHTS = RNG.normal(size=(C, K))
IMAGES = RNG.random((2, H, W, C)).astype(np.float32)
LABELS = np.array([4, 1])


def bent(output="softmax", weights=WEIGHTS):
    return Classifier.from_functions(
        lambda w, x: x**2,
        lambda w, a: jnp.tanh(a.mean((1, 2))) @ w,
        jnp.asarray(weights, jnp.float32),
        input_shape=(H, W, C),
        output=output,
    )


def logits(a):
    return np.tanh(a.mean((0, 1))) @ WEIGHTS


def jacobian(a):
    """`dz_k/da_c` at every position, `[C, K]`."""
    return (1 - np.tanh(a.mean((0, 1)))[:, None] ** 2) * WEIGHTS / (H * W)


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def finer_gradient(z, label, alpha, references, detach):
    """`d/dz` of the score, from the quotient rule."""
    order = sorted((j for j in range(len(z)) if j != label), key=lambda j: abs(z[j] - z[label]))[:references]
    p = softmax(z)
    total = p[order].sum() + 1e-9
    value = (p[order] * (z[label] - alpha * z[order])).sum() / total
    gradient = np.zeros(len(z))
    gradient[label] += p[order].sum() / total
    gradient[order] -= alpha * p[order] / total
    if not detach:
        to_p = np.zeros(len(z))
        to_p[order] = (z[label] - alpha * z[order] - value) / total
        gradient += p * (to_p - (p * to_p).sum())
    return gradient


@pytest.mark.parametrize("detach", [False, True])
@pytest.mark.parametrize(("alpha", "references"), [(1.0, 3), (0.6, 1), (1.0, 50), (0.0, 3)])
def test_finer_cam_of_each_base(alpha, references, detach):
    for base in ("grad_cam", "hires_cam", "layer_cam"):
        got = explain.finer_cam(bent(), IMAGES, LABELS, method=base, alpha=alpha, references=references, detach=detach)
        for x, label, found in zip(IMAGES.astype(np.float64), LABELS, got, strict=True):
            a = x**2
            g = jacobian(a) @ finer_gradient(logits(a), label, alpha, references, detach)  # the same at each position
            expected = a @ (np.maximum(g, 0) if base == "layer_cam" else g)
            np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_finer_cam_without_subtraction_is_its_base():
    for base in ("grad_cam", "grad_cam_pp", "xgrad_cam", "layer_cam", "hires_cam"):
        # α = 0 leaves z_c times a factor of 1 - 1e-9/Σp.
        got = explain.finer_cam(bent(), IMAGES, LABELS, method=base, alpha=0.0, detach=True)
        expected = explain.METHODS[base].function(bent(), IMAGES, LABELS)
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_finer_cam_where_two_logits_are_equal_keeps_the_label():
    weights = WEIGHTS.copy()
    weights[:, 0] = weights[:, 4]  # class 0 comes first and has the logit of the label
    got = explain.finer_cam(bent(weights=weights), IMAGES, np.array([4, 4]), references=1)
    assert np.abs(got).max() < 1e-6  # nothing sets the two apart
    other = explain.finer_cam(bent(weights=weights), IMAGES, np.array([0, 0]), references=1)
    assert np.abs(other).max() < 1e-6


def test_finer_cam_of_one_class_of_two_and_of_findings():
    one = _finer_cam.FinerScore(1.0, 3, False)(jnp.array([[2.0], [3.0]]), jnp.zeros(2, jnp.int32))
    np.testing.assert_allclose(one, [2.0, 3.0])
    binary = bent("binary", WEIGHTS[:, :1])  # z and -z: the difference is 2 z
    labels = np.array([1, 0])
    expected = 2 * np.asarray(explain.grad_cam(binary, IMAGES, labels))
    np.testing.assert_allclose(explain.finer_cam(binary, IMAGES, labels), expected, rtol=1e-4)
    with pytest.raises(
        InputError, match=r"^finer_cam compares classes .*; this model's output is sigmoid: use grad_cam"
    ):
        explain.finer_cam(bent("sigmoid"), IMAGES, 0)


def gradients_of(noisy, label):
    """`g` `[H, W, C]` at each noisy copy, and the activations."""
    a = noisy.astype(np.float64) ** 2
    return a, np.stack([np.broadcast_to(jacobian(each)[:, label], each.shape) for each in a])


def noise_of(image, key, draws):
    """What the method draws: from the image's own key, one draw after the other."""
    from xaijax.explain._method import image_keys

    (own,) = image_keys(key, jnp.asarray(image)[None])
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(own, jnp.arange(draws))
    return np.asarray(jax.vmap(lambda k: jax.random.normal(k, image.shape, jnp.float32))(keys))


@pytest.mark.parametrize("batch_size", [3, 32])
@pytest.mark.parametrize("convention", ["paper", "torch-cam"])
def test_smooth_grad_cam_pp_from_its_own_noise(convention, batch_size):
    draws = 7
    key = jax.random.key(3)
    got = explain.smooth_grad_cam_pp(
        bent(), IMAGES, LABELS, draws=draws, key=key, convention=convention, batch_size=batch_size
    )
    for x, label, found in zip(IMAGES, LABELS, got, strict=True):
        std = 0.3 if convention == "torch-cam" else 0.15 * (x.max() - x.min())
        a, g = gradients_of(x + std * noise_of(x, key, draws), label)
        second, third = (g**2).mean(0), (g**3).mean(0)
        if convention == "torch-cam":
            used, relu = a[-1], np.maximum(g[-1], 0)
            alpha = second / (2 * second + (third * x.astype(np.float64) ** 2).sum((0, 1)) + 1e-8)
        else:
            used, relu = x.astype(np.float64) ** 2, np.maximum(g.mean(0), 0)
            alpha = second / (2 * second + used.sum((0, 1)) * third)
        expected = used @ (alpha * relu).sum((0, 1))
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5 * np.abs(expected).max())


def test_smooth_grad_cam_pp_without_noise_is_grad_cam_pp():
    got = explain.smooth_grad_cam_pp(bent(), IMAGES, LABELS, std=0.0, draws=3)
    np.testing.assert_allclose(got, explain.grad_cam_pp(bent(), IMAGES, LABELS), rtol=1e-4)


def test_the_draws_of_each_convention():
    options = explain.METHODS["smooth_grad_cam_pp"].options
    assert options["draws"] is None
    assert options["std"] is None
    for convention, draws, std in (("paper", 25, 0.15), ("torch-cam", 4, 0.3)):
        whole = explain.smooth_grad_cam_pp(bent(), IMAGES, LABELS, convention=convention)
        said = explain.smooth_grad_cam_pp(bent(), IMAGES, LABELS, convention=convention, draws=draws, std=std)
        np.testing.assert_array_equal(whole, said)


@pytest.mark.parametrize("batch_size", [5, 64])
@pytest.mark.parametrize("gaussian", [True, False])
@pytest.mark.parametrize("target", ["probability", "logit"])
def test_recipro_cam_sees_one_position_at_a_time(target, gaussian, batch_size):
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16 if gaussian else np.pad([[1.0]], 1)
    got = explain.recipro_cam(bent(), IMAGES, LABELS, target=target, gaussian=gaussian, batch_size=batch_size)
    for x, label, found in zip(IMAGES.astype(np.float64), LABELS, got, strict=True):
        expected = np.zeros((H, W))
        for i in range(H):
            for j in range(W):
                padded = np.zeros((H + 2, W + 2, C))
                padded[i : i + 3, j : j + 3] = kernel[..., None] * x[i, j] ** 2
                z = logits(padded[1:-1, 1:-1])
                expected[i, j] = softmax(z)[label] if target == "probability" else z[label]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_guided_grad_cam_is_the_product(model, images, labels):
    """Per channel and signed, Grad-CAM's positive part in the size of the image."""
    whole = explain.guided_grad_cam(model, images, labels, reduce="none")
    guided = explain.guided_backprop(model, images, labels, reduce="none")
    coarse = explain.grad_cam(model, images, labels, layer="block3")
    low = model.tapped(model.params, images, {"block3": None})[1]["block3"].shape[1:3]
    assert low == (4, 4)
    # The ReLU comes before the resize: recover the small map from the definition.
    offsets = model.zero_offsets(images, ["block3"])
    A = model.tapped(model.params, images, offsets)[1]["block3"]
    g = jax.grad(lambda o: model.tapped(model.params, images, o)[0][np.arange(3), labels].sum())(offsets)["block3"]
    small = np.maximum(np.einsum("bhwc,bc->bhw", A, np.asarray(g).mean((1, 2))), 0)
    expected = np.asarray(explain.resize(jnp.asarray(small), (16, 16)))[..., None] * guided
    np.testing.assert_allclose(whole, expected, atol=2e-5 * np.abs(expected).max())
    assert whole.min() < 0 < whole.max()
    assert coarse.shape == whole.shape[:3]
    reduced = explain.guided_grad_cam(model, images, labels)
    np.testing.assert_allclose(reduced, np.abs(whole).max(-1), rtol=1e-6)


def activated(function):
    return Classifier.from_functions(
        lambda w, x: jax.nn.relu(function(x)), lambda w, a: a.mean((1, 2)) @ w, jnp.eye(2), input_shape=(4, 4, 2)
    )


def gated(x):
    """Squeeze and excitation: a sigmoid that weighs whole channels is no activation."""
    return x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True) * 2.0)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (jax.nn.relu, ()),
        (jax.nn.relu6, ()),
        (gated, ()),
        (lambda x: (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5), ()),
        (lambda x: x * x, ()),
        (jax.nn.gelu, ("GELU or tanh",)),
        (lambda x: jax.nn.gelu(x, approximate=False), ("GELU",)),
        (lambda x: 0.5 * x * (1.0 + jax.lax.erf(x / 1.4142)), ("GELU",)),
        (jax.nn.silu, ("SiLU",)),
        (lambda x: x * jax.nn.sigmoid(x), ("SiLU",)),
        (jax.nn.hard_swish, ("hard SiLU",)),
        (lambda x: x * jnp.clip(x + 3.0, 0.0, 6.0) / 6.0, ("hard SiLU",)),
        (jax.nn.elu, ("ELU",)),
        (jax.nn.leaky_relu, ("leaky ReLU",)),
        (jnp.tanh, ("GELU or tanh",)),
    ],
)
def test_activations_are_read_from_the_program(function, found):
    made = activated(function)
    assert _activations.other_activations(made) == found
    reason = explain.METHODS["guided_grad_cam"].refusal(made)
    if not found:
        assert reason is None
    else:
        assert reason == (
            "guided_grad_cam is defined for networks whose activations are ReLUs; this model has "
            f"{found[0]}: use grad_cam or integrated_gradients"
        )


def test_guided_grad_cam_refuses_a_model_without_relu():
    assert "no ReLU within reach" in explain.METHODS["guided_grad_cam"].refusal(bent())
