"""TIFF files, by tifffile: every sample format, strips, tiles and planes; what it does not decode goes to Pillow."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xaijax._errors import InputError
from xaijax.data.formats import pillow
from xaijax.data.formats.quiet import hush
from xaijax.data.images import (
    FIRST_FRAME,
    NO_ALPHA,
    TURNED,
    Stored,
    UnreadableError,
    check_frame,
    check_size,
    scaled,
    upright,
)

# PhotometricInterpretation
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 4, 5, 6, 8
_MODES = {_CMYK: "CMYK", _YCBCR: "YCbCr", _LAB: "LAB"}
_GREY = frozenset({_WHITE_IS_ZERO, _BLACK_IS_ZERO, _MASK})
_JPEG = frozenset({6, 7, 33007, 34892})  # compressions whose decoder gives RGB
_UINT, _INT, _FLOAT = 1, 2, 3  # SampleFormat
_ORIENTATION = 274
FIRST_CHANNEL = "the first of its channels was taken"
SMALL_PALETTE = "its palette says 16 bits and holds 8; it was read as 8"


def read(path: Path, kind: str, frame: int | None) -> Stored:
    """One page as `Stored`."""
    import tifffile

    hush()
    notes: list[str] = []
    with tifffile.TiffFile(path) as opened:
        count = 1 + _has_second(opened) if not frame else len(opened.pages)
        page: Any = opened.pages[check_frame(frame, count, "page")]
        if count > 1 and frame is None:
            notes.append(FIRST_FRAME)
        check_size(page.imagelength, page.imagewidth)
        if page.imagelength * page.imagewidth * page.samplesperpixel > 2**31 or page.imagedepth > 1:
            raise UnreadableError("it is a volume or has too many channels")
        orientation = page.tags.valueof(_ORIENTATION, 1)
        turned = orientation in range(2, 9)
        photometric, bits = int(page.photometric), _bits(page)
        if photometric not in (*_GREY, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB):
            raise UnreadableError(f"it is a TIFF of the kind {page.photometric.name}, which is not supported")
        if int(page.sampleformat) not in (_UINT, _INT, _FLOAT):
            raise UnreadableError("it holds complex or undefined numbers")
        try:
            values = page.asarray(maxworkers=1)
        except (ValueError, NotImplementedError) as error:
            # Pillow knows subsampled YCbCr, and compressions for which tifffile needs imagecodecs; but it turns some
            # orientations wrongly.
            if bits != 8 or turned:
                if "imagecodecs" in str(error):
                    raise InputError("this compressed TIFF needs imagecodecs: pip install 'xaijax[medical]'") from None
                raise
            stored = pillow.read(path, "TIFF", frame or 0)
            return Stored(stored.values, white=stored.white, notes=(*notes, *stored.notes))
        values = values.reshape(_shape(page, values.size))
        if int(page.planarconfig) == 2:
            values = np.moveaxis(values, 0, -1)
        notes += _extra(page, photometric, values, bits)
        grey = photometric in _GREY
        plain = _grey(values) if grey else _colour(page, photometric, values, bits, notes)
    if turned:
        plain = upright(plain, orientation)
        notes.append(TURNED)
    white = 2 ** min(bits, 8) - 1 if plain.ndim == 2 else 255
    return Stored(plain, inverted=photometric == _WHITE_IS_ZERO, white=white, notes=tuple(notes))


def _has_second(opened: Any) -> bool:
    try:
        opened.pages[1]
    except IndexError:
        return False
    return True


def _bits(page: Any) -> int:
    bits = page.bitspersample
    return int(max(bits)) if isinstance(bits, tuple) else int(bits)


def _shape(page: Any, size: int) -> tuple[int, ...]:
    plane = page.imagelength, page.imagewidth
    if size == page.imagelength * page.imagewidth:
        return *plane, 1
    return (page.samplesperpixel, *plane) if int(page.planarconfig) == 2 else (*plane, page.samplesperpixel)


def _extra(page: Any, photometric: int, values: np.ndarray, bits: int) -> list[str]:
    """Notes on the channels beyond grey or colour."""
    first = 1 if photometric in _GREY or photometric == _PALETTE else 4 if photometric == _CMYK else 3
    if values.shape[2] <= first:
        return []
    extra = [int(one) for one in page.extrasamples]
    if extra and extra[0] in (1, 2):  # alpha
        opaque = 2**bits - 1 if values.dtype.kind == "u" else 1
        return [NO_ALPHA] if (values[..., first] < opaque).any() else []
    return [FIRST_CHANNEL if first == 1 else "channels other than red, green and blue were dropped"]


def _grey(values: np.ndarray) -> np.ndarray:
    return values[..., 0].astype(np.uint8) if values.dtype == bool else values[..., 0]


def _colour(page: Any, photometric: int, values: np.ndarray, bits: int, notes: list[str]) -> np.ndarray:
    if photometric == _PALETTE:
        palette = np.asarray(page.colormap).T  # [entries, 3] of 16 bits
        if palette.max() < 256 and palette.max() > 1:
            notes.append(SMALL_PALETTE)
            return palette.astype(np.uint8)[values[..., 0]]
        return scaled(palette, 65535)[values[..., 0]]
    if values.shape[2] < 3:
        raise UnreadableError(f"it says colour and has {values.shape[2]} channels")
    mode = _MODES.get(photometric)
    if mode is not None and not (photometric == _YCBCR and int(page.compression) in _JPEG):
        if bits != 8:
            raise UnreadableError(f"it holds {mode} of {bits} bits, which is not supported; store RGB")
        channels = np.ascontiguousarray(values[..., : Image.getmodebands(mode)])
        return np.array(Image.frombytes(mode, channels.shape[1::-1], channels.tobytes()).convert("RGB"), np.uint8)
    if values.dtype.kind != "u":
        raise UnreadableError("it holds colour as floats or with a sign, whose white is not known; store 8 or 16 bits")
    return np.ascontiguousarray(scaled(values[..., :3], 2**bits - 1))
