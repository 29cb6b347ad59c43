"""COCO and VOC annotations that lie with class folders become masks; every file is counted."""

import json

import numpy as np
import pytest
from PIL import Image

from xaijax.data import open_dataset

VOC = """<annotation><size><width>20</width><height>10</height><depth>1</depth></size>
<object><name>nodule</name><bndbox><xmin>3</xmin><ymin>2</ymin><xmax>6</xmax><ymax>4</ymax></bndbox></object></annotation>"""


@pytest.fixture
def scans(tmp_path):
    for number, name in enumerate(("benign/a.png", "benign/b.png", "malignant/a.png", "malignant/c.png")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (10, 20), np.uint8)).save(path)
    return tmp_path


def coco(names):
    return {
        "images": [{"id": at, "file_name": name, "height": 10, "width": 20} for at, name in enumerate(names)],
        "categories": [{"id": 1, "name": "mass"}, {"id": 2, "name": "cyst"}],
        "annotations": [
            {"id": 0, "image_id": 0, "category_id": 1, "segmentation": [[2, 1, 8, 1, 8, 5, 2, 5]], "iscrowd": 0},
            {
                "id": 1,
                "image_id": 1,
                "category_id": 2,
                # columns first: 2 rows of column 3
                "segmentation": {"counts": [3 * 10 + 4, 2, 200 - 36], "size": [10, 20]},
                "iscrowd": 1,
            },
        ],
    }


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("annotations.json", ["benign/a.png", "malignant/c.png"]),
        ("annotations/instances_default.json", ["benign/a.png", "c.png"]),
        ("_annotations.coco.json", ["./benign/a.png", "malignant\\c.png"]),
    ],
)
def test_coco(scans, place, names):
    (scans / place).parent.mkdir(exist_ok=True)
    (scans / place).write_text(json.dumps(coco(names)))
    dataset = open_dataset(scans, mask_role="lesion")
    assert dataset.classes == ("benign", "malignant")
    batch = dataset.read()
    assert batch.ids == ("benign/a.png", "benign/b.png", "malignant/a.png", "malignant/c.png")
    assert batch.has_mask.tolist() == [True, False, False, True]
    expected = np.zeros((10, 20), bool)
    expected[1:5, 2:8] = True
    np.testing.assert_array_equal(batch.masks[0], expected)
    expected = np.zeros((10, 20), bool)
    expected[4:6, 3] = True
    np.testing.assert_array_equal(batch.masks[3], expected)
    assert [one.name for one in batch.elements[0]] == ["mass"]
    assert dict(dataset.found.taken) == {"image": 4, "annotation": 1}
    assert dataset.found.seen == 5
    assert any("COCO annotations of 2 images" in note for note in dataset.found.notes)
    # Categories by their ids: the rule of --mask-values.
    ruled = open_dataset(scans, mask_values=["lesion=1", "organ=2"]).read()
    assert ruled.has_role["lesion"].tolist() == [True, False, False, False]
    assert ruled.has_role["organ"].tolist() == [False, False, False, True]


def test_a_name_that_occurs_twice_is_not_guessed(scans):
    (scans / "annotations.json").write_text(json.dumps(coco(["a.png", "c.png"])))
    batch = open_dataset(scans, mask_role="lesion").read()
    assert batch.has_mask.tolist() == [False, False, False, True]


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"images": 3})])
def test_another_json_file_is_left_out(scans, text):
    (scans / "annotations.json").write_text(text)
    dataset = open_dataset(scans)
    assert len(dataset) == 4
    assert dataset.found.seen == 5
    assert sum(one.count for one in dataset.found.left_out.values()) == 1


@pytest.mark.parametrize(
    "place", ["benign/b.xml", "annotations/b.xml", "Annotations/b.xml", "benign/annotations/b.xml"]
)
def test_voc(scans, place):
    (scans / place).parent.mkdir(exist_ok=True)
    (scans / place).write_text(VOC)
    dataset = open_dataset(scans, mask_role="lesion")
    assert dataset.classes == ("benign", "malignant")
    batch = dataset.read()
    assert batch.has_mask.tolist() == [False, True, False, False]
    expected = np.zeros((10, 20), bool)
    expected[1:4, 2:6] = True
    np.testing.assert_array_equal(batch.masks[1], expected)
    assert dict(dataset.found.taken) == {"image": 4, "annotation": 1}


def test_a_name_that_two_images_share_gets_the_voc_file_next_to_it_alone(scans):
    (scans / "annotations").mkdir()
    (scans / "annotations" / "a.xml").write_text(VOC)
    assert not open_dataset(scans).read().has_mask.any()
    (scans / "malignant" / "a.xml").write_text(VOC)
    assert open_dataset(scans).read().has_mask.tolist() == [False, False, True, False]


def test_voc_in_a_table(scans):
    (scans / "boxes").mkdir()
    (scans / "boxes" / "one.xml").write_text(VOC)
    rows = ["file,label,mask_lesion", "benign/a.png,benign,boxes/one.xml", "malignant/c.png,malignant,"]
    (scans / "labels.csv").write_text("\n".join(rows))
    batch = open_dataset(scans).read()
    assert batch.has_role["lesion"].tolist() == [True, False]
    assert batch.masks[0].sum() == 12
