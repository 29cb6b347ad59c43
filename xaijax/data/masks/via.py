"""Outlines of a JSON file of the VGG Image Annotator (VIA, version 1 and 2): its annotations, or a whole project."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xaijax.data.masks.outlines import Outline, Outlines, numbers

LARGEST_FILE = 2**28
_EDGES = {
    "rect": ("x", "y", "width", "height"),
    "circle": ("cx", "cy", "r", "r"),
    "ellipse": ("cx", "cy", "rx", "ry"),
}


def read(path: Path) -> dict[str, Outlines]:
    """The images of a file, as it names them, with their outlines; the file states no sizes.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, damaged or of another format.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError("it is too large for annotations of VIA")
    try:
        top = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("it is damaged JSON") from None
    images = top.get("_via_img_metadata", top) if isinstance(top, dict) else None
    if not isinstance(images, dict) or not images or not all(map(_is_image, images.values())):
        raise ValueError("it is not a file of VIA")
    found = {}
    for one in images.values():
        regions = one["regions"].values() if isinstance(one["regions"], dict) else one["regions"]
        outlines = tuple(_outlines(regions))
        if outlines:
            found[one["filename"]] = Outlines(outlines)
    return found


def _is_image(one: Any) -> bool:
    return (
        isinstance(one, dict) and isinstance(one.get("filename"), str) and isinstance(one.get("regions"), dict | list)
    )


def _outlines(regions: Iterable[Any]) -> Iterable[Outline]:
    for region in regions:
        shape = region.get("shape_attributes") if isinstance(region, dict) else None
        if not isinstance(shape, Mapping):
            raise ValueError("it has a region without a shape")
        attributes = region.get("region_attributes")
        texts = [value for value in attributes.values() if isinstance(value, str)] if attributes else []
        name, kind = texts[0] if texts else "", str(shape.get("name"))
        if kind in ("polygon", "polyline"):
            corners = zip(shape.get("all_points_x") or (), shape.get("all_points_y") or (), strict=True)
            # A polyline is a line that nothing closes.
            yield Outline(name, kind, numbers([value for corner in corners for value in corner]))
        elif kind in _EDGES:
            edges = numbers([shape.get(edge, "") for edge in _EDGES[kind]])
            if kind == "rect":
                edges = (edges[0], edges[1], edges[0] + edges[2], edges[1] + edges[3])
            yield Outline(name, "box" if kind == "rect" else "ellipse", edges)
        else:
            yield Outline(name, kind, ())
