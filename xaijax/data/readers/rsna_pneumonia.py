"""RSNA pneumonia detection (2018): `stage_2_train_labels.csv`, a row for each box, and DICOM files of chest X-rays.

A row is `patientId`, the box (`x`, `y`, `width`, `height`) or blanks, and `Target`, 1 with pneumonia. An image has one
row or several. Classes are "no pneumonia" and "pneumonia"; where `--classes` names those of
`stage_2_detailed_class_info.csv` ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity"), these. Boxes are lesion
masks, counted in pixels of the published images of 1024 x 1024. Test images have no labels.

References:
    Shih et al., "Augmenting the National Institutes of Health chest radiograph dataset with expert annotations of
    possible pneumonia", Radiology: Artificial Intelligence 1:1, 2019.
"""

import re
from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data._boxes import Box, Boxed, numbers
from xaijax.data.dataset import Dataset, Source
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import FileIndex, Row, TextTable, assemble, header, is_blank, listed, read_table

CLASSES = ("no pneumonia", "pneumonia")
DETAILED = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
SIDE = (1024, 1024)
_TABLE = re.compile(r"(stage_[12]_)?train_labels\.csv")
_DETAILS = re.compile(r"(stage_[12]_)?detailed_class_info\.csv")
_EDGES = ("x", "y", "width", "height")
_TARGET = {"0": 0, "0.0": 0, "1": 1, "1.0": 1}


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_tables(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of the training table.

    Args:
        folder: the folder with the table; images lie in it or below.
        reading: how to read them; boxes are lesions.

    Returns:
        The data set, cases in the order of their first rows; the group is the patient.

    Raises:
        InputError: for a target that is not 0 or 1, a box that is not four numbers, or if no image is there.
    """
    path = _tables(folder)[0]
    census = Census("RSNA pneumonia detection")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    index.take(path.name, "table")
    target, boxes = _images(read_table(path))
    details = _details(folder, index)
    asked = {normal(name) for name in reading.classes}
    detailed = bool(details) and bool(asked) and asked <= set(map(normal, DETAILED))
    if details:
        census.note(
            "The classes are those of the detailed table."
            if detailed
            else "The class is the target; --classes Normal 'Lung Opacity' takes those of the detailed table instead."
        )
    rows = [
        Row(
            line,
            name,
            (details.get(name) if details.get(name) in DETAILED else None) if detailed else CLASSES[present],
            group=f"patient {name}",
            extra=MappingProxyType({"class": details[name]} if name in details else {}),
        )
        for name, (line, present) in target.items()
    ]
    unknown = [row.file for row in rows if row.label is None]
    if unknown:
        census.leave_row("it has no label", *unknown)

    def boxed(row: Row, image: ImageFile) -> Source:
        there = boxes.get(row.file)
        return Boxed(image, tuple(there), SIDE, transpose=reading.transpose) if there else image

    return assemble(
        folder,
        [row for row in rows if row.label is not None],
        DETAILED if detailed else CLASSES,
        reading,
        index,
        census,
        source=str(path),
        mask_role="lesion",
        wrap=boxed,
    )


def _tables(folder: Path) -> list[Path]:
    return [path for path in listed(folder, _TABLE) if {"patientId", "Target", *_EDGES} <= set(header(path))]


def _images(table: TextTable) -> tuple[dict[str, tuple[int, int]], dict[str, list[Box]]]:
    """Each image with the line of its first row and whether it has pneumonia, and the boxes of those that have."""
    target: dict[str, tuple[int, int]] = {}
    boxes: dict[str, list[Box]] = {}
    edges = zip(*(table.cells(name) for name in _EDGES), strict=True)
    cells = zip(table.lines, table.cells("patientId"), table.cells("Target"), edges, strict=True)
    for line, name, present, box in cells:
        if present not in _TARGET:
            raise InputError(f"{table.path}, line {line}: the target is {present!r}, not 0 or 1")
        known = target.setdefault(name, (line, _TARGET[present]))
        if known[1] != _TARGET[present]:
            raise InputError(f"{table.path}, lines {known[0]} and {line}: {name} has two targets")
        if not all(map(is_blank, box)):
            boxes.setdefault(name, []).append(_box(table, line, box))
    return target, boxes


def _box(table: TextTable, line: int, cells: tuple[str, ...]) -> Box:
    return Box("pneumonia", *numbers(cells, f"{table.path}, line {line}"))


def _details(folder: Path, index: FileIndex) -> dict[str, str]:
    """Each image with its detailed class; nothing where the table is not there."""
    for path in listed(folder, _DETAILS):
        if {"patientId", "class"} <= set(header(path)):
            index.take(path.name, "table")
            table = read_table(path)
            return dict(zip(table.cells("patientId"), table.cells("class"), strict=True))
    return {}
