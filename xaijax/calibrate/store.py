"""The results of a calibration in its run folder: rows of scores in Parquet parts.

    run.json                 configuration, versions, machine, data, model, the command that repeats the calibration
    scores/<number>.parquet  construction, case, group, label_class, map, metric, value (NaN for none), reason
    parts/<number>.json      the digest of a part's scores, and what they were made by; a part counts once this is there
    cue/                     the fine-tuned copy of a planted cue (`xaijax.calibrate.cue`)
    calibration.json         the verdicts (docs/calibration.md has the schema)
    summary.csv, figures/calibration.png, report.html

A part is a few cases, in the order of the plan, and is written whole: a killed calibration loses the part it was in.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax._runs import checksums, identity

SCORES = "scores"
SCHEMA = pa.schema(
    [
        ("construction", pa.string()),
        ("case", pa.int64()),
        ("group", pa.string()),
        ("label_class", pa.string()),
        ("map", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("reason", pa.string()),
    ]
)


def encoded(rows: Sequence[Sequence[Any]]) -> bytes:
    """The contents of the file of a part; the same rows give the same bytes."""
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    table = pa.table(
        [pa.array(list(column), field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def write_part(
    root: Path, number: int, content: bytes | Sequence[Sequence[Any]], made_by: Mapping[str, Any] | None = None
) -> None:
    """Writes a part, whole, and marks it as finished.

    Args:
        root: the run folder.
        number: of the part.
        content: its rows, or the bytes of its file, see `encoded`.
        made_by: packages and machine that computed it; default: those of this process.
    """
    content = content if isinstance(content, bytes) else encoded(content)
    made_by = identity.made_by() if made_by is None else made_by
    path = _path(root, number)
    write_whole(path, lambda file: file.write(content))
    checksums.write_part(root, path.stem, [path], made_by)


def missing(root: Path, count: int) -> list[int]:
    """The numbers of the parts that are not finished, of so many."""
    there = set(checksums.part_files(root))
    return [number for number in range(count) if _path(root, number).stem not in there]


def made(root: Path) -> list[dict[str, Any]]:
    """What the finished parts were made by."""
    return [dict(checksums.read_part(root, part)["made"]) for part in checksums.part_files(root)]


def finished(root: Path) -> int:
    """How many parts are finished, from the first on: those that are judged. Workers may have finished later ones."""
    there = set(checksums.part_files(root))
    number = 0
    while _path(root, number).stem in there:
        number += 1
    return number


def read_rows(root: Path) -> list[tuple[Any, ...]]:
    """The rows of all finished parts, in their order.

    Raises:
        InputError: for a part that cannot be read.
    """
    rows: list[tuple[Any, ...]] = []
    for number in range(finished(root)):
        path = _path(root, number)
        checksums.check(root, path, checksums.read_part(root, path.stem)["files"])
        try:
            table = pq.ParquetFile(path).read().cast(SCHEMA)
        except (OSError, pa.ArrowException, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{path} is not a table of a calibration ({reason}); the command with --resume computes it again"
            ) from error
        rows += zip(*(column.to_pylist() for column in table.columns), strict=True)
    return rows


def _path(root: Path, number: int) -> Path:
    return root / SCORES / f"{number:05d}.parquet"
