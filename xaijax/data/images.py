"""Pixels: from stored values to uint8 `[h, w, 1 or 3]`, one way for all formats.

8-bit images keep their values. Deeper ones (16-bit, integers with a sign, floats) are mapped linearly to 0..255 from a
window: the one given, or the lowest and highest finite value of the image itself, because a deep medical image rarely
uses its whole range and its own scale is unknown here.
"""

import hashlib

import numpy as np
from PIL import Image

from xaijax.data.reading import Window

# Pillow modes whose pixels are grey levels already; the rest is palette, alpha, print or colour-space modes.
_EIGHT_BIT_GREY = ("1", "L", "LA", "La")
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def reason(error: BaseException) -> str:
    """The words of an error without the path in front, for a list of skipped images."""
    if isinstance(error, FileNotFoundError):
        return "file not found"
    if isinstance(error, PermissionError):
        return "no permission to read the file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def to_uint8(values: np.ndarray, window: Window | None = None) -> np.ndarray:
    """Map deep grey levels linearly to 0..255; an image of one value becomes 0.

    Args:
        values: any shape, integer or float, in the unit of the window.
        window: `(low, high)`; default: the image's own finite range.

    Returns:
        uint8 of the same shape, rounded half to even.

    Raises:
        ValueError: for values that are all NaN or infinite.
    """
    levels = np.asarray(values, np.float64)
    finite = np.isfinite(levels)
    if not finite.any():
        raise ValueError("all its values are NaN or infinite")
    low, high = (float(levels[finite].min()), float(levels[finite].max())) if window is None else window
    if high <= low:
        return np.zeros(levels.shape, np.uint8)
    scaled = np.clip((np.where(finite, levels, low) - low) / (high - low), 0, 1)
    return np.rint(255 * scaled).astype(np.uint8)


def from_pillow(image: Image.Image, window: Window | None = None) -> np.ndarray:
    """A decoded Pillow image as uint8 `[h, w, 1 or 3]`; transparency is dropped, not composed."""
    if image.mode in DEEP_MODES:
        return to_uint8(np.asarray(image), window)[..., None]
    if image.mode in _EIGHT_BIT_GREY:
        return np.array(image.convert("L"), np.uint8)[..., None]
    return np.array(image.convert("RGB"), np.uint8)


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
