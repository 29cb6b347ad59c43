"""Outlines of annotation tools next to images: labelme, CVAT and VIA."""

import json

import numpy as np
import pytest
from PIL import Image

from xaijax.data import open_dataset
from xaijax.data.masks import Canvas, cvat, labelme, via
from xaijax.data.masks.outlines import Outline, Outlines

SHAPE = (12, 10)


@pytest.fixture
def folder(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.random.default_rng(0).integers(0, 256, SHAPE, np.uint8)).save(tmp_path / name)
    return tmp_path


def square():
    mask = np.zeros(SHAPE, bool)
    mask[3:7, 2:5] = True
    return mask


def labelme_json(shapes, **more):
    return json.dumps({"version": "5.4", "shapes": shapes, "imageHeight": 12, "imageWidth": 10, **more})


SQUARE = {"label": "cyst", "points": [[2, 3], [5, 3], [5, 7], [2, 7]], "shape_type": "polygon"}
VIA_SQUARE = {
    "shape_attributes": {"name": "rect", "x": 2, "y": 3, "width": 3, "height": 4},
    "region_attributes": {"type": "cyst"},
}


def write_labelme(folder):
    for name in ("a/1", "b/2"):
        (folder / f"{name}.json").write_text(labelme_json([SQUARE], imageData="iVBOR"))
    return 2


def write_cvat(folder):
    points = '<polygon label="cyst" points="2.0,3.0;5.0,3.0;5.0,7.0;2.0,7.0"/>'
    box = '<box label="cyst" xtl="2" ytl="3" xbr="5" ybr="7"/>'
    images = (
        f'<image id="{at}" name="{name}" width="10" height="12">{shape}</image>'
        for at, (name, shape) in enumerate((("a/1.png", points), ("b/2.png", box)))
    )
    (folder / "annotations.xml").write_text(f"<annotations><version>1.1</version>{''.join(images)}</annotations>")
    return 1


def write_via(folder):
    corners = {"name": "polygon", "all_points_x": [2, 5, 5, 2], "all_points_y": [3, 3, 7, 7]}
    records = {
        "1.png99": {"filename": "1.png", "regions": [VIA_SQUARE]},
        "2.png99": {"filename": "2.png", "regions": {"0": VIA_SQUARE | {"shape_attributes": corners}}},
    }
    (folder / "via_project.json").write_text(json.dumps({"_via_settings": {}, "_via_img_metadata": records}))
    return 1


@pytest.mark.parametrize("write", [write_labelme, write_cvat, write_via])
def test_outlines_are_masks_named_by_their_label(folder, write):
    files = write(folder)
    dataset = open_dataset(folder, mask_role="lesion")
    assert dataset.found.taken == {"image": 2, "annotation": files}
    batch = dataset.read([0, 1], shape=(*SHAPE, 1))
    assert batch.has_mask.all()
    for mask in batch.masks:
        np.testing.assert_array_equal(mask, square())
    assert [one.name for one in batch.elements[0]] == ["cyst"]


def test_other_shapes_of_labelme(tmp_path):
    shapes = [
        {"label": "box", "points": [[5, 7], [2, 3]], "shape_type": "rectangle"},
        {"label": "disc", "points": [[5, 6], [5, 8]], "shape_type": "circle"},
        {"label": "spot", "points": [[5, 6]], "shape_type": "point"},
    ]
    (tmp_path / "1.json").write_text(labelme_json(shapes))
    found = labelme.parse(tmp_path / "1.json").read(None, Canvas(SHAPE))
    np.testing.assert_array_equal(found.elements[0].mask, square())
    rows, columns = np.mgrid[0.5:12, 0.5:10]
    np.testing.assert_array_equal(found.elements[1].mask, (rows - 6) ** 2 + (columns - 5) ** 2 <= 4)
    assert found.notes == ("an outline was left out: a point has no area",)


def test_other_json_and_xml_files_stay_left_out(folder):
    (folder / "a" / "1.json").write_text('{"age": 61}')
    (folder / "annotations.xml").write_text("<notes/>")
    (folder / "via.json").write_text("[1]")
    dataset = open_dataset(folder)
    assert dataset.found.taken == {"image": 2}
    assert sum(one.count for one in dataset.found.left_out.values()) == 3


def test_a_damaged_file_among_others_leaves_out_its_mask_and_not_its_image(folder):
    write_labelme(folder)
    (folder / "b" / "2.json").write_text("{")
    batch = open_dataset(folder, mask_role="lesion").read([0, 1], shape=(*SHAPE, 1))
    assert batch.has_mask.tolist() == [True, False]
    assert "it is damaged JSON" in batch.notes[0][1]


@pytest.mark.parametrize(
    ("reader", "content", "message"),
    [
        (labelme.parse, '{"shapes": [{"points": [1, 2]}]}', "corners that are not numbers"),
        (labelme.parse, '{"shapes": [3]}', "a shape that is not an object"),
        (labelme.parse, '{"shapes": [{"points": [["x", 2]]}]}', "corners that are not numbers"),
        (via.read, '{"a": {"filename": "1.png", "regions": [{"shape_attributes": {"name": "rect"}}]}}', "not numbers"),
        (via.read, '{"a": {"filename": "1.png", "regions": [3]}}', "a region without a shape"),
        (cvat.read, '<annotations><image name="a"><box xtl="1"/></image></annotations>', "not numbers"),
        (cvat.read, '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares a document type"),
    ],
)
def test_damaged_files_are_refused(tmp_path, reader, content, message):
    (tmp_path / "file").write_text(content)
    with pytest.raises(ValueError, match=message):
        reader(tmp_path / "file")


def test_a_polygon_of_one_corner_is_left_out(tmp_path):
    (tmp_path / "file").write_text('<annotations><image name="a"><polygon points="1,2"/></image></annotations>')
    found = cvat.read(tmp_path / "file")["a"].read(None, Canvas(SHAPE))
    assert found.elements == ()
    assert "needs two values for each of three corners" in found.notes[0]


def test_an_ellipse_needs_an_area():
    found = Outlines((Outline("a", "ellipse", (5, 6, 0, 2)),)).read(None, Canvas(SHAPE))
    assert found.elements == ()
    assert found.notes == ("an outline was left out: an ellipse has no area",)
