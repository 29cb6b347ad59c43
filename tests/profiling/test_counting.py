"""Operations against closed forms, a plain loop, and XLA's own count where there is no loop."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from xaijax import kernels
from xaijax.profiling import counting, formulas


def flops(function, *shapes):
    return counting.count(jax.make_jaxpr(function)(*(jnp.zeros(shape) for shape in shapes)))


def test_a_matrix_product_is_two_m_k_n():
    assert flops(jnp.matmul, (3, 5), (5, 7)).flops == 2 * 3 * 5 * 7
    assert flops(lambda a, b: jnp.einsum("bij,bjk->bik", a, b), (4, 3, 5), (4, 5, 7)).flops == 4 * 2 * 3 * 5 * 7


def test_elementwise_reductions_and_movement():
    assert flops(lambda x: jnp.tanh(x) * x + 1, (4, 6)).flops == 3 * 24
    assert flops(lambda x: x.sum(), (4, 6)).flops == 24
    assert flops(lambda x: x.T.reshape(-1)[::2], (4, 6)).flops == 0


def test_loops_count_as_often_as_they_run():
    def nested(x):
        inner = lambda c, _: (jax.lax.scan(lambda d, _: (d @ d, None), c, length=3)[0], None)  # noqa: E731
        return jax.lax.scan(inner, x, length=5)[0]

    found = flops(nested, (4, 4))
    assert found.flops == 5 * 3 * 2 * 4**3
    assert found.once == 2 * 4**3
    assert not found.unknown


def test_the_dearer_branch_counts_and_an_open_loop_is_named():
    found = flops(lambda x: jax.lax.cond(x[0, 0] > 0, lambda v: v @ v, lambda v: v, x), (4, 4))
    assert found.flops >= 2 * 4**3
    loop = flops(lambda x: jax.lax.while_loop(lambda c: c[0, 0] < 1, lambda c: c @ c, x), (4, 4))
    assert loop.unknown == {"a loop of unknown length"}
    assert loop.flops == 2 * 4**3 + 1  # and one comparison


CASES = [
    ((2, 9, 8, 3), (3, 3, 3, 5), {"window_strides": (1, 1), "padding": "SAME"}),
    ((1, 9, 8, 4), (3, 2, 2, 6), {"window_strides": (2, 1), "padding": "VALID", "feature_group_count": 2}),
    ((1, 7, 7, 2), (3, 3, 2, 4), {"window_strides": (1, 1), "padding": ((2, 1), (0, 2)), "lhs_dilation": (2, 2)}),
    ((1, 9, 9, 2), (3, 3, 2, 4), {"window_strides": (1, 2), "padding": ((2, 2), (2, 2)), "rhs_dilation": (2, 1)}),
]


@pytest.mark.parametrize(("image", "kernel", "options"), CASES)
def test_convolutions_count_taps_that_meet_the_image(image, kernel, options):
    """A convolution of ones counts, at every output, the taps that meet a value (times the input channels)."""

    def convolve(x, w):
        return jax.lax.conv_general_dilated(x, w, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options)

    taps = float(convolve(jnp.ones(image), jnp.ones(kernel)).sum())
    found = flops(convolve, image, kernel).flops
    assert found == 2 * taps
    compiled = jax.jit(convolve).lower(jnp.ones(image), jnp.ones(kernel)).compile()
    assert compiled.cost_analysis()["flops"] == pytest.approx(found, rel=0.01)


def test_the_gradient_of_a_convolution_costs_what_the_convolution_does():
    """Each pair of an output and a tap is one product, forwards and backwards."""
    options = {"window_strides": (2, 2), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    kernel = jnp.ones((3, 3, 4, 6))

    def convolve(x):
        return jax.lax.conv_general_dilated(x, kernel, **options)

    x, y = jnp.ones((1, 8, 8, 4)), jnp.ones((1, 4, 4, 6))
    back = counting.count(jax.make_jaxpr(lambda x, y: jax.vjp(convolve, x)[1](y)[0])(x, y)).flops
    forward = counting.count(jax.make_jaxpr(convolve)(x)).flops
    assert back == 2 * forward or back == forward  # the primal may be kept in the jaxpr


def test_kernels_inside_a_program_count_by_their_formulas():
    images = jnp.zeros((2, 8, 8, 1), jnp.uint8)
    found = counting.count(jax.make_jaxpr(kernels.histogram_entropy)(images))
    assert found.flops == formulas.operations("histogram_entropy", [(2, 8, 8, 1)], [(2,)]) == 6 * 128
    assert not found.unknown
    from xaijax.kernels import _backend

    assert sorted(formulas._OPERATIONS) == sorted(
        name.removeprefix("xaijax_") for name in _backend.core().ffi_targets()
    )


def test_meeting_is_what_a_loop_counts():
    for out, width, size, low, stride, hole, spread in itertools.product(
        (4,), (3,), (5,), (0, 2), (1, 2), (1, 2), (1, 2)
    ):
        held = np.zeros(200, bool)
        held[50 : 50 + hole * (size - 1) + 1 : hole] = True
        taps = sum(held[50 + o * stride + k * spread - low] for o in range(out) for k in range(width))
        assert counting._meeting(out, width, size, low, stride, hole, spread) == taps
