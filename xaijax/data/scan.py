"""The names below a folder, read once: no file is opened, links do not lead out of the folder or in circles.

Names are strings relative to the folder, with "/" between folders. Every entry that is not a folder is either in the
tree or counted as left out: hidden files, names that are not UTF-8, FIFOs, sockets and devices, broken links, and links
to places outside.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xaijax.data import files
from xaijax.data.files import UNUSED
from xaijax.data.found import Census

HIDDEN = "it is hidden"
NOT_UTF8 = "its name is not UTF-8"
SPECIAL = "it is not a regular file"
BROKEN = "it is a link to nothing"
OUTSIDE = "it is a link that leaves the folder (--allow-outside takes it)"
TWICE = "it is a link to a folder that is read already"
UNLISTED = "its folder cannot be read"
# Folders that systems make: copies of attributes, thumbnails, waste.
_OF_SYSTEMS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


@dataclass(frozen=True, repr=False)
class Tree:
    """The regular files below a folder.

    Attributes:
        root: the folder, absolute and without links.
        files: folder -> names of its files, digits in them by value; "" is the root, and a folder stands before those
            in it.
        folders: folder -> names of the folders in it, in the same order.
    """

    root: str
    files: Mapping[str, tuple[str, ...]]
    folders: Mapping[str, tuple[str, ...]]

    def __repr__(self) -> str:
        return f"Tree({self.root!r}, {sum(map(len, self.files.values()))} files in {len(self.files)} folders)"

    def path(self, name: str) -> str:
        """Where a file or folder of the tree lies."""
        return os.path.join(self.root, name)

    def below(self, folder: str = "") -> Iterator[str]:
        """This folder and all folders below it."""
        pending = [folder]
        while pending:
            place = pending.pop()
            yield place
            pending += [join(place, name) for name in reversed(self.folders[place])]

    def names(self, folder: str = "") -> Iterator[str]:
        """All files in this folder and below it."""
        for place in self.below(folder):
            yield from (join(place, name) for name in self.files[place])

    def count(
        self,
        census: Census,
        used: Mapping[str, str],
        reasons: Mapping[str, str] | None = None,
        left: Mapping[str, str] | None = None,
    ) -> None:
        """Counts every file of the tree as taken or left out.

        Args:
            census: counts them.
            used: file -> what it was taken as, such as "image".
            left: file -> why it is left out, for files with a reason of their own.
            reasons: folder -> why images in it and below it that were not used are left out; the nearest folder above
                a file counts. Files that are not images are left out as `files.unused` says.
        """
        known: dict[str, str] = {}
        for place in self.below():
            why = (reasons or {}).get(place) or known.get(parent(place), UNUSED)
            known[place] = why
            for file in self.files[place]:
                name = join(place, file)
                if name in used:
                    census.take(used[name])
                elif left and name in left:
                    census.leave(left[name], name)
                else:
                    census.leave(why if files.is_image(name) else files.unused(name), name)


def join(folder: str, name: str) -> str:
    """The name of something in a folder of the tree."""
    return f"{folder}/{name}" if folder else name


def parent(name: str) -> str:
    """The folder of a file or folder of the tree; that of the root is the root."""
    return name.rpartition("/")[0]


def scan(folder: str | Path, census: Census | None = None, *, allow_outside: bool = False) -> Tree:
    """Lists what is below a folder.

    Args:
        folder: an existing folder.
        census: counts what is left out; default: nobody counts.
        allow_outside: follow links to files and folders outside. Links to folders inside are never followed: what
            they hold would be read twice.

    Returns:
        The `Tree`.

    Raises:
        OSError: if the folder itself cannot be listed.
    """
    census = census or Census("")
    root = os.path.realpath(folder)
    found: dict[str, tuple[str, ...]] = {}
    folders: dict[str, tuple[str, ...]] = {}
    followed = {root}
    # A folder, where it lies, and why everything below it is left out.
    pending: list[tuple[str, str, str | None]] = [("", root, None)]
    while pending:
        place, path, reason = pending.pop()
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            if not place:
                raise
            census.leave(UNLISTED, _printable(place))
            entries = []
        here: list[str] = []
        inner: list[tuple[str, str, str | None]] = []
        for entry in entries:
            name = join(place, entry.name)
            why = reason or _bad_name(entry.name)
            kind = _kind(entry, root, followed, allow_outside)
            if kind == "folder":
                inner.append((entry.name, entry.path, why))
            elif kind == "file" and why is None:
                here.append(entry.name)
            else:
                census.leave(why if kind == "file" and why else kind, _printable(name))
        inner.sort(key=lambda one: files.natural(one[0]))
        pending += [(join(place, name), where, why) for name, where, why in reversed(inner)]
        if reason is None:
            found[place] = tuple(sorted(here, key=files.natural))
            folders[place] = tuple(name for name, _, why in inner if why is None)
    return Tree(root, found, folders)


def _kind(entry: "os.DirEntry[str]", root: str, followed: set[str], allow_outside: bool) -> str:
    """ "folder", "file", or why the entry is neither; only links cost a look at what they lead to."""
    if not entry.is_symlink():
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file(follow_symlinks=False) else SPECIAL
    try:
        mode = os.stat(entry.path).st_mode
    except OSError:  # nothing there, or a link to itself
        return BROKEN
    target = os.path.realpath(entry.path)
    inside = _within(target, root)
    if stat.S_ISREG(mode):
        return "file" if inside or allow_outside else OUTSIDE
    if not stat.S_ISDIR(mode):
        return SPECIAL
    if inside or _within(root, target) or target in followed:
        return TWICE
    if not allow_outside:
        return OUTSIDE
    followed.add(target)
    return "folder"


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _bad_name(name: str) -> str | None:
    if is_hidden(name):
        return HIDDEN
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError:
            return NOT_UTF8
    return None


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that a system made, such as `__MACOSX`."""
    return name.startswith(".") or name in _OF_SYSTEMS


def _printable(name: str) -> str:
    """Bytes that are not UTF-8 as the replacement character: Python keeps them as lone surrogates, which cannot be
    written."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
