"""Readers on small folders that the tests write: layouts, groups, roles, and bad input in one sentence."""

import ast
import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import open_dataset, opening, readers


def picture(path, seed=0, shape=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def outline(path, rows=slice(2, 5), shape=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[rows] = 255
    Image.fromarray(mask).save(path)
    return mask > 0


def table(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def scans(tmp_path):
    """Four images of two classes, three of them with masks."""
    rows = []
    for index, label in enumerate(["glioma", "adenoma", "glioma", "adenoma"]):
        picture(tmp_path / "images" / f"{index}.png", index)
        mask = ""
        if index != 3:
            mask = f"masks/{index}.png"
            outline(tmp_path / mask)
        rows.append({"file": f"images/{index}.png", "label": label, "mask": mask, "patient": f"p{index // 2}"})
    table(tmp_path, rows)
    return tmp_path


class TestLabelsCsv:
    def test_cases_in_order_with_labels_masks_and_patients(self, scans):
        dataset = open_dataset(scans, mask_role="lesion")
        assert dataset.classes == ("adenoma", "glioma")
        assert [case.id for case in dataset.cases] == [f"images/{index}.png" for index in range(4)]
        assert dataset.labels.tolist() == [1, 0, 1, 0]
        assert [case.group for case in dataset.cases] == ["patient p0", "patient p0", "patient p1", "patient p1"]
        batch = dataset.read()
        assert batch.images.shape == (4, 12, 10, 1)
        assert batch.has_mask.tolist() == [True, True, True, False]
        assert batch.masks.sum((1, 2)).tolist() == [30, 30, 30, 0]
        np.testing.assert_array_equal(batch.images[2, ..., 0], np.asarray(Image.open(scans / "images/2.png")))

    def test_transpose_turns_image_and_mask(self, scans):
        as_stored, turned = open_dataset(scans).read(), open_dataset(scans, transpose=True).read()
        np.testing.assert_array_equal(turned.images, as_stored.images.transpose(0, 2, 1, 3))
        np.testing.assert_array_equal(turned.masks, as_stored.masks.transpose(0, 2, 1))

    def test_masks_can_be_left_unread(self, scans):
        (scans / "masks" / "0.png").write_bytes(b"broken")
        batch = open_dataset(scans).read(masks=False)
        assert len(batch) == 4
        assert not batch.has_mask.any()

    def test_role_from_the_table(self, scans):
        rows = list(csv.DictReader((scans / "labels.csv").read_text().splitlines()))
        table(scans, [{**row, "mask_role": "organ"} for row in rows])
        dataset = open_dataset(scans)
        assert dataset.mask_role == "organ"
        with pytest.raises(ValueError, match=r"outline the organ, and this score needs masks of the lesion"):
            dataset.require_mask_role()
        assert open_dataset(scans, mask_role="artefact").mask_role == "artefact"
        table(scans, [{**row, "mask_role": "halo"} for row in rows])
        with pytest.raises(ValueError, match=r"mask_role column .* must be one of lesion, organ, artefact"):
            open_dataset(scans)

    def test_masks_of_several_roles(self, scans):
        lesion, ruler, sticker = (
            outline(scans / "masks" / f"{name}.png", rows)
            for name, rows in (("lesion", slice(0, 3)), ("ruler", slice(5, 6)), ("sticker", slice(8, 10)))
        )
        rows = [
            {
                "file": f"images/{index}.png",
                "label": "ab"[index % 2],
                "mask_lesion": "masks/lesion.png" if index < 3 else "",
                "mask_artefact": "masks/ruler.png; masks/sticker.png" if index == 1 else "",
            }
            for index in range(4)
        ]
        table(scans, rows)
        dataset = open_dataset(scans)
        assert dataset.mask_role == "lesion"
        assert dataset.roles == ("lesion", "artefact")
        dataset.require_mask_role("artefact")
        batch = dataset.read()
        assert set(batch.roles) == set(batch.has_role) == {"lesion", "artefact"}
        np.testing.assert_array_equal(batch.masks, batch.roles["lesion"])
        np.testing.assert_array_equal(batch.roles["lesion"][2], lesion)
        np.testing.assert_array_equal(batch.roles["artefact"][1], ruler | sticker)
        assert batch.has_role["lesion"].tolist() == batch.has_mask.tolist() == [True, True, True, False]
        assert batch.has_role["artefact"].tolist() == [False, True, False, False]
        assert [[(one.name, one.role) for one in each] for each in batch.elements] == [
            [("lesion", "lesion")],
            [("lesion", "lesion"), ("artefact 1", "artefact"), ("artefact 2", "artefact")],
            [("lesion", "lesion")],
            [],
        ]
        np.testing.assert_array_equal(batch.elements[1][2].mask, sticker)
        assert set(dataset.read([0]).roles) == {"lesion", "artefact"}  # the data set's, not the batch's
        small = dataset.read([1], (6, 5, 1))
        assert [one.mask.shape for one in small.elements[0]] == [(6, 5)] * 3
        np.testing.assert_array_equal(small.roles["artefact"][0], small.elements[0][1].mask | small.elements[0][2].mask)
        artefacts = open_dataset(scans, mask_role="artefact").read()
        np.testing.assert_array_equal(artefacts.masks, batch.roles["artefact"])
        unread = dataset.read(masks=False)
        assert not any(unread.elements)
        assert not unread.roles["lesion"].any()

    def test_masks_of_an_unknown_role_are_elements_all_the_same(self, scans):
        batch = open_dataset(scans).read()
        assert dict(batch.roles) == {}
        assert batch.has_mask.tolist() == [True, True, True, False]
        assert [(one.name, one.role) for one in batch.elements[0]] == [("mask", None)]
        known = open_dataset(scans, mask_role="organ").read()
        assert [(one.name, one.role) for one in known.elements[0]] == [("organ", "organ")]
        np.testing.assert_array_equal(known.roles["organ"], batch.masks)

    def test_masks_without_a_role_are_refused_for_lesion_scores(self, scans):
        with pytest.raises(ValueError, match=r"has masks of unknown role; give --mask-role lesion"):
            open_dataset(scans).require_mask_role()
        open_dataset(scans, mask_role="lesion").require_mask_role("lesion")

    def test_source_ids_form_blocks(self, tmp_path):
        numbers = [1, 2, 30, 50, 51, 60, 200, 201, 252]
        for number in numbers:
            picture(tmp_path / f"{number}.png", number)
        table(tmp_path, [{"file": f"{number}.png", "label": "a", "source_id": number} for number in numbers])
        groups = [case.group for case in open_dataset(tmp_path).cases]
        starts = [1, 1, 1, 1, 51, 51, 200, 200, 252]
        assert groups == [f"source_id from {start}" for start in starts]

    def test_an_index_column_places_the_classes(self, tmp_path):
        for name in ("a", "b", "c"):
            picture(tmp_path / f"{name}.png")
        rows = [("a.png", "tench", 0), ("b.png", "goldfish", 1), ("c.png", "cock", 7)]
        table(tmp_path, [dict(zip(("file", "label", "index"), row, strict=True)) for row in rows])
        dataset = open_dataset(tmp_path)
        assert dataset.labels.tolist() == [0, 1, 7]
        assert dataset.classes[:3] == ("tench", "goldfish", "class 2")
        assert len(dataset.classes) == 8

    def test_an_index_that_counts_rows_is_no_class(self, tmp_path):
        for name in ("a", "b", "c"):
            picture(tmp_path / f"{name}.png")
        rows = [("a.png", "cat", 0), ("b.png", "dog", 1), ("c.png", "cat", 2)]
        table(tmp_path, [dict(zip(("file", "label", "index"), row, strict=True)) for row in rows])
        assert open_dataset(tmp_path).classes == ("cat", "dog")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("scan,label\na.png,x\n", r"lacks the column file; it has scan, label: name them with --image-column"),
            ("file,kind\na.png,x\n", r"lacks the column label; it has file, kind: name it with --label-column"),
            ("a,b\n1,2\n", r"lacks the columns file and label"),
            ("", r"has no rows"),
            ("file,label\n", r"has no rows"),
            ("file,label\na.png,\n", r"1 of 1 rows of .* the first that is left out, a.png: it has no label"),
            ("file,label\na.png,x\na.png,y\n", r"line 3: a.png is named twice"),
            ("file,label\nz.png,x\nq.png,y\n", r"none of the 2 files named in .* exists; the first is 'z.png'"),
        ],
    )
    def test_bad_tables(self, tmp_path, text, message):
        picture(tmp_path / "a.png")
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            open_dataset(tmp_path)

    def test_a_table_that_is_no_text(self, tmp_path):
        (tmp_path / "labels.csv").write_bytes(b"\xff\x00\x9c" * 20)
        with pytest.raises(ValueError, match=r"not a table of UTF-8 text \(line 1 has the byte 0xff\)"):
            open_dataset(tmp_path)


class TestReading:
    def test_what_cannot_be_read_is_named_and_skipped(self, scans):
        dataset = open_dataset(scans)
        (scans / "images" / "0.png").unlink()
        whole = (scans / "images" / "1.png").read_bytes()
        (scans / "images" / "1.png").write_bytes(whole[: len(whole) // 2])
        batch = dataset.read()
        assert batch.ids == ("images/2.png", "images/3.png")
        assert batch.indices.tolist() == [2, 3]
        reasons = dict(batch.skipped)
        assert reasons["images/0.png"] == "file not found"
        assert reasons["images/1.png"]

    def test_a_mask_of_another_size_is_fitted_or_left_out_and_the_image_stays(self, scans):
        outline(scans / "masks" / "1.png", slice(1, 2), shape=(6, 5))
        outline(scans / "masks" / "2.png", shape=(10, 12))
        batch = open_dataset(scans, mask_role="lesion").read()
        assert len(batch) == 4
        assert batch.has_mask.tolist() == [True, True, False, False]
        assert batch.masks[1].any(1).tolist() == [row in (2, 3) for row in range(12)]
        assert dict(batch.notes) == {
            "images/1.png": "a mask of another size was brought to that of its image by the nearest pixel",
            "images/2.png": "a mask was left out: its proportions are not those of its image",
        }

    def test_an_error_if_none_is_left(self, scans):
        for index in range(4):
            (scans / "images" / f"{index}.png").write_bytes(b"no image")
        with pytest.raises(
            ValueError, match=r"none of the 4 requested images .* the first, images/0.png: its format is not supported"
        ):
            open_dataset(scans).read()

    def test_a_missing_mask_file_is_a_reason(self, scans):
        (scans / "masks" / "1.png").unlink()
        batch = open_dataset(scans).read()
        assert len(batch) == 4
        assert dict(batch.notes) == {"images/1.png": "a mask cannot be read (file not found)"}

    def test_sizes_that_differ_need_a_shape(self, scans):
        picture(scans / "images" / "3.png", shape=(20, 20))
        dataset = open_dataset(scans)
        with pytest.raises(ValueError, match=r"images/3.png is 20x20 with 1 channel and images/0.png is 12x10"):
            dataset.read()
        batch = dataset.read(shape=(8, 6, 3))
        assert batch.images.shape == (4, 8, 6, 3)
        assert batch.masks.shape == (4, 8, 6)

    @pytest.mark.parametrize("shape", [(8, 8), (8, 8, 2), (0, 8, 1), "abc", 5])
    def test_bad_shapes(self, scans, shape):
        with pytest.raises(ValueError, match=r"shape must be \(H, W, C\)"):
            open_dataset(scans).read(shape=shape)

    def test_bad_indices(self, scans):
        with pytest.raises(IndexError, match=r"0\.\.3; got 4 to 4"):
            open_dataset(scans).read([4])
        with pytest.raises(IndexError):
            open_dataset(scans).read([-1])
        with pytest.raises(ValueError, match=r"no images of data set .* were requested"):
            open_dataset(scans).read([])

    def test_take_keeps_classes(self, scans):
        part = open_dataset(scans, mask_role="lesion").take([2, 0])
        assert [case.id for case in part.cases] == ["images/2.png", "images/0.png"]
        assert part.classes == ("adenoma", "glioma")
        with pytest.raises(ValueError, match=r"images of 1 class \(glioma\); .* at least 2"):
            part.require_classes()


class TestClassFolders:
    def test_plain(self, tmp_path):
        for name in ("b10", "b2", "a1"):
            picture(tmp_path / name[0] / f"{name}.png")
        (tmp_path / "a" / "notes.txt").write_text("no image")
        (tmp_path / ".hidden").mkdir()
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert [case.id for case in dataset.cases] == ["a/a1.png", "b/b2.png", "b/b10.png"]
        assert dataset.mask_role is None
        with pytest.raises(ValueError, match="has no masks"):
            dataset.require_mask_role()

    @pytest.mark.parametrize("place", ["masks/cyst/one.png", "cyst/masks/one.png", "cyst/one_mask.png"])
    def test_masks_in_three_places(self, tmp_path, place):
        picture(tmp_path / "cyst" / "one.png")
        picture(tmp_path / "none" / "two.png", 1)
        mask = outline(tmp_path / place)
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert dataset.classes == ("cyst", "none")
        assert len(dataset) == 2
        batch = dataset.read()
        assert batch.has_mask.tolist() == [True, False]
        np.testing.assert_array_equal(batch.masks[0], mask)

    def test_several_masks_beside_an_image_are_joined(self, tmp_path):
        """The layout of the BUSI ultrasound set: one file per lesion."""
        picture(tmp_path / "benign" / "benign (4).png")
        first = outline(tmp_path / "benign" / "benign (4)_mask.png", slice(0, 2))
        second = outline(tmp_path / "benign" / "benign (4)_mask_1.png", slice(6, 8))
        picture(tmp_path / "normal" / "normal (1).png", 1)
        batch = open_dataset(tmp_path, mask_role="lesion").read()
        np.testing.assert_array_equal(batch.masks[0], first | second)
        assert [one.name for one in batch.elements[0]] == ["lesion 1", "lesion 2"]
        np.testing.assert_array_equal(batch.elements[0][1].mask, second)

    @pytest.mark.parametrize("place", ["masks_artefact/cyst/one.png", "cyst/masks_artefact/one_mask_1.png"])
    def test_masks_of_another_role(self, tmp_path, place):
        picture(tmp_path / "cyst" / "one.png")
        picture(tmp_path / "tumour" / "two.png", 1)
        artefact = outline(tmp_path / place)
        assert open_dataset(tmp_path).mask_role == "artefact"
        lesion = outline(tmp_path / "masks" / "cyst" / "one.png", slice(7, 9))
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert dataset.classes == ("cyst", "tumour")
        batch = dataset.read()
        np.testing.assert_array_equal(batch.masks[0], lesion)
        np.testing.assert_array_equal(batch.roles["artefact"][0], artefact)
        assert open_dataset(tmp_path).mask_role is None

    def test_images_and_masks_inside_a_class(self, tmp_path):
        """The layout of the COVID-19 radiography database."""
        for name in ("COVID", "Normal"):
            picture(tmp_path / name / "images" / f"{name}-1.png")
            outline(tmp_path / name / "masks" / f"{name}-1.png")
        dataset = open_dataset(tmp_path, mask_role="organ")
        assert [case.id for case in dataset.cases] == ["COVID/images/COVID-1.png", "Normal/images/Normal-1.png"]
        assert dataset.read().has_mask.all()

    def test_one_class(self, tmp_path):
        picture(tmp_path / "only" / "a.png")
        with pytest.raises(ValueError, match=r"images of 1 class \(only\)"):
            open_dataset(tmp_path).require_classes()


class TestFigshare:
    @pytest.fixture
    def slices(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        rng = np.random.default_rng(0)
        upright = {}
        for number, label, patient in ((1, 1, "100360"), (2, 1, "100360"), (10, 2, "MR01"), (11, 3, "MR02")):
            image = rng.integers(0, 3000, (16, 20)).astype(np.int16)
            mask = np.zeros((16, 20), np.uint8)
            mask[3:6, 4:10] = 1
            with h5py.File(tmp_path / f"{number}.mat", "w") as stored:
                data = stored.create_group("cjdata")
                data["image"], data["tumorMask"] = image.T, mask.T  # MATLAB's columns come first
                data["label"] = np.array([[float(label)]])
                data["PID"] = np.array([[ord(letter)] for letter in patient], np.uint16)
            upright[number] = image, mask > 0
        return tmp_path, upright

    def test_upright_windowed_and_grouped_by_patient(self, slices):
        folder, upright = slices
        dataset = open_dataset(folder)
        assert dataset.classes == ("glioma", "meningioma", "pituitary")
        assert [case.id for case in dataset.cases] == ["1.mat", "2.mat", "10.mat", "11.mat"]
        assert dataset.labels.tolist() == [1, 1, 0, 2]
        assert dataset.cases[0].group == dataset.cases[1].group == "patient 100360"
        assert dataset.mask_role == "lesion"
        batch = dataset.read()
        for row, number in enumerate((1, 2, 10, 11)):
            image, mask = upright[number]
            low, high = image.min(), image.max()
            np.testing.assert_array_equal(batch.images[row, ..., 0], np.rint(255.0 * (image - low) / (high - low)))
            np.testing.assert_array_equal(batch.masks[row], mask)

    def test_transpose_and_window(self, slices):
        folder, upright = slices
        read = open_dataset(folder, transpose=True, window=(0, 1500)).read([0])
        expected = np.rint(255 * np.clip(upright[1][0].T / 1500, 0, 1))
        np.testing.assert_array_equal(read.images[0, ..., 0], expected)

    def test_other_files(self, slices):
        folder, _ = slices
        (folder / "12.mat").write_bytes(b"MATLAB 5.0 MAT-file")
        (folder / "13.mat").write_bytes(b"")
        dataset = open_dataset(folder)
        assert len(dataset) == 4
        reasons = {reason: one.examples for reason, one in dataset.found.left_out.items()}
        assert reasons == {
            "it is not a MATLAB v7.3 file (HDF5)": ("12.mat",),
            "it is an empty file": ("13.mat",),
        }
        for number in (1, 2, 10, 11):
            (folder / f"{number}.mat").unlink()
        with pytest.raises(ValueError, match=r"holds no slices of the figshare .*; of the first, 12.mat: it is not a"):
            open_dataset(folder)


class TestDicom:
    def write(self, path, pixels, patient, **tags):
        pydicom = pytest.importorskip("pydicom")
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = pydicom.Dataset()
        stored.file_meta = pydicom.dataset.FileMetaDataset()
        stored.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        stored.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
        stored.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        stored.SOPClassUID = pydicom.uid.CTImageStorage
        stored.SOPInstanceUID = stored.file_meta.MediaStorageSOPInstanceUID
        stored.PatientID = patient
        stored.Rows, stored.Columns = pixels.shape
        stored.SamplesPerPixel = 1
        stored.PhotometricInterpretation = "MONOCHROME2"
        stored.BitsAllocated = stored.BitsStored = 16
        stored.HighBit = 15
        stored.PixelRepresentation = 1
        stored.PixelData = pixels.astype("<i2").tobytes()
        for name, value in tags.items():
            setattr(stored, name, value)
        stored.save_as(path, enforce_file_format=True)

    def test_rescaled_windowed_and_grouped(self, tmp_path):
        stored = np.arange(0, 2400, 6).reshape(20, 20)
        lung = {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": -600, "WindowWidth": 1501}
        self.write(tmp_path / "benign" / "1.dcm", stored, "A", **lung)
        self.write(tmp_path / "benign" / "2.dcm", stored, "A")
        self.write(tmp_path / "malignant" / "3.dcm", stored, "B", PhotometricInterpretation="MONOCHROME1")
        dataset = open_dataset(tmp_path)
        first, second, other = (case.group for case in dataset.cases)
        assert first == second != other
        assert re.fullmatch(r"patient [0-9a-f]{12}", first)
        batch = dataset.read()
        # PS3.3 C.11.2.1.2: (value - (c - 0.5)) / (w - 1) + 0.5, from 0 to 1
        expected = np.clip((stored - 1024 - (-600 - 0.5)) / 1500 + 0.5, 0, 1)
        np.testing.assert_array_equal(batch.images[0, ..., 0], np.rint(255 * expected))
        full = np.rint(255 * stored / stored.max())
        np.testing.assert_array_equal(batch.images[1, ..., 0], full)
        np.testing.assert_array_equal(batch.images[2, ..., 0], 255 - full)

    def test_a_broken_file_is_skipped(self, tmp_path):
        self.write(tmp_path / "a" / "1.dcm", np.arange(100).reshape(10, 10), "A")
        self.write(tmp_path / "b" / "2.dcm", np.arange(100).reshape(10, 10), "B")
        whole = (tmp_path / "a" / "1.dcm").read_bytes()
        (tmp_path / "a" / "cut.dcm").write_bytes(whole[:-60])
        (tmp_path / "a" / "text.dcm").write_bytes(b"hello")
        batch = open_dataset(tmp_path).read()
        assert batch.ids == ("a/1.dcm", "b/2.dcm")
        assert [name for name, _ in batch.skipped] == ["a/cut.dcm", "a/text.dcm"]
        assert all(reason for _, reason in batch.skipped)


class TestOpening:
    def test_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"there is no folder .*/nowhere; give a folder of images"):
            open_dataset(tmp_path / "nowhere")

    def test_empty_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"is empty; a folder needs a labels.csv"):
            open_dataset(tmp_path)

    def test_a_file(self, tmp_path):
        picture(tmp_path / "a.png")
        with pytest.raises(NotADirectoryError, match="is a file; give the folder"):
            open_dataset(tmp_path / "a.png")

    def test_images_without_classes(self, tmp_path):
        picture(tmp_path / "a.png")
        with pytest.raises(ValueError, match=r"holds images, such as a\.png, but nothing says their classes"):
            open_dataset(tmp_path)

    def test_a_folder_of_archives(self, tmp_path):
        (tmp_path / "b.npz").write_bytes(b"")
        (tmp_path / "SOURCE.md").write_text("text")
        with pytest.raises(ValueError, match=r"holds the archive b\.npz: give that file as --data"):
            open_dataset(tmp_path)
        (tmp_path / "a.npz").write_bytes(b"")
        with pytest.raises(ValueError, match=r"holds archives, a\.npz, b\.npz: give one of these files as --data"):
            open_dataset(tmp_path)

    def test_one_level_too_high(self, tmp_path):
        picture(tmp_path / "first" / "glioma" / "a.png")
        picture(tmp_path / "second" / "glioma" / "b.png")
        with pytest.raises(ValueError, match=r"holds several data sets \(first, second\): give one of them"):
            open_dataset(tmp_path)

    def test_options_that_do_not_fit(self, tmp_path):
        picture(tmp_path / "x" / "a.png")
        with pytest.raises(ValueError, match="count is an option of phantoms"):
            open_dataset(tmp_path, count=3)
        with pytest.raises(ValueError, match="unknown mask role 'tumor': choose from artefact, lesion, organ"):
            open_dataset(tmp_path, mask_role="tumor")
        with pytest.raises(ValueError, match="--window is 5 5; give two numbers, LOW below HIGH"):
            open_dataset(tmp_path, window=(5, 5))

    def test_options_are_recorded(self, tmp_path):
        picture(tmp_path / "x" / "a.png")
        options = open_dataset(tmp_path, transpose=True, window=(0, 9)).options
        assert options == {"source": str(tmp_path), "mask_role": None, "window": [0, 9], "transpose": True}


class TestLayouts:
    def test_readers_know_nothing_of_each_other(self):
        """What they share lies in `files`, `images` and `dataset`; only `opening` knows which there are."""
        folder = Path(readers.__file__).parent
        modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
        assert modules == sorted(
            reader.__name__.rpartition(".")[2] for reader in (*opening.CONTAINERS, *opening.READERS)
        )
        for module in modules:
            tree = ast.parse((folder / f"{module}.py").read_text("utf-8"))
            for node in ast.walk(tree):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
                origin = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                assert "readers" not in origin
                assert not set(names) & {"readers", "opening"}

    def test_roles_are_matched_in_any_spelling(self, scans):
        assert open_dataset(scans, mask_role="Lesion").mask_role == "lesion"
        with pytest.raises(InputError, match=r"unknown mask role 'artifact': did you mean artefact\?"):
            open_dataset(scans, mask_role="artifact")
        rows = list(csv.DictReader((scans / "labels.csv").read_text().splitlines()))
        table(scans, [{**row, "mask_role": "Organ"} for row in rows])
        assert open_dataset(scans).mask_role == "organ"
