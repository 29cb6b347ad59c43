"""Masks: stored values of every kind of file, what they mean, and masks from annotations, against NumPy alone."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

from xaijax._errors import InputError
from xaijax.data import open_dataset
from xaijax.data.files import ImageFile
from xaijax.data.masks import (
    Boxes,
    Canvas,
    MaskFile,
    Masks,
    box_table,
    coco,
    masks_of,
    read_entry,
    rle,
    shapes,
    soft,
    stored,
    voc,
)
from xaijax.data.reading import Reading, parse_mask_values

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.repeat(np.array([[0, 1, 0, 2], [4, 0, 1, 0], [0, 0, 2, 4]]), 5, 0), 6, 1)  # BraTS: 1, 2, 4


def given(path: Path | MaskFile, *rule: str, role=None, shape=(15, 24)) -> Masks:
    return read_entry(path, role, Canvas(shape, reading=Reading(mask_values=parse_mask_values(rule))))


def only(found: Masks) -> np.ndarray:
    (element,) = found.elements
    return element.mask


def saved(path: Path, labels: np.ndarray, mode: str) -> Path:
    """The labels written in a storage mode; the modes keep whole numbers, whatever they are called."""
    eight = labels.astype(np.uint8)
    if mode == "P":
        image = Image.fromarray(eight).convert("P")
        image.putdata(eight.ravel().tolist())
        image.putpalette(np.random.default_rng(5).integers(0, 256, 768).astype(np.uint8).tobytes())
    elif mode == "I":
        image = Image.fromarray(labels.astype(np.int32))
    elif mode == "I;16":
        image = Image.fromarray(labels.astype(np.uint16))
    elif mode == "1":
        image = Image.fromarray(labels > 0)
    elif mode == "RGB":
        image = Image.fromarray(np.repeat(eight[..., None], 3, 2))
    elif mode == "RGBA":
        image = Image.fromarray(np.dstack([eight, eight, eight, np.full_like(eight, 255)]))
    elif mode == "LA":
        image = Image.merge("LA", (Image.fromarray(eight), Image.new("L", eight.shape[::-1], 255)))
    else:
        image = Image.fromarray(eight)
    image.save(path)
    return path


MODES = ["P", "L", "I", "I;16", "RGB", "RGBA", "LA"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_same_labels_give_the_same_mask_in_every_mode(tmp_path, mode, suffix):
    if (mode, suffix) == ("I", "png"):
        mode = "I;16"  # Pillow writes no other deep PNG
    path = saved(tmp_path / f"mask.{suffix}", LABELS, mode)
    np.testing.assert_array_equal(stored.read(path).values, LABELS)
    lesion, organ = given(path, "lesion=1,4", "organ=2").elements
    np.testing.assert_array_equal(lesion.mask, np.isin(LABELS, (1, 4)))
    np.testing.assert_array_equal(organ.mask, LABELS == 2)
    assert (lesion.role, organ.role) == ("lesion", "organ")


@pytest.mark.parametrize("mode", [*MODES, "1"])
@pytest.mark.parametrize("value", [1, 3, 128, 255])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_two_values_are_a_mask_in_every_mode(tmp_path, mode, value, suffix):
    if (mode, suffix) == ("I", "png"):
        mode = "I;16"
    inside = LABELS == 1
    path = saved(tmp_path / f"mask.{suffix}", np.where(inside, value, 0), mode)
    found = given(path, role="organ")
    np.testing.assert_array_equal(only(found), inside)
    assert found.notes == ()
    assert found.elements[0].role == "organ"


@pytest.mark.parametrize(
    ("low", "high", "dtype", "noted"),
    [
        (0, 65535, np.uint16, False),
        (0, 300, np.uint16, False),
        (0, 1, bool, False),
        (0, -1, np.int8, False),
        (0, 1, np.float32, False),
        (0, 0.5, np.float64, False),
        (1, 2, np.uint8, True),
        (100, 101, np.int64, True),
    ],
)
def test_two_values_of_arrays(tmp_path, low, high, dtype, noted):
    inside = LABELS == 1
    np.save(tmp_path / "mask.npy", np.where(inside, high, low).astype(dtype))
    found = given(tmp_path / "mask.npy")
    np.testing.assert_array_equal(only(found), inside)
    said = (f"a mask of the values {low} and {high}: the lower is outside",)
    assert found.notes == (said if noted else ())


def test_a_label_map_without_a_rule_is_refused_with_values_and_shares(tmp_path):
    labels = np.zeros(100, np.uint8)
    labels[:20], labels[20:29] = 1, 2
    Image.fromarray(labels.reshape(10, 10)).save(tmp_path / "mask.png")
    found = given(tmp_path / "mask.png")
    assert found.elements == ()
    assert found.notes == ("a mask is a label map of the values 0 (71 %), 1 (20 %), 2 (9 %); give --mask-values",)


@pytest.mark.parametrize("values", [[1, 2], [1, 2, 4], list(range(1, 9)), [50, 100, 150, 200, 250], [128, 255]])
def test_no_part_of_a_label_map_is_lost(tmp_path, values):
    """Labels, BraTS, eight instances, spread labels: refused without a rule; by a rule nothing is lost."""
    labels = np.zeros((40, 60), np.uint8)
    for at, value in enumerate(values):
        labels[5 * (at % 4) + 2 : 5 * (at % 4) + 6, 12 * (at // 4) + 3 : 12 * (at // 4) + 9] = value
    path = saved(tmp_path / "mask.png", labels, "L")
    assert given(path).elements == ()
    assert all(f" {value} (" in given(path).notes[0] for value in values)
    whole = given(path, ",".join(map(str, values)))
    np.testing.assert_array_equal(only(whole), labels > 0)
    assert whole.notes == ()
    np.testing.assert_array_equal(only(given(path, str(values[0]))), labels == values[0])


def test_many_values_are_named_by_the_most_common(tmp_path):
    labels = np.arange(300, dtype=np.uint16).repeat(4)
    labels[:1000] = 299
    np.save(tmp_path / "mask.npy", labels.reshape(30, 40))
    (note,) = given(tmp_path / "mask.npy").notes
    assert note.endswith("299 (84 %) and 38 more; give --mask-values")
    assert note.count("under 1 %") == 11


def test_values_that_a_rule_does_not_name_are_outside_and_noted(tmp_path):
    path = saved(tmp_path / "mask.png", LABELS, "L")
    found = given(path, "lesion=1,77")
    np.testing.assert_array_equal(only(found), LABELS == 1)
    assert found.notes == ("a mask has values that --mask-values does not name (2, 4): they are outside",)
    empty = given(path, "lesion=77")
    assert not only(empty).any()


def test_two_values_under_a_rule(tmp_path):
    """The rule reads them if it names them; a drawn 0/255 mask that it does not name is refused, not empty."""
    inside = LABELS == 1
    four = saved(tmp_path / "four.png", np.where(inside, 4, 0), "L")
    two = saved(tmp_path / "two.png", np.where(inside, 2, 0), "L")
    full = saved(tmp_path / "full.png", np.where(inside, 255, 0), "L")
    np.testing.assert_array_equal(only(given(four, "lesion=1,4")), inside)
    assert not only(given(two, "lesion=1,4")).any()  # a slice that has none of the rule's labels
    assert given(two, "lesion=1,4").notes
    assert given(full, "lesion=1,4").elements == ()
    (note,) = given(full, "lesion=1,4").notes
    assert (
        note
        == f"a mask has the values 0 ({100 - 100 / 6:.0f} %), 255 ({100 / 6:.0f} %), which --mask-values does not name"
    )
    np.testing.assert_array_equal(only(given(full, "255")), inside)


def test_a_rule_and_a_stated_role(tmp_path):
    """A file of a stated role takes the rule's part for this role, or what is said without a role."""
    path = saved(tmp_path / "mask.png", LABELS, "L")
    np.testing.assert_array_equal(only(given(path, "lesion=1,4", "organ=2", role="organ")), LABELS == 2)
    found = given(path, "1,4", role="artefact")
    np.testing.assert_array_equal(only(found), np.isin(LABELS, (1, 4)))
    assert found.elements[0].role == "artefact"
    refused = given(path, "lesion=1", role="organ")
    assert refused.elements == ()
    assert refused.notes[0].endswith("--mask-values has none of the organ")
    two = saved(tmp_path / "two.png", LABELS == 1, "L")
    np.testing.assert_array_equal(only(given(two, "lesion=4", role="organ")), LABELS == 1)


def test_values_without_a_role_are_those_of_the_mask_role(tmp_path):
    """Masks of another stated role are not read by them."""
    organ = saved(tmp_path / "organ.png", LABELS, "L")
    box = saved(tmp_path / "box.png", np.where(LABELS == 2, 255, 0), "L")
    reading = Reading(mask_role="organ", mask_values=parse_mask_values(["1,4"]))
    canvas = Canvas((15, 24), reading=reading)
    np.testing.assert_array_equal(only(read_entry(organ, None, canvas)), np.isin(LABELS, (1, 4)))
    np.testing.assert_array_equal(only(read_entry(organ, "organ", canvas)), np.isin(LABELS, (1, 4)))
    np.testing.assert_array_equal(only(read_entry(box, "artefact", canvas)), LABELS == 2)
    assert read_entry(organ, "artefact", canvas).elements == ()


def test_a_mask_that_may_be_inverted_is_said_and_can_be_turned():
    lesion = np.zeros((12, 10), bool)
    lesion[3:6, 4:8] = True
    inverted = stored.array(np.where(lesion, 0, 255).astype(np.uint8))
    found = masks_of(inverted, None, {})
    assert any("if it is inverted, give --mask-values 0" in note for note in found.notes)
    np.testing.assert_array_equal(found.elements[0].mask, ~lesion)
    np.testing.assert_array_equal(masks_of(inverted, None, {None: (0,)}).elements[0].mask, lesion)
    for usual in (lesion, np.ones((12, 10), bool)):
        assert not any("inverted" in note for note in masks_of(stored.array(usual), None, {}).notes)


def test_trimaps_need_a_rule(tmp_path):
    """1 animal, 2 background, 3 border: above half of the largest value would be everything but the animal."""
    trimap = np.full((30, 30), 2)
    trimap[8:22, 8:22] = 3
    trimap[10:20, 10:20] = 1
    path = saved(tmp_path / "mask.png", trimap, "P")
    assert given(path).elements == ()
    assert "1 (11 %), 2 (78 %), 3 (11 %)" in given(path).notes[0]
    by_layout = given(MaskFile(path, rule={"organ": (1,)}))
    np.testing.assert_array_equal(only(by_layout), trimap == 1)
    assert by_layout.notes == ()
    with_border = given(MaskFile(path, rule={"organ": (1,)}), "organ=1,3")
    np.testing.assert_array_equal(only(with_border), trimap != 2)


def test_one_value(tmp_path):
    for value in (0, 255):
        Image.new("L", (5, 4), value).save(tmp_path / "mask.png")
        found = given(tmp_path / "mask.png")
        np.testing.assert_array_equal(only(found), np.full((4, 5), value > 0))
        assert found.notes == (("a mask is inside everywhere: all its values are 255",) if value else ())


@pytest.mark.parametrize("kind", ["uniform", "sparse", "dense", "single", "jpeg"])
def test_noise_of_two_grey_levels_is_not_a_lesion(tmp_path, kind):
    noise = {
        "uniform": RNG.integers(0, 3, (64, 64)),
        "sparse": 2 * (RNG.random((64, 64)) < 0.02),
        "dense": 2 * (RNG.random((64, 64)) < 0.5),
        "single": 2 * (np.arange(4096).reshape(64, 64) == 1234),
        "jpeg": RNG.integers(0, 3, (64, 64)),
    }[kind].astype(np.uint8)
    path = tmp_path / ("mask.jpg" if kind == "jpeg" else "mask.png")
    Image.fromarray(noise).save(path)
    found = given(path)
    assert not any(element.mask.any() for element in found.elements)
    assert found.notes


def test_a_region_of_a_low_value_is_a_mask(tmp_path):
    inside = np.zeros((64, 64), bool)
    inside[20:30, 31] = inside[40:42, 5:7] = True
    np.testing.assert_array_equal(only(given(saved(tmp_path / "mask.png", 2 * inside, "L"))), inside)


def drawn(size: int = 128) -> Image.Image:
    image = Image.new("L", (size, size))
    pen = ImageDraw.Draw(image)
    pen.ellipse((size // 8, size // 4, size // 2, size // 2), fill=255)
    pen.rectangle((5 * size // 8, 5 * size // 8, 7 * size // 8, 3 * size // 4), fill=255)
    return image


@pytest.mark.parametrize("filter_", ["BILINEAR", "BICUBIC", "LANCZOS"])
@pytest.mark.parametrize("size", [40, 90, 200, 400])
def test_soft_edges_are_cut_half_way(tmp_path, filter_, size):
    resized = np.asarray(drawn().resize((size, size), Image.Resampling[filter_]))
    assert len(np.unique(resized)) > 2
    Image.fromarray(resized).save(tmp_path / "mask.png")
    found = given(tmp_path / "mask.png")
    np.testing.assert_array_equal(only(found), resized >= 128)
    assert found.notes == ("a mask with soft edges or noise was cut half way",)


@pytest.mark.parametrize("quality", [30, 50, 75, 95])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_noise_of_compression_is_cut_half_way(tmp_path, quality, mode):
    whole = drawn(256)
    whole.convert(mode).save(tmp_path / "mask.jpg", quality=quality)
    np.testing.assert_array_equal(only(given(tmp_path / "mask.jpg")), np.asarray(whole) > 0)
    Image.open(tmp_path / "mask.jpg").save(tmp_path / "mask.png")  # what was lossy once may lie in a lossless file
    np.testing.assert_array_equal(only(given(tmp_path / "mask.png")), np.asarray(whole) > 0)


@pytest.mark.parametrize("quality", [90, 95])
def test_label_maps_that_were_saved_as_jpeg(tmp_path, quality):
    labels = np.zeros((96, 96), np.uint8)
    labels[10:50, 10:50], labels[60:90, 40:80] = 1, 2
    Image.fromarray(127 * labels).save(tmp_path / "far.jpg", quality=quality)
    found = given(tmp_path / "far.jpg", "lesion=127", "organ=254")
    for element, value in zip(found.elements, (1, 2), strict=True):
        assert (element.mask != (labels == value)).mean() < 0.002
    assert found.notes == ("a mask in a format that adds noise: its values are the closest ones that have a meaning",)
    # One label has no name, or labels are closer to each other than the noise: nobody can say what is what.
    Image.fromarray(labels).save(tmp_path / "close.jpg", quality=quality)
    for name, rule in (("far.jpg", ["lesion=254"]), ("close.jpg", ["lesion=1", "organ=2"])):
        found = given(tmp_path / name, *rule)
        if found.elements:  # no value was changed
            assert (found.elements[0].mask != (labels == 1)).mean() < 0.02
        else:
            assert found.notes[0].endswith("in a format that adds noise; store it as PNG")
    whole = 255 * (labels == 1).astype(np.uint8)
    Image.fromarray(whole).save(tmp_path / "two.jpg", quality=quality)
    found = given(tmp_path / "two.jpg", "lesion=255")
    np.testing.assert_array_equal(found.elements[0].mask, whole > 0)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
@pytest.mark.parametrize("axis", [0, 2])
def test_arrays_with_one_channel_per_class_are_label_maps(tmp_path, kind, axis):
    labels = RNG.integers(0, 4, (40, 30))
    np.save(tmp_path / "mask.npy", np.moveaxis(np.eye(4)[labels], 2, axis).astype(kind))
    found = given(tmp_path / "mask.npy", "lesion=1,3")
    np.testing.assert_array_equal(found.elements[0].mask, np.isin(labels, (1, 3)))
    refused = given(tmp_path / "mask.npy")
    assert refused.elements == ()
    assert refused.notes[0] == "a mask is stored with one channel per class: its labels were read"


def test_label_maps_with_void_are_not_soft():
    """Labels close to 0 and 255 for void: the ends are 5 % apart from them, yet they are no noise."""
    labels = np.zeros((60, 60), np.uint8)
    labels[10:50, 10:50] = 255
    labels[13:47, 13:30], labels[13:47, 30:47] = 1, 2
    assert soft.threshold(labels) is None
    border = np.zeros((60, 60), np.uint8)
    border[10:50, 10:50] = 128
    border[12:48, 12:48] = 255
    assert soft.threshold(border) is None
    thin = np.zeros((60, 60), np.uint8)
    thin[10:50, 10:50] = 128
    thin[11:49, 11:49] = 255
    assert soft.threshold(thin) is None
    assert soft.threshold(np.tile(np.arange(256, dtype=np.uint8), (20, 1))) is None  # a ramp is no edge
    photo = np.clip(RNG.normal(128, 60, (64, 64)), 0, 255).astype(np.uint8)
    assert soft.threshold(photo) is None


def test_a_mask_drawn_in_the_transparency(tmp_path):
    inside = LABELS == 1
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    for colour in ((255, 0, 0), (0, 0, 0), (255, 255, 255)):
        pixels = np.dstack([np.full(LABELS.shape, part, np.uint8) for part in colour] + [alpha])
        Image.fromarray(pixels).save(tmp_path / "mask.png")
        found = given(tmp_path / "mask.png")
        np.testing.assert_array_equal(only(found), inside)
        assert found.notes == ("a mask is drawn in the transparency of its file",)
    Image.merge("LA", (Image.new("L", (24, 15), 90), Image.fromarray(alpha))).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(only(given(tmp_path / "grey.png")), inside)
    # Under full transparency colours mean nothing: a black lesion on transparent white.
    pixels = np.dstack([np.where(inside, 0, 255).astype(np.uint8)] * 3 + [alpha])
    Image.fromarray(pixels).save(tmp_path / "black.png")
    np.testing.assert_array_equal(only(given(tmp_path / "black.png")), inside)
    # Nothing is drawn.
    Image.new("RGBA", (24, 15), (255, 255, 255, 0)).save(tmp_path / "none.png")
    assert not only(given(tmp_path / "none.png")).any()


def test_transparency_with_colours(tmp_path):
    """Labels as colours on transparent ground: the transparent part is outside, whatever its colour."""
    alpha = np.where(LABELS > 0, 255, 0).astype(np.uint8)
    red = np.select([LABELS == 1, LABELS == 2], [255, 0], 77).astype(np.uint8)
    green = np.where(LABELS == 2, 255, 0).astype(np.uint8)
    Image.fromarray(np.dstack([red, green, np.zeros_like(red), alpha])).save(tmp_path / "mask.png")
    found = given(tmp_path / "mask.png", "lesion=#ff0000", "organ=#00ff00")
    np.testing.assert_array_equal(found.elements[0].mask, LABELS == 1)
    np.testing.assert_array_equal(found.elements[1].mask, LABELS == 2)


def test_colour_coded_masks(tmp_path):
    colours = {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 0, 255), 4: (255, 255, 0)}
    pixels = np.array([[colours[int(label)] for label in row] for row in LABELS], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    refused = given(tmp_path / "mask.png")
    assert refused.elements == ()
    assert "#000000 (50 %), #0000ff (17 %), #ff0000 (17 %), #ffff00 (17 %)" in refused.notes[0]
    found = given(tmp_path / "mask.png", "lesion=#FF0000,#ffff00", "organ=#0000ff")
    np.testing.assert_array_equal(found.elements[0].mask, np.isin(LABELS, (1, 4)))
    np.testing.assert_array_equal(found.elements[1].mask, LABELS == 2)
    # The same colours in a palette.
    indexed = Image.fromarray(pixels).quantize(8, dither=Image.Dither.NONE)
    indexed.save(tmp_path / "indexed.png")
    again = given(tmp_path / "indexed.png", "lesion=#ff0000,#ffff00")
    np.testing.assert_array_equal(only(again), np.isin(LABELS, (1, 4)))


def test_two_colours(tmp_path):
    inside = LABELS == 1
    for outside, within, works in (
        ((0, 0, 0), (200, 10, 10), True),
        ((255, 255, 255), (200, 10, 10), True),
        ((0, 200, 0), (200, 0, 0), False),
    ):
        Image.fromarray(np.where(inside[..., None], within, outside).astype(np.uint8)).save(tmp_path / "mask.png")
        found = given(tmp_path / "mask.png")
        if works:
            np.testing.assert_array_equal(only(found), inside)
        else:
            assert found.elements == ()
            assert "label map" in found.notes[0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_tiff_of_any_sample_format(tmp_path, dtype, compression):
    labels = LABELS.astype(dtype) * (300 if np.dtype(dtype).itemsize > 1 else 1)
    tifffile.imwrite(tmp_path / "mask.tif", labels, compression=compression)
    np.testing.assert_array_equal(stored.read(tmp_path / "mask.tif").values, labels)


def test_tiff_pages_orientation_and_white_is_zero(tmp_path):
    pages = np.stack([LABELS, LABELS[::-1]]).astype(np.uint8)
    tifffile.imwrite(tmp_path / "pages.tif", pages, photometric="minisblack")
    found = stored.read(tmp_path / "pages.tif")
    np.testing.assert_array_equal(found.values, LABELS)
    assert found.notes == ("the first of several pages of a mask was read",)
    np.testing.assert_array_equal(stored.read(tmp_path / "pages.tif", 1).values, LABELS[::-1])
    with pytest.raises(ValueError, match="2 pages"):
        stored.read(tmp_path / "pages.tif", 2)
    turned = {1: LABELS, 2: LABELS[:, ::-1], 3: LABELS[::-1, ::-1], 4: LABELS[::-1], 5: LABELS.T}
    turned |= {6: np.rot90(LABELS, -1), 7: LABELS[::-1, ::-1].T, 8: np.rot90(LABELS)}
    for orientation, expected in turned.items():
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(tmp_path / "turned.tif", LABELS.astype(np.uint8), extratags=[tag])
        np.testing.assert_array_equal(stored.read(tmp_path / "turned.tif").values, expected)
    # White is 0 in such a file, so black is outside.
    tifffile.imwrite(tmp_path / "white.tif", np.where(LABELS == 1, 0, 255).astype(np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(only(given(tmp_path / "white.tif")), LABELS == 1)


def test_masks_are_turned_as_their_exif_orientation_says(tmp_path):
    image = Image.fromarray(np.where(LABELS == 1, 255, 0).astype(np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    image.save(tmp_path / "mask.png", exif=exif)
    np.testing.assert_array_equal(only(given(tmp_path / "mask.png")), np.rot90(LABELS, -1) == 1)


def test_gif_frames(tmp_path):
    frames = [Image.fromarray(np.where(value == LABELS, 255, 0).astype(np.uint8)) for value in (1, 2)]
    frames[0].save(tmp_path / "mask.gif", save_all=True, append_images=frames[1:])
    found = given(tmp_path / "mask.gif")
    np.testing.assert_array_equal(only(found), LABELS == 1)
    assert found.notes == ("the first of several frames of a mask was read",)


def test_arrays_are_checked_before_they_are_read(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[{}]], object), allow_pickle=True)
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    np.save(tmp_path / "line.npy", np.arange(5))
    np.save(tmp_path / "nan.npy", np.array([[0, np.nan]]))
    np.save(tmp_path / "fractions.npy", np.array([[0.1, 0.2, 0.3]]))
    whole = io.BytesIO()
    np.save(whole, np.zeros((100, 100), np.uint8))
    (tmp_path / "short.npy").write_bytes(whole.getvalue()[:5000])
    huge = whole.getvalue().replace(b"(100, 100), }", b"(9999999, 9999999), }".ljust(13))
    (tmp_path / "huge.npy").write_bytes(huge)
    reasons = {
        "objects": "Python objects",
        "text": "not numbers",
        "line": "shape 5",
        "nan": "NaN",
        "short": "shorter than its header",
        "huge": "cannot be read",
        "fractions": "0.1 (33 %), 0.2 (33 %), 0.3 (33 %)",
    }
    for name, reason in reasons.items():
        found = given(tmp_path / f"{name}.npy")
        assert found.elements == ()
        assert reason in found.notes[0], found.notes
    np.save(tmp_path / "stack.npy", np.stack([LABELS == 1, LABELS == 2]))
    np.testing.assert_array_equal(only(given(MaskFile(tmp_path / "stack.npy", frame=1))), LABELS == 2)


def test_files_that_are_no_masks_cost_the_mask_alone(tmp_path):
    Image.new("L", (4, 4), 9).save(tmp_path / "image.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    whole = (tmp_path / "image.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:40])
    names = ["text.png", "empty.png", "pipe.png", "cut.png", "none.png"]
    source = ImageFile(tmp_path / "image.png", tuple((None, tmp_path / name) for name in names))
    content = source.read(masks=True)
    assert content.image.shape == (4, 4, 1)
    assert content.elements == ()
    assert len(content.notes) == len(names)
    assert all(note.startswith("a mask cannot be read (") for note in content.notes)
    assert "not a regular file" in content.notes[2]
    assert "file not found" in content.notes[4]


def test_nifti_slices(tmp_path):
    import nibabel

    volume = RNG.integers(0, 5, (6, 9, 4)).astype(np.int16)
    ras = np.diag([1.0, 1, 1, 1])
    for name in ("mask.nii", "mask.nii.gz"):
        nibabel.save(nibabel.Nifti1Image(volume, ras), tmp_path / name)
        # The first axis leads to the right and the second to the front: left on the right, front on top.
        np.testing.assert_array_equal(stored.read(tmp_path / name, 3).values, volume[::-1, ::-1, 3].T)
        middle = stored.read(tmp_path / name)
        np.testing.assert_array_equal(middle.values, volume[::-1, ::-1, 2].T)
        assert middle.notes == ("the middle one of several slices of a mask was read",)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1.0, -1, 1, 1])), tmp_path / "lps.nii")
    np.testing.assert_array_equal(stored.read(tmp_path / "lps.nii", 0).values, volume[..., 0].T)
    with pytest.raises(ValueError, match="4 slices"):
        stored.read(tmp_path / "lps.nii", 4)
    found = given(MaskFile(tmp_path / "lps.nii", frame=1), "lesion=1,4")
    np.testing.assert_array_equal(only(found), np.isin(volume[..., 1].T, (1, 4)))
    (tmp_path / "cut.nii").write_bytes((tmp_path / "lps.nii").read_bytes()[:400])
    assert given(tmp_path / "cut.nii").elements == ()


# Segmentations


def slices(count: int = 3):
    """A small CT series."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    found = []
    for number in range(count):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = CTImageStorage
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = "7", "Doe^Jane", "", ""
        one.StudyDate = one.StudyTime = one.StudyID = one.AccessionNumber = one.ReferringPhysicianName = ""
        one.Modality, one.SeriesNumber, one.InstanceNumber = "CT", 1, number + 1
        one.ImageOrientationPatient, one.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 5.0 * number]
        one.PixelSpacing, one.SliceThickness, one.PositionReferenceIndicator = [1, 1], 5, ""
        one.Rows, one.Columns, one.SamplesPerPixel, one.PhotometricInterpretation = 15, 24, 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 0
        one.PixelData = RNG.integers(0, 1000, (15, 24)).astype(np.uint16).tobytes()
        found.append(one)
    return found


def segments(*labels: str):
    import highdicom as hd
    from pydicom.sr.codedict import codes

    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.Tissue,
            segmented_property_type=codes.SCT.Tissue,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(labels, 1)
    ]


@pytest.fixture
def series(tmp_path):
    images = slices()
    for number, image in enumerate(images):
        image.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    return images


def segmentation(path: Path, images, masks: np.ndarray, labels: tuple[str, ...], kind: str = "BINARY", **more) -> Path:
    import highdicom as hd

    hd.seg.Segmentation(
        source_images=images,
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues[kind],
        segment_descriptions=segments(*labels),
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
        **more,
    ).save_as(path)
    return path


def of_slice(path: Path, image: Path, *rule: str, role=None, seg_rule=None) -> Masks:
    reading = Reading(mask_values=parse_mask_values(rule))
    return read_entry(MaskFile(path, rule=seg_rule), role, Canvas((15, 24), image, reading))


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segmentations_belong_to_the_image_they_refer_to(tmp_path, series, kind):
    """Frames in another order than the files, an empty slice, segments by number and by label."""
    parts = np.zeros((3, 15, 24, 2), np.uint8)
    parts[0, 2:5, 3:9, 0] = parts[2, 7:11, 10:20, 0] = 1
    parts[0, 8:12, 3:6, 1] = 1
    order = [2, 0, 1]
    path = segmentation(tmp_path / "seg.dcm", [series[at] for at in order], parts[order], ("liver", "Tumour 1"), kind)
    for number in range(3):
        image = tmp_path / f"{number}.dcm"
        organ, lesion = of_slice(path, image, "organ=1", "lesion=2").elements
        np.testing.assert_array_equal(organ.mask, parts[number, ..., 0] > 0)
        np.testing.assert_array_equal(lesion.mask, parts[number, ..., 1] > 0)
        assert (organ.name, organ.role, lesion.name) == ("liver", "organ", "Tumour 1")
        by_label = of_slice(path, image, seg_rule={"lesion": ("tumour_1",)})
        np.testing.assert_array_equal(only(by_label), parts[number, ..., 1] > 0)
    refused = of_slice(path, tmp_path / "0.dcm")
    assert refused.elements == ()
    assert refused.notes == ("a segmentation has the segments 1 (liver), 2 (Tumour 1); give --mask-values",)


def test_one_segment_needs_no_rule(tmp_path, series):
    inside = np.zeros((3, 15, 24), np.uint8)
    inside[1, 4:9, 5:15] = 1
    path = segmentation(tmp_path / "seg.dcm", series, inside, ("nodule",))
    found = of_slice(path, tmp_path / "1.dcm", role="lesion")
    np.testing.assert_array_equal(only(found), inside[1] > 0)
    assert (found.elements[0].name, found.elements[0].role) == ("nodule", "lesion")
    assert not only(of_slice(path, tmp_path / "0.dcm")).any()
    content = ImageFile(tmp_path / "1.dcm", (("lesion", path),)).read(masks=True)
    np.testing.assert_array_equal(content.elements[0].mask, inside[1] > 0)


def test_segmentations_of_other_images_are_refused(tmp_path, series):
    inside = np.zeros((2, 15, 24), np.uint8)
    inside[:, 4:9, 5:15] = 1
    path = segmentation(tmp_path / "seg.dcm", series[:2], inside, ("nodule",))
    assert of_slice(path, tmp_path / "2.dcm").notes == ("a mask cannot be read (the segmentation is of other images)",)
    Image.new("L", (24, 15)).save(tmp_path / "image.png")
    assert "no SOP Instance UID" in of_slice(path, tmp_path / "image.png").notes[0]
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:900])
    assert of_slice(tmp_path / "cut.dcm", tmp_path / "0.dcm").elements == ()


def test_segmentations_of_multi_frame_images(tmp_path, series):
    import highdicom as hd

    image = hd.legacy.LegacyConvertedEnhancedCTImage(series, hd.UID(), 3, hd.UID(), 1)
    image.save_as(tmp_path / "enhanced.dcm")
    inside = np.zeros((3, 15, 24), np.uint8)
    inside[0, 2:4, 3:9] = inside[2, 4:9, 5:15] = 1
    path = segmentation(tmp_path / "seg.dcm", [image], inside, ("nodule",))
    for frame in (None, 0, 1, 2):
        found = read_entry(path, "lesion", Canvas((15, 24), tmp_path / "enhanced.dcm", frame=frame))
        np.testing.assert_array_equal(only(found), inside[frame or 0] > 0)


def test_dicom_images_as_masks(tmp_path, series):
    one = series[0]
    for meaning, values in (("MONOCHROME2", (0, 1)), ("MONOCHROME1", (65535, 65534))):
        one.PhotometricInterpretation = meaning
        one.RescaleSlope, one.RescaleIntercept = 3, -1000
        one.PixelData = np.where(LABELS == 1, values[1], values[0]).astype(np.uint16).tobytes()
        one.save_as(tmp_path / "mask.dcm", enforce_file_format=True)
        np.testing.assert_array_equal(only(given(tmp_path / "mask.dcm")), LABELS == 1)


# COCO, VOC, boxes


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of runs down the columns, the first outside."""
    runs, inside = [0], False
    for pixel in mask.T.ravel():
        if bool(pixel) != inside:
            runs.append(0)
            inside = not inside
        runs[-1] += 1
    return runs


def packed(runs: list[int]) -> str:
    """Lengths as text, written from the description of the format alone."""
    text = ""
    for at, run in enumerate(runs):
        number = run - runs[at - 2] if at > 2 else run
        while True:
            low, number = number & 31, number >> 5
            more = not (number == 0 and not low & 16) and not (number == -1 and low & 16)
            text += chr(48 + low + (32 if more else 0))
            if not more:
                break
    return text


def test_run_lengths_there_and_back():
    for _ in range(60):
        height, width = RNG.integers(1, 50, 2)
        mask = RNG.random((height, width)) < RNG.random()
        runs = run_lengths(mask)
        np.testing.assert_array_equal(rle.decode(runs, mask.shape), mask)
        np.testing.assert_array_equal(rle.decode(packed(runs), mask.shape), mask)
    blob = np.asarray(drawn(700)) > 0
    np.testing.assert_array_equal(rle.decode(packed(run_lengths(blob)), blob.shape), blob)


def test_run_lengths_of_pycocotools():
    """Texts that pycocotools 2.0 wrote."""
    box = np.zeros((4, 5), bool)
    box[1:3, 1:4] = True
    np.testing.assert_array_equal(rle.decode("5220003", (4, 5)), box)
    ring = np.zeros((60, 70), bool)
    ring[5:50, 10:40] = True
    ring[20:30, 20:30] = False
    text = "mb0]1?000000000000000000ROK55KK55KK55KK55KK55KK55KK55KK55KK55KK55i0000000000000000000Sh1"
    np.testing.assert_array_equal(rle.decode(text, (60, 70)), ring)
    np.testing.assert_array_equal(rle.decode(b"09", (3, 3)), np.ones((3, 3), bool))


@pytest.mark.parametrize("counts", ["5220004", "52200", "5\x7f", "5P", [4, 5], [-1, 21], "", "o" * 40])
def test_damaged_run_lengths_are_refused(counts):
    with pytest.raises(ValueError, match="run lengths"):
        rle.decode(counts, (4, 5))


def test_polygons_take_pixels_whose_centre_is_inside():
    np.testing.assert_array_equal(shapes.polygon([1, 1, 4, 1, 4, 3, 1, 3], (5, 6)), shapes.box((1, 1, 4, 3), (5, 6)))
    corners = np.array([3.3, 2.1, 17.9, 4.4, 12.2, 18.7])
    rows, columns = np.mgrid[:20, :20] + 0.5
    sides = []
    for at in range(3):
        (x0, y0), (x1, y1) = corners.reshape(3, 2)[[at, (at + 1) % 3]]
        sides.append((x1 - x0) * (rows - y0) - (y1 - y0) * (columns - x0) > 0)
    np.testing.assert_array_equal(shapes.polygon(corners, (20, 20)), np.all(sides, 0))
    for bad in ([1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], [0, 0, 1, 1, np.nan, 2], [0, 0, 1e300, 0, 0, 1]):
        with pytest.raises(ValueError, match="outline"):
            shapes.polygon(bad, (5, 5))


def coco_file(path: Path) -> tuple[Path, np.ndarray]:
    blob = np.zeros((15, 24), bool)
    blob[3:9, 4:12] = True
    text = packed(run_lengths(blob))
    top = {
        "images": [
            {"id": 7, "file_name": "a.png", "height": 15, "width": 24},
            {"id": 8, "file_name": "b.png", "height": 15, "width": 24},
            {"id": 9, "file_name": "c.png"},
        ],
        "categories": [{"id": 1, "name": "nodule"}, {"id": 3, "name": "lung"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0,
             "segmentation": [[1, 1, 4, 1, 4, 3, 1, 3], [10, 5, 12, 5, 12, 8, 10, 8]], "bbox": [1, 1, 3, 2]},
            {"id": 2, "image_id": 7, "category_id": 3, "iscrowd": 1,
             "segmentation": {"counts": run_lengths(blob), "size": [15, 24]}},
            {"id": 3, "image_id": 7, "category_id": 3, "segmentation": {"counts": text, "size": [15, 24]}},
            {"id": 4, "image_id": 9, "category_id": 1, "segmentation": [], "bbox": [2, 1, 3, 2]},
            {"id": 5, "image_id": 9, "category_id": 1, "segmentation": [[1, 2, 3, 4]], "bbox": [2, 1, 3, 2]},
            {"id": 6, "image_id": 9},
            "nonsense",
        ],
    }  # fmt: skip
    path.write_text(json.dumps(top), "utf-8")
    return path, blob


def test_coco_annotations(tmp_path):
    path, blob = coco_file(tmp_path / "coco.json")
    annotations = coco.read(path)
    assert annotations.damaged == 2
    two = np.zeros((15, 24), bool)
    two[1:3, 1:4] = two[5:8, 10:12] = True
    found = coco.elements(annotations, "a.png", (15, 24))
    assert [one.name for one in found] == ["nodule", "lung", "lung"]
    for element, expected in zip(found, (two, blob, blob), strict=True):
        np.testing.assert_array_equal(element.mask, expected)
    assert annotations.masks("b.png") is None
    source = annotations.masks("a.png")
    by_rule = given(source, "lesion=1")
    assert [(one.name, one.role) for one in by_rule.elements] == [("nodule", "lesion")]
    assert source.roles(None, Reading(mask_values={"lesion": (1,), "organ": (3,)})) == ("lesion", "organ", "organ")
    named = annotations.masks("a.png", {"organ": ("Lung",)})
    assert [one.role for one in given(named).elements] == ["organ", "organ"]
    boxes = given(annotations.masks("c.png"))
    np.testing.assert_array_equal(only(boxes), shapes.box((2, 1, 5, 3), (15, 24)))
    assert any(note == coco.BOX for note in boxes.notes)
    assert any("two values for each of three corners" in note for note in boxes.notes)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": 3}', "[" * 200_000])
def test_files_in_another_format_than_coco(tmp_path, text):
    (tmp_path / "coco.json").write_text(text)
    with pytest.raises(InputError, match=r"coco\.json"):
        coco.read(tmp_path / "coco.json")


def test_annotations_of_another_size_are_fitted_or_left_out(tmp_path):
    path, _ = coco_file(tmp_path / "coco.json")
    source = coco.read(path).masks("a.png")
    folder = tmp_path / "set"
    for name, size in (("twice", (48, 30)), ("other", (24, 24))):
        (folder / name).mkdir(parents=True)
        Image.new("L", size, 5).save(folder / name / "1.png")
    from xaijax.data.dataset import fitted

    twice = fitted(ImageFile(folder / "twice" / "1.png", (("lesion", source),)).read(masks=True))
    small = coco.elements(coco.read(path), "a.png", (15, 24))
    np.testing.assert_array_equal(twice.elements[0].mask, np.kron(small[0].mask, np.ones((2, 2), bool)))
    assert "nearest pixel" in twice.notes[0]
    other = fitted(ImageFile(folder / "other" / "1.png", (("lesion", source),)).read(masks=True))
    assert other.elements == ()
    assert "proportions" in other.notes[0]


VOC = """<annotation><filename>1.png</filename><size><width>24</width><height>15</height><depth>3</depth></size>
<object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>24</xmax><ymax>15</ymax></bndbox></object>
<object><name>nodule</name><bndbox><xmin>3</xmin><ymin>2.0</ymin><xmax>5</xmax><ymax>2</ymax></bndbox></object>
</annotation>"""


def test_voc_boxes_count_from_one_and_hold_their_corners(tmp_path):
    (tmp_path / "1.xml").write_text(VOC)
    whole, small = voc.elements(tmp_path / "1.xml", (15, 24))
    assert whole.name == "dog"
    assert whole.mask.all()
    assert np.argwhere(small.mask).tolist() == [[1, 2], [1, 3], [1, 4]]
    chosen = given(voc.VocFile(tmp_path / "1.xml", {"lesion": ("Nodule",)}))
    assert [(one.name, one.role) for one in chosen.elements] == [("nodule", "lesion")]
    # Masks have the size that the file states, whatever that of the image is.
    assert voc.elements(tmp_path / "1.xml", (30, 48))[0].mask.shape == (15, 24)
    (tmp_path / "no_size.xml").write_text(VOC.replace("<width>24", "<width>0"))
    assert voc.elements(tmp_path / "no_size.xml", (30, 48))[0].mask.shape == (30, 48)
    (tmp_path / "beyond.xml").write_text(VOC.replace("<xmax>24", "<xmax>90"))
    assert "reaches beyond" in given(voc.VocFile(tmp_path / "beyond.xml")).notes[0]
    (tmp_path / "turned.xml").write_text(VOC.replace("<xmax>5", "<xmax>1"))
    assert given(voc.VocFile(tmp_path / "turned.xml")).notes == ("a box was left out: it has no area",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + VOC, "declares a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/hostname">' + VOC, "declares a document type"),
        (VOC[:-20], "damaged XML"),
        ("<html></html>", "not an annotation"),
        (VOC.replace("<xmin>1<", "<xmin>one<"), "no numbers"),
        (VOC.replace("<bndbox>", "<box>").replace("</bndbox>", "</box>"), "no numbers"),
        (VOC.replace("<xmin>1<", "<xmin>inf<"), "no numbers"),
    ],
)
def test_voc_files_that_are_refused(tmp_path, text, reason):
    (tmp_path / "1.xml").write_text(text)
    found = given(voc.VocFile(tmp_path / "1.xml"))
    assert found.elements == ()
    assert reason in found.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n1.png,Mass,2,1,3,2,,,\n1.png,Nodule,0,0,1,1,,,\n",
        "image_id,class_name,x_min,y_min,x_max,y_max\n1.png,Mass,2,1,5,3\n1.png,Nodule,0,0,1,1\n2.png,No finding,,,,\n",
        "patientId,x,y,width,height,label\n1.png,2.0,1.0,3.0,2.0,Mass\n1.png,0,0,1,1,Nodule\n",
    ],
)
def test_tables_of_boxes(tmp_path, text):
    (tmp_path / "boxes.csv").write_text(text)
    found = box_table.read(tmp_path / "boxes.csv")
    assert list(found) == ["1.png"]
    mass, nodule = given(found["1.png"], role="lesion").elements
    assert np.argwhere(mass.mask).tolist() == [[1, 2], [1, 3], [1, 4], [2, 2], [2, 3], [2, 4]]
    assert np.argwhere(nodule.mask).tolist() == [[0, 0]]
    assert (mass.name, mass.role) == ("Mass", "lesion")


def test_tables_of_boxes_that_are_refused(tmp_path):
    for text, reason in (
        ("image,a,b\n", "no columns for the edges"),
        ("x,y,w,h\n", "no column for the image"),
        ("image,x,y,w,h\n1.png,a,1,2,3\n", "line 2"),
    ):
        (tmp_path / "boxes.csv").write_text(text)
        with pytest.raises(InputError, match=reason):
            box_table.read(tmp_path / "boxes.csv")


def test_boxes_outside_the_image_are_left_out_with_a_note():
    found = Boxes((("a", (30, 2, 40, 5)), ("b", (3, 3, 3, 9)), ("c", (-2, 0, 2, 2)))).read(None, Canvas((15, 24)))
    assert [one.name for one in found.elements] == ["c"]
    assert len(found.notes) == 3


# Data sets


def class_folders(root: Path, masks: dict[str, np.ndarray]) -> Path:
    for name, mask in masks.items():
        for folder, pixels in (("", RNG.integers(0, 256, mask.shape)), ("masks", mask)):
            path = root / folder / name / "1.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return root


def test_label_maps_of_a_data_set(tmp_path):
    root = class_folders(tmp_path / "set", {"a": LABELS, "b": np.where(LABELS == 2, 2, 0)})
    refused = open_dataset(root, mask_role="lesion").read()
    assert refused.has_mask.tolist() == [False, True]
    assert next(note for name, note in refused.notes if name == "a/1.png").startswith(
        "a mask is a label map of the values"
    )
    dataset = open_dataset(root, mask_values=["lesion=1,4", "organ=2"])
    assert dataset.roles == ("lesion", "organ")
    batch = dataset.read()
    assert batch.has_role["lesion"].all()
    assert batch.has_role["organ"].all()
    np.testing.assert_array_equal(batch.roles["lesion"], [np.isin(LABELS, (1, 4)), np.zeros_like(LABELS, bool)])
    np.testing.assert_array_equal(batch.roles["organ"], [LABELS == 2] * 2)
    turned = open_dataset(root, mask_values=["lesion=1,4", "organ=2"], transpose=True).read()
    np.testing.assert_array_equal(turned.roles["lesion"], batch.roles["lesion"].transpose(0, 2, 1))
    primary = open_dataset(root, mask_role="organ", mask_values=["2"]).read()
    np.testing.assert_array_equal(primary.masks, [LABELS == 2] * 2)


def test_covering_drops_the_artefacts_of_a_label_map(tmp_path):
    from xaijax.data import cover

    for name, pixels in (("image.png", LABELS * 9), ("clean.png", LABELS * 0), ("mask.png", LABELS)):
        saved(tmp_path / name, pixels, "L")
    (tmp_path / "labels.csv").write_text("file,label,mask,file_clean\nimage.png,a,mask.png,clean.png\n")
    dataset = open_dataset(tmp_path, mask_values=["lesion=1", "artefact=2"])
    assert dataset.roles == ("lesion", "artefact")
    covered = cover(dataset)
    assert covered.roles == ("lesion",)
    batch = covered.read()
    assert not batch.images.any()
    assert [one.role for one in batch.elements[0]] == ["lesion"]
    np.testing.assert_array_equal(batch.masks[0], LABELS == 1)


def test_a_source_of_ones_own(tmp_path):
    """The protocol has two methods; a reader needs nothing else of this package."""

    class Corner:
        def roles(self, role, reading):
            return (role,)

        def read(self, role, canvas):
            from xaijax.data.dataset import Element

            assert canvas.path == tmp_path / "image.png"
            mask = np.zeros(canvas.shape, bool)
            mask[0, 0] = True
            return Masks((Element("corner", role, mask),), ("drawn",))

    Image.new("L", (4, 3)).save(tmp_path / "image.png")
    source = ImageFile(tmp_path / "image.png", (("artefact", Corner()),))
    assert source.roles == ("artefact",)
    content = source.read(masks=True)
    assert content.notes == ("drawn",)
    assert np.argwhere(content.elements[0].mask).tolist() == [[0, 0]]
    assert source.read(masks=False).elements == ()
