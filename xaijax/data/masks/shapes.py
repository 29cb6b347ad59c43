"""Outlines and boxes as masks. A pixel is inside where its centre is.

Coordinates are those of the image's area: the first pixel reaches from 0 to 1 and has its centre at 0.5. Of a polygon
that crosses itself, the parts that are surrounded an odd number of times are inside. pycocotools rounds outlines to a
grid of a fifth of a pixel and shifts them by up to half a pixel; its masks differ from these in pixels on the outline.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from xaijax.data.dataset import Element
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.masks.stored import checked_size
from xaijax.data.reading import MaskRole, Reading

LARGEST_COORDINATE = 1e7


def polygon(points: Sequence[float] | np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The inside of an outline.

    Args:
        points: `[2 n]`, x and y of each corner, n of 3 or more.
        shape: `(h, w)`.

    Returns:
        `[h, w]` bool.

    Raises:
        ValueError: for fewer than three corners, an odd number of values, or values that are not finite.

    Example:
        >>> polygon([0, 0, 2, 0, 2, 1, 0, 1], (2, 3)).astype(int).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    from skimage.draw import polygon as filled

    corners = np.asarray(points, np.float64).ravel()
    if len(corners) < 6 or len(corners) % 2:
        raise ValueError("an outline needs two values for each of three corners or more")
    if not np.isfinite(corners).all() or np.abs(corners).max() > LARGEST_COORDINATE:
        raise ValueError("an outline has corners that are not finite")
    checked_size(shape)
    inside = np.zeros(shape, bool)
    inside[filled(corners[1::2] - 0.5, corners[::2] - 0.5, shape)] = True
    return inside


def box(edges: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """The inside of a box.

    Args:
        edges: x and y of the upper left corner, x and y of the lower right one.
        shape: `(h, w)`; what reaches beyond is cut off.

    Returns:
        `[h, w]` bool.

    Raises:
        ValueError: for a box without an area, or with edges that are not finite.

    Example:
        >>> box((1, 0, 3, 1), (2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    left, top, right, bottom = (float(edge) for edge in edges)
    if not np.isfinite([left, top, right, bottom]).all() or right <= left or bottom <= top:
        raise ValueError("a box has no area")
    checked_size(shape)
    rows, columns = (np.arange(side) + 0.5 for side in shape)
    return ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))[None, :]


@dataclass(frozen=True, slots=True)
class Boxes:
    """Boxes of one image as a source of masks, one element each.

    Attributes:
        boxes: `(name, (left, top, right, bottom))` in pixels of the image.
        size: `(h, w)` of the image they were drawn on, where that is stated; default: the image as it is. Masks of
            another size are brought to that of the image, or left out, as those of files are.

    Example:
        >>> from xaijax.data.masks import Canvas
        >>> found = Boxes((("nodule", (1, 0, 3, 1)),)).read("lesion", Canvas((2, 4)))
        >>> found.elements[0].name, int(found.elements[0].mask.sum())
        ('nodule', 2)
    """

    boxes: tuple[tuple[str, tuple[float, float, float, float]], ...]
    size: tuple[int, int] | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return (role,) * len(self.boxes)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        return drawn(((name, role, edges) for name, edges in self.boxes), self.size or canvas.shape)


def drawn(boxes: Iterable[tuple[str, MaskRole | None, Sequence[float]]], shape: tuple[int, int]) -> Masks:
    """Boxes as elements; one without an area, or outside the image, is left out with a note."""
    elements = []
    notes = []
    height, width = shape
    for name, role, edges in boxes:
        try:
            inside = box(edges, shape)
        except ValueError:
            notes.append("a box was left out: it has no area")
            continue
        if not inside.any():
            notes.append("a box was left out: no pixel of its image is inside it")
            continue
        if edges[0] < 0 or edges[1] < 0 or edges[2] > width or edges[3] > height:
            notes.append("a box reaches beyond its image and was cut off")
        elements.append(Element(name, role, inside))
    return Masks(tuple(elements), tuple(notes))
