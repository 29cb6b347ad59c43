"""Pixels: from stored values to uint8 `[h, w, 1 or 3]`, by one rule for all formats.

* Colour is uint8 here: formats scale deeper colour exactly, from their white to 255 (16 bits: `rint(v / 257)`).
* Grey values of at most 8 bits, without a sign, a rescaling or a window keep their values. Fewer than 8 bits are
  spread, so that their largest value is 255.
* All other grey values go linearly through a window, in the unit of the rescaled values: the one given; else the one
  that the file states (`window="file"`); else the lowest and highest value of the image itself, because a deep medical
  image rarely uses its whole range and its own scale is unknown here.
* A window that is given as numbers applies to every grey image, 8-bit ones too; it does not apply to colour.
* Padding, NaN and infinite values are black and enter no range. Where low is bright (MONOCHROME1, MinIsWhite) the
  result is inverted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from xaijax.data.reading import Window

LARGEST = 2**27
"""The most pixels of one image: 11,585 squared. More is taken for damage or a decompression bomb."""
TURNED = "turned as its EXIF orientation says"
FIRST_FRAME = "the first of several frames was taken"
NO_ALPHA = "its transparency was dropped"
_TABLE = 2**16  # levels that are worth a table: those of a 16-bit image

Levels = Callable[[np.ndarray], np.ndarray]
"""From an array of values to one of the same shape, value by value."""


class UnreadableError(ValueError):
    """Why one image or mask cannot be read, in words that hold nothing of its content."""


@dataclass(frozen=True)
class Stored:
    """What a file stores for one image, before it is brought to 8 bits.

    Attributes:
        values: grey `[h, w]` of any real type, or colour `[h, w, 3]` uint8.
        rescale: stored values -> values in the unit of the window; None where they are the same.
        display: the window or curve that the file states, rescaled values -> shares 0 to 1; None where it states none.
        padding: `(lowest, highest)` stored value that is padding.
        inverted: whether low values are bright.
        white: of uint8 grey, the largest value that its bits can hold.
        notes: as in `Content`.
        kind: of the file, such as "PNG".
    """

    values: np.ndarray
    rescale: Levels | None = None
    display: Levels | None = None
    padding: tuple[float, float] | None = None
    inverted: bool = False
    white: int = 255
    notes: tuple[str, ...] = ()
    kind: str = ""

    @property
    def words(self) -> str:
        """How the pixels are stored, as `Content.stored`.

        Example:
            >>> Stored(np.zeros((2, 2), np.uint16), kind="PNG").words
            'PNG, grey, uint16'
        """
        how = "colour" if self.values.ndim == 3 else f"grey, {self.values.dtype}"
        return f"{self.kind}, {how}" if self.kind else how


def reason(error: BaseException) -> str:
    """The words of an error without the path in front, for a list of skipped images."""
    if isinstance(error, FileNotFoundError):
        return "file not found"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def check_size(height: int, width: int) -> None:
    """Refuses a size before anything of that size is decoded.

    Raises:
        UnreadableError: for an empty image or one of more than `LARGEST` pixels.
    """
    if height < 1 or width < 1:
        raise UnreadableError(f"it says that it has {width} x {height} pixels")
    if height * width > LARGEST:
        raise UnreadableError(f"it says that it has {width} x {height} pixels; up to {LARGEST:,} are read")


def check_frame(frame: int | None, count: int, name: str = "frame") -> int:
    """The position of a frame among `count`; the first where none is named.

    Raises:
        UnreadableError: for one that is not there.
    """
    if frame is not None and not 0 <= frame < count:
        raise UnreadableError(f"it has {count} {name}{'s' if count != 1 else ''}, counted from 0; there is no {frame}")
    return frame or 0


def scaled(values: np.ndarray, white: int) -> np.ndarray:
    """Whole numbers from 0 to `white` as uint8 from 0 to 255, rounded.

    Example:
        >>> scaled(np.array([0, 128, 129, 65535]), 65535).tolist()
        [0, 0, 1, 255]
    """
    if white == 255:
        return np.asarray(values).astype(np.uint8)
    if white <= 65535:
        return ((np.asarray(values).astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    return np.rint(np.asarray(values, np.float64) * (255 / white)).astype(np.uint8)


def displayed(stored: Stored, window: Window | Literal["auto", "file"] = "file") -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values as displayed grey levels or colours, by the rule of this module.

    Args:
        stored: what a file stores.
        window: `(low, high)`, which become 0 and 255, or "file", or "auto".

    Returns:
        uint8 `[h, w, 1 or 3]`, and the notes.

    Raises:
        UnreadableError: for values that are all NaN, infinite or padding.

    Example:
        >>> displayed(Stored(np.array([[0, 1000, 4095]], np.uint16)), (0, 2000))[0][0, :, 0].tolist()
        [0, 128, 255]
    """
    values, notes = stored.values, stored.notes
    numbers = window if isinstance(window, tuple) else None
    if values.ndim == 3:
        return values, notes if numbers is None else (*notes, "the window was not applied: the image is in colour")
    display: Levels | None = None
    if numbers is not None:
        display = _linear(*numbers)
    elif window == "file":
        display = stored.display
    kept = values.dtype == np.uint8 and stored.rescale is None and display is None
    if kept and stored.padding is None:
        spread = scaled(values, stored.white)
        return (255 - spread if stored.inverted else spread)[..., None], notes
    by_table = _by_table(stored, display)
    if by_table is not None:
        return by_table[..., None], notes
    levels, positions = _levels(values)
    shown = levels if stored.rescale is None else stored.rescale(levels)
    inside = np.isfinite(shown)
    if not inside.all():
        notes = (*notes, "its NaN and infinite values were made black")
    if stored.padding is not None:
        inside &= (levels < stored.padding[0]) | (levels > stored.padding[1])
    whole = bool(inside.all())
    if not inside.any():
        raise UnreadableError("all its values are NaN, infinite or padding")
    if kept:
        grey = scaled(shown, stored.white)
    else:
        # Shares of what is not inside are not used; they only must not be NaN.
        known = shown if whole else shown[inside]
        safe = shown if whole else np.where(inside, shown, known[0])
        grey = _grey((display or _linear(float(known.min()), float(known.max())))(safe))
    grey = 255 - grey if stored.inverted else grey
    grey = grey if whole else np.where(inside, grey, np.uint8(0))
    return (grey if positions is None else grey[positions])[..., None], notes


def _linear(low: float, high: float) -> Levels:
    """The window from low to high; of one value only, it makes everything black."""

    def share(values: np.ndarray) -> np.ndarray:
        if high <= low:
            return np.zeros(np.shape(values))
        numbers = np.array(values, np.float64)
        numbers -= low
        numbers /= high - low
        return numbers

    return share


def _by_table(stored: Stored, display: Levels | None) -> np.ndarray | None:
    """Whole numbers of a small range through a table of all its levels, which is three times as fast as looking for the
    levels that occur. None where these matter: with padding, and for the own range of values that are rescaled by a
    curve that is not monotonic, so that the lowest and the highest are not at its ends."""
    values = stored.values
    if stored.padding is not None or values.dtype.kind not in "iu" or values.dtype.itemsize > 4:
        return None
    low, high = int(values.min()), int(values.max())
    if high - low >= min(_TABLE, 2 * values.size):
        return None
    levels = np.arange(low, high + 1)
    shown = levels if stored.rescale is None else stored.rescale(levels)
    if display is None and stored.rescale is not None:
        steps = np.diff(np.asarray(shown, np.float64))
        if not ((steps >= 0).all() or (steps <= 0).all()):
            return None
    if not np.isfinite(shown).all():
        return None
    share = (display or _linear(*sorted((float(shown[0]), float(shown[-1])))))(shown)
    table = _grey(share)
    # Without a sign differences do not overflow.
    unsigned = values.astype(values.dtype.newbyteorder("="), copy=False).view(f"u{values.dtype.itemsize}")
    first = np.array(low).astype(unsigned.dtype)
    return np.take(255 - table if stored.inverted else table, unsigned - first if low else unsigned)


def _grey(share: np.ndarray) -> np.ndarray:
    """Shares 0 to 1 as uint8."""
    levels = np.clip(share, 0, 1)
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def _levels(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The levels that occur, and the position of each pixel's level; the values themselves where a table costs more."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize > 4:
        return values, None
    low, high = int(values.min()), int(values.max())
    if high - low >= min(_TABLE, 2 * values.size):
        return values, None
    offset = (values.astype(np.int64) - low).ravel()
    there = np.bincount(offset, minlength=high - low + 1) > 0
    rank = (np.cumsum(there) - 1).astype(np.uint16)
    return np.flatnonzero(there) + low, rank[offset].reshape(values.shape)


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """An array `[h, w, ...]` turned as an EXIF or TIFF orientation of 1 to 8 says; others change nothing."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


OWN_RANGE = "own range"


def how_stored(stored: Stored, window: Window | Literal["auto", "file"]) -> str:
    """How pixels are stored, for `Content.stored`; ends in "own range" where `displayed` spreads an image's own range.

    Example:
        >>> how_stored(Stored(np.zeros((2, 2), np.uint16), kind="PNG"), "file")
        'PNG, grey, uint16, own range'
    """
    kept = stored.values.dtype == np.uint8 and stored.rescale is None and stored.display is None
    stated = isinstance(window, tuple) or (window == "file" and stored.display is not None)
    spread = stored.values.ndim == 2 and not kept and not stated
    return f"{stored.words}, {OWN_RANGE}" if spread else stored.words


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """`[h, w, 1 or 3]` with this number of channels: repeated, or ITU-R 601 luma."""
    if image.shape[2] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=2)
    return np.array(Image.fromarray(image).convert("L"), np.uint8)[..., None]


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 `[h, w, C]` to `(H, W)`: bilinear, antialiased when it shrinks."""
    if image.shape[:2] == size:
        return image
    height, width = size
    pillow = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    resized = np.array(pillow.resize((width, height), Image.Resampling.BILINEAR), np.uint8)
    return resized.reshape(height, width, image.shape[2])


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize bool `[h, w]` to `(H, W)` by the nearest pixel."""
    if mask.shape == size:
        return mask
    height, width = size
    pillow = Image.fromarray(mask.astype(np.uint8))
    return np.array(pillow.resize((width, height), Image.Resampling.NEAREST)) > 0


def fingerprint(image: np.ndarray) -> str:
    """A key of the pixels; a grey image has the same key whether it is stored with one channel or three."""
    if image.shape[2] == 3 and (image == image[..., :1]).all():
        image = image[..., :1]
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
