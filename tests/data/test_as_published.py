"""Folders as they are downloaded: parts that are not classes, patients above classes, tables of several sides."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import open_dataset


def picture(path, seed=0, shape=(12, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def left(dataset):
    return {reason: one.count for reason, one in dataset.found.left_out.items()}


def rows_left(dataset):
    return {reason: one.count for reason, one in dataset.found.rows.items()}


class TestParts:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("train_images", "test_images"),
            ("stage_2_train_images", "stage_2_test_images"),
            ("imagesTr", "labelsTr"),
            ("images_001", "images_002"),
            ("HAM10000_images_part_1", "HAM10000_images_part_2"),
            ("trainset", "testset"),
        ],
    )
    def test_parts_of_a_data_set_are_not_classes(self, tmp_path, first, second):
        picture(tmp_path / first / "1.png")
        picture(tmp_path / second / "2.png")
        with pytest.raises(InputError, match="holds images"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=[first, second]).class_counts() == {first: 1, second: 1}

    def test_names_of_stages_and_images_stay_classes(self, tmp_path):
        for name in ("stage 1", "label 2", "normal image"):
            picture(tmp_path / name / "1.png")
        assert len(open_dataset(tmp_path).classes) == 3

    def test_a_mask_whose_accents_are_stored_in_another_form_belongs_to_its_image(self, tmp_path):
        for label in ("a", "b"):
            picture(tmp_path / label / (unicodedata.normalize("NFC", "für") + ".png"))
            Image.fromarray(np.eye(12, 10, dtype=np.uint8) * 255).save(
                tmp_path / label / (unicodedata.normalize("NFD", "für") + "_mask.png")
            )
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert len(dataset) == 2
        assert dataset.read([0, 1], shape=(12, 10, 1)).masks.sum(axis=(1, 2)).tolist() == [10, 10]


class TestUnreadFormats:
    def test_files_of_formats_that_are_not_read_say_what_to_do(self, tmp_path):
        for label in ("a", "b"):
            picture(tmp_path / label / "1.png")
            text(tmp_path / label / "2.mha", "ObjectType = Image")
            text(tmp_path / label / "3.mp4", "x")
        reasons = left(open_dataset(tmp_path))
        assert reasons == {
            "its format (.mha) is not read; convert it to NIfTI": 2,
            "its format (.mp4) is not read; save its frames as images": 2,
        }

    def test_a_folder_of_them_is_refused_by_their_suffix(self, tmp_path):
        text(tmp_path / "a" / "1.nrrd", "NRRD0004")
        text(tmp_path / "b" / "1.nrrd", "NRRD0004")
        with pytest.raises(InputError, match=r"holds 2 files \.nrrd, a format that is not read; convert them to NIfTI"):
            open_dataset(tmp_path)


class TestRefusals:
    def test_of_several_tables_the_one_of_a_submission_is_not_advised(self, tmp_path):
        picture(tmp_path / "files" / "1.png")
        text(tmp_path / "a_table.csv", "name,age\n1,3\n")
        text(tmp_path / "sample_submission.csv", "id,label\n1,0\n")
        with pytest.raises(InputError, match=r"as in --labels a_table\.csv"):
            open_dataset(tmp_path)


class TestPatientFolders:
    @staticmethod
    def idc(folder, patients=("8863", "8864", "8865")):
        for at, patient in enumerate(patients):
            for label in ("0", "1"):
                picture(folder / patient / label / f"{patient}_idx5_x1_y{at}_class{label}.png", at)

    def test_the_class_is_the_last_folder_and_the_patient_the_first(self, tmp_path):
        self.idc(tmp_path)
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"0": 3, "1": 3}
        assert {case.id: case.group for case in dataset.cases}["8864/1/8864_idx5_x1_y1_class1.png"] == "patient 8864"
        assert "Classes are the last folders (0, 1)" in dataset.found.notes[0]

    def test_a_second_copy_next_to_the_patients_is_left_out(self, tmp_path):
        patients = [str(8863 + at) for at in range(12)]
        self.idc(tmp_path, patients)
        self.idc(tmp_path / "IDC_regular_ps50_idx5", patients)
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"0": 12, "1": 12}
        assert left(dataset) == {"it does not lie in a class folder of a patient": 24}

    def test_sequences_of_patients_are_classes_only_where_they_are_named(self, tmp_path):
        for patient in ("p1", "p2", "p3"):
            for sequence in ("t1", "t2"):
                picture(tmp_path / patient / sequence / "1.png")
        with pytest.raises(InputError, match="those in them classes, give --classes t1 t2"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, classes=["t1", "t2"]).class_counts() == {"t1": 3, "t2": 3}

    def test_patients_without_class_folders_are_noted(self, tmp_path):
        for patient in ("patient_01", "patient_02", "patient_03"):
            picture(tmp_path / patient / "1.png")
        assert any("are named like patients or cases" in note for note in open_dataset(tmp_path).found.notes)

    def test_class_folders_of_patients_keep_their_order(self, tmp_path):
        for label in ("benign", "malignant"):
            for patient in ("p1", "p2"):
                picture(tmp_path / label / patient / "1.png")
        assert open_dataset(tmp_path).class_counts() == {"benign": 2, "malignant": 2}


class TestBreakHis:
    @staticmethod
    def published(folder):
        base = folder / "BreaKHis_v1" / "histology_slides" / "breast"
        names = {
            "benign/SOB/adenosis/SOB_B_A_14-22549AB": "SOB_B_A-14-22549AB",
            "malignant/SOB/ductal_carcinoma/SOB_M_DC_14-13412": "SOB_M_DC-14-13412",
            "malignant/SOB/lobular_carcinoma/SOB_M_LC_14-13412": "SOB_M_LC-14-13412",
        }
        for place, name in names.items():
            for zoom in (40, 400):
                picture(base / place / f"{zoom}X" / f"{name}-{zoom}-001.png", zoom)
        text(base / "README.txt", "x")
        return base

    def test_opens_from_any_of_its_folders(self, tmp_path):
        base = self.published(tmp_path)
        for folder in (tmp_path, tmp_path / "BreaKHis_v1", base):
            dataset = open_dataset(folder)
            assert dataset.class_counts() == {"benign": 2, "malignant": 4}
            assert {case.group for case in dataset.cases} == {"patient 14-22549", "patient 14-13412"}
        assert dataset.found.layout == "BreakHis"
        assert "Magnifications: 40x (3 images), 400x (3 images); all are taken." in dataset.found.notes
        assert dataset.found.seen == 7

    def test_types_of_tumours_are_the_classes_where_they_are_named(self, tmp_path):
        self.published(tmp_path)
        dataset = open_dataset(tmp_path, classes=["adenosis", "Ductal carcinoma"])
        assert dataset.class_counts() == {"adenosis": 2, "ductal carcinoma": 2}

    def test_copies_with_sides_keep_them(self, tmp_path):
        for side in ("train", "test"):
            picture(tmp_path / side / "benign" / f"SOB_B_F-14-{len(side)}-400-001.png")
            picture(tmp_path / side / "malignant" / f"SOB_M_PC-14-{len(side)}-400-001.png")
        assert {case.split for case in open_dataset(tmp_path).cases} == {"training", "test"}


class TestIds:
    @pytest.mark.parametrize("written", ["{}", "{}.png", "{}.0", "{}.0.png", "scans/{}", '"{},0"'])
    def test_numbers_that_lost_their_zeros_name_their_files(self, tmp_path, written):
        for at in range(4):
            picture(tmp_path / "scans" / f"{at:03d}.png")
        rows = "".join(f"{written.format(at)},{'ab'[at % 2]}\n" for at in range(4))
        text(tmp_path / "labels.csv", f"file,label\n{rows}")
        dataset = open_dataset(tmp_path)
        assert {case.id: dataset.classes[case.label] for case in dataset.cases} == {
            f"scans/{at:03d}.png": "ab"[at % 2] for at in range(4)
        }
        (note,) = dataset.found.notes
        assert note.startswith("4 files were found by their number alone, such as scans/000.png for")

    def test_a_number_that_two_files_have_is_left_out(self, tmp_path):
        for name in ("007", "07", "8"):
            picture(tmp_path / f"{name}.png")
        text(tmp_path / "labels.csv", "file,label\n7,a\n8,b\n")
        dataset = open_dataset(tmp_path)
        assert [case.id for case in dataset.cases] == ["8.png"]
        assert rows_left(dataset) == {"several files have its name": 1}

    def test_zeros_that_the_table_has_are_not_ignored(self, tmp_path):
        picture(tmp_path / "007.png")
        picture(tmp_path / "a.png")
        text(tmp_path / "labels.csv", "file,label\n07,a\na,b\n")
        assert rows_left(open_dataset(tmp_path)) == {"the file is not there": 1}

    @pytest.mark.parametrize("written", ["Müller", "müller", "scans/Müller", "Müller.png"])
    def test_names_without_suffix_are_found_in_another_spelling(self, tmp_path, written):
        picture(tmp_path / "scans" / (unicodedata.normalize("NFD", "Müller") + ".PNG"))
        picture(tmp_path / "scans" / "b.png")
        text(tmp_path / "labels.csv", f"file,label\n{written},x\nb,y\n")
        assert open_dataset(tmp_path).class_counts() == {"x": 1, "y": 1}


class TestTableText:
    ROWS = "file;label;age\na.png;x;61,5\nb.png;y;48,0\n"

    @pytest.mark.parametrize(
        ("content", "encoding"),
        [
            (ROWS, "utf-16"),
            ("\ufeff" + ROWS, "utf-16-be"),
            (ROWS.replace(";", "\t"), "utf-16"),
            ("sep=;\r\n" + ROWS, "utf-8-sig"),
            ("Patients of 2019\n" + ROWS, "utf-8"),
            ("Patients of 2019;;\n;;\nall scans;;\n" + ROWS, "utf-8"),
            ("# made by a script\n" + ROWS, "utf-8"),
            (ROWS.replace("\n", "\r"), "utf-8"),
        ],
    )
    def test_forms_of_one_table(self, tmp_path, content, encoding):
        picture(tmp_path / "a.png")
        picture(tmp_path / "b.png")
        (tmp_path / "labels.csv").write_bytes(content.encode(encoding))
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"x": 1, "y": 1}
        assert dataset.cases[0].extra["age"] == "61,5"
        above = [note for note in dataset.found.notes if "above the header" in note]
        assert bool(above) == (encoding == "utf-8" and content.startswith(("Pat", "#")))

    def test_whole_numbers_with_a_decimal_comma_are_whole_numbers(self, tmp_path):
        for name in "abc":
            picture(tmp_path / f"{name}.png")
        text(tmp_path / "labels.csv", "file;label\na;1,0\nb;0,0\nc;1,0\n")
        assert open_dataset(tmp_path).class_counts() == {"0": 1, "1": 2}
        text(tmp_path / "labels.csv", "file;melanoma;nevus\na;1,0;0,0\nb;0,0;1,0\nc;1,0;0,0\n")
        assert open_dataset(tmp_path).class_counts() == {"melanoma": 2, "nevus": 1}
        text(tmp_path / "labels.csv", "file;label\na;1,2\nb;1\nc;2\n")  # several findings, not a number
        assert open_dataset(tmp_path).multi_label

    def test_decimal_commas_between_commas_are_refused(self, tmp_path):
        picture(tmp_path / "a.png")
        text(tmp_path / "labels.csv", "file,score,label\na.png,0,5,x\n")
        with pytest.raises(InputError, match="all 1 rows have more cells than its header has columns"):
            open_dataset(tmp_path)

    def test_two_columns_of_one_name_are_refused(self, tmp_path):
        picture(tmp_path / "a.png")
        text(tmp_path / "labels.csv", "file,label,label\na.png,x,y\n")
        with pytest.raises(InputError, match="several columns named label; rename all but one"):
            open_dataset(tmp_path)


class TestSideTables:
    @staticmethod
    def side(folder, name, ids, labels=None, columns="id,label", place=None):
        for at, one in enumerate(ids):
            picture(folder / (place or name) / f"{one}.png", at)
        rows = [f"{one},{labels[at % len(labels)]}" if labels else str(one) for at, one in enumerate(ids)]
        header = columns if labels else columns.partition(",")[0]
        text(folder / f"{name}.csv", "\n".join([header, *rows]))

    def test_each_table_is_a_side_and_its_images_lie_in_its_folder(self, tmp_path):
        for at, name in enumerate(("train", "val", "test")):
            self.side(tmp_path, name, [1, 2, 3], "ab" if at < 2 else "ba")
        dataset = open_dataset(tmp_path)
        found = {case.id: (case.split, dataset.classes[case.label]) for case in dataset.cases}
        assert found["train/1.png"] == ("training", "a")
        assert found["val/2.png"] == ("validation", "b")
        assert found["test/1.png"] == ("test", "b")
        assert len(found) == 9
        assert dataset.found.taken == {"table": 3, "image": 9}

    def test_a_test_table_without_labels_is_counted(self, tmp_path):
        self.side(tmp_path, "train", [1, 2], "ab", place="train_images")
        self.side(tmp_path, "test", [1, 2], place="test_images")
        text(tmp_path / "sample_submission.csv", "id,label\n1,a\n2,a\n")
        dataset = open_dataset(tmp_path)
        assert [case.id for case in dataset.cases] == ["train_images/1.png", "train_images/2.png"]
        assert left(dataset) == {
            "its table, test.csv, has no labels": 2,
            "it has no labels": 1,
            "it is a sample submission, whose labels are made up": 1,
        }
        assert rows_left(dataset) == {"its table, test.csv, has no labels": 2}
        assert dataset.cases[0].split is None

    def test_an_image_that_is_missing_on_its_side_is_not_taken_from_another(self, tmp_path):
        self.side(tmp_path, "train", [1, 2, 3], "ab")
        self.side(tmp_path, "test", [1, 2, 3], "ba")
        (tmp_path / "train" / "2.png").unlink()
        dataset = open_dataset(tmp_path)
        assert len(dataset) == 5
        assert rows_left(dataset) == {"its file lies in a folder of another side": 1}

    def test_one_table_that_is_named_takes_the_files_of_its_side(self, tmp_path):
        self.side(tmp_path, "train", [1, 2], "ab")
        self.side(tmp_path, "test", [1, 2], "ba")
        assert [case.id for case in open_dataset(tmp_path, labels="test.csv").cases] == ["test/1.png", "test/2.png"]

    def test_columns_can_be_named(self, tmp_path):
        self.side(tmp_path, "train", [1, 2], "ab", "scan,grade of it")
        self.side(tmp_path, "test", [3, 4], "ab", "scan,grade of it")
        dataset = open_dataset(tmp_path, image_column="scan", label_column="grade of it")
        assert [case.split for case in dataset.cases] == ["training", "training", "test", "test"]

    def test_siim_isic_2020(self, tmp_path):
        columns = "image_name,patient_id,sex,diagnosis,benign_malignant,target"
        rows = ["ISIC_1,IP_1,male,unknown,benign,0", "ISIC_2,IP_1,female,melanoma,malignant,1"]
        text(tmp_path / "train.csv", "\n".join([columns, *rows]))
        text(tmp_path / "test.csv", "image_name,patient_id,sex\nISIC_3,IP_2,male")
        for at, place in enumerate(("train", "train", "test"), 1):
            picture(tmp_path / "jpeg" / place / f"ISIC_{at}.jpg")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"benign": 1, "malignant": 1}
        assert {case.group for case in dataset.cases} == {"patient IP_1"}

    def test_columns_of_0_and_1_and_labels_separated_by_spaces(self, tmp_path):
        for name in ("Train_0", "Train_1", "Train_2"):
            picture(tmp_path / "images" / f"{name}.jpg")
        text(tmp_path / "train.csv", "image_id,healthy,rust\nTrain_0,1,0\nTrain_1,0,1\nTrain_2,0,1\n")
        assert open_dataset(tmp_path).class_counts() == {"healthy": 1, "rust": 2}
        text(tmp_path / "train.csv", "image,labels\nTrain_0,rust\nTrain_1,scab\nTrain_2,rust scab\n")
        dataset = open_dataset(tmp_path)
        assert [case.findings for case in dataset.cases] == [(1, 0), (0, 1), (1, 1)]
        text(tmp_path / "train.csv", "image,labels\nTrain_0,rust\nTrain_1,scab\nTrain_2,brown rust\n")
        assert len(open_dataset(tmp_path).classes) == 3


class TestEmptyFolders:
    def test_a_class_folder_without_images_is_noted(self, tmp_path):
        for name in ("a", "b"):
            picture(tmp_path / name / "1.png")
        (tmp_path / "c").mkdir()
        text(tmp_path / "docs" / "readme.txt", "x")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert dataset.found.notes == ("The folders c, docs hold no images and are not classes.",)

    def test_a_class_that_a_side_lacks_is_noted(self, tmp_path):
        for place in ("train/a", "train/b", "test/a", "test/b", "test/c"):
            picture(tmp_path / place / "1.png")
        (tmp_path / "train" / "c").mkdir()
        assert open_dataset(tmp_path).found.notes == (
            "The folder train/c holds no image and is not a class.",
            "The side training has no image of the class c.",
        )


class TestRsnaPneumonia:
    @staticmethod
    def published(folder):
        for at in range(3):
            picture(folder / "stage_2_train_images" / f"id-{at}.png", at, (32, 32))
        picture(folder / "stage_2_test_images" / "id-9.png")
        rows = ["id-0,,,,,0", "id-1,256,0,512,128,1", "id-1,0,512,64,64,1", "id-2,,,,,0"]
        text(folder / "stage_2_train_labels.csv", "\n".join(["patientId,x,y,width,height,Target", *rows]))
        details = ["id-0,Normal", "id-1,Lung Opacity", "id-1,Lung Opacity", "id-2,No Lung Opacity / Not Normal"]
        text(folder / "stage_2_detailed_class_info.csv", "\n".join(["patientId,class", *details]))

    def test_rows_of_an_image_are_its_boxes(self, tmp_path):
        self.published(tmp_path)
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"no pneumonia": 2, "pneumonia": 1}
        assert dataset.found.taken == {"table": 2, "image": 3}
        assert left(dataset) == {"no row of the table names it": 1}
        batch = dataset.read([1], shape=(32, 32, 1))
        expected = np.zeros((32, 32), bool)
        expected[0:4, 8:24] = True  # boxes are counted in 1024 pixels
        expected[16:18, 0:2] = True
        np.testing.assert_array_equal(batch.masks[0], expected)
        assert len(batch.elements[0]) == 2

    def test_detailed_classes_are_taken_where_they_are_named(self, tmp_path):
        self.published(tmp_path)
        dataset = open_dataset(tmp_path, classes=["Normal", "lung opacity"])
        assert dataset.class_counts() == {"Normal": 1, "Lung Opacity": 1}

    def test_two_targets_of_one_image_are_refused(self, tmp_path):
        self.published(tmp_path)
        text(tmp_path / "stage_2_train_labels.csv", "patientId,x,y,width,height,Target\nid-1,,,,,0\nid-1,1,1,2,2,1\n")
        with pytest.raises(InputError, match="lines 2 and 3: id-1 has two targets"):
            open_dataset(tmp_path)


class TestYolo:
    @staticmethod
    def published(folder, labels, *, first="side"):
        for name, lines in labels.items():
            side, stem = name.split("/")
            image, label = (
                (f"{side}/images", f"{side}/labels") if first == "side" else (f"images/{side}", f"labels/{side}")
            )
            picture(folder / image / f"{stem}.jpg", len(stem), (8, 10))
            if lines is not None:
                text(folder / label / f"{stem}.txt", lines)
        text(folder / "data.yaml", "train: ../train/images\nnc: 2\nnames: [benign, malignant]\n")

    @pytest.mark.parametrize("first", ["side", "images"])
    def test_the_class_is_that_of_the_objects_and_objects_are_masks(self, tmp_path, first):
        labels = {
            "train/1": "0 0.5 0.5 0.4 0.5\n",
            "train/2": "1 0.1 0.25 0.2 0.5\n1 0.9 0.75 0.2 0.5",
            "valid/3": "1 0.5 0.5 1 1",
        }
        self.published(tmp_path, labels, first=first)
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert dataset.class_counts() == {"benign": 1, "malignant": 2}
        assert sorted(str(case.split) for case in dataset.cases) == ["training", "training", "validation"]
        assert dataset.found.taken == {"table": 1, "image": 3, "annotation": 3}
        batch = dataset.read([0], shape=(8, 10, 1))
        expected = np.zeros((8, 10), bool)
        expected[2:6, 3:7] = True
        np.testing.assert_array_equal(batch.masks[0], expected)

    def test_several_classes_or_none_are_findings(self, tmp_path):
        labels = {
            "train/1": "0 0.5 0.5 0.4 0.5\n1 0.2 0.2 0.1 0.1",
            "train/2": "",
            "train/3": "1 0 0 0.5 0 0.5 0.5 0 0.5",  # a polygon
            "train/4": None,
        }
        self.published(tmp_path, labels)
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert [case.findings for case in dataset.cases] == [(1, 1), (0, 0), (0, 1)]
        assert left(dataset) == {"it has no text file of labels": 1}
        batch = dataset.read([2], shape=(8, 10, 1))
        assert batch.masks[0].sum() == 4 * 5

    @pytest.mark.parametrize(
        ("line", "message"),
        [("0 0.5 0.5 20 30", "outside 0 to 1"), ("2 0.5 0.5 0.1 0.1", "has the class 2"), ("benign", "is not a class")],
    )
    def test_damaged_labels_are_refused(self, tmp_path, line, message):
        self.published(tmp_path, {"train/1": line})
        with pytest.raises(InputError, match=message):
            open_dataset(tmp_path)


class TestCbisDdsm:
    COLUMNS = (
        "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,pathology,"
        "image file path,cropped image file path,ROI mask file path"
    )

    def published(self, folder, kaggle=False):
        """One image with two abnormalities and one with one, whose crop and mask are exchanged in the table."""
        rows = []
        for at, (image, number, pathology) in enumerate(
            [("P_00001_LEFT_CC", 1, "BENIGN"), ("P_00001_LEFT_CC", 2, "MALIGNANT"), ("P_00002_RIGHT_MLO", 1, "BENIGN")]
        ):
            name = f"Mass-Training_{image}"
            full, roi = f"{name}/1.1.{image}/1.2.{image}", f"{name}_{number}/1.3.{at}/1.4.{at}"
            rows.append(
                f"{image[:7]},3,{image.split('_')[2]},{image.split('_')[3]},{number},mass,{pathology},{full}/000000.dcm,"
                f"{roi}/000001.dcm,{roi}/000000.dcm"
            )
            home = (folder / "jpeg" / f"1.2.{image}", folder / "jpeg" / f"1.4.{at}")
            if not kaggle:
                home = (
                    folder / "CBIS-DDSM" / name / "07-20" / "1",
                    folder / "CBIS-DDSM" / f"{name}_{number}" / "x" / "2",
                )
            picture(home[0] / "1-1.png", at // 2, (20, 16))
            picture(home[1] / "1-1.png", 9, (6, 5))
            mask = np.zeros((20, 16), np.uint8)
            mask[at : at + 3, 2:4] = 255
            Image.fromarray(mask).save(home[1] / "1-2.png")
        text(folder / "csv" / "mass_case_description_train_set.csv", "\n".join([self.COLUMNS, *rows]))

    @pytest.mark.parametrize("kaggle", [False, True])
    def test_an_image_has_the_worst_pathology_and_all_masks(self, tmp_path, kaggle):
        self.published(tmp_path, kaggle)
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"benign": 1, "malignant": 1}
        assert [case.group for case in dataset.cases] == ["patient P_00001", "patient P_00002"]
        assert dataset.found.taken == {"table": 1, "image": 2, "mask": 6}
        batch = dataset.read([0, 1], shape=(20, 16, 1))
        expected = np.zeros((2, 20, 16), bool)
        expected[0, :4, 2:4] = True
        expected[1, 2:5, 2:4] = True
        np.testing.assert_array_equal(batch.masks, expected)
        assert [len(one) for one in batch.elements] == [2, 1]

    def test_images_that_are_not_there_are_counted(self, tmp_path):
        self.published(tmp_path)
        (tmp_path / "CBIS-DDSM" / "Mass-Training_P_00002_RIGHT_MLO" / "07-20" / "1" / "1-1.png").unlink()
        dataset = open_dataset(tmp_path)
        assert rows_left(dataset) == {"its image is not there, or several files are": 1}
        assert left(dataset) == {"no row of the tables names it": 2}


class TestCopiesAndDepths:
    def test_a_second_copy_of_the_set_is_left_out(self, tmp_path):
        for place in ("", "cell_images"):
            for label in ("Parasitized", "Uninfected"):
                picture(tmp_path / place / label / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"Parasitized": 1, "Uninfected": 1}
        assert sum(left(dataset).values()) == 2
        assert "as a second copy of the data set does" in next(iter(left(dataset)))

    def test_sub_folders_are_classes_where_they_are_named(self, tmp_path):
        for place in ("lung_sets/lung_aca", "lung_sets/lung_n", "colon_sets/colon_aca", "colon_sets/colon_n"):
            picture(tmp_path / place / "1.png")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("colon_sets", "lung_sets")
        assert "If they are the classes, name them with --classes." in dataset.found.notes[0]
        dataset = open_dataset(tmp_path, classes=["lung_aca", "lung_n", "colon_n"])
        assert dataset.class_counts() == {"colon_n": 1, "lung_aca": 1, "lung_n": 1}
        assert left(dataset) == {"its folder is not of a class that was asked for (--classes)": 1}

    def test_patients_next_to_a_table_are_not_classes(self, tmp_path):
        for at in range(11):
            picture(tmp_path / f"TCGA_CS_49{at:02d}" / "1.tif")
        text(tmp_path / "data.csv", "Patient,cluster\nTCGA_CS_4900,1\n")
        with pytest.raises(InputError, match=r"give --labels data\.csv"):
            open_dataset(tmp_path)

    def test_a_single_folder_of_a_side_is_no_class(self, tmp_path):
        picture(tmp_path / "train" / "1.png")
        with pytest.raises(InputError, match="nothing says their classes"):
            open_dataset(tmp_path)

    def test_a_list_without_a_header_is_refused(self, tmp_path):
        picture(tmp_path / "1.png")
        text(tmp_path / "list.txt", "1.png 0\n2.png 1\n")
        with pytest.raises(InputError, match=r"has no header: its first line holds '1\.png'"):
            open_dataset(tmp_path, labels="list.txt")

    def test_the_archive_of_isic(self, tmp_path):
        picture(tmp_path / "ISIC_1.jpg")
        picture(tmp_path / "ISIC_2.jpg")
        text(tmp_path / "metadata.csv", "isic_id,diagnosis,lesion_id\nISIC_1,nevus,IL_1\nISIC_2,melanoma,IL_2\n")
        assert open_dataset(tmp_path, labels="metadata.csv").class_counts() == {"melanoma": 1, "nevus": 1}


class TestTableColumns:
    @pytest.mark.parametrize(("column", "written"), [("mask", "{}.png"), ("mask", "{}"), ("mask_path", "masks/{}.png")])
    def test_masks_are_found_in_their_folder(self, tmp_path, column, written):
        mask = np.eye(12, 10, dtype=np.uint8) * 255
        (tmp_path / "masks").mkdir()
        for name in ("1", "2"):
            picture(tmp_path / "images" / f"{name}.png")
            Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
        rows = [f"{name}.png,{label},{written.format(name)}" for name, label in (("1", "a"), ("2", "b"))]
        text(tmp_path / "labels.csv", "\n".join([f"file,label,{column}", *rows]))
        dataset = open_dataset(tmp_path, mask_role="lesion")
        assert dataset.found.taken == {"table": 1, "image": 2, "mask": 2}
        assert [case.id for case in dataset.cases] == ["images/1.png", "images/2.png"]
        np.testing.assert_array_equal(dataset.read([1], shape=(12, 10, 1)).masks[0], mask > 0)

    def test_a_column_of_measurements_is_not_one_of_classes(self, tmp_path):
        for at in range(25):
            picture(tmp_path / f"{at}.png", shape=(2, 2))
        text(tmp_path / "labels.csv", "file,label\n" + "".join(f"{at}.png,{20 + at / 7:.3f}\n" for at in range(25)))
        with pytest.raises(InputError, match="holds 25 different decimal numbers, which are measurements"):
            open_dataset(tmp_path)
        text(tmp_path / "labels.csv", "file,label\n" + "".join(f"{at}.png,{at}.0\n" for at in range(25)))
        assert len(open_dataset(tmp_path).classes) == 25


class TestMura:
    def test_the_class_is_that_of_the_study(self, tmp_path):
        for at, place in enumerate(
            (
                "train/XR_WRIST/patient00006/study1_positive",
                "train/XR_HAND/patient00006/study1_negative",
                "valid/XR_WRIST/patient11185/study1_negative",
            )
        ):
            picture(tmp_path / place / "image1.png", at)
        text(tmp_path / "train_image_paths.csv", "MURA-v1.1/train/XR_WRIST/patient00006/study1_positive/image1.png\n")
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"negative": 2, "positive": 1}
        assert [case.split for case in dataset.cases] == ["training", "training", "validation"]
        assert {case.group for case in dataset.cases} == {"patient 00006", "patient 11185"}
        assert dataset.found.seen == 4
        assert open_dataset(tmp_path, classes=["XR_WRIST"]).class_counts() == {"XR_WRIST": 2}


class TestMoreParts:
    def test_numbered_sides_are_not_classes(self, tmp_path):
        for name in ("a. Training Set", "b. Testing Set"):
            picture(tmp_path / name / "IDRiD_001.jpg")
        with pytest.raises(InputError, match="nothing says their classes"):
            open_dataset(tmp_path)

    def test_a_few_patients_are_noted(self, tmp_path):
        for at in (1, 2, 3):
            picture(tmp_path / f"LIDC-IDRI-000{at}" / "1.png")
        assert any("are named like patients" in note for note in open_dataset(tmp_path).found.notes)

    def test_archives_are_to_be_unpacked(self, tmp_path):
        text(tmp_path / "train.zip", "PK")
        with pytest.raises(InputError, match=r"holds a file \.zip, a format that is not read; unpack it"):
            open_dataset(tmp_path)


def test_aptos_counts_the_images_of_the_test_by_their_reason(tmp_path):
    for side, name in (("train", "a"), ("train", "b"), ("test", "c")):
        picture(tmp_path / f"{side}_images" / f"{name}.png")
    text(tmp_path / "train.csv", "id_code,diagnosis\na,0\nb,2\n")
    text(tmp_path / "test.csv", "id_code\nc\n")
    dataset = open_dataset(tmp_path)
    assert dataset.found.layout == "APTOS 2019"
    assert left(dataset) == {"its table, test.csv, has no grades": 1, "it has no grades": 1}


def test_images_that_differ_in_their_suffix_alone_are_noted(tmp_path):
    for name in ("a/1.png", "a/1.jpg", "b/1.png"):
        picture(tmp_path / name)
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 3
    assert dataset.found.notes == (
        "1 image has the name of another in the same folder with another suffix, such as a/1.jpg and a/1.png; if they "
        "are the same image, take one of them away.",
    )


def test_a_table_of_folders_is_refused(tmp_path):
    for patient in ("00001", "00002"):
        picture(tmp_path / "train" / patient / "FLAIR" / "Image-1.png")
        picture(tmp_path / "train" / patient / "FLAIR" / "Image-2.png")
    text(tmp_path / "train_labels.csv", "BraTS21ID,MGMT_value\n00001,0\n00002,1\n")
    with pytest.raises(InputError, match=r"names folders, such as '00001' with 2 images; a row names one image"):
        open_dataset(tmp_path, labels="train_labels.csv", image_column="BraTS21ID", label_column="MGMT_value")


def test_paths_may_start_at_the_table(tmp_path):
    picture(tmp_path / "images" / "1.png")
    picture(tmp_path / "images" / "2.png")
    text(tmp_path / "tables" / "labels.csv", "file,label\n../images/1.png,a\n../images/2.png,b\n")
    assert open_dataset(tmp_path, labels="tables/labels.csv").class_counts() == {"a": 1, "b": 1}
    text(tmp_path / "tables" / "labels.csv", "file,label\n../../images/1.png,a\n")
    with pytest.raises(InputError, match="lies outside the folder"):
        open_dataset(tmp_path, labels="tables/labels.csv")


def test_numbered_classes_above_patients_stay_classes(tmp_path):
    for sequence in ("T1", "T2"):
        for patient in ("p1", "p2"):
            picture(tmp_path / sequence / patient / "1.png")
    assert open_dataset(tmp_path).class_counts() == {"T1": 2, "T2": 2}


def test_shenzhen_and_montgomery(tmp_path):
    mask = Image.fromarray(np.eye(12, 10, dtype=np.uint8) * 255)
    for at, name in enumerate(("CHNCXR_0001_0", "CHNCXR_0327_1")):
        picture(tmp_path / "CXR_png" / f"{name}.png", at)
        text(tmp_path / "ClinicalReadings" / f"{name}.txt", "male 45yrs")
    (tmp_path / "mask").mkdir()
    mask.save(tmp_path / "mask" / "CHNCXR_0327_1_mask.png")
    mask.save(tmp_path / "mask" / "CHNCXR_0999_1_mask.png")
    picture(tmp_path / "MontgomerySet" / "CXR_png" / "MCUCXR_0104_1.png", 5)
    for side in ("leftMask", "rightMask"):
        (tmp_path / "MontgomerySet" / "ManualMask" / side).mkdir(parents=True)
        mask.save(tmp_path / "MontgomerySet" / "ManualMask" / side / "MCUCXR_0104_1.png")
    dataset = open_dataset(tmp_path)
    assert dataset.class_counts() == {"normal": 1, "tuberculosis": 2}
    assert dataset.mask_role == "organ"
    assert dataset.found.taken == {"image": 3, "mask": 3}
    assert left(dataset)["it is a mask and no image has its name"] == 1
    assert dataset.read([0, 1, 2], shape=(12, 10, 1)).has_mask.tolist() == [False, True, True]


def test_tables_of_sides_may_call_their_columns_otherwise(tmp_path):
    for name in ("train/1", "train/2", "test/3"):
        picture(tmp_path / f"{name}.png")
    text(tmp_path / "train.csv", "file,label\n1,a\n2,b\n")
    text(tmp_path / "test.csv", "class,filename\na,3\n")
    dataset = open_dataset(tmp_path)
    assert {case.id: (dataset.classes[case.label], case.split) for case in dataset.cases} == {
        "train/1.png": ("a", "training"),
        "train/2.png": ("b", "training"),
        "test/3.png": ("a", "test"),
    }


def test_a_table_in_a_folder_is_named(tmp_path):
    picture(tmp_path / "images" / "1.png")
    text(tmp_path / "my tables" / "all.csv", "file,label\n1,a\n")
    with pytest.raises(InputError, match=r'if a table does, name it, as in --labels "my tables/all\.csv"'):
        open_dataset(tmp_path)


def test_series_of_patients_and_two_formats_of_one_image(tmp_path):
    for patient in ("PA000", "PA001"):
        picture(tmp_path / "tree" / "DICOM" / patient / "ST000" / "SE000" / "IM000.png")
    with pytest.raises(InputError, match=r"holds images, such as DICOM/PA000/ST000/SE000/IM000\.png, but nothing says"):
        open_dataset(tmp_path / "tree")
    for name in ("train/ISIC_1.png", "jpeg/train/ISIC_1.jpg"):
        picture(tmp_path / "both" / name)
    with pytest.raises(InputError, match="nothing says their classes"):
        open_dataset(tmp_path / "both")
    text(tmp_path / "both" / "train.csv", "image_name,target\nISIC_1,0\n")
    with pytest.raises(InputError, match="several files have its name; give the folder that holds each image once"):
        open_dataset(tmp_path / "both")


def test_sides_next_to_one_other_folder_are_not_classes(tmp_path):
    for name in ("train", "test", "results"):
        picture(tmp_path / name / "1.png")
    with pytest.raises(InputError, match="nothing says their classes"):
        open_dataset(tmp_path)


def test_hospitals_and_magnifications_are_patients_only_where_classes_are_named(tmp_path):
    for place in ("hospital1", "hospital2"):
        for label in ("benign", "malignant"):
            picture(tmp_path / place / label / "1.png")
    with pytest.raises(InputError, match="give --classes benign malignant"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, classes=["benign", "malignant"]).class_counts() == {"benign": 2, "malignant": 2}
