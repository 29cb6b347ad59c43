"""Annotations that lie with the images of class folders: COCO's JSON and Pascal VOC's XML.

COCO: `annotations.json`, `_annotations.coco.json`, `instances_*.json` or any `*coco*.json`, in the folder itself, in
its `annotations/`, or with the images. An image is found by its path in the folder, by its path from the JSON file, or
by its name where that occurs once. VOC: an `.xml` file with the name of the image, next to it, or in `annotations/` or
`xmls/`. Both are masks without a role of their own, as mask files are.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from xaijax._errors import InputError
from xaijax.data.found import Census
from xaijax.data.masks import Entry, coco
from xaijax.data.masks.voc import VocFile
from xaijax.data.scan import Tree, join, parent

NAMES = ("annotations.json", "instances*.json", "*coco*.json")
FOLDERS = frozenset({"annotations", "annotation", "xmls"})
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
        self._voc(tree, places, images, once)

    def _coco(self, tree: Tree, file: str, images: list[str], once: set[str], census: Census) -> None:
        path = Path(tree.path(file))
        if path.stat().st_size > LARGEST_FILE:
            census.note(f"{file} was not used: it is larger than 2 GB.")
            return
        try:
            found = coco.read(path)
        except (InputError, OSError):
            return  # another JSON file: it stays counted as left out
        home = parent(file)
        known = {re.sub(r"^\./", "", name.replace("\\", "/")): name for name in found.images}
        last = Counter(name.rpartition("/")[2] for name in known)
        by_last = {name.rpartition("/")[2]: written for name, written in known.items()}
        matched = 0
        for image in images:
            name = image.rpartition("/")[2]
            inside = image[len(home) + 1 :] if home and image.startswith(f"{home}/") else image
            written = known.get(image) or known.get(inside)
            if written is None and name in once and last.get(name) == 1:
                written = by_last[name]
            source = None if written is None else found.masks(written)
            matched += written is not None
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

    def _voc(self, tree: Tree, places: list[str], images: list[str], once: set[str]) -> None:
        files = {
            join(folder, name) for folder in places for name in tree.files[folder] if name.lower().endswith(".xml")
        }
        by_stem: dict[str, list[str]] = {}
        for file in sorted(files):
            by_stem.setdefault(_stem(file), []).append(file)
        stems = Counter(map(_stem, images))
        for image in images if files else ():
            beside = f"{image.rpartition('.')[0]}.xml"
            own = by_stem.get(_stem(image), [])
            found = beside if beside in files else own[0] if len(own) == 1 and stems[_stem(image)] == 1 else None
            if found is not None:
                self.entries.setdefault(image, []).append(VocFile(tree.path(found)))
                self.used[found] = "annotation"


def _with_parents(folders: set[str]) -> set[str]:
    found = set(folders)
    for folder in folders:
        while folder:
            folder = parent(folder)
            found.add(folder)
    return found


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]
