"""CBIS-DDSM, mammograms with masses and calcifications, as TCIA publishes it (DICOM) or as Kaggle does (JPEG).

`mass_case_description_train_set.csv`, `calc_case_description_test_set.csv` and so on have a row for each abnormality,
with its pathology and the paths of the mammogram, of a crop, and of the mask. The paths on disk are others: the
mammogram lies in a folder that is called like the first folder of its path (TCIA) or like the series, the last one
(Kaggle). The folder of a mask holds the crop too, and the table confuses the two: the mask is the larger of the two.

An image is malignant where one of its abnormalities is; BENIGN_WITHOUT_CALLBACK is benign. Masks are lesions, one for
each abnormality. The tables are the sides.

References:
    Lee et al., "A curated mammography data set for use in computer-aided detection and diagnosis research", Sci. Data
    4:170177, 2017.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax.data import files
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.masks import Canvas, Entry, MaskFile, Masks
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import Tree, scan
from xaijax.data.spelling import side_within
from xaijax.data.tables import TextTable, header, listed, read_table

CLASSES = ("benign", "malignant")
_TABLE = re.compile(r"(mass|calc)_case_description_(train|test)_set\.csv")
_IMAGE, _MASK = "image file path", "ROI mask file path"
_COLUMNS = {"patient_id", "left or right breast", "image view", "abnormality type", "pathology", _IMAGE, _MASK}
_PATHOLOGY = {"BENIGN": 0, "BENIGN_WITHOUT_CALLBACK": 0, "MALIGNANT": 1}
MISSING = "its image is not there, or several files are"
NO_PATHOLOGY = "its pathology is not known"


@dataclass(frozen=True, slots=True)
class MaskOrCrop:
    """The mask of an abnormality among the files of its folder: the largest one that is a mask."""

    paths: tuple[str, ...]

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return (role,)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        found = [MaskFile(path).read(role, canvas) for path in self.paths]
        masks = [one for one in found if one.elements]
        if not masks:
            raise ValueError("no file of its folder is a mask")
        return max(masks, key=lambda one: one.elements[0].mask.size)


@dataclass(slots=True)
class _Image:
    """A mammogram: its file, and the rows of its abnormalities."""

    label: int
    side: str | None
    patient: str
    extra: Mapping[str, str]
    masks: dict[str, tuple[str, ...]]  # path in the table -> files of its folder
    abnormalities: int = 1


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return bool(_tables(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the mammograms.

    Args:
        folder: the folder with the tables, or with `csv/`; images lie below it.
        reading: how to read them; masks are lesions.

    Returns:
        The data set, cases in the order of the rows; the group is the patient.

    Raises:
        InputError: if none of the images is there.
    """
    tables = _tables(folder)
    census = Census("CBIS-DDSM")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    called: dict[str, list[str]] = {}
    for place in tree.folders:
        called.setdefault(place.rpartition("/")[2], []).append(place)
    images: dict[str, _Image] = {}
    for path in tables:
        _take(read_table(path), tree, called, images, census)
    if not images:
        raise InputError(f"none of the images named in {tables[0]} is there; give the folder that holds them too")
    used = dict.fromkeys((path.relative_to(folder).as_posix() for path in tables), "table")
    cases = []
    several = len({image.side for image in images.values()}) > 1
    for name, image in images.items():
        used[name] = "image"
        used |= {file: "mask" for paths in image.masks.values() for file in paths}
        masks: tuple[tuple[MaskRole | None, Entry], ...] = tuple(
            ("lesion", MaskOrCrop(tuple(map(tree.path, paths)))) for paths in image.masks.values()
        )
        source = ImageFile(tree.path(name), masks, reading)
        split = image.side if several else None
        cases.append(Case(name, image.label, source, f"patient {image.patient}", image.extra, split))
    count = sum(image.abnormalities > 1 for image in images.values())
    if count:
        census.note(f"{count} images have several abnormalities: malignant where one of them is.")
    tree.count(census, used, {"": "no row of the tables names it"})
    role = reading.mask_role or files.primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, CLASSES, role, tuple(cases), found=census.found())


def _tables(folder: Path) -> list[Path]:
    places = [place for place in (folder, folder / "csv") if place.is_dir()]
    return [path for place in places for path in listed(place, _TABLE) if set(header(path)) >= _COLUMNS]


def _take(
    table: TextTable, tree: Tree, called: Mapping[str, list[str]], images: dict[str, _Image], census: Census
) -> None:
    """Adds the images of a table."""
    rows = zip(*(table.cells(name) for name in (_IMAGE, _MASK, "pathology", "patient_id")), strict=True)
    at = {name: table.at(name) for name in ("left or right breast", "image view", "abnormality type")}
    for row, (path, mask, pathology, patient) in zip(table.rows, rows, strict=True):
        there = _files(tree, called, path)
        label = _PATHOLOGY.get(pathology)
        if label is None or len(there) != 1:
            census.leave_row(NO_PATHOLOGY if label is None else MISSING, path)
            continue
        extra = MappingProxyType({name: row[position] for name, position in at.items()})
        outlines = _files(tree, called, mask)
        known = images.get(there[0])
        if known is None:
            known = images[there[0]] = _Image(label, side_within(table.path.stem), patient, extra, {})
        else:
            known.label = max(known.label, label)
            known.abnormalities += 1
        if outlines and outlines != there:
            known.masks[mask] = outlines


def _files(tree: Tree, called: Mapping[str, list[str]], path: str) -> tuple[str, ...]:
    """The images below the folder that is called like the first or the last folder of a path."""
    parts = path.strip().split("/")[:-1]
    for name in dict.fromkeys((*parts[:1], *parts[-1:])):
        places = called.get(name, [])
        if len(places) == 1:
            return tuple(file for file in tree.names(places[0]) if files.looks_like_image(tree.path(file)))
    return ()
