"""A folder with a table of its images and labels: `labels.csv`, or the one that `--labels` names.

Columns of `labels.csv`: `file` and `label` (paths are relative to the folder), `mask` (a path, or empty for no mask),
`mask_role` (what it outlines; one value for the whole table), `mask_lesion`, `mask_organ`, `mask_artefact` (masks of
this role), `file_clean` (the same image without its artefacts), `patient`, `split`, `source_id`, `index`. Other columns
are kept as text in `Case.extra`. Several masks in one cell are separated by `;`, one element each.

* Other tables have other names: the usual ones are recognised (`tables.columns`) and a note says which. Files may be
  named without suffix or folder. Columns of 0 and 1 are a class each, `A|B` in a cell are several findings
  (`A;B`, `A, B` and lists too, see `tables.labels`).
* `patient` is the group of a split. Without it, integers in `source_id` are used: numbers close to each other are
  mostly slices of one patient, so runs of numbers form a group. A run ends at a gap of more than 50 or when it spans
  50: a patient's series is shorter (13 slices on average in the brain tumour set this was made for), so at most the
  one patient at a cut is on both sides.
* Without either column, the group is the patient that a DICOM file names.
* `index` is the position of the class in a model's output if its values are whole numbers, one number per label and one
  label per number. Then it is the case's label; classes without a row get the name `class <index>`. Any other `index`
  column is kept as text.
"""

import os
import re
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading, Table
from xaijax.data.tables import FileIndex, listed, listed_cases, read_table

NAME = "labels.csv"
_TABLE = re.compile(r"[^.].*\.([ct]sv(\.gz)?|xls)", re.IGNORECASE)


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / NAME).is_file()


def tables(folder: Path) -> list[str]:
    """The tables that lie in the folder itself."""
    return [path.name for path in listed(folder, _TABLE)]


def read(folder: Path, reading: Reading, table: Table = Table()) -> Dataset:  # noqa: B008 - it is frozen
    """List the cases of a folder with a table.

    Args:
        folder: where the images lie.
        reading: how to read them; what masks outline is said by it, else by the `mask_role` column.
        table: the table and its columns; default: `labels.csv`, columns by their usual names.

    Returns:
        The data set, cases in the order of the rows, classes sorted by name, whole numbers by value (or placed by
        `index`, or in the order of their columns of 0 and 1).

    Raises:
        InputError: for a table without a column of images or labels, with several that fit, or of which most rows
            cannot be used; for an unknown or changing role; or if none of the images exists.
        FileNotFoundError: for a table that is not there.
    """
    path = _path(folder, table)
    text = read_table(path)
    census = Census(NAME if path == folder / NAME else f"table {path.name}")
    home = os.path.relpath(os.path.realpath(path.parent), os.path.realpath(folder))
    index = FileIndex(folder, allow_outside=reading.allow_outside, home="" if home.startswith("..") else home)
    inside = index.exact(os.path.realpath(path) if table.file else path.name)
    if inside.path is not None:
        index.take(inside.path, "table")
    return listed_cases(folder, text, reading, table, index, census)


def _path(folder: Path, table: Table) -> Path:
    """The table that is meant."""
    if table.file is not None:
        inside = folder / table.file.expanduser()
        path = inside if inside.is_file() else table.file.expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"there is no table {table.file} in {folder} or here; give its path with --labels")
        return path
    there = tables(folder)
    if NAME in there or not there:
        return folder / NAME
    if len(there) > 1:
        raise InputError(f"{folder} has several tables ({', '.join(there[:5])}); name one with --labels")
    return folder / there[0]
