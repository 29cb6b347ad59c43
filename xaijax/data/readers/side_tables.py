"""A table for each side of a split: `train.csv`, `val.csv`, `test.csv`, as Kaggle publishes sets.

The tables are those whose names have the word of a side (`train.csv`, `Train_Labels.csv`, `stage_2_test.csv`); a table
of the training images must be there. Its columns are recognised as those of any table, `tables.labelled`. The tables
that have the same columns of images and labels are read, each as its side. The images of a table without labels, as of
most test sets, are left out and counted. A file of the same name may lie in a folder of each side; that of the own side
is meant.

Of several columns of labels, as in SIIM-ISIC 2020, `benign_malignant` is taken.

References:
    kaggle.com; Rotemberg et al., "A patient-centric dataset of images and metadata for identifying melanomas using
    clinical context", Sci. Data 8:34, 2021.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading, Table
from xaijax.data.spelling import SIDES, side, side_within
from xaijax.data.tables import (
    FileIndex,
    TextTable,
    find_column,
    header,
    is_blank,
    listed,
    listed_cases,
    read_table,
)
from xaijax.data.tables.index import SEVERAL
from xaijax.data.tables.labelled import label_columns

_TABLE = re.compile(r"[^.].*\.[ct]sv(\.gz)?", re.IGNORECASE)
_SUBMISSION = re.compile("submission", re.IGNORECASE)
_MELANOMA = "benign_malignant"
MADE_UP = "it is a sample submission, whose labels are made up"
LOOKED_AT = 50  # rows of which one must name a file


@dataclass(frozen=True)
class _Known:
    """The table of one side, its column of images, and those of labels, none where it has none."""

    side: str
    text: TextTable
    image: str
    labels: tuple[str, ...]

    def like(self, first: "_Known") -> bool:
        """Whether it has the labels of another table: the same columns, or one column as that."""
        return self.labels == first.labels or len(self.labels) == len(first.labels) == 1


def matches(folder: Path, table: Table = Table()) -> bool:  # noqa: B008 - it is frozen
    """Whether the folder has this layout, with these columns where they are named."""
    try:
        (train, *_) = _tables(folder, table)
    except (ValueError, OSError):
        return False
    if not train.labels:
        return False
    index = FileIndex(folder)
    names = [name for name in train.text.cells(train.image)[:LOOKED_AT] if not is_blank(name)]
    hits = (index.find(name, side=train.side) for name in names)
    return any(hit.path is not None or hit.reason == SEVERAL for hit in hits)


def read(folder: Path, reading: Reading, table: Table = Table()) -> Dataset:  # noqa: B008 - it is frozen
    """List the cases of all tables.

    Args:
        folder: the folder with the tables; images lie in it or below.
        reading: how to read them.
        table: names of columns, where they are not recognised.

    Returns:
        The data set, cases in the order of the rows; `Case.split` where several tables have labels.

    Raises:
        InputError: as for one table.
    """
    every = _tables(folder, table)
    train = every[0]
    if table.label is None and train.labels == (_MELANOMA,):
        table = replace(table, label=_MELANOMA)
    labelled = [one for one in every if train.labels and one.like(train)]
    names = ", ".join(one.text.name for one in labelled)
    census = Census(f"table {names}" if len(labelled) == 1 else f"tables {names}")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    for one in labelled:
        index.take(one.text.name, "table")
    for path in listed(folder, _TABLE):
        if _SUBMISSION.search(path.name):
            index.leave(path.name, MADE_UP)
    for one in every:
        if one not in labelled:
            _leave(one, index, census)
    for one in labelled[1:]:
        if (one.image, one.labels) != (train.image, train.labels):
            census.note(f"Columns of {one.text.name}: images by {one.image}; classes by {', '.join(one.labels)}.")
    split = len(labelled) > 1 and table.split is None
    if split:
        census.note(f"The sides of the split are {', '.join(f'{one.side} ({one.text.name})' for one in labelled)}.")
    return listed_cases(
        folder,
        _joined(labelled),
        reading,
        table,
        index,
        census,
        sides_of=[one.side for one in labelled for _ in one.text.rows],
        split=split,
    )


def _tables(folder: Path, table: Table) -> list[_Known]:
    """The tables by side, the training table first; none where it is not there or not one.

    Raises:
        InputError: for a damaged table, or columns that are not there.
    """
    named: dict[str, list[Path]] = {}
    for path in listed(folder, _TABLE):
        stem = path.name.partition(".")[0]
        found = side(stem) or side_within(stem)
        if found and not _SUBMISSION.search(path.name) and _has_images(path, table):
            named.setdefault(found, []).append(path)
    if "training" not in named:
        return []
    every = []
    for name in SIDES:
        paths = named.get(name, [])
        exact = [path for path in paths if side(path.name.partition(".")[0])]
        # Tables that repeat one side, such as its folds, are a question to the user.
        for path in exact if len(exact) == 1 else paths if len(paths) == 1 else ():
            text = read_table(path)
            image = find_column(text, "image", table.image)
            every.append(_Known(name, text, str(image), _labels(text, table)))
    return every if every and every[0].side == "training" else []


def _has_images(path: Path, table: Table) -> bool:
    try:
        return find_column(TextTable(path, header(path), [], []), "image", table.image) is not None
    except InputError:
        return False


def _labels(text: TextTable, table: Table) -> tuple[str, ...]:
    """The columns of its labels; empty where it has none, or no label in them."""
    if table.label is None and _MELANOMA in text.columns:
        found: Sequence[str] = (_MELANOMA,)
    else:
        found = label_columns(text, table)
    filled = any(not is_blank(cell) for name in found for cell in text.cells(name))
    return tuple(found) if filled else ()


def _leave(one: _Known, index: FileIndex, census: Census) -> None:
    """Counts the rows and images of a table that is not read."""
    why = "other labels than the training table" if one.labels else "no labels"
    index.leave(one.text.name, f"it has {why}")
    names = one.text.cells(one.image)
    census.leave_row(f"its table, {one.text.name}, has {why}", *names)
    for name in names:
        hit = index.find(name, side=one.side, apart=True)
        if hit.path is not None:
            index.leave(hit.path, f"its table, {one.text.name}, has {why}")


def _joined(tables: Sequence[_Known]) -> TextTable:
    """One table of all rows, with the columns of the first; what others lack is blank."""
    first = tables[0]
    text = first.text
    rows, lines, ragged = list(text.rows), list(text.lines), list(text.ragged)
    for one in tables[1:]:
        called = {first.image: one.image, **dict(zip(first.labels, one.labels, strict=True))}
        at = {name: position for position, name in enumerate(one.text.columns)}
        places = [at.get(called.get(name, name)) for name in text.columns]
        rows += [tuple(["" if place is None else row[place] for place in places]) for row in one.text.rows]
        lines += one.text.lines
        ragged += one.text.ragged
    return TextTable(text.path, text.columns, rows, lines, tuple(ragged), text.titles)
