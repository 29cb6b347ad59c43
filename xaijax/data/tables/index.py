"""The files of a folder by their names: tables name files without suffix, folder or the right spelling.

No file is opened and nothing is decoded. What is in the folder is what `xaijax.data.scan` lists: links that leave it
are followed with `allow_outside` only, and hidden files are not found.
"""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from xaijax._names import normal
from xaijax.data import files
from xaijax.data.found import Census
from xaijax.data.scan import OUTSIDE as LINK_OUT
from xaijax.data.scan import scan
from xaijax.data.spelling import side_within

MISSING = "the file is not there"
OUTSIDE = "the file lies outside the folder (--allow-outside takes it)"
SEVERAL = "several files have its name"
OTHER_SIDE = "its file lies in a folder of another side"
_UNNAMED = "no row of the table names it"
# Folders of masks, by a part of their names: an image and its mask often share a name.
# A whole number as a spreadsheet or pandas writes an id: without zeros in front, perhaps with `.0`, with or without the
# suffix of an image.
_NUMBER = re.compile(r"(0|[1-9]\d*)(?:[.,]0+)?(?:\.(?=[a-z])\w+)?", re.ASCII | re.IGNORECASE)
_NOT_IMAGES = ("mask", "segment", "annotation", "groundtruth")


@dataclass(frozen=True, slots=True)
class Hit:
    """A file that a table names.

    Attributes:
        path: relative to the folder, or absolute outside it; None where there is none.
        reason: why there is none.
        renamed: whether the file has another suffix, or another spelling, than the table says.
        exact: whether the table gives its path.
        numbered: whether the name is a number that lost leading zeros, or gained `.0`, in the table.
    """

    path: str | None
    reason: str = ""
    renamed: bool = False
    exact: bool = False
    numbered: bool = False


class _Watched(Census):
    """A census that keeps the names of links that leave the folder."""

    def __init__(self) -> None:
        super().__init__("")
        self.outside: set[str] = set()

    def leave(self, reason: str, *names: str) -> None:
        super().leave(reason, *names)
        if reason == LINK_OUT:
            self.outside.update(names)


class FileIndex:
    """The regular files below a folder.

    Args:
        folder: the folder.
        allow_outside: follow links that leave it, and find files that lie outside.
        home: the folder of the table in it, where paths such as `../images/1.png` may start.
    """

    def __init__(self, folder: Path, *, allow_outside: bool = False, home: str = "") -> None:
        self.folder = folder
        self._home = home
        self._allow_outside = allow_outside
        self._census = _Watched()
        tree = scan(folder, self._census, allow_outside=allow_outside)
        self._real = tree.root
        # path relative to the folder -> what it was taken as
        self._files: dict[str, str | None] = dict.fromkeys(tree.names())
        self._reasons: dict[str, str] = {}
        # Most names are there once.
        self._by_stem: dict[str, str | list[str]] | None = None
        self._by_spelling: dict[str, str | list[str]] | None = None
        self._by_number: dict[str, str | list[str]] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def take(self, path: str, kind: str) -> None:
        """Records what a file is used as; the first use counts. A file outside the folder is not counted."""
        if path in self._files and self._files[path] is None:
            self._files[path] = kind

    def find(
        self, name: str, *, shared: int = 0, mask: bool = False, side: str | None = None, apart: bool = False
    ) -> Hit:
        """The image, or mask, that a table means.

        Args:
            name: as the table writes it: a path relative to the folder, or its end; the suffix may be missing.
            shared: how many folders at the start of the name are those of all rows, and so may be the folder itself or
                lie above it.
            mask: whether a mask is meant: then folders of masks are looked through too.
            side: of a split: of several files of this name the one in a folder of this side is meant.
            apart: whether files in folders of other sides are not meant, where this side has folders.
        """
        hit = self._find(name, shared, mask, side)
        if apart and side in self._sides and hit.path is not None and _side(hit.path) not in (None, side):
            return Hit(None, OTHER_SIDE)
        return hit

    def _find(self, name: str, shared: int, mask: bool, side: str | None) -> Hit:
        exact = self.exact(name)
        if exact.path is not None:
            return exact
        path = posixpath.normpath(_posix(name))
        elsewhere = posixpath.isabs(path) and not os.path.lexists(path)  # written on another machine
        if exact.reason != MISSING and not elsewhere:
            return exact
        ends = [path]
        for _ in range(shared):
            ends.append(ends[-1].partition("/")[2])
        for end in ends:
            if end in self._files:
                return Hit(end)
        found = self._ending(path)
        if not found:
            return self._spelled(ends, mask, side) or self._numbered(path, mask, side) or exact
        if "/" not in path and not mask and self._images_apart:
            found = [one for one in found if not _of_masks(one[0])]
        if mask and len(found) > 1:
            found = [one for one in found if _of_masks(one[0])] or found
        if len(found) > 1:
            found = [one for one in found if _side(one[0]) == side] if side else []
            if len(found) != 1:
                return Hit(None, SEVERAL)
        return Hit(found[0][0], renamed=found[0][1]) if found else Hit(None, MISSING)

    def _spelled(self, ends: list[str], mask: bool, side: str | None) -> Hit | None:
        """The one file of this path, or of this name where the path is a name alone, in another case or with its
        accents in another form; `A.PNG` for `a.png`, and for `a`."""
        if self._by_spelling is None:
            self._by_spelling = {}
            for path in self._files:
                name = _spelling(_last(path))
                _put(self._by_spelling, name, path)
                if files.is_image(path):
                    _put(self._by_spelling, _stem(name), path)
        there = set()
        for end in ends:
            spelled = _spelling(end)
            whole = "/" in end
            if end and (whole or end == ends[0]):
                same = _got(self._by_spelling, _last(spelled))
                there |= {path for path in same if not whole or spelled in (_spelling(path), _spelling(_stem(path)))}
        return self._one(there, mask, side, renamed=True)

    def _numbered(self, path: str, mask: bool, side: str | None) -> Hit | None:
        """The one image whose name is this number with zeros in front: `007.png` for `7`, `7.png` and `7.0`."""
        form = _NUMBER.fullmatch(_last(path))
        if form is None:
            return None
        if self._by_number is None:
            self._by_number = {}
            for name in self._files:
                stem = _stem(_last(name))
                if stem.isascii() and stem.isdigit() and files.is_image(name):
                    _put(self._by_number, stem.lstrip("0") or "0", name)
        folder = path.rpartition("/")[0]
        there = {
            name
            for name in _got(self._by_number, form[1])
            if not folder or f"/{name}".rpartition("/")[0].endswith(f"/{folder}")
        }
        return self._one(there, mask, side, numbered=True)

    def _one(
        self, there: set[str], mask: bool, side: str | None, *, renamed: bool = False, numbered: bool = False
    ) -> Hit | None:
        """The only one of these files, or the only one of this side; no image is looked for in folders of masks."""
        if not mask and self._images_apart:
            there = {path for path in there if not _of_masks(path)}
        if len(there) > 1:
            there = {path for path in there if _side(path) == side} if side else set()
            if len(there) != 1:
                return Hit(None, SEVERAL)
        return Hit(there.pop(), renamed=renamed, numbered=numbered) if there else None

    def exact(self, name: str) -> Hit:
        """The file of this path, without a search."""
        if name in self._files:
            return Hit(name, exact=True)
        path = posixpath.normpath(_posix(name))
        if path in self._files:
            return Hit(path, exact=True)
        if posixpath.isabs(path):
            for root in (self._real, os.path.abspath(self.folder)):
                inside = path[len(root) + 1 :] if path.startswith(root + "/") else ""
                if inside in self._files:
                    return Hit(inside, exact=True)
            return self._beyond(path)
        if path == ".." or path.startswith("../"):
            from_table = posixpath.normpath(posixpath.join(self._home, path))
            if from_table in self._files:
                return Hit(from_table)
            return self._beyond(posixpath.join(self._real, path))
        return Hit(None, OUTSIDE if path in self._census.outside else MISSING)

    def images_in(self, name: str) -> int:
        """How many images lie in or below a folder of this name or path."""
        name = posixpath.normpath(_posix(name))
        return sum(f"/{name}/" in f"/{path}" and files.is_image(path) for path in self._files)

    def leave(self, path: str, reason: str) -> None:
        """Records why a file is left out, unless it is used."""
        if path in self._files:
            self._reasons.setdefault(path, reason)

    def leave_rest(self, census: Census, unnamed: str = _UNNAMED) -> None:
        """Counts every file: those that are taken by their use, the others with a reason."""
        for path, kind in self._files.items():
            if kind is not None:
                census.take(kind)
            elif path in self._reasons:
                census.leave(self._reasons[path], path)
            else:
                census.leave(unnamed if files.is_image(path) else files.unused(path), path)
        census.leave_as(self._census)

    @cached_property
    def _sides(self) -> set[str | None]:
        """The sides that folders are named after."""
        return {_side(path) for path in self._files}

    @cached_property
    def _images_apart(self) -> bool:
        """Whether images lie outside folders of masks: then a bare name means none of a mask."""
        return any(not _of_masks(path) and files.is_image(path) for path in self._files)

    def _beyond(self, path: str) -> Hit:
        if not self._allow_outside:
            return Hit(None, OUTSIDE)
        return Hit(path, exact=True) if os.path.isfile(path) else Hit(None, MISSING)

    def _ending(self, end: str) -> list[tuple[str, bool]]:
        """Files whose path ends so, whole folders at a time; without a suffix or with another one, images alone."""
        plain = _stem(end)
        tail = f"/{end}"
        same = [path for path in self._of_stem(plain) if path.endswith(tail)]
        if same:
            return [(path, False) for path in same]
        for stem, renamed in ((end, False), (plain, True)):
            if renamed and (plain == end or not files.is_image(end)):
                continue
            tail = f"/{stem}"
            same = [path for path in self._of_stem(stem) if f"/{_stem(path)}".endswith(tail) and files.is_image(path)]
            if same:
                return [(path, renamed) for path in same]
        return []

    def _of_stem(self, stem: str) -> list[str]:
        """Files in any folder whose name without suffix is that of this path."""
        if self._by_stem is None:
            self._by_stem = {}
            for path in self._files:
                _put(self._by_stem, _stem(_last(path)), path)
        return _got(self._by_stem, _last(stem))


def _put(index: dict[str, str | list[str]], key: str, path: str) -> None:
    there = index.setdefault(key, path)
    if isinstance(there, list):
        there.append(path)
    elif there is not path:
        index[key] = [there, path]


def _got(index: dict[str, str | list[str]], key: str) -> list[str]:
    found = index.get(key, [])
    return [found] if isinstance(found, str) else found


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _posix(name: str) -> str:
    """A path with "/" between folders; of a Windows path without its drive."""
    if "\\" not in name:
        return name
    return re.sub(r"^[A-Za-z]:(?=/)", "", name.replace("\\", "/"))


def _spelling(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _stem(path: str) -> str:
    """A path without its suffix; .nii.gz is one suffix."""
    return path[:-7] if path.lower().endswith(".nii.gz") else posixpath.splitext(path)[0]


def _of_masks(path: str) -> bool:
    return any(part in normal(folder) for folder in path.split("/")[:-1] for part in _NOT_IMAGES)


def _side(path: str) -> str | None:
    """The side of a split that the folders of a path name, the innermost first."""
    return next(filter(None, map(side_within, reversed(path.split("/")[:-1]))), None)
