"""Layouts of folders as data sets are published: small copies of each, with every file counted."""

import os
import time
import tracemalloc
import unicodedata
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import open_dataset
from xaijax.data.dataset import SPREAD
from xaijax.data.scan import scan

SIDE = (12, 10)
UNUSED = "it is not an image or a table this layout uses"


def picture(path, seed=0, shape=SIDE):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def outline(path, rows=slice(2, 5), shape=SIDE, inside=255):
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros(shape, np.uint8)
    mask[rows] = inside
    Image.fromarray(mask).save(path)
    return mask > 0


def text(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def on_disk(folder):
    """Everything below a folder that is not a folder: files, links, special files."""
    count = 0
    for place, folders, names in os.walk(folder):
        count += len(names) + sum((Path(place) / name).is_symlink() for name in folders)
    return count


def left(dataset):
    """Reason -> number of files."""
    return {reason: one.count for reason, one in dataset.found.left_out.items()}


def ids(dataset):
    return [case.id for case in dataset.cases]


def counts(dataset):
    """Checks that nothing vanished; what files were taken as."""
    assert dataset.found.seen == on_disk(dataset.options["source"])
    assert dataset.found.taken["image"] == len(dataset)
    return dict(dataset.found.taken)


class TestClassFolders:
    def test_every_file_is_counted(self, tmp_path):
        picture(tmp_path / "cyst" / "1.png")
        picture(tmp_path / "cyst" / "2.png", 1)
        picture(tmp_path / "none" / "3.png", 2)
        outline(tmp_path / "cyst" / "masks" / "1.png")
        outline(tmp_path / "cyst" / "masks" / "gone.png")
        picture(tmp_path / "cyst" / "thumbnails" / "1.png")
        picture(tmp_path / "cover.png")
        text(tmp_path / "cyst" / "notes.txt")
        text(tmp_path / "README.md")
        text(tmp_path / ".DS_Store")
        picture(tmp_path / "__MACOSX" / "._1.png")
        picture(tmp_path / ".cache" / "deep" / "1.png")
        dataset = open_dataset(tmp_path)
        assert counts(dataset) == {"image": 3, "mask": 1}
        assert ids(dataset) == ["cyst/1.png", "cyst/2.png", "none/3.png"]
        assert [case.source.roles for case in dataset.cases] == [(None,), (), ()]
        assert left(dataset) == {
            "it is hidden": 3,
            UNUSED: 2,
            "it is a mask and no image has its name": 1,
            "it lies in a sub-folder of a class folder that has images of its own": 1,
            "it lies outside the class folders": 1,
        }

    def test_a_class_that_is_nested_deeper_does_not_vanish(self, tmp_path):
        picture(tmp_path / "cyst" / "1.png")
        picture(tmp_path / "tumour" / "tumour" / "2.png", 1)
        picture(tmp_path / "tumour" / "tumour" / "more" / "3.png", 2)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("cyst", "tumour")
        assert ids(dataset) == ["cyst/1.png", "tumour/tumour/2.png", "tumour/tumour/more/3.png"]
        assert counts(dataset) == {"image": 3}
        assert dataset.found.notes == (
            "The images of class tumour lie deeper than those of other classes, in tumour/tumour.",
        )

    def test_folders_of_patients_in_every_class(self, tmp_path):
        """Masks stay with the images of their folder, whatever other folders call theirs."""
        for number, place in enumerate(("benign/p1", "benign/p2", "malignant/p3")):
            picture(tmp_path / place / "1.png", number)
        mask = outline(tmp_path / "benign" / "p2" / "masks" / "1.png")
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert ids(dataset) == ["benign/p1/1.png", "benign/p2/1.png", "malignant/p3/1.png"]
        assert dataset.labels.tolist() == [0, 0, 1]
        assert counts(dataset) == {"image": 3, "mask": 1}
        batch = dataset.read()
        assert batch.has_mask.tolist() == [False, True, False]
        np.testing.assert_array_equal(batch.masks[1], mask)
        assert [case.group for case in dataset.cases] == ["p1", "p2", "p3"]
        assert "Sub-folders of the class folders, such as p1, are called like patients" in dataset.found.notes[0]

    @pytest.mark.parametrize(
        ("places", "groups"),
        [
            (("a/p1", "a/p2", "b/p1"), ["p1", "p2", "p1"]),  # one name, one patient: no split can separate them
            (
                ("a/images/patient_07", "a/images/patient_08", "b/images/patient_09"),
                ["patient_07", "patient_08", "patient_09"],
            ),
            (("a/left", "a/right", "b/mid"), [None, None, None]),
            (("a/p1", "a/right", "b/p2"), [None, None, None]),
            (("a/1", "a/2", "b/3"), [None, None, None]),  # may be anything
        ],
    )
    def test_sub_folders_are_groups_where_all_are_called_like_patients(self, tmp_path, places, groups):
        for number, place in enumerate(places):
            picture(tmp_path / place / f"{number}.png", number)
        dataset = open_dataset(tmp_path)
        assert [case.group for case in dataset.cases] == groups
        said = [note for note in dataset.found.notes if "split" in note]
        assert len(said) == 1
        assert ("taken as patients" if groups[0] else "does not keep sub-folders together") in said[0]

    @pytest.mark.parametrize("inner", [("p1", "p1"), ("case_3", "case_3"), ("0007", "0007"), ("PNG", "PNG")])
    def test_sub_folders_of_patients_may_have_the_same_names_in_two_classes(self, tmp_path, inner):
        pixels = picture(tmp_path / "a" / inner[0] / "x.png")
        picture(tmp_path / "b" / inner[1] / "y.png", 1)
        found = open_dataset(tmp_path)
        assert found.classes == ("a", "b")
        assert ids(found) == [f"a/{inner[0]}/x.png", f"b/{inner[1]}/y.png"]
        np.testing.assert_array_equal(found.read([0]).images[0, ..., 0], pixels)

    def test_ten_patients_of_bare_numbers_in_each_class(self, tmp_path):
        for name in "ab":
            for patient in range(1, 13):
                picture(tmp_path / name / str(patient) / "x.png", patient)
        assert open_dataset(tmp_path).class_counts() == {"a": 12, "b": 12}

    @pytest.mark.parametrize("inner", ["grade 1", "1", "benign"])
    def test_folders_that_may_be_several_data_sets_are_refused_unless_they_are_named(self, tmp_path, inner):
        for name in ("first", "second one"):
            for other in (inner, "other"):
                picture(tmp_path / name / other / "x.png")
        with pytest.raises(
            InputError, match=r'give one of them; if these folders are the .* --classes first "second one"'
        ):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=("first", "second one")).class_counts() == {"first": 2, "second one": 2}

    def test_classes_below_images_with_masks_next_to_it(self, tmp_path):
        for name in ("benign", "malignant"):
            picture(tmp_path / "images" / name / "1.png")
            outline(tmp_path / "masks" / name / "1.png")
        text(tmp_path / "readme.txt")
        found = open_dataset(tmp_path, mask_role="lesion")
        assert ids(found) == ["images/benign/1.png", "images/malignant/1.png"]
        assert found.read().has_mask.all()
        assert dict(found.found.taken) == {"image": 2, "mask": 2}
        assert found.found.seen == on_disk(tmp_path)

    def test_a_mask_outside_the_classes_that_fits_two_images_is_left_out(self, tmp_path):
        for name in ("benign", "malignant"):
            picture(tmp_path / "images" / name / "1.png")
        picture(tmp_path / "images" / "benign" / "2.png")
        for name in ("1", "2"):
            outline(tmp_path / "masks" / f"{name}.png")
        found = open_dataset(tmp_path, mask_role="lesion")
        assert found.read().has_mask.tolist() == [False, True, False]
        assert left(found) == {"it is a mask and several images in different folders have its name": 1}

    def test_a_mask_that_fits_images_of_two_suffixes_is_noted(self, tmp_path):
        for name in ("1.png", "1.bmp"):
            picture(tmp_path / "a" / name)
        outline(tmp_path / "a" / "1_mask.png")
        picture(tmp_path / "b" / "2.png")
        found = open_dataset(tmp_path, mask_role="lesion")
        assert found.read().has_mask.tolist() == [True, True, False]
        assert found.found.notes[1:] == (
            "1 mask belongs to several images that differ in their suffix alone: a/1_mask.png is the mask of a/1.bmp "
            "and of a/1.png.",
        )

    def test_folders_named_by_the_year_of_a_side_are_no_classes(self, tmp_path):
        for name in ("train2017", "val2017"):
            picture(tmp_path / "images" / name / "1.png")
        with pytest.raises(InputError, match=r"--labels|layout|classes"):
            open_dataset(tmp_path)

    def test_several_data_sets_are_not_classes(self, tmp_path):
        for name in ("first", "second"):
            picture(tmp_path / name / "images" / "1.png")
            text(tmp_path / name / "labels.csv", "file,label\nimages/1.png,a\n")
        with pytest.raises(InputError, match=r"holds several data sets \(first, second\): give one of them"):
            open_dataset(tmp_path)

    @pytest.mark.parametrize("name", ["Test cases", "test", "unlabelled", "Unknown", "segmentations"])
    def test_an_extra_folder_is_no_class_unless_it_is_named(self, tmp_path, name):
        for number, place in enumerate(("benign", "malignant", name)):
            picture(tmp_path / place / "1.png", number)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("benign", "malignant")
        assert counts(dataset) == {"image": 2}
        ((reason, one),) = dataset.found.left_out.items()
        assert reason.startswith(f"its folder {name} does not look like a class (--classes")
        assert one.examples == (f"{name}/1.png",)
        named = open_dataset(tmp_path, classes=["benign", "malignant", name])
        assert set(named.classes) == {"benign", "malignant", name}
        assert open_dataset(tmp_path, classes=["benign", name.upper()]).class_counts() == {"benign": 1, name: 1}

    def test_an_odd_name_is_a_class_where_no_two_others_are_left(self, tmp_path):
        for number, place in enumerate(("normal", "unknown")):
            picture(tmp_path / place / "1.png", number)
        assert open_dataset(tmp_path).classes == ("normal", "unknown")

    @pytest.mark.parametrize(
        ("names", "classes"),
        [
            (("Normal", "normal", "cyst"), ("Normal", "cyst")),
            (("1", "1.0", "2"), ("1", "2")),
            (("Lung_Opacity", "lung opacity", "x"), ("Lung_Opacity", "x")),
            (("HER2+", "HER2-"), ("HER2+", "HER2-")),
            (("1", "10", "1.5"), ("1", "1.5", "10")),
        ],
    )
    def test_spellings_of_one_class_are_joined_and_noted(self, tmp_path, names, classes):
        for number, name in enumerate(names):
            picture(tmp_path / name / f"{number}.png", number)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == classes
        assert counts(dataset) == {"image": len(names)}
        joined = len(names) > len(classes)
        assert len(dataset.found.notes) == joined
        if joined:
            assert dataset.found.notes[0] == f"{names[0]} and {names[1]} were taken as one class, {names[0]}."
            assert dataset.class_counts()[names[0]] == 2

    def test_a_name_like_that_of_a_mask_is_an_image_where_its_image_is_missing(self, tmp_path):
        picture(tmp_path / "people" / "face_mask.png")
        picture(tmp_path / "people" / "hand.png", 1)
        mask = outline(tmp_path / "people" / "hand_mask.png")
        own = outline(tmp_path / "masks" / "people" / "face_mask.png", slice(7, 8))
        picture(tmp_path / "none" / "x.png", 2)
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert ids(dataset) == ["none/x.png", "people/face_mask.png", "people/hand.png"]
        assert counts(dataset) == {"image": 3, "mask": 2}
        batch = dataset.read()
        assert batch.has_mask.tolist() == [False, True, True]
        np.testing.assert_array_equal(batch.masks[1], own)
        np.testing.assert_array_equal(batch.masks[2], mask)

    @pytest.mark.parametrize(
        "form",
        [
            "{}_Mask",
            "{}-mask",
            "{} mask",
            "{}_seg",
            "{}_GT",
            "{}_masks_1",
            "mask_{}",
            "seg-{}",
            "{}.mask",
            "{}_label",
            "{}_lesion",
        ],
    )
    def test_other_names_of_masks(self, tmp_path, form):
        for place in ("a", "masks/b"):
            mask = outline(tmp_path / place / f"{form.format(1)}.png")
        for name in ("a/1.png", "b/1.png", "b/2_seg.png"):
            picture(tmp_path / name)
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert ids(dataset) == ["a/1.png", "b/1.png", "b/2_seg.png"]
        assert counts(dataset) == {"image": 3, "mask": 2}
        batch = dataset.read()
        assert batch.has_mask.tolist() == [True, True, False]
        assert (batch.masks[:2] == mask).all()

    @pytest.mark.parametrize(("image", "mask"), [("image_1", "mask_1"), ("1_img", "1_mask"), ("IMG-1", "gt-1")])
    def test_masks_with_another_word_in_the_place_of_image(self, tmp_path, image, mask):
        outlined = outline(tmp_path / "a" / f"{mask}.png")
        picture(tmp_path / "a" / f"{image}.png")
        picture(tmp_path / "b" / f"{mask}.png", 1)  # without an image of this name
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert ids(dataset) == [f"a/{image}.png", f"b/{mask}.png"]
        assert counts(dataset) == {"image": 2, "mask": 1}
        np.testing.assert_array_equal(dataset.read([0]).masks[0], outlined)

    @pytest.mark.parametrize(("image", "mask"), [("image", "mask"), ("IMG", "Masks"), ("imgs", "masks")])
    def test_other_names_of_the_folder_of_images(self, tmp_path, image, mask):
        """At the top, and inside the classes."""
        for form in ("top/{0}/{1}/1.png", "inside/{1}/{0}/1.png"):
            for number, name in enumerate("ab"):
                picture(tmp_path / form.format(image, name), number)
                outlined = outline(tmp_path / form.format(mask, name))
        for place in ("top", "inside"):
            dataset = open_dataset(tmp_path / place, mask_role="lesion")
            assert dataset.classes == ("a", "b")
            assert counts(dataset) == {"image": 2, "mask": 2}
            assert (dataset.read().masks == outlined).all()

    def test_sides_whose_names_say_what_they_are_sides_of_are_no_classes(self, tmp_path):
        """`seg_train/seg_train/buildings`, as Kaggle unpacks it, was a class `seg_train`."""
        for side in ("train", "test"):
            for name in ("a", "b"):
                picture(tmp_path / f"seg_{side}" / f"seg_{side}" / name / "1.png")
        picture(tmp_path / "seg_pred" / "seg_pred" / "1.png")
        with pytest.raises(InputError, match=r"holds several data sets|give that folder|give one of them"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path / "seg_train" / "seg_train").classes == ("a", "b")

    @pytest.mark.parametrize("other", ["gt", "Labels", "Ground Truth", "annotations"])
    def test_annotations_next_to_the_images_of_a_class_are_no_images(self, tmp_path, other):
        for number, name in enumerate("ab"):
            picture(tmp_path / name / "scans" / "1.png", number)
            outline(tmp_path / name / other / "1.png")
        dataset = open_dataset(tmp_path)
        assert ids(dataset) == ["a/scans/1.png", "b/scans/1.png"]
        assert counts(dataset) == {"image": 2}
        assert left(dataset) == {"its folder is named like annotations, next to one of images": 2}

    def test_masks_that_are_arrays(self, tmp_path):
        mask = np.zeros(SIDE, bool)
        mask[3:5] = True
        for place in ("masks/a/1.npy", "b/1_mask.npy"):
            (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
            np.save(tmp_path / place, mask)
        picture(tmp_path / "a" / "1.png")
        picture(tmp_path / "b" / "1.png", 1)
        dataset = open_dataset(tmp_path, mask_role="organ")
        assert counts(dataset) == {"image": 2, "mask": 2}
        assert (dataset.read().masks == mask).all()

    def test_folders_that_systems_make_are_hidden(self, tmp_path):
        for number, name in enumerate(("a/1.png", "b/1.png", "__MACOSX/1.png", "@eaDir/1.png")):
            picture(tmp_path / name, number)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert counts(dataset) == {"image": 2}
        assert left(dataset) == {"it is hidden": 2}

    def test_accents_in_two_forms_are_one_class(self, tmp_path):
        for side, form in (("train", "NFC"), ("test", "NFD")):
            picture(tmp_path / side / unicodedata.normalize(form, "N\u00e9vus") / "1.png")
            picture(tmp_path / side / "b " / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"N\u00e9vus": 2, "b": 2}
        assert dataset.found.notes == ()
        assert len(open_dataset(tmp_path, classes=["n\u00e9vus", "B"])) == 4

    def test_a_set_that_is_wrapped_in_folders_is_named(self, tmp_path):
        for name in ("a", "b"):
            picture(tmp_path / "archive" / "brain" / name / "1.png")
        with pytest.raises(InputError, match="holds a data set in its folder archive/brain: give that folder"):
            open_dataset(tmp_path)

    def test_flat_sides_and_one_folder_next_to_a_table_are_no_classes(self, tmp_path):
        for name in ("flat/train/1.png", "flat/test/1.png", "sample/sample/images/1.png", "sample/sample/images/2.png"):
            picture(tmp_path / name)
        with pytest.raises(InputError, match=r"holds images, such as test/1\.png, but nothing says their classes"):
            open_dataset(tmp_path / "flat")
        text(tmp_path / "sample" / "sample_labels.csv", "Image Index,Finding Labels\n1.png,Mass\n2.png,Nodule\n")
        with pytest.raises(InputError, match=r"give --labels sample_labels\.csv"):
            open_dataset(tmp_path / "sample")
        assert open_dataset(tmp_path / "sample", labels="sample_labels.csv").classes == ("Mass", "Nodule")

    def test_sides_that_share_classes_are_no_classes(self, tmp_path):
        for name in ("train/a", "train/b", "test/a", "test/b", "unlabeled", "extra"):
            picture(tmp_path / name / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert {side: len(at) for side, at in dataset.splits.items()} == {"training": 2, "test": 2}
        assert counts(dataset) == {"image": 4}
        assert left(dataset) == {"its folder is not a side of the split": 2}

    @pytest.mark.parametrize("suffix", ["jp2", "jfif", "avif", "tga", "PNG", "pnm"])
    def test_suffixes(self, tmp_path, suffix):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "keep.png")
        (tmp_path / "a").mkdir()
        form = {"jp2": "JPEG2000", "jfif": "JPEG", "pnm": "PPM"}.get(suffix, suffix.upper())
        Image.fromarray(np.full((16, 16, 3), 100, np.uint8)).save(tmp_path / "a" / f"1.{suffix}", form)
        (tmp_path / "keep.png").unlink()
        dataset = open_dataset(tmp_path)
        assert ids(dataset) == [f"a/1.{suffix}"]
        assert abs(int(dataset.read().images.mean()) - 100) <= 2

    def test_dicom_without_a_suffix(self, tmp_path):
        for number, name in enumerate(("IM0001", "1.2.840.5", "x.ima")):
            dicom(tmp_path / "ct" / name, f"patient-{number % 2}")
        text(tmp_path / "ct" / "LICENSE")
        dataset = open_dataset(tmp_path)
        assert ids(dataset) == ["ct/1.2.840.5", "ct/IM0001", "ct/x.ima"]
        assert counts(dataset) == {"image": 3}
        first, second, third = (case.group for case in dataset.cases)
        assert second == third != first
        assert len(dataset.read().ids) == 3


def dicom(path, patient):
    import pydicom

    path.parent.mkdir(parents=True, exist_ok=True)
    stored = pydicom.Dataset()
    stored.file_meta = pydicom.dataset.FileMetaDataset()
    stored.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID = pydicom.uid.CTImageStorage
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID = pydicom.uid.generate_uid()
    stored.PatientID = patient
    stored.Rows = stored.Columns = 8
    stored.SamplesPerPixel, stored.PhotometricInterpretation = 1, "MONOCHROME2"
    stored.BitsAllocated = stored.BitsStored = 16
    stored.HighBit, stored.PixelRepresentation = 15, 0
    stored.PixelData = np.arange(64, dtype="<u2").tobytes()
    stored.save_as(path, enforce_file_format=True)


class TestScan:
    def test_links_special_files_and_names_that_are_not_text(self, tmp_path):
        outside = tmp_path / "outside"
        picture(outside / "x" / "far.png")
        root = tmp_path / "root"
        near = picture(root / "a" / "near.png", 1)
        picture(root / "b" / "other.png", 2)
        (root / "a" / "again.png").symlink_to(root / "b" / "other.png")
        (root / "a" / "far.png").symlink_to(outside / "x" / "far.png")
        (root / "a" / "lost.png").symlink_to(root / "nothing.png")
        (root / "a" / "self.png").symlink_to(root / "a" / "self.png")
        (root / "a" / "loop").symlink_to(root)
        (root / "a" / "up").symlink_to(tmp_path)
        (root / "c").symlink_to(outside / "x")
        (root / "twin").symlink_to(root / "a")
        os.mkfifo(root / "a" / "pipe.png")
        Path(os.fsdecode(os.fsencode(root / "a") + b"/caf\xe9.png")).write_bytes(b"")
        dataset = open_dataset(root)
        assert ids(dataset) == ["a/again.png", "a/near.png", "b/other.png"]
        assert counts(dataset) == {"image": 3}
        assert left(dataset) == {
            "it is a link to a folder that is read already": 3,
            "it is a link that leaves the folder (--allow-outside takes it)": 2,
            "it is a link to nothing": 2,
            "it is not a regular file": 1,
            "its name is not UTF-8": 1,
        }
        batch = dataset.read()
        assert len(batch) == 3
        np.testing.assert_array_equal(batch.images[1, ..., 0], near)
        wider = open_dataset(root, allow_outside=True)
        assert ids(wider) == ["a/again.png", "a/far.png", "a/near.png", "b/other.png", "c/far.png"]
        assert wider.found.seen == dataset.found.seen

    def test_only_links_that_leave(self, tmp_path):
        picture(tmp_path / "far" / "1.png")
        (tmp_path / "root" / "a").mkdir(parents=True)
        (tmp_path / "root" / "a" / "1.png").symlink_to(tmp_path / "far" / "1.png")
        with pytest.raises(InputError, match=r"holds no images, but links that leave it, such as a/1.png \(--allow"):
            open_dataset(tmp_path / "root")
        assert len(open_dataset(tmp_path / "root", allow_outside=True)) == 1

    def test_the_tree_is_in_natural_order_and_knows_what_is_below(self, tmp_path):
        for name in ("b/10.png", "b/9.png", "a/x/1.png", "0.png"):
            text(tmp_path / name)
        tree = scan(tmp_path)
        assert list(tree.names()) == ["0.png", "a/x/1.png", "b/9.png", "b/10.png"]
        assert list(tree.below("a")) == ["a", "a/x"]
        assert tree.folders[""] == ("a", "b")
        assert Path(tree.path("a/x/1.png")) == (tmp_path / "a" / "x" / "1.png").resolve()

    def test_a_large_folder_opens_fast_and_in_little_memory(self, tmp_path):
        """A fifth of the goal: 100,000 files in 10 s, with 150 MB more than 100 files."""
        many = 20_000
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        for number in range(many):
            os.close(os.open(tmp_path / "ab"[number % 2] / f"image_{number:06d}.png", os.O_CREAT | os.O_WRONLY))
        start = time.perf_counter()
        assert len(open_dataset(tmp_path)) == many
        assert time.perf_counter() - start < 10
        tracemalloc.start()
        dataset = open_dataset(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert dataset.found.taken == {"image": many}
        assert peak < 30e6


class TestSplitFolders:
    @pytest.mark.parametrize(
        "names", [("train", "val", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "valid", "test_set")]
    )
    def test_one_data_set_with_its_split(self, tmp_path, names):
        sides = dict(zip(("training", "validation", "test"), names, strict=True))
        number = 0
        for side, many in (("training", 3), ("validation", 1), ("test", 2)):
            for name in ("cyst", "none"):
                for _ in range(many):
                    number += 1
                    picture(tmp_path / sides[side] / name / f"{number}.png", number)
        text(tmp_path / "README.txt")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("cyst", "none")
        assert dataset.class_counts() == {"cyst": 6, "none": 6}
        assert {side: len(found) for side, found in dataset.splits.items()} == {
            "training": 6,
            "validation": 2,
            "test": 4,
        }
        assert ids(dataset)[:4] == [
            f"{sides['training']}/cyst/{n}.png" if n < 4 else f"{sides['validation']}/cyst/{n}.png"
            for n in (1, 2, 3, 7)
        ]
        for case in dataset.cases:
            assert case.id.startswith(f"{sides[case.split]}/{dataset.classes[case.label]}/")
        assert counts(dataset) == {"image": 12}
        assert left(dataset) == {UNUSED: 1}

    def test_spellings_and_depths_differ_between_sides(self, tmp_path):
        picture(tmp_path / "train" / "NORMAL" / "1.png")
        picture(tmp_path / "train" / "SICK" / "sub" / "2.png", 1)
        picture(tmp_path / "test" / "Normal" / "3.png", 2)
        outline(tmp_path / "train" / "NORMAL" / "masks" / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("NORMAL", "SICK")
        assert [(case.id, case.label, case.split) for case in dataset.cases] == [
            ("train/NORMAL/1.png", 0, "training"),
            ("test/Normal/3.png", 0, "test"),
            ("train/SICK/sub/2.png", 1, "training"),
        ]
        assert counts(dataset) == {"image": 3, "mask": 1}
        assert set(dataset.found.notes) == {
            "NORMAL and Normal were taken as one class, NORMAL.",
            "The images of class SICK lie deeper than those of other classes, in train/SICK/sub.",
            "The side test has no image of the class SICK.",
        }

    def test_a_side_without_classes_and_a_folder_that_is_no_side(self, tmp_path):
        for number, name in enumerate(("cat", "dog")):
            picture(tmp_path / "train" / name / "1.png", number)
        picture(tmp_path / "test" / "1.png", 5)
        picture(tmp_path / "copy" / "train" / "cat" / "1.png", 6)
        dataset = open_dataset(tmp_path)
        assert ids(dataset) == ["train/cat/1.png", "train/dog/1.png"]
        assert counts(dataset) == {"image": 2}
        assert left(dataset) == {"it lies outside the class folders": 1, "its folder is not a side of the split": 1}

    def test_class_folders_next_to_a_test_folder_are_no_sides(self, tmp_path):
        for number, name in enumerate(("a", "b", "test")):
            picture(tmp_path / name / "1.png", number)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert dataset.splits == {}


def mat(path, label=1, patient="100360", seed=0, **without):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as stored:
        data = stored.create_group("cjdata")
        data["image"] = rng.integers(0, 3000, (16, 20)).astype(np.int16).T
        data["label"] = np.array([[float(label)]])
        data["PID"] = np.array([[ord(letter)] for letter in patient], np.uint16)
        if not without:
            data["tumorMask"] = (rng.random((16, 20)) > 0.9).astype(np.uint8).T


class TestFigshare:
    @pytest.fixture
    def published(self, tmp_path):
        """Four parts, the folds and a text, as the archive comes; seven slices of four patients."""
        slices = {1: (1, "100360"), 2: (1, "100360"), 766: (2, "MR1"), 767: (2, "MR1"), 1533: (3, "x"), 3064: (3, "y")}
        parts = ((1, 766), (767, 1532), (1533, 2298), (2299, 3064))
        for number, (label, patient) in slices.items():
            first, last = next(part for part in parts if part[0] <= number <= part[1])
            mat(tmp_path / f"brainTumorDataPublic_{first}-{last}" / f"{number}.mat", label, patient, number)
        folds = np.arange(3064) % 5 + 1
        with h5py.File(tmp_path / "cvind.mat", "w") as stored:
            stored["cvind"] = folds[None].astype(np.float64)
        text(tmp_path / "README.txt")
        return tmp_path

    def test_as_published(self, published):
        dataset = open_dataset(published)
        assert counts(dataset) == {"table": 1, "image": 6}
        assert left(dataset) == {UNUSED: 1}
        assert ids(dataset) == [
            "brainTumorDataPublic_1-766/1.mat",
            "brainTumorDataPublic_1-766/2.mat",
            "brainTumorDataPublic_1-766/766.mat",
            "brainTumorDataPublic_767-1532/767.mat",
            "brainTumorDataPublic_1533-2298/1533.mat",
            "brainTumorDataPublic_2299-3064/3064.mat",
        ]
        assert [dataset.classes[case.label] for case in dataset.cases] == [
            *["meningioma"] * 2,
            *["glioma"] * 2,
            *["pituitary"] * 2,
        ]
        assert [case.group for case in dataset.cases] == [
            *["patient 100360"] * 2,
            *["patient MR1"] * 2,
            "patient x",
            "patient y",
        ]
        assert [case.split for case in dataset.cases] == [
            f"fold {(n - 1) % 5 + 1}" for n in (1, 2, 766, 767, 1533, 3064)
        ]
        assert dataset.mask_role == "lesion"
        assert dataset.read().has_mask.all()

    def test_opening_reads_no_pixels(self, published, monkeypatch):
        read = []
        plain = h5py.Dataset.__getitem__
        monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, key: read.append(self.name) or plain(self, key))
        open_dataset(published)
        assert set(read) == {"/cjdata/label", "/cjdata/PID", "/cvind"}

    def test_foreign_files_are_left_out(self, published):
        mat(published / "3000.mat", label=7)
        (published / "empty.mat").write_bytes(b"")
        (published / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100))
        with h5py.File(published / "other.mat", "w") as stored:
            stored["x"] = 1
        with h5py.File(published / "loop.mat", "w") as stored:
            stored["cjdata"] = h5py.SoftLink("/cjdata")
        with h5py.File(published / "elsewhere.mat", "w") as stored:
            stored["cjdata"] = h5py.ExternalLink("other.mat", "/x")
        dataset = open_dataset(published)
        assert len(dataset) == 6
        assert counts(dataset) == {"table": 1, "image": 6}
        assert left(dataset) == {
            "it is not a slice of the figshare brain tumour set": 3,
            UNUSED: 1,
            "its label is not 1, 2 or 3": 1,
            "it is an empty file": 1,
            "it is not a MATLAB v7.3 file (HDF5)": 1,
        }

    def test_a_slice_without_its_mask_is_an_image(self, tmp_path):
        mat(tmp_path / "1.mat")
        mat(tmp_path / "2.mat", seed=1, without_mask=True)
        batch = open_dataset(tmp_path).read()
        assert batch.has_mask.tolist() == [True, False]
        assert ("2.mat", "a mask cannot be read (its file holds no tumorMask)") in batch.notes
        assert [name for name, note in batch.notes if note == SPREAD] == ["1.mat", "2.mat"]

    def test_folds_that_cannot_be_read(self, published):
        (published / "cvind.mat").write_bytes(b"")
        dataset = open_dataset(published)
        assert dataset.splits == {}
        assert dataset.found.notes == ("cvind.mat cannot be read (it is an empty file); slices are in no fold.",)
        counts(dataset)

    def test_pixels_that_lie_in_another_file(self, tmp_path):
        """HDF5 can take the bytes of an array from any file; they are not read."""
        (tmp_path / "secret.txt").write_bytes(bytes(640))
        mat(tmp_path / "1.mat")
        with h5py.File(tmp_path / "1.mat", "a") as stored:
            del stored["cjdata/image"]
            outside = [(str(tmp_path / "secret.txt"), 0, 640)]
            stored["cjdata"].create_dataset("image", (20, 16), np.int16, external=outside)
        mat(tmp_path / "2.mat", seed=1)
        batch = open_dataset(tmp_path).read()
        assert batch.ids == ("2.mat",)
        assert batch.skipped == (("1.mat", "it points to other files"),)


class TestRadiography:
    @pytest.fixture
    def published(self, tmp_path):
        for number, name in enumerate(("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")):
            for image in range(1, 3):
                picture(tmp_path / name / "images" / f"{name}-{image}.png", 10 * number + image, (299, 299))
                outline(tmp_path / name / "masks" / f"{name}-{image}.png", slice(64, 192), (256, 256))
            text(tmp_path / f"{name}.metadata.xlsx")
        text(tmp_path / "README.md.txt")
        return tmp_path

    def test_as_published(self, published):
        dataset = open_dataset(published)
        assert dataset.found.layout == "COVID-19 radiography database"
        assert dataset.classes == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
        assert ids(dataset)[:3] == [
            "COVID/images/COVID-1.png",
            "COVID/images/COVID-2.png",
            "Lung_Opacity/images/Lung_Opacity-1.png",
        ]
        assert counts(dataset) == {"image": 8, "mask": 8}
        assert left(dataset) == {UNUSED: 5}
        assert dataset.mask_role == "organ"
        assert dataset.roles == ("organ",)
        batch = dataset.read([0, 7])
        assert batch.masks.shape == (2, 299, 299)
        assert batch.masks.mean() == pytest.approx(0.5, abs=0.01)

    def test_three_classes(self, published):
        dataset = open_dataset(published, classes=["normal", "covid", "viral pneumonia"])
        assert dataset.class_counts() == {"COVID": 2, "Normal": 2, "Viral Pneumonia": 2}

    def test_files_of_classes_that_were_not_asked_for_are_left_out(self, published):
        whole = open_dataset(published)
        dataset = open_dataset(published, classes=["normal", "covid"])
        assert dataset.found.taken == {"image": 4, "mask": 4}
        assert left(dataset)["it is of a class that was not asked for (--classes)"] == 8
        assert dataset.found.seen == whole.found.seen == on_disk(published)

    def test_another_role_wins(self, published):
        assert open_dataset(published, mask_role="lesion").mask_role == "lesion"


class TestIqOth:
    def test_as_published(self, tmp_path):
        for number, (name, one) in enumerate(
            (("Bengin cases", "Bengin case"), ("Malignant cases", "Malignant case"), ("Normal cases", "Normal case"))
        ):
            for image in (1, 2, 10):
                picture(tmp_path / name / f"{one} ({image}).jpg", 20 * number + image)
        picture(tmp_path / "Test cases" / "000000_01_01.jpg")
        text(tmp_path / "IQ-OTH_NCCD lung cancer dataset.txt")
        dataset = open_dataset(tmp_path)
        assert dataset.found.layout == "IQ-OTH/NCCD lung CT"
        assert dataset.classes == ("Bengin cases", "Malignant cases", "Normal cases")
        assert ids(dataset)[:4] == [
            *(f"Bengin cases/Bengin case ({image}).jpg" for image in (1, 2, 10)),
            "Malignant cases/Malignant case (1).jpg",
        ]
        assert counts(dataset) == {"image": 9}
        assert sorted(left(dataset).values()) == [1, 1]
        assert any(reason.startswith("its folder Test cases does not look like a class") for reason in left(dataset))
        assert not dataset.roles


class TestBusi:
    def test_as_published(self, tmp_path):
        masks = {}
        for number, name in enumerate(("benign", "malignant", "normal")):
            for image in (1, 2):
                picture(tmp_path / name / f"{name} ({image}).png", 20 * number + image)
                rows = slice(0, 0) if name == "normal" else slice(image, image + 2)
                masks[name, image] = outline(tmp_path / name / f"{name} ({image})_mask.png", rows)
        second = outline(tmp_path / "benign" / "benign (2)_mask_1.png", slice(8, 10))
        dataset = open_dataset(tmp_path)
        assert dataset.found.layout == "BUSI breast ultrasound"
        assert dataset.classes == ("benign", "malignant", "normal")
        assert ids(dataset)[:2] == ["benign/benign (1).png", "benign/benign (2).png"]
        assert counts(dataset) == {"image": 6, "mask": 7}
        assert dataset.mask_role == "lesion"
        batch = dataset.read()
        assert [len(found) for found in batch.elements] == [1, 2, 1, 1, 1, 1]
        np.testing.assert_array_equal(batch.masks[1], masks["benign", 2] | second)
        assert not batch.masks[4:].any()
        assert dataset.found.notes == ("Masks outline the lesions (lesion), as in the published set.",)


def trimap(path, shape=SIDE):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.full(shape, 2, np.uint8)
    values[3:8, 2:8] = 3
    values[4:7, 3:7] = 1
    Image.fromarray(values).save(path)
    return values == 1


class TestOxfordPets:
    NAMES = ("Abyssinian_1", "Abyssinian_10", "american_bulldog_2", "Egyptian_Mau_3", "pug_4")

    @pytest.fixture
    def published(self, tmp_path):
        for number, name in enumerate(self.NAMES):
            picture(tmp_path / "images" / f"{name}.jpg", number)
            if name != "pug_4":
                trimap(tmp_path / "annotations" / "trimaps" / f"{name}.png")
        text(tmp_path / "images" / "Abyssinian_1.mat")
        text(tmp_path / "annotations" / "trimaps" / "._Abyssinian_1.png")
        trimap(tmp_path / "annotations" / "trimaps" / "gone_1.png")
        text(tmp_path / "annotations" / "xmls" / "Abyssinian_1.xml")
        text(tmp_path / "annotations" / "README")
        head = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n"
        text(tmp_path / "annotations" / "list.txt", head + "Abyssinian_1 1 1 1\n")
        text(tmp_path / "annotations" / "trainval.txt", "Abyssinian_1 1 1 1\namerican_bulldog_2 2 2 1\n")
        text(tmp_path / "annotations" / "test.txt", "Abyssinian_10 1 1 1\nEgyptian_Mau_3 3 1 2\n")
        return tmp_path

    def test_breeds(self, published):
        dataset = open_dataset(published)
        assert dataset.classes == ("Abyssinian", "Egyptian_Mau", "american_bulldog", "pug")
        order = ("Abyssinian_1", "Abyssinian_10", "Egyptian_Mau_3", "american_bulldog_2", "pug_4")
        assert ids(dataset) == [f"images/{name}.jpg" for name in order]
        assert dataset.labels.tolist() == [0, 0, 1, 2, 3]
        assert [case.split for case in dataset.cases] == ["training", "test", "test", "training", None]
        assert dict(dataset.cases[3].extra) == {"species": "dog", "breed": "american_bulldog"}
        assert counts(dataset) == {"table": 3, "image": 5, "mask": 4}
        assert left(dataset) == {UNUSED: 3, "it is hidden": 1, "it is a trimap and no image has its name": 1}
        assert "Images that stand in neither trainval.txt nor test.txt: 1." in dataset.found.notes

    def test_species(self, published):
        dataset = open_dataset(published, classes=["dog", "cat"])
        assert dataset.classes == ("cat", "dog")
        assert dataset.labels.tolist() == [0, 0, 0, 1, 1]
        assert open_dataset(published, classes=["Abyssinian", "pug"]).class_counts() == {"Abyssinian": 2, "pug": 1}

    def test_the_animal_is_one_in_a_trimap(self, published):
        dataset = open_dataset(published)
        assert dataset.mask_role == "organ"
        source = dataset.cases[0].source
        assert source.roles == ("organ",)
        assert dict(source.masks[0][1].rule) == {"organ": (1,)}
        assert dataset.cases[4].source.roles == ()
        asked = open_dataset(published, mask_role="lesion").cases[0].source
        assert asked.roles == ("lesion",)
        assert dict(asked.masks[0][1].rule) == {"lesion": (1,)}
        animal = dataset.read([0]).roles["organ"][0]
        wider = open_dataset(published, mask_values=["organ=1,3"]).read([0]).roles["organ"][0]
        assert 0 < animal.sum() < wider.sum() < wider.size
        assert (wider | ~animal).all()


class TestCasCam:
    def build(self, root, names, box=255, trimaps=True):
        masks = {}
        for number, name in enumerate(names):
            picture(root / "with_artifact" / f"{name}.jpg", number, (*SIDE, 3))
            picture(root / "original" / f"{name}.jpg", 50 + number, (*SIDE, 3))
            masks[name] = outline(root / "artifact_boxes" / f"{name}_artifact.png", inside=box)
            if trimaps:
                trimap(root / "annotations" / "trimaps" / f"{name}.png")
        text(root / "README.md")
        return masks

    def test_pets(self, tmp_path):
        names = ("Bengal_2", "beagle_1", "saint_bernard_3")
        masks = self.build(tmp_path, names)
        text(tmp_path / "artifact_boxes" / "artifact_metadata.csv")
        text(tmp_path / "annotations" / "xmls" / "Bengal_2.xml")
        text(tmp_path / "annotations" / "list.txt", "Bengal_2 1 1 1\n")
        text(tmp_path / "annotations" / "trainval.txt", "Bengal_2 1 1 1\nbeagle_1 5 2 1\n")
        text(tmp_path / "annotations" / "test.txt", "saint_bernard_3 34 2 23\n")
        picture(tmp_path / "original" / "pug_9.jpg")
        outline(tmp_path / "artifact_boxes" / "pug_9_artifact.png")
        picture(tmp_path / "with_artifact" / "0001.jpg")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("cat", "dog")
        assert ids(dataset) == [f"with_artifact/{name}.jpg" for name in names]
        assert dataset.labels.tolist() == [0, 1, 1]
        assert [case.split for case in dataset.cases] == ["training", "training", "test"]
        assert [case.extra["breed"] for case in dataset.cases] == ["Bengal", "beagle", "saint_bernard"]
        assert counts(dataset) == {"table": 3, "image": 3, "mask": 6, "clean image": 3}
        assert left(dataset) == {
            UNUSED: 3,
            "its name says neither cat nor dog": 1,
            "no image in with_artifact has its name": 1,
            "it is the mask of a box and no image in with_artifact has its name": 1,
        }
        assert dataset.roles == ("organ", "artefact")
        assert all(case.source.roles == ("artefact", "organ") for case in dataset.cases)
        batch = dataset.read()
        for row, name in enumerate(names):
            np.testing.assert_array_equal(batch.roles["artefact"][row], masks[name])
        clean = open_dataset(tmp_path, covered=True).read()
        with Image.open(tmp_path / "original" / "Bengal_2.jpg") as stored:
            np.testing.assert_array_equal(clean.images[0], np.asarray(stored))
        assert "artefact" not in clean.roles

    def test_coco(self, tmp_path):
        """The class stands in the name, boxes and trimaps are 0 and 1, lists have names alone."""
        names = ("Coco_cat_00147", "coco_dog_04043")
        masks = self.build(tmp_path, names, box=1)
        text(tmp_path / "annotations" / "trainval.txt", "Coco_cat_00147\n")
        text(tmp_path / "annotations" / "test.txt", "coco_dog_04043\n")
        dataset = open_dataset(tmp_path)
        assert [(case.id, case.label, case.split) for case in dataset.cases] == [
            ("with_artifact/Coco_cat_00147.jpg", 0, "training"),
            ("with_artifact/coco_dog_04043.jpg", 1, "test"),
        ]
        counts(dataset)
        np.testing.assert_array_equal(dataset.read().roles["artefact"][1], masks["coco_dog_04043"])

    def test_boxes_alone(self, tmp_path):
        self.build(tmp_path, ("cat_1", "dog_1"), trimaps=False)
        dataset = open_dataset(tmp_path)
        assert dataset.mask_role == "artefact"
        assert dataset.labels.tolist() == [0, 1]


AFFINES = {
    "LPS": np.diag([-1.0, -1.0, 1.0, 1.0]),
    "RAS": np.eye(4),
    "axes swapped": np.array([[0.0, 0, 1, 0], [0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
}


def volumes(root, patient, part="seg", affine=AFFINES["LPS"], seed=0, labels=(1, 2, 4), sequences=("flair", "t1ce")):
    """A patient whose tumour is largest in slice 5 of 9 from the feet; what a reader of images sees of that slice."""
    rng = np.random.default_rng(seed)
    image = rng.integers(1, 4000, (8, 10, 9)).astype(np.int16)  # left, back, head
    tumour = np.zeros(image.shape, np.uint8)
    tumour[2:4, 3:5, 4] = labels[0]
    tumour[2:6, 3:7, 5] = labels[1]
    tumour[3:4, 4:5, 5] = labels[2]
    root.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate((*sequences, part)):
        stored = tumour if name == part else image + number * 0 if name == sequences[-1] else image[::-1]
        placed = stored
        if affine is AFFINES["RAS"]:
            placed = stored[::-1, ::-1]
        elif affine is AFFINES["axes swapped"]:
            placed = stored[::-1].transpose(2, 1, 0)
        nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(placed), affine), root / f"{patient}_{name}.nii.gz")
    return image[:, :, 5].T, tumour[:, :, 5].T


def stretched(values):
    low, high = values.min(), values.max()
    return np.rint(255.0 * (values.astype(float) - low) / (high - low))


class TestBrats:
    def test_as_published(self, tmp_path):
        seen = {}
        for number, (grade, patient) in enumerate((("HGG", "B2"), ("HGG", "B10"), ("LGG", "B3"))):
            affine = list(AFFINES.values())[number]
            seen[patient] = volumes(tmp_path / grade / patient, patient, affine=affine, seed=number)
        text(tmp_path / "survival_data.csv")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("HGG", "LGG")
        assert ids(dataset) == ["HGG/B2/B2_t1ce.nii.gz", "HGG/B10/B10_t1ce.nii.gz", "LGG/B3/B3_t1ce.nii.gz"]
        assert [case.group for case in dataset.cases] == ["patient B2", "patient B10", "patient B3"]
        assert counts(dataset) == {"image": 3, "mask": 3}
        assert left(dataset) == {"it is another sequence of a patient": 3, UNUSED: 1}
        assert dataset.mask_role == "lesion"
        batch = dataset.read()
        assert batch.images.shape == (3, 10, 8, 1)
        for row, patient in enumerate(("B2", "B10", "B3")):
            np.testing.assert_array_equal(batch.images[row, ..., 0], stretched(seen[patient][0]))
            np.testing.assert_array_equal(batch.masks[row], seen[patient][1] > 0)
        assert {note for _, note in batch.notes} == {SPREAD}

    def test_a_rule_for_the_labels_also_chooses_the_slice(self, tmp_path):
        volumes(tmp_path / "HGG" / "B1", "B1")
        volumes(tmp_path / "LGG" / "B2", "B2", seed=1)
        batch = open_dataset(tmp_path, mask_values=["1"]).read()
        assert batch.masks.sum((1, 2)).tolist() == [4, 4]
        both = open_dataset(tmp_path, mask_values=["lesion=1,4", "organ=2"]).read()
        assert both.roles["lesion"].sum((1, 2)).tolist() == [1, 1]
        assert both.roles["organ"].sum((1, 2)).tolist() == [15, 15]

    def test_grades_of_the_table(self, tmp_path):
        for number, patient in enumerate(("BraTS20_Training_001", "BraTS20_Training_002", "BraTS20_Training_003")):
            volumes(tmp_path / patient, patient, seed=number)
        table = "Grade,BraTS_2019_subject_ID,BraTS_2020_subject_ID\nHGG,NA,BraTS20_Training_001\n"
        text(tmp_path / "name_mapping.csv", table + "LGG,NA,BraTS20_Training_002\n")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"HGG": 1, "LGG": 1}
        assert counts(dataset) == {"table": 1, "image": 2, "mask": 2}
        assert left(dataset) == {
            "it is another sequence of a patient": 2,
            "name_mapping.csv states no grade of its patient": 3,
        }
        (tmp_path / "name_mapping.csv").unlink()
        with pytest.raises(InputError, match=r"holds BraTS volumes but nothing says their classes; put the"):
            open_dataset(tmp_path)

    def test_time_points_of_one_patient_are_one_group(self, tmp_path):
        for time_point in ("000", "001"):
            volumes(tmp_path / "GLI" / f"BraTS-GLI-00005-{time_point}", f"BraTS-GLI-00005-{time_point}")
        dataset = open_dataset(tmp_path)
        assert [case.group for case in dataset.cases] == ["patient BraTS-GLI-00005"] * 2

    def test_what_lacks_a_mask_is_an_image(self, tmp_path):
        for number, patient in enumerate(("gone", "empty", "broken", "odd", "other")):
            volumes(tmp_path / "A" / patient, patient, seed=number)
        (tmp_path / "A" / "gone" / "gone_seg.nii.gz").unlink()
        shape = (8, 10, 9)
        for patient, values in (("empty", np.zeros(shape, np.uint8)), ("odd", np.full(shape, 9, np.uint8))):
            values[2, 2, 2] = 0 if patient == "empty" else 1
            nibabel.save(nibabel.Nifti1Image(values, AFFINES["LPS"]), tmp_path / f"A/{patient}/{patient}_seg.nii.gz")
        whole = (tmp_path / "A" / "broken" / "broken_seg.nii.gz").read_bytes()
        (tmp_path / "A" / "broken" / "broken_seg.nii.gz").write_bytes(whole[:-40])
        batch = open_dataset(tmp_path).read()
        assert batch.skipped == ()
        notes = {}
        for name, note in batch.notes:
            if note != SPREAD:
                notes.setdefault(name.split("/")[1], []).append(note)
        middle = "nothing is segmented: the middle slice was read"
        assert notes["gone"] == [middle]
        assert notes["empty"] == [middle]
        assert notes["broken"][1:] == [middle]
        assert notes["broken"][0].startswith("a mask cannot be read (it is ")
        assert notes["odd"] == ["a mask was left out: it has the value 9, and BraTS has 1 to 4"]
        assert "other" not in notes

    def test_opening_reads_no_volume(self, tmp_path):
        for name in ("A/p1/p1", "B/p2/p2"):
            text(tmp_path / f"{name}_t1ce.nii.gz")
            text(tmp_path / f"{name}_seg.nii.gz")
        assert len(open_dataset(tmp_path)) == 2
