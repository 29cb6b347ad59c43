"""Polygons, boxes and ellipses of one image as a source of masks, one element each, named as they are labelled.

Annotation tools (labelme, CVAT, VIA) store these; `labelme`, `cvat` and `via` read their files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xaijax.data.dataset import Element
from xaijax.data.masks import shapes
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.masks.stored import checked_size
from xaijax.data.reading import MaskRole, Reading


@dataclass(frozen=True, slots=True)
class Outline:
    """One outline.

    Attributes:
        name: what it is labelled as.
        kind: "polygon" (`[2 n]`, x and y of each corner), "box" (left, top, right, bottom), "ellipse" (x and y of the
            centre, half its width, half its height), or a kind that has no area, such as "point".
        values: its numbers.
    """

    name: str
    kind: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outlines:
    """The outlines of one image.

    Attributes:
        outlines: in the order of the file.
        size: `(h, w)` of the image they were drawn on, where the file states it.

    Example:
        >>> from xaijax.data.masks import Canvas
        >>> found = Outlines((Outline("cyst", "box", (1, 0, 3, 1)),)).read("lesion", Canvas((2, 4)))
        >>> found.elements[0].name, int(found.elements[0].mask.sum())
        ('cyst', 2)
    """

    outlines: tuple[Outline, ...]
    size: tuple[int, int] | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return (role,) * len(self.outlines)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        shape = self.size or canvas.shape
        elements = []
        notes: dict[str, None] = {}
        for one in self.outlines:
            try:
                inside = _inside(one, shape)
            except ValueError as error:
                notes[f"an outline was left out: {error}"] = None
                continue
            if inside.any():
                elements.append(Element(one.name, role, inside))
            else:
                notes["an outline was left out: no pixel of its image is inside it"] = None
        return Masks(tuple(elements), tuple(notes))


def numbers(values: Sequence[object]) -> tuple[float, ...]:
    """Values of a file as numbers.

    Raises:
        ValueError: for one that is not a number.
    """
    try:
        return tuple(float(value) for value in values)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("an outline has corners that are not numbers") from None


def _inside(one: Outline, shape: tuple[int, int]) -> np.ndarray:
    if one.kind == "polygon":
        return shapes.polygon(one.values, shape)
    if one.kind == "box":
        left, top, right, bottom = one.values
        return shapes.box((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), shape)
    if one.kind == "ellipse":
        x, y, across, down = one.values
        if not np.isfinite(one.values).all() or across <= 0 or down <= 0:
            raise ValueError("an ellipse has no area")
        checked_size(shape)
        rows, columns = (np.arange(side) + 0.5 for side in shape)
        return ((rows - y) / down)[:, None] ** 2 + ((columns - x) / across)[None, :] ** 2 <= 1
    raise ValueError(f"a {one.kind} has no area")
