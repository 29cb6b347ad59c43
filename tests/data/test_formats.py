"""PNG, TIFF, JPEG, JPEG 2000, AVIF, PNM, NIfTI and others, as stored, by writers and oracles of other packages."""

import gzip
import os
import socket
import struct
import tracemalloc
import warnings
import zlib

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
from PIL import GifImagePlugin, Image, ImageCms

from xaijax.data import files, formats, images, open_dataset
from xaijax.data.formats import nifti, pillow
from xaijax.data.masks import stored as mask_files
from xaijax.data.reading import Reading

SHAPE = (40, 48)
RNG = np.random.default_rng(0)
RAMP = np.linspace(0, 4095, SHAPE[0] * SHAPE[1]).round().astype(np.uint16).reshape(SHAPE)


def read(path, frame=None, **reading):
    return files.read_image(path, Reading(**reading), frame)


def stretched(values):
    """The own range of an array, before it is rounded."""
    x = np.asarray(values, np.float64)
    finite = np.isfinite(x)
    low, high = x[finite].min(), x[finite].max()
    return np.where(finite, 255 * (x - low) / (high - low), 0)


def check(path, expected, notes=(), tolerance=0.0, frame=None, **reading):
    """Pixels against what they must be before rounding."""
    pixels, said = read(path, frame, **reading)
    expected = np.asarray(expected)
    expected = expected[..., None] if expected.ndim == 2 else expected
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected.astype(float)).max() <= 0.5 + 1e-9 + tolerance
    assert said == notes


def png(path, values, colour_type, extra=b""):
    """A PNG of 16 bits, chunk by chunk, as no writer at hand makes them all."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


# Depth


def test_sixteen_bits_of_every_kind_of_png(tmp_path):
    colour = RNG.integers(0, 65536, (*SHAPE, 3)).astype(np.uint16)
    alpha = np.full((*SHAPE, 1), 65535, np.uint16)
    check(png(tmp_path / "grey.png", RAMP, 0), stretched(RAMP))
    check(png(tmp_path / "rgb.png", colour, 2), colour / 257)
    check(png(tmp_path / "grey_alpha.png", np.dstack([RAMP, alpha]), 4), stretched(RAMP))
    check(png(tmp_path / "rgba.png", np.dstack([colour, alpha]), 6), colour / 257)
    alpha[3, 4] = 65534
    check(png(tmp_path / "holes.png", np.dstack([colour, alpha]), 6), colour / 257, (images.NO_ALPHA,))


def test_a_ramp_of_twelve_bits_has_256_levels(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", RAMP)
    png(tmp_path / "b.png", np.dstack([RAMP, np.full(SHAPE, 65535, np.uint16)]), 4)
    for name in ("a.png", "a.tif", "b.png"):
        assert len(np.unique(read(tmp_path / name)[0])) == 256
        check(tmp_path / name, 255 * np.clip((RAMP - 1000.0) / 500, 0, 1), window=(1000, 1500))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_fewer_bits_are_spread_and_windowed_as_stored(tmp_path, bits):
    white = 2**bits - 1
    values = RNG.integers(0, white + 1, SHAPE).astype(np.uint8)
    if bits == 1:
        Image.fromarray(values * 255).convert("1").save(tmp_path / "a.png")
    else:
        rows = np.packbits(
            ((values[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).reshape(SHAPE[0], -1), axis=1
        )
        header = struct.pack(">IIBBBBB", *SHAPE[::-1], bits, 0, 0, 0, 0)
        body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
        parts = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
        (tmp_path / "a.png").write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + b"".join(
                struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
                for name, data in parts
            )
        )
    tifffile.imwrite(
        tmp_path / "a.tif", values.astype(bool) if bits == 1 else values, bitspersample=bits, photometric="minisblack"
    )
    for name in ("a.png", "a.tif"):
        for window in ("file", "auto"):
            check(tmp_path / name, values * (255 / white), window=window)
        check(tmp_path / name, 255 * np.clip(values / 2.0, 0, 1), window=(0, 2))


def test_jpeg_of_twelve_bits_and_without_loss(tmp_path):
    smooth = np.fromfunction(lambda y, x: 40 * y + 30 * x, SHAPE).astype(np.uint16)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(smooth, level=100, bitspersample=12))
    check(tmp_path / "a.jpg", smooth * (255 / 4095), tolerance=1, window=(0, 4095))
    (tmp_path / "b.jpg").write_bytes(imagecodecs.ljpeg_encode(RAMP, bitspersample=12))
    check(tmp_path / "b.jpg", stretched(RAMP))
    eight = RNG.integers(0, 256, SHAPE, np.uint8)
    (tmp_path / "c.jpg").write_bytes(imagecodecs.ljpeg_encode(eight, bitspersample=8))
    check(tmp_path / "c.jpg", eight)


def test_jpeg_2000_avif_and_pnm_of_more_than_eight_bits(tmp_path):
    colour = RNG.integers(0, 4096, (*SHAPE, 3)).astype(np.uint16)
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(RAMP, bitspersample=12, reversible=True))
    check(tmp_path / "a.jp2", 255 * np.clip(RAMP / 2000.0, 0, 1), window=(0, 2000))
    (tmp_path / "b.jp2").write_bytes(imagecodecs.jpeg2k_encode(colour, bitspersample=12, reversible=True))
    check(tmp_path / "b.jp2", colour * (255 / 4095))
    eight = RNG.integers(0, 256, (*SHAPE, 3), np.uint8)
    (tmp_path / "c.jp2").write_bytes(imagecodecs.jpeg2k_encode(eight, reversible=True))
    check(tmp_path / "c.jp2", eight)
    smooth = np.fromfunction(lambda y, x, c: 10 * y + 9 * x + 40 * c, (*SHAPE, 3)).astype(np.uint16)
    (tmp_path / "d.avif").write_bytes(imagecodecs.avif_encode(smooth, level=95, bitspersample=10))
    check(tmp_path / "d.avif", smooth * (255 / 1023), tolerance=3)
    header = b"P5\n# of a scanner\n%d %d\n4095\n" % SHAPE[::-1]
    (tmp_path / "e.pgm").write_bytes(header + RAMP.astype(">u2").tobytes())
    check(tmp_path / "e.pgm", 255 * np.clip((RAMP - 100.0) / 300, 0, 1), window=(100, 400))
    check(tmp_path / "e.pgm", stretched(RAMP))


# TIFF

KINDS = [np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.float16, np.float32, np.float64, ">u2", ">f4"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_every_sample_format_of_tiff(tmp_path, kind, compression):
    drawn = RNG.normal(0, 40, SHAPE)
    values = (drawn - drawn.min() * (np.dtype(kind).kind == "u")).astype(kind)
    byteorder = ">" if str(kind).startswith(">") else "<"
    tifffile.imwrite(tmp_path / "a", values, compression=compression, byteorder=byteorder)
    check(tmp_path / "a", stretched(values))
    check(tmp_path / "a", 255 * np.clip((values.astype(float) - 10) / 30, 0, 1), window=(10, 40))


def test_floats_with_holes_and_complex_numbers(tmp_path):
    values = RNG.normal(size=SHAPE).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    tifffile.imwrite(tmp_path / "a.tif", values)
    check(tmp_path / "a.tif", stretched(values), ("its NaN and infinite values were made black",))
    tifffile.imwrite(tmp_path / "b.tif", values.astype(np.complex64))
    with pytest.raises(ValueError, match="it holds complex or undefined numbers"):
        read(tmp_path / "b.tif")
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((*SHAPE, 3), np.float32), photometric="rgb")
    with pytest.raises(ValueError, match="it holds colour as floats"):
        read(tmp_path / "c.tif")


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_colour_of_tiff(tmp_path, planar, tile):
    for kind, white in ((np.uint8, 255), (np.uint16, 65535), (np.uint32, 2**32 - 1)):
        colour = RNG.integers(0, white, (*SHAPE, 3), dtype=kind, endpoint=True)
        stored = colour if planar == "contig" else np.moveaxis(colour, -1, 0)
        options = {"photometric": "rgb", "planarconfig": planar, "tile": tile}
        tifffile.imwrite(tmp_path / "a.tif", stored, **options)
        check(tmp_path / "a.tif", colour.astype(float) * (255 / white))
        alpha = np.full((*SHAPE, 1), white, kind)
        alpha[0, 0] = 3
        stored = np.dstack([colour, alpha])
        stored = stored if planar == "contig" else np.moveaxis(stored, -1, 0)
        tifffile.imwrite(tmp_path / "b.tif", stored, extrasamples=["unassalpha"], **options)
        check(tmp_path / "b.tif", colour.astype(float) * (255 / white), (images.NO_ALPHA,))


def test_grey_with_alpha_white_is_zero_and_several_channels(tmp_path):
    alpha = np.full(SHAPE, 65535, np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", np.dstack([RAMP, alpha]), photometric="minisblack", extrasamples=["unassalpha"]
    )
    check(tmp_path / "a.tif", stretched(RAMP))
    eight = (RAMP // 16).astype(np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", eight, photometric="miniswhite")
    check(tmp_path / "b.tif", 255 - eight)
    tifffile.imwrite(tmp_path / "c.tif", RAMP, photometric="miniswhite")
    check(tmp_path / "c.tif", 255 - stretched(RAMP))
    with Image.open(tmp_path / "b.tif") as theirs:
        np.testing.assert_array_equal(read(tmp_path / "b.tif")[0][..., 0], np.asarray(theirs))
    channels = RNG.integers(0, 256, (5, *SHAPE), np.uint8)
    tifffile.imwrite(tmp_path / "d.tif", channels, photometric="minisblack", planarconfig="separate")
    check(tmp_path / "d.tif", channels[0], ("the first of its channels was taken",))


def test_palettes_of_tiff(tmp_path):
    indices = RNG.integers(0, 256, SHAPE, np.uint8)
    colours = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colours)
    check(tmp_path / "a.tif", colours[:, indices].transpose(1, 2, 0) / 257)
    tifffile.imwrite(tmp_path / "b.tif", indices, photometric="palette", colormap=colours // 257)
    check(
        tmp_path / "b.tif",
        (colours // 257)[:, indices].transpose(1, 2, 0),
        ("its palette says 16 bits and holds 8; it was read as 8",),
    )


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "YCbCr"])
def test_other_colour_spaces_of_tiff_are_pillows(tmp_path, mode):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rgb = np.stack([90 + x, 100 + y, 110 + (x + y) // 2], -1).astype(np.uint8)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        stored = ImageCms.applyTransform(Image.fromarray(rgb), ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    else:
        stored = Image.fromarray(rgb).convert(mode)
    stored.save(tmp_path / "a.tif")
    check(tmp_path / "a.tif", rgb, tolerance=4)
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((*SHAPE, 4), np.uint16), photometric="separated")
    with pytest.raises(ValueError, match="it holds CMYK of 16 bits, which is not supported; store RGB"):
        read(tmp_path / "deep.tif")


def test_tiff_in_jpeg(tmp_path):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rgb = np.stack([4 * x, 5 * y, 90 + x + y], -1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb", compression="jpeg", compressionargs={"level": 98})
    check(tmp_path / "a.tif", rgb, tolerance=6)


# Frames, orientation, transparency, modes


@pytest.mark.parametrize("strategy", GifImagePlugin.LoadingStrategy)
def test_the_first_of_several_frames(tmp_path, monkeypatch, strategy):
    monkeypatch.setattr(GifImagePlugin, "LOADING_STRATEGY", strategy)  # imageio changes it
    stack = RNG.integers(0, 256, (3, *SHAPE), np.uint8)
    stack.reshape(3, -1)[:, :256] = np.arange(256)  # all greys, so that a GIF needs no palette
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    pictures = [Image.fromarray(one) for one in stack]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], lossless=True)
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:])
    for name in ("a.tif", "a.gif", "a.webp", "a.png"):
        grey = [read(tmp_path / name, frame)[0][..., 0] for frame in (None, 0, 2)]
        for got, position in zip(grey, (0, 0, 2), strict=True):
            np.testing.assert_array_equal(got, stack[position])
        assert read(tmp_path / name)[1] == (images.FIRST_FRAME,)
        assert read(tmp_path / name, 2)[1] == ()
        with pytest.raises(ValueError, match=r"it has 3 (frame|page)s, counted from 0; there is no 3"):
            read(tmp_path / name, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_and_noted(tmp_path, orientation):
    """The oracle is Pillow's, for our own turning of TIFF and deep PNG too."""
    colour = RNG.integers(0, 256, (*SHAPE, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    notes = (images.TURNED,) if orientation > 1 else ()
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    upright = np.asarray(Image.fromarray(colour) if turn is None else Image.fromarray(colour).transpose(turn))
    for name in ("a.png", "a.webp"):
        Image.fromarray(colour).save(tmp_path / name, exif=exif, lossless=True)
        check(tmp_path / name, upright, notes)
    Image.fromarray(colour).save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    assert read(tmp_path / "a.jpg")[1] == notes
    assert read(tmp_path / "a.jpg")[0].shape == upright.shape
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", colour.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    check(tmp_path / "a.tif", upright, notes)
    cmyk = np.asarray(Image.fromarray(colour).convert("CMYK"))
    tifffile.imwrite(tmp_path / "b.tif", cmyk, photometric="separated", extratags=tag)
    check(tmp_path / "b.tif", upright, notes, tolerance=2)
    mask = colour[..., 0] > 128
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(mask_files.read(tmp_path / "mask.png").values > 0, upright[..., 0] > 128)


def test_transparency_is_dropped_and_noted_where_there_is_some(tmp_path):
    colour = RNG.integers(0, 256, (*SHAPE, 3), np.uint8)
    opaque = Image.fromarray(np.dstack([colour, np.full(SHAPE, 255, np.uint8)]))
    opaque.save(tmp_path / "a.png")
    check(tmp_path / "a.png", colour)
    opaque.putpixel((1, 1), (*colour[1, 1].tolist(), 0))
    opaque.save(tmp_path / "b.png")
    check(tmp_path / "b.png", colour, (images.NO_ALPHA,))
    grey = Image.fromarray(RAMP)
    grey.save(tmp_path / "c.png", transparency=0)
    check(tmp_path / "c.png", stretched(RAMP), (images.NO_ALPHA,))
    palette = Image.fromarray(colour).quantize(16)
    palette.save(tmp_path / "d.png", transparency=3)
    check(tmp_path / "d.png", np.asarray(palette.convert("RGB")), (images.NO_ALPHA,))


@pytest.mark.parametrize(("name", "kind"), [("a.bmp", "BMP"), ("a.tga", "TGA"), ("a.ppm", "PNM"), ("a.jfif", "JPEG")])
def test_other_files_of_eight_bits(tmp_path, name, kind):
    colour = np.full((*SHAPE, 3), (200, 100, 30), np.uint8)
    colour[:20] = 7
    Image.fromarray(colour).save(tmp_path / name, {"BMP": "BMP", "TGA": "TGA", "PNM": "PPM", "JPEG": "JPEG"}[kind])
    assert formats.recognise(tmp_path / name) == kind
    assert files.looks_like_image(tmp_path / name)
    check(tmp_path / name, colour, tolerance=40 if kind == "JPEG" else 0)


# NIfTI


def volume(path, data, affine=None, two=False, **header):
    kind = nibabel.Nifti2Image if two else nibabel.Nifti1Image
    image = kind(data, np.diag([-1, -1, 1, 1.0]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    image.to_filename(path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("two", [False, True])
def test_slices_of_nifti(tmp_path, name, two):
    data = RNG.integers(-1000, 1000, (20, 30, 7)).astype(np.int16)
    path = volume(tmp_path / name, data, two=two)
    check(path, stretched(data[..., 3].T), (nifti.MIDDLE,))
    for frame in (0, 6):
        check(path, stretched(data[..., frame].T), frame=frame)
    check(path, 255 * np.clip((data[..., 2].T + 100.0) / 300, 0, 1), frame=2, window=(-100, 200))
    with pytest.raises(ValueError, match="it has 7 slices, counted from 0; there is no 7"):
        read(path, 7)
    bare = tmp_path / "scan"
    bare.write_bytes(path.read_bytes())
    assert files.looks_like_image(bare)
    check(bare, stretched(data[..., 5].T), frame=5)


def test_nifti_values(tmp_path):
    eight = RNG.integers(0, 256, (20, 30, 1), np.uint8)
    check(volume(tmp_path / "a.nii", eight), eight[..., 0].T)
    scaled = volume(tmp_path / "b.nii", eight)
    raw = bytearray(scaled.read_bytes())
    raw[112:120] = struct.pack("<ff", 2.0, -10.0)  # scl_slope, scl_inter
    scaled.write_bytes(raw)
    check(scaled, stretched(eight[..., 0].T))
    check(scaled, 255 * np.clip((eight[..., 0].T * 2.0 - 10) / 90, 0, 1), window=(0, 90))
    stated = volume(tmp_path / "c.nii", eight.astype(np.int16), cal_min=20, cal_max=120)
    check(stated, 255 * np.clip((eight[..., 0].T - 20.0) / 100, 0, 1))
    check(stated, stretched(eight[..., 0].T), window="auto")
    holes = RNG.normal(size=(20, 30, 1))
    holes[2, 3] = np.nan
    expected = stretched(holes[..., 0].T)
    check(volume(tmp_path / "d.nii", holes), expected, ("its NaN and infinite values were made black",))
    rgb = np.zeros((20, 30, 2), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    for name in "RGB":
        rgb[name] = RNG.integers(0, 256, rgb.shape)
    check(volume(tmp_path / "e.nii", rgb), np.stack([rgb[name][..., 1].T for name in "RGB"], -1), frame=1)
    series = RNG.integers(0, 99, (20, 30, 3, 4)).astype(np.int16)
    check(volume(tmp_path / "f.nii", series), stretched(series[..., 1, 2].T), frame=7)
    with pytest.raises(ValueError, match="it holds complex numbers"):
        read(volume(tmp_path / "g.nii", np.zeros((4, 4, 1), np.complex64)))


@pytest.mark.parametrize("codes", ["LPS", "RAS", "LAS", "PSR", "ASL", "LSP", "SLP", "RIA", "PLS"])
def test_slices_of_nifti_are_upright(tmp_path, codes):
    """The same anatomy in any order of axes: left and back on the right, front and head on top."""
    to = nibabel.orientations.axcodes2ornt(codes)
    plain = nibabel.Nifti1Image(RNG.integers(0, 99, (8, 9, 10)).astype(np.int16), np.diag([-1, -1, 1, 1.0]))  # LPS
    turned = plain.as_reoriented(nibabel.orientations.ornt_transform(nibabel.orientations.axcodes2ornt("LPS"), to))
    turned.to_filename(tmp_path / "a.nii")
    stored = np.asarray(turned.dataobj)
    lps = np.asarray(plain.dataobj)
    axis = "LRPASI".index(codes[2]) // 2  # the slice axis in LPS
    at = 2 if codes[2] in "LPS" else lps.shape[axis] - 3
    plane = np.take(lps, at, axis)  # the other two axes, in the order L, P, S
    expected = plane.T if axis == 2 else plane.T[::-1]  # the head on top
    check(tmp_path / "a.nii", stretched(expected), frame=2)
    back = nifti.as_stored(nifti.shown(stored[..., 2], turned.affine), turned.affine)
    np.testing.assert_array_equal(back, stored[..., 2])


def test_one_slice_is_read(tmp_path):
    data = np.zeros((128, 128, 200), np.int16)
    data[..., 150] = np.arange(128)
    path = volume(tmp_path / "a.nii", data)
    read(path, 3)
    tracemalloc.start()
    pixels, _ = read(path, 150)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pixels.max() == 255
    assert peak < data.nbytes / 4


# What is not an image, or never opened


def test_kinds_by_their_first_bytes(tmp_path):
    for name, data, reason in [
        ("a.png", b"", "it is empty"),
        ("b.png", b"hello", "its format is not supported, or it is not an image"),
        ("c.png", b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer, not the file itself"),
        ("d.jpg", b"<!DOCTYPE html><html>404</html>", "it is a web page or XML file"),
        ("e.tif", b"PK\x03\x04" + b"\0" * 30, "it is a zip archive"),
        ("f.nii.gz", gzip.compress(b"no volume"), "it is a gzip file"),
        ("g.dcm", b"%PDF-1.4", "it is a PDF file"),
        ("h.jpg", b"\0\0\0\x18ftypheic\0\0\0\0", "it is a HEIF file"),
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=reason):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="it is a folder"):
        read(tmp_path)
    assert not files.looks_like_image(tmp_path / "none")
    assert not files.looks_like_image(tmp_path)


def test_a_wrong_suffix_does_not_matter(tmp_path):
    grey = RNG.integers(0, 256, SHAPE, np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.jpg", "PNG")
    Image.fromarray(grey).save(tmp_path / "b", "BMP")
    for name in ("a.jpg", "b"):
        check(tmp_path / name, grey)
        assert files.looks_like_image(tmp_path / name)


def test_special_files_are_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.png")) if len(str(tmp_path)) < 90 else (tmp_path / "s.png").symlink_to(
            "/dev/null"
        )
        (tmp_path / "zero.png").symlink_to("/dev/zero")
        for name in ("pipe.png", "s.png", "zero.png"):
            with pytest.raises(ValueError, match="it is a pipe, a socket or a device, not a regular file"):
                read(tmp_path / name)
            with pytest.raises(ValueError, match="not a regular file"):
                mask_files.read(tmp_path / name)
        assert not files.looks_like_image(tmp_path / "pipe")
        assert files.patient(tmp_path / "pipe") is None
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path / "loop.png")
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", (9, 9)).save(tmp_path / "set" / name / "1.png")
    os.mkfifo(tmp_path / "set" / "a" / "2.png")
    os.mkfifo(tmp_path / "set" / "a" / "3")
    batch = open_dataset(tmp_path / "set").read()
    assert len(batch) == 2
    assert dict(batch.skipped).get("a/2.png") in (None, "it is a pipe, a socket or a device, not a regular file")


def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path):
    def claims(path, old, new, count=1):
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, count))
        return path

    Image.new("L", (10, 10)).save(tmp_path / "a.png")
    with_size = struct.pack(">II", 60000, 60000)
    data = (tmp_path / "a.png").read_bytes()
    header = b"IHDR" + with_size + data[24:29]
    (tmp_path / "a.png").write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((10, 10), np.uint8), rowsperstrip=10)
    for tag in (256, 257):
        claims(tmp_path / "b.tif", struct.pack("<HHII", tag, 4, 1, 10), struct.pack("<HHII", tag, 4, 1, 60000))
    volume(tmp_path / "c.nii", np.zeros((10, 10, 1), np.uint8))
    claims(tmp_path / "c.nii", struct.pack("<4h", 3, 10, 10, 1), struct.pack("<4h", 3, 32000, 32000, 1))
    volume(tmp_path / "d.nii", np.zeros((10, 10, 3), np.uint8))
    claims(tmp_path / "d.nii", struct.pack("<4h", 3, 10, 10, 3), struct.pack("<4h", 3, 10000, 10000, 32000))
    tracemalloc.start()
    for name in ("a.png", "b.tif", "c.nii", "d.nii"):
        with pytest.raises(ValueError, match=r"it says that it has .*(pixels|voxels)"):
            read(tmp_path / name)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.jp2", "a.avif", "a.gif", "a.bmp", "a.nii", "a.nii.gz"])
def test_nothing_but_a_reason_comes_out_of_damaged_files(tmp_path, name):
    values = RNG.integers(0, 256, (33, 35, 3), np.uint8)
    path = tmp_path / name
    if ".nii" in name:
        volume(path, values.astype(np.int16))
    elif name == "a.tif":
        tifffile.imwrite(path, values.astype(np.uint16), compression="zlib", photometric="rgb")
    else:
        Image.fromarray(values).save(path)
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    for number in range(60):
        damaged = bytearray(data)
        for at in rng.integers(0, min(len(data), 600), 4):
            damaged[at] = rng.integers(256)
        (tmp_path / f"x{name}").write_bytes(damaged if number % 3 else data[: rng.integers(1, len(data))])
        try:
            pixels = read(tmp_path / f"x{name}")[0]
        except (ValueError, OSError) as error:
            pixels, reason = None, images.reason(error)
        assert pixels is not None or len(reason) > 5


def test_a_decoder_that_fails_in_any_way_gives_a_reason(tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "a.png")
    before = list(warnings.filters)
    for error, reason in [
        (KeyError("x"), "it is damaged or of a PNG variant that is not supported"),
        (MemoryError(), "it needs more memory than there is"),
        (RecursionError("deep"), "not supported .deep."),
        (BaseException("panic"), "not supported .panic."),
    ]:

        def fail(*given, error=error):
            warnings.warn("about a patient", stacklevel=1)
            raise error

        monkeypatch.setattr(pillow, "read", fail)
        with pytest.raises(ValueError, match=reason):
            read(tmp_path / "a.png")
    monkeypatch.setattr(pillow, "read", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path / "a.png")
    assert list(warnings.filters) == before


class TestPairs:
    """A header in `.hdr` and values in `.img`: Analyze 7.5, and NIfTI in two files."""

    VALUES = np.arange(4 * 3 * 2, dtype=np.int16).reshape(4, 3, 2)

    def folder(self, tmp_path, kind):
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            nibabel.save(kind(self.VALUES, np.diag([-1, 1, 1, 1])), tmp_path / label / "1.img")
        return tmp_path

    @pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Nifti1Pair])
    def test_the_middle_slice_is_read_and_both_files_are_counted(self, tmp_path, kind):
        dataset = open_dataset(self.folder(tmp_path, kind), window=(0, 255))
        assert [case.id for case in dataset.cases] == ["a/1.hdr", "b/1.hdr"]
        assert dataset.found.taken == {"image": 2, "values of an image": 2}
        batch = dataset.read([0], shape=(3, 4, 1))
        np.testing.assert_array_equal(batch.images[0, ..., 0], self.VALUES[:, ::-1, 1].T)
        said = [note for _, note in batch.notes if "orientation is not stored" in note]
        assert len(said) == (kind is nibabel.AnalyzeImage)

    def test_a_header_without_values_is_skipped(self, tmp_path):
        folder = self.folder(tmp_path, nibabel.AnalyzeImage)
        (folder / "b" / "1.img").unlink()
        assert open_dataset(folder).read([0, 1]).skipped == (("b/1.hdr", "the .img file of its name is not there"),)

    def test_a_table_may_name_either_file(self, tmp_path):
        folder = self.folder(tmp_path, nibabel.AnalyzeImage)
        (folder / "labels.csv").write_text("file,label\na/1.img,x\nb/1.hdr,y\n")
        batch = open_dataset(folder).read([0, 1])
        np.testing.assert_array_equal(batch.images[0], batch.images[1])

    def test_another_file_named_hdr_is_not_an_image(self, tmp_path):
        folder = self.folder(tmp_path, nibabel.AnalyzeImage)
        (folder / "a" / "scene.hdr").write_bytes(b"ENVI\nsamples = 3\n" + bytes(400))
        assert len(open_dataset(folder)) == 2
