"""The text of a table: CSV or TSV in UTF-8 or, with a byte order mark, UTF-16, gzipped or not; or an old spreadsheet.

The delimiter is the one of comma, semicolon, tab and `|` that gives the header the most columns, or the one that a line
`sep=;` states. Lines of one cell above a header of several are titles or comments and are left out. Cells are stripped.
A column of whole numbers with a decimal comma (`1,0`) holds whole numbers.
"""

import csv
import gzip
import io
import os
import re
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.tables import spreadsheet

DELIMITERS = (",", ";", "\t", "|")
_LOOKED_AT = 20  # lines that are looked at for the header
_STATED = re.compile(r"sep=(.|\\t)", re.IGNORECASE)
_DECIMAL = re.compile(r"-?\d+,0+", re.ASCII)
_NUMBER = re.compile(r"[-+]?[\d.,]+", re.ASCII)
LARGEST = 1 << 30  # bytes of text; a small .gz may hold far more than fits in memory


@dataclass(frozen=True)
class TextTable:
    """A table as text.

    Attributes:
        path: its file.
        columns: their names; a column without a name is "".
        rows: one cell per column; the same text is one object, since most columns hold few values.
        lines: line of each row in the file, from 1.
        ragged: lines with more cells than the header, whose cells cannot be trusted.
        titles: lines above the header that were left out.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    lines: list[int]
    ragged: tuple[int, ...] = ()
    titles: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.name

    def at(self, column: str) -> int:
        """Position of a column.

        Raises:
            InputError: for a column that is not there or there twice.
        """
        count = self.columns.count(column)
        if count == 1:
            return self.columns.index(column)
        if count:
            raise InputError(f"{self.path} has {count} columns named {column}; rename all but one")
        raise InputError(f"{self.path} lacks the column {column}; it has {', '.join(filter(None, self.columns))}")

    def cells(self, column: str) -> list[str]:
        """The cells of a column, in the order of the rows."""
        at = self.at(column)
        return [row[at] for row in self.rows]


def read_table(path: Path) -> TextTable:
    """Reads a whole table.

    Raises:
        InputError: for a file that cannot be read, is not text in UTF-8, has broken quotes, or has no rows.
        FileNotFoundError: for a file that is not there, or is not a regular one.
    """
    raw = _bytes(path, LARGEST)
    if spreadsheet.is_xls(raw):
        return _of_sheet(path, spreadsheet.rows_of(path, raw))
    text = _decoded(path, raw)
    columns, delimiter, titles = _header(text, path)
    del text  # line by line from the bytes: a copy of the text would be four times as large
    lined = io.TextIOWrapper(io.BytesIO(raw), "utf-8-sig", newline="")
    reader = csv.reader(lined, delimiter=delimiter, strict=True)
    rows: list[tuple[str, ...]] = []
    lines: list[int] = []
    ragged = []
    once: dict[str, str] = {}
    width = len(columns)
    above = len(titles) + 1
    try:
        for cells in reader:
            if not any(cells):
                continue
            if above:
                above -= 1
                continue
            row = [cell.strip() for cell in cells]
            if any(row[width:]):
                ragged.append(reader.line_num)
                continue
            row = row[:width] + [""] * (width - len(row))
            rows.append(tuple([once.setdefault(cell, cell) for cell in row]))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: its quotes or delimiters are broken ({error}); save it as CSV in UTF-8"
        ) from error
    if not rows and ragged:
        raise InputError(
            f"{path}: all {len(ragged)} rows have more cells than its header has columns ({len(columns)}); if numbers "
            "have decimal commas, separate the columns by semicolons, else correct the header"
        )
    if not rows:
        raise InputError(f"{path} has no rows: give a table with a header and a row for each image")
    return TextTable(path, columns, _whole(rows, delimiter), lines, tuple(ragged), titles)


def _whole(rows: list[tuple[str, ...]], delimiter: str) -> list[tuple[str, ...]]:
    """The rows with `1` for `1,0` in columns that hold nothing else: spreadsheets write decimal commas where they
    separate columns by semicolons."""
    if delimiter == ",":
        return rows
    columns = [set(cells) - {""} for cells in zip(*rows, strict=True)]
    found = {at for at, cells in enumerate(columns) if cells and all(map(_DECIMAL.fullmatch, cells))}
    if not found:
        return rows
    short = {cell: cell.partition(",")[0] for at in found for cell in columns[at]}
    return [tuple([short.get(cell, cell) if at in found else cell for at, cell in enumerate(row)]) for row in rows]


def _of_sheet(path: Path, cells: list[list[str]]) -> TextTable:
    """The rows of a spreadsheet, blank ones left out."""
    filled = [(line, row) for line, row in enumerate(cells, 1) if any(row)]
    above = _titles([row for _, row in filled[:_LOOKED_AT]])
    titles = tuple(next(filter(None, row)) for _, row in filled[:above])
    filled = filled[above:]
    if len(filled) < 2:
        raise InputError(f"{path} has no rows: give a table with a header and a row for each image")
    columns = tuple(filled[0][1])
    once: dict[str, str] = {}
    rows = [tuple([once.setdefault(cell, cell) for cell in row]) for _, row in filled[1:]]
    return TextTable(path, columns, rows, [line for line, _ in filled[1:]], titles=titles)


def listed(folder: Path, name: re.Pattern[str]) -> list[Path]:
    """The regular files of these names in the folder itself, in the order of their names."""
    with os.scandir(folder) as entries:
        return sorted(folder / entry.name for entry in entries if name.fullmatch(entry.name) and entry.is_file())


def header(path: Path) -> tuple[str, ...]:
    """The names of the columns; empty for a file that is not a table of text. For recognising a layout."""
    try:
        raw = _bytes(path, 1 << 16, whole=False)
        if spreadsheet.is_xls(raw):
            return read_table(path).columns
        return _header(_decoded(path, raw), path)[0]
    except (InputError, OSError):
        return ()


def _header(text: str, path: Path) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """The names of the columns, the delimiter, and the lines above."""
    lines = [line for line in text[: 1 << 16].splitlines() if line.strip(" ,;|\t")][:_LOOKED_AT]
    stated = _STATED.fullmatch(lines[0].strip()) if lines else None
    delimiters = (stated[1].replace("\\t", "\t"),) if stated else DELIMITERS
    found: list[tuple[list[str], str, int]] = []
    for delimiter in delimiters:
        try:
            split = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        above = 1 if stated else _titles(split)
        if len(split) > above:
            found.append((split[above], delimiter, above))
    if not found:
        return (), ",", ()
    own = "\t" if ".tsv" in path.suffixes else ","
    # The header is the first line that any delimiter divides.
    first = min((above for cells, _, above in found if len(cells) > 1), default=0)
    fitting = [one for one in found if one[2] == first] or found
    cells, delimiter, above = max(fitting, key=lambda one: (len(one[0]), one[1] == own))
    return tuple(cell.strip() for cell in cells), delimiter, tuple(lines[:above])


def _titles(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows are titles or comments: they have one cell, and the next row names several columns."""
    filled = [[cell for cell in row if cell.strip()] for row in rows]
    above = next((at for at, cells in enumerate(filled) if len(cells) > 1), 0)
    names = filled[above] if filled else []
    return 0 if any(_NUMBER.fullmatch(cell.strip()) for cell in names) else above


def _bytes(path: Path, limit: int, *, whole: bool = True) -> bytes:
    """The whole file, or its first whole lines."""
    if not path.is_file():  # a FIFO would wait for ever
        raise FileNotFoundError(f"there is no table {path}; give the path of a CSV or TSV file")
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is not a gzip file, or it is damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error})") from error
    wide = raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    if wide and (len(raw) <= limit or not whole):
        try:
            raw = raw[: limit & ~1].decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is damaged UTF-16 text; save it as CSV in UTF-8") from error
        return raw if whole else raw[: raw.rfind(b"\n") + 1] or raw
    if len(raw) > limit:
        if whole:
            raise InputError(f"{path} holds more than {limit >> 20} MiB of text; give a smaller table")
        raw = raw if spreadsheet.is_xls(raw) else raw[: raw.rfind(b"\n") + 1]
    return raw


def _decoded(path: Path, raw: bytes) -> str:
    if raw.startswith(spreadsheet.ZIP):
        raise InputError(f"{path} is a spreadsheet; save it as CSV in UTF-8 and give that file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not a table of UTF-8 text (line {line} has the byte 0x{raw[error.start]:02x}); save it as CSV "
            "in UTF-8"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is not a table of UTF-8 text (it holds zero bytes); save it as CSV in UTF-8")
    return text
