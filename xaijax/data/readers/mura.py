"""MURA, X-rays of arms and hands: `train/XR_WRIST/patient00006/study1_positive/image1.png`, and `valid/`.

The class is that of the study, negative (normal) or positive (abnormal). The part of the body is in `Case.extra`; where
`--classes` names parts, such as XR_WRIST, they are the classes. The patient is the group, the folders are the sides.
The tables of paths repeat what the folders say.

References:
    Rajpurkar et al., "MURA: Large dataset for abnormality detection in musculoskeletal radiographs", MIDL 2018.
"""

import re
from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import files
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.scan import Tree, scan
from xaijax.data.spelling import side

_PATH = re.compile(
    r"(?:.*/)?(?P<part>XR_[A-Z]+)/(?P<patient>patient\d+)/(?P<study>study\d+)_(?P<class>positive|negative)/[^/]+"
)
OTHER = "it does not lie in a folder of a study"


def matches(folder: Path) -> bool:
    """Whether the folder has this layout: folders of parts of the body, with studies below."""
    # The names in the folder itself spare most data sets a second list of all files.
    near = (side(one.name) or one.name.startswith("XR_") for one in folder.iterdir())
    return any(near) and bool(_images(scan(folder)))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of all studies.

    Args:
        folder: the folder with `train` and `valid`, or one of them.
        reading: how to read them; classes that are all parts of the body ask for these.

    Returns:
        The data set, classes sorted by name, cases by path, with `Case.split` where folders are sides.

    Raises:
        InputError: if no image lies in a folder of a study.
    """
    census = Census("MURA")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    found = _images(tree)
    if not found:
        raise InputError(f"{folder} holds no images of studies of MURA")
    parts = {normal(form["part"]) for form in found.values()}
    by_part = bool(reading.classes) and {normal(name) for name in reading.classes} <= parts
    key = "part" if by_part else "class"
    classes = tuple(sorted({form[key] for form in found.values()}))
    census.note(
        "The class is the part of the body."
        if by_part
        else "The class is that of the study; --classes with parts of the body, such as XR_WRIST, takes these instead."
    )
    cases = [
        Case(
            id=name,
            label=classes.index(form[key]),
            source=ImageFile(tree.path(name), (), reading),
            group=f"patient {form['patient'].removeprefix('patient')}",
            extra=MappingProxyType({one: form[one] for one in ("part", "study", "class")}),
            split=side(name.split("/")[0]),
        )
        for name, form in found.items()
    ]
    tree.count(census, dict.fromkeys(found, "image"), {"": OTHER})
    return Dataset(folder.resolve().name, classes, reading.mask_role, tuple(cases), found=census.found())


def _images(tree: Tree) -> dict[str, re.Match[str]]:
    forms = ((name, _PATH.fullmatch(name)) for name in tree.names())
    return {name: form for name, form in forms if form is not None and files.is_image(name)}
