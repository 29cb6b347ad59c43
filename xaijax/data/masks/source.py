"""Where masks come from: the protocol of all sources of masks, and mask files.

A reader gives the masks of an image as `(role, entry)`. An entry is a path, or anything that has the two methods of
`MaskSource`: outlines of a COCO file, boxes of a table, a segmentation. Reading never touches the image.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from xaijax.data.masks import stored
from xaijax.data.masks.meaning import Masks, Rule, masks_of, rule_of
from xaijax.data.reading import AS_STORED, MaskRole, Reading


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


Entry = str | Path | MaskSource


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask file.

    Attributes:
        path: the file: an image, an array, a label map, a DICOM segmentation.
        rule: what its values mean in a known layout, role -> values, or empty; `--mask-values` goes before it.
        frame: which frame or slice; None for that of its image.

    Example:
        >>> trimap = MaskFile("trimaps/Abyssinian_1.png", rule={"organ": (1,)})
        >>> trimap.roles(None, AS_STORED)
        ('organ',)
    """

    path: str | Path
    rule: Rule | None = None
    frame: int | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return tuple(rule_of(role, reading.mask_values or self.rule or {})) or (role,)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        rule = canvas.reading.mask_values or self.rule or {}
        named_by = "--mask-values" if canvas.reading.mask_values else ""
        path = Path(self.path)
        if stored.kind_of(path) == "dicom":
            from xaijax.data.masks import segmentation

            if segmentation.is_segmentation(path):
                return segmentation.read(path, role, rule, canvas)
        frame = canvas.frame if self.frame is None else self.frame
        return masks_of(stored.read(path, frame), role, rule, named_by=named_by)


def source_of(entry: Entry) -> MaskSource:
    """The source of an entry; a path is a mask file."""
    return MaskFile(entry) if isinstance(entry, (str, Path)) else entry


def roles_of(entry: Entry, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
    """The roles of the elements that an entry may give."""
    return source_of(entry).roles(role, reading)


def read_entry(entry: Entry, role: MaskRole | None, canvas: Canvas) -> Masks:
    """What an entry gives. Masks that cannot be read cost no image: the reason becomes a note."""
    try:
        return source_of(entry).read(role, canvas)
    except (OSError, ValueError) as error:
        from xaijax.data.images import reason

        return Masks((), (f"a mask cannot be read ({reason(error)})",))
    except MemoryError:
        return Masks((), ("a mask cannot be read (it needs more memory than there is)",))
