"""WebP sizes: bytes of the file that Pillow writes, at any number of threads."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from xaijax.metrics import webp_size
from xaijax.metrics.pic_information import as_uint8

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("channels", [1, 3])
def test_size_is_that_of_a_lossless_file_which_decodes_to_the_image(channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 20, 17, channels)).astype(np.uint8)
    sizes = webp_size(images, num_threads=2)
    np.testing.assert_array_equal(sizes, webp_size(images, num_threads=1))
    for image, size in zip(images, sizes, strict=True):
        file = BytesIO()
        Image.fromarray(image.squeeze()).save(file, "WEBP", lossless=True, quality=100)
        assert size == len(file.getvalue())
        decoded = np.asarray(Image.open(file).convert("RGB" if channels == 3 else "L"))
        np.testing.assert_array_equal(decoded, image.squeeze())


def test_equals_pair_on_its_own_images():
    with np.load(DATA / "pair_case.npz") as stored:
        if str(stored["webp_version"]) != features.version("webp"):
            pytest.skip(
                f"sizes were stored with libwebp {stored['webp_version']}, Pillow has {features.version('webp')}"
            )
        np.testing.assert_array_equal(webp_size(stored["rebuilt"]), stored["entropies"])


def test_floats_become_eight_bits_by_rounding_half_to_even():
    values = np.asarray([0.0, 0.5, 1.0, 2.5 / 255, 3.5 / 255, -1.0, 2.0]).reshape(1, 1, 7, 1)
    assert as_uint8(values).ravel().tolist() == [0, 128, 255, 2, 4, 0, 255]
    assert as_uint8(np.full((1, 1, 1, 1), 65535, np.uint16)).item() == 255
    stretched = as_uint8(np.asarray([-3.0, 0.0, 1.0]).reshape(1, 1, 3, 1), stretch=True)
    assert stretched.ravel().tolist() == [0, 191, 255]
    assert as_uint8(np.ones((1, 2, 2, 1)), stretch=True).max() == 0


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((1, 4, 4, 3)), TypeError, "must be uint8 for WebP; got float64"),
        (np.zeros((1, 4, 4, 2), np.uint8), ValueError, "C 1 or 3"),
        (np.zeros((4, 4, 3), np.uint8), ValueError, r"got shape \(4, 4, 3\)"),
        (np.zeros((1, 16384, 1, 1), np.uint8), ValueError, "16383"),
    ],
)
def test_bad_images_are_refused(images, error, message):
    with pytest.raises(error, match=message):
        webp_size(images)
