"""Rows of a Hugging Face data set that is streamed: it has no positions, and images are read by position.

The rows are run through once, in their order. Labels, groups and sides are kept, and the bytes of images and masks, not
decoded, go to a temporary file (`xaijax.data._spool`), so memory holds one row at a time whatever the size of the set.
A file that a row names instead of holding it is fetched through fsspec when its row comes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xaijax._errors import InputError
from xaijax.data._spool import Spool

MOST_ROWS = 10_000_000


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of the rows of one part.

    Attributes:
        stored: `stored[row][column]` is `{"bytes": ..., "path": ...}` of an image, or None.
        labels: the cell of each row.
        groups, splits: likewise, or None where there is no such column.
        there: column of masks -> whether each row has one.
    """

    stored: Any
    labels: list[Any]
    groups: Sequence[Any] | None
    splits: Sequence[Any] | None
    there: Mapping[str, Sequence[bool]]


@dataclass(frozen=True, slots=True)
class _Stored:
    """`stored[row][column]` of `Rows`, from entries that lie row by row, one for each column."""

    spool: Spool
    columns: tuple[str, ...]
    start: int

    def __getitem__(self, row: int) -> "_Row":
        return _Row(self, self.start + row * len(self.columns))


@dataclass(frozen=True, slots=True)
class _Row:
    stored: _Stored
    start: int

    def __getitem__(self, column: str) -> Mapping[str, Any] | None:
        raw = self.stored.spool.read(self.start + self.stored.columns.index(column))
        return None if raw is None else {"bytes": raw}


def spooled(datasets: Any, part: Any, columns: Mapping[str, Any], spool: Spool) -> Rows:
    """Runs through a part once.

    Args:
        datasets: the package.
        part: an `IterableDataset` that knows its features.
        columns: "image", "label", "group" and "split" -> the column or None; "masks" -> columns of masks.
        spool: takes the bytes.

    Raises:
        InputError: for a stream that is too large or breaks off.
    """
    images = (columns["image"], *columns["masks"])
    cells = {holds: columns[holds] for holds in ("label", "group", "split") if columns[holds] is not None}
    part = part.select_columns(list(dict.fromkeys((*images, *cells.values())))).with_format(None)
    for name in images:
        part = part.cast_column(name, datasets.Image(decode=False))
    found: dict[str, list[Any]] = {holds: [] for holds in cells}
    there: dict[str, list[bool]] = {name: [] for name in columns["masks"]}
    stored = _Stored(spool, images, len(spool))
    once: dict[Any, Any] = {}
    for row in _each(part):
        for holds, name in cells.items():
            cell = row[name]
            found[holds].append(once.setdefault(cell, cell) if isinstance(cell, str) else cell)
        if len(found["label"]) > MOST_ROWS:
            raise InputError(f"the stream has more than {MOST_ROWS:,} rows: take a part of it (take, shard)")
        for name in images:
            raw = _bytes(row[name])
            spool.append(raw)
            if name in there:
                there[name].append(row[name] is not None)
    return Rows(stored, found["label"], found.get("group"), found.get("split"), there)


def _each(part: Any) -> Any:
    """The rows; whatever the library or a network raises on the way becomes one error."""
    try:
        yield from part
    except (InputError, MemoryError):
        raise
    except Exception as error:
        words = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the stream breaks off ({words}): open it again, or load it without streaming") from error


def _bytes(stored: Mapping[str, Any] | None) -> bytes | None:
    """The bytes of an image; None where there are none or they cannot be fetched, which costs the image alone."""
    if stored is None or stored.get("bytes") is not None:
        return None if stored is None else bytes(stored["bytes"])
    if not stored.get("path"):
        return None
    import fsspec

    try:
        with fsspec.open(stored["path"], "rb") as stream:
            return bytes(stream.read())
    except Exception:  # each file system of fsspec has exceptions of its own
        return None
