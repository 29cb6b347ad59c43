"""Annotations that lie with the images of class folders: those of COCO, Pascal VOC, labelme, CVAT and VIA.

COCO: `annotations.json`, `_annotations.coco.json`, `instances_*.json` or any `*coco*.json`, in the folder itself, in
its `annotations/`, or with the images. An image is found by its path in the folder, by its path from the JSON file, or
by its name where that occurs once. VOC: an `.xml` file with the name of the image, next to it, or in `annotations/` or
`xmls/`. labelme: a `.json` file with the name of the image, in the same places and in `json/`, `labelme/` or `labels/`.
CVAT (`annotations.xml`) and VIA (`*via*.json`) lie where COCO's files do. All are masks without a role of their own, as
mask files are.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.found import Census
from xaijax.data.masks import Entry, coco, cvat, labelme, via
from xaijax.data.masks.labelme import LabelmeFile
from xaijax.data.masks.outlines import Outlines
from xaijax.data.masks.voc import VocFile, is_voc
from xaijax.data.scan import Tree, join, parent

NAMES = ("annotations.json", "instances*.json", "*coco*.json")
FOLDERS = frozenset({"annotations", "annotation", "xmls", "json", "jsons", "labelme", "labels"})
VIA, CVAT = "*via*.json", "*annotations*.xml"
LARGEST_FILE = 2**31  # bytes of a JSON file that is looked into


class Annotations:
    """The annotations in a tree of names; files are opened only where their names say that they are annotations.

    Args:
        tree: the names.
        images: those that are taken.
        census: gets notes.
    """

    def __init__(self, tree: Tree, images: Iterable[str], census: Census) -> None:
        images = list(images)
        self.entries: dict[str, list[Entry]] = {}
        self.used: dict[str, str] = {}
        once = {name for name, count in Counter(image.rpartition("/")[2] for image in images).items() if count == 1}
        holders = {parent(image) for image in images} | {""}
        places = [
            folder
            for folder in tree.below()
            if folder in holders
            or (folder.rpartition("/")[2].lower() in FOLDERS and parent(folder) in _with_parents(holders))
        ]
        for folder in places:
            for name in tree.files[folder]:
                if any(fnmatch.fnmatch(name.lower(), pattern) for pattern in NAMES):
                    self._coco(tree, join(folder, name), images, once, census)
                elif fnmatch.fnmatch(name.lower(), VIA):
                    self._outlines(tree, join(folder, name), images, once, census, via.read, "VIA")
                elif fnmatch.fnmatch(name.lower(), CVAT):
                    self._outlines(tree, join(folder, name), images, once, census, cvat.read, "CVAT")
        # The first files tell whether these are annotations; others with the names of images are left out.
        one_each = list(self._by_name(tree, places, images, once, ".xml"))
        if any(is_voc(Path(tree.path(file))) for _, file in one_each[:3]):
            for image, file in one_each:
                self._add(image, file, VocFile(tree.path(file)))
        one_each = list(self._by_name(tree, places, images, once, ".json"))
        if any(labelme.is_labelme(Path(tree.path(file))) for _, file in one_each[:3]):
            for image, file in one_each:
                self._add(image, file, LabelmeFile(tree.path(file)))

    def _coco(self, tree: Tree, file: str, images: list[str], once: set[str], census: Census) -> None:
        path = Path(tree.path(file))
        if path.stat().st_size > LARGEST_FILE:
            census.note(f"{file} was not used: it is larger than 2 GB.")
            return
        try:
            found = coco.read(path)
        except (InputError, OSError):
            return  # another JSON file: it stays counted as left out
        matched = 0
        for image, written in _written(images, list(found.images), parent(file), once):
            matched += 1
            source = found.masks(written)
            if source is not None:
                self.entries.setdefault(image, []).append(source)
        if matched:
            self.used[file] = "annotation"
            strange = len(found.images) - matched
            census.note(
                f"{file}: COCO annotations of {matched} images"
                + (f"; {strange} of its images are not here" if strange > 0 else "")
                + (f"; {found.damaged} damaged annotations were left out" if found.damaged else "")
                + "."
            )

    def _outlines(
        self,
        tree: Tree,
        file: str,
        images: list[str],
        once: set[str],
        census: Census,
        read: Callable[[Path], dict[str, Outlines]],
        kind: str,
    ) -> None:
        try:
            found = read(Path(tree.path(file)))
        except (ValueError, OSError):
            return  # another file: it stays counted as left out
        pairs = list(_written(images, list(found), parent(file), once))
        for image, written in pairs:
            self._add(image, file, found[written])
        if pairs:
            strange = len(found) - len(pairs)
            there = f"; {strange} of its images are not here" if strange > 0 else ""
            census.note(f"{file}: {kind} annotations of {len(pairs)} images{there}.")

    def _by_name(
        self, tree: Tree, places: list[str], images: list[str], once: set[str], suffix: str
    ) -> Iterator[tuple[str, str]]:
        """Images, and the file of this suffix that has their name."""
        files = {
            join(folder, name)
            for folder in places
            for name in tree.files[folder]
            if name.lower().endswith(suffix) and join(folder, name) not in self.used
        }
        by_stem: dict[str, list[str]] = {}
        for file in sorted(files):
            by_stem.setdefault(_stem(file), []).append(file)
        stems = Counter(map(_stem, images))
        for image in images if files else ():
            adjacent = f"{image.rpartition('.')[0]}{suffix}"
            own = by_stem.get(_stem(image), [])
            found = adjacent if adjacent in files else own[0] if len(own) == 1 and stems[_stem(image)] == 1 else None
            if found is not None:
                yield image, found

    def _add(self, image: str, file: str, entry: Entry) -> None:
        self.entries.setdefault(image, []).append(entry)
        self.used[file] = "annotation"


def _written(images: list[str], names: list[str], home: str, once: set[str]) -> Iterator[tuple[str, str]]:
    """Images, and how a file in the folder `home` writes them: by their path, from the root or from there, or by their
    name where it occurs once."""
    known = {re.sub(r"^\./", "", name.replace("\\", "/")): name for name in names}
    last = Counter(name.rpartition("/")[2] for name in known)
    by_last = {name.rpartition("/")[2]: written for name, written in known.items()}
    for image in images:
        name = image.rpartition("/")[2]
        inside = image[len(home) + 1 :] if home and image.startswith(f"{home}/") else image
        written = known.get(image) or known.get(inside)
        if written is None and name in once and last.get(name) == 1:
            written = by_last[name]
        if written is not None:
            yield image, written


def _with_parents(folders: set[str]) -> set[str]:
    found = set(folders)
    for folder in folders:
        while folder:
            folder = parent(folder)
            found.add(folder)
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]
