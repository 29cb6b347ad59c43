"""Class folders: `root/<class>/*`, the layout most image sets are published in; `xaijax.data.class_tree` has the rule.

Three published sets are recognised by the names of their files, so that what their masks outline is known:

* BUSI: `benign/benign (1).png`, `benign (1)_mask.png`, `benign (1)_mask_1.png`: the lesion;
* the COVID-19 radiography database: `COVID/images/COVID-1.png`, `COVID/masks/COVID-1.png`: the lungs;
* IQ-OTH/NCCD: `Bengin cases/Bengin case (1).jpg` (no masks).

References:
    Al-Dhabyani et al., "Dataset of breast ultrasound images", Data in Brief 28, 2020.
    Rahman et al., "Exploring the effect of image enhancement techniques on COVID-19 detection using chest X-ray
    images", Computers in Biology and Medicine 132, 2021.
    Alyasriy and AL-Huseiny, "The IQ-OTH/NCCD lung cancer dataset", Mendeley Data, 2020.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data import _folder_names, class_cases, class_tree, spelling
from xaijax.data.class_tree import Classes
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import Tree, scan


@dataclass(frozen=True)
class Known:
    """A published set of class folders.

    Attributes:
        layout: its name.
        image: form of the names of its images.
        mask_role: what its masks outline.
        outline: the same in words.
    """

    layout: str
    image: re.Pattern[str]
    mask_role: MaskRole | None = None
    outline: str = ""

    def matches(self, found: Classes) -> bool:
        """Whether the first images of all class folders, at least two, have this form."""
        return len(found.folders) > 1 and all(self.image.fullmatch(one.images[0]) for one in found.folders)


OTHER = "its folder is not of a class that was asked for (--classes)"
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".xls")

KNOWN = (
    Known(
        "BUSI breast ultrasound",
        re.compile(r"(benign|malignant|normal)/(benign|malignant|normal) \(\d+\)\.\w+", re.IGNORECASE),
        "lesion",
        "lesions",
    ),
    Known(
        "COVID-19 radiography database",
        re.compile(r"[^/]+/images/(COVID|Lung[_ ]Opacity|Normal|Viral[_ ]Pneumonia)-\d+\.\w+", re.IGNORECASE),
        "organ",
        "lungs",
    ),
    Known(
        "IQ-OTH/NCCD lung CT",
        re.compile(r"(Bengin|Benign|Malignant|Normal) cases?/(Bengin|Benign|Malignant|Normal) case \(\d+\)\.\w+", re.I),
    ),
)


def matches(folder: Path, *, allow_outside: bool = False) -> bool:
    """Whether the folder has this layout."""
    tree = scan(folder, allow_outside=allow_outside)
    found = class_tree.find(tree)
    names = [one.name for one in found.folders]
    table = any(name.lower().endswith(TABLES) for name in tree.files[""])
    if table and (len(names) == 1 or _folder_names.named_like_patients(names)):
        return False  # one folder of all images, or one for each patient: the classes stand in the table
    return bool(found.folders) and found.certain


def several(folder: Path) -> bool:
    """Whether the folder has two class folders or more."""
    return len(class_tree.find(scan(folder)).folders) > 1


def names_all(folder: Path, reading: Reading) -> bool:
    """Whether the classes that were asked for are folders with images, whatever their sub-folders are called."""
    if len(reading.classes) < 2:
        return False
    found = class_tree.find(scan(folder, allow_outside=reading.allow_outside), "", reading.classes)
    return _named(found, reading)


def _named(found: Classes, reading: Reading) -> bool:
    there = {spelling.key(one.name) for one in found.folders}
    return all(spelling.key(name) in there for name in reading.classes)


def _inner(tree: Tree, reading: Reading) -> Classes:
    """The folders in those of the root that are called like the classes that were asked for."""
    every = [class_tree.find(tree, outer, reading.classes) for outer in tree.folders[""]]
    asked = {spelling.key(name) for name in reading.classes}
    folders = (one for found in every for one in found.folders if spelling.key(one.name) in asked)
    return Classes(tuple(folders), {"": OTHER})


def read(folder: Path, reading: Reading) -> Dataset:
    """List the cases of class folders.

    Args:
        folder: the folder that holds one folder per class.
        reading: how to read them; the layout does not state what the masks outside `masks_<role>` folders outline,
            unless the set is a known one.

    Returns:
        The data set, classes sorted by name and cases by class and file name (digits by value). The group of a DICOM
        file is its patient.

    Raises:
        InputError: if no class folder holds an image.
    """
    census = Census("class folders")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    found = class_tree.find(tree, "", reading.classes)
    if reading.classes and not _named(found, reading):
        inner = _inner(tree, reading)
        found = inner if _named(inner, reading) else found
    if not found.folders:
        raise InputError(f"{folder} has no class folder with images")
    known = next((one for one in KNOWN if one.matches(found)), None)
    if known is None:
        return class_cases.dataset(folder, tree, [(None, found)], reading, census)
    census.layout = known.layout
    if any(one.masks for one in found.folders) and reading.mask_role in (None, known.mask_role):
        census.note(f"Masks outline the {known.outline} ({known.mask_role}), as in the published set.")
    return class_cases.dataset(folder, tree, [(None, found)], reading, census, mask_role=known.mask_role)
