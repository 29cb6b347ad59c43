"""Images with the text files of YOLO: `train/images/1.jpg` and `train/labels/1.txt`, or `images/train/1.jpg` and
`labels/train/1.txt`.

`data.yaml` (or another `.yaml`, or `classes.txt`) names the classes. A label lies where its image does, with `labels`
in the place of `images` in its path. The class of an image is that of its objects; where one image has objects of
several classes or none, the data set has findings, several per image. Objects are masks. The side is the folder's.

Images without a text file are left out: nothing says whether they hold an object.

References:
    docs.ultralytics.com/datasets/detect, the format.
"""

from pathlib import Path

from xaijax._errors import InputError
from xaijax.data import files
from xaijax.data.dataset import Case, Dataset
from xaijax.data.files import ImageFile
from xaijax.data.found import Census
from xaijax.data.masks import yolo
from xaijax.data.reading import Reading
from xaijax.data.scan import Tree, scan
from xaijax.data.spelling import side
from xaijax.data.tables.labels import present

IMAGES, LABELS = "images", "labels"
NO_LABEL = "it has no text file of labels"
LARGEST_FILE = 2**24  # bytes of a file of names or labels
_NAMES = ("classes.txt", "obj.names", "labels/classes.txt")


def matches(folder: Path) -> bool:
    """Whether the folder has this layout: names of classes, and one image with a file of labels."""
    # The names in the folder itself spare most data sets a second list of all files.
    near = [one.name.lower() for one in folder.iterdir()]
    if not any(name.endswith((".yaml", ".yml")) or name in ("classes.txt", "obj.names", LABELS) for name in near):
        return False
    tree = scan(folder)
    return _names(tree) is not None and bool(_pairs(tree))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the images that have labels.

    Args:
        folder: the folder that holds the names of the classes.
        reading: how to read them; nothing states what the objects are.

    Returns:
        The data set, classes in the order of their numbers, cases by name; with `Case.split` where folders are sides.

    Raises:
        InputError: for a damaged file of labels, or a class that has no name.
    """
    census = Census("YOLO")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    file, names = _names(tree) or ("", ())
    pairs = _pairs(tree)
    if not pairs:
        raise InputError(f"{folder} holds no image with a text file of labels")
    used = {file: "table"}
    objects: dict[str, tuple[yolo.Line, ...]] = {}
    for image, label in pairs.items():
        used |= {image: "image", label: "annotation"}
        objects[image] = _objects(Path(tree.path(label)), names)
    kinds = {image: {names[kind] for kind, _ in lines} for image, lines in objects.items()}
    single = all(len(there) == 1 for there in kinds.values())
    if not single:
        several = sum(len(there) > 1 for there in kinds.values())
        census.note(
            f"Images are of several findings: {several} have objects of several classes and "
            f"{sum(not there for there in kinds.values())} have none."
        )
    cases = []
    for image, lines in objects.items():
        masks = ((None, yolo.YoloObjects(lines, names)),) if lines else ()
        cases.append(
            Case(
                image,
                names.index(next(iter(kinds[image]))) if single else -1,
                ImageFile(tree.path(image), masks, reading),
                files.patient(tree.path(image)),
                split=next((found for part in image.split("/")[:-1] if (found := side(part))), None),
                findings=None if single else present(names, kinds[image]),
            )
        )
    tree.count(census, used, {"": NO_LABEL})
    return Dataset(folder.resolve().name, names, reading.mask_role, tuple(cases), found=census.found())


def _pairs(tree: Tree) -> dict[str, str]:
    """Image -> its file of labels, in the order of the images."""
    labels = {name for place in tree.below() if LABELS in place.split("/") for name in _texts(tree, place)}
    found = {}
    for place in tree.below():
        parts = place.split("/")
        if IMAGES not in parts:
            continue
        at = len(parts) - 1 - parts[::-1].index(IMAGES)
        home = "/".join([*parts[:at], LABELS, *parts[at + 1 :]])
        for name in tree.files[place]:
            label = f"{home}/{name.rpartition('.')[0]}.txt"
            if label in labels and files.is_image(name):
                found[f"{place}/{name}"] = label
    return found


def _texts(tree: Tree, place: str) -> list[str]:
    return [f"{place}/{name}" for name in tree.files[place] if name.endswith(".txt") and name != "classes.txt"]


def _names(tree: Tree) -> tuple[str, tuple[str, ...]] | None:
    """The file that names the classes, and the names in the order of their numbers."""
    every = set(tree.names())
    for name in tree.files[""]:
        if name.lower().endswith((".yaml", ".yml")):
            names = _of_yaml(Path(tree.path(name)))
            if names:
                return name, names
    for name in _NAMES:
        if name in every:
            try:
                text = _text(Path(tree.path(name)))
            except (OSError, ValueError):
                continue
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines and len(set(lines)) == len(lines):
                return name, tuple(lines)
    return None


def _of_yaml(path: Path) -> tuple[str, ...]:
    """The names in a YAML file: a list, or numbers from 0 with their names; none for another file."""
    import yaml

    try:
        top = yaml.safe_load(_text(path))
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return ()
    names = top.get("names") if isinstance(top, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[at] for at in range(len(names))]
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        return ()
    return tuple(map(str, names))


def _objects(path: Path, names: tuple[str, ...]) -> tuple[yolo.Line, ...]:
    try:
        lines = yolo.parse(_text(path))
    except ValueError as error:
        raise InputError(f"{path}: {error}; write one line for each object, class x y width height") from None
    strange = [kind for kind, _ in lines if kind >= len(names)]
    if strange:
        raise InputError(f"{path} has the class {strange[0]}, and {len(names)} classes have names, counted from 0")
    return lines


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError("it is too large")
    return path.read_text(encoding="utf-8-sig", errors="replace")
