"""Images and masks that are files of their own, one decoder per kind of file; layouts of folders are in `readers`."""

import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from xaijax.data import _dicom
from xaijax.data import images as _images
from xaijax.data.dataset import Content, Element, Source
from xaijax.data.masks import Canvas, Entry, read_entry, roles_of
from xaijax.data.reading import AS_STORED, MaskRole, Reading

COMMON = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
DICOM = frozenset({".dcm", ".dicom"})
SUFFIXES = COMMON | DICOM


def is_image(path: Path) -> bool:
    """Whether this package reads files of this name as images; hidden files are left out."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key: names by text, digits in them by value.

    Example:
        >>> sorted([Path("10.png"), Path("9.png")], key=natural)[0].name
        '9.png'
    """
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts]


def patient(path: Path) -> str | None:
    """The patient that a file names, as the group of a split; None for formats that name none. No pixels are read."""
    return _dicom.patient(path) if path.suffix.lower() in DICOM else None


@dataclass(frozen=True)
class ImageFile:
    """One image file, with the mask files that belong to it.

    Attributes:
        path: the image.
        masks: `(role, entry)`; an entry is a mask file or another source of masks, see `xaijax.data.masks`. The role
            None is the data set's own.
        reading: how to read them.
        clean: file of the same image without its artefacts, where there is one.
    """

    path: Path
    masks: tuple[tuple[MaskRole | None, Entry], ...] = ()
    reading: Reading = AS_STORED
    clean: Path | None = None

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return tuple(one for role, entry in self.masks for one in roles_of(entry, role, self.reading))

    def read(self, *, masks: bool) -> Content:
        image = read_image(self.path, _window(self.reading))
        elements: list[Element] = []
        notes: list[str] = []
        canvas = Canvas(image.shape[:2], self.path, self.reading)
        for role, entry in self.masks if masks else ():
            found = read_entry(entry, role, canvas)
            elements += found.elements
            notes += found.notes
        if self.reading.transpose:
            image = np.ascontiguousarray(image.transpose(1, 0, 2))
            elements = [replace(one, mask=np.ascontiguousarray(one.mask.T)) for one in elements]
        return Content(image, tuple(elements), tuple(notes))

    def fingerprint(self) -> str:
        return _images.fingerprint(read_image(self.path, _window(self.reading)))


def _window(reading: Reading) -> _images.Window | None:
    return reading.window if isinstance(reading.window, tuple) else None


def primary_role(sources: Iterable[Source]) -> MaskRole | None:
    """The role of the primary masks where none is given: none if some masks have no role, else the first stored."""
    found = {role for source in sources for role in source.roles}
    return None if None in found else next((role for role in get_args(MaskRole) if role in found), None)


def read_image(path: Path, window: _images.Window | None = None) -> np.ndarray:
    """One file as uint8 `[h, w, 1 or 3]`; several frames or pages: the first.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, truncated or not an image.
    """
    if path.suffix.lower() in DICOM:
        return _dicom.read_image(path, window)
    return _images.from_pillow(_open(path), window)


def _open(path: Path) -> Image.Image:
    """Decode an image; every way in which Pillow fails on damaged bytes becomes ValueError or OSError."""
    try:
        with Image.open(path) as stored:
            stored.load()
            return stored
    except Image.UnidentifiedImageError:
        raise ValueError("its format is not supported, or it is not an image") from None
    except Image.DecompressionBombError:
        raise ValueError("it has too many pixels") from None
    except (SyntaxError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error) as error:
        raise ValueError(f"it is damaged ({' '.join(str(error).split()) or type(error).__name__})") from error
