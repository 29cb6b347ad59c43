"""Folders of patients with a folder per class in each: `<patient>/<class>/*`, as IDC, the breast histology patches.

The class is the last folder, the patient the first, and a split keeps patients together. The layout is taken where

* the outer folders are called like patients (`8863`, `p7`, `case_12`) and hold no images of their own;
* 2 to 20 inner folders occur in several patients, and their names may be those of classes: words, or numbers from 0.
  Sequences, views and kinds of files (`t1`, `axial`, `dicom`) are not classes, unless `--classes` names them.

References:
    Cruz-Roa et al., "Automatic detection of invasive ductal carcinoma in whole slide images with convolutional neural
    networks", SPIE Medical Imaging 9041, 2014; patches of 50 x 50 pixels, 0 without and 1 with carcinoma.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import _folder_names, class_tree, spelling
from xaijax.data.class_tree import Classes
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.scan import Tree, scan

MOST_CLASSES = 20
OTHER = "it does not lie in a class folder of a patient"
# Names, in their normal form, of what is recorded of one patient; with and without a number behind.
_WORDS = (
    "t1 t2 t1c t1ce t1gd t1w t2w flair dwi adc pd swi asl bold ct cta pet mr mri mra us xray cxr oct fundus axial "
    "sagittal coronal ap pa lateral cc mlo left right od os pre post baseline followup arterial venous portal delayed "
    "scan study series session visit timepoint frame frames slice slices view sequence image images raw photo"
)
_RECORDS = frozenset(_WORDS.split())


def matches(folder: Path, *, allow_outside: bool = False) -> bool:
    """Whether the folder has this layout."""
    # The names in the folder itself spare most data sets a second list of all files.
    outer = [one.name for one in folder.iterdir() if one.is_dir()]
    if 2 * sum(any(map(str.isdigit, name)) for name in outer) <= len(outer):
        return False
    return bool(_patients(scan(folder, allow_outside=allow_outside), ()))


def names_all(folder: Path, reading: Reading) -> bool:
    """Whether the classes that were asked for are folders in those of patients, whatever they are called."""
    if len(reading.classes) < 2:
        return False
    return bool(_patients(scan(folder, allow_outside=reading.allow_outside), reading.classes))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of all patients.

    Args:
        folder: the folder that holds one folder per patient.
        reading: how to read them.

    Returns:
        The data set, classes sorted by name, cases by class, patient and name; the group is the patient.

    Raises:
        InputError: if no patient has class folders with images.
    """
    census = Census("patient folders with class folders")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    patients = _patients(tree, reading.classes) or _patients(tree, ())
    if not patients:
        raise InputError(f"{folder} has no folders of patients that hold class folders with images")
    classes = sorted({one.name for found in patients.values() for one in found.folders})
    census.note(
        f"Classes are the last folders ({', '.join(classes[:5])}{' ...' if len(classes) > 5 else ''}), and the first "
        f"folders ({', '.join(list(patients)[:3])} ...) are patients: {len(patients)}."
    )
    return class_tree.dataset(
        folder,
        tree,
        [(None, found) for found in patients.values()],
        reading,
        census,
        reasons={"": OTHER},
        group_of=lambda image: f"patient {image.partition('/')[0]}",
    )


def _patients(tree: Tree, wanted: Sequence[str]) -> dict[str, Classes]:
    """The patients with their class folders; none where the folders are not called or filled like that."""
    outer = tree.folders[""]
    if len(outer) < 2 or any(class_tree.has_images(tree, name) for name in outer):
        return {}
    asked = {spelling.key(name) for name in wanted}
    found = {}
    for name in outer:
        every = class_tree.find(tree, name, wanted)
        folders = tuple(
            one for one in every.folders if not one.nested and (not asked or spelling.key(one.name) in asked)
        )
        if folders:
            found[name] = Classes(folders, every.reasons)
    inner = Counter(spelling.key(one.name) for classes in found.values() for one in classes.folders)
    # A second copy of the set, or a folder of notes, may lie next to the patients.
    if 2 * len(found) <= len(outer) or not _folder_names.like_patients(set(found)):
        return {}
    if not asked and not _folder_names.named_like_patients(set(found), 2):
        return {}
    if not 2 <= len(inner) <= MOST_CLASSES or max(inner.values()) < 2:
        return {}
    return found if asked or _may_be_classes(set(inner)) else {}


def _may_be_classes(names: set[str]) -> bool:
    plain = {normal(name).rstrip("0123456789") for name in names} | {normal(name) for name in names}
    if plain & _RECORDS or _folder_names.like_patients(names):
        return False
    bare = {int(name) for name in names if name.isdecimal()}
    return not bare or bare == set(range(len(bare)))
