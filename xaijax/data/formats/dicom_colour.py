"""DICOM palettes: PALETTE COLOR images, and grey images with a supplemental palette for some of their values.

pydicom's `apply_color_lut` looks the colours up. Tables are first brought to 16 bits an entry in little-endian order:
as they are stored, it reads 8-bit tables of an odd length and those of big-endian files wrongly, and counts to 255 only
in 8-bit tables.

References:
    DICOM PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6 (palettes), C.7.6.19 and C.8.16.2.1.1.1 (supplemental ones).
"""

from typing import Any

import numpy as np

from xaijax.data.formats import dicom_grey
from xaijax.data.images import UnreadableError, displayed, scaled

_COLOURS = ("Red", "Green", "Blue")


def palette(pixels: np.ndarray, header: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices `[h, w]` as RGB uint8 `[h, w, 3]`, and notes."""
    from pydicom.pixels import apply_color_lut

    table = _table(header)
    entries, first, stated = map(int, table.RedPaletteColorLookupTableDescriptor)
    bits = stated
    if stated > 8:
        whole = apply_color_lut(np.arange(first, first + (entries or 2**16), dtype=np.int64), table)
        bits = dicom_grey.bits_of(int(whole[..., :3].max()), stated)
    present, positions = np.unique(pixels, return_inverse=True)
    colours = apply_color_lut(present.astype(np.int64), table)[..., :3]
    notes = () if bits == stated else (dicom_grey.SMALL_TABLE,)
    return scaled(colours, 2**bits - 1)[positions.reshape(pixels.shape)], notes


def supplemental(pixels: np.ndarray, header: Any, index: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values from the first of the palette on are colours, those below are grey, through the file's window."""
    _, first, _ = _table(header).RedPaletteColorLookupTableDescriptor
    coloured = pixels >= int(first)
    below = np.where(coloured, pixels[~coloured].min() if (~coloured).any() else 0, pixels)
    grey, notes = displayed(dicom_grey.stored(below.astype(pixels.dtype), header, index, ()))
    colours, more = palette(pixels, header)
    return np.where(coloured[..., None], colours, grey), (*notes, *more)


def _table(header: Any) -> Any:
    """The palette as a data set, its tables with 16 bits an entry."""
    found = dicom_grey.like(header)
    little = header.original_encoding[1] is not False
    for colour in _COLOURS:
        name = f"{colour}PaletteColorLookupTableDescriptor"
        if name not in header:
            raise UnreadableError("it has a palette without a descriptor")
        entries, first, bits = (int(value) for value in header[name].value)
        setattr(found, name, [entries, first, bits])
        data = f"{colour}PaletteColorLookupTableData"
        if data in header:
            found.add_new(data, "OW", dicom_grey.wide_table(header[data].value, entries or 2**16, little))
        elif f"Segmented{data}" in header:
            if bits == 8 and (entries or 2**16) > 256:
                raise UnreadableError("it has a segmented palette of 8 bits with more than 256 colours")
            found[f"Segmented{data}"] = header[f"Segmented{data}"]
        else:
            raise UnreadableError("it has a palette without colours")
    return found
