"""Excel spreadsheets of the old kind (`.xls`), by xlrd: the first sheet as rows of text. Needs `xaijax[medical]`.

`.xlsx` is not read: such tables are saved as CSV.
"""

import io
import struct
from pathlib import Path

from xaijax._errors import InputError

OLE = b"\xd0\xcf\x11\xe0"
ZIP = b"PK\x03\x04"
MOST_CELLS = 4_000_000
LARGEST = 1 << 26  # bytes of a spreadsheet; the format holds 65,536 rows a sheet


def is_xls(raw: bytes) -> bool:
    """Whether a file starts as an old spreadsheet: a compound document, or one of Excel 2 to 4."""
    return raw.startswith(OLE) or (raw[:1] == b"\x09" and raw[1:4] in (b"\0\x04\0", b"\x02\x06\0", b"\x04\x06\0"))


def rows_of(path: Path, raw: bytes) -> list[list[str]]:
    """The cells of the first sheet as text; whole numbers without a decimal point.

    Raises:
        InputError: where xlrd is not installed, or for a damaged or large file.
    """
    advice = "save it as CSV in UTF-8 and give that file"
    try:
        import xlrd
    except ImportError:
        raise InputError(f"{path} is a spreadsheet: pip install 'xaijax[medical]', or {advice}") from None
    if len(raw) > LARGEST:
        raise InputError(f"{path} is a spreadsheet of more than {LARGEST >> 20} MiB; {advice}")
    damage = (xlrd.XLRDError, xlrd.compdoc.CompDocError, struct.error, AssertionError, ValueError, LookupError)
    try:
        with xlrd.open_workbook(file_contents=raw, on_demand=True, logfile=io.StringIO()) as book:
            sheet = book.sheet_by_index(0)
            return [
                [_text(one.ctype, one.value, xlrd.XL_CELL_ERROR) for one in sheet.row(at)] for at in range(sheet.nrows)
            ]
    except (*damage, TypeError, AttributeError, OverflowError) as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} is a spreadsheet that cannot be read ({words}); {advice}") from error


def _text(kind: int, value: str | float, error: int) -> str:
    if kind == error:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value).strip()
