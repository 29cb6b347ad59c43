"""What `summarise` counts, on small folders whose contents the test knows."""

import csv

import numpy as np
from PIL import Image

from xaijax import data
from xaijax.data import Case, Content, Dataset, Element


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def grey(seed, shape=(12, 10)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def folder(tmp_path):
    """Five images: two identical ones of two patients, one in colour, one unreadable; two masks, one of them empty."""
    for name in ("a", "b"):
        write(tmp_path / "images" / f"{name}.png", grey(0))
    write(tmp_path / "images" / "c.png", grey(1, (20, 30, 3)))
    write(tmp_path / "images" / "d.png", grey(2))
    (tmp_path / "images" / "e.png").write_bytes(b"no image")
    mask = np.zeros((12, 10), np.uint8)
    write(tmp_path / "masks" / "d.png", mask)
    mask[:6] = 255
    write(tmp_path / "masks" / "a.png", mask)
    rows = [("a", "cyst", "1"), ("b", "normal", "2"), ("c", "cyst", "1"), ("d", "normal", "3"), ("e", "normal", "3")]
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "label", "patient", "mask"])
        for name, label, patient in rows:
            writer.writerow([f"images/{name}.png", label, patient, f"masks/{name}.png" if name in "ad" else ""])
    return tmp_path


def test_everything_is_counted(tmp_path):
    found = data.summarize(data.open_dataset(folder(tmp_path), mask_role="lesion"))
    assert found.images == 5
    assert found.classes == {"cyst": 2, "normal": 3}
    assert found.groups == (3, 2)
    assert found.read == 4
    assert found.sizes == {(12, 10): 3, (20, 30): 1}
    assert found.colour == 1
    lesion = found.masks["lesion"]
    assert (lesion.images, lesion.elements, lesion.empty) == (2, 2, 1)
    assert lesion.area == (0.0, 0.25, 0.5)
    assert [(count, names) for count, names in found.unreadable.values()] == [(1, ("images/e.png",))]
    assert found.duplicates == (1, (("images/a.png", "images/b.png"),))
    assert found.leaks == ()
    assert found.describe()["masks"]["lesion"]["area"]["median"] == 0.25


def test_only_some_are_decoded_and_progress_is_told(tmp_path):
    shares = []
    found = data.summarize(data.open_dataset(folder(tmp_path)), [3, 4], shares.append)
    assert (found.images, found.read) == (5, 1)
    assert set(found.masks) == {"unknown"}
    assert shares == [0.5, 1.0]


class Fixed:
    roles = ()

    def __init__(self, seed):
        self.seed = seed

    def read(self, *, masks):
        return Content(grey(self.seed)[..., None], (), ("turned",) if self.seed == 1 else (), "8 bits")

    def fingerprint(self):
        return str(self.seed)


def test_leaks_between_the_sides_of_the_own_split():
    cases = [
        Case("a", 0, Fixed(0), "patient 1", split="training"),
        Case("b", 1, Fixed(1), "patient 1", split="test"),
        Case("c", 0, Fixed(2), "patient 2", split="training"),
        Case("d", 1, Fixed(2), "patient 3", split="validation"),
    ]
    found = data.summarize(Dataset("stub", ("x", "y"), None, tuple(cases)))
    assert found.sides == {"test": {"x": 0, "y": 1}, "training": {"x": 2, "y": 0}, "validation": {"x": 0, "y": 1}}
    assert len(found.leaks) == 2
    assert "1 group (patient) is on more than one, 2 images" in found.leaks[0]
    assert "c (training) and d (validation)" in found.leaks[1] or "d (validation) and c (training)" in found.leaks[1]
    assert found.stored == {"8 bits": 4}
    assert found.notes == {"turned": 1}


def test_findings():
    nan = float("nan")
    cases = tuple(Case(str(at), -1, Fixed(at), findings=row) for at, row in enumerate([(1, 0), (1, 1), (nan, 0)]))
    dataset = Dataset("findings", ("effusion", "mass"), None, cases)
    assert dataset.multi_label
    assert dataset.read().labels.shape == (3, 2)
    found = data.summarize(dataset)
    assert found.classes == {"effusion": 2, "mass": 1}
    assert found.unknown == {"effusion": 1}


def test_elements_of_several_roles_in_one_image():
    class Two(Fixed):
        roles = ("lesion", "lesion", "organ")

        def read(self, *, masks):
            first, second = np.zeros((2, 12, 10), bool)
            first[:3], second[:6] = True, True
            elements = (Element("", "lesion", first), Element("", "lesion", second), Element("", "organ", ~first))
            return Content(grey(0)[..., None], elements)

    found = data.summarize(Dataset("two", ("x", "y"), "lesion", (Case("a", 0, Two(0)),)))
    assert (found.masks["lesion"].images, found.masks["lesion"].elements) == (1, 2)
    assert found.masks["lesion"].area == (0.5, 0.5, 0.5)
    assert found.masks["organ"].area == (0.75, 0.75, 0.75)
