"""A benchmark on data of which some masks are absent, unreadable or of another size: every image is kept."""

import json

import numpy as np
import pytest
from PIL import Image

from xaijax._errors import InputError
from xaijax.bench import BenchConfig, run
from xaijax.bench.plan import prepare
from xaijax.bench.store import Store

CLASSES = ("glioma", "meningioma", "pituitary")
NEEDING = {"iou", "pointing_game"}


@pytest.fixture
def brains(tmp_path):
    """Nine images; masks are whole, absent, broken, of twice the size, of other proportions, empty, or a JPEG."""
    root = tmp_path / "brains"
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        (root / "masks_lesion" / name).mkdir(parents=True)
        for number in range(3):
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(root / name / f"{number}.png")

    def mask(name, height, width, box):
        values = np.zeros((height, width), np.uint8)
        values[box] = 255
        Image.fromarray(values).save(root / "masks_lesion" / f"{name}.png")

    inside = (slice(8, 20), slice(8, 20))
    for name in ("glioma/0", "meningioma/1", "pituitary/0"):
        mask(name, 32, 32, inside)
    mask("glioma/2", 64, 64, (slice(16, 40), slice(16, 40)))
    mask("meningioma/0", 32, 60, inside)
    mask("meningioma/2", 32, 32, (slice(0, 0), slice(0, 0)))
    (root / "masks_lesion" / "pituitary" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return root


def config(brains, checkpoint, out, **changes):
    given = {
        "data": str(brains),
        "model": (str(checkpoint),),
        "methods": ("grad_cam", "random"),
        "metrics": ("sic_mutual", "sparseness", "deletion_blur", "iou", "pointing_game"),
        "count": 0,
        "part": 4,
        "gallery": 3,
        "calibration": ("none",),
        "out": out,
    }
    return BenchConfig(**(given | changes))


def rows(store):
    table = store.scores()
    names = ("image", "method", "metric", "value", "reason")
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def test_masks_that_cannot_be_used_cost_the_metrics_that_need_them(brains, checkpoint, tmp_path):
    store = Store(run(config(brains, checkpoint, tmp_path / "run")))
    described = store.read_run()
    assert len(described["data"]["images"]) == 9
    assert described["data"]["skipped"] == []
    usable = {"glioma/0.png", "glioma/2.png", "meningioma/1.png", "pituitary/0.png"}
    scored = rows(store)
    assert {image for image, *_ in scored} == set(described["data"]["images"])
    for image, method, metric, value, reason in scored:
        if metric in NEEDING:
            assert (reason == "empty_mask") == (image not in usable), (image, method, metric, reason)
            assert np.isnan(value) == bool(reason)
        elif method != "oracle":
            assert reason != "empty_mask"
    without = {image for image, _, metric, _, _ in scored if metric == "sparseness"}
    assert len(without) == 9
    oracle = {image for image, method, metric, value, _ in scored if method == "oracle" and not np.isnan(value)}
    assert oracle <= usable
    notes = described["data"]["notes"]
    assert notes.pop("a mask of another size was brought to that of its image by the nearest pixel") == 1
    assert notes.pop("a mask was left out: its proportions are not those of its image") == 1
    ((note, count),) = notes.items()
    assert note.startswith("a mask cannot be read (")
    assert count == 1
    page = (store.root / "report.html").read_text()
    assert "a mask was left out: its proportions are not those of its image" in page
    assert f"1 image: {note}." in described["notes"]


def test_no_mask_that_can_be_read_costs_no_image(brains, checkpoint, tmp_path):
    """The data have lesion masks, and none of those that are drawn can be used."""
    for path in (brains / "masks_lesion").glob("*/*.png"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="pointing_game needs lesion masks, and none of those of 7 images could be"):
        run(config(brains, checkpoint, tmp_path / "run"))  # it was asked for by name
    assert not (tmp_path / "run").exists()
    store = Store(run(config(brains, checkpoint, tmp_path / "run", metrics=("sic_mutual", "sparseness"))))
    scored = rows(store)
    assert len({image for image, *_ in scored}) == 9
    assert all(np.isfinite(value) for _, _, metric, value, _ in scored if metric == "sparseness")
    notes = json.loads((store.root / "run.json").read_text())["data"]["notes"]
    assert sum(notes.values()) == 7
    assert (store.root / "report.html").is_file()


def test_metrics_alone_that_need_no_mask_see_no_difference(brains, checkpoint, tmp_path):
    metrics = ("sic_mutual", "sparseness")
    found = []
    for number in range(2):
        store = Store(run(config(brains, checkpoint, tmp_path / f"run{number}", metrics=metrics, oracle=False)))
        found.append(repr(sorted(rows(store))))
        for path in (brains / "masks_lesion").glob("*/*.png"):
            path.write_bytes(b"nothing")
    assert found[0] == found[1]


def test_masks_of_no_image_are_refused_where_a_metric_needs_them(brains, checkpoint, tmp_path):
    import shutil

    shutil.rmtree(brains / "masks_lesion")
    with pytest.raises(InputError, match=r"metric iou cannot be computed: .* no masks"):
        run(config(brains, checkpoint, tmp_path / "run"))


def test_label_maps_without_a_rule_are_refused_before_any_work(brains, checkpoint, tmp_path):
    labels = np.repeat(np.arange(4, dtype=np.uint8), 8)[None].repeat(32, 0)
    for path in (brains / "masks_lesion").rglob("*.png"):
        Image.fromarray(labels).save(path)
    with pytest.raises(
        InputError, match=r"needs lesion masks, and none of those of \d images could be read .*0 \(25 %"
    ):
        run(config(brains, checkpoint, tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    store = Store(run(config(brains, checkpoint, tmp_path / "ruled", mask_values=("lesion=1,3",))))
    assert any(metric == "iou" and not reason for _, _, metric, _, reason in rows(store))


def test_grey_values_without_a_window_are_said_in_the_run(brains, checkpoint, tmp_path):
    for path in brains.glob("*/*.png"):
        if "masks" not in path.parent.name:
            deep = np.asarray(Image.open(path)).astype(np.uint16) * 16
            Image.fromarray(deep).save(path)
    changes = {"metrics": ("sparseness",), "oracle": False}
    notes = Store(run(config(brains, checkpoint, tmp_path / "own", **changes))).read_run()["data"]["notes"]
    assert any("from its own range, because no window is stated (--window)" in note for note in notes)
    given = changes | {"window": ("0", "4080")}
    notes = Store(run(config(brains, checkpoint, tmp_path / "given", **given))).read_run()["data"]["notes"]
    assert not any("own range" in note for note in notes)


def test_masks_of_other_names_are_counted_where_localization_is_left_out(tmp_path, checkpoint):
    for name in CLASSES:
        (tmp_path / "scans" / name / "masks").mkdir(parents=True)
        for number in range(2):
            image = Image.fromarray(np.full((32, 48), 40 * number, np.uint8))
            image.save(tmp_path / "scans" / name / f"{number}.png")
            image.save(tmp_path / "scans" / name / "masks" / f"other{number}.png")
    given = config(tmp_path / "scans", checkpoint, tmp_path / "run", metrics=BenchConfig().metrics)
    notes = " ".join(prepare(given).notes)
    assert "Localization was not scored: data set 'scans' has no masks" in notes
    assert "; 6 files, such as glioma/masks/other0.png, left out: it is a mask and no image has its name." in notes
    assert "(the first is 32 × 48 grey) were brought to the 32 × 32 grey that model" in notes
    assert "takes, which changes their proportions." in notes
