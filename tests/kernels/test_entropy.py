"""Shannon entropy of the histogram: np.histogram and scipy.stats.entropy are the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xaijax import kernels

DTYPES = ("uint8", "uint16", "float32", "float64")


def random_images(dtype, shape=(3, 17, 23, 3), seed=0):
    rng = np.random.default_rng(seed)
    if dtype.startswith("uint"):
        return rng.integers(3, np.iinfo(dtype).max - 7, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


class TestEveryImplementation:
    def test_closed_forms(self, implementation):
        entropy = implementation("histogram_entropy")
        halves = np.zeros((4, 4, 1), np.uint8)
        halves[:2] = 255
        assert entropy(halves) == 1.0
        every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
        assert entropy(every) == pytest.approx(8.0, abs=1e-12)
        assert entropy(every, 16) == pytest.approx(4.0, abs=1e-12)
        quarters = np.array([0.0, 0.0, 0.0, 1.0], np.float32).reshape(1, 4, 1)
        assert entropy(quarters, 2) == pytest.approx(2 - 0.75 * np.log2(3), abs=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("bins", [1, 2, 10, 256, 1000])
    def test_equals_numpy_and_scipy(self, implementation, reference, dtype, bins):
        images = random_images(dtype)
        found = implementation("histogram_entropy")(images, bins)
        assert found.shape == (3,)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, reference.histogram_entropy(images, bins), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("limits", [(0, 1), (0.1, 0.9), (10, 100), (0, 255), (-3.3, 40000.7), (7, 7), (-5, -4)])
    def test_range_given(self, implementation, reference, dtype, limits):
        images = random_images(dtype)
        found = implementation("histogram_entropy")(images, 64, limits)
        np.testing.assert_allclose(found, reference.histogram_entropy(images, 64, limits), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("value", [0, 1, 77, 255])
    def test_constant_and_one_pixel(self, implementation, dtype, value):
        entropy = implementation("histogram_entropy")
        for shape in [(5, 4, 3), (1, 1, 1), (1, 1, 3), (1, 9, 1), (9, 1, 1)]:
            assert entropy(np.full(shape, value, dtype)) == 0.0

    def test_not_finite_is_nan(self, implementation):
        images = np.zeros((4, 3, 3, 1), np.float32)
        images[:, 0, 0] = 1.0
        images[1, 1, 1], images[2, 2, 2], images[3, 0, 1] = np.nan, np.inf, -np.inf
        found = implementation("histogram_entropy")(images)
        assert np.isnan(found).tolist() == [False, True, True, True]

    def test_range_too_narrow_for_the_dtype(self, implementation):
        """np.histogram refuses these from NumPy 2.1 on: a constant image has 0 bits, another one no histogram."""
        entropy = implementation("histogram_entropy")
        images = np.full((2, 4, 4, 1), 2.0**24, np.float32)
        images[1, 0, 0] += 2
        if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
            with pytest.raises(ValueError, match="Too many bins"):
                np.histogram(images[1], 256)
        found = entropy(images)
        assert found[0] == 0.0
        assert np.isnan(found[1])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_values_on_the_edges(self, implementation, reference, dtype):
        """Grey levels divided by 255, and every edge with its two neighbours: an index estimate alone is wrong."""
        entropy = implementation("histogram_entropy")
        grey = (np.arange(256) / 255).astype(dtype)
        for bins in (255, 256, 51, 64):
            edges = np.histogram_bin_edges(grey, bins)
            above, below = (np.nextafter(edges, np.asarray(to, dtype)) for to in (2, -1))
            near = np.concatenate([grey, edges, above, below])
            images = np.clip(near, 0, 1).astype(dtype).reshape(1, -1, 1)
            assert entropy(images, bins) == pytest.approx(reference.histogram_entropy(images, bins), abs=1e-12)

    def test_leading_axes(self, implementation):
        images = random_images("uint8", (2, 3, 5, 4, 1))
        entropy = implementation("histogram_entropy")
        found = entropy(images)
        assert found.shape == (2, 3)
        assert found[1, 2] == entropy(images[1, 2])
        assert entropy(images[:0]).shape == (0, 3)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 300),
    st.sampled_from([0.0, 1.0, -3.0, 1e3, 1e6, 1e-30]),
    st.sampled_from([1.0, 1e-3, 1e-7, 1e-38, 1e30, 3e38]),
    st.booleans(),
)
def test_counts_equal_numpy_at_any_scale(seed, dtype, bins, offset, scale, on_grid):
    """Ranges down to a few steps of the dtype, and up to its overflow."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 64, 300) / 64 if on_grid else rng.random(300)
    with np.errstate(all="ignore"):
        images = (offset + scale * values).astype(dtype).reshape(10, 10, 3)
        try:
            counts, edges = np.histogram(images, bins)
        except ValueError:
            if images.min() != images.max():
                assert np.isnan(kernels.histogram_entropy(images, bins))
            return
    if (edges[:-1] >= edges[1:]).any() and images.min() != images.max():  # NumPy 2.0 does not refuse this
        assert np.isnan(kernels.histogram_entropy(images, bins))
    elif np.isfinite(edges).all():
        p = counts[counts > 0] / counts.sum()
        assert kernels.histogram_entropy(images, bins) == pytest.approx(-(p * np.log2(p)).sum(), abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((np.zeros((4, 4), np.uint8),), ValueError, r"images must be \[\.\.\., H, W, C\]; got shape \(4, 4\)"),
        ((np.zeros((4, 0, 3), np.uint8),), ValueError, "at least one pixel"),
        (
            (np.zeros((4, 4, 3), np.int64),),
            TypeError,
            "images must be bool, uint8, uint16, float16, bfloat16, float32 or float64; got int64",
        ),
        ((np.zeros((4, 4, 3), np.uint8), 0), ValueError, "bins must be an integer from 1"),
        ((np.zeros((4, 4, 3), np.uint8), 2.0), ValueError, "bins must be an integer from 1"),
        ((np.zeros((4, 4, 3), np.uint8), 4, "all"), ValueError, "range must be"),
        ((np.zeros((4, 4, 3), np.uint8), 4, (3, 2)), ValueError, "low <= high"),
        ((np.zeros((4, 4, 3), np.uint8), 4, (0, np.inf)), ValueError, "finite"),
        ((np.zeros((4, 4, 3), np.uint8), 4, 5), ValueError, "range must be"),
        (([[[1]]],), TypeError, "images must be an array"),
    ],
)
def test_bad_input(arguments, error, says):
    with pytest.raises(error, match=says):
        kernels.histogram_entropy(*arguments)
