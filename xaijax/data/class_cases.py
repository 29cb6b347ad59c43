"""The data set of class folders: classes and cases, and what is noted about them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from xaijax.data import files, spelling
from xaijax.data._folder_names import is_odd, is_plain, named_like_patients
from xaijax.data.annotations import Annotations
from xaijax.data.class_tree import Classes, ClassFolder, stem_of
from xaijax.data.dataset import Case, Dataset
from xaijax.data.found import Census
from xaijax.data.masks import Entry
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import Tree, join, parent

SEVERAL = "it is a mask and several images in different folders have its name"


def dataset(
    folder: Path,
    tree: Tree,
    sides: Sequence[tuple[str | None, Classes]],
    reading: Reading,
    census: Census,
    *,
    mask_role: MaskRole | None = None,
    reasons: dict[str, str] | None = None,
    group_of: Callable[[str], str | None] | None = None,
) -> Dataset:
    """The data set of class folders.

    Args:
        folder: as it was opened.
        tree: its names.
        sides: `(side of a split or None, its class folders)`.
        reading: how to read the files.
        census: counts them.
        mask_role: what masks without a role outline, where the layout is known and nobody says it.
        reasons: folder -> why other images below it are left out.
        group_of: image -> what must stay together in a split; default: the patient that a DICOM file names, else the
            sub-folder of the class where all of these are called like patients, which is noted.

    Returns:
        Classes sorted by name; cases by class, side, folder and name.
    """
    names = spelling.join((one.name for _, found in sides for one in found.folders), census)
    classes = tuple(sorted(set(names.values())))
    reasons = dict(reasons or {})
    used: dict[str, str] = {}
    cases = []
    below = {} if group_of is not None else _patients_below(one for _, found in sides for one in found.folders)
    for _, found in sides:
        reasons |= found.reasons
        if not below:
            _note_nested(found, census)
    if below:
        census.note(
            f"Sub-folders of the class folders, such as {next(iter(below.values()))}, are called like patients and "
            "taken as patients: a split keeps the images of each together, also where two classes have one of the same "
            "name. If they are none, give a table of images and labels with --labels."
        )
    _note_absent(sides, names, classes, census)
    _note_twins([image for _, found in sides for one in found.folders for image in one.images], census)
    odd = [] if reading.classes else [name for name in classes if is_odd(name)]
    if odd:
        census.note(
            f"The folder {odd[0]} was taken as a class, and is called like a part of a data set or its annotations; if "
            "it is none, take it away."
        )
    if named_like_patients(classes, 2):
        census.note(
            f"The classes ({', '.join(classes[:3])} ...) are named like patients or cases; if they are, give a table "
            "of the classes with --labels."
        )

    def patient(image: str) -> str | None:
        return group_of(image) if group_of is not None else files.patient(tree.path(image)) or below.get(image)

    several = _shared_masks([one for _, found in sides for one in found.folders], census)
    images = (image for _, found in sides for one in found.folders for image in one.images)
    annotated = Annotations(tree, images, census)
    used |= annotated.used
    for label, name in enumerate(classes):
        for side, found in sides:
            for one in found.folders:
                if names[one.name] == name:
                    cases += list(_cases(tree, one, label, side, reading, used, annotated, several, patient))
    tree.count(census, used, reasons, dict.fromkeys(several, SEVERAL))
    if group_of is None:
        _note_one_patient_each(cases, classes, census)
    primary = reading.mask_role or mask_role or files.primary_role(case.source for case in cases)
    return Dataset(folder.resolve().name, classes, primary, tuple(cases), found=census.found())


def _patients_below(folders: Iterable[ClassFolder]) -> dict[str, str]:
    """image -> its sub-folder, where all images lie in sub-folders and all of these are called like patients."""
    found: dict[str, str] = {}
    for one in folders:
        for image in one.images:
            between = [part for part in image[len(one.place) + 1 :].split("/")[:-1] if not is_plain(part)]
            if not between:
                return {}
            found[image] = between[0]
    return found if named_like_patients(set(found.values()), 2) else {}


def _note_one_patient_each(cases: Sequence[Case], classes: Sequence[str], census: Census) -> None:
    """Classes that hold one patient each, by what their DICOM files say, are rather patients than classes."""
    patients: dict[int, set[str | None]] = {}
    for case in cases:
        patients.setdefault(case.label, set()).add(case.group)
    alone = [next(iter(there)) for there in patients.values() if len(there) == 1]
    if None not in alone and len(set(alone)) == len(classes) > 1 and len(cases) > len(classes):
        census.note(
            f"Each class ({', '.join(classes[:3])}{' ...' if len(classes) > 3 else ''}) holds files of one patient; if "
            "the folders are patients, give a table of the classes with --labels."
        )


def _cases(
    tree: Tree,
    one: ClassFolder,
    label: int,
    side: str | None,
    reading: Reading,
    used: dict[str, str],
    annotated: Annotations,
    several: Collection[str],
    group_of: Callable[[str], str | None],
) -> Iterator[Case]:
    for image in one.images:
        masks = one.masks.get(image, ())
        if several:
            masks = tuple(pair for pair in masks if pair[1] not in several)
        used[image] = "image"
        if image.lower().endswith(".hdr"):  # Analyze keeps the values in a file of their own
            used |= dict.fromkeys((f"{image[:-4]}.img", f"{image[:-4]}.IMG"), "values of an image")
        used.update((mask, "mask") for _, mask in masks)
        path = tree.path(image)
        entries: list[tuple[MaskRole | None, Entry]] = [(role, tree.path(mask)) for role, mask in masks]
        entries += [(None, entry) for entry in annotated.entries.get(image, ())]
        source = files.ImageFile(path, tuple(entries), reading)
        yield Case(image, label, source, group_of(image), split=side)


def _shared_masks(folders: Sequence[ClassFolder], census: Census) -> set[str]:
    """Masks that fit images of one name in several folders, which are not used. Images of one folder that differ in
    their suffix alone share theirs, with a note."""
    first: dict[str, str] = {}
    alike: dict[str, str] = {}
    apart: set[str] = set()
    for one in folders:
        for image, masks in one.masks.items():
            for _, mask in masks:
                other = first.setdefault(mask, image)
                if other == image:
                    continue
                if parent(other) == parent(image):
                    alike[mask] = image
                else:
                    apart.add(mask)
    alike = {mask: image for mask, image in alike.items() if mask not in apart}
    if alike:
        mask, image = next(iter(alike.items()))
        census.note(
            f"{len(alike)} {'mask belongs' if len(alike) == 1 else 'masks belong'} to several images that differ in "
            f"their suffix alone: {mask} is the mask of {first[mask]} and of {image}."
        )
    return apart


def _note_absent(
    sides: Sequence[tuple[str | None, Classes]], names: dict[str, str], classes: Sequence[str], census: Census
) -> None:
    """Folders that may be meant as classes and hold no image, and classes that are absent from a side."""
    empty = [name for _, found in sides for name in found.empty if found.folders]
    if empty:
        shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        census.note(
            f"The folder {shown} holds no image and is not a class."
            if len(empty) == 1
            else f"The folders {shown} hold no images and are not classes."
        )
    there: dict[str, set[str]] = {}
    for side, found in sides:
        if side is not None and found.folders:
            there.setdefault(side, set()).update(names[one.name] for one in found.folders)
    for side, known in there.items():
        absent = [name for name in classes if name not in known]
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
            census.note(f"The side {side} has no image of the class{'es' if len(absent) > 1 else ''} {shown}.")


def _note_twins(images: Iterable[str], census: Census) -> None:
    """Images of one folder that differ in their suffix alone are often one image in two formats."""
    first: dict[str, str] = {}
    twins = []
    for image in images:
        other = first.setdefault(join(parent(image), stem_of(image)), image)
        if other != image:
            twins.append((other, image))
    if twins:
        one, other = twins[0]
        count = "1 image has" if len(twins) == 1 else f"{len(twins)} images have"
        census.note(
            f"{count} the name of another in the same folder with another suffix, such as {one} and {other}; if they "
            "are the same image, take one of them away."
        )


def _note_nested(found: Classes, census: Census) -> None:
    nested = [one for one in found.folders if one.nested]
    if nested and len(nested) < len(found.folders):
        for one in nested:
            census.note(f"The images of class {one.name} lie deeper than those of other classes, in {one.nested}.")
    elif nested:
        census.note(
            f"Images lie in sub-folders of the class folders, such as {nested[0].nested}; a split does not keep "
            "sub-folders together. If they are the classes, name them with --classes."
        )
