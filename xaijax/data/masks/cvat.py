"""Outlines of an XML file of CVAT ("CVAT for images"): polygons, boxes and ellipses of many images.

A file that declares a document type or entities is refused, as those of Pascal VOC are.
"""

from pathlib import Path

from xaijax.data.masks.outlines import Outline, Outlines, numbers
from xaijax.data.masks.voc import Node, tree

LARGEST_FILE = 2**28


def read(path: Path) -> dict[str, Outlines]:
    """The images of a file, as it names them, with their outlines.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, damaged or of another format.
    """
    root = tree(path, LARGEST_FILE)
    images = list(root.iterfind("image"))
    if root.tag != "annotations" or not images:
        raise ValueError("it is not a file of CVAT")
    found = {}
    for image in images:
        height, width = image.get("height", ""), image.get("width", "")
        whole = height.isdecimal() and width.isdecimal() and int(height) > 0 and int(width) > 0
        outlines = tuple(map(_outline, image))
        if outlines and image.get("name"):
            found[str(image.get("name"))] = Outlines(outlines, (int(height), int(width)) if whole else None)
    return found


def _outline(node: Node) -> Outline:
    name = node.get("label", "")
    if node.tag == "polygon":
        corners = [value for point in node.get("points", "").split(";") for value in point.split(",")]
        return Outline(name, "polygon", numbers(corners))
    if node.tag == "box":
        return Outline(name, "box", numbers([node.get(edge, "") for edge in ("xtl", "ytl", "xbr", "ybr")]))
    if node.tag == "ellipse":
        return Outline(name, "ellipse", numbers([node.get(edge, "") for edge in ("cx", "cy", "rx", "ry")]))
    return Outline(name, node.tag, ())
