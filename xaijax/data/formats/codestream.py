"""Size and bits of JPEG, JPEG-LS and JPEG 2000 code streams, from their headers."""

import struct
from dataclasses import dataclass

_CODE_STREAM = b"\xff\x4f\xff\x51"
_JP2 = b"\0\0\0\x0cjP  "


@dataclass(frozen=True)
class Measure:
    """What a code stream says of its image: size in pixels, bits of a sample, and whether samples have a sign."""

    height: int
    width: int
    bits: int
    signed: bool = False


def measure(data: bytes) -> Measure | None:
    """The measure of a code stream, alone or in a JP2 file; None for another one, or one that is cut.

    Example:
        >>> measure(bytes(64) + b"\\xff\\x4f\\xff\\x51" + bytes(64)) is None  # run lengths
        True
    """
    try:
        return _jpeg(data) if data.startswith(b"\xff\xd8") else _jpeg2000(data)
    except (struct.error, IndexError):
        return None


def _jpeg(data: bytes) -> Measure | None:
    """By the frame header, SOF0 to SOF15 or that of JPEG-LS."""
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            bits, height, width = struct.unpack_from(">BHH", data, at + 4)
            return Measure(height, width, bits)
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    return None


def _jpeg2000(data: bytes) -> Measure | None:
    """By the SIZ marker, which follows the start of the code stream: at the beginning, or behind the boxes of JP2."""
    at = data.find(_CODE_STREAM) if data.startswith(_JP2) else 0
    if at < 0 or not data.startswith(_CODE_STREAM, at):  # the same bytes may stand anywhere in run lengths
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", data, at + 8)
    depth = data[at + 42]  # the sign in the highest bit, and the number of bits less one
    return Measure(bottom - top, right - left, (depth & 0x7F) + 1, bool(depth & 0x80))
