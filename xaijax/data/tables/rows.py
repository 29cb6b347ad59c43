"""From the rows of a table to the cases of a data set: each row's file is found, every file and row is counted."""

import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data import files
from xaijax.data.dataset import NO_EXTRA, Case, Dataset, Source
from xaijax.data.files import ImageFile, primary_role
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.tables.index import MISSING, OUTSIDE, FileIndex
from xaijax.data.tables.labels import Findings

AGAIN = "an earlier row names the same image"
DISPUTED = "its image has several classes"


@dataclass(slots=True)
class Row:
    """One row of a table.

    Attributes:
        line: in its file.
        file: the image, as the table names it.
        label: the name of its class; None in a table of findings.
        findings: see `Case.findings`.
        group, split, extra: see `Case`.
        masks: `(role, file)` of its masks, as the table names them.
        clean: file of the same image without its artefacts, or "".
        side: of the table, where the name of its file states one: see `FileIndex.find`.
    """

    line: int
    file: str
    label: str | None = None
    findings: Findings | None = None
    group: str | None = None
    split: str | None = None
    masks: tuple[tuple[MaskRole | None, str], ...] = ()
    clean: str = ""
    extra: Mapping[str, str] = field(default_factory=lambda: NO_EXTRA)
    side: str | None = None


def leave_broken(
    path: Path, rows: Sequence[Row], ragged: Collection[int], census: Census, *, labelled: Callable[[Row], bool]
) -> list[Row]:
    """The rows that have a file and a label; the others are counted.

    Raises:
        InputError: where most rows have none: then the columns are the wrong ones, or the table is.
    """
    reasons = {
        "it has more cells than the table has columns": [f"line {line}" for line in ragged],
        "it names no file": [f"line {row.line}" for row in rows if not row.file],
        "it has no label": [row.file for row in rows if row.file and not labelled(row)],
    }
    count = sum(map(len, reasons.values()))
    if 2 * count > len(rows) + len(ragged):
        reason, names = max(reasons.items(), key=lambda one: len(one[1]))
        raise InputError(
            f"{count} of {len(rows) + len(ragged)} rows of {path} cannot be used; the first that is left out, "
            f"{names[0]}: {reason}; each row needs a file and a label"
        )
    for reason, names in reasons.items():
        if names:
            census.leave_row(reason, *names)
    return [row for row in rows if row.file and labelled(row)]


def assemble(
    folder: Path,
    rows: Sequence[Row],
    classes: Sequence[str],
    reading: Reading,
    index: FileIndex,
    census: Census,
    *,
    source: str,
    mask_role: MaskRole | None = None,
    wrap: Callable[[Row, ImageFile], Source] | None = None,
    apart: bool = False,
) -> Dataset:
    """Makes the data set.

    Args:
        folder: its folder.
        rows: what its table says, broken rows left out.
        classes: the names of its classes.
        reading: how to read the images.
        index: the files of the folder; what a row uses is taken from it, and the rest is counted at the end.
        census: of the reader, with its notes so far.
        source: the table, for messages.
        mask_role: what its masks outline where `reading` does not say it; default: what is stored.
        wrap: makes a case's source from its row and image; default: the image file.
        apart: whether a file in a folder of another side than its row's is not meant.

    Returns:
        The data set, cases in the order of the rows. An id is the row's path where it is the path in the folder, else
        the path that was found.

    Raises:
        InputError: if none of the files is there, or most images have several classes.
    """
    position = {name: at for at, name in enumerate(classes)}
    inside = str(folder)
    shared = _shared([row.file for row in rows])
    first: dict[str, Row] = {}
    disputed: dict[str, list[Row]] = {}
    cases: dict[str, Case] = {}
    left: dict[str, list[str]] = {}
    renamed = 0
    numbered: list[tuple[str, str]] = []
    beyond = 0
    for row in rows:
        hit = index.find(row.file, shared=shared, side=row.side or row.split, apart=apart)
        if hit.path is None:
            left.setdefault(hit.reason, []).append(row.file)
            continue
        if hit.path in first:
            if _same(first[hit.path], row):
                left.setdefault(AGAIN, []).append(row.file)
            else:
                disputed.setdefault(hit.path, []).append(row)
            continue
        first[hit.path] = row
        renamed += hit.renamed
        if hit.numbered:
            numbered.append((row.file, hit.path))
        masks, missed = _masks(index, row, hit.path)
        beyond += missed
        path = os.path.join(inside, hit.path)
        image = ImageFile(path, masks, reading, _clean(index, folder, row))
        cases[hit.path] = Case(
            id=row.file if hit.exact else hit.path,
            label=-1 if row.label is None else position[row.label],
            source=image if wrap is None else wrap(row, image),
            group=row.group if row.group is not None else files.patient(path),
            extra=row.extra,
            split=row.split,
            findings=row.findings,
        )
    _refuse(source, rows, first, disputed, left, index)
    for name, others in disputed.items():
        del cases[name]
        index.leave(name, "its rows name several classes")
        left.setdefault(DISPUTED, []).extend(row.file for row in (first[name], *others))
    for reason, names in left.items():
        census.leave_row(reason, *names)
    for name in cases:
        index.take(name, "image")
    if renamed:
        census.note(f"{renamed} files have another suffix or spelling than {source} says.")
    if numbered:
        named, there = numbered[0]
        census.note(
            f"{len(numbered)} files were found by their number alone, such as {there} for {named!r}: the ids of "
            f"{source} lost zeros in front or are decimal numbers."
        )
    if beyond:
        census.note(f"{beyond} masks were left out: {OUTSIDE}.")
    _note_empty(classes, cases.values(), census)
    index.leave_rest(census)
    listed = tuple(cases.values())
    role = reading.mask_role or mask_role or primary_role(case.source for case in listed)
    return Dataset(folder.resolve().name, tuple(classes), role, listed, found=census.found())


def _shared(names: Sequence[str]) -> int:
    """How many folders all names start with."""
    common: list[str] | None = None
    for name in names:
        parts = name.replace("\\", "/").split("/")[:-1]
        if common is None:
            common = parts
        elif common != parts[: len(common)]:
            same = (at for at, (a, b) in enumerate(zip(common, parts, strict=False)) if a != b)
            common = common[: next(same, min(len(common), len(parts)))]
        if not common:
            return 0
    return len(common or [])


def _same(one: Row, other: Row) -> bool:
    """Whether two rows of one image say the same; unknown findings are equal to each other."""
    if one.label != other.label or (one.findings is None) != (other.findings is None):
        return False
    pairs = zip(one.findings or (), other.findings or (), strict=True)
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in pairs)


def _masks(index: FileIndex, row: Row, image: str) -> tuple[tuple[tuple[MaskRole | None, str], ...], int]:
    """The masks of a row, and how many lie outside. One that is not there stays: reading the image notes it."""
    found = []
    missed = 0
    for role, name in row.masks:
        hit = index.exact(name)
        if hit.reason == MISSING:
            other = index.find(name, mask=True, side=row.side or row.split)
            hit = hit if other.path in (None, image) else other
        if hit.path is not None:
            index.take(hit.path, "mask")
            found.append((role, os.path.join(index.folder, hit.path)))
        elif hit.reason == MISSING:
            found.append((role, os.path.join(index.folder, name)))
        else:
            missed += 1
    return tuple(found), missed


def _clean(index: FileIndex, folder: Path, row: Row) -> Path | None:
    hit = index.exact(row.clean) if row.clean else None
    if hit is None or (hit.path is None and hit.reason != MISSING):
        return None
    if hit.path is not None:
        index.take(hit.path, "image without artefacts")
    return folder / (hit.path or row.clean)


def _refuse(
    source: str,
    rows: Sequence[Row],
    first: Mapping[str, Row],
    disputed: Mapping[str, Sequence[Row]],
    left: Mapping[str, Sequence[str]],
    index: FileIndex,
) -> None:
    if not first:
        reason, names = max(left.items(), key=lambda one: len(one[1]))
        count = index.images_in(names[0]) if reason == MISSING else 0
        if count:
            raise InputError(
                f"{source} names folders, such as {names[0]!r} with {count} image{'s' if count > 1 else ''}; a row "
                "names one image: give a table with a row for each"
            )
        if reason == MISSING:
            raise InputError(
                f"none of the {len(rows)} files named in {source} exists; the first is {names[0]!r}: give the folder "
                "that holds the images"
            )
        raise InputError(
            f"none of the {len(rows)} files named in {source} can be used; the first, {names[0]}: {reason}; give the "
            "folder that holds each image once"
        )
    if 2 * len(disputed) > len(first):
        again = next(iter(disputed.values()))[0]
        raise InputError(
            f"{source}, line {again.line}: {again.file} is named twice, with different classes, as are most images; "
            "give a table with one row per image, with several findings in one cell as A|B"
        )


def _note_empty(classes: Sequence[str], cases: Collection[Case], census: Census) -> None:
    if any(case.findings is not None for case in cases):
        return
    there = {case.label for case in cases}
    empty = [name for at, name in enumerate(classes) if at not in there]
    if empty:
        shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        census.note(f"No image of {'class' if len(empty) == 1 else 'the classes'} {shown} is there.")
