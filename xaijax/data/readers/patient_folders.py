"""Folders of patients with a folder per class in each: `<patient>/<class>/*`, as IDC, the breast histology patches.

The class is the last folder, the patient the first, and a split keeps patients together. The layout is taken where

* the outer folders are called like patients (`8863`, `p7`, `case_12`) and hold no images of their own;
* 2 to 20 inner folders occur in several patients, and their names may be those of classes: numbers from 0, words of
  which one is a finding (`normal`, `tumour`), or words that some patients lack. Where every patient has all of them,
  other words are as likely two acquisitions of one patient (`thin`, `thick`) as two classes.

Sequences, views, kinds of files and pairs of registration (`t1`, `axial`, `dicom`, `fixed`) are not classes, and years,
magnifications and sizes (`2019`, `400`, `512`) not patients, unless `--classes` names the classes.

References:
    Cruz-Roa et al., "Automatic detection of invasive ductal carcinoma in whole slide images with convolutional neural
    networks", SPIE Medical Imaging 9041, 2014; patches of 50 x 50 pixels, 0 without and 1 with carcinoma.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import _folder_names, class_cases, class_tree, spelling
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
    "scan study series session visit timepoint frame frames slice slices view sequence image images raw photo "
    "before after fixed moving source target input output reference ed es lr hr ldct ndct thin thick contrast dose "
    "inspiration expiration supine prone he ihc brightfield fluorescence nbi clinical dermoscopic dermoscopy"
)
_RECORDS = frozenset(_WORDS.split())
# Parts of names of classes; without one of them, folders that every patient has may be acquisitions.
_FINDING = re.compile(
    r"normal|healthy|benign|malig|tumou?r|cancer|carcinoma|oma\b|lesion|positive|negative|sick|disease|patholog|infect"
    r"|polyp|nodule|cyst|stroma|necro|mitos|grade|pneumonia|covid|tubercul|hemorrh|haemorrh|fracture|metasta|itis\b"
    r"|^non?[\W_]|control",
    re.IGNORECASE,
)
_ROUND = (32, 100)  # sizes and magnifications are multiples of these
_SIZES = frozenset({150, 180, 227, 299, 331, 380})
_SPLIT = re.compile(r"[\W_]+")
_YEAR = re.compile(r"(19|20)\d\d")


def matches(folder: Path, *, allow_outside: bool = False) -> bool:
    """Whether the folder has this layout."""
    # The names in the folder itself spare most data sets a second list of all files.
    outer = [one for one in folder.iterdir() if one.is_dir()]
    if 2 * sum(any(map(str.isdigit, one.name)) for one in outer) <= len(outer):
        return False
    if 2 * sum(map(_has_folders, outer)) <= len(outer):
        return False
    return bool(_patients(scan(folder, allow_outside=allow_outside), ()))


def _has_folders(folder: Path) -> bool:
    try:
        with os.scandir(folder) as every:
            return any(one.is_dir() for one in every)
    except OSError:
        return False


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
        f"folders ({', '.join(list(patients)[:3])} ...) are patients: {len(patients)}. If the first are the classes, "
        "give a table with --labels."
    )
    return class_cases.dataset(
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
    if not asked and (not _folder_names.named_like_patients(set(found), 2) or _settings(set(found))):
        return {}
    if not 2 <= len(inner) <= MOST_CLASSES or max(inner.values()) < 2:
        return {}
    complete = min(inner.values()) == len(found)
    return found if asked or _may_be_classes(set(inner), complete) else {}


def _settings(names: set[str]) -> bool:
    """Whether folders are called by years, or by the usual magnifications and sizes of images."""
    if not all(map(str.isdecimal, names)):
        return False
    numbers = set(map(int, names))
    round_ones = all(number in _SIZES or not all(number % step for step in _ROUND) for number in numbers)
    return round_ones or all(map(_YEAR.fullmatch, names))


def _may_be_classes(names: set[str], complete: bool) -> bool:
    """Whether folders of patients are called like classes; `complete` where every patient has all of them."""
    words = {word for name in names for word in _SPLIT.split(name.lower())}
    plain = {normal(name).rstrip("0123456789") for name in names} | {normal(name) for name in names} | words
    if plain & _RECORDS or _folder_names.like_patients(names) or any(map(_folder_names.annotates, names)):
        return False
    bare = {int(name) for name in names if name.isdecimal()}
    if bare:
        return bare == set(range(len(bare)))
    return not complete or any(map(_FINDING.search, names))
