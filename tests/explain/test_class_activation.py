"""Class activation maps where algebra gives the answer: a head of pooling and a dense layer, and planted symmetry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax.classifier import Classifier
from xaijax.explain import grad_cam, grad_cam_pp, hires_cam, layer_cam, postprocess, resize, xgrad_cam

RNG = np.random.default_rng(5)
A = RNG.random((2, 4, 4, 3)).astype(np.float32)  # the activations, which are the image itself here
W = RNG.normal(size=(3, 4)).astype(np.float32)
B = RNG.normal(size=4).astype(np.float32)
LABELS = np.array([1, 3])
OWN = W[:, LABELS].T[:, None, None]  # [2, 1, 1, 3]


@pytest.fixture(scope="module")
def pooled():
    """`logits = mean(x) @ W + B`: the layer is the image, so gradients are W/16 everywhere."""
    return Classifier.from_functions(
        lambda p, x: x, lambda p, a: a.mean((1, 2)) @ p["w"] + p["b"], {"w": W, "b": B}, input_shape=(4, 4, 3)
    )


def test_linear_head_closed_forms(pooled):
    expected = (A * OWN).sum(-1) / 16
    for method in (grad_cam, hires_cam, xgrad_cam):
        np.testing.assert_allclose(method(pooled, A, LABELS), expected, rtol=1e-4, atol=1e-6)
    positive = (A * np.maximum(OWN, 0)).sum(-1) / 16
    np.testing.assert_allclose(layer_cam(pooled, A, LABELS), positive, rtol=1e-4, atol=1e-6)
    g = np.float64(OWN) / 16
    alpha = 1 / (2 + g * A.sum((1, 2), keepdims=True))
    weights = (16 * np.maximum(g, 0) * alpha)[:, 0, 0]
    np.testing.assert_allclose(grad_cam_pp(pooled, A, LABELS), np.einsum("bhwc,bc->bhw", A, weights), rtol=1e-4)


def test_hires_cam_adds_up_to_the_score(pooled):
    logits = A.mean((1, 2)) @ W + B
    sums = hires_cam(pooled, A, LABELS).sum((1, 2))
    np.testing.assert_allclose(sums, logits[[0, 1], LABELS] - B[LABELS], rtol=1e-4, atol=1e-6)


def test_grad_cam_pp_conventions(pooled):
    g = np.float64(OWN) / 16 * np.ones_like(A)
    total = A.sum((1, 2), keepdims=True)
    alpha = g**2 / (2 * g**2 + g**3 * total + 1e-6)
    raw = np.einsum("bhwc,bc->bhw", A, (np.maximum(g, 0) * alpha).sum((1, 2)))
    low = np.maximum(raw, 0)
    low = low - low.min((1, 2), keepdims=True)
    low /= 1e-7 + low.max((1, 2), keepdims=True)
    got = grad_cam_pp(pooled, A, LABELS, convention="pytorch-grad-cam")
    np.testing.assert_allclose(got, low, atol=1e-5)
    # alpha is the same at every position here, so its normalised form is 1/16 and the weights are mean(relu(g)).
    got = grad_cam_pp(pooled, A, LABELS, convention="tf-keras-vis")
    np.testing.assert_allclose(got, (A * np.maximum(g, 0)).sum(-1), rtol=1e-4)


def test_tiny_gradients_do_not_vanish(pooled):
    """1e-15 would underflow in g**3; the map must be that of the same model with larger weights, scaled."""
    tiny = pooled.with_params({"w": W * 1e-15, "b": B})
    flat = pooled.with_params({"w": W * 1e-6, "b": B})
    a, b = (postprocess(grad_cam_pp(m, A, LABELS)) for m in (tiny, flat))
    np.testing.assert_allclose(a, b, atol=1e-3)
    assert float(a.max()) == 1.0


METHODS = [grad_cam, grad_cam_pp, xgrad_cam, layer_cam, hires_cam]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("convention", ["paper", "pytorch-grad-cam"])
def test_dead_layer_gives_finite_zeros(pooled, method, convention):
    got = method(pooled, np.zeros_like(A), LABELS, convention=convention)
    assert not np.asarray(got).any()


def test_layers_are_fused_after_scaling_each(model, images, labels):
    names = ("block2.act", "block3.act")
    fused = grad_cam(model, images, labels, layer=names)
    assert float(fused.min()) >= 0
    assert float(fused.max()) <= 1
    single = [grad_cam(model, images, labels, layer=(name, name)) for name in names]
    np.testing.assert_allclose(fused, np.mean(single, axis=0), atol=1e-5)
    # A layer of the image's own size needs no resize, so its scaled map is that of the raw one.
    raw = grad_cam(model, images, labels, layer="block1.act")
    np.testing.assert_allclose(grad_cam(model, images, labels, layer=("block1.act",) * 2), postprocess(raw), atol=1e-5)


def test_gradient_at_a_layer_is_that_of_the_rest_of_the_network(model, images, labels):
    """Grad-CAM of an early layer from `jax.vjp` through the part of the network behind it, written by hand."""
    from flax import nnx

    name = "block1.act"
    module = model.network.merge(model.params)

    def rest(a):
        return module.dense(module.block3(module.block2(a)).mean((1, 2)))[np.arange(3), labels].sum()

    activations = module.block1(jnp.asarray(images))
    grads = jax.grad(rest)(activations)
    expected = (activations * grads.mean((1, 2), keepdims=True)).sum(-1)
    np.testing.assert_allclose(grad_cam(model, images, labels, layer=name), expected, rtol=1e-3, atol=1e-6)
    assert isinstance(module, nnx.Module)


def test_map_is_resized_from_the_layer(model, images, labels):
    raw = grad_cam(model, images, labels)
    # The layer is 4 x 4: every resized map lies in the span of the 16 hat functions of its pixels.
    hats = np.asarray(resize(jnp.eye(16).reshape(16, 4, 4), (16, 16))).reshape(16, -1)
    _, residual, *_ = np.linalg.lstsq(hats.T, np.asarray(raw).reshape(3, -1).T, rcond=None)
    assert residual.max() < 1e-8 * (np.asarray(raw) ** 2).sum()


@pytest.mark.parametrize("method", METHODS)
def test_mirrored_image_gives_mirrored_map(method):
    """A network whose kernels are mirror symmetric: mirroring image and map is the same thing."""
    rng = np.random.default_rng(9)
    kernel = rng.normal(size=(3, 3, 2, 5))
    kernel = jnp.asarray(kernel + kernel[:, ::-1], jnp.float32)
    dense = jnp.asarray(rng.normal(size=(5, 3)), jnp.float32)

    def features(p, x):
        return jax.nn.relu(
            jax.lax.conv_general_dilated(x, p[0], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        )

    symmetric = Classifier.from_functions(
        features, lambda p, a: jax.nn.softplus(a).mean((1, 2)) @ p[1], (kernel, dense), input_shape=(8, 8, 2)
    )
    x = rng.random((1, 8, 8, 2)).astype(np.float32)
    mirrored = method(symmetric, x[:, :, ::-1], 1)
    np.testing.assert_allclose(mirrored[:, :, ::-1], method(symmetric, x, 1), rtol=1e-3, atol=1e-6)


def test_bad_options_are_one_sentence(model, images, pooled):
    with pytest.raises(ValueError, match="has no layer 'block9'; it has block1"):
        grad_cam(model, images, layer="block9")
    with pytest.raises(ValueError, match="layer 'dense' has no positions"):
        grad_cam(model, images, layer="dense")
    with pytest.raises(ValueError, match="convention is 'keras'; it must be paper or pytorch-grad-cam"):
        grad_cam(model, images, convention="keras")
    with pytest.raises(ValueError, match="layer must name at least one layer"):
        grad_cam(model, images, layer=())
    plain = Classifier.from_function(lambda p, x: x.mean((1, 2)) @ p, W, input_shape=(4, 4, 3))
    with pytest.raises(ValueError, match="cannot be had from a classifier made from a plain function"):
        grad_cam(plain, A)
