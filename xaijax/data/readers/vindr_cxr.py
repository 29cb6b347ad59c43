"""VinDr-CXR: chest X-rays in which radiologists drew boxes, as on Kaggle and on PhysioNet.

Kaggle: `train.csv` with `image_id`, `class_name`, `rad_id` and `x_min`, `y_min`, `x_max`, `y_max`, one row for each box
or "No finding" of a radiologist, and `train/<image_id>.dicom`. PhysioNet: `annotations/annotations_train.csv` and
`annotations_test.csv` of the same columns (the test images have one consensus and no `rad_id`), with
`image_labels_train.csv` and `image_labels_test.csv`, a column of 0 and 1 for each finding.

The rule. Each training image was read by three radiologists. A finding is present where most of those who read the
image have it, absent where none has it, and not known (NaN) in between. Boxes of findings that are present are lesion
masks, one element for each box, named by its finding; the other boxes are counted and not used.

References:
    Nguyen et al., "VinDr-CXR: An open dataset of chest X-rays with radiologist's annotations", Sci. Data 9:429, 2022.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data._boxes import Box, Boxed, numbers
from xaijax.data.dataset import Dataset, Source
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.tables import NONE, FileIndex, Row, TextTable, assemble, header, is_blank, read_table
from xaijax.data.tables.labels import UNKNOWN, Findings

_COLUMNS = frozenset({"image_id", "class_name", "x_min", "y_min", "x_max", "y_max"})
_EDGES = ("x_min", "y_min", "x_max", "y_max")
_NOTHING = frozenset({*NONE, ""})


@dataclass(frozen=True)
class _Part:
    """The tables of one side."""

    side: str | None
    boxes: Path
    labels: Path | None = None


@dataclass(slots=True)
class _Image:
    """What the tables say of one image."""

    line: int
    readers: set[str] = field(default_factory=set)
    marks: dict[str, set[str]] = field(default_factory=dict)  # finding -> who has it
    boxes: list[Box] = field(default_factory=list)
    size: tuple[int, int] | None = None  # (width, height) in which boxes are counted

    def findings(self, classes: tuple[str, ...]) -> Findings:
        return tuple(self.finding(name) for name in classes)

    def finding(self, name: str) -> float:
        """1 where most readers have it, 0 where none has, else NaN."""
        votes = len(self.marks.get(name, ()))
        return 0.0 if votes == 0 else 1.0 if 2 * votes > len(self.readers) else UNKNOWN


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return next(_parts(folder), None) is not None


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of VinDr-CXR.

    Args:
        folder: the folder with the tables or with `annotations/`; images lie in it or below.
        reading: how to read them; boxes are lesions.

    Returns:
        The multi-label data set: findings sorted by name; with both sides where both are there.

    Raises:
        InputError: for a row whose edges are not numbers, or if none of the images is there.
    """
    parts = list(_parts(folder))
    census = Census("VinDr-CXR")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    images: dict[str, _Image] = {}
    side: dict[str, str | None] = {}
    names: set[str] = set()
    for part in parts:
        index.take(part.boxes.relative_to(folder).as_posix(), "table")
        here = dict(_images(read_table(part.boxes), census))
        if part.labels is not None:
            index.take(part.labels.relative_to(folder).as_posix(), "table")
            _take_labels(read_table(part.labels), here)
        names |= {name for image in here.values() for name in image.marks}
        images |= here
        side |= dict.fromkeys(here, part.side if len(parts) > 1 else None)
    classes = tuple(sorted(names))
    if not classes:
        raise InputError(f"{parts[0].boxes} names no finding")
    findings = {name: image.findings(classes) for name, image in images.items()}
    rows = [Row(image.line, name, findings=findings[name], split=side[name]) for name, image in images.items()]
    kept = {name: _present(image, dict(zip(classes, findings[name], strict=True))) for name, image in images.items()}
    _note(images, kept, findings, census)

    def boxed(row: Row, image: ImageFile) -> Source:
        boxes = kept[row.file]
        return Boxed(image, boxes, images[row.file].size, transpose=reading.transpose) if boxes else image

    role: MaskRole | None = "lesion" if any(kept.values()) else None
    source = str(parts[0].boxes)
    return assemble(folder, rows, classes, reading, index, census, source=source, mask_role=role, wrap=boxed)


def _parts(folder: Path) -> Iterator[_Part]:
    train = folder / "train.csv"
    if _COLUMNS | {"rad_id"} <= set(header(train)):
        yield _Part(None, train)
        return
    for place in (folder, folder / "annotations"):
        for name, side in (("train", "training"), ("test", "test")):
            boxes, labels = place / f"annotations_{name}.csv", place / f"image_labels_{name}.csv"
            if set(header(boxes)) >= _COLUMNS:
                yield _Part(side, boxes, labels if "image_id" in header(labels) else None)


def _images(table: TextTable, census: Census) -> Iterator[tuple[str, _Image]]:
    """Each image of a table of boxes."""
    found: dict[str, _Image] = {}
    readers = table.cells("rad_id") if "rad_id" in table.columns else ["consensus"] * len(table.rows)
    names, files = table.cells("class_name"), table.cells("image_id")
    edges = list(zip(*(table.cells(name) for name in _EDGES), strict=True))
    sizes = (
        list(zip(table.cells("width"), table.cells("height"), strict=True))
        if {"width", "height"} <= set(table.columns)
        else None
    )
    for at, file in enumerate(files):
        if not file:
            census.leave_row("it names no file", f"line {table.lines[at]}")
            continue
        image = found.setdefault(file, _Image(table.lines[at]))
        image.readers.add(readers[at])
        if sizes is not None and all(cell.isdecimal() and int(cell) for cell in sizes[at]):
            image.size = int(sizes[at][0]), int(sizes[at][1])
        name = names[at]
        if name.casefold() in _NOTHING:
            continue
        image.marks.setdefault(name, set()).add(readers[at])
        if not all(map(is_blank, edges[at])):
            image.boxes.append(_box(table, at, name, edges[at]))
    yield from found.items()


def _box(table: TextTable, at: int, name: str, edges: tuple[str, ...]) -> Box:
    left, top, right, bottom = numbers(edges, f"{table.path}, line {table.lines[at]}")
    return Box(name, left, top, right - left, bottom - top)


def _take_labels(table: TextTable, images: dict[str, _Image]) -> None:
    """Marks of a table with a column of 0 and 1 for each finding; it knows findings that have no box."""
    readers = table.cells("rad_id") if "rad_id" in table.columns else ["consensus"] * len(table.rows)
    findings = [
        name for name in table.columns if name not in ("image_id", "rad_id", "") and name.casefold() not in _NOTHING
    ]
    cells = [table.cells(name) for name in findings]
    for at, file in enumerate(table.cells("image_id")):
        if not file:
            continue
        image = images.setdefault(file, _Image(table.lines[at]))
        image.readers.add(readers[at])
        for name, column in zip(findings, cells, strict=True):
            if column[at] in ("1", "1.0"):
                image.marks.setdefault(name, set()).add(readers[at])


def _present(image: _Image, findings: Mapping[str, float]) -> tuple[Box, ...]:
    return tuple(box for box in image.boxes if findings[box.name] == 1)


def _note(
    images: Mapping[str, _Image],
    kept: Mapping[str, tuple[Box, ...]],
    findings: Mapping[str, Findings],
    census: Census,
) -> None:
    unknown = sum(value != value for one in findings.values() for value in one)
    left = sum(len(image.boxes) - len(kept[name]) for name, image in images.items())
    if unknown:
        census.note(
            f"{unknown} findings of images are not known: a radiologist has them and most of those who read the image "
            "have not."
        )
    if left:
        census.note(f"{left} boxes were not used: most radiologists who read the image do not have their finding.")
