"""A folder with `labels.csv`: one row per image.

Columns: `file` and `label` (both required; paths are relative to the folder), `mask` (a path, or empty for no mask),
`mask_role` (what it outlines; one value for the whole table), `mask_lesion`, `mask_organ`, `mask_artefact` (masks of
this role), `file_clean` (the same image without its artefacts), `patient`, `source_id`, `index`. Other columns are kept
as text in `Case.extra`. Several masks in one cell are separated by `;`, one element each.

* `patient` is the group of a split. Without it, integers in `source_id` are used: numbers close to each other are
  mostly slices of one patient, so runs of numbers form a group. A run ends at a gap of more than 50 or when it spans
  50: a patient's series is shorter (13 slices on average in the brain tumour set this was made for), so at most the
  one patient at a cut is on both sides.
* Without either column, the group is the patient that a DICOM file names.
* `index` is the position of the class in a model's output if its values are whole numbers, one number per label and one
  label per number. Then it is the case's label; classes without a row get the name `class <index>`. Any other `index`
  column is kept as text.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from xaijax._errors import InputError
from xaijax._names import match
from xaijax.data import files
from xaijax.data.dataset import MASK_ROLES, Case, Dataset
from xaijax.data.files import ImageFile, primary_role
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading

NAME = "labels.csv"
BLOCK = 50
_MASKS: Mapping[str, MaskRole | None] = {"mask": None} | {f"mask_{role}": role for role in get_args(MaskRole)}
# An index column beyond this is a row number or an id, not a class of a model.
_LARGEST_INDEX = 100_000


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return (folder / NAME).is_file()


def read(folder: Path, reading: Reading) -> Dataset:
    """List the cases of a folder with `labels.csv`.

    Args:
        folder: where `labels.csv` lies.
        reading: how to read them; what masks outline is said by it, else by the `mask_role` column.

    Returns:
        The data set, cases in the order of the rows, classes sorted by name (or placed by `index`).

    Raises:
        InputError: for a table without the required columns or rows, a row without a file or label, a file named twice,
            an unknown or changing role, or if none of the images exists.
    """
    table = folder / NAME
    rows = _rows(table)
    labels = [row["label"] for row in rows]
    index = _class_index(rows)
    if index is None:
        classes = tuple(sorted(set(labels)))
        position = {name: at for at, name in enumerate(classes)}
    else:
        position = index
        names = {at: name for name, at in index.items()}
        classes = tuple(names.get(at, f"class {at}") for at in range(max(names) + 1))
    groups = _groups(folder, rows)
    known = {"file", "label", "mask_role", *_MASKS}
    cases = tuple(
        Case(
            id=row["file"],
            label=position[row["label"]],
            source=ImageFile(
                folder / row["file"],
                _masks(folder, row),
                reading,
                folder / row["file_clean"] if row.get("file_clean") else None,
            ),
            group=group,
            extra=MappingProxyType({name: value for name, value in row.items() if name not in known}),
        )
        for row, group in zip(rows, groups, strict=True)
    )
    if not any((folder / row["file"]).is_file() for row in rows):
        raise InputError(f"none of the {len(rows)} files named in {table} exists; the first is {rows[0]['file']!r}")
    census = Census("labels.csv")
    census.take("image", len(cases))
    census.take("table")
    primary = reading.mask_role or _role(table, rows) or primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, classes, primary, cases, found=census.found())


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            lacking = [name for name in ("file", "label") if name not in columns]
            if lacking:
                raise InputError(
                    f"{table} lacks the column{'s' if len(lacking) > 1 else ''} {' and '.join(lacking)}; it has "
                    f"{', '.join(columns) or 'none'}"
                )
            rows = [{name: (value or "").strip() for name, value in row.items() if name} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not a table of comma-separated UTF-8 text ({error})") from error
    if not rows:
        raise InputError(f"{table} has no rows")
    seen: set[str] = set()
    for number, row in enumerate(rows, 2):
        if not row["file"] or not row["label"]:
            raise InputError(f"{table}, line {number}: file and label must both have a value")
        if row["file"] in seen:
            raise InputError(f"{table}, line {number}: {row['file']} is named twice")
        seen.add(row["file"])
    return rows


def _masks(folder: Path, row: Mapping[str, str]) -> tuple[tuple[MaskRole | None, Path], ...]:
    named = ((role, name.strip()) for column, role in _MASKS.items() for name in row.get(column, "").split(";"))
    return tuple((role, folder / name) for role, name in named if name)


def _role(table: Path, rows: Sequence[Mapping[str, str]]) -> MaskRole | None:
    roles = {row["mask_role"] for row in rows if row.get("mask_role")}
    if not roles:
        return None
    try:
        (role,) = {match("mask role", role, MASK_ROLES) for role in roles}
    except ValueError:
        allowed = ", ".join(MASK_ROLES)
        raise InputError(f"the mask_role column of {table} must be one of {allowed}, the same in every row") from None
    return cast(MaskRole, role)


def _class_index(rows: Sequence[Mapping[str, str]]) -> dict[str, int] | None:
    position: dict[str, int] = {}
    for row in rows:
        text = row.get("index", "")
        if not (text.isascii() and text.isdigit()) or int(text) > _LARGEST_INDEX:
            return None
        if position.setdefault(row["label"], int(text)) != int(text):
            return None
    return position if len(set(position.values())) == len(position) else None


def _groups(folder: Path, rows: Sequence[Mapping[str, str]]) -> list[str | None]:
    if any(row.get("patient") for row in rows):
        return [f"patient {row['patient']}" if row["patient"] else None for row in rows]
    texts = [row.get("source_id", "") for row in rows]
    if not all(text.isascii() and text.isdigit() for text in texts):
        return [files.patient(folder / row["file"]) for row in rows]
    block: dict[int, str] = {}
    start = last = None
    for number in sorted({int(text) for text in texts}):
        if start is None or last is None or number - last > BLOCK or number - start >= BLOCK:
            start = number
        last = number
        block[number] = f"source_id from {start}"
    return [block[int(text)] for text in texts]
