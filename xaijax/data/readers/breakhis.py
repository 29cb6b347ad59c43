"""BreakHis, breast tumours under the microscope: `SOB_M_DC-14-2523-40-001.png` in any folders.

The name of a file says it all: procedure (SOB), class (B benign, M malignant), type of tumour, year, slide (the
patient), magnification and number. The class is benign or malignant, or the type where `--classes` names types only.
Images of all magnifications are taken. Copies with `train` and `test` folders have these sides. Slide 13412 holds two
types, which stay together.

References:
    Spanhol et al., "A dataset for breast cancer histopathological image classification", IEEE Transactions on
    Biomedical Engineering 63:7, 2016.
"""

import re
from collections import Counter
from pathlib import Path
from types import MappingProxyType

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data import files
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.scan import scan
from xaijax.data.spelling import side

_NAME = re.compile(
    r"(?:SOB|CNB)_(?P<class>[BM])_(?P<type>A|F|PT|TA|DC|LC|MC|PC)-(?P<year>\d+)-(?P<slide>\w+)-(?P<zoom>\d+)-\d+\.\w+"
)
_CLASS = {"B": "benign", "M": "malignant"}
_TYPE = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes tumor",
    "TA": "tubular adenoma",
    "DC": "ductal carcinoma",
    "LC": "lobular carcinoma",
    "MC": "mucinous carcinoma",
    "PC": "papillary carcinoma",
}
OTHER = "its name is not that of an image of BreakHis"


def matches(folder: Path) -> bool:
    """Whether the folder has this layout: most images in it are named so."""
    found = (files.first_image(folder) or "").rpartition("/")[2]
    if not _NAME.fullmatch(found):
        return False
    images = [name for name in scan(folder).names() if files.is_image(name)]
    return 2 * sum(_NAME.fullmatch(_last(name)) is not None for name in images) > len(images)


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images of the set.

    Args:
        folder: the folder, as it was unpacked or any folder in it.
        reading: how to read them; classes that are all types of tumours ask for these.

    Returns:
        The data set, classes sorted by name, cases by name; the group is the slide, one of each patient.

    Raises:
        InputError: if no image is named as in the set.
    """
    census = Census("BreakHis")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    found = {name: form for name in tree.names() if (form := _NAME.fullmatch(_last(name))) and files.is_image(name)}
    if not found:
        raise InputError(f"{folder} holds no images of BreakHis")
    by_type = bool(reading.classes) and {normal(name) for name in reading.classes} <= set(map(normal, _TYPE.values()))
    words = {name: (_CLASS[form["class"]], _TYPE[form["type"]]) for name, form in found.items()}
    classes = tuple(sorted({one[by_type] for one in words.values()}))
    census.note(
        "The class is the type of tumour; whether it is benign stands in the column class."
        if by_type
        else "The class is benign or malignant; --classes with types of tumours, such as adenosis, takes these instead."
    )
    zooms = sorted(Counter(int(form["zoom"]) for form in found.values()).items())
    census.note(f"Magnifications: {', '.join(f'{zoom}x ({count} images)' for zoom, count in zooms)}; all are taken.")
    cases = [
        Case(
            id=name,
            label=classes.index(words[name][by_type]),
            source=ImageFile(tree.path(name), (), reading),
            group=f"patient {form['year']}-{_slide(form['slide'])}",
            extra=MappingProxyType(
                {"class": words[name][0], "type": words[name][1], "magnification": f"{form['zoom']}x"}
            ),
            split=_side(name),
        )
        for name, form in found.items()
    ]
    tree.count(census, dict.fromkeys(found, "image"), {"": OTHER})
    return Dataset(folder.resolve().name, classes, reading.mask_role, tuple(cases), found=census.found())


def _slide(text: str) -> str:
    """The slide without the letters of its part: 22549AB and 22549CD are cuts of one tumour."""
    number = re.match(r"\d+", text)
    return number[0] if number else text


def _side(name: str) -> str | None:
    return next((found for part in name.split("/")[:-1] if (found := side(part))), None)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
