"""Masks: from files, annotations and boxes to elements. `protocol` defines a source of masks."""

from xaijax.data.masks.meaning import Rule, masks_of
from xaijax.data.masks.protocol import Canvas, Masks, MaskSource
from xaijax.data.masks.shapes import Boxes
from xaijax.data.masks.source import Entry, MaskFile, read_entry, roles_of
from xaijax.data.masks.stored import Stored, array

__all__ = [
    "Boxes",
    "Canvas",
    "Entry",
    "MaskFile",
    "MaskSource",
    "Masks",
    "Rule",
    "Stored",
    "array",
    "masks_of",
    "read_entry",
    "roles_of",
]
