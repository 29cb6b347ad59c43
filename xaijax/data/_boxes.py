"""Boxes of findings as masks, for data sets that publish rectangles instead of outlines."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xaijax._errors import InputError
from xaijax.data.dataset import Content, Element, Source
from xaijax.data.reading import MaskRole

ANOTHER_SIZE = "its boxes were left out: they leave the image, so they are of one of another size"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the published image, from its left and upper edge."""

    name: str
    x: float
    y: float
    width: float
    height: float


def numbers(cells: Sequence[str], where: str) -> tuple[float, float, float, float]:
    """The four numbers of a box in a table; `where` names the line.

    Raises:
        InputError: for cells that are not four finite numbers.
    """
    try:
        first, second, third, fourth = map(float, cells)
        if not all(map(math.isfinite, (first, second, third, fourth))):
            raise ValueError
    except ValueError:
        raise InputError(f"{where}: the edges of a box must be four numbers") from None
    return first, second, third, fourth


@dataclass(frozen=True, slots=True)
class Boxed:
    """An image with boxes, an element each, named by its finding.

    Attributes:
        image: the image.
        boxes: what was found in it.
        size: (width, height) of the published image; boxes are scaled to that of the file. None for that of the file:
            then boxes that leave it are of another size, and left out.
        role: of the boxes.
        transpose: whether the image is read with rows and columns swapped.
    """

    image: Source
    boxes: tuple[Box, ...]
    size: tuple[int, int] | None
    role: MaskRole = "lesion"
    transpose: bool = False

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return (*self.image.roles, *[self.role for _ in self.boxes])

    def read(self, *, masks: bool) -> Content:
        content = self.image.read(masks=masks)
        if not masks:
            return content
        height, width = content.image.shape[:2]
        if self.transpose:
            height, width = width, height
        scale = (1.0, 1.0) if self.size is None else (width / self.size[0], height / self.size[1])
        if self.size is None and any(_leaves(box, width, height) for box in self.boxes):
            return replace(content, notes=(*content.notes, ANOTHER_SIZE))
        drawn = []
        for box in self.boxes:
            mask = np.zeros((height, width), bool)
            mask[_span(box.y, box.height, scale[1]), _span(box.x, box.width, scale[0])] = True
            drawn.append(Element(box.name, self.role, np.ascontiguousarray(mask.T) if self.transpose else mask))
        notes = () if scale == (1, 1) else ("its boxes were scaled to the size of the file",)
        return replace(content, elements=(*content.elements, *drawn), notes=(*content.notes, *notes))

    def fingerprint(self) -> str:
        return self.image.fingerprint()


def _leaves(box: Box, width: int, height: int) -> bool:
    """Whether a box ends more than a pixel outside the image."""
    return box.x + box.width > width + 1 or box.y + box.height > height + 1


def _span(start: float, length: float, scale: float) -> slice:
    """The pixels whose centres lie inside."""
    first, last = (max(math.ceil(edge * scale - 0.5), 0) for edge in (start, start + length))
    return slice(first, last)
