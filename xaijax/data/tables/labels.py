"""From cells to classes: spellings of one class, columns of 0 and 1, and several findings in one cell."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from xaijax.data.found import Census
from xaijax.data.spelling import key
from xaijax.data.tables.columns import is_blank

NONE = frozenset({"no finding", "no findings"})  # what tables of findings write where there is none
NONE_NUMBER = "-1"  # what PyTorch and scikit-learn write where an image has no class
UNKNOWN = float("nan")
LARGEST_INDEX = 100_000  # a larger number is an id, not the position of a class
_ONE_HOT = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "-1": UNKNOWN, "-1.0": UNKNOWN}
_ONE_HOT |= {
    spelled: value for word, value in (("true", 1.0), ("false", 0.0)) for spelled in (word, word.title(), word.upper())
}

_QUOTED = re.compile(r"""['"]([^'"|]*)['"]""")

Findings = tuple[float, ...]


def joined(cells: Iterable[str], census: Census) -> dict[str, str]:
    """One name for each class that is spelled in several ways: `1` and `1.0`, `Normal` and `normal`.

    Returns:
        cell -> name of its class, the most common spelling; blank cells have none.
    """
    count = Counter(cell for cell in cells if not is_blank(cell))
    spellings: dict[str, list[str]] = {}
    for cell in sorted(count):
        spellings.setdefault(key(cell), []).append(cell)
    names: dict[str, str] = {}
    for same in spellings.values():
        name = max(same, key=lambda cell: count[cell])
        names |= dict.fromkeys(same, name)
        if len(same) > 1:
            census.note(f"The labels {' and '.join(same)} are one class, {name}.")
    return names


def unlabelled(names: Iterable[str]) -> bool:
    """Whether `-1` among names of classes means that an image has none: two or more others are numbers from 0 on.

    Example:
        >>> unlabelled(["-1", "0", "1"]), unlabelled(["-1", "1"]), unlabelled(["-1", "a", "b"])
        (True, False, False)
    """
    others = set(names)
    if NONE_NUMBER not in others:
        return False
    others.remove(NONE_NUMBER)
    return len(others) > 1 and all(name.isascii() and name.isdigit() for name in others)


def in_order(names: Iterable[str]) -> list[str]:
    """Names of classes as they stand in a model's output: whole numbers by their value, others by their text.

    Example:
        >>> in_order(["10", "2", "1"]), in_order(["b", "a10", "a2"])
        (['1', '2', '10'], ['a10', 'a2', 'b'])
    """
    every = set(names)
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in every):
        return sorted(every, key=int)
    return sorted(every)


def placed(labels: Iterable[str], census: Census) -> tuple[tuple[str, ...], dict[str, int]]:
    """Classes of labels, and the position of each label in them.

    Where all labels are whole numbers they are positions in a model's output: classes count from 0 to the largest.
    Else classes are sorted by name.
    """
    names = joined(labels, census)
    numbers = {name: int(name) for name in names.values() if name.isascii() and name.isdigit()}
    if names and len(numbers) == len(set(names.values())) and max(numbers.values()) <= LARGEST_INDEX:
        count = max(numbers.values()) + 1
        return tuple(map(str, range(count))), {label: numbers[name] for label, name in names.items()}
    classes = tuple(sorted(set(names.values())))
    position = {name: at for at, name in enumerate(classes)}
    return classes, {label: position[name] for label, name in names.items()}


def separated(cells: Sequence[str], name: str, census: Census) -> list[str] | None:
    """Cells of several findings as `A|B`, or None where each cell holds one class.

    Other tables write `A;B`, `A, B` or `['A', 'B']`. A semicolon or comma separates findings if all parts of a cell
    also stand in cells of their own: it may also be a part of a name. So does a space if this holds for all cells.
    """
    every = set(cells)
    if any("|" in cell for cell in every):
        return list(cells)
    lists = {cell: _of_list(cell) for cell in every}
    if any(cell != inside for cell, inside in lists.items()):
        census.note(f"The cells of column {name} are lists of findings.")
        return [lists[cell] for cell in cells]
    for mark in (";", ","):
        parts = {cell: [part.strip() for part in cell.split(mark)] for cell in every if mark in cell}
        if any(all(part in every for part in inside) for inside in parts.values()):
            census.note(f"The cells of column {name} hold several findings, separated by {mark!r}.")
            return ["|".join(parts.get(cell, [cell])) for cell in cells]
    words = {cell: cell.split() for cell in every if " " in cell}
    if words and all(all(part in every for part in inside) for inside in words.values()):
        census.note(f"The cells of column {name} hold several findings, separated by spaces.")
        return ["|".join(words.get(cell, [cell])) for cell in cells]
    return None


def _of_list(cell: str) -> str:
    """`A|B` for the text of a Python or JSON list, else the cell itself."""
    inside = cell[1:-1]
    if cell[:1] + cell[-1:] != "[]" or _QUOTED.sub("", inside).strip(", "):
        return cell
    return "|".join(found[1] for found in _QUOTED.finditer(inside)) or "No Finding"


def piped(cells: Sequence[str], census: Census) -> tuple[tuple[str, ...], list[Findings | None]]:
    """Cells `A|B` of findings; "No Finding" is none.

    Returns:
        Classes, sorted by name; and 1 or 0 for each, row by row, None for a blank cell.
    """
    parts = {
        cell: [part.strip() for part in cell.split("|") if not is_blank(part.strip())] for cell in dict.fromkeys(cells)
    }
    names = joined((part for cell in cells for part in parts[cell]), census)
    classes = tuple(sorted({name for name in names.values() if name.casefold() not in NONE}))
    found: dict[str, Findings | None] = {
        cell: present(classes, {names[part] for part in inside}) if inside else None for cell, inside in parts.items()
    }
    return classes, [found[cell] for cell in cells]


def present(classes: Sequence[str], names: set[str]) -> Findings:
    """1 for the classes that are named, 0 for the others."""
    return tuple(float(name in names) for name in classes)


def one_hot_columns(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Those columns that hold only 0, 1, -1 (or True, False) and blanks, and 0 or 1 at least once."""
    found = []
    for name, cells in columns.items():
        values = {cell for cell in set(cells) if not is_blank(cell)}
        if values <= _ONE_HOT.keys() and any(not cell.startswith("-") for cell in values):
            found.append(name)
    return found


def one_hot(columns: Mapping[str, Sequence[str]]) -> tuple[list[str | None] | None, list[Findings | None]]:
    """Columns of 0 and 1, a class each.

    Returns:
        The class of each row, None where no column is 1, if no row has several; else None. And the findings of each
        row: 1, 0, or NaN where a cell is -1 or blank; None for a row without any value.
    """
    names = list(columns)
    known: dict[tuple[str, ...], Findings | None] = {}
    rows = []
    for cells in zip(*columns.values(), strict=True):
        if cells not in known:
            values = tuple(UNKNOWN if is_blank(cell) else _ONE_HOT[cell] for cell in cells)
            known[cells] = None if all(value != value for value in values) else values
        rows.append(known[cells])
    whole = all(one is None or sum(value == 1 for value in one) <= 1 for one in known.values())
    certain = not any(value != value for one in known.values() for value in one or ())
    if not (whole and certain and any(1.0 in (one or ()) for one in known.values())):
        return None, rows
    return [None if one is None or 1.0 not in one else names[one.index(1.0)] for one in rows], rows
