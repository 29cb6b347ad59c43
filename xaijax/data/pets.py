"""What the Oxford-IIIT Pet set and the sets made from it share: names, trimaps and lists of a split.

A file is `<Breed>_<number>`; breeds of cats begin with a capital letter, breeds of dogs with a small one. A trimap is 1
on the animal, 2 outside and 3 on the border, which belongs to neither.
"""

import re
from pathlib import Path
from types import MappingProxyType

from xaijax.data import files
from xaijax.data.found import Census
from xaijax.data.masks import Rule
from xaijax.data.reading import MaskRole, Reading
from xaijax.data.scan import Tree, join

SPECIES = ("cat", "dog")
ANIMAL = 1  # in a trimap
LISTS = {"trainval.txt": "training", "test.txt": "test"}
_NUMBER = re.compile(r"_\d+$", re.ASCII)
_WORD = re.compile(r"(?:^|[\W\d_])(cat|dog)s?(?=$|[\W\d_])", re.IGNORECASE)


def breed(stem: str) -> str:
    """The name of a file without its number: "american_bulldog" of "american_bulldog_12"."""
    return _NUMBER.sub("", stem)


def species(stem: str) -> str | None:
    """ "cat" or "dog": the word in a name, else by its first letter; None for a name that begins with no letter.

    Example:
        >>> species("Bengal_3"), species("beagle_3"), species("Coco_cat_00147"), species("dog.12"), species("0001")
        ('cat', 'dog', 'cat', 'dog', None)
    """
    word = _WORD.search(stem)
    if word:
        return word[1].lower()
    return None if not stem[:1].isalpha() else "cat" if stem[0].isupper() else "dog"


def stem(name: str) -> str:
    """The name of a file without its folder and suffix."""
    return Path(name).stem


def by_stem(tree: Tree, folder: str) -> dict[str, str]:
    """The images of a folder by their name without suffix; none where there is no such folder."""
    return {stem(name): join(folder, name) for name in tree.files.get(folder, ()) if files.is_image(name)}


def sides(tree: Tree, folder: str, used: dict[str, str], census: Census) -> dict[str, str]:
    """The side of each image by its name, from `trainval.txt` and `test.txt`; lists that are there are marked as used.

    A line begins with the name; lines that begin with `#` are comments.
    """
    found: dict[str, str] = {}
    for name, side in LISTS.items():
        if name in tree.files.get(folder, ()):
            used[join(folder, name)] = "table"
            try:
                text = Path(tree.path(join(folder, name))).read_text("utf-8")
            except (OSError, UnicodeDecodeError):
                census.note(f"The list {name} cannot be read; its images are on no side of a split.")
                continue
            names = (line.split()[0] for line in text.splitlines() if line.split() and not line.startswith("#"))
            found |= dict.fromkeys(names, side)
    return found


def trimaps(reading: Reading, census: Census) -> tuple[Rule, MaskRole | None]:
    """What trimaps mean, and what they outline: the organ, or the lesion if `mask_role` calls the animal so.

    A rule of `--mask-values` that names roles says both itself: then nothing is stated here.
    """
    role: MaskRole = "lesion" if reading.mask_role == "lesion" else "organ"
    if not reading.mask_values:
        census.note(f"Trimaps: 1 (the animal) was taken as the {role}, 2 (outside) and 3 (border) were not.")
    named = bool(reading.mask_values) and None not in reading.mask_values
    return MappingProxyType({role: (ANIMAL,)}), None if named else role
