"""Chest X-rays of Shenzhen and Montgomery: `CHNCXR_0001_0.png`, `MCUCXR_0104_1.png`, in any folders.

The last digit of the name is the class, 0 normal and 1 tuberculosis; there is one image of each patient. Masks of the
lungs are organs: `leftMask` and `rightMask` of Montgomery, `..._mask.png` of Shenzhen (Stirenko and others, 2018).

References:
    Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of pulmonary diseases", Quantitative
    Imaging in Medicine and Surgery 4:6, 2014.
"""

import re
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data import files
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.masks import Entry
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import Tree, scan

CLASSES = ("normal", "tuberculosis")
_NAME = re.compile(r"(?P<stem>(?:CHNCXR|MCUCXR)_\d{4}_(?P<class>[01]))(?P<mask>_mask)?\.\w+")
OTHER = "its name is not that of an image of the set"
NO_IMAGE = "it is a mask and no image has its name"
AGAIN = "an image of its name lies in another folder"


def matches(folder: Path) -> bool:
    """Whether the folder has this layout: the first image is named so."""
    return bool(_NAME.fullmatch((files.first_image(folder) or "").rpartition("/")[2]))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images.

    Args:
        folder: the folder, as it was unpacked.
        reading: how to read them; masks are the lungs.

    Returns:
        The data set, cases in the order of the folders and names.

    Raises:
        InputError: if no image is named as in the set.
    """
    census = Census("chest X-rays of tuberculosis")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    images, masks = _listed(tree)
    if not images:
        raise InputError(f"{folder} holds no chest X-rays of Shenzhen or Montgomery")
    used: dict[str, str] = {}
    left: dict[str, str] = {}
    cases = []
    for stem, names in images.items():
        for again in names[1:]:
            left[again] = AGAIN
        used[names[0]] = "image"
        used |= dict.fromkeys(masks.get(stem, ()), "mask")
        entries: tuple[tuple[MaskRole | None, Entry], ...] = tuple(
            ("organ", tree.path(mask)) for mask in masks.get(stem, ())
        )
        source = ImageFile(tree.path(names[0]), entries, reading)
        cases.append(Case(names[0], int(stem[-1]), source))
    census.note("The class is the last digit of the name: 0 normal, 1 tuberculosis.")
    left |= {mask: NO_IMAGE for stem, names in masks.items() if stem not in images for mask in names}
    tree.count(census, used, {"": OTHER}, left)
    role = reading.mask_role or files.primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, CLASSES, role, tuple(cases), found=census.found())


def _listed(tree: Tree) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Images and masks by the name that they share."""
    images: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for name in tree.names():
        place, _, last = name.rpartition("/")
        form = _NAME.fullmatch(last)
        if form is not None and files.is_image(last):
            kind = masks if form["mask"] or "mask" in place.lower() else images
            kind.setdefault(form["stem"], []).append(name)
    return images, masks
