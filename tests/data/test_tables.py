"""Tables of images and labels: published layouts, other tables, and every file and row counted.

Each test writes a small copy of its data set with a table as published.
"""

import contextlib
import gzip
import math
import os
import struct
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.data import open_dataset
from xaijax.data.tables import read_table

NAN = math.nan


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


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def on_disk(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


def cases(dataset):
    """id -> (class or findings, group, split)"""
    return {
        case.id: (
            dataset.classes[case.label] if case.findings is None else case.findings,
            case.group,
            case.split,
        )
        for case in dataset.cases
    }


def same(found, expected):
    """Tuples with NaN compared as equal."""
    np.testing.assert_array_equal(np.array(found, float), np.array(expected, float))


class TestText:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    def test_delimiters_and_byte_order_marks(self, tmp_path, delimiter, start):
        rows = [["file", "label", "remark"], ["a.png", "cyst", '"two; lines,\nand\ttabs"'], ["b.png", "none", ""]]
        path = tmp_path / "t.csv"
        path.write_bytes(start + "\r\n".join(delimiter.join(row) for row in rows).encode())
        table = read_table(path)
        assert table.columns == ("file", "label", "remark")
        assert table.rows == [("a.png", "cyst", "two; lines,\nand\ttabs"), ("b.png", "none", "")]

    def test_gzip(self, tmp_path):
        path = tmp_path / "t.csv.gz"
        path.write_bytes(gzip.compress(b"file,label\na.png,1\n"))
        assert read_table(path).rows == [("a.png", "1")]
        path.write_bytes(b"no gzip")
        with pytest.raises(InputError, match=r"t.csv.gz is not a gzip file"):
            read_table(path)

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            ("file,label\na.png,z\xe4h\n".encode("latin-1"), r"line 2 has the byte 0xe4.*save it as CSV in UTF-8"),
            ("file,label\na.png,x\n".encode("utf-16-le"), r"is not a table of UTF-8 text"),
            (b"PK\x03\x04rest of a workbook", r"is a spreadsheet; save it as CSV"),
            (b"\xd0\xcf\x11\xe0rest", r"is a spreadsheet that cannot be read \(.*\); save it as CSV"),
            (b"file,label\na.png,\0\n", r"holds zero bytes"),
            (b'file,label\n"a.png,x\nb.png,y\n', r"quotes or delimiters are broken"),
            (b"\n\n", r"has no rows"),
        ],
    )
    def test_what_is_not_a_table(self, tmp_path, raw, message):
        (tmp_path / "t.csv").write_bytes(raw)
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / "t.csv")

    def test_a_small_gzip_file_of_much_text_is_refused(self, tmp_path, monkeypatch):
        from xaijax.data.tables import text

        monkeypatch.setattr(text, "LARGEST", 1 << 20)
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"file,label\n" + b" " * (2 << 20)))
        with pytest.raises(InputError, match="holds more than 1 MiB of text"):
            read_table(tmp_path / "t.csv.gz")

    def test_a_pipe_is_not_opened(self, tmp_path):
        os.mkfifo(tmp_path / "t.csv")
        with pytest.raises(FileNotFoundError, match="there is no table"):
            read_table(tmp_path / "t.csv")


class TestAnyTable:
    def test_columns_are_recognised_and_the_assumption_is_said(self, tmp_path):
        for name in ("p1", "p2", "q1"):
            picture(tmp_path / "data" / "scans" / f"{name}.jpg")
        lines(
            tmp_path / "data" / "clinic.tsv",
            "Image ID\tage\tDiagnosis\tSubject ID\tfold",
            "p1\t40\tcyst\tP\t0",
            "p2\t41\tnone\tP\t0",
            "q1\t50\tnone\tQ\t1",
        )
        dataset = open_dataset(tmp_path / "data", labels="clinic.tsv")
        assert cases(dataset) == {
            "scans/p1.jpg": ("cyst", "patient P", "fold 1"),
            "scans/p2.jpg": ("none", "patient P", "fold 1"),
            "scans/q1.jpg": ("none", "patient Q", "fold 2"),
        }
        assert dict(dataset.cases[0].extra)["age"] == "40"
        assert dataset.found.notes == (
            "The folds of column fold are counted from 1: fold 0 of clinic.tsv is fold 1.",
            "Columns of clinic.tsv: images by Image ID; groups by Subject ID; split by fold; classes by Diagnosis.",
        )
        assert dataset.found.seen == on_disk(tmp_path / "data") == 4
        assert dataset.options["labels"] == "clinic.tsv"

    def test_columns_that_are_named(self, tmp_path):
        picture(tmp_path / "a.png")
        picture(tmp_path / "b.png")
        lines(tmp_path / "x.csv", "scan;kind;box;part", "a.png;u;7;Train", "b.png;v;8;Test")
        dataset = open_dataset(
            tmp_path, labels="x.csv", image_column="scan", label_column="Kind", group_column="box", split_column="part"
        )
        assert cases(dataset) == {"a.png": ("u", "box 7", "training"), "b.png": ("v", "box 8", "test")}
        assert open_dataset(tmp_path, image_column="scan", label_column="kind").classes == ("u", "v")  # the only table
        with pytest.raises(InputError, match=r"x.csv has no column 'kid'.*kind"):
            open_dataset(tmp_path, labels="x.csv", image_column="scan", label_column="kid")
        with pytest.raises(
            InputError,
            match=r"the column kind of .* holds 'u' in line 2; 'v' in line 3; a split has the sides training",
        ):
            open_dataset(tmp_path, labels="x.csv", image_column="scan", label_column="kind", split_column="kind")
        with pytest.raises(FileNotFoundError, match=r"there is no table y.csv in .* give its path with --labels"):
            open_dataset(tmp_path, labels="y.csv")

    def test_a_table_elsewhere(self, tmp_path):
        picture(tmp_path / "images" / "a.png")
        picture(tmp_path / "images" / "b.png")
        lines(tmp_path / "x.csv", "path,class", "images/a.png,u", "images/b.png,v")
        dataset = open_dataset(tmp_path / "images", labels=tmp_path / "x.csv")
        assert list(cases(dataset)) == ["a.png", "b.png"]
        assert dataset.found.seen == 2

    def test_several_columns_that_fit_are_listed(self, tmp_path):
        picture(tmp_path / "a.png")
        lines(tmp_path / "labels.csv", "path,image_id,label", "a.png,a,u")
        with pytest.raises(
            InputError, match=r"several columns that may hold the image's file: path, image_id; name one"
        ):
            open_dataset(tmp_path)
        lines(tmp_path / "labels.csv", "file,dx,target", "a.png,a,1")
        with pytest.raises(InputError, match=r"may hold its class: dx, target; name one with --label-column"):
            open_dataset(tmp_path)
        assert open_dataset(tmp_path, label_column="dx").classes == ("a",)

    def test_several_tables_are_listed(self, tmp_path):
        lines(tmp_path / "x.csv", "file,label", "a.png,u")
        lines(tmp_path / "y.csv", "file,label", "a.png,u")
        with pytest.raises(InputError, match=r"has several tables \(x.csv, y.csv\); name one with --labels"):
            open_dataset(tmp_path, label_column="label")

    def test_names_without_suffix_in_several_folders(self, tmp_path):
        for place in ("part_1/a.jpg", "part_2/b.JPG", "part_2/deep/c.png", "d.png", "masks/d.png", "masks/a.png"):
            picture(tmp_path / place)
        picture(tmp_path / "part_1" / "twice.png")
        picture(tmp_path / "part_2" / "twice.png")
        (tmp_path / "part_1" / "c.txt").write_text("no image")
        rows = [f"{name},{label}" for name, label in zip(["a", "b", "c", "d.jpg", "twice", "e"], "xyxyxy", strict=True)]
        lines(tmp_path / "labels.csv", "file,label", *rows)
        dataset = open_dataset(tmp_path)
        assert list(cases(dataset)) == ["part_1/a.jpg", "part_2/b.JPG", "part_2/deep/c.png", "d.png"]
        found = dataset.found
        assert {reason: (one.count, one.examples) for reason, one in found.rows.items()} == {
            "several files have its name": (1, ("twice",)),
            "the file is not there": (1, ("e",)),
        }
        assert "1 files have another suffix or spelling than" in found.notes[0]
        assert dict(found.taken) == {"image": 4, "table": 1}
        assert {reason: one.count for reason, one in found.left_out.items()} == {
            "no row of the table names it": 4,
            "it is not an image or a table this layout uses": 1,
        }
        assert found.seen == on_disk(tmp_path) == 10

    def test_a_path_is_not_shortened_to_the_image_of_another_patient(self, tmp_path):
        picture(tmp_path / "patient1" / "view1.png")
        lines(tmp_path / "labels.csv", "file,label", "patient1/view1.png,u", "patient2/view1.png,v")
        dataset = open_dataset(tmp_path)
        assert cases(dataset) == {"patient1/view1.png": ("u", None, None)}
        assert dataset.found.rows["the file is not there"].examples == ("patient2/view1.png",)
        assert dataset.classes == ("u", "v")
        assert dataset.found.notes == ("No image of class v is there.",)

    @pytest.mark.parametrize("place", ["images/", ""])
    def test_a_mask_is_not_taken_for_a_missing_image(self, tmp_path, place):
        picture(tmp_path / "images" / "a.png")
        picture(tmp_path / "masks" / "a.png")
        picture(tmp_path / "masks" / "b.png")
        lines(tmp_path / "labels.csv", "file,label", f"{place}a.png,u", f"{place}b.png,v")
        dataset = open_dataset(tmp_path)
        assert list(cases(dataset)) == ["images/a.png"]
        assert dataset.found.rows["the file is not there"].examples == (f"{place}b.png",)

    def test_rows_that_cannot_be_used_are_counted(self, tmp_path):
        for name in "abcdefg":
            picture(tmp_path / f"{name}.png")
        lines(
            tmp_path / "labels.csv",
            "file,label",
            *[
                "a.png,u",
                "b.png,v",
                "c.png,",
                ",u",
                "d.png,u,v",
                "e.png,nan",
                "f.png,u",
                "f.png,v",
                "g.png,u",
                "g.png,u",
            ],
            *["./a.png,u", "b.png,v", "b.png,v", "none.png,v"],
        )
        dataset = open_dataset(tmp_path)
        assert list(cases(dataset)) == ["a.png", "b.png", "g.png"]
        assert {reason: (one.count, one.examples) for reason, one in dataset.found.rows.items()} == {
            "an earlier row names the same image": (4, ("g.png", "./a.png", "b.png", "b.png")),
            "it has no label": (2, ("c.png", "e.png")),
            "its image has several classes": (2, ("f.png", "f.png")),
            "it names no file": (1, ("line 5",)),
            "it has more cells than the table has columns": (1, ("line 6",)),
            "the file is not there": (1, ("none.png",)),
        }
        left = {reason: one.examples for reason, one in dataset.found.left_out.items()}
        assert left["no row of the table names it"] == ("d.png",)  # its row cannot be trusted
        assert left["its row has no label"] == ("c.png", "e.png")
        assert left["its rows name several classes"] == ("f.png",)
        assert dataset.found.seen == on_disk(tmp_path) == 8
        described = dataset.found.describe()
        assert described["rows_left_out"]["it has no label"] == {"count": 2, "examples": ["c.png", "e.png"]}

    def test_spellings_of_one_class_are_joined(self, tmp_path):
        for name in "abcdef":
            picture(tmp_path / f"{name}.png")
        lines(
            tmp_path / "labels.csv", "file,label", "a.png,1", "b.png,1.0", "c.png,1", "d.png,0", "e.png,10", "f.png,0.0"
        )
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("0", "1", "10")
        assert dataset.labels.tolist() == [1, 1, 1, 0, 2, 0]
        assert set(dataset.found.notes) == {
            "The labels 0 and 0.0 are one class, 0.",
            "The labels 1 and 1.0 are one class, 1.",
        }
        lines(tmp_path / "labels.csv", "file,label", "a.png,Normal", "b.png,normal", "c.png,normal", "d.png,Nodule")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("Nodule", "normal")
        assert dataset.found.notes == ("The labels Normal and normal are one class, normal.",)

    def test_numbers_of_classes_are_in_the_order_of_a_model_s_outputs(self, tmp_path):
        for number in range(12):
            picture(tmp_path / f"{number}.png", number)
        lines(tmp_path / "labels.csv", "file,label", *(f"{number}.png,{number}" for number in range(12)))
        dataset = open_dataset(tmp_path)
        assert dataset.classes == tuple(map(str, range(12)))
        assert dataset.labels.tolist() == list(range(12))

    def test_a_table_without_a_header_is_refused(self, tmp_path):
        for name in "ab":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "t.csv", "scans/a.png,cyst", "b.png,none")
        with pytest.raises(InputError, match=r"has no header: its first line holds 'scans/a.png'; write the names"):
            open_dataset(tmp_path, labels="t.csv", image_column="scans/a.png", label_column="cyst")

    def test_columns_of_0_and_1(self, tmp_path):
        for name in "abc":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "t.csv", "image,MEL,NV,BCC", "a,1.0,0.0,0.0", "b,0.0,1.0,0.0", "c,0.0,0.0,0.0")
        dataset = open_dataset(tmp_path, labels="t.csv")
        assert dataset.classes == ("MEL", "NV", "BCC")
        assert cases(dataset) == {"a.png": ("MEL", None, None), "b.png": ("NV", None, None)}
        assert dataset.found.rows["it has no label"].examples == ("c",)
        assert "classes by the columns of 0 and 1 MEL, NV, BCC" in dataset.found.notes[0]
        lines(tmp_path / "t.csv", "image,MEL,NV,age", "a,1,1,70", "b,0,-1,60", "c,,0,50")
        dataset = open_dataset(tmp_path, labels="t.csv")
        assert dataset.multi_label
        same([case.findings for case in dataset.cases], [(1, 1), (0, NAN), (NAN, 0)])
        assert "2 cells of t.csv are -1 or blank: these findings are not known." in dataset.found.notes
        assert open_dataset(tmp_path, labels="t.csv", label_column="NV, MEL").classes == ("NV", "MEL")
        lines(tmp_path / "b.csv", "image,MEL,NV", "a,True,False", "b,False,True", "c,True,True")
        dataset = open_dataset(tmp_path, labels="b.csv")
        same([case.findings for case in dataset.cases], [(1, 0), (0, 1), (1, 1)])
        with pytest.raises(InputError, match=r"the columns age of .* hold more than 0, 1, -1 and blanks"):
            open_dataset(tmp_path, labels="t.csv", label_column="NV,age")

    def test_several_findings_in_a_cell(self, tmp_path):
        for name in "abc":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "t.csv", "file,label", "a.png,Mass|Nodule", "b.png,No Finding", "c.png,nodule")
        dataset = open_dataset(tmp_path, labels="t.csv")
        assert dataset.classes == ("Mass", "Nodule")
        assert dataset.labels.tolist() == [[1, 1], [0, 0], [0, 1]]
        assert [case.label for case in dataset.cases] == [-1, -1, -1]
        assert open_dataset(tmp_path, labels="t.csv", classes=["Nodule"]).labels.tolist() == [[1], [0], [1]]

    def test_files_outside_the_folder(self, tmp_path):
        picture(tmp_path / "in" / "a.png")
        picture(tmp_path / "out" / "b.png")
        picture(tmp_path / "out" / "c.png")
        outline(tmp_path / "out" / "m.png")
        (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out" / "c.png")
        (tmp_path / "in" / "again").symlink_to(tmp_path / "in")
        (tmp_path / "in" / "far").symlink_to(tmp_path / "out")
        (tmp_path / "in" / "dead.png").symlink_to(tmp_path / "nowhere")
        os.mkfifo(tmp_path / "in" / "pipe.png")
        rows = ["a.png,u,../out/m.png", "../out/b.png,v,", f"{tmp_path}/out/c.png,v,", "link.png,u,", "pipe.png,u,"]
        lines(tmp_path / "in" / "labels.csv", "file,label,mask", *rows, f"{tmp_path}/in/a.png,u,")
        dataset = open_dataset(tmp_path / "in")
        assert list(cases(dataset)) == ["a.png"]
        assert not dataset.cases[0].has_mask
        outside = "lies outside the folder (--allow-outside takes it)"
        assert {reason: one.count for reason, one in dataset.found.rows.items()} == {
            f"the file {outside}": 3,
            "the file is not there": 1,
            "an earlier row names the same image": 1,
        }
        assert f"1 masks were left out: the file {outside}." in dataset.found.notes
        assert {reason: one.examples for reason, one in dataset.found.left_out.items()} == {
            "it is a link that leaves the folder (--allow-outside takes it)": ("far", "link.png"),
            "it is a link to a folder that is read already": ("again",),
            "it is a link to nothing": ("dead.png",),
            "it is not a regular file": ("pipe.png",),
        }
        taken = open_dataset(tmp_path / "in", allow_outside=True)
        assert list(cases(taken)) == ["a.png", "../out/b.png", f"{tmp_path}/out/c.png", "link.png"]
        assert taken.read().has_mask.tolist() == [True, False, False, False]
        lines(tmp_path / "in" / "labels.csv", "file,label", "../out/b.png,v")
        with pytest.raises(
            InputError, match=r"none of the 1 files .* can be used; the first, .*: the file lies outside the folder"
        ):
            open_dataset(tmp_path / "in")

    @pytest.mark.parametrize(
        "named", ["C:\\data\\sub\\{}", "/home/somebody/data/sub/{}", "sub\\{}", "data\\sub/{}", "SUB/{}", "Sub\\{}"]
    )
    def test_paths_of_other_machines(self, tmp_path, named):
        for name in ("1.png", "2.png"):
            picture(tmp_path / "sub" / name)
        lines(tmp_path / "labels.csv", "file,label", f"{named.format('1.png')},a", f"{named.format('2.PNG')},b")
        dataset = open_dataset(tmp_path)
        assert [os.path.basename(case.source.path) for case in dataset.cases] == ["1.png", "2.png"]
        assert dataset.class_counts() == {"a": 1, "b": 1}
        assert len(dataset.read()) == 2

    def test_an_absolute_path_that_is_there_is_not_replaced_by_a_file_of_its_name(self, tmp_path):
        for name in ("out/1.png", "in/1.png", "in/2.png"):
            picture(tmp_path / name)
        lines(tmp_path / "in" / "labels.csv", "file,label", f"{tmp_path}/out/1.png,a", "2.png,b")
        found = open_dataset(tmp_path / "in")
        assert cases(found) == {"2.png": ("b", None, None)}
        assert found.found.rows["the file lies outside the folder (--allow-outside takes it)"].count == 1

    def test_names_in_another_form_and_hidden_copies(self, tmp_path):
        stored, named = (unicodedata.normalize(form, "n\u00e9vus.png") for form in ("NFD", "NFC"))
        for name in (stored, "s/1.png", "s/.ipynb_checkpoints/1.png", "__MACOSX/s/1.png", "s/x.png", "t/x.png"):
            picture(tmp_path / name)
        lines(tmp_path / "labels.csv", "file,label", f"{named},a", "1.png,b", "X.PNG,b")
        dataset = open_dataset(tmp_path)
        assert cases(dataset) == {stored: ("a", None, None), "s/1.png": ("b", None, None)}
        assert dataset.found.rows["several files have its name"].examples == ("X.PNG",)
        assert dataset.found.left_out["it is hidden"].count == 2
        assert dataset.found.seen == on_disk(tmp_path)

    @pytest.mark.parametrize(
        ("several", "alone"),
        [("a;b", "b"), ('"a, b"', "b"), ("\"['a', 'b']\"", "['b']"), ('"[""a"", ""b""]"', '"[""b""]"')],
    )
    def test_several_findings_are_separated_in_other_ways(self, tmp_path, several, alone):
        for name in "123":
            picture(tmp_path / f"{name}.png")
        other = alone.replace("b", "a")
        lines(tmp_path / "labels.csv", "file,label", f"1.png,{several}", f"2.png,{alone}", f"3.png,{other}")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("a", "b")
        assert [case.findings for case in dataset.cases] == [(1, 1), (0, 1), (1, 0)]
        assert len(dataset.found.notes) == 1

    def test_a_comma_may_be_a_part_of_a_name(self, tmp_path):
        for name in "12":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "labels.csv", "file,label", '1.png,"carcinoma, in situ"', "2.png,carcinoma")
        assert open_dataset(tmp_path).classes == ("carcinoma", "carcinoma, in situ")

    def test_cells_that_say_nothing(self, tmp_path):
        for name in "123456":
            picture(tmp_path / f"{name}.png")
        rows = ("1.png,NA,7", "2.png,a,7.0", "3.png,a,unknown", "4.png,b,N/A", "5.png,b,-", "6.png,b,8")
        lines(tmp_path / "labels.csv", "file,label,patient", *rows)
        dataset = open_dataset(tmp_path)
        assert dataset.class_counts() == {"a": 2, "b": 3}
        assert [case.group for case in dataset.cases] == ["patient 7", None, None, None, "patient 8"]
        assert dataset.found.rows["it has no label"].count == 1

    def test_a_fold_with_a_sign_is_no_fold(self, tmp_path):
        for name in "123":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "labels.csv", "file,label,fold", "1.png,a,-1", "2.png,b,1", "3.png,b,0")
        dataset = open_dataset(tmp_path)
        assert dataset.splits == {}
        assert dataset.found.notes == (
            "The column fold of labels.csv is not used as a split: 1 of its 3 rows name no side or fold ('-1' in "
            "line 2).",
        )

    def test_a_split_column_that_is_partly_one_is_told_by_values_and_rows(self, tmp_path):
        for at in range(9):
            picture(tmp_path / f"{at}.png")
        parts = ("train", "test", "holdout", "holdout", "holdout", "holdout", "x", "y", "z")
        rows = [f"{at}.png,{'ab'[at % 2]},{part}" for at, part in enumerate(parts)]
        lines(tmp_path / "labels.csv", "file,label,split", *rows)
        dataset = open_dataset(tmp_path)
        assert dataset.splits == {}
        assert dataset.found.notes == (
            "The column split of labels.csv is not used as a split: 7 of its 9 rows name no side or fold ('holdout' in "
            "lines 4, 5, 6 and 1 more; 'x' in line 8; 'y' in line 9 and 1 more values).",
        )

    def test_columns_of_people_are_no_classes(self, tmp_path):
        for name in "12":
            picture(tmp_path / f"{name}.png")
        lines(tmp_path / "labels.csv", "file,sex,is_train,mel,nev", "1.png,1,1,1,0", "2.png,0,1,0,1")
        assert open_dataset(tmp_path).class_counts() == {"mel": 1, "nev": 1}

    def test_names_that_are_not_text(self, tmp_path):
        picture(tmp_path / "a.png")
        (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(b"")
        lines(tmp_path / "labels.csv", "file,label", "a.png,u")
        assert open_dataset(tmp_path).found.left_out["its name is not UTF-8"].count == 1

    def test_many_rows_share_their_text(self, tmp_path):
        """Opening needs little memory per row: cells are one object, other columns no dictionary."""
        picture(tmp_path / "a.png")
        picture(tmp_path / "b.png")
        lines(tmp_path / "labels.csv", "file,label,site", "a.png,u,Shenzhen", "b.png,u,Shenzhen")
        first, second = (case.extra for case in open_dataset(tmp_path).cases)
        assert first["site"] is second["site"]
        assert not hasattr(first, "__dict__")


class TestHAM10000:
    def write(self, folder):
        picture(folder / "HAM10000_images_part_1" / "ISIC_0024306.jpg")
        picture(folder / "HAM10000_images_part_1" / "ISIC_0024307.jpg", 1)
        picture(folder / "HAM10000_images_part_2" / "ISIC_0029306.jpg", 2)
        lesion = outline(folder / "HAM10000_segmentations_lesion_tschandl" / "ISIC_0024307_segmentation.png")
        (folder / "hmnist_8_8_L.csv").write_text("pixel0000,label\n1,2\n")
        lines(
            folder / "HAM10000_metadata.csv",
            "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset",
            "HAM_0000118,ISIC_0024306,bkl,histo,80.0,male,scalp,vidir_modern",
            "HAM_0000118,ISIC_0024307,bkl,histo,80.0,male,scalp,vidir_modern",
            "HAM_0002730,ISIC_0029306,nv,follow_up,45.0,female,trunk,vidir_molemax",
            "HAM_0001466,ISIC_0031633,mel,histo,75.0,male,ear,vidir_modern",
        )
        return lesion

    def test_as_published(self, tmp_path):
        lesion = self.write(tmp_path)
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
        assert cases(dataset) == {
            "HAM10000_images_part_1/ISIC_0024306.jpg": ("bkl", "lesion HAM_0000118", None),
            "HAM10000_images_part_1/ISIC_0024307.jpg": ("bkl", "lesion HAM_0000118", None),
            "HAM10000_images_part_2/ISIC_0029306.jpg": ("nv", "lesion HAM_0002730", None),
        }
        assert dict(dataset.cases[2].extra)["localization"] == "trunk"
        assert dataset.mask_role == "lesion"
        batch = dataset.read()
        assert batch.has_mask.tolist() == [False, True, False]
        np.testing.assert_array_equal(batch.masks[1], lesion)
        assert dataset.found.layout == "HAM10000"
        assert dict(dataset.found.taken) == {"image": 3, "mask": 1, "table": 1}
        assert dataset.found.rows["the file is not there"].examples == ("ISIC_0031633",)
        assert dataset.found.seen == on_disk(tmp_path) == 6

    def test_the_test_set_is_a_side(self, tmp_path):
        self.write(tmp_path)
        picture(tmp_path / "ISIC2018_Task3_Test_Images" / "ISIC_0034524.jpg")
        lines(
            tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv",
            "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset",
            "HAMTEST_0000000,ISIC_0034524,nv,follow_up,40.0,female,back,vidir_molemax",
        )
        dataset = open_dataset(tmp_path)
        assert {name: len(rows) for name, rows in dataset.splits.items()} == {"training": 3, "test": 1}
        assert dataset.found.seen == on_disk(tmp_path)


class TestISIC:
    def test_2018_with_lesions_and_sides(self, tmp_path):
        truth = "ISIC2018_Task3_{}_GroundTruth"
        columns = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
        for number in (24306, 24307):
            picture(tmp_path / "ISIC2018_Task3_Training_Input" / f"ISIC_00{number}.jpg")
        picture(tmp_path / "ISIC2018_Task3_Validation_Input" / "ISIC_0034321.jpg")
        training = tmp_path / truth.format("Training")
        lines(
            training / f"{training.name}.csv",
            columns,
            "ISIC_0024306,0.0,1.0,0.0,0.0,0.0,0.0,0.0",
            "ISIC_0024307,1.0,0.0,0.0,0.0,0.0,0.0,0.0",
        )
        lines(
            tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv",
            "image,lesion_id,diagnosis_confirm_type",
            "ISIC_0024306,HAM_0000550,serial imaging showing no change",
            "ISIC_0024307,HAM_0003577,histopathology",
        )
        lines(tmp_path / f"{truth.format('Validation')}.csv", columns, "ISIC_0034321,0.0,0.0,0.0,0.0,0.0,0.0,1.0")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
        assert cases(dataset) == {
            "ISIC2018_Task3_Training_Input/ISIC_0024306.jpg": ("NV", "lesion HAM_0000550", "training"),
            "ISIC2018_Task3_Training_Input/ISIC_0024307.jpg": ("MEL", "lesion HAM_0003577", "training"),
            "ISIC2018_Task3_Validation_Input/ISIC_0034321.jpg": ("VASC", None, "validation"),
        }
        assert dict(dataset.found.taken) == {"image": 3, "table": 3}
        assert dataset.found.seen == on_disk(tmp_path)

    def test_2019_with_metadata(self, tmp_path):
        picture(tmp_path / "ISIC_2019_Training_Input" / "ISIC_0000002_downsampled.jpg")
        picture(tmp_path / "ISIC_2019_Training_Input" / "ISIC_0000004.jpg")
        lines(
            tmp_path / "ISIC_2019_Training_GroundTruth.csv",
            "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
            "ISIC_0000002_downsampled,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
            "ISIC_0000004,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0",
        )
        lines(
            tmp_path / "ISIC_2019_Training_Metadata.csv",
            "image,age_approx,anatom_site_general,lesion_id,sex",
            "ISIC_0000002_downsampled,55.0,anterior torso,BCN_1,female",
            "ISIC_0000004,80.0,upper extremity,,male",
        )
        dataset = open_dataset(tmp_path)
        assert [value[:2] for value in cases(dataset).values()] == [("MEL", "lesion BCN_1"), ("SCC", None)]
        assert dict(dataset.cases[1].extra)["age_approx"] == "80.0"
        assert {case.split for case in dataset.cases} == {None}
        assert "No image of the classes NV, BCC, AK, BKL, DF and 2 more is there." in dataset.found.notes


class TestChestXray14:
    HEADER = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    )

    def write(self, folder, shape=(1024, 1024)):
        picture(folder / "images_001" / "images" / "00000001_000.png", 0, shape)
        picture(folder / "images_001" / "images" / "00000001_001.png", 1, shape)
        picture(folder / "images_002" / "images" / "00001336_000.png", 2, shape)
        rest = "58,M,PA,2682,2749,0.143,0.143,"
        lines(
            folder / "Data_Entry_2017.csv",
            self.HEADER,
            f"00000001_000.png,Cardiomegaly,0,1,{rest}",
            f"00000001_001.png,Cardiomegaly|Emphysema,1,1,{rest}",
            f"00001336_000.png,No Finding,0,1336,{rest}",
            f"00030805_000.png,No Finding,0,30805,{rest}",
        )
        lines(folder / "train_val_list.txt", "00000001_000.png", "00000001_001.png")
        lines(folder / "test_list.txt", "00001336_000.png")
        lines(
            folder / "BBox_List_2017.csv",
            "Image Index,Finding Label,Bbox [x,y,w,h],,,",
            "00000001_001.png,Infiltrate,100.2,200.0,300.0,50.0,,,",
            "00000001_001.png,Cardiomegaly,0,0,10,20,,,",
        )

    def test_as_published(self, tmp_path):
        self.write(tmp_path)
        dataset = open_dataset(tmp_path)
        assert len(dataset.classes) == 14
        assert dataset.multi_label
        there = {
            case.id: [name for name, value in zip(dataset.classes, case.findings, strict=True) if value == 1]
            for case in dataset.cases
        }
        assert there == {
            "images_001/images/00000001_000.png": ["Cardiomegaly"],
            "images_001/images/00000001_001.png": ["Cardiomegaly", "Emphysema"],
            "images_002/images/00001336_000.png": [],
        }
        assert [case.group for case in dataset.cases] == ["patient 1", "patient 1", "patient 1336"]
        assert [case.split for case in dataset.cases] == ["training", "training", "test"]
        assert dict(dataset.cases[0].extra) == {"Patient Age": "58", "Patient Gender": "M", "View Position": "PA"}
        batch = dataset.read([1])
        assert [(one.name, one.role) for one in batch.elements[0]] == [
            ("Infiltration", "lesion"),
            ("Cardiomegaly", "lesion"),
        ]
        rows, columns = np.nonzero(batch.elements[0][0].mask)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (200, 249, 100, 399)
        assert batch.elements[0][1].mask.sum() == 200
        assert dict(dataset.found.taken) == {"image": 3, "table": 2, "list of a split": 2}
        assert dataset.found.seen == on_disk(tmp_path) == 7
        assert dataset.found.rows["the file is not there"].count == 1

    def test_boxes_follow_the_size_and_the_transpose(self, tmp_path):
        self.write(tmp_path, (256, 256))
        batch = open_dataset(tmp_path, transpose=True).read([1])
        rows, columns = np.nonzero(batch.elements[0][0].mask)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 99, 50, 61)
        assert batch.notes == (("images_001/images/00000001_001.png", "its boxes were scaled to the size of the file"),)
        assert not open_dataset(tmp_path).read([1], masks=False).elements[0]


OBSERVATIONS = (
    "No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,"
    "Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


class TestCheXpert:
    def write(self, folder):
        names = ["train/patient00001/study1/view1_frontal.jpg", "train/patient00002/study1/view1_frontal.jpg"]
        names += ["train/patient00002/study2/view1_frontal.jpg", "valid/patient64541/study1/view1_frontal.jpg"]
        for name in names:
            picture(folder / name)
        columns = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{OBSERVATIONS}"
        home = "CheXpert-v1.0-small"
        lines(
            folder / "train.csv",
            columns,
            f"{home}/{names[0]},Female,68,Frontal,AP,1.0,,,,,,,,,0.0,,,,1.0",
            f"{home}/{names[1]},Female,87,Frontal,AP,,,-1.0,1.0,,-1.0,-1.0,,-1.0,,-1.0,,1.0,",
            f"{home}/{names[2]},Male,87,Frontal,AP,,,,1.0,,,,,,,,,,",
        )
        lines(folder / "valid.csv", columns, f"{home}/{names[3]},Male,73,Frontal,AP,{','.join(['0.0', '1.0'] * 7)}")
        return names

    @pytest.mark.parametrize("place", ["", "CheXpert-v1.0-small"])
    def test_as_published(self, tmp_path, place):
        folder = tmp_path / place
        names = self.write(folder)
        dataset = open_dataset(folder)
        assert dataset.classes == tuple(OBSERVATIONS.split(","))
        assert [case.id for case in dataset.cases] == names
        assert [case.group for case in dataset.cases] == [f"patient {n}" for n in ("00001", "00002", "00002", "64541")]
        assert [case.split for case in dataset.cases] == ["training"] * 3 + ["validation"]
        same(
            [case.findings for case in dataset.cases],
            [
                (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
                (0, 0, NAN, 1, 0, NAN, NAN, 0, NAN, 0, NAN, 0, 1, 0),
                (0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
                (0, 1) * 7,
            ],
        )
        assert dataset.found.notes == (
            "5 cells of train.csv are uncertain (-1): these findings are not known.",
            "31 cells of train.csv are blank (not mentioned): these findings count as absent.",
        )
        assert dataset.found.seen == on_disk(folder) == 6
        assert dict(dataset.cases[0].extra) == {
            "Sex": "Female",
            "Age": "68",
            "Frontal/Lateral": "Frontal",
            "AP/PA": "AP",
        }

    def test_a_cell_that_means_nothing(self, tmp_path):
        self.write(tmp_path)
        text = (tmp_path / "train.csv").read_text()
        (tmp_path / "train.csv").write_text(text.replace("1.0,,,,,,,,,0.0", "yes,,,,,,,,,0.0"))
        with pytest.raises(InputError, match=r"train.csv, line 2: 'yes' is not 1, 0, -1 or blank"):
            open_dataset(tmp_path)


class TestMIMIC:
    def test_as_published(self, tmp_path):
        images = {
            "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg": ("10000032", "50414267", "train"),
            "files/p10/p10000032/s50414267/174413ec-4ec4c1f7.jpg": ("10000032", "50414267", "train"),
            "files/p11/p11000183/s51967845/2a2277a9-b0ded155.jpg": ("11000183", "51967845", "validate"),
        }
        for name in images:
            picture(tmp_path / name)
        rows = [
            f"{name.rsplit('/')[-1][:-4]},{study},{patient},{side}" for name, (patient, study, side) in images.items()
        ]
        split = "\n".join(["dicom_id,study_id,subject_id,split", *rows, "68b5c4b1-227d0485,53911762,10000764,test"])
        (tmp_path / "mimic-cxr-2.0.0-split.csv.gz").write_bytes(gzip.compress(split.encode()))
        findings = "Atelectasis,Cardiomegaly,Consolidation,Edema,Enlarged Cardiomediastinum,Fracture,Lung Lesion,"
        findings += "Lung Opacity,No Finding,Pleural Effusion,Pleural Other,Pneumonia,Pneumothorax,Support Devices"
        lines(
            tmp_path / "mimic-cxr-2.0.0-chexpert.csv",
            f"subject_id,study_id,{findings}",
            "10000032,50414267,,,,,,,,,1.0,,,,,",
            "11000183,51967845,-1.0,1.0,0.0,,,,,,,,,,,",
        )
        dataset = open_dataset(tmp_path)
        assert [case.id for case in dataset.cases] == list(images)
        assert [case.group for case in dataset.cases] == ["patient 10000032"] * 2 + ["patient 11000183"]
        assert [case.split for case in dataset.cases] == ["training", "training", "validation"]
        by_name = [dict(zip(dataset.classes, case.findings, strict=True)) for case in dataset.cases]
        assert by_name[0]["No Finding"] == by_name[1]["No Finding"] == by_name[2]["Cardiomegaly"] == 1
        assert math.isnan(by_name[2]["Atelectasis"])
        assert by_name[2]["Consolidation"] == by_name[2]["Edema"] == 0
        assert dataset.found.rows["it has no label"].count == 1
        assert dict(dataset.found.taken) == {"image": 3, "table": 2}
        assert dataset.found.seen == on_disk(tmp_path)
        (tmp_path / "mimic-cxr-2.0.0-split.csv.gz").unlink()
        with pytest.raises(InputError, match=r"no table of its images; add mimic-cxr-2.0.0-split.csv"):
            open_dataset(tmp_path)


def spreadsheet(rows, *, ole=True):
    """The bytes of an `.xls` file: as Excel 97 stores it in a compound document, or as Excel 2 does without one."""

    def record(kind, raw):
        return struct.pack("<HH", kind, len(raw)) + raw

    cells = b""
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            place = struct.pack("<HHH" if ole else "<HH3x", *(at, column, 0)[: 3 if ole else 2])
            if isinstance(cell, str):
                length = struct.pack("<HB", len(cell), 0) if ole else bytes([len(cell)])
                cells += record(0x204 if ole else 4, place + length + cell.encode("latin-1" if ole else "ascii"))
            else:
                cells += record(0x203 if ole else 3, place + struct.pack("<d", cell))
    cells += record(10, b"")
    if not ole:
        return record(9, struct.pack("<HH", 2, 0x10)) + cells
    start = record(0x809, struct.pack("<HHHHII", 0x600, 5, 0, 0, 0, 0)) + record(0x42, struct.pack("<H", 1200))
    first = len(start) + 4 + 10 + 4
    stream = start + record(0x85, struct.pack("<IHBB", first, 0, 2, 0) + b"S1") + record(10, b"")
    assert len(stream) == first
    stream += record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0)) + cells
    size = max(4096, -(-len(stream) // 512) * 512)
    sectors = size // 512
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, 9, 6)
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    table = [0xFFFFFFFD, end, *range(3, 2 + sectors), end]

    def entry(name, kind, child, start, length):
        text = (name + "\0").encode("utf-16-le")
        links = struct.pack("<BBIII", kind, 1, free, free, child)
        return (
            text.ljust(64, b"\0") + struct.pack("<H", len(text)) + links + bytes(36) + struct.pack("<IQ", start, length)
        )

    folder = entry("Root Entry", 5, 1, end, 0) + entry("Book", 2, free, 2, size) + bytes(256)
    return head + struct.pack("<128I", *table, *[free] * (128 - len(table))) + folder + stream.ljust(size, b"\0")


class TestRetinopathy:
    GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")

    def test_aptos(self, tmp_path):
        for name in ("000c1434d8d7", "001639a390f0"):
            picture(tmp_path / "train_images" / f"{name}.png")
            picture(tmp_path / "small" / f"{name}.png")
        picture(tmp_path / "test_images" / "0005cfc8afb6.png")
        lines(tmp_path / "train.csv", "id_code,diagnosis", "000c1434d8d7,2", "001639a390f0,4")
        lines(tmp_path / "test.csv", "id_code", "0005cfc8afb6")
        dataset = open_dataset(tmp_path)
        assert dataset.classes == self.GRADES
        assert cases(dataset) == {
            "train_images/000c1434d8d7.png": ("Moderate", None, None),
            "train_images/001639a390f0.png": ("Proliferative DR", None, None),
        }
        assert dataset.found.layout == "APTOS 2019"
        assert dataset.found.left_out["no row of the table names it"].count == 2
        assert dataset.found.left_out["its table, test.csv, has no grades"].count == 1
        assert dataset.found.seen == on_disk(tmp_path)

    def test_aptos_in_three_sides(self, tmp_path):
        for side in ("train", "val", "test"):
            picture(tmp_path / f"{side}_images" / f"{side}7.png")
        for name, side in (("train_1", "train"), ("valid", "val"), ("test", "test")):
            lines(tmp_path / f"{name}.csv", "id_code,diagnosis", f"{side}7,0")
        assert {case.id: case.split for case in open_dataset(tmp_path).cases} == {
            "test_images/test7.png": "test",
            "train_images/train7.png": "training",
            "val_images/val7.png": "validation",
        }

    def test_eyepacs_keeps_the_eyes_of_a_patient_together(self, tmp_path):
        picture(tmp_path / "train" / "10_left.jpeg")
        picture(tmp_path / "train" / "10_right.jpeg")
        lines(tmp_path / "trainLabels.csv", "image,level", "10_left,0", "10_right,1")
        dataset = open_dataset(tmp_path)
        assert [(case.group, case.label) for case in dataset.cases] == [("patient 10", 0), ("patient 10", 1)]

    def test_messidor_2(self, tmp_path):
        picture(tmp_path / "IMAGES" / "20051020_43808_0100_PP.png")
        picture(tmp_path / "IMAGES" / "IM004832.JPG")
        lines(
            tmp_path / "messidor_data.csv",
            "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable",
            "20051020_43808_0100_PP.png,0,0,1",
            "IM004832.jpg,3.0,1,1",
            "IM000000.jpg,,,0",
        )
        dataset = open_dataset(tmp_path)
        assert [value[0] for value in cases(dataset).values()] == ["No DR", "Severe"]
        assert dataset.found.layout == "Messidor-2"
        assert dataset.found.rows["it has no label"].examples == ("IM000000.jpg",)

    @pytest.mark.parametrize("place", ["", "Base11/"])
    @pytest.mark.parametrize("ole", [True, False])
    def test_messidor_as_published(self, tmp_path, place, ole):
        """Twelve spreadsheets, one for each part, with a scale of its own."""
        head = ("Image name", "Ophthalmologic department", "Retinopathy grade", "Risk of macular edema ")
        names = ("20051019_38557_0100_PP.tif", "20051020_43808_0100_PP.tif")
        for name, part in zip(names, ("11", "12"), strict=True):
            picture(tmp_path / f"Base{part}" / name)
            where = place.replace("11", part)
            grade = 3 if part == "11" else 0
            cells = [
                head,
                (name, "Lariboisière" if ole else "other", grade, 1),
                ("absent.tif", "Lariboisière" if ole else "other", 1, 0),
            ]
            (tmp_path / f"{where}Annotation_Base{part}.xls").write_bytes(spreadsheet(cells, ole=ole))
        dataset = open_dataset(tmp_path)
        assert dataset.found.layout == "Messidor"
        assert dataset.classes == ("grade 0", "grade 1", "grade 2", "grade 3")
        assert cases(dataset) == {
            f"Base11/{names[0]}": ("grade 3", None, None),
            f"Base12/{names[1]}": ("grade 0", None, None),
        }
        assert dataset.cases[0].extra["Risk of macular edema"] == "1"
        assert dataset.found.rows["the file is not there"].count == 2
        assert dataset.found.seen == on_disk(tmp_path)
        assert dict(dataset.found.taken) == {"image": 2, "table": 2}

    def test_any_spreadsheet_of_the_old_kind(self, tmp_path):
        for name in "ab":
            picture(tmp_path / f"{name}.png")
        cells = [("file", "label", "patient"), ("a.png", "x", 7), ("b.png", "y", 7.5)]
        (tmp_path / "clinic.xls").write_bytes(spreadsheet(cells))
        dataset = open_dataset(tmp_path, labels="clinic.xls")
        assert cases(dataset) == {"a.png": ("x", "patient 7", None), "b.png": ("y", "patient 7.5", None)}
        with pytest.raises(InputError, match=r"holds the table clinic.xls, which is not a known one: give --labels"):
            open_dataset(tmp_path)

    def test_a_spreadsheet_needs_a_package(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "xlrd", None)
        (tmp_path / "clinic.xls").write_bytes(spreadsheet([("file", "label"), ("a.png", "x")]))
        with pytest.raises(InputError, match=r"clinic.xls is a spreadsheet: pip install 'xaijax\[medical\]', or save"):
            open_dataset(tmp_path, labels="clinic.xls")

    def test_damaged_spreadsheets_are_refused_in_one_sentence(self, tmp_path):
        whole = spreadsheet([("file", "label"), ("a.png", "x"), ("b.png", "y")])
        picture(tmp_path / "a.png")
        rng = np.random.default_rng(0)
        for _ in range(60):
            raw = bytearray(whole)
            for at in rng.integers(8, len(raw) if rng.random() < 0.5 else 600, 4):
                raw[at] = rng.integers(256)
            (tmp_path / "x.xls").write_bytes(bytes(raw[: rng.integers(600, len(raw))]))
            with contextlib.suppress(InputError):  # and nothing else
                open_dataset(tmp_path, labels="x.xls")

    def test_a_table_of_messidor(self, tmp_path):
        """Saved as CSV from the published spreadsheet."""
        picture(tmp_path / "20051019_38557_0100_PP.tif")
        lines(
            tmp_path / "Annotation_Base11.csv",
            "Image name;Ophthalmologic department;Retinopathy grade;Risk of macular edema",
            "20051019_38557_0100_PP.tif;Service Ophtalmologie Lariboisière;3;1",
        )
        dataset = open_dataset(tmp_path, labels="Annotation_Base11.csv")
        assert cases(dataset) == {"20051019_38557_0100_PP.tif": ("3", None, None)}


SIDE = (12, 10)
VINDR = "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max"


class TestVindr:
    @pytest.fixture
    def published(self, tmp_path):
        """As on Kaggle, with two images of the train folder and one of the test folder, which has no labels."""
        for name in ("train/aa.png", "train/bb.png", "train/cc.png", "test/dd.png"):
            picture(tmp_path / name)  # SIDE pixels
        lines(
            tmp_path / "train.csv",
            VINDR,
            "aa,Cardiomegaly,3,R8,1,2,5,6",
            "aa,Cardiomegaly,3,R9,2,2,6,6",
            "aa,Nodule/Mass,8,R9,0,0,2,2",
            "aa,No finding,14,R10,,,,",
            "bb,No finding,14,R1,,,,",
            "bb,No finding,14,R2,,,,",
            "bb,No finding,14,R3,,,,",
            "cc,Nodule/Mass,8,R1,0,0,3,4",
            "cc,Nodule/Mass,8,R2,0,0,3,4",
            "cc,Nodule/Mass,8,R3,5,5,8,9",
            "cc,Nodule/Mass,8,R3,0,0,1,1",
        )
        lines(tmp_path / "sample_submission.csv", "image_id,PredictionString", "dd,14 1 0 0 1 1")
        return tmp_path

    def test_as_on_kaggle(self, published):
        dataset = open_dataset(published)
        assert dataset.found.layout == "VinDr-CXR"
        assert dataset.classes == ("Cardiomegaly", "Nodule/Mass")
        assert [case.id for case in dataset.cases] == ["train/aa.png", "train/bb.png", "train/cc.png"]
        np.testing.assert_array_equal(dataset.labels, [[1, np.nan], [0, 0], [0, 1]])
        assert (dataset.mask_role, dataset.roles) == ("lesion", ("lesion",))
        batch = dataset.read()
        assert batch.has_mask.tolist() == [True, False, True]
        first = np.zeros(SIDE, bool)
        first[2:6, 1:6] = True  # two radiologists; the box of the one with a nodule is not used
        np.testing.assert_array_equal(batch.masks[0], first)
        assert [one.name for one in batch.elements[0]] == ["Cardiomegaly 1", "Cardiomegaly 2"]
        assert len(batch.elements[2]) == 4
        notes = " ".join(dataset.found.notes)
        assert "1 findings of images are not known" in notes
        assert "1 boxes were not used" in notes
        assert dataset.found.left_out["no row of the table names it"].count == 1
        assert dataset.found.seen == on_disk(published)

    def test_resized_copies_state_the_size_of_their_boxes(self, published):
        rows = (published / "train.csv").read_text().splitlines()
        height, width = SIDE
        sized = [f"{row},{2 * width},{2 * height}" for row in rows[1:]]
        lines(published / "train.csv", f"{rows[0]},width,height", *sized)
        batch = open_dataset(published).read([0])
        expected = np.zeros(SIDE, bool)
        expected[1:3, :3] = True  # x 1 to 6, y 2 to 6, halved: pixels whose centres lie inside
        np.testing.assert_array_equal(batch.masks[0], expected)

    def test_boxes_of_images_of_another_size_are_left_out(self, published):
        rows = (published / "train.csv").read_text().replace("R8,1,2,5,6", "R8,100,200,500,600")
        (published / "train.csv").write_text(rows)
        batch = open_dataset(published).read([0])
        assert not batch.has_mask.any()
        assert "its boxes were left out: they leave the image" in batch.notes[0][1]

    def test_as_on_physionet(self, tmp_path):
        for name in ("train/aa.png", "train/bb.png", "test/dd.png"):
            picture(tmp_path / name)
        head = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max"
        lines(
            tmp_path / "annotations" / "annotations_train.csv",
            head,
            *[f"aa,R{at},Atelectasis,1,1,4,4" for at in (1, 2)],
            *[f"bb,R{at},No finding,,,," for at in (1, 2, 3)],
        )
        lines(
            tmp_path / "annotations" / "image_labels_train.csv",
            "image_id,rad_id,Atelectasis,Pneumonia,No finding",
            *[f"aa,R{at},{int(at < 3)},1,0" for at in (1, 2, 3)],
            *[f"bb,R{at},0,{int(at == 1)},{int(at > 1)}" for at in (1, 2, 3)],
        )
        lines(
            tmp_path / "annotations" / "annotations_test.csv",
            "image_id,class_name,x_min,y_min,x_max,y_max",
            "dd,Atelectasis,0,0,2,2",
        )
        dataset = open_dataset(tmp_path)
        assert dataset.classes == ("Atelectasis", "Pneumonia")
        assert [(case.id, case.split) for case in dataset.cases] == [
            ("train/aa.png", "training"),
            ("train/bb.png", "training"),
            ("test/dd.png", "test"),
        ]
        np.testing.assert_array_equal(dataset.labels, [[1, 1], [0, np.nan], [1, 0]])
        assert dict(dataset.found.taken) == {"image": 3, "table": 3}

    def test_an_edge_that_is_no_number(self, published):
        rows = (published / "train.csv").read_text().replace("R8,1,2,5,6", "R8,1,2,5,inf")
        (published / "train.csv").write_text(rows)
        with pytest.raises(InputError, match=r"train.csv, line 2: the edges of a box must be four numbers"):
            open_dataset(published)


def test_commands_refuse_several_findings_in_one_sentence(tmp_path):
    from xaijax._runs.data import open_data
    from xaijax._runs.options import DataOptions

    picture(tmp_path / "a.png")
    lines(tmp_path / "labels.csv", "file,label", "a.png,Mass|Nodule")
    with pytest.raises(
        InputError, match=r"gives an image several findings, and this command needs one class per image"
    ):
        open_data(DataOptions(data=str(tmp_path)))


def test_a_folder_with_an_unknown_table_says_how_to_read_it(tmp_path):
    picture(tmp_path / "a.png")
    lines(tmp_path / "clinic.csv", "scan,finding", "a.png,cyst")
    with pytest.raises(
        InputError, match=r"holds the table clinic.csv, which is not a known one: give --labels clinic.csv"
    ):
        open_dataset(tmp_path)


def test_minus_one_is_no_class_where_the_others_are_numbers_from_zero(tmp_path):
    """As PyTorch and scikit-learn write it; with two numbers alone, or among names, it is a class."""
    for number in range(4):
        picture(tmp_path / f"{number}.png", number)
    lines(tmp_path / "labels.csv", "file,label", "0.png,0", "1.png,1", "2.png,-1", "3.png,1")
    dataset = open_dataset(tmp_path)
    assert dataset.classes == ("0", "1")
    assert [case.id for case in dataset.cases] == ["0.png", "1.png", "3.png"]
    assert "Rows of labels.csv with the label -1, taken for no label: 1 of 4." in dataset.found.notes
    for cells, classes in ((("-1", "1", "1", "-1"), ("-1", "1")), (("-1", "a", "b", "a"), ("-1", "a", "b"))):
        lines(tmp_path / "labels.csv", "file,label", *(f"{at}.png,{cell}" for at, cell in enumerate(cells)))
        assert open_dataset(tmp_path).classes == classes
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 5, 5), np.uint8), labels=np.array([0, -1, 1, 1]))
    archive = open_dataset(tmp_path / "a.npz")
    assert (archive.classes, [case.label for case in archive.cases]) == (("0", "1"), [0, 1, 1])
    assert archive.found.rows["its label is -1, which is taken for no label"].examples == ("1",)


def test_a_column_is_valid_divides_training_and_validation(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    lines(tmp_path / "labels.csv", "file,label,is_valid", "0.png,a,False", "1.png,b,True", "2.png,a,")
    assert {key: split for key, (_, _, split) in cases(open_dataset(tmp_path)).items()} == {
        "0.png": "training", "1.png": "validation", "2.png": None,
    }  # fmt: skip
