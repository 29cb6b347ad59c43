"""Pixels: values kept, windowed, repeated, weighed and resized as the docstrings say, against closed forms."""

import numpy as np
import pytest
from PIL import Image

from xaijax.data import files, images
from xaijax.data.images import Stored, displayed
from xaijax.data.reading import Reading


def read(path, **reading):
    """The pixels alone."""
    return files.read_image(path, Reading(**reading))[0]


def test_eight_bit_values_are_kept(tmp_path):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png")[..., 0], grey)
    colour = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    Image.fromarray(colour).save(tmp_path / "colour.png")
    np.testing.assert_array_equal(read(tmp_path / "colour.png"), colour)


@pytest.mark.parametrize(("low", "high"), [(0, 65535), (1000, 5095), (7, 8)])
def test_sixteen_bit_images_use_their_own_range(tmp_path, low, high):
    deep = np.linspace(low, high, 400).round().astype(np.uint16).reshape(20, 20)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(deep).save(tmp_path / "deep.tiff")
    expected = np.rint(255 * (deep.astype(np.float64) - low) / (high - low))
    for name in ("deep.png", "deep.tiff"):
        pixels = read(tmp_path / name)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels[..., 0], expected)


@pytest.mark.parametrize("kind", ["i1", "<i2", ">i2", "<u2", ">u2", "<i4", "<i8", "<f4", ">f8"])
@pytest.mark.parametrize("inverted", [False, True])
def test_whole_numbers_of_any_type_go_through_the_same_window(kind, inverted):
    """Tables of levels must not overflow: a range of more than half of a type's numbers, of either byte order."""
    kind = np.dtype(kind)
    low, high = {"i1": (-128, 127), "u2": (3, 60003)}.get(kind.str[1:], (-20000, 25000))
    values = np.random.default_rng(0).integers(low, high + 1, (250, 200))
    values[0, 0], values[-1, -1] = low, high
    stored = images.Stored(values.astype(kind).T, inverted=inverted)
    for window, first, last in (("auto", low, high), ((-50.0, 100.5), -50.0, 100.5)):
        grey = np.rint(255 * np.clip((values.T - float(first)) / (last - first), 0, 1))
        found = images.displayed(stored, window)[0][..., 0]
        np.testing.assert_array_equal(found, 255 - grey if inverted else grey)


def test_the_own_range_through_a_curve_that_is_not_monotonic():
    """Levels between those that occur do not enter the range."""
    values = np.repeat(np.array([[0, 10]], np.uint16), 8, 0)
    curve = images.Stored(values, rescale=lambda x: np.where(x == 5, 1000, x * 2).astype(np.uint16))
    assert np.unique(images.displayed(curve)[0]).tolist() == [0, 255]


def test_a_window_of_numbers_applies_to_every_grey_image(tmp_path):
    deep = np.array([[0, 100, 200, 300]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert read(tmp_path / "deep.png", window=(100, 200))[0, :, 0].tolist() == [0, 0, 255, 255]
    Image.fromarray(deep.astype(np.uint8)).save(tmp_path / "shallow.png")
    for window in ("auto", "file"):
        assert read(tmp_path / "shallow.png", window=window)[0, :, 0].tolist() == [0, 100, 200, 44]
    assert read(tmp_path / "shallow.png", window=(100, 200))[0, :, 0].tolist() == [0, 0, 255, 0]
    Image.fromarray(np.full((2, 2, 3), 44, np.uint8)).save(tmp_path / "colour.png")
    pixels, notes = files.read_image(tmp_path / "colour.png", Reading(window=(100, 200)))
    assert (pixels == 44).all()
    assert notes == ("the window was not applied: the image is in colour",)


def test_floats_with_holes():
    pixels, notes = displayed(Stored(np.array([[np.nan, -1.0, 1.0, np.inf]])))
    assert pixels[..., 0].tolist() == [[0, 0, 255, 0]]
    assert notes == ("its NaN and infinite values were made black",)
    assert displayed(Stored(np.full((2, 2), 7.5)))[0][..., 0].tolist() == [[0, 0], [0, 0]]
    with pytest.raises(ValueError, match="all its values are NaN, infinite or padding"):
        displayed(Stored(np.array([[np.nan]])))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_common_mode_becomes_one_or_three_channels(tmp_path, mode):
    source = Image.fromarray(np.full((5, 6, 3), 255, np.uint8)).convert(mode)
    source.save(tmp_path / "picture.tiff")
    pixels = read(tmp_path / "picture.tiff")
    assert pixels.shape == (5, 6, 1 if mode in ("1", "L", "LA") else 3)
    assert pixels.min() >= 254


def test_channels_follow_itu_r_601():
    colour = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    luma = images.with_channels(colour, 1)[..., 0]
    assert np.abs(luma - colour @ np.array([0.299, 0.587, 0.114])).max() <= 0.51
    grey = luma[..., None]
    np.testing.assert_array_equal(images.with_channels(grey, 3), np.repeat(grey, 3, axis=2))
    assert images.with_channels(grey, 1) is grey


def test_halving_weighs_four_pixels_an_axis():
    """A triangle filter of twice the pixel's width has the weights 1, 3, 3, 1 over 8."""
    line = np.random.default_rng(2).integers(0, 256, 64, np.uint8)
    image = np.repeat(line[None, :, None], 8, axis=0)
    weighed = (line[1:-4:2] + 3.0 * line[2:-3:2] + 3.0 * line[3:-2:2] + line[4:-1:2]) / 8
    resized = images.resize_image(image, (4, 32))[0, :, 0]
    assert np.abs(resized[1:-1] - weighed[: len(resized) - 2]).max() <= 0.51


def test_masks_keep_whole_pixels():
    mask = np.zeros((8, 8), bool)
    mask[2:4, 4:6] = True
    half = images.resize_mask(mask, (4, 4))
    assert half.dtype == bool
    assert np.argwhere(half).tolist() == [[1, 2]]
    np.testing.assert_array_equal(images.resize_mask(mask, (16, 16)), np.kron(mask, np.ones((2, 2), bool)))


def test_fingerprints_see_pixels_not_files(tmp_path):
    grey = np.random.default_rng(3).integers(0, 256, (12, 10), np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(grey).save(tmp_path / "b.bmp")
    Image.fromarray(grey).convert("RGB").save(tmp_path / "c.png")
    Image.fromarray(grey.T.copy()).save(tmp_path / "d.png")
    keys = [files.ImageFile(tmp_path / name).fingerprint() for name in ("a.png", "b.bmp", "c.png", "d.png")]
    assert keys[0] == keys[1] == keys[2] != keys[3]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tiff", "webp"])
def test_damaged_files_give_a_reason(tmp_path, suffix):
    path = tmp_path / f"whole.{suffix}"
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (24, 24, 3), np.uint8)).save(path)
    data = path.read_bytes()
    cut = tmp_path / f"cut.{suffix}"
    for share in (0, 0.02, 0.1, 0.3, 0.6):
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises((OSError, ValueError)) as caught:
            files.read_image(cut)
        assert images.reason(caught.value)
    with pytest.raises(FileNotFoundError) as caught:
        files.read_image(tmp_path / "none.png")
    assert images.reason(caught.value) == "file not found"
