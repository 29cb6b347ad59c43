"""Outlines of labelme's JSON files, one file for each image, with its name.

Polygons, rectangles and circles are masks; points, lines and stored masks are left out with a note. A copy of the image
in the file is not looked at.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaijax.data.masks.outlines import Outline, Outlines, numbers
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.reading import MaskRole, Reading

LARGEST_FILE = 2**28  # bytes; the file may hold a copy of the image


@dataclass(frozen=True, slots=True)
class LabelmeFile:
    """The outlines of one image; the file is read with the image."""

    path: str | Path

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return (role,)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        return parse(Path(self.path)).read(role, canvas)


def parse(path: Path) -> Outlines:
    """The outlines of a file.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, damaged or of another format.
    """
    if not path.is_file():
        raise ValueError("file not found" if not path.exists() else "it is not a regular file")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError("it is too large for the outlines of one image")
    try:
        top = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("it is damaged JSON") from None
    if not isinstance(top, dict) or not isinstance(top.get("shapes"), list):
        raise ValueError("it is not a file of labelme")
    height, width = top.get("imageHeight"), top.get("imageWidth")
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Outlines(tuple(map(_outline, top["shapes"])), size if size and min(size) > 0 else None)


def is_labelme(path: Path) -> bool:
    """Whether a file is one of labelme."""
    try:
        parse(path)
    except (OSError, ValueError):
        return False
    return True


def _outline(shape: Any) -> Outline:
    if not isinstance(shape, Mapping):
        raise ValueError("it has a shape that is not an object")
    kind = str(shape.get("shape_type") or "polygon")
    points = shape.get("points") or []
    try:
        values = numbers([value for point in points for value in point])
    except TypeError:
        raise ValueError("an outline has corners that are not numbers") from None
    name = str(shape.get("label") or "")
    if kind == "rectangle" and len(values) == 4:
        return Outline(name, "box", values)
    if kind == "circle" and len(values) == 4:
        radius = math.hypot(values[2] - values[0], values[3] - values[1])
        return Outline(name, "ellipse", (values[0], values[1], radius, radius))
    return Outline(name, kind, values)
