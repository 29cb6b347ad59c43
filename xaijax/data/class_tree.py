"""Class folders in a tree of names: which folders are classes, where their images and masks lie.

The rule. A class is a folder that holds images: in itself, else in its `images/`, else in any folder below it. Images
in sub-folders of a class that has images of its own are left out. These folders are not classes:

* `images` (or `image`, `imgs`, `img`), `masks` and `masks_<role>`; where there are no others, the classes are the
  folders in `images`, and masks lie in `masks/<class>/` next to it;
* inside a class, folders named like annotations, such as `gt` or `labels`, next to a folder of images;
* folders with a `labels.csv`, which are data sets of their own;
* where two other classes are left: folders named like a part of a data set or like its annotations, such as `test`,
  "Test cases", `unlabelled`, `segmentations`, `results`. They are left out with this reason, unless they are named as
  classes. Nor are several of them without any other folder, or classes of several sides: `trainA`, `trainB`, `testA`,
  `testB`.

A mask has the name of its image and lies in `masks/<class>/`, in `masks/` of the class or of the image's folder, or
next to the image as `<name>_mask`, `<name>_mask_1` ... (or `-Mask`, `.mask`, `_seg`, `_segmentation`, `_gt`, `_label`,
`_annotation`, `_lesion`) or `mask_<name>`, also where `image` stands in the place of `mask`: `image_1`, `mask_1`. A
file called so is an image where there is no such image. Masks may be arrays (`.npy`), or annotations
(`xaijax.data.annotations`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from xaijax.data import files, spelling
from xaijax.data._folder_names import (
    annotates,
    is_odd,
    is_plain,
    like_patients,
    patients_above,
    sides_of_classes,
)
from xaijax.data.reading import MaskRole
from xaijax.data.scan import Tree, join, parent

OWN_TABLE = "labels.csv"
LEFT_OVER = "it lies outside the class folders"
ANNOTATION = "its folder is named like annotations, next to one of images"
NO_IMAGE = "it is a mask and no image has its name"
DEEPER = "it lies in a sub-folder of a class folder that has images of its own"
COPY = "its folder holds folders that are called like the classes, as a second copy of the data set does"
DATA_SET = f"its folder has a {OWN_TABLE} and so is a data set of its own"
_MASK_NAMES: dict[str, MaskRole | None] = {
    "mask": None,
    "masks": None,
    **{f"masks_{role}": role for role in get_args(MaskRole)},
}
_MASK_WORD = "(masks?|seg|segmentation|gt|ground[ _-]?truth|labels?|annotations?|lesions?)"
_MASK_OF = re.compile(rf"(?P<stem>.+)(?P<mark>[ ._-]){_MASK_WORD}([ _-]\d+)?", re.DOTALL | re.IGNORECASE)
_MASK_BEFORE = re.compile(rf"{_MASK_WORD}(?P<mark>[ ._-])(?P<stem>.+)", re.DOTALL | re.IGNORECASE)
_IMAGE_WORDS = ("image", "img", "Image", "IMG")
_ARRAY = ".npy"  # a mask, never an image
_IMAGES = ("images", "image", "imgs", "img")
Masks = tuple[tuple[MaskRole | None, str], ...]
Stems = dict[str, list[str]]


@dataclass(frozen=True)
class ClassFolder:
    """A folder of one class; all names are those of the tree.

    Attributes:
        name: of the folder.
        place: the folder.
        images: its images, in order.
        masks: image -> `(role, mask)` of each of its masks.
        nested: the folder of the first image where images lie deeper than in the folder or its `images/`, else "".
    """

    name: str
    place: str
    images: tuple[str, ...]
    masks: dict[str, Masks]
    nested: str = ""


@dataclass(frozen=True)
class Classes:
    """The class folders of one folder.

    Attributes:
        folders: sorted by name.
        reasons: folder -> why images in it that belong to no class are left out.
        empty: folders next to them that hold no image.
    """

    folders: tuple[ClassFolder, ...]
    reasons: dict[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the folders are classes and not, say, several data sets: one holds images, or all are nested and
        their sub-folders are not classes. Names of classes are shared, as in `train/cat` and `test/cat`; those of
        patients (`p7`) and of kinds of files (`png`) may be."""
        if not all(one.nested for one in self.folders):
            return True
        inner = [{image[len(one.place) + 1 :].partition("/")[0] for image in one.images} for one in self.folders]
        every = set().union(*inner)
        if sum(map(len, inner)) == len(every):
            return len(inner) > 1
        # Of folders of patients, those in them may be the classes.
        outer = {one.name for one in self.folders}
        return len(inner) > 1 and like_patients(every) and not patients_above(outer, every)


def find(tree: Tree, base: str = "", wanted: Sequence[str] = ()) -> Classes:
    """The class folders of a folder of the tree.

    Args:
        tree: the names.
        base: the folder that holds one folder per class.
        wanted: names of classes that were asked for: a folder of this name is a class, whatever it is called.
    """
    asked = {spelling.key(name) for name in wanted}
    reasons = {base: LEFT_OVER}
    found: list[tuple[ClassFolder, dict[str, str]]] = []
    empty: list[str] = []
    within = ""
    for name in sorted(tree.folders[base]):
        place = join(base, name)
        if name.lower() in _MASK_NAMES:
            reasons[place] = NO_IMAGE
        elif OWN_TABLE in tree.files[place]:
            reasons[place] = DATA_SET
        elif name.lower() in _IMAGES:
            within = within or place
        else:
            one, inner = _class_folder(tree, base, name)
            if one.images:
                found.append((one, inner))
            elif not is_odd(name):
                empty.append(place)
    copies = [one for one, _ in found if _is_copy(one, found) and spelling.key(one.name) not in asked]
    reasons |= {one.place: COPY for one in copies}
    found = [pair for pair in found if pair[0] not in copies]
    plain = [pair for pair in found if spelling.key(pair[0].name) in asked or not is_odd(pair[0].name)]
    if within and not plain:
        inside = find(tree, within, wanted)
        if inside.folders:
            return Classes(inside.folders, reasons | inside.reasons, inside.empty)
    names = [one.name for one, _ in plain]
    if sides_of_classes(names) and not asked.issuperset(map(spelling.key, names)):
        plain = found = []  # `trainA`, `testA`: each class would be several
    if len(plain) >= 2:
        for one, _ in found:
            if is_odd(one.name) and spelling.key(one.name) not in asked:
                reasons[join(base, one.name)] = (
                    f"its folder {one.name} does not look like a class (--classes {one.name!r} and others takes it)"
                )
        found = plain
    elif not plain or (len(found) > 1 and not _is_only_class(plain[0][0].name, found, asked)):
        # Sides of a split without classes, images next to their annotations: a table may say the classes.
        found = []
    for _, inner in found:
        reasons |= inner
    return Classes(tuple(one for one, _ in found), reasons, tuple(empty))


def _is_only_class(name: str, found: Sequence[tuple[ClassFolder, dict[str, str]]], asked: Collection[str]) -> bool:
    """Whether the only folder that is not odd is a class next to one that is, such as `normal` and `unknown`: it is not
    called like a kind of files, and the others are not two sides of a split."""
    if spelling.key(name) in asked:
        return True
    sides = {spelling.side_within(one.name) for one, _ in found} - {None}
    return not is_plain(name) and len(sides) < 2


def _is_copy(one: ClassFolder, found: Sequence[tuple[ClassFolder, dict[str, str]]]) -> bool:
    """Whether a folder holds folders that are called like two or more of the others: the set once more, as archives
    often have it."""
    if not one.nested:
        return False
    names = {spelling.key(other.name) for other, _ in found if other is not one}
    inner = {spelling.key(image[len(one.place) + 1 :].partition("/")[0]) for image in one.images}
    return len(names & inner) > 1


def _class_folder(tree: Tree, base: str, name: str) -> tuple[ClassFolder, dict[str, str]]:
    """A folder as a class, and why other images in it would be left out."""
    place = join(base, name)
    reasons = {place: DEEPER}
    inner = {_last(child).lower(): child for child in (join(place, child) for child in tree.folders[place])}
    reasons |= {child: NO_IMAGE for last, child in inner.items() if last in _MASK_NAMES}
    images, adjacent = _images_and_masks(tree, place)
    own = next((inner[name] for name in _IMAGES if name in inner), "")
    if own:
        there, more = _images_and_masks(tree, own)
        # Masks may lie in the class folder itself and their images in its `images/`.
        stems = set(map(stem_of, there))
        loose = {image: next((s for s in _mask_stems(image)[1:] if s in stems), None) for image in images}
        if there and all(loose.values()):
            images, adjacent = there, more
            for image, stem in loose.items():
                adjacent.setdefault(str(stem), []).append(image)
    near = [(base, name), (place, ""), *([(own, "")] if own else [])]
    if _last(base).lower() in _IMAGES:
        near += [(parent(base), name), (parent(base), "")]
    shared = _mask_places(tree, near)
    masks = {image: _masks_of(stem_of(image), adjacent, shared) for image in images}
    nested = not images
    if nested:
        for holder in _image_folders(tree, place, reasons):
            here, adjacent = _images_and_masks(tree, holder)
            above = [(parent(holder), "")] if _last(holder).lower() in _IMAGES else []
            places = _mask_places(tree, [(holder, ""), *above])
            masks |= {image: _masks_of(stem_of(image), adjacent, places) for image in here}
            images += here
        # Masks of the whole class are of use where the name of an image occurs once.
        names = Counter(map(stem_of, images))
        for image in images:
            if names[stem_of(image)] == 1:
                masks[image] = tuple(dict.fromkeys((*masks[image], *_masks_of(stem_of(image), {}, shared))))
    there_are = {image: found for image, found in masks.items() if found}
    return ClassFolder(name, place, tuple(images), there_are, parent(images[0]) if nested and images else ""), reasons


def _image_folders(tree: Tree, place: str, reasons: dict[str, str]) -> Iterator[str]:
    """Folders of images below a class folder; those of masks get their reason."""
    closed: set[str] = set()
    for folder in tree.below(place):
        if parent(folder) in closed or (folder != place and _last(folder).lower() in _MASK_NAMES):
            closed.add(folder)
            reasons[folder] = NO_IMAGE
        elif folder != place and _annotates(tree, folder):
            closed.add(folder)
            reasons[folder] = ANNOTATION
        elif folder != place and tree.files[folder]:
            yield folder


def has_images(tree: Tree, folder: str) -> bool:
    """Whether a folder itself holds images."""
    return any(files.looks_like_image(tree.path(join(folder, name))) for name in tree.files[folder])


def _annotates(tree: Tree, folder: str) -> bool:
    """Whether a folder is named like annotations and stands next to others with files that are not."""
    if not annotates(_last(folder)):
        return False
    siblings = (join(parent(folder), name) for name in tree.folders[parent(folder)])
    others = (one for one in siblings if not annotates(_last(one)) and _last(one).lower() not in _MASK_NAMES)
    return any(any(map(tree.files.get, tree.below(one))) for one in others)


def _images_and_masks(tree: Tree, folder: str) -> tuple[list[str], Stems]:
    """Images of a folder, and masks next to them by the name of their image."""
    names = [name for name in tree.files[folder] if files.looks_like_image(tree.path(join(folder, name)))]
    stems = {stem_of(name) for name in names}
    images = []
    masks: Stems = {}
    for name in names:
        owner = next((stem for stem in _mask_stems(name)[1:] if stem in stems), None)
        if owner is not None:
            masks.setdefault(owner, []).append(join(folder, name))
        else:
            images.append(join(folder, name))
    for name in tree.files[folder]:
        if name.lower().endswith(_ARRAY):
            owner = next((stem for stem in _mask_stems(name)[1:] if stem in stems), None)
            if owner is not None:
                masks.setdefault(owner, []).append(join(folder, name))
    return images, masks


def _mask_places(tree: Tree, folders: Iterable[tuple[str, str]]) -> list[tuple[MaskRole | None, Stems]]:
    """Masks in `masks` and `masks_<role>` of these folders, `(folder, folder inside)`; those without a role first."""
    found: list[tuple[MaskRole | None, Stems]] = []
    for folder, inside in folders:
        for child in tree.folders[folder]:
            place = join(join(folder, child), inside) if inside else join(folder, child)
            if child.lower() in _MASK_NAMES and place in tree.files:
                stems: Stems = {}
                for name in tree.files[place]:
                    if not files.is_image(name) and not name.lower().endswith(_ARRAY):
                        continue
                    for stem in _mask_stems(name):
                        stems.setdefault(stem, []).append(join(place, name))
                found.append((_MASK_NAMES[child.lower()], stems))
    roles: list[MaskRole | None] = [None, *get_args(MaskRole)]
    return sorted(found, key=lambda pair: roles.index(pair[0]))


def _masks_of(stem: str, adjacent: Stems, places: Sequence[tuple[MaskRole | None, Stems]]) -> Masks:
    """The masks of an image: those without a role first, those next to it last among them."""
    plain = [(None, mask) for role, found in places if role is None for mask in found.get(stem, ())]
    plain += [(None, mask) for mask in adjacent.get(stem, ())]
    stated = [(role, mask) for role, found in places if role is not None for mask in found.get(stem, ())]
    return (*plain, *stated)


def _mask_stems(name: str) -> tuple[str, ...]:
    """The names of images that a mask file may belong to: its own, what stands before `_mask` or behind `mask_`, and
    that with `image` in the place of `mask`."""
    stem = stem_of(name)
    behind, before = _MASK_OF.fullmatch(stem), _MASK_BEFORE.fullmatch(stem)
    found = [stem]
    if behind:
        found += [behind["stem"], *(f"{behind['stem']}{behind['mark']}{word}" for word in _IMAGE_WORDS)]
    if before:
        found += [before["stem"], *(f"{word}{before['mark']}{before['stem']}" for word in _IMAGE_WORDS)]
    return tuple(found)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def stem_of(name: str) -> str:
    """The name of a file without its folder and suffix, its accents in one form; .nii.gz is one suffix."""
    last = _last(name)
    stem = last[:-7] if last.lower().endswith(".nii.gz") else last.rpartition(".")[0] or last
    return stem if stem.isascii() else unicodedata.normalize("NFC", stem)
