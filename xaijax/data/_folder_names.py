"""What the names of folders say: parts of a data set, annotations, kinds of files, patients; others may be classes."""

import re
from collections.abc import Collection

from xaijax.data import spelling

# Names of folders that are rarely classes, without spaces, hyphens and underscores.
ODD = frozenset(
    {"test", "tests", "testing", "testcase", "testcases", "testset", "testdata", "testimages"}
    | {"train", "training", "val", "valid", "validation"}
    | {"unlabeled", "unlabelled", "unlabeleddata", "unlabelleddata", "unlabeledimages", "unlabelledimages", "nolabel"}
    | {"unknown", "unclassified", "unsorted"}
    | {"annotation", "annotations", "segmentation", "segmentations", "groundtruth", "label", "labels", "trimaps"}
)
# Names of folders inside a class, as ODD.
ANNOTATIONS = frozenset(
    {"annotation", "annotations", "segmentation", "segmentations", "seg", "segs", "groundtruth", "gt", "gts"}
    | {"label", "labels", "trimap", "trimaps", "roi", "rois", "contour", "contours", "overlay", "overlays"}
)
# Names of folders that say how images are stored or taken, as ODD.
PLAIN = frozenset(
    {"images", "image", "imgs", "img", "png", "jpg", "jpeg", "tif", "tiff", "bmp", "dcm", "dicom", "nii", "nifti"}
    | {"slices", "frames", "scans", "files", "data", "originals", "original", "raw", "ct", "mr", "mri", "us", "xray"}
)
_WORDS = re.compile(r"[\W_]+")
_YEAR = re.compile(r"(?<=[a-z])(19|20)\d\d$")
_OF_SIDES = frozenset({"train", "training", "val", "valid", "validation", "test", "testing", "pred", "prediction"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SIDE_WORDS = _OF_SIDES | {"tr", "ts", "va", "trainset", "testset"}
_IMAGE_PARTS = frozenset({"images", "image", "imgs", "img", "input", "pictures"})
_LABEL_PARTS = frozenset({"labels", "label", "masks", "groundtruth"})
_COUNTING = frozenset({"part", "stage", "batch", "set", "data", "folder", "cases"})
MOST_CLASSES = 10  # of bare numbers
_NUMBERED = re.compile(r"\d")
_GRADED = re.compile(
    r"(class|cls|label|grade|level|stage|type|category|score|bi-?rads|k-?l|dr|fold)[\W_]*\d", re.IGNORECASE
)
_PATIENT = re.compile(
    r"(p|pt|pat|patients?|subj?|subjects?|cases?|id|study|series|scan|vol|volume|exam)[\W_]*\d+|\d{3,}"
    r"|([a-z]+[-_ ])+\d{3,}([-_ ]\d+)*",  # LIDC-IDRI-0001
    re.IGNORECASE,
)


def like_patients(names: set[str]) -> bool:
    """Whether folders are called like patients, studies or series (`p1`, `case_12`, `0007`, `8863`) or like files.
    Grades and the like are classes, and so may be up to ten bare numbers of one or two digits."""
    names = {name for name in names if _WORDS.sub("", name).lower() not in PLAIN}
    if any(_GRADED.match(name) or not _NUMBERED.search(name) for name in names):
        return False
    bare = [name for name in names if name.isdecimal()]
    return len(bare) > MOST_CLASSES or all(len(name) > 2 or (len(name) > 1 and name[0] == "0") for name in bare)


def patients_above(outer: set[str], inner: set[str]) -> bool:
    """Whether folders are rather patients than those in them.

    Example:
        >>> patients_above({"p1", "p2"}, {"t1", "t2"}), patients_above({"T1", "T2"}, {"p1", "p2"})
        (True, False)
    """
    strict = [all(map(_PATIENT.fullmatch, names)) for names in (outer, inner)]
    return like_patients(outer) and not (strict[1] and not strict[0])


def named_like_patients(names: Collection[str], least: int = 3) -> bool:
    """Whether so many folders or more are called like patients and hardly like classes."""
    strict = len(names) >= least and all(map(_PATIENT.fullmatch, names))
    return strict or (len(names) > MOST_CLASSES and like_patients(set(names)))


def is_odd(name: str) -> bool:
    """Whether a folder is rarely a class: it is called like a part of a data set or like its annotations.

    Example:
        >>> is_odd("Test cases"), is_odd("imagesTr"), is_odd("label 1"), is_odd("glioma")
        (True, True, False, False)
    """
    plain = _WORDS.sub("", name).lower()
    words = _WORDS.split(name.lower())
    known = plain in ODD or _YEAR.sub("", plain) in ODD or (len(words) == 2 and words[1] in _OF_SIDES)
    return known or spelling.side(name) is not None or _is_part(name)


def _is_part(name: str) -> bool:
    """Whether a folder is named like a part of a data set: `train_images`, `imagesTr`, `stage_2_test_images`,
    `images_001`, `HAM10000_images_part_2`."""
    words = {word.lower() for word in _WORD.findall(name) if len(word) > 1 or word.isdigit()}
    sides, images = words & _SIDE_WORDS, words & _IMAGE_PARTS
    if (images and (sides or "part" in words)) or (words & _LABEL_PARTS and sides):
        return True
    counting = {word for word in words if word in _COUNTING or word.isdigit()}
    return bool(counting and (sides or images)) and words == counting | sides | images


def is_plain(name: str) -> bool:
    """Whether a folder is called by how images are stored or taken, such as `jpeg`."""
    return _WORDS.sub("", name).lower() in PLAIN


def annotates(name: str) -> bool:
    """Whether a folder inside a class is called like annotations."""
    return _WORDS.sub("", name).lower() in ANNOTATIONS
