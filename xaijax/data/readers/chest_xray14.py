"""NIH ChestX-ray14: `Data_Entry_2017.csv`, images in `images_001/images` to `images_012/images` or one folder.

An image may have several of 14 findings (`A|B`), or none ("No Finding"). The sides come from `train_val_list.txt`
(training; the list holds training and validation images together) and `test_list.txt`, the patient from the table.
`BBox_List_2017.csv` has boxes of about 1,000 findings: they are lesion masks, named by their finding.

References:
    Wang et al., "ChestX-ray8", CVPR 2017.
"""

import re
from pathlib import Path

from xaijax.data._boxes import Box, Boxed
from xaijax.data.dataset import Dataset, Source
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import NONE, Extra, FileIndex, Row, assemble, groups, leave_broken, listed, present, read_table

CLASSES = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)
SIDE = (1024, 1024)  # of the published images, in which boxes are counted
_TABLE = re.compile(r"Data_Entry_2017(_v\d+)?\.csv")
_LISTS = {"train_val_list.txt": "training", "test_list.txt": "test"}
_BOXES = "BBox_List_2017.csv"
_IN_BOXES = {"Infiltrate": "Infiltration"}  # the table of boxes has its own word


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_tables(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of ChestX-ray14.

    Args:
        folder: the folder with the table; images lie in it or below.
        reading: how to read them; boxes are lesions.

    Returns:
        The multi-label data set: 14 findings sorted by name, grouped by patient.

    Raises:
        InputError: for a table without the published columns, or if none of its images is there.
    """
    path = _tables(folder)[0]
    table = read_table(path)
    census = Census("NIH ChestX-ray14")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    index.take(path.name, "table")
    side = _sides(folder, index)
    boxes = _boxes(folder, index, census)
    patients = groups(table, "Patient ID")
    extra = {
        name: table.at(name) for name in table.columns if name in ("Patient Age", "Patient Gender", "View Position")
    }
    findings = {cell: _findings(cell) for cell in dict.fromkeys(table.cells("Finding Labels"))}
    rows = [
        Row(
            table.lines[at],
            file,
            findings=findings[cell],
            group=patients[at],
            split=side.get(file),
            extra=Extra(extra, table.rows[at]),
        )
        for at, (file, cell) in enumerate(zip(table.cells("Image Index"), table.cells("Finding Labels"), strict=True))
    ]
    kept = leave_broken(path, rows, table.ragged, census, labelled=lambda row: row.findings is not None)

    def boxed(row: Row, image: ImageFile) -> Source:
        if row.file not in boxes:
            return image
        return Boxed(image, tuple(boxes[row.file]), SIDE, transpose=reading.transpose)

    return assemble(
        folder,
        kept,
        CLASSES,
        reading,
        index,
        census,
        source=str(path),
        mask_role="lesion" if boxes else None,
        wrap=boxed,
    )


def _tables(folder: Path) -> list[Path]:
    return listed(folder, _TABLE)


def _findings(cell: str) -> tuple[float, ...] | None:
    """1 or 0 for each class; None for a cell that names none of them."""
    names = {name.strip() for name in cell.split("|")} - {""}
    if not names or not names <= {*CLASSES, "No Finding"}:
        return None
    return present(CLASSES, {name for name in names if name.casefold() not in NONE})


def _sides(folder: Path, index: FileIndex) -> dict[str, str]:
    side: dict[str, str] = {}
    for name, meaning in _LISTS.items():
        if (folder / name).is_file():
            index.take(name, "list of a split")
            listed = (folder / name).read_text("utf-8", errors="replace").split()
            side |= dict.fromkeys(listed, meaning)
    return side


def _boxes(folder: Path, index: FileIndex, census: Census) -> dict[str, list[Box]]:
    """image -> its boxes; the four numbers stand in the columns after the finding."""
    if not (folder / _BOXES).is_file():
        return {}
    index.take(_BOXES, "table")
    found: dict[str, list[Box]] = {}
    for file, finding, *numbers in read_table(folder / _BOXES).rows:
        try:
            x, y, width, height = (float(number) for number in numbers[:4])
        except ValueError:
            census.leave_row("it has no box of four numbers", file)
            continue
        found.setdefault(file, []).append(Box(_IN_BOXES.get(finding, finding), x, y, width, height))
    return found
