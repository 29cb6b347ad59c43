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
    if path.suffix.lower() in DICOM:
        return _dicom.read_image(path, window)
    return _images.from_pillow(_open(path), window)


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
