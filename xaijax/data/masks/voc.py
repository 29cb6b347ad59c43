"""Boxes of Pascal VOC's XML files, one element per object, named as the object is.

Corners count pixels from 1 and belong to the box. The size that the file states is that of the masks; `Dataset` brings
masks of another size to that of their image, or leaves them out. A file that declares a document type or entities is
refused: annotations need none, and entities can be made to fill the memory.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element as Node
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

from xaijax._names import normal
from xaijax.data.dataset import Element
from xaijax.data.masks import shapes
from xaijax.data.masks.meaning import Rule, rule_of
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.reading import MaskRole, Reading

LARGEST_FILE = 2**24
_Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class VocFile:
    """The boxes of one image.

    Attributes:
        path: the XML file.
        rule: role -> names of objects, to take these alone; default: all, of the role of the entry.
    """

    path: str | Path
    rule: Rule | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return tuple(rule_of(role, self.rule or {})) or (role,)

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        boxes, size = parse(Path(self.path))
        rule = rule_of(role, self.rule or {})
        of = {normal(str(value)): named for named, values in rule.items() for value in values}
        chosen = [(name, of.get(normal(name), role), edges) for name, edges in boxes if not rule or normal(name) in of]
        return shapes.drawn(chosen, size or canvas.shape)


def elements(path: Path, shape: tuple[int, int]) -> tuple[Element, ...]:
    """The boxes of a file as elements without roles; `shape` is that of the image, for a file that states none.

    Raises:
        OSError, ValueError: for a file that is missing, damaged or of another format.
    """
    return VocFile(path).read(None, Canvas(shape)).elements


def parse(path: Path) -> tuple[list[tuple[str, _Edges]], tuple[int, int] | None]:
    """Names and edges of the boxes, in the image's area, and the `(h, w)` that the file states.

    Raises:
        OSError, ValueError: for a file that is missing, damaged or of another format.
    """
    root = tree(path)
    if root.tag != "annotation":
        raise ValueError("it is not an annotation of Pascal VOC")
    height, width = (_number(root.find(f"size/{name}"), 0) for name in ("height", "width"))
    size = (int(height), int(width)) if height >= 1 and width >= 1 else None
    boxes = []
    for one in root.iterfind("object"):
        where = one.find("bndbox")
        corners = [None if where is None else where.find(name) for name in ("xmin", "ymin", "xmax", "ymax")]
        left, top, right, bottom = (round(_number(corner)) for corner in corners)
        boxes.append(((one.findtext("name") or "").strip(), (left - 1.0, top - 1.0, float(right), float(bottom))))
    return boxes, size


def _number(node: Node | None, default: float | None = None) -> float:
    text = "" if node is None or node.text is None else node.text.strip()
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if abs(number) <= shapes.LARGEST_COORDINATE:
        return number
    if default is None:
        raise ValueError("a box has no numbers for its corners")
    return default


def tree(path: Path, largest: int = LARGEST_FILE) -> Node:
    """The root of an XML file.

    Raises:
        OSError, ValueError: for a file that is missing, damaged, too large, or declares a document type or entities.
    """
    if not path.is_file():
        raise ValueError("file not found" if not path.exists() else "it is not a regular file")
    if path.stat().st_size > largest:
        raise ValueError("it is too large for annotations")
    builder = TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise ValueError(f"it is damaged XML ({error})") from None
    return builder.close()


def _refuse(*_: object) -> None:
    raise ValueError("it declares a document type or entities, which annotations do not need")
