"""Mutual information: np.histogram2d over the reference's edges is the oracle."""

import numpy as np
import pytest

from xaijax import kernels

DTYPES = ("uint8", "uint16", "float32", "float64")


def pairs(dtype, shape=(4, 31, 30, 3), seed=0):
    """References, and images that share part of them and overshoot their range."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).cumsum(axis=-2)
    y = x + rng.normal(size=shape) * np.arange(shape[0]).reshape(-1, 1, 1, 1)
    if dtype.startswith("uint"):
        top = np.iinfo(dtype).max
        return tuple(np.clip((a + 10) * top / 30, 0, top).astype(dtype) for a in (y, 0.8 * x))
    return y.astype(dtype), x.astype(dtype)


class TestEveryImplementation:
    def test_closed_forms(self, implementation):
        information = implementation("mutual_information")
        x = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
        assert information(x, x, 4) == 2.0
        assert information(np.full_like(x, 9), x, 4) == 0.0
        assert information(x[::-1].copy(), x, 4) == pytest.approx(2.0, abs=1e-12)  # a permutation of the bins
        independent = np.tile(np.arange(8, dtype=np.uint8), 8).reshape(8, 8, 1)
        assert information(independent * 8, x, 4) == pytest.approx(0.0, abs=1e-12)
        # A binary symmetric channel: one value in four is flipped.
        sent = np.repeat(np.array([0, 1], np.uint8), 8).reshape(4, 4, 1)
        received = sent ^ (np.arange(16) % 4 == 0).reshape(4, 4, 1)
        flipped = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75))
        assert information(received, sent, 2) == pytest.approx(1 - flipped, abs=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("bins", [None, 1, 2, 64, 100])
    def test_equals_histogram2d(self, implementation, reference, dtype, bins):
        images, references = pairs(dtype)
        found = implementation("mutual_information")(images, references, bins)
        assert found.shape == (4,)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, reference.mutual_information(images, references, bins), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_at_most_the_entropy_of_the_reference(self, implementation, dtype):
        """Also for images that leave the range of the reference on both sides."""
        images, references = pairs(dtype, seed=1)
        information = implementation("mutual_information")
        itself = information(references, references)
        assert (information(images, references) <= itself).all()
        per_channel = [kernels.histogram_entropy(references[..., c : c + 1].copy(), max(2, 30 // 3)) for c in range(3)]
        np.testing.assert_allclose(itself, np.mean(per_channel, axis=0), rtol=0, atol=1e-12)

    def test_leading_axes_broadcast(self, implementation):
        images, references = pairs("uint8", (6, 9, 8, 2))
        information = implementation("mutual_information")
        one = information(images, references[0])
        np.testing.assert_array_equal(one, [information(image, references[0]) for image in images])
        grid = information(images.reshape(2, 3, 9, 8, 2), references[:2].reshape(2, 1, 9, 8, 2))
        np.testing.assert_array_equal(grid[1], information(images[3:], references[1]))
        assert information(images[0], references).shape == (6,)
        assert information(images[:, None], references[None, :4].copy()).shape == (6, 4)
        assert information(images[:0], references[0]).shape == (0,)

    def test_constant_channels_and_not_finite(self, implementation):
        information = implementation("mutual_information")
        x = np.zeros((4, 4, 2), np.float32)
        x[:2, :, 0] = 1.0
        assert information(x, x, 2) == 0.5  # one bit in one of two channels
        assert information(x, np.zeros_like(x), 2) == 0.0
        for bad in (np.nan, np.inf):
            y = x.copy()
            y[0, 0, 1] = bad
            assert np.isnan(information(y, x, 2))
            assert np.isnan(information(x, y, 2))

    def test_one_pixel_wide(self, implementation):
        information = implementation("mutual_information")
        x = np.array([0, 0, 1, 1], np.float64).reshape(4, 1, 1)
        assert information(x, x) == 1.0
        assert information(x[:1], x[:1]) == 0.0


@pytest.mark.parametrize(
    ("images", "references", "options", "error", "says"),
    [
        ((4, 4, 3), (4, 5, 3), {}, ValueError, "references must have the last 3 axes of images"),
        ((2, 4, 4, 3), (3, 4, 4, 3), {}, ValueError, "must broadcast"),
        ((4, 4, 3), (4, 4, 3), {"bins": 1025}, ValueError, "bins must be None or an integer from 1 to 1024"),
        ((4, 4, 3), (4, 4, 3), {"bins": 0}, ValueError, "bins must be None"),
        ((4, 4), (4, 4), {}, ValueError, r"\[\.\.\., H, W, C\]"),
    ],
)
def test_bad_input(images, references, options, error, says):
    with pytest.raises(error, match=says):
        kernels.mutual_information(np.zeros(images, np.uint8), np.zeros(references, np.uint8), **options)


def test_two_dtypes_are_refused():
    with pytest.raises(TypeError, match="same dtype; got uint8 and float32"):
        kernels.mutual_information(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 1), np.float32))
