"""Boxes and polygons of YOLO's text files: one line for each object, its class and shares of the image's sides.

A line is `class x y width height`, of the centre, or `class x y x y x y ...`, the corners of a polygon.
"""

from dataclasses import dataclass

from xaijax.data.masks.outlines import Outline, Outlines
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.reading import MaskRole, Reading

Line = tuple[int, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class YoloObjects:
    """The objects of one image as a source of masks, one element each.

    Attributes:
        lines: class and numbers of each object.
        names: of the classes, shared by all images.

    Example:
        >>> from xaijax.data.masks import Canvas
        >>> found = YoloObjects(((0, (0.5, 0.5, 0.5, 1.0)),), ("nodule",)).read("lesion", Canvas((2, 4)))
        >>> found.elements[0].mask.astype(int).tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
    """

    lines: tuple[Line, ...]
    names: tuple[str, ...]

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return (role,) * len(self.lines)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        height, width = canvas.shape
        outlines = []
        for kind, values in self.lines:
            name = self.names[kind]
            if len(values) == 4:
                x, y, across, down = values
                edges = ((x - across / 2) * width, (y - down / 2) * height)
                outlines.append(Outline(name, "box", (*edges, edges[0] + across * width, edges[1] + down * height)))
            else:
                corners = [value * (height if at % 2 else width) for at, value in enumerate(values)]
                outlines.append(Outline(name, "polygon", tuple(corners)))
        return Outlines(tuple(outlines)).read(role, canvas)


def parse(text: str) -> tuple[Line, ...]:
    """The objects of a file.

    Raises:
        ValueError: for a line of another form, or shares outside 0 to 1.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        kind, *values = line.split() or [""]
        if not kind:
            continue
        try:
            shares = tuple(map(float, values))
        except ValueError:
            shares = ()
        box_or_polygon = len(shares) == 4 or (len(shares) >= 6 and len(shares) % 2 == 0)
        if not (kind.isascii() and kind.isdigit() and box_or_polygon):
            raise ValueError(f"line {number} is not a class with a box or a polygon")
        if not all(-1e-3 <= share <= 1 + 1e-3 for share in shares):
            raise ValueError(f"line {number} has numbers outside 0 to 1")
        found.append((int(kind), shares))
    return tuple(found)
