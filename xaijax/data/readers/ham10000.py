"""HAM10000: dermoscopy of seven kinds of skin lesions, as published: two zip parts of images and a table.

`HAM10000_metadata.csv` (`lesion_id`, `image_id`, `dx` ...) names the images without suffix; images of one lesion stay
together in a split. Outlines of the lesions lie in `HAM10000_segmentations_lesion_tschandl`. With the test set of the
ISIC 2018 challenge (`ISIC2018_Task3_Test_GroundTruth.csv` with the same columns) the data set has its two sides.

References:
    Tschandl, Rosendahl, Kittler, "The HAM10000 dataset", Sci. Data 5:180161, 2018, doi 10.7910/DVN/DBW86T.
"""

from pathlib import Path

from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.tables import Extra, FileIndex, Row, assemble, groups, header, leave_broken, read_table

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
_OUTLINE = "_segmentation.png"
_TRAINING = ("HAM10000_metadata.csv", "HAM10000_metadata.tab", "HAM10000_metadata")
_TEST = ("ISIC2018_Task3_Test_GroundTruth.csv", "ISIC2018_Task3_Test_GroundTruth.tab")


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_tables(folder, _TRAINING))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of HAM10000.

    Args:
        folder: the folder with the table; images lie in it or below, in any folders.
        reading: how to read them; masks are lesions.

    Returns:
        The data set: the seven published classes by their codes, grouped by lesion.

    Raises:
        InputError: for a table without the published columns, or if none of its images is there.
    """
    census = Census("HAM10000")
    index = FileIndex(folder, allow_outside=reading.allow_outside)
    training = [row for path in _tables(folder, _TRAINING)[:1] for row in _rows(path, index, census)]
    test = [row for path in _tables(folder, _TEST)[:1] for row in _rows(path, index, census)]
    if any(index.find(row.file).path for row in test):
        for side, rows in (("training", training), ("test", test)):
            for row in rows:
                row.split = side
    source = str(folder / "HAM10000_metadata")
    return assemble(folder, [*training, *test], CLASSES, reading, index, census, source=source, mask_role="lesion")


def _tables(folder: Path, names: tuple[str, ...]) -> list[Path]:
    there = (folder / name for name in names)
    return [path for path in there if {"image_id", "dx"} <= set(header(path))]


def _rows(path: Path, index: FileIndex, census: Census) -> list[Row]:
    table = read_table(path)
    index.take(path.name, "table")
    lesions = groups(table, "lesion_id")
    extra = {name: table.at(name) for name in table.columns if name not in ("image_id", "lesion_id", "dx", "")}
    outlined = any(name.endswith(_OUTLINE) for name in index)
    rows = []
    for at, (file, dx) in enumerate(zip(table.cells("image_id"), table.cells("dx"), strict=True)):
        outline = index.find(f"{file}{_OUTLINE}", mask=True).path if outlined else None
        rows.append(
            Row(
                table.lines[at],
                file,
                dx if dx in CLASSES else None,
                group=lesions[at],
                masks=(("lesion", outline),) if outline else (),
                extra=Extra(extra, table.rows[at]),
            )
        )
    return leave_broken(path, rows, table.ragged, census, labelled=lambda row: row.label is not None)
