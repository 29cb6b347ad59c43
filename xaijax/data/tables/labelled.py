"""The cases of any table of images and labels: its columns are recognised or named, `xaijax.data.readers.labels_csv`
has the rules."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from xaijax._errors import InputError
from xaijax._names import match, normal
from xaijax.data.dataset import MASK_ROLES, NO_EXTRA, Dataset
from xaijax.data.formats import has_image_name
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading, Table
from xaijax.data.spelling import side_within
from xaijax.data.tables.columns import find_column, groups, is_blank, named_column, sides
from xaijax.data.tables.extra import Extra
from xaijax.data.tables.index import FileIndex
from xaijax.data.tables.labels import (
    LARGEST_INDEX,
    NONE_NUMBER,
    in_order,
    joined,
    one_hot,
    one_hot_columns,
    piped,
    separated,
    unlabelled,
)
from xaijax.data.tables.rows import Row, assemble, leave_broken
from xaijax.data.tables.text import TextTable

BLOCK = 50
MASKS: Mapping[str, MaskRole | None] = {"mask": None} | {f"mask_{role}": role for role in get_args(MaskRole)}
_MASK_PATHS = frozenset({"maskpath", "maskfile", "maskfilename", "maskname", "segmentation", "segmentationpath"})
_OWN = {"image": "file", "label": "label", "group": "patient", "split": "split"}
# Columns of 0 and 1 that are no classes, unless they are named.
_NO_CLASSES = frozenset(
    {"sex", "gender", "male", "female", "age", "smoker", "smoking", "view", "laterality", "eye", "site", "index"}
    | {"train", "test", "val", "valid", "validation", "istrain", "istest", "isval", "isvalid", "isvalidation"}
    | {"mask", "hasmask"}
)
_MOST_NUMBERS = 20  # classes that may be called by decimal numbers
_DECIMAL = re.compile(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", re.ASCII | re.IGNORECASE)
_OPTION = "name it with --label-column; several columns of 0 and 1 are given as A,B,C"


def listed_cases(
    folder: Path,
    text: TextTable,
    reading: Reading,
    table: Table,
    index: FileIndex,
    census: Census,
    *,
    sides_of: Sequence[str | None] | None = None,
    split: bool = False,
) -> Dataset:
    """The data set of a table.

    Args:
        folder: where the images lie.
        text: the table.
        reading: how to read them.
        table: its columns, where they are named.
        index: the files of the folder; the table is taken from it already.
        census: of the reader.
        sides_of: the side of the table that each row comes from; default: what the name of the table states.
        split: whether these sides are the split; then each has folders of its own.

    Returns:
        The data set, cases in the order of the rows, classes sorted by name, whole numbers by value (or placed by
        `index`, or in the order of their columns of 0 and 1).

    Raises:
        InputError: for a table without a column of images or labels, with several that fit, or of which most rows
            cannot be used; for an unknown or changing role; or if none of the images exists.
    """
    _refuse_data(text)
    columns = _columns(text, table)
    label = columns["label"]
    one_hots = _one_hots(text, table, columns)
    own = {name for name in columns.values() if name} & {"file", "label"}
    used = {*own, "mask_role", *MASKS, ""}
    extra = {name: at for at, name in enumerate(text.columns) if name not in used}
    group_of = _groups(text, columns["group"])
    from_names = sides_of or [side_within(text.name.partition(".")[0])] * len(text.rows)
    if split:
        columns["split"] = None
    side_of = from_names if split else _sides(text, columns["split"], census, named=table.split is not None)
    if not any(side_of):
        columns["split"] = None  # a note says why
    masks = [(role, text.cells(name)) for name, role in MASKS.items() if name in text.columns]
    paths = [] if masks else [name for name in text.columns if _holds_masks(text, name)]
    for name in paths:
        masks.append((None, text.cells(name)))
        census.note(f"Masks of {text.name} by {name}.")
    clean = text.cells("file_clean") if "file_clean" in text.columns else None
    files = text.cells(cast(str, columns["image"]))
    rows = [
        Row(
            line=line,
            file="" if is_blank(file) else file,
            group=group_of[at],
            split=side_of[at],
            masks=tuple(
                (role, name.strip())
                for role, cells in masks
                for name in cells[at].split(";")
                if not is_blank(name.strip())
            ),
            clean=clean[at] if clean else "",
            extra=Extra(extra, text.rows[at]) if extra else NO_EXTRA,
            side=from_names[at],
        )
        for at, (line, file) in enumerate(zip(text.lines, files, strict=True))
    ]
    _note_columns(text, columns, one_hots, census)
    titles = [line for line in text.titles if not line.lower().startswith("sep=")]
    if titles:
        lines = "1 line above the header was" if len(titles) == 1 else f"{len(titles)} lines above the header were"
        census.note(f"{lines} left out of {text.name}: {titles[0][:60].strip()!r}.")
    classes = _label(rows, text, label, one_hots, census)
    kept = leave_broken(text.path, rows, text.ragged, census, labelled=lambda row: bool(row.label or row.findings))
    for row in rows:
        if row.file and not (row.label or row.findings):
            path = index.find(row.file, side=row.side or row.split, apart=sides_of is not None).path
            if path is not None:
                index.leave(path, "its row has no label")
    if label is not None and classes is None:
        classes = _place(kept, text)
    return assemble(
        folder,
        kept,
        classes or (),
        reading,
        index,
        census,
        source=str(text.path),
        mask_role=_role(text),
        apart=sides_of is not None,
    )


def _refuse_data(text: TextTable) -> None:
    """Refuses a table without a header, whose first row would be lost."""
    words = [word for cell in text.columns for word in cell.split(" ")]
    first = next((word for word in (*text.columns, *words) if has_image_name(word.rpartition("/")[2])), None)
    if first is not None:
        raise InputError(
            f"{text.path} has no header: its first line holds {first!r}; write the names of the columns above it, such "
            "as file,label, and separate the columns by commas"
        )


def _columns(text: TextTable, table: Table) -> dict[str, str | None]:
    columns = {holds: find_column(text, holds, named) for holds, named in table.columns().items() if holds != "label"}
    given = table.label
    several = given is not None and given not in text.columns and "," in given
    columns["label"] = None if several else find_column(text, "label", given)
    if columns["image"] is None:
        lacking = ["file"] if columns["label"] or several or len(_candidates(text, columns)) > 1 else ["file", "label"]
        raise InputError(
            f"{text.path} lacks the column{'s' if len(lacking) > 1 else ''} {' and '.join(lacking)}; it has "
            f"{', '.join(filter(None, text.columns)) or 'none'}: name them with --image-column and --label-column"
        )
    return columns


def _candidates(text: TextTable, columns: Mapping[str, str | None]) -> list[str]:
    """Columns of 0 and 1 that nobody uses for something else."""
    free = [
        name
        for name in dict.fromkeys(text.columns)
        if name and name not in columns.values() and normal(name) not in _NO_CLASSES
    ]
    return one_hot_columns({name: text.cells(name) for name in free if text.columns.count(name) == 1})


def _one_hots(text: TextTable, table: Table, columns: Mapping[str, str | None]) -> list[str]:
    """The columns of 0 and 1 that are the classes; none where a column holds the label."""
    if columns["label"] is not None:
        return []
    if table.label is not None:
        named = [named_column(text.name, name.strip(), filter(None, text.columns)) for name in table.label.split(",")]
        fitting = one_hot_columns({name: text.cells(name) for name in named})
        other = [name for name in named if name not in fitting]
        if other:
            raise InputError(
                f"the columns {', '.join(other)} of {text.path} hold more than 0, 1, -1 and blanks; {_OPTION}"
            )
        return named
    found = _candidates(text, columns)
    if len(found) < 2:
        raise InputError(
            f"{text.path} lacks the column label; it has {', '.join(filter(None, text.columns))}: {_OPTION}"
        )
    return found


def _holds_masks(text: TextTable, name: str) -> bool:
    """Whether a column is called like one of paths of masks and holds names of images."""
    if normal(name) not in _MASK_PATHS or text.columns.count(name) > 1:
        return False
    cells = {cell for cell in text.cells(name) if not is_blank(cell)}
    return bool(cells) and all(has_image_name(cell.rpartition("/")[2]) for cell in cells)


def label_columns(text: TextTable, table: Table) -> tuple[str, ...]:
    """The columns that hold the labels, one, or several of 0 and 1; none where the table has none.

    Raises:
        InputError: for several that fit, or a named column that is not there.
    """
    named = {holds: name for holds, name in table.columns().items() if holds != "label"}
    columns = {holds: find_column(text, holds, name) for holds, name in named.items()}
    if table.label is not None and table.label not in text.columns and "," in table.label:
        return tuple(
            named_column(text.name, name.strip(), filter(None, text.columns)) for name in table.label.split(",")
        )
    label = find_column(text, "label", table.label)
    if label is not None:
        return (label,)
    found = _candidates(text, columns)
    return tuple(found) if len(found) > 1 else ()


def _label(
    rows: Sequence[Row], text: TextTable, label: str | None, one_hots: Sequence[str], census: Census
) -> tuple[str, ...] | None:
    """Gives every row its class or findings; the classes, or None where the rows that are kept decide them."""
    if label is None:
        single, findings = one_hot({name: text.cells(name) for name in one_hots})
        if single is not None:
            for row, name in zip(rows, single, strict=True):
                row.label = name
            return tuple(one_hots)
        for row, found in zip(rows, findings, strict=True):
            row.findings = found
        unknown = sum(value != value for row in rows for value in row.findings or ())
        if unknown:
            census.note(f"{unknown} cells of {text.name} are -1 or blank: these findings are not known.")
        return tuple(one_hots)
    cells = text.cells(label)
    several = list(cells) if normal(label) == "findinglabels" else separated(cells, label, census)
    if several is not None:
        classes, findings = piped(several, census)
        for row, found in zip(rows, findings, strict=True):
            row.findings = found
        return classes
    names = joined(cells, census)
    values = set(names.values())
    numbers = len(values) > _MOST_NUMBERS and all(map(_DECIMAL.fullmatch, values))
    if numbers and not all(float(one).is_integer() for one in values):
        raise InputError(
            f"the column {label} of {text.path} holds {len(values)} different decimal numbers, which are "
            "measurements and no classes: name the column of the classes with --label-column"
        )
    if unlabelled(names.values()):
        none = {cell for cell, name in names.items() if name == NONE_NUMBER}
        count = sum(cell in none for cell in cells)
        census.note(f"Rows of {text.name} with the label -1, taken for no label: {count} of {len(rows)}.")
        names = {cell: name for cell, name in names.items() if cell not in none}
    for row, cell in zip(rows, cells, strict=True):
        row.label = names.get(cell)
    return None


def _place(rows: Sequence[Row], text: TextTable) -> tuple[str, ...]:
    """Classes sorted by name or number, or placed by the `index` column."""
    names = in_order(row.label for row in rows if row.label is not None)
    if "index" in text.columns:
        position: dict[str, int] = {}
        for row in rows:
            place = row.extra.get("index", "")
            if not (place.isascii() and place.isdigit()) or int(place) > LARGEST_INDEX:
                return tuple(names)
            if position.setdefault(cast(str, row.label), int(place)) != int(place):
                return tuple(names)
        if len(set(position.values())) == len(position):
            by_place = {place: name for name, place in position.items()}
            return tuple(by_place.get(place, f"class {place}") for place in range(max(by_place) + 1))
    return tuple(names)


def _note_columns(text: TextTable, columns: Mapping[str, str | None], one_hots: Sequence[str], census: Census) -> None:
    """Says which columns were recognised where they have other names than those of `labels.csv`."""
    words = {"image": "images", "label": "classes", "group": "groups", "split": "split"}
    assumed = [f"{words[holds]} by {name}" for holds, name in columns.items() if name and name != _OWN[holds]]
    if one_hots:
        shown = ", ".join(one_hots[:5]) + (f" and {len(one_hots) - 5} more" if len(one_hots) > 5 else "")
        assumed.append(f"classes by the columns of 0 and 1 {shown}")
    if assumed:
        census.note(f"Columns of {text.name}: {'; '.join(assumed)}.")


def _role(text: TextTable) -> MaskRole | None:
    roles = {cell for cell in text.cells("mask_role") if cell} if "mask_role" in text.columns else set()
    if not roles:
        return None
    try:
        (role,) = {match("mask role", role, MASK_ROLES) for role in roles}
    except ValueError:
        allowed = ", ".join(MASK_ROLES)
        raise InputError(
            f"the mask_role column of {text.path} must be one of {allowed}, the same in every row"
        ) from None
    return cast(MaskRole, role)


def _sides(text: TextTable, column: str | None, census: Census, *, named: bool) -> list[str | None]:
    return [None] * len(text.rows) if column is None else sides(text, column, census, named=named)


def _groups(text: TextTable, column: str | None) -> list[str | None]:
    if column is not None and any(not is_blank(cell) for cell in text.cells(column)):
        return groups(text, column)
    texts = text.cells("source_id") if "source_id" in text.columns else [""]
    if not all(one.isascii() and one.isdigit() for one in texts):
        return [None] * len(text.rows)
    block: dict[int, str] = {}
    start = last = None
    for number in sorted({int(one) for one in texts}):
        if start is None or last is None or number - last > BLOCK or number - start >= BLOCK:
            start = number
        last = number
        block[number] = f"source_id from {start}"
    return [block[int(one)] for one in texts]
