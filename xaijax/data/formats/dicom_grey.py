"""What a DICOM header says of grey values: modality LUT, VOI LUT, padding and polarity, frame by frame.

The steps are pydicom's (`apply_modality_lut`, `apply_voi_lut`, `apply_windowing`). They are given the levels that occur
and the elements of the frame, which an enhanced multi-frame object keeps in its functional groups: the shared ones hold
for all frames, those of the frame come on top.

References:
    DICOM PS3.3 C.7.5.1.1.2 (padding), C.7.6.16 (functional groups), C.11.1 (modality LUT), C.11.2 (VOI LUT).
"""

import math
from typing import Any

import numpy as np

from xaijax.data.images import Levels, Stored, UnreadableError

SMALL_TABLE = "its lookup table says more bits than its entries have; the bits of the largest entry were taken"
BAD_WINDOW = "the window that the file states is not usable; its own range was taken"
_RESCALE = ("RescaleSlope", "RescaleIntercept")
_WINDOW = ("WindowCenter", "WindowWidth", "VOILUTFunction")
# Sequence of a functional group -> the elements in it that matter here.
_GROUPS = {"PixelValueTransformationSequence": _RESCALE, "FrameVOILUTSequence": _WINDOW}


def stored(pixels: np.ndarray, header: Any, index: int, notes: tuple[str, ...]) -> Stored:
    """Grey pixels `[h, w]` of one frame with what the header says of them.

    Args:
        pixels: stored values, with their sign.
        header: the data set without pixels.
        index: of the frame.
        notes: of the image so far.
    """
    of_frame = elements(header, index)
    rescale = _rescale(of_frame)
    display, said = _display(of_frame)
    notes += said
    padding = _padding(header)
    bits = int(header.get("BitsStored", 8 * pixels.itemsize))
    if pixels.dtype.kind == "u" and bits <= 8 and int(pixels.max()) < 2**bits:
        pixels = pixels.astype(np.uint8)
    elif pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16)  # its bits say more or less than 8
    shape = str(header.get("PresentationLUTShape", ""))
    inverted = str(header.PhotometricInterpretation) == "MONOCHROME1" or shape == "INVERSE"
    return Stored(pixels, rescale, display, padding, inverted, 2 ** min(bits, 8) - 1, notes)


def elements(header: Any, index: int) -> Any:
    """A data set with the elements of one frame that say how its values are shown."""
    found = like(header)
    for name, default in (("BitsStored", 16), ("PixelRepresentation", 0), ("PhotometricInterpretation", "MONOCHROME2")):
        setattr(found, name, header.get(name, default))
    sources: list[tuple[Any, tuple[str, ...]]] = [(header, (*_RESCALE, *_WINDOW))]
    for group in (header.get("SharedFunctionalGroupsSequence"), header.get("PerFrameFunctionalGroupsSequence")):
        if group and (len(group) == 1 or index < len(group)):
            inside = group[0 if len(group) == 1 else index]
            sources += [(inside[name].value[0], names) for name, names in _GROUPS.items() if inside.get(name)]
    for source, names in sources:
        for name in names:
            value = source.get(name)
            if value is not None and value != "":
                setattr(found, name, value)
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        for source, _ in sources:
            if source.get(name):
                setattr(found, name, [_lookup(source[name].value[0], header)])
    return found


def _lookup(item: Any, header: Any) -> Any:
    """A LUT item with a whole number an entry. As they are stored, pydicom reads no tables of packed bytes, and it
    counts only to 255 in tables of 8 bits, which may have more entries."""
    import pydicom

    entries, first, bits = (int(value) for value in item.LUTDescriptor)
    data = item["LUTData"].value
    little = header.original_encoding[1] is not False
    if not isinstance(data, bytes):
        data = np.asarray(data).ravel().astype("<u2" if little else ">u2").tobytes()
    table = np.frombuffer(wide_table(data, entries or 2**16, little), "<u2")
    if len(table) < (entries or 2**16):
        raise UnreadableError("it has a lookup table with fewer entries than it says")
    found = pydicom.Dataset()
    found.add_new(0x00283002, "SS" if first < 0 else "US", [entries, first, 16])
    found.add_new(0x00283006, "US", table.tolist())
    found.bits = bits  # of the file's table
    found.largest = int(table.max())
    return found


def wide_table(data: bytes, entries: int, little: bool) -> bytes:
    """A lookup table of bytes or words as little-endian words."""
    if len(data) >= 2 * entries:
        return np.frombuffer(data, "<u2" if little else ">u2", count=entries).astype("<u2").tobytes()
    packed = data if little else np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    return np.frombuffer(packed, np.uint8, count=min(entries, len(packed))).astype("<u2").tobytes()


def bits_of(largest: int, bits: int) -> int:
    """The bits of a lookup table's entries, whose white is the largest number of so many bits.

    Args:
        largest: entry.
        bits: as the table says. pydicom gives the entries as they are; but a table that says 16 and holds 8 or 10
            would be almost black, so where four bits or more are not used at all, those of the largest entry are taken.

    Example:
        >>> bits_of(255, 16), bits_of(1000, 16), bits_of(9000, 16), bits_of(3, 8)
        (8, 10, 16, 8)
    """
    used = max(int(largest).bit_length(), 8)
    return used if used <= bits - 4 else bits


def like(header: Any) -> Any:
    """An empty data set with the encoding of a header, in which pydicom reads tables."""
    import pydicom

    found = pydicom.Dataset()
    if header.file_meta.get("TransferSyntaxUID"):
        found.file_meta = header.file_meta
    found.set_original_encoding(*header.original_encoding)
    return found


def _rescale(of_frame: Any) -> Levels | None:
    """From stored values to the unit of the window, or None where they are the same."""
    from pydicom.pixels import apply_modality_lut

    if of_frame.get("ModalityLUTSequence"):
        # Wider than any LUT, because pydicom counts in the type that it is given.
        return lambda levels: apply_modality_lut(levels.astype(np.int64), of_frame)
    slope, intercept = (float(of_frame.get(name, default)) for name, default in zip(_RESCALE, (1, 0), strict=True))
    if (slope, intercept) == (1.0, 0.0) or not (math.isfinite(slope) and math.isfinite(intercept)):
        return None
    of_frame.RescaleSlope, of_frame.RescaleIntercept = slope, intercept  # pydicom wants both
    return lambda levels: apply_modality_lut(levels, of_frame)


def _display(of_frame: Any) -> tuple[Levels | None, tuple[str, ...]]:
    """The first VOI LUT or window, and notes: on one that cannot be used, or on the bits of its table."""
    from pydicom.pixels import apply_voi, apply_windowing

    if of_frame.get("VOILUTSequence"):
        item = of_frame.VOILUTSequence[0]
        entries, first, _ = (int(value) for value in item.LUTDescriptor)
        bits = bits_of(item.largest, item.bits)
        last = first + (entries or 2**16) - 1

        def by_table(values: np.ndarray) -> np.ndarray:
            # Values beyond the table take its ends; here, because pydicom counts in the type of the table.
            whole = np.clip(np.floor(values), first, last).astype(np.int64)
            return apply_voi(whole, of_frame).astype(np.float64) / (2**bits - 1)

        return by_table, () if bits == item.bits else (SMALL_TABLE,)
    if "WindowCenter" not in of_frame or "WindowWidth" not in of_frame:
        return None, ()
    center, width = (_first(of_frame[name].value) for name in _WINDOW[:2])
    function = str(of_frame.get("VOILUTFunction", "LINEAR")).upper()
    least = {"LINEAR": 1.0, "LINEAR_EXACT": math.ulp(0), "SIGMOID": math.ulp(0)}.get(function, math.inf)
    if not (math.isfinite(center) and math.isfinite(width) and width >= least):
        return None, (BAD_WINDOW,)
    of_frame.WindowCenter, of_frame.WindowWidth = center, width

    def by_window(values: np.ndarray) -> np.ndarray:
        # pydicom maps to the range of the stored values; its ends are where the window becomes black and white.
        with np.errstate(over="ignore"):  # a sigmoid far below its window
            black, white = apply_windowing(np.array([-np.inf, np.inf]), of_frame)
            return (apply_windowing(np.asarray(values, np.float64), of_frame) - black) / (white - black)

    return by_window, ()


def _first(value: Any) -> float:
    values = np.ravel(np.asarray(value, dtype=object))
    return float(values[0]) if values.size else math.nan


def _padding(header: Any) -> tuple[float, float] | None:
    """The lowest and highest stored value that is padding."""
    value = header.get("PixelPaddingValue")
    if value is None or value == "":
        return None
    ends = [_signed(value, header)]
    limit = header.get("PixelPaddingRangeLimit")
    if limit is not None and limit != "":
        ends.append(_signed(limit, header))
    return min(ends), max(ends)


def _signed(value: Any, header: Any) -> float:
    """A stored value, which some files write without the sign of their pixels."""
    if isinstance(value, bytes):
        value = int.from_bytes(value, "little")
    bits = int(header.get("BitsAllocated", 16))
    if int(header.get("PixelRepresentation", 0)) == 1 and value >= 2 ** (bits - 1):
        return float(value) - 2**bits
    return float(value)
