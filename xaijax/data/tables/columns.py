"""What the columns of a table hold, by the names that published tables give them, and the cells of some of them."""

import re
from collections.abc import Iterable

from xaijax._errors import InputError
from xaijax._names import closest, match, normal
from xaijax.data.found import Census
from xaijax.data.spelling import side
from xaijax.data.tables.text import TextTable

# What a column holds -> usual names in their normal form. The first tier with a match is taken; two columns of one tier
# are a question to the user.
_USUAL: dict[str, tuple[str, ...]] = {
    "image": (
        "file",
        "image images imagefile imagepath imageid imageindex imagename filename filepath path img imgid imgname "
        "imgpath idcode dicomid isicid",
        "id name uid",
    ),
    "label": (
        "label",
        "labels class classname category diagnosis diagnostic dx target findinglabels findings disease pathology level "
        "grade drgrade adjudicateddrgrade retinopathygrade",
    ),
    "group": (
        "patient",
        "patientid subject subjectid participant participantid person personid pid",
        "lesion lesionid",
        "group groupid",
    ),
    "split": ("split", "fold set subset partition datasplit datasetsplit", "isvalid"),
}
_MEANING = {"image": "the image's file", "label": "its class", "group": "what stays together", "split": "the split"}
_PATIENT = frozenset(" ".join(_USUAL["group"][:2]).split())

_FOLD = re.compile(r"(?:fold)?0*(\d{1,3})(?:\.0+)?")


SHOWN = 3  # values in a sentence
_BLANK = frozenset({"", "nan", "na", "n/a", "#n/a", "<na>", "nat", "null"})  # as pandas reads them, in small letters
_FLAGS = {"true": "validation", "1": "validation", "false": "training", "0": "training"}  # of a column is_valid
_NO_GROUP = frozenset({"none", "unknown", "missing", "-", "?"})
_WHOLE = re.compile(r"(\d+)\.0+", re.ASCII)


def is_blank(cell: str) -> bool:
    """Whether a cell is empty or says that there is no value.

    Example:
        >>> is_blank("NaN"), is_blank("N/A"), is_blank("No Finding")
        (True, True, False)
    """
    return cell.lower() in _BLANK


def named_column(table: str, name: str, columns: Iterable[str]) -> str:
    """The column that is meant, in any usual spelling of its name.

    Raises:
        InputError: for a name that no column has, with the closest ones.

    Example:
        >>> named_column("x.csv", "Finding", ["finding", "scan"])
        'finding'
        >>> named_column("x.csv", "kid", ["kind", "scan"])
        Traceback (most recent call last):
        xaijax._errors.InputError: x.csv has no column 'kid': did you mean kind?
    """
    columns = list(columns)
    try:
        return match("column", name, columns)
    except InputError:
        raise InputError(f"{table} has no column {name!r}: {closest(name, columns)}") from None


def usual(holds: str) -> tuple[frozenset[str], ...]:
    """The usual names, in their normal form, of what holds an "image", "label", "group" or "split"; best first."""
    return tuple(frozenset(tier.split()) for tier in _USUAL[holds])


def find_column(table: TextTable, holds: str, named: str | None) -> str | None:
    """The column that holds the image, the label, the group or the split.

    Args:
        table: the table.
        holds: "image", "label", "group" or "split".
        named: the column, where the user names it.

    Returns:
        Its name, or None where no column has a usual name.

    Raises:
        InputError: for a named column that is not there, or several columns of usual names.
    """
    columns = [column for column in table.columns if column]
    if named is not None:
        return named_column(table.name, named, columns)
    for tier in usual(holds):
        fitting = [column for column in columns if normal(column) in tier]
        if len(fitting) > len(set(fitting)):
            raise InputError(f"{table.path} has several columns named {fitting[0]}; rename all but one")
        if len(fitting) > 1:
            raise InputError(
                f"{table.path} has several columns that may hold {_MEANING[holds]}: {', '.join(fitting)}; name one "
                f"with --{holds}-column"
            )
        if fitting:
            return fitting[0]
    return None


def group_name(column: str) -> str:
    """What the values of a column of groups are called: "patient", "lesion", or the column's own name."""
    if normal(column) in _PATIENT:
        return "patient"
    return re.sub(r"[_\s]*id$", "", column, flags=re.IGNORECASE) or column


def groups(table: TextTable, column: str) -> list[str | None]:
    """What must stay together in a split, row by row: "patient 7", "lesion HAM_1"."""
    what = group_name(column)
    names = {
        cell: None if is_blank(cell) or cell.lower() in _NO_GROUP else f"{what} {_whole(cell)}"
        for cell in set(table.cells(column))
    }
    return [names[cell] for cell in table.cells(column)]


def _whole(cell: str) -> str:
    """`7` for `7.0`, as pandas writes whole numbers of a column with gaps."""
    found = _WHOLE.fullmatch(cell)
    return found[1] if found else cell


def sides(table: TextTable, column: str, census: Census, *, named: bool) -> list[str | None]:
    """The side of a split, row by row; folds that are counted from 0 are counted from 1.

    Raises:
        InputError: for a value that means no side, where the user named the column. Otherwise the column is not used,
            with a note.
    """
    cells = table.cells(column)
    meant: dict[str, str | int | None] = {}
    for cell in dict.fromkeys(cells):
        if normal(column) == "isvalid" and cell.lower() in _FLAGS:
            meant[cell] = _FLAGS[cell.lower()]
            continue
        fold = _FOLD.fullmatch(normal(cell) if cell[:1].isalpha() else cell)
        meant[cell] = side(cell) or (int(fold[1]) if fold else None)
    strange = {cell for cell, what in meant.items() if what is None and not is_blank(cell)}
    if strange:
        lines: dict[str, list[int]] = {}
        for line, cell in zip(table.lines, cells, strict=True):
            if cell in strange:
                lines.setdefault(cell, []).append(line)
        shown = "; ".join(f"{cell!r} in {_lines(where)}" for cell, where in list(lines.items())[:SHOWN])
        more = f" and {len(lines) - SHOWN} more values" if len(lines) > SHOWN else ""
        if named:
            raise InputError(
                f"the column {column} of {table.path} holds {shown}{more}; a split has the sides training, validation "
                "and test, or numbered folds: correct these rows, or leave them blank"
            )
        count = sum(map(len, lines.values()))
        census.note(
            f"The column {column} of {table.name} is not used as a split: {count} of its {len(cells)} rows name no "
            f"side or fold ({shown}{more})."
        )
        return [None] * len(cells)
    shift = 1 if 0 in meant.values() else 0
    if shift:
        census.note(f"The folds of column {column} are counted from 1: fold 0 of {table.name} is fold 1.")
    names = {cell: f"fold {what + shift}" if isinstance(what, int) else what for cell, what in meant.items()}
    return [names[cell] for cell in cells]


def _lines(lines: list[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    return f"lines {', '.join(map(str, lines[:3]))}" + (f" and {len(lines) - 3} more" if len(lines) > 3 else "")
