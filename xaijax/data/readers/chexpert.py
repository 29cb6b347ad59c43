"""CheXpert: `train.csv` and `valid.csv` (and `test.csv`), whose `Path` names images by patient, study and view.

Uncertain and blank cells follow the rule of `tables.observations`. The patient comes from the path, the side of the
split from the table.
"""

import re
from pathlib import Path

from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import Extra, FileIndex, Row, assemble, header, leave_broken, read_table
from xaijax.data.tables.observations import OBSERVATIONS, observations

_TABLES = {"train.csv": "training", "valid.csv": "validation", "test.csv": "test"}
_PATIENT = re.compile(r"(?:^|/)patient(\w+)/")


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_tables(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of CheXpert.

    Args:
        folder: the folder with the tables; `Path` starts at it or above it.
        reading: how to read them.

    Returns:
        The multi-label data set: 14 observations in the published order, grouped by patient, with the tables' sides.

    Raises:
        InputError: for a table without the published columns or cells, or if none of the images is there.
    """
    census = Census("CheXpert")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    rows: list[Row] = []
    tables = _tables(folder)
    for path in tables:
        table = read_table(path)
        index.take(path.name, "table")
        extra = {
            name: at for at, name in enumerate(table.columns) if name and name != "Path" and name not in OBSERVATIONS
        }
        found = []
        for at, (file, findings) in enumerate(zip(table.cells("Path"), observations(table, census), strict=True)):
            patient = _PATIENT.search(file)
            found.append(
                Row(
                    table.lines[at],
                    file,
                    findings=findings,
                    group=f"patient {patient[1]}" if patient else None,
                    split=_TABLES[path.name],
                    extra=Extra(extra, table.rows[at]),
                )
            )
        rows += leave_broken(path, found, table.ragged, census, labelled=lambda row: row.findings is not None)
    return assemble(folder, rows, OBSERVATIONS, reading, index, census, source=str(tables[0]))


def _tables(folder: Path) -> list[Path]:
    there = (folder / name for name in _TABLES)
    return [path for path in there if {"Path", *OBSERVATIONS} <= set(header(path))]
