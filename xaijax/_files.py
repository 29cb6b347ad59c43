"""Files written whole: under a temporary name in their folder, then renamed, so that no reader sees half of one."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY = ".writing-"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a disk that takes no more."""
_watching: list[set[Path]] = []
_told: list[Callable[[Path], None]] = []


def safe_names(texts: Iterable[str]) -> dict[str, str]:
    """Texts as parts of file names, each its own: a number follows where two would have the same, whatever the case.

    Example:
        >>> safe_names(["resnet50", "a b", "a/b", "A-b"])
        {'resnet50': 'resnet50', 'a b': 'a-b', 'a/b': 'a-b-2', 'A-b': 'A-b-3'}
    """
    found: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        plain = safe = re.sub(r"[^\w-]", "-", text)
        number = 1
        while safe.lower() in taken:
            number += 1
            safe = f"{plain}-{number}"
        taken.add(safe.lower())
        found[text] = safe
    return found


@contextlib.contextmanager
def watched() -> Iterator[set[Path]]:
    """The absolute paths of all files and folders that this process writes whole meanwhile."""
    written: set[Path] = set()
    _watching.append(written)
    try:
        yield written
    finally:
        _watching[:] = [one for one in _watching if one is not written]


@contextlib.contextmanager
def told(tell: Callable[[Path], None]) -> Iterator[None]:
    """Calls `tell` with the absolute path of every file and folder that this process has written whole meanwhile."""
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Writes a file whole, or not at all.

    Args:
        path: of the file; folders above it are made.
        write: writes the contents into the open file it is given.
    """
    with_temporary(path, lambda temporary: _write_and_sync(temporary, write))


def with_temporary(path: Path, write: Callable[[Path], Any]) -> None:
    """Lets `write` make a file or a folder at a temporary path with the same suffix, and renames it to `path`."""
    above = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
        for written in _watching:
            written.add(path.absolute())
    except BaseException as error:
        with contextlib.suppress(OSError):  # where nothing can be written, what is there need not go either
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)
            for folder in above:
                folder.rmdir()
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, str(temporary)):
            raise OSError(error.errno, error.strerror, str(path)) from error  # a full disk names no file by itself
        raise
    for tell in tuple(_told):
        tell(path.absolute())


def refuse_full(error: BaseException) -> None:
    """Raises an error again that says that the disk is full: it is not one of the input that was worked on."""
    if isinstance(error, OSError) and error.errno in FULL:
        raise error


def _write_and_sync(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    with path.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
