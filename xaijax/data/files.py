"""Images and masks that are files of their own; kinds of files are in `formats`, layouts of folders in `readers`."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from xaijax._errors import InputError
from xaijax.data import formats
from xaijax.data import images as _images
from xaijax.data.dataset import Content, Element, Source
from xaijax.data.formats import SUFFIXES, looks_like_image, patient
from xaijax.data.masks import Canvas, Entry, read_entry, roles_of
from xaijax.data.reading import AS_STORED, MaskRole, Reading

UNUSED = "it is not an image or a table this layout uses"
__all__ = [
    "SUFFIXES",
    "UNUSED",
    "ImageFile",
    "first_image",
    "is_image",
    "looks_like_image",
    "natural",
    "patient",
    "primary_role",
    "read_image",
    "unused",
]


def is_image(path: Path | str) -> bool:
    """Whether this package reads files of this name as images; `looks_like_image` looks inside where a name does not
    settle it. Hidden files are left out.
    """
    return formats.has_image_name(os.path.basename(path))


def unused(name: str) -> str:
    """Why a file that is not read as an image is left out."""
    if formats.suffix(os.path.basename(name)) == ".img":
        return "it holds the values of the .hdr file of its name, or is not an image"
    advice = formats.unread(os.path.basename(name))
    return UNUSED if advice is None else f"its format ({formats.suffix(name)}) is not read; {advice}"


def first_image(folder: Path) -> str | None:
    """A file in or below a folder that is named like an image; None where there is none. Nothing else is listed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        found = next(filter(is_image, sorted(names)), None)
        if found is not None:
            return os.path.join(place, found)
    return None


def natural(path: Path | str) -> str:
    """Sort key: names by text, digits in them by value.

    Example:
        >>> sorted(["a10.png", "a9.png"], key=natural)
        ['a9.png', 'a10.png']
    """
    # A number becomes its length and its digits, between characters that sort before all others.
    return _DIGITS.sub(_by_value, os.path.basename(path))


_DIGITS = re.compile(r"[0-9]+")


def _by_value(number: re.Match[str]) -> str:
    digits = number[0].lstrip("0")
    return f"\0{chr(len(digits) + 1)}{digits}\0"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file, with the mask files that belong to it.

    Attributes:
        path: the image.
        masks: `(role, entry)`; an entry is a mask file or another source of masks, see `xaijax.data.masks`. The role
            None is the data set's own.
        reading: how to read them.
        clean: file of the same image without its artefacts, where there is one.
        frame: position of the frame, page or slice, from 0; None for the first, or the middle slice of a volume.
    """

    path: str | Path
    masks: tuple[tuple[MaskRole | None, Entry], ...] = ()
    reading: Reading = AS_STORED
    clean: Path | None = None
    frame: int | None = None

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return tuple(one for role, entry in self.masks for one in roles_of(entry, role, self.reading))

    def read(self, *, masks: bool) -> Content:
        stored = formats.read(self.path, self.frame)
        image, said = _shown(stored, self.reading)
        elements: list[Element] = []
        notes = list(said)
        height, width = stored.values.shape[:2]  # before rows and columns are swapped
        canvas = Canvas((height, width), Path(self.path), self.reading, self.frame)
        for role, entry in self.masks if masks else ():
            with formats.quiet():
                found = read_entry(entry, role, canvas)
            elements += found.elements
            notes += found.notes
        if self.reading.transpose:
            elements = [replace(one, mask=np.ascontiguousarray(one.mask.T)) for one in elements]
        return Content(image, tuple(elements), tuple(notes), _images.how_stored(stored, self.reading.window))

    def fingerprint(self) -> str:
        return _images.fingerprint(read_image(self.path, self.reading, self.frame)[0])


def primary_role(sources: Iterable[Source]) -> MaskRole | None:
    """The role of the primary masks where none is given: none if some masks have no role, else the first stored."""
    found = {role for source in sources for role in source.roles}
    return None if None in found else next((role for role in get_args(MaskRole) if role in found), None)


def read_image(
    path: str | Path, reading: Reading = AS_STORED, frame: int | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """One image file as displayed; `xaijax.data.images` has the rule.

    Args:
        path: the file, of any name: its kind is recognised by its content.
        reading: the window, and whether rows and columns are swapped.
        frame: position of the frame, page or slice, from 0; default: the first, or the middle slice of a volume.

    Returns:
        uint8 `[h, w, 1 or 3]`, and notes on what was changed or assumed, as in `Content`.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, damaged or not an image.
    """
    return _shown(formats.read(path, frame), reading)


def _shown(stored: _images.Stored, reading: Reading) -> tuple[np.ndarray, tuple[str, ...]]:
    try:
        image, notes = _images.displayed(stored, reading.window)
    except (ValueError, MemoryError, InputError):
        raise
    except Exception as error:  # tables of damaged files raise anything
        kind = f"{stored.kind} " if stored.kind else ""
        raise _images.UnreadableError(f"its {kind}values cannot be displayed ({type(error).__name__})") from None
    return np.ascontiguousarray(image.transpose(1, 0, 2)) if reading.transpose else image, notes
