"""Images and masks that are files of their own, one decoder per kind of file; layouts of folders are in `readers`."""

import os
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
from xaijax.data.reading import AS_STORED, MaskRole, Reading

COMMON = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".tga"}
    | {".pgm", ".ppm", ".pnm", ".pbm"}
)
DICOM = frozenset({".dcm", ".dicom"})
SUFFIXES = COMMON | DICOM
_PREAMBLE = 128  # bytes before the letters DICM


def is_image(path: Path | str) -> bool:
    """Whether this package reads files of this name as images; hidden files are left out."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")


def looks_like_image(path: Path | str) -> bool:
    """Whether a file is an image by its name or, without a suffix that says anything, because it begins as DICOM does.

    DICOM files are often named by numbers with points between them.
    """
    name = os.path.basename(path)
    end = os.path.splitext(name)[1].lower()
    if is_image(name) or name.startswith(".") or not (end in ("", ".ima") or end[1:].isdigit()):
        return is_image(name)
    try:
        with open(path, "rb") as stored:
            return stored.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
    except OSError:
        return False


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


def patient(path: Path | str) -> str | None:
    """The patient that a file names, as the group of a split; None for formats that name none. No pixels are read."""
    return _dicom.patient(Path(path)) if _is_dicom(path) else None


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image file, with the mask files that belong to it.

    Attributes:
        path: the image.
        masks: `(role, file)`, one per element; a pixel above half of the file's largest value is inside. The role None
            is the data set's own.
        reading: how to read them.
        clean: file of the same image without its artefacts, where there is one.
    """

    path: Path
    masks: tuple[tuple[MaskRole | None, Path], ...] = ()
    reading: Reading = AS_STORED
    clean: Path | None = None

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return tuple(role for role, _ in self.masks)

    def read(self, *, masks: bool) -> Content:
        image = read_image(self.path, _window(self.reading))
        elements = []
        notes = []
        for role, path in self.masks if masks else ():
            try:
                elements.append(Element("", role, read_mask(path)))
            except (OSError, ValueError) as error:
                notes.append(f"a mask cannot be read ({_images.reason(error)})")
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
    if _is_dicom(path):
        return _dicom.read_image(path, window)
    return _images.from_pillow(_open(path), window)


def _is_dicom(path: Path | str) -> bool:
    named = os.path.splitext(path)[1].lower()
    return named in DICOM or (named not in SUFFIXES and looks_like_image(path))


def read_mask(path: Path) -> np.ndarray:
    """A mask file as bool `[h, w]`: above half of its largest value, so 0/255, 0/1 and antialiased edges all work."""
    stored = _open(path)
    if stored.mode == "P":  # indices of colours: 0 is outside, whatever its colour
        return np.asarray(stored) > 0
    levels = np.asarray(stored if stored.mode in _images.DEEP_MODES else stored.convert("L"), np.float64)
    top = levels.max()
    return levels > top / 2 if top > 0 else np.zeros(levels.shape, bool)


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
