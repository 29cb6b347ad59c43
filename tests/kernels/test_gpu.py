"""Every CUDA kernel against the CPU kernel: `pytest -m gpu` where there is a CUDA device and the CUDA module is built.

The CPU kernels are called with NumPy arrays; the same call with JAX arrays on the device is the CUDA kernel. Counts,
levels, masks and integer images are equal; logarithms of the device and means of real images may differ in the last
bits.
"""

import jax
import numpy as np
import pytest

from xaijax import kernels
from xaijax.kernels import _backend

pytestmark = pytest.mark.gpu

RNG = np.random.default_rng(0)
SHAPES = [(1, 1), (1, 37), (41, 1), (16, 16), (61, 47), (224, 224)]
IMAGE_DTYPES = ["uint8", "uint16", "float32", "float64"]
FRACTIONS = (0.005, 0.02, 0.1, 0.34, 0.75, 1.0)


@pytest.fixture(autouse=True)
def device():
    """The first CUDA device, as the default of the test, with float64 on."""
    if _backend._module("xaijax._cuda") is None:
        pytest.skip("the CUDA module is not built")
    try:
        found = jax.devices("cuda")
    except RuntimeError:
        pytest.skip("there is no CUDA device")
    jax.config.update("jax_enable_x64", True)
    with jax.default_device(found[0]):
        yield found[0]
    jax.config.update("jax_enable_x64", False)


def images(shape, dtype, lead=(3,), channels=3):
    if dtype.startswith("uint"):
        return RNG.integers(0, np.iinfo(dtype).max + 1, (*lead, *shape, channels)).astype(dtype)
    return RNG.normal(size=(*lead, *shape, channels)).astype(dtype)


def maps(shape, dtype, lead=(3,)):
    """A smooth map, one with many ties, and a constant one."""
    smooth = np.add.outer(np.arange(shape[0]), np.sin(np.arange(shape[1])))
    out = np.stack([smooth, RNG.integers(-3, 4, shape), np.full(shape, 2.5)]).astype(dtype)
    return np.ascontiguousarray(np.broadcast_to(out, (*lead[:-1], *out.shape)))


def on_both(kernel, *arrays):
    """What the CPU and the device give."""
    return kernel(*arrays), np.asarray(jax.jit(kernel)(*(jax.numpy.asarray(array) for array in arrays)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", IMAGE_DTYPES)
@pytest.mark.parametrize("options", [{}, {"bins": 7}, {"bins": 64, "range": (-0.5, 200.0)}], ids=["", "7", "range"])
def test_histogram_entropy(shape, dtype, options):
    cpu, gpu = on_both(lambda x: kernels.histogram_entropy(x, **options), images(shape, dtype))
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", IMAGE_DTYPES)
@pytest.mark.parametrize("bins", [2, 64, 256])
def test_mutual_information(shape, dtype, bins):
    x = images(shape, dtype, (4,))
    y = np.where(RNG.random(x.shape) < 0.5, x, images(shape, dtype, (4,)))
    for reference in (y, y[0]):
        cpu, gpu = on_both(lambda a, b: kernels.mutual_information(a, b, bins=bins), x, reference)
        np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_images_have_no_information(value):
    x = images((9, 8), "float32")
    x[1, 2, 3, 0] = value
    for kernel in (kernels.histogram_entropy, lambda a: kernels.mutual_information(a, a)):
        cpu, gpu = on_both(kernel, x)
        np.testing.assert_array_equal(np.isnan(gpu), np.isnan(cpu))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fractions", [FRACTIONS, 1, 100], ids=["curve", "1", "100"])
def test_reveal_levels(shape, dtype, fractions):
    cpu, gpu = on_both(lambda m: kernels.reveal_levels(m, fractions), maps(shape, dtype, (2, 3)))
    np.testing.assert_array_equal(gpu, cpu)
    always = RNG.random(shape) < 0.1
    cpu, gpu = on_both(lambda m, known: kernels.reveal_levels(m, fractions, known), maps(shape, dtype, (2, 3)), always)
    np.testing.assert_array_equal(gpu, cpu)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("percent", [0.01, 10, 37.5, 100])
def test_top_k_threshold(shape, dtype, percent):
    cpu, gpu = on_both(lambda m: kernels.top_k_threshold(m, percent), maps(shape, dtype))
    np.testing.assert_array_equal(gpu, cpu)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", IMAGE_DTYPES)
@pytest.mark.parametrize("direction", ["insertion", "deletion"])
@pytest.mark.parametrize("fill", ["mean", "constant", "image"])
def test_reveal(shape, dtype, direction, fill):
    x = images(shape, dtype, ())
    levels = RNG.integers(0, 7, (4, *shape)).astype(np.uint16)
    behind = {"mean": "mean", "constant": 3, "image": images(shape, dtype, ())}[fill]
    if fill == "image":
        cpu, gpu = on_both(lambda a, v, b: kernels.reveal(a, v, 5, b, direction=direction), x, levels, behind)
    else:
        cpu, gpu = on_both(lambda a, v: kernels.reveal(a, v, 5, behind, direction=direction), x, levels)
    if fill == "mean" and not dtype.startswith("uint"):
        np.testing.assert_allclose(gpu, cpu, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)
    else:
        np.testing.assert_array_equal(gpu, cpu)


def test_vmap_shares_operands():
    x, levels = images((20, 30), "uint8", ()), RNG.integers(0, 5, (6, 20, 30)).astype(np.uint16)
    grid = jax.jit(jax.vmap(lambda v: kernels.reveal(jax.numpy.asarray(x), v, 4, "mean")))(levels)
    np.testing.assert_array_equal(grid, kernels.reveal(x, levels, 4, "mean"))


def test_fills_that_need_neighbours_are_refused_in_one_sentence():
    x, levels = images((9, 8), "uint8", ()), np.ones((9, 8), np.uint16)
    with pytest.raises(Exception, match="on CUDA reveal fills with a constant, an image or the mean"):
        jax.block_until_ready(jax.jit(lambda a, v: kernels.reveal(a, v, 2))(x, levels))
