"""Cases whose image and mask are files of their own."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from xaijax.data import images as _images

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
DICOM = frozenset({".dcm", ".dicom"})
SUFFIXES = PICTURES | DICOM


def is_image(path: Path) -> bool:
    """Whether a file's name says that it is an image this package reads; hidden files are none."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


@dataclass(frozen=True)
class ImageFile:
    """One image file, with the mask files that belong to it.

    Attributes:
        path: the image.
        mask_paths: pictures of which any pixel above half of the largest possible value is inside; their union counts.
        window: `(low, high)` of deep grey levels, or None for the image's own range.
        transpose: swap rows and columns of image and masks, for files that store the transpose of the upright picture.
    """

    path: Path
    mask_paths: tuple[Path, ...] = ()
    window: _images.Window | None = None
    transpose: bool = False

    @property
    def has_mask(self) -> bool:
        return bool(self.mask_paths)

    def read(self, *, masks: bool) -> tuple[np.ndarray, np.ndarray | None]:
        image = read_image(self.path, self.window)
        mask = _union(self.mask_paths) if masks and self.mask_paths else None
        if not self.transpose:
            return image, mask
        upright = np.ascontiguousarray(image.transpose(1, 0, 2))
        return upright, None if mask is None else np.ascontiguousarray(mask.T)

    def fingerprint(self) -> str:
        return _images.fingerprint(read_image(self.path, self.window))


def read_image(path: Path, window: _images.Window | None = None) -> np.ndarray:
    """One file as uint8 `[h, w, 1 or 3]`; several frames or pages: the first.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, truncated or no image.
    """
    if path.suffix.lower() in DICOM:
        from xaijax.data.readers import dicom

        return dicom.read_image(path, window)
    return _images.from_pillow(_open(path), window)


def read_mask(path: Path) -> np.ndarray:
    """A mask file as bool `[h, w]`: above half of its largest value, so 0/255, 0/1 and antialiased edges all work."""
    picture = _open(path)
    if picture.mode == "P":  # an index picture: 0 is outside, whatever its colour
        return np.asarray(picture) > 0
    levels = np.asarray(picture if picture.mode in _images.DEEP_MODES else picture.convert("L"), np.float64)
    top = levels.max()
    return levels > top / 2 if top > 0 else np.zeros(levels.shape, bool)


def _union(paths: Sequence[Path]) -> np.ndarray:
    try:
        parts = [read_mask(path) for path in paths]
    except (OSError, ValueError) as error:
        raise ValueError(f"its mask cannot be read ({_images.reason(error)})") from error
    if any(part.shape != parts[0].shape for part in parts):
        raise ValueError("its mask files differ in size")
    return np.logical_or.reduce(parts)


def _open(path: Path) -> Image.Image:
    """Decode a picture, turning every way in which Pillow fails on damaged bytes into ValueError or OSError."""
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except Image.UnidentifiedImageError:
        raise ValueError("it is no image in a known format") from None
    except Image.DecompressionBombError:
        raise ValueError("it has too many pixels") from None
    except (SyntaxError, EOFError, IndexError, TypeError, KeyError, struct.error, zlib.error) as error:
        raise ValueError(f"it is damaged ({' '.join(str(error).split()) or type(error).__name__})") from error
