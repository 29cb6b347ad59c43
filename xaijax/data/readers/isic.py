"""The ISIC challenges of 2018 (task 3) and 2019: tables with a column of 0 and 1 for each class.

`ISIC2018_Task3_Training_GroundTruth.csv` or `ISIC_2019_Training_GroundTruth.csv`, and those of the other sides where
they are there; the lesion of an image comes from `..._LesionGroupings.csv` or `..._Metadata.csv`. Tables lie in the
folder or in folders of their own, images anywhere below.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.dataset import NO_EXTRA, Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import Extra, FileIndex, Row, assemble, is_blank, leave_broken, listed, one_hot, read_table

CLASSES = {
    "2018": ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
    "2019": ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
}
_SIDES = {"Training": "training", "Validation": "validation", "Test": "test"}
_TABLE = re.compile(
    r"ISIC_?(?P<year>2018|2019)(_Task3)?_(?P<side>Training|Validation|Test)_"
    r"(?P<what>GroundTruth|Metadata|LesionGroupings)\.csv"
)


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return any(form["what"] == "GroundTruth" for _, form in _tables(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of an ISIC challenge.

    Args:
        folder: the folder with the tables and images.
        reading: how to read them.

    Returns:
        The data set: the published classes in the order of their columns, grouped by lesion; with the sides of the
        challenge where several are there.

    Raises:
        InputError: for the tables of two years, a table of another form, or if none of the images is there.
    """
    tables = list(_tables(folder))
    truths = [(path, form) for path, form in tables if form["what"] == "GroundTruth"]
    truths.sort(key=lambda one: list(_SIDES).index(one[1]["side"]))
    years = sorted({form["year"] for _, form in truths})
    if len(years) > 1:
        raise InputError(f"{folder} holds the tables of ISIC {' and '.join(years)}; keep those of one year")
    census = Census(f"ISIC {years[0]}")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    lesions: dict[str, tuple[str | None, Extra]] = {}
    for path, form in tables:
        if form["what"] != "GroundTruth" and form["year"] == years[0]:
            lesions |= _lesions(path)
            index.take(path.relative_to(folder).as_posix(), "table")
    classes = CLASSES[years[0]]
    rows: list[Row] = []
    for path, form in truths:
        index.take(path.relative_to(folder).as_posix(), "table")
        table = read_table(path)
        single, _ = one_hot({name: table.cells(name) for name in classes if name in table.columns})
        if single is None:
            raise InputError(f"{path} has rows without exactly one class; give the published table")
        side = _SIDES[form["side"]] if len(truths) > 1 else None
        found = []
        for line, file, label in zip(table.lines, table.cells("image"), single, strict=True):
            lesion, extra = lesions.get(file, (None, NO_EXTRA))
            found.append(Row(line, file, label, group=lesion, split=side, extra=extra))
        rows += leave_broken(path, found, table.ragged, census, labelled=lambda row: row.label is not None)
    return assemble(folder, rows, classes, reading, index, census, source=str(truths[0][0]))


def _tables(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    """The tables in the folder, and those in a folder of their own name."""
    with os.scandir(folder) as entries:
        inner = sorted(entry.name for entry in entries if _TABLE.fullmatch(f"{entry.name}.csv") and entry.is_dir())
    for place in (folder, *(folder / name for name in inner)):
        for path in listed(place, _TABLE):
            form = _TABLE.fullmatch(path.name)
            assert form is not None
            yield path, form


def _lesions(path: Path) -> dict[str, tuple[str | None, Extra]]:
    """image -> its lesion and the other columns."""
    table = read_table(path)
    extra = {name: table.at(name) for name in table.columns if name not in ("image", "lesion_id", "")}
    lesion = table.cells("lesion_id") if "lesion_id" in table.columns else [""] * len(table.rows)
    return {
        file: (None if is_blank(one) else f"lesion {one}", Extra(extra, cells))
        for file, one, cells in zip(table.cells("image"), lesion, table.rows, strict=True)
    }
