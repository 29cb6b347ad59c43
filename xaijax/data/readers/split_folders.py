"""Class folders in folders of a split: `train/<class>/*`, `val/<class>/*`, `test/<class>/*`, as Kaggle publishes sets.

They are one data set, and the side is `Case.split`. Side folders are named as `spelling.side` knows them;
class folders in them follow `xaijax.data.class_tree`, and their classes may be spelled differently on two sides. Images
that lie in a side folder without a class folder, such as a test side without labels, are left out. Where the classes
may lie one folder deeper (`train/<hospital>/<class>/*`), nothing is taken unless `--classes` names the folders.
"""

from collections.abc import Iterator
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data import class_cases, class_tree, spelling
from xaijax.data.class_tree import Classes
from xaijax.data.dataset import Dataset
from xaijax.data.found import Census
from xaijax.data.reading import Reading
from xaijax.data.scan import Tree, scan
from xaijax.data.spelling import SIDES, side

NO_SIDE = "its folder is not a side of the split"


def matches(folder: Path, *, allow_outside: bool = False) -> bool:
    """Whether the folder has this layout."""
    if not any(side(child.name) for child in folder.iterdir()):
        return False
    return bool(_sides(scan(folder, allow_outside=allow_outside), ()))


def names_all(folder: Path, reading: Reading) -> bool:
    """Whether the classes that were asked for are folders in those of the sides, whatever lies in them."""
    if len(reading.classes) < 2 or not any(side(child.name) for child in folder.iterdir()):
        return False
    sides = _sides(scan(folder, allow_outside=reading.allow_outside), reading.classes)
    there = {spelling.key(one.name) for _, found in sides for one in found.folders}
    return all(spelling.key(name) in there for name in reading.classes)


def unsure(folder: Path) -> list[str]:
    """The folders in those of sides that hold folders which may be the classes instead; none for other layouts."""
    if not any(side(child.name) for child in folder.iterdir()):
        return []
    sides = list(_each(scan(folder), ()))
    every = [one for _, found in sides for one in found.folders]
    nested = len(every) > 1 and all(one.nested for one in every) and not any(found.certain for _, found in sides)
    return list(dict.fromkeys(one.name for one in every)) if nested else []


def read(folder: Path, reading: Reading) -> Dataset:
    """List the cases of all sides.

    Args:
        folder: the folder that holds the side folders.
        reading: how to read them.

    Returns:
        The data set with `Case.split`, cases by class, side and name.

    Raises:
        InputError: if no side folder has class folders with images.
    """
    census = Census("class folders in training, validation and test folders")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    sides = _sides(tree, reading.classes)
    if not sides:
        raise InputError(f"{folder} has no folder of a split that holds class folders with images")
    return class_cases.dataset(folder, tree, sides, reading, census, reasons={"": NO_SIDE})


def _sides(tree: Tree, wanted: tuple[str, ...]) -> list[tuple[str, Classes]]:
    """The sides in the order of `SIDES`; none where other folders hold images as classes do, unless two sides share a
    class."""
    sides = list(_each(tree, wanted))
    classes = [{spelling.key(one.name) for one in found.folders} for _, found in sides]
    shared = sum(map(len, classes)) > len(set().union(*classes))
    if not shared and any(not one.nested and not side(one.name) for one in class_tree.find(tree).folders):
        return []
    # One class folder alone may be as certain as that; classes named by no one must be so on one side.
    sure = wanted or any(found.certain for _, found in sides)
    return sides if sure and any(found.folders for _, found in sides) else []


def _each(tree: Tree, wanted: tuple[str, ...]) -> Iterator[tuple[str, Classes]]:
    for name in SIDES:
        for child in tree.folders[""]:
            if side(child) == name:
                yield name, class_tree.find(tree, child, wanted)
