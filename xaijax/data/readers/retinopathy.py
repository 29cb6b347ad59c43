"""Fundus images graded for diabetic retinopathy: APTOS 2019, EyePACS, Messidor-2 (five grades) and Messidor (four).

Each is a table of image names without a folder, mostly without a suffix, and grades 0 to 4. Messidor has a scale of its
own, 0 to 3, and one spreadsheet for each of its twelve parts (`Annotation_Base11.xls` ...), in the folder or with its
images. Images that were not graded, such as the
test images of APTOS, are left out. Other tables of grades are opened with `--labels`.

References:
    APTOS 2019 blindness detection and EyePACS diabetic retinopathy detection, kaggle.com; Krause et al., "Grader
    variability", Ophthalmology 125, 2018, for the grades of Messidor-2. Decencière et al., "Feedback on a publicly
    distributed image database: the Messidor database", Image Analysis and Stereology 33, 2014.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import Extra, FileIndex, Row, assemble, header, leave_broken, listed, read_table
from xaijax.data.tables.columns import side

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
MESSIDOR = ("grade 0", "grade 1", "grade 2", "grade 3")  # by numbers of microaneurysms and haemorrhages
_GRADE = re.compile(r"([0-4])(?:\.0+)?")


@dataclass(frozen=True)
class _Known:
    """A published table: its file, its columns, and the patient in the image's name."""

    name: str
    file: re.Pattern[str]
    image: str
    grade: str
    patient: re.Pattern[str] | None = None
    grades: tuple[str, ...] = GRADES
    below: bool = False  # whether the table may lie in a folder of the folder


_KNOWN = (
    _Known("APTOS 2019", re.compile(r"(train|valid|val|test)(_\d)?\.csv"), "id_code", "diagnosis"),
    _Known(
        "EyePACS",
        re.compile(r"(train|test)Labels\.csv|retinopathy_solution\.csv"),
        "image",
        "level",
        re.compile(r"(\d+)_(?:left|right)"),
    ),
    _Known("Messidor-2", re.compile(r"messidor_data\.csv"), "image_id", "adjudicated_dr_grade"),
    _Known("Messidor-2", re.compile(r"messidor_data\.csv"), "id_code", "diagnosis"),
    _Known(
        "Messidor",
        re.compile(r"Annotation[ _]Base ?\d\d(\.xls|\.csv)", re.IGNORECASE),
        "Image name",
        "Retinopathy grade",
        grades=MESSIDOR,
        below=True,
    ),
)


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return next(_tables(folder), None) is not None


def read(folder: Path, reading: Reading) -> Dataset:
    """List the graded images.

    Args:
        folder: the folder with the table; images lie in it or below.
        reading: how to read them.

    Returns:
        The data set: the grades in their order; the sides of the tables where there are several.

    Raises:
        InputError: if none of the images is there.
    """
    tables = list(_tables(folder))
    tables = [one for one in tables if one[0].name == tables[0][0].name]
    census = Census(tables[0][0].name)
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    rows: list[Row] = []
    for known, path in tables:
        index.take(path.relative_to(folder).as_posix(), "table")
        table = read_table(path)
        first = re.match(r"[a-z]+", path.name)
        own = f"{first[0]}_images/" if first else ""
        inside = own if any(f"/{one}".find(f"/{own}") >= 0 for one in index) else ""
        extra = {name: at for at, name in enumerate(table.columns) if name not in (known.image, known.grade, "")}
        found = []
        for at, (image, cell) in enumerate(zip(table.cells(known.image), table.cells(known.grade), strict=True)):
            grade = _GRADE.fullmatch(cell)
            patient = known.patient.fullmatch(image) if known.patient else None
            found.append(
                Row(
                    table.lines[at],
                    inside + image if image else "",
                    known.grades[int(grade[1])] if grade and int(grade[1]) < len(known.grades) else None,
                    group=f"patient {patient[1]}" if patient else None,
                    split=side(first[0]) if first and len(tables) > 1 else None,
                    extra=Extra(extra, table.rows[at]) if extra else {},
                )
            )
        rows += leave_broken(path, found, table.ragged, census, labelled=lambda row: row.label is not None)
    _leave_ungraded(folder, tables[0][0], index)
    return assemble(folder, rows, tables[0][0].grades, reading, index, census, source=str(tables[0][1]))


def _leave_ungraded(folder: Path, known: _Known, index: FileIndex) -> None:
    """Says of the images of a table without grades, such as that of a competition's test, why they are left out."""
    for path in listed(folder, known.file):
        if known.image not in header(path) or known.grade in header(path):
            continue
        index.leave(path.name, "it has no grades")
        first = re.match(r"[a-z]+", path.name)
        for name in read_table(path).cells(known.image):
            hit = index.find(name, side=side(first[0]) if first else None, apart=True)
            if hit.path is not None:
                index.leave(hit.path, f"its table, {path.name}, has no grades")


def _tables(folder: Path) -> Iterator[tuple[_Known, Path]]:
    for known in _KNOWN:
        for path in (path for place in _places(folder, known) for path in listed(place, known.file)):
            if {known.image, known.grade} <= set(header(path)):
                yield known, path


def _places(folder: Path, known: _Known) -> list[Path]:
    if not known.below:
        return [folder]
    with os.scandir(folder) as entries:
        return [folder, *sorted(folder / one.name for one in entries if one.is_dir(follow_symlinks=False))]
