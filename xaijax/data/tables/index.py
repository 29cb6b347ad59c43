"""The files of a folder by their names, from one walk: tables name files without suffix, folder or the right spelling.

No file is opened and nothing is decoded. A symbolic link is followed to a file inside the folder; links that leave the
folder only with `allow_outside`, links to folders of the folder itself never, so that a loop ends.
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
from xaijax.data.scan import is_hidden

MISSING = "the file is not there"
OUTSIDE = "the file lies outside the folder (--allow-outside takes it)"
SEVERAL = "several files have its name"
_LINK_OUT = "it is a link that leaves the folder (--allow-outside takes it)"
_UNUSED = "it is not an image or a table this layout uses"
_UNNAMED = "no row of the table names it"
# Folders of masks, by a part of their names: an image and its mask often share a name.
_NOT_IMAGES = ("mask", "segment", "annotation", "groundtruth")


@dataclass(frozen=True, slots=True)
class Hit:
    """A file that a table names.

    Attributes:
        path: relative to the folder, or absolute outside it; None where there is none.
        reason: why there is none.
        renamed: whether the file has another suffix, or another spelling, than the table says.
    """

    path: str | None
    reason: str = ""
    renamed: bool = False


class FileIndex:
    """The regular files below a folder.

    Args:
        folder: the folder.
        allow_outside: follow links that leave it, and find files that lie outside.
    """

    def __init__(self, folder: Path, *, allow_outside: bool = False) -> None:
        self.folder = folder
        self._allow_outside = allow_outside
        self._real = os.path.realpath(folder)
        self._files: dict[str, str | None] = {}  # relative path -> what it was taken as
        self._left: dict[str, list[str]] = {}
        self._by_stem: dict[str, str | list[str]] | None = None  # most names are there once
        self._by_spelling: dict[str, list[str]] | None = None
        self._outside: set[str] = set()
        self._walk()

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def take(self, path: str, kind: str) -> None:
        """Records what a file is used as; the first use counts. A file outside the folder is not counted."""
        if path in self._files and self._files[path] is None:
            self._files[path] = kind

    def find(self, name: str, *, shared: int = 0, mask: bool = False) -> Hit:
        """The image, or mask, that a table means.

        Args:
            name: as the table writes it: a path relative to the folder, or its end; the suffix may be missing.
            shared: how many folders at the start of the name are those of all rows, and so may be the folder itself or
                lie above it.
            mask: whether a mask is meant: then folders of masks are looked through too.
        """
        exact = self.exact(name)
        path = posixpath.normpath(_posix(name))
        elsewhere = posixpath.isabs(path) and not os.path.lexists(path)  # written on another machine
        if exact.path is not None or (exact.reason != MISSING and not elsewhere):
            return exact
        ends = [path]
        for _ in range(shared):
            ends.append(ends[-1].partition("/")[2])
        for end in ends:
            if end in self._files:
                return Hit(end)
        found = self._ending(ends[0])
        if not found:
            return self._spelled(ends, mask) or exact
        if "/" not in ends[0] and not mask and self._images_apart:
            found = [one for one in found if not _of_masks(one[0])]
        if len(found) > 1:
            return Hit(None, SEVERAL)
        return Hit(found[0][0], renamed=found[0][1]) if found else Hit(None, MISSING)

    def _spelled(self, ends: list[str], mask: bool) -> Hit | None:
        """The one file of this path, or of this name where the path is a name alone, in another case or with its
        accents in another form; `A.PNG` for `a.png`."""
        if self._by_spelling is None:
            self._by_spelling = {}
            for path in self._files:
                if not _is_hidden(path):
                    for key in {_spelling(path), _spelling(posixpath.basename(path))}:
                        self._by_spelling.setdefault(key, []).append(path)
        keys = {_spelling(end) for end in ends if end and ("/" in end or end == ends[0])}
        there = {path for key in keys for path in self._by_spelling.get(key, ())}
        if not mask and self._images_apart:
            there = {path for path in there if not _of_masks(path)}
        if len(there) > 1:
            return Hit(None, SEVERAL)
        return Hit(there.pop(), renamed=True) if there else None

    def exact(self, name: str) -> Hit:
        """The file of this path, without a search."""
        path = posixpath.normpath(_posix(name))
        if path in self._files:
            return Hit(path)
        if posixpath.isabs(path):
            for root in (self._real, os.path.abspath(self.folder)):
                inside = path[len(root) + 1 :] if path.startswith(root + "/") else ""
                if inside in self._files:
                    return Hit(inside)
            return self._beyond(path)
        if path == ".." or path.startswith("../"):
            return self._beyond(posixpath.join(self._real, path))
        return Hit(None, OUTSIDE if path in self._outside else MISSING)

    def leave_rest(self, census: Census, unnamed: str = _UNNAMED) -> None:
        """Counts every file: those that are taken by their use, the others with a reason."""
        for path, kind in self._files.items():
            if kind is not None:
                census.take(kind)
            elif _is_hidden(path):
                census.leave("it is hidden", path)
            else:
                census.leave(unnamed if files.is_image(Path(path)) else _UNUSED, path)
        for reason, paths in self._left.items():
            census.leave(reason, *paths)

    @cached_property
    def _images_apart(self) -> bool:
        """Whether images lie outside folders of masks: then a bare name means none of a mask."""
        return any(not _of_masks(path) and files.is_image(Path(path)) for path in self._files)

    def _beyond(self, path: str) -> Hit:
        if not self._allow_outside:
            return Hit(None, OUTSIDE)
        return Hit(path) if os.path.isfile(path) else Hit(None, MISSING)

    def _ending(self, end: str) -> list[tuple[str, bool]]:
        """Files whose path ends so, whole folders at a time; without a suffix or with another one, images alone."""
        same = [path for path in self._of_stem(_stem(end)) if path.endswith(f"/{end}")]
        if same:
            return [(path, False) for path in same]
        for stem, renamed in ((end, False), (_stem(end), True)):
            if renamed and not files.is_image(Path(end)):
                continue
            same = [
                path
                for path in self._of_stem(stem)
                if f"/{_stem(path)}".endswith(f"/{stem}") and files.is_image(Path(path))
            ]
            if same:
                return [(path, renamed) for path in same]
        return []

    def _of_stem(self, stem: str) -> list[str]:
        """Files in any folder whose name without suffix is that of this path."""
        if self._by_stem is None:
            self._by_stem = {}
            for path in self._files:
                if _is_hidden(path):  # copies that tools keep
                    continue
                key = _stem(posixpath.basename(path))
                there = self._by_stem.setdefault(key, path)
                if isinstance(there, list):
                    there.append(path)
                elif there is not path:
                    self._by_stem[key] = [there, path]
        found = self._by_stem.get(posixpath.basename(stem), [])
        return [found] if isinstance(found, str) else found

    def _walk(self) -> None:
        stack = [""]
        entered = {self._real}
        while stack:
            inside = stack.pop()
            try:
                with os.scandir(os.path.join(self.folder, inside)) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                self._left.setdefault("its folder cannot be read", []).append(inside)
                continue
            deeper = []
            for entry in listed:
                path = f"{inside}/{entry.name}" if inside else entry.name
                if not _is_text(path):
                    self._left.setdefault("its name is not UTF-8", []).append(path.encode(errors="replace").decode())
                elif entry.is_symlink():
                    if self._follow(path, entry, entered):
                        deeper.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    deeper.append(path)
                elif entry.is_file(follow_symlinks=False):
                    self._files[path] = None
                else:
                    self._left.setdefault("it is not a regular file", []).append(path)
            stack += reversed(deeper)

    def _follow(self, path: str, entry: os.DirEntry[str], entered: set[str]) -> bool:
        """Counts a link; whether it is a folder to walk through."""
        real = os.path.realpath(entry.path)
        inside = real == self._real or real.startswith(self._real + os.sep)
        if not os.path.exists(real):
            self._left.setdefault("it is a link to nothing", []).append(path)
        elif os.path.isdir(real):
            if inside or (self._allow_outside and real in entered):
                self._left.setdefault("it is a link to a folder that is read already", []).append(path)
            elif self._allow_outside and not self._real.startswith(real + os.sep):
                entered.add(real)
                return True
            else:
                self._left.setdefault(_LINK_OUT, []).append(path)
        elif not os.path.isfile(real):
            self._left.setdefault("it is not a regular file", []).append(path)
        elif inside or self._allow_outside:
            self._files[path] = None
        else:
            self._outside.add(path)
            self._left.setdefault(_LINK_OUT, []).append(path)
        return False


def _posix(name: str) -> str:
    """A path with "/" between folders; of a Windows path without its drive."""
    if "\\" not in name:
        return name
    return re.sub(r"^[A-Za-z]:(?=/)", "", name.replace("\\", "/"))


def _spelling(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _is_hidden(path: str) -> bool:
    return any(map(is_hidden, path.split("/")))


def _stem(path: str) -> str:
    """A path without its suffix; .nii.gz is one suffix."""
    return path[:-7] if path.lower().endswith(".nii.gz") else posixpath.splitext(path)[0]


def _of_masks(path: str) -> bool:
    return any(part in normal(folder) for folder in path.split("/")[:-1] for part in _NOT_IMAGES)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
