"""Ordinary folders that resemble a layout which they are not."""

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import open_dataset


def image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 10), np.uint8)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def left(dataset):
    return {reason: one.count for reason, one in dataset.found.left_out.items()}


class TestPatients:
    @pytest.mark.parametrize(
        "inner",
        [
            ("thin", "thick"),
            ("fixed", "moving"),
            ("before", "after"),
            ("with_contrast", "no_contrast"),
            ("ED", "ES"),
            ("HE", "Ki67"),
            ("LR", "HR"),
            ("input", "label"),
            ("LEFT_CC", "RIGHT_CC"),
            ("thorax", "abdomen"),
        ],
    )
    def test_acquisitions_of_each_patient_are_not_classes(self, tmp_path, inner):
        for patient in ("p1", "p2", "p3"):
            for name in inner:
                image(tmp_path / patient / name / "1.png")
        with pytest.raises(InputError, match="if these folders are patients and those in them classes, give --classes"):
            open_dataset(tmp_path)
        dataset = open_dataset(tmp_path, classes=list(inner))
        assert dataset.class_counts() == dict.fromkeys(sorted(inner), 3)
        assert {case.group for case in dataset.cases} == {"patient p1", "patient p2", "patient p3"}

    @pytest.mark.parametrize(
        "inner", [("normal", "tumor"), ("adenoma", "other"), ("non-IDC", "IDC"), ("benign_tissue", "malignant_tissue")]
    )
    def test_findings_of_each_patient_are_classes(self, tmp_path, inner):
        for patient in ("8863", "9012"):
            for name in inner:
                image(tmp_path / patient / name / "1.png")
        assert open_dataset(tmp_path).classes == tuple(sorted(inner))

    def test_words_that_some_patients_lack_are_classes(self, tmp_path):
        for place in ("p1/melanosis", "p1/naevus", "p2/naevus", "p3/melanosis"):
            image(tmp_path / place / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"melanosis": 2, "naevus": 2}
        assert any("If the first are the classes" in note for note in dataset.found.notes)

    @pytest.mark.parametrize("outer", [("2019", "2020"), ("100", "200", "400"), ("224", "299", "512")])
    def test_years_magnifications_and_sizes_are_not_patients(self, tmp_path, outer):
        for name in outer:
            for label in ("benign", "malignant"):
                image(tmp_path / name / label / "1.png")
        with pytest.raises(InputError, match="holds several data sets"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=["benign", "malignant"]).class_counts()["benign"] == len(outer)


class TestYolo:
    BOX = "0 0.5 0.5 0.4 0.5\n"

    def folders(self, folder, place, line):
        for label in ("normal", "sick"):
            for name in ("1", "2"):
                image(folder / place.format("images", label) / f"{name}.png", len(label))
                text(folder / place.format("labels", label) / f"{name}.txt", line)

    def test_reports_next_to_class_folders_are_no_labels(self, tmp_path):
        self.folders(tmp_path, "{1}/{0}", "No finding.")
        text(tmp_path / "classes.txt", "normal\nsick\n")
        assert open_dataset(tmp_path).class_counts() == {"normal": 2, "sick": 2}

    @pytest.mark.parametrize("place", ["{1}/{0}", "{0}/{1}"])
    def test_objects_in_class_folders_are_a_question(self, tmp_path, place):
        self.folders(tmp_path, place, self.BOX)
        text(tmp_path / "data.yaml", "names: [lesion]\n")
        with pytest.raises(InputError, match=r"images in several folders \(normal, sick\): give --classes"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=["normal", "sick"]).class_counts() == {"normal": 2, "sick": 2}
        assert open_dataset(tmp_path, classes=["lesion"]).class_counts() == {"lesion": 4}


class TestCollections:
    """Images of a published set among others, in class folders."""

    @pytest.mark.parametrize("name", ["CHNCXR_000{}_0", "SOB_B_A-14-2252{}-40-001"])
    def test_class_folders_of_several_sets_stay_classes(self, tmp_path, name):
        for at in range(6):
            image(tmp_path / "a normal" / f"{name.format(at)}.png", at)
        for at in range(4):
            image(tmp_path / "covid" / f"x{at}.png", at)
        assert open_dataset(tmp_path).class_counts() == {"a normal": 6, "covid": 4}

    def test_sides_of_a_copy_are_kept(self, tmp_path):
        for at, side in enumerate(("train", "test")):
            image(tmp_path / side / "Normal" / f"CHNCXR_000{at}_0.png", at)
            image(tmp_path / side / "TB" / f"CHNCXR_001{at}_1.png", at + 5)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("normal", "tuberculosis")
        assert [case.split for case in dataset.cases].count("training") == 2
        assert [case.split for case in dataset.cases].count("test") == 2


class TestTables:
    def table(self, folder, name, labels, place="images"):
        """A table, and its images, counted on from those that are there."""
        rows = []
        for at, label in enumerate(labels):
            image(folder / place / f"{name[:-4]}{at}.png", at)
            rows.append(f"{place}/{name[:-4]}{at}.png,{label}")
        text(folder / name, "\n".join(["image,label", *rows]))

    def test_made_up_labels_of_another_kind_are_left_out(self, tmp_path):
        self.table(tmp_path, "train.csv", "abab")
        self.table(tmp_path, "test.csv", "000")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"a": 2, "b": 2}
        assert left(dataset)["its table, test.csv, has other labels than the training table"] == 3

    def test_one_label_in_all_rows_is_noted(self, tmp_path):
        self.table(tmp_path, "train.csv", "010101")
        self.table(tmp_path, "test.csv", "00000")
        notes = open_dataset(tmp_path).found.notes
        assert any(
            note.startswith("All rows of test.csv have the label 0; if it stands for no label") for note in notes
        )

    def test_labels_in_other_spellings_stay_sides(self, tmp_path):
        self.table(tmp_path, "train.csv", ("1", "0", "1"))
        self.table(tmp_path, "test.csv", ("1.0", "0.0"))
        assert [case.split for case in open_dataset(tmp_path).cases].count("test") == 2

    def test_folders_that_are_called_otherwise_than_the_classes_are_noted(self, tmp_path):
        for name in ("benign", "malignant"):
            for at in range(2):
                image(tmp_path / name / f"{name}{at}.png", at)
        rows = [f"{name}/{name}{at}.png,{sex}" for name in ("benign", "malignant") for at, sex in enumerate("MF")]
        text(tmp_path / "train.csv", "\n".join(["image,label", *rows]))
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("F", "M")
        assert any("not the folders (benign, malignant ...)" in note for note in dataset.found.notes)


class TestParts:
    @pytest.mark.parametrize("name", ["gt", "overlay", "ROI", "results", "predictions"])
    def test_annotations_and_results_next_to_classes_are_left_out(self, tmp_path, name):
        for label in ("benign", "malignant", name):
            image(tmp_path / label / "1.png")
        assert open_dataset(tmp_path).classes == ("benign", "malignant")
        assert any(f"its folder {name} does not look like a class" in reason for reason in left(open_dataset(tmp_path)))
        assert len(open_dataset(tmp_path, classes=["benign", "malignant", name]).classes) == 3

    def test_a_region_and_its_background_are_classes(self, tmp_path):
        for label in ("roi", "background"):
            image(tmp_path / label / "1.png")
        assert open_dataset(tmp_path).classes == ("background", "roi")

    @pytest.mark.parametrize("form", ["{}A {}B", "{}_normal {}_tumor", "{}ing-0 {}ing-1"])
    def test_classes_of_several_sides_in_one_name_are_refused(self, tmp_path, form):
        names = [name for side in ("train", "test") for name in form.format(side, side).split()]
        for name in names:
            image(tmp_path / name / "1.png")
        with pytest.raises(InputError, match="nothing says their classes"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=names).class_counts() == dict.fromkeys(sorted(names), 1)

    @pytest.mark.parametrize("names", [("test_positive", "test_negative"), ("training_wheel", "test_tube", "valve")])
    def test_words_that_begin_like_sides_are_classes(self, tmp_path, names):
        for name in names:
            image(tmp_path / name / "1.png")
        assert open_dataset(tmp_path).classes == tuple(sorted(names))

    @pytest.mark.parametrize("outer", [("p1", "p2"), ("site_a", "site_b")])
    def test_folders_between_sides_and_classes_are_not_classes(self, tmp_path, outer):
        for side, name in zip(("train", "test"), outer, strict=True):
            for label in ("benign", "malignant"):
                image(tmp_path / side / name / label / "1.png")
        with pytest.raises(InputError, match=rf"that may be the classes: if not, give --classes .*{outer[0]}"):
            open_dataset(tmp_path)
        dataset = open_dataset(tmp_path, classes=list(outer))
        assert [case.split for case in dataset.cases] == ["training", "training", "test", "test"]


def test_two_folders_called_like_patients_are_noted(tmp_path):
    for name in ("case1", "case2"):
        image(tmp_path / name / "1.png")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("case1", "case2")
    assert any("are named like patients or cases" in note for note in dataset.found.notes)


@pytest.mark.parametrize("apart", [True, False])
def test_class_folders_that_hold_one_patient_each_are_noted(tmp_path, apart):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    for at, name in enumerate(("anna", "bert")):
        for number in range(2):
            file = Dataset()
            file.file_meta = FileMetaDataset()
            file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = CTImageStorage
            file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            file.PatientID = f"patient {at if apart else number}"
            file.Rows = file.Columns = 4
            file.BitsAllocated = file.BitsStored = 8
            file.HighBit, file.PixelRepresentation, file.SamplesPerPixel = 7, 0, 1
            file.PhotometricInterpretation = "MONOCHROME2"
            file.PixelData = bytes(16)
            (tmp_path / name).mkdir(exist_ok=True)
            file.save_as(tmp_path / name / f"{number}.dcm", enforce_file_format=True)
    notes = open_dataset(tmp_path).found.notes
    assert any("(anna, bert) holds files of one patient" in note for note in notes) is apart


@pytest.mark.parametrize("highest", [16383, 65535])
def test_dark_colours_of_16_bits_are_noted(tmp_path, highest):
    values = np.linspace(0, highest, 4 * 8 * 8 * 3).astype(np.uint16).reshape(4, 8, 8, 3)
    np.savez(tmp_path / "set.npz", images=values, labels=np.array([0, 1, 0, 1]))
    batch = open_dataset(tmp_path / "set.npz").read([3], shape=(8, 8, 3))
    assert batch.images.max() == round(highest / 257)
    assert any("none is above 32767" in note for _, note in batch.notes) is (highest == 16383)


def test_xml_files_of_another_kind_are_no_masks(tmp_path):
    for name in ("a", "b"):
        image(tmp_path / name / "1.png")
        text(tmp_path / name / "1.xml", "<case><age>30</age></case>")
    dataset = open_dataset(tmp_path)
    assert dataset.found.taken == {"image": 2}
    assert sum(left(dataset).values()) == 2
    assert dataset.read([0]).notes == ()


def test_patients_of_an_archive_are_not_kept_together_without_a_word(tmp_path):
    values = np.zeros((4, 8, 8), np.uint8)
    np.savez(tmp_path / "set.npz", images=values, labels=np.array([0, 1, 0, 1]), patient_id=np.array([1, 1, 2, 2]))
    notes = open_dataset(tmp_path / "set.npz").found.notes
    assert any(note.startswith("A split does not keep the patients of patient_id together") for note in notes)


@pytest.mark.parametrize("name", ["annotations", "unknown", "test"])
def test_the_only_other_folder_is_a_class_with_a_note(tmp_path, name):
    for label in ("normal", name):
        image(tmp_path / label / "1.png")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == tuple(sorted(("normal", name)))
    assert any(note.startswith(f"The folder {name} was taken as a class") for note in dataset.found.notes)
    assert not open_dataset(tmp_path, classes=["normal", name]).found.notes
