"""Rewriting for XLA's CPU compiler: the same values and derivatives, and none of what it does slowly is left."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import explain
from xaijax._cpu import compiler_options, fast, jit
from xaijax.classifier import Classifier

CANONICAL = {"b01f_01io->b01f"}


def orders(function, *args):
    """The axis orders of all convolutions in the compiled program."""
    return set(re.findall(r"dim_labels=([^\s,]+)", jax.jit(function).lower(*args).compile().as_text()))


def convolve(images, kernel, stride, numbers, **more):
    return jax.lax.conv_general_dilated(
        images, kernel, stride, [(1, 2)] * len(stride), dimension_numbers=numbers, **more
    )


@pytest.mark.parametrize(
    ("numbers", "images", "kernel", "more"),
    [
        (("NHWC", "HWIO", "NHWC"), (2, 9, 8, 4), (3, 3, 4, 6), {}),
        (("NCHW", "OIHW", "NCHW"), (2, 4, 9, 8), (6, 4, 3, 3), {"rhs_dilation": (2, 1)}),
        (("NCHW", "HWIO", "NHWC"), (2, 4, 9, 8), (3, 5, 2, 6), {"feature_group_count": 2}),
        (("NWC", "WIO", "NWC"), (2, 9, 4), (3, 4, 6), {"lhs_dilation": (2,)}),
    ],
)
def test_same_values_and_gradients_in_the_fast_order(numbers, images, kernel, more):
    rng = np.random.default_rng(0)
    batches = jnp.asarray(rng.normal(size=(3, *images)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=kernel), jnp.float32)
    stride = (2,) * (len(images) - 2)

    def total(weights, batches):
        def add(total, x):
            return total + (convolve(x, weights, stride, numbers, **more) ** 2).sum(), None

        return jax.lax.scan(add, jnp.float32(0), batches)[0]

    function = jax.value_and_grad(total, argnums=(0, 1))
    expected = jax.tree.leaves(jax.jit(function)(weights, batches))
    rewritten = jax.tree.leaves(jax.jit(fast(function))(weights, batches))
    # The result is a JAX function like any other.
    differentiated = jax.tree.leaves(jax.jit(jax.grad(fast(total), argnums=(0, 1)))(weights, batches))
    for found, wanted in ((rewritten, expected), (differentiated, expected[1:])):
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * float(jnp.abs(b).max()))


# Images, kernel [H, W, I, O], stride, padding, more: first layers of networks and depthwise layers.
REPLACED = {
    "7x7 stride 2": ((2, 17, 14, 3), (7, 7, 3, 8), (2, 2), ((3, 3), (3, 3)), {}),
    "3x3 stride 2, valid": ((2, 15, 12, 1), (3, 3, 1, 8), (2, 2), ((0, 0), (0, 0)), {}),
    "3x3 stride 2, padded after": ((2, 15, 12, 3), (3, 3, 3, 5), (2, 2), ((0, 1), (0, 1)), {}),
    "patches": ((1, 16, 12, 3), (4, 4, 3, 8), (4, 4), ((0, 0), (0, 0)), {}),
    "kernel below stride": ((1, 11, 10, 2), (2, 1, 2, 8), (3, 2), ((1, 0), (0, 1)), {}),
    "one axis, cropped": ((2, 16, 9, 4), (5, 3, 4, 6), (3, 1), ((-1, 2), (1, -2)), {}),
    "depthwise": ((2, 9, 8, 6), (3, 3, 1, 6), (1, 1), ((1, 1), (1, 1)), {"feature_group_count": 6}),
    "depthwise stride 2": ((2, 9, 8, 6), (5, 3, 1, 6), (2, 2), ((2, 2), (0, 1)), {"feature_group_count": 6}),
    "depthwise dilated": (
        *((2, 12, 9, 5), (3, 3, 1, 5), (1, 2), ((2, 2), (3, -1))),
        {"feature_group_count": 5, "rhs_dilation": (2, 3)},
    ),
}


@pytest.mark.skipif("jax.default_backend() != 'cpu'", reason="other backends keep the convolutions")
@pytest.mark.parametrize("case", REPLACED.values(), ids=REPLACED)
def test_convolutions_are_replaced_by_ones_that_are_quick(case):
    image_shape, kernel_shape, stride, padding, more = case
    rng = np.random.default_rng(0)
    images, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in (image_shape, kernel_shape))

    def forward(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, stride, padding, dimension_numbers=numbers, **more)

    weights = jnp.asarray(rng.normal(size=jax.eval_shape(forward, images, kernel).shape), jnp.float32)

    def to_image(weights, kernel):
        return jax.grad(lambda x: (forward(x, kernel) * weights).sum())(images.astype(kernel.dtype))

    for function, argument in ((forward, images), (to_image, weights)):
        text = jax.jit(fast(function)).lower(argument, kernel).as_text()
        assert not re.search(r"feature_group_count = (?!1 )", text)
        assert not re.search(r"lhs_dilate = \[[^\]]*[2-9]", text)
        wanted = function(argument, kernel)
        found = jax.jit(fast(function))(argument, kernel)
        np.testing.assert_allclose(found, wanted, atol=2e-6 * float(jnp.abs(wanted).max()))
        half = jax.jit(fast(function))(argument.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
        assert half.dtype == function(argument.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)).dtype
        np.testing.assert_allclose(half.astype(jnp.float32), wanted, atol=0.03 * float(jnp.abs(wanted).max()))


@pytest.mark.skipif("jax.default_backend() != 'cpu'", reason="other backends choose the order themselves")
@pytest.mark.parametrize("method", ["integrated_gradients", "guided_ig", "score_cam", "grad_cam"])
def test_no_method_leaves_a_slow_convolution_in_its_loop(method, model, images):
    options = {"batch_size": 2} | ({"steps": 5} if "steps" in explain.METHODS[method].options else {})
    layer = {"layer": "block1"} if method == "grad_cam" else {}
    call = lambda m, x: explain.METHODS[method].function(m, x, 0, **options, **layer)  # noqa: E731
    assert orders(call, model, images) == CANONICAL


@pytest.mark.skipif("jax.default_backend() != 'cpu'", reason="other backends choose the order themselves")
def test_a_model_with_channels_first_is_brought_into_the_fast_order(images):
    def logits(kernel, x):
        x = convolve(jnp.moveaxis(x, -1, 1), kernel, (2, 2), ("NCHW", "OIHW", "NCHW"))
        return jax.nn.relu(x).mean((2, 3))

    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(4, 3, 3, 3)), jnp.float32)
    model = Classifier.from_function(logits, kernel, input_shape=(16, 16, 3))
    assert orders(lambda m, x: explain.integrated_gradients(m, x, 0, steps=4, batch_size=2), model, images) == CANONICAL
    plain = Classifier.from_function(
        lambda k, x: jax.nn.relu(convolve(x, k.transpose(2, 3, 1, 0), (2, 2), ("NHWC", "HWIO", "NHWC"))).mean((1, 2)),
        kernel,
        input_shape=(16, 16, 3),
    )
    maps = [explain.integrated_gradients(m, images, 0, steps=4, batch_size=2) for m in (model, plain)]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-5)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [((3, 3), (2, 2), ((1, 1), (1, 1))), ((2, 3), (1, 2), ((0, 0), (0, 2))), ((2, 2), (3, 3), ((1, 0), (0, 1)))],
)
def test_max_pooling_has_the_same_gradient_ties_included(size, stride, padding):
    images = np.random.default_rng(0).integers(0, 4, (2, 9, 8, 3)).astype(np.float32)  # many equal maxima

    def pool(x):
        pads = ((0, 0), *padding, (0, 0))
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, *size, 1), (1, *stride, 1), pads)

    weights = np.random.default_rng(1).normal(size=jax.eval_shape(pool, images).shape).astype(np.float32)
    gradient = jax.grad(lambda x: (pool(x) * weights).sum())
    rewritten = fast(gradient)
    np.testing.assert_allclose(jax.jit(rewritten)(images), jax.jit(gradient)(images), atol=1e-6)
    assert ("scatter" in jax.jit(rewritten).lower(images).as_text()) == (jax.default_backend() != "cpu")


def test_options_where_the_program_is_its_own_and_none_inside_another():
    calls = []

    def double(x):
        calls.append(x)
        return 2 * x

    quick = jit(double)
    x = np.float32(1.5)
    assert quick(x) == 3
    assert quick(x) == 3
    assert len(calls) == 1
    # JAX refuses options here; a constant inside a traced function counts as inside.
    assert jax.jit(lambda v: v + quick(x))(x) == 4.5
    assert jax.grad(quick)(x) == 2
    assert jax.vmap(quick)(x[None]) == 3
    assert isinstance(compiler_options(), dict)


def test_predict_is_compiled_with_the_options_and_gives_the_same(model, images):
    expected = jax.jit(lambda m, x: jax.nn.softmax(m.logits(m.params, x)))(model, images)
    np.testing.assert_allclose(model.predict(images), expected, rtol=1e-5, atol=1e-6)
