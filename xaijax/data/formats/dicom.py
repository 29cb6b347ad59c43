"""DICOM images, by pydicom: the header, then the one frame that is wanted. Needs `xaijax[medical]`.

No text of a header leaves this module: not the patient's name, not a message that quotes a value.
"""

import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from xaijax._errors import InputError
from xaijax.data.formats import codestream, dicom_colour, dicom_grey
from xaijax.data.formats.quiet import hush
from xaijax.data.images import FIRST_FRAME, Stored, UnreadableError, check_frame, check_size, scaled

_LARGEST_INFLATED = 2**31  # bytes of a deflated data set
# Objects with pixels that are no images: masks over other images.
_SEGMENTATIONS = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_PIXELS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}


def read(path: Path, kind: str, frame: int | None) -> Stored:
    """One frame as `Stored`; the first where none is named."""
    pydicom = library()
    with path.open("rb") as stream:
        header = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        _require_image(header)
        frames = int(header.get("NumberOfFrames", 1) or 1)
        index = check_frame(frame, frames)
        check_size(int(header.Rows), int(header.Columns))
        pixels, properties = _decoded(stream, path, header, index)
    notes = (FIRST_FRAME,) if frame is None and frames > 1 else ()
    space = str(properties.get("photometric_interpretation") or header.PhotometricInterpretation)
    if int(header.get("SamplesPerPixel", 1)) > 1:
        return Stored(_colour(pixels, space, header), notes=notes)
    if space == "PALETTE COLOR":
        colours, said = dicom_colour.palette(pixels, header)
        return Stored(colours, notes=notes + said)
    if space not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableError("it has one channel and a photometric interpretation that is not grey or a palette")
    if str(header.get("PixelPresentation", "")) in ("COLOR", "MIXED"):
        colours, said = dicom_colour.supplemental(pixels, header, index)
        return Stored(colours, notes=notes + said)
    return dicom_grey.stored(pixels, header, index, notes)


def library() -> Any:
    """pydicom.

    Raises:
        InputError: where it is not installed.
    """
    try:
        import pydicom
        import pydicom.pixels
    except ImportError:
        raise InputError("DICOM files need pydicom: pip install 'xaijax[medical]'") from None
    hush()
    return pydicom


def _require_image(header: Any) -> None:
    uid = header.get("SOPClassUID")
    known = str(uid.name) if uid is not None and uid.name != str(uid) else "object of an unknown class"
    if str(uid) in _SEGMENTATIONS:
        raise UnreadableError("it is a DICOM segmentation, which is a mask and not an image")
    if "Rows" not in header or "Columns" not in header or "PhotometricInterpretation" not in header:
        raise UnreadableError(f"it is a DICOM file without an image ({known})")


def _decoded(stream: BinaryIO, path: Path, header: Any, index: int) -> tuple[np.ndarray, dict[str, Any]]:
    """The pixels of one frame and what they are after decoding, colour as RGB; no other frame is read."""
    from pydicom import pixels, uid

    syntax = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    if syntax is None:
        implicit, little = header.original_encoding
        syntax = (
            uid.ImplicitVRLittleEndian
            if implicit
            else uid.ExplicitVRLittleEndian
            if little
            else uid.ExplicitVRBigEndian
        )
    try:
        decoder = pixels.get_decoder(syntax)
    except NotImplementedError:
        name = syntax.name if syntax.name != str(syntax) else "an unknown transfer syntax"
        raise UnreadableError(f"its pixels are stored as {name}, which is not supported") from None
    if not decoder.is_available:
        raise InputError(f"pixels stored as {syntax.name} need a decoder: pip install 'xaijax[medical]'")
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        _check_inflated(path)
        whole = library().dcmread(path, force=True)
        options, source = pixels.as_pixel_options(whole), whole
    else:
        options = pixels.as_pixel_options(header, transfer_syntax_uid=syntax, **_pixel_element(stream, header))
        source = stream
        if syntax.is_compressed:
            _check_frame_size(stream, header, index, options)
    bits = _bits_above(header, syntax.is_compressed)
    if bits is not None:
        options["correct_unused_bits"] = False
    try:
        values, properties = decoder.as_array(source, index=index, **options)
        return (values if bits is None else values << bits[0] >> bits[1]), properties
    except (MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of a decoder written in Rust is no Exception
        # The type alone: a message may quote the header.
        raise UnreadableError(
            f"its pixels, stored as {syntax.name}, cannot be decoded ({type(error).__name__})"
        ) from None


def _bits_above(header: Any, compressed: bool) -> tuple[int, int] | None:
    """By how much words are shifted to the left and then to the right where values do not lie at their low end, as
    in old files of 12 bits with 11 as `BitsStored - 1` and 15 as `HighBit`; pydicom takes the low bits."""
    allocated, stored = int(header.get("BitsAllocated", 16)), int(header.get("BitsStored", 16))
    high = int(header.get("HighBit", stored - 1))
    if compressed or high == stored - 1 or not stored <= high + 1 <= allocated:
        return None
    return allocated - high - 1, allocated - stored


def _pixel_element(stream: BinaryIO, header: Any) -> dict[str, str]:
    """Reads the head of the pixel element, at which the stream stands, and so goes to its value."""
    implicit, little = header.original_encoding
    order: Literal["little", "big"] = "little" if little else "big"
    start = stream.read(8)
    tag = int.from_bytes(start[:2], order) << 16 | int.from_bytes(start[2:4], order)
    if tag not in _PIXELS:
        raise UnreadableError("it is a DICOM file without pixels")
    if implicit:
        return {"pixel_keyword": _PIXELS[tag]}
    stream.read(4)
    return {"pixel_keyword": _PIXELS[tag], "pixel_vr": start[4:6].decode("ascii", "replace")}


def _check_frame_size(stream: BinaryIO, header: Any, index: int, options: dict[str, Any]) -> None:
    """Refuses a code stream of another size than the header says, before a decoder makes room for it."""
    from pydicom.encaps import get_frame

    at = stream.tell()
    offsets = options.get("extended_offsets")
    frame = get_frame(stream, index, extended_offsets=offsets, number_of_frames=options["number_of_frames"])
    stream.seek(at)
    found = codestream.measure(frame)
    if found is not None and (found.height, found.width) != (header.Rows, header.Columns):
        raise UnreadableError(
            f"its frame has {found.width} x {found.height} pixels and its header says {header.Columns} x {header.Rows}"
        )


def _check_inflated(path: Path) -> None:
    """Refuses a deflated data set that inflates beyond measure, before pydicom inflates it at once."""
    data = path.read_bytes()
    at = data.find(b"1.2.840.10008.1.2.1.99")
    group_ends = at + 22
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    start = _end_of_meta(data, group_ends)
    while start < len(data) and not inflater.eof:
        piece, start = data[start : start + (1 << 16)], start + (1 << 16)
        while piece:
            total += len(inflater.decompress(piece, 1 << 24))
            piece = inflater.unconsumed_tail
            if total > _LARGEST_INFLATED:
                raise UnreadableError("its data inflate to more than 2 GiB")


def _end_of_meta(data: bytes, after: int) -> int:
    """Where the file meta information ends: its first element gives the length of the rest."""
    at = data.find(b"\x02\0\0\0UL\x04\0", 0, after)
    return at + 12 + int.from_bytes(data[at + 8 : at + 12], "little") if at >= 0 else after


def _colour(pixels: np.ndarray, space: str, header: Any) -> np.ndarray:
    """Decoded colour as uint8 RGB. pydicom has converted YBR_FULL already, and JPEG 2000 its own colour transforms."""
    if pixels.ndim != 3 or pixels.shape[-1] not in (3, 4):
        raise UnreadableError(f"it has {pixels.shape[-1]} channels; 1 or 3 are read")
    if space not in ("RGB", "YBR_RCT", "YBR_ICT", "ARGB"):
        raise UnreadableError("its colour space is not supported; RGB, YBR_FULL, YBR_FULL_422, YBR_RCT and YBR_ICT are")
    if pixels.dtype.kind != "u":
        raise UnreadableError("it holds colour as floats or with a sign, whose white is not known")
    channels = pixels[..., 1:4] if space == "ARGB" else pixels[..., :3]
    return np.ascontiguousarray(scaled(channels, 2 ** int(header.get("BitsStored", 8 * pixels.itemsize)) - 1))
