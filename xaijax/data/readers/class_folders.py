"""Class folders: `root/<class>/*`, the layout most image sets are published in.

Images lie in the class folder or in its `images/`. Masks are found in three places: `root/masks/<class>/<stem>.*`,
`root/<class>/masks/<stem>.*`, and next to the image as `<stem>_mask.*`, `<stem>_mask_1.*` ... (one lesion per file).
Masks of a stated role lie in `masks_lesion`, `masks_organ` or `masks_artefact` in the first two places. Folders with
one of these names or named `images`, hidden folders and folders without images are not classes.
"""

import re
from collections import defaultdict
from pathlib import Path
from typing import get_args

from xaijax._errors import InputError
from xaijax.data import files
from xaijax.data.dataset import MASK_ROLES, Case, Dataset
from xaijax.data.files import natural
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, Reading

_NO_CLASSES = frozenset({"images", "masks", *(f"masks_{role}" for role in MASK_ROLES)})
_MASK_OF = re.compile(r"(?P<stem>.+)_mask(_\d+)?")


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return any(_images(child) for child in _class_folders(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the cases of class folders.

    Args:
        folder: the folder that holds one folder per class.
        reading: how to read them; the layout does not state what the masks outside `masks_<role>` folders outline.

    Returns:
        The data set, classes sorted by name and cases by class and file name (digits by value). The group of a DICOM
        file is its patient.

    Raises:
        InputError: if no class folder holds an image.
    """
    folders = [child for child in _class_folders(folder) if _images(child)]
    if not folders:
        raise InputError(f"{folder} has no class folder with images")
    cases = []
    for label, child in enumerate(folders):
        masks: defaultdict[str, list[tuple[MaskRole | None, Path]]] = defaultdict(list)
        for stem, paths in _masks(folder, child).items():
            masks[stem] += [(None, path) for path in paths]
        for role in get_args(MaskRole):
            for stem, paths in _mask_folders(folder, child, f"masks_{role}").items():
                masks[stem] += [(role, path) for path in paths]
        cases += [
            Case(
                id=path.relative_to(folder).as_posix(),
                label=label,
                source=files.ImageFile(path, tuple(masks.get(path.stem, ())), reading),
                group=files.patient(path),
            )
            for path in _images(child)
        ]
    census = Census("class folders")
    census.take("image", len(cases))
    primary = reading.mask_role or files.primary_role(case.source for case in cases)
    return Dataset(
        folder.resolve().name, tuple(child.name for child in folders), primary, tuple(cases), found=census.found()
    )


def _class_folders(folder: Path) -> list[Path]:
    return sorted(
        (
            child
            for child in folder.iterdir()
            if child.is_dir() and child.name not in _NO_CLASSES and child.name[0] != "."
        ),
        key=lambda child: child.name,
    )


def _images(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if files.looks_like_image(path) and not _is_mask(path)]
    inner = folder / "images"
    if not found and inner.is_dir():
        found = [path for path in inner.iterdir() if files.looks_like_image(path) and not _is_mask(path)]
    return sorted(found, key=natural)


def _is_mask(path: Path) -> bool:
    return _MASK_OF.fullmatch(path.stem) is not None


def _mask_folders(root: Path, folder: Path, name: str) -> defaultdict[str, list[Path]]:
    """Mask files by the stem of their image, from the two folders of this name."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for place in (root / name / folder.name, folder / name):
        if place.is_dir():
            for path in sorted(filter(files.is_image, place.iterdir()), key=natural):
                match = _MASK_OF.fullmatch(path.stem)
                found[match["stem"] if match else path.stem].append(path)
    return found


def _masks(root: Path, folder: Path) -> dict[str, list[Path]]:
    found = _mask_folders(root, folder, "masks")
    for place in (folder, folder / "images"):
        if place.is_dir():
            for path in sorted(filter(files.is_image, place.iterdir()), key=natural):
                if match := _MASK_OF.fullmatch(path.stem):
                    found[match["stem"]].append(path)
    return found


def holds_images(folder: Path) -> bool:
    """Whether images lie in the folder itself or in its `images/`."""
    return bool(_images(folder))
