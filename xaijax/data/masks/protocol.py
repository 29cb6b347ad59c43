"""The protocol of all sources of masks.

A reader gives the masks of an image as `(role, entry)`. An entry is a path, or anything that has the two methods of
`MaskSource`: outlines of a COCO file, boxes of a table, a segmentation. Reading never touches the image.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xaijax.data.dataset import Element
from xaijax.data.reading import AS_STORED, MaskRole, Reading


@dataclass(frozen=True)
class Masks:
    """What one mask file, or another source of masks, gives for one image.

    Attributes:
        elements: what is outlined, in the pixels of the mask.
        notes: what was assumed or refused, as in `Content`.
    """

    elements: tuple[Element, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Canvas:
    """The image that masks belong to.

    Attributes:
        shape: `(h, w)` of the image as stored, before rows and columns are swapped.
        path: its file, where it has one of its own.
        reading: how the data set is read; its `mask_values` go before a layout's own rule.
        frame: which frame or slice of its file the image is; None for the one that is read by default.
    """

    shape: tuple[int, int]
    path: Path | None = None
    reading: Reading = AS_STORED
    frame: int | None = None


class MaskSource(Protocol):
    """A source of masks of one image. It is small: a data set may have a hundred thousand of them."""

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        """The roles of the elements it may give, without reading anything; `role` is the one its entry states."""
        ...

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        """The elements, in any size, and notes.

        Raises:
            OSError, ValueError: with the reason, where there is nothing to be read.
        """
        ...
