"""What data sets and files must not do unseen, from the folder to what a command says; and errors in readers, made on
purpose, that the checks of other test files must see."""

import json

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from xaijax import cli
from xaijax._runs.data import note_lines, readable
from xaijax.data import class_tree, files, open_dataset
from xaijax.data.formats import nifti, pillow, tiff
from xaijax.data.masks import meaning
from xaijax.data.reading import Reading

SHAPE = (12, 16)
RNG = np.random.default_rng(0)


def drawn(channels=()):
    return RNG.integers(0, 256, (*SHAPE, *channels), np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def said(capsys, *words):
    assert cli.main(["data", *map(str, words)]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_was_changed_is_said_once_with_a_count(tmp_path, capsys):
    """EXIF orientation and transparency: applied or dropped, one line each for any number of images."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in "ab":
        for at in range(3):
            save(tmp_path / name / f"turned {at}.jpg", drawn((3,)), exif=exif)
        save(tmp_path / name / "clear.png", drawn((4,)))
        save(tmp_path / name / "plain.png", drawn())
    lines = [line.strip() for line in said(capsys, tmp_path)]
    assert lines.count("6 images: turned as its EXIF orientation says") == 1
    assert lines.count("2 images: its transparency was dropped") == 1
    assert len([line for line in lines if line.endswith(("orientation says", "was dropped"))]) == 2


def test_every_file_is_seen_taken_or_left_out_by_reason_and_class_by_class(tmp_path, capsys):
    for name, count in (("benign", 3), ("malignant", 2)):
        for at in range(count):
            save(tmp_path / name / f"{at}.png", drawn())
    save(tmp_path / "Test cases" / "1.png", drawn())
    (tmp_path / "benign" / "Thumbs.db").write_text("x")
    (tmp_path / "benign" / ".DS_Store").write_text("x")
    lines = said(capsys, tmp_path)
    assert "files: 8 seen, 5 as image, 3 left out" in lines
    assert "  benign: 3" in lines
    assert "  malignant: 2" in lines
    reasons = [line for line in lines if " left out: " in line]
    assert len(reasons) == 3
    assert any("Test cases does not look like a class" in line for line in reasons)
    found = json.loads("\n".join(said(capsys, tmp_path, "--json")))["found"]
    assert found["files"] == 8 == sum(found["taken"].values()) + sum(one["count"] for one in found["left_out"].values())


def test_images_stay_usable_where_masks_have_another_size(tmp_path):
    """COVID-19 radiography: images of 299 pixels, masks of 256; every image can be scored, with and without masks."""
    mask = np.zeros((256, 256), np.uint8)
    mask[64:192] = 255
    for name in ("COVID", "Normal"):
        for at in (1, 2):
            save(tmp_path / name / "images" / f"{name}-{at}.png", RNG.integers(0, 256, (299, 299), np.uint8))
            save(tmp_path / name / "masks" / f"{name}-{at}.png", mask)
    dataset = open_dataset(tmp_path)
    found = readable(dataset, range(4), (64, 64, 3))
    assert (found.cases, found.skipped, found.roles) == ([0, 1, 2, 3], [], {"organ": 4})
    assert note_lines(found.notes) == [
        "4 images: a mask of another size was brought to that of its image by the nearest pixel"
    ]
    batch = dataset.read([0], (299, 299, 1))
    assert not batch.masks[0, :74].any()
    assert batch.masks[0, 76:223].all()
    assert not batch.masks[0, 225:].any()


def test_an_unreadable_mask_or_image_never_ends_a_run(tmp_path):
    for name in "ab":
        save(tmp_path / name / "1.png", drawn())
        save(tmp_path / name / "2.png", drawn())
    (tmp_path / "a" / "1_mask.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "b" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    found = readable(open_dataset(tmp_path, mask_role="lesion"), range(4), (8, 8, 1))
    assert found.cases == [0, 1, 2]
    assert [name for name, _ in found.skipped] == ["b/2.png"]
    assert len(found.notes) == 1
    assert found.roles == {"lesion": 0}


@pytest.mark.parametrize(
    ("depth", "low", "high"), [(np.uint16, 0, 4095), (np.uint16, 1000, 60000), (np.int16, -1000, 400)]
)
def test_a_window_reaches_every_deep_format(tmp_path, depth, low, high):
    """The same values as TIFF, NIfTI and (without a sign) PNG: the same levels, by number and by their own range."""
    values = np.linspace(low, high, SHAPE[0] * SHAPE[1]).astype(depth).reshape(SHAPE)
    tifffile.imwrite(tmp_path / "a.tif", values)
    nibabel.Nifti1Image(values.T[..., None], np.diag([-1, -1, 1, 1.0])).to_filename(tmp_path / "a.nii")
    names = ["a.tif", "a.nii"]
    if depth is np.uint16:
        save(tmp_path / "a.png", values)
        names.append("a.png")
    middle = (low + high) / 2
    for window, first, last in (((middle, high), middle, high), ("auto", low, high)):
        expected = 255 * np.clip((values - float(first)) / (last - first), 0, 1)
        for name in names:
            pixels, _ = files.read_image(tmp_path / name, Reading(window=window))
            assert np.abs(pixels[..., 0] - expected).max() <= 0.5 + 1e-9
            assert window != "auto" or len(np.unique(pixels)) > 150


class TestDeliberateErrors:
    """An error in a reader, made on purpose: what checks the right value must fail."""

    def turned(self, folder):
        exif = Image.Exif()
        exif[0x0112] = 6
        pixels = drawn((3,))
        save(folder / "a.png", pixels, exif=exif)
        np.testing.assert_array_equal(files.read_image(folder / "a.png")[0], np.rot90(pixels, -1))

    def slices(self, folder):
        data = RNG.integers(0, 4000, (*SHAPE, 5)).astype(np.int16)
        nibabel.Nifti1Image(data, np.diag([-1, -1, 1, 1.0])).to_filename(folder / "a.nii")
        for frame in range(5):
            plane = data[..., frame].T.astype(float)
            expected = 255 * (plane - plane.min()) / (plane.max() - plane.min())
            assert np.abs(files.read_image(folder / "a.nii", frame=frame)[0][..., 0] - expected).max() <= 0.5 + 1e-9

    def deep_colour(self, folder):
        colour = RNG.integers(0, 65536, (*SHAPE, 3)).astype(np.uint16)
        tifffile.imwrite(folder / "a.tif", colour, photometric="rgb")
        assert np.abs(files.read_image(folder / "a.tif")[0] - colour / 257).max() <= 0.5 + 1e-9

    def label_map(self, folder):
        labels = RNG.choice(np.array([0, 1, 2, 4], np.uint8), SHAPE)
        save(folder / "set" / "a" / "1.png", drawn())
        save(folder / "set" / "a" / "1_mask.png", labels)
        save(folder / "set" / "b" / "2.png", drawn())
        batch = open_dataset(folder / "set", mask_values=["lesion=1,4", "organ=2"]).read()
        np.testing.assert_array_equal(batch.roles["lesion"][0], (labels == 1) | (labels == 4))
        np.testing.assert_array_equal(batch.roles["organ"][0], labels == 2)

    def trimap(self, folder):
        trimap = RNG.choice(np.array([1, 2, 3], np.uint8), SHAPE)
        save(folder / "set" / "a" / "1.png", drawn())
        save(folder / "set" / "a" / "1_mask.png", trimap)
        save(folder / "set" / "b" / "2.png", drawn())
        batch = open_dataset(folder / "set", mask_values=["organ=1"]).read()
        np.testing.assert_array_equal(batch.roles["organ"][0], trimap == 1)

    def lesions_stay_together(self, folder):
        rows = ["lesion_id,image_id,dx", "L1,i1,nv", "L1,i2,nv", "L2,i3,mel"]
        (folder / "set").mkdir()
        (folder / "set" / "HAM10000_metadata.csv").write_text("\n".join(rows))
        for at in (1, 2, 3):
            save(folder / "set" / "part" / f"i{at}.jpg", drawn((3,)))
        cases = open_dataset(folder / "set").cases
        assert [(case.label, case.group) for case in cases] == [(5, "lesion L1"), (5, "lesion L1"), (4, "lesion L2")]

    def classes(self, folder):
        for name in ("a", "b"):
            for at in (1, 2, 10):
                save(folder / "set" / name / f"{at}.png", drawn())
        found = open_dataset(folder / "set")
        expected = [(f"{name}/{at}.png", label) for label, name in enumerate("ab") for at in (1, 2, 10)]
        assert [(case.id, case.label) for case in found.cases] == expected

    @pytest.mark.parametrize(
        ("check", "module", "name", "wrong"),
        [
            ("turned", pillow, "upright", lambda values, orientation: np.rot90(values)),
            ("slices", nifti, "check_frame", lambda frame, count, what: (frame + 1) % count),
            ("slices", nifti, "shown", lambda plane, affine: plane.swapaxes(0, 1)[::-1]),
            ("deep_colour", tiff, "scaled", lambda values, white: (values >> 8).astype(np.uint8)[..., ::-1]),
            ("label_map", meaning, "_codes", lambda stored, value: [value + 1]),
            ("trimap", meaning, "_codes", lambda stored, value: [2]),
            ("lesions_stay_together", None, "xaijax.data.readers.ham10000.groups", lambda table, column: [None] * 3),
            ("lesions_stay_together", None, "xaijax.data.readers.ham10000.CLASSES", ("nv", "mel")),
            ("classes", class_tree.spelling, "join", lambda names, census: dict(zip("ab", "ba", strict=True))),
            ("classes", None, "xaijax.data.files.natural", str),
        ],
    )
    def test_it_is_seen(self, tmp_path, monkeypatch, check, module, name, wrong):
        (tmp_path / "right").mkdir()
        (tmp_path / "wrong").mkdir()
        getattr(self, check)(tmp_path / "right")
        if module is None:
            monkeypatch.setattr(name, wrong)
        else:
            monkeypatch.setattr(module, name, wrong)
        with pytest.raises(AssertionError):
            getattr(self, check)(tmp_path / "wrong")
