"""Values of more than 8 bits in PNG, JPEG, JPEG 2000, AVIF and PNM files, which Pillow cuts to 8 bits or scales."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xaijax._errors import InputError
from xaijax.data.formats import codestream
from xaijax.data.images import NO_ALPHA, Stored, UnreadableError, check_size, scaled


def read(path: Path, kind: str, image: Image.Image | None) -> Stored | None:
    """The values of a file that is deeper than Pillow reads it, or None for all others.

    Args:
        path: the file.
        kind: as `recognise` names it.
        image: the file opened by Pillow, not decoded; None where Pillow refuses it.

    Returns:
        The values as they are stored, not turned.
    """
    if kind == "PNM" and image is not None:
        values = _pnm(path, image)
        return None if values is None else Stored(values)
    bits = _BITS[kind](path, image) if kind in _BITS else None
    if bits is None:
        return None
    try:
        import imagecodecs
    except ImportError:
        raise InputError(f"{kind} files of {bits} bits need imagecodecs: pip install 'xaijax[medical]'") from None
    decode = {
        "PNG": imagecodecs.png_decode,
        "JPEG": imagecodecs.jpeg_decode,
        "JPEG 2000": imagecodecs.jpeg2k_decode,
        "AVIF": imagecodecs.avif_decode,
    }[kind]
    values = np.asarray(decode(path.read_bytes()))
    return _stored(values, bits)


def _stored(values: np.ndarray, bits: int) -> Stored:
    """Without alpha; colour scaled to 8 bits."""
    white = 2**bits - 1
    values = values[..., None] if values.ndim == 2 else values
    channels = values.shape[2]
    if not 1 <= channels <= 4:
        raise UnreadableError(f"it has {channels} channels; 1 to 4 are read")
    notes = (NO_ALPHA,) if channels in (2, 4) and (values[..., -1] < white).any() else ()
    if channels < 3:
        return Stored(values[..., 0], white=min(white, 255), notes=notes)
    if values.dtype.kind != "u":
        raise UnreadableError("it holds colour with a sign, whose white is not known; store 8 or 16 bits without one")
    return Stored(scaled(values[..., :3], white), notes=notes)


# The next four give the bits of a file, or None where Pillow reads all of them.


def _png_bits(path: Path, image: Image.Image | None) -> int | None:
    with path.open("rb") as stream:
        start = stream.read(26)
    return 16 if start[24:25] == b"\x10" and start[25] != 0 else None  # grey of 16 bits is Pillow's


def _jpeg_bits(path: Path, image: Image.Image | None) -> int | None:
    """Of files that Pillow refuses: more bits, or lossless JPEG."""
    found = codestream.measure(path.read_bytes()) if image is None else None
    if found is None:
        return None
    check_size(found.height, found.width)
    return found.bits


def _jpeg2000_bits(path: Path, image: Image.Image | None) -> int | None:
    with path.open("rb") as stream:
        found = codestream.measure(stream.read(1 << 16))
    return None if found is None or (found.bits == 8 and not found.signed) else found.bits


def _avif_bits(path: Path, image: Image.Image | None) -> int | None:
    with path.open("rb") as stream:
        found = re.search(rb"av1C..(.)", stream.read(1 << 16), re.DOTALL)
    flags = found[1][0] if found else 0
    return None if not flags & 0x40 else 12 if flags & 0x20 else 10


_BITS: dict[str, Any] = {"PNG": _png_bits, "JPEG": _jpeg_bits, "JPEG 2000": _jpeg2000_bits, "AVIF": _avif_bits}


def _pnm(path: Path, image: Image.Image) -> np.ndarray | None:
    """Grey values of more than 8 bits with their own scale: Pillow has spread them to 16 bits."""
    if image.mode != "I":
        return None
    with path.open("rb") as stream:
        start = re.sub(rb"#[^\n]*\n", b"", stream.read(4096))
    white = int(start.split()[3])
    image.load()
    # Spreading is undone exactly: its steps are 1 or more.
    return np.rint(np.asarray(image, np.float64) * (white / 65535)).astype(np.int32)
