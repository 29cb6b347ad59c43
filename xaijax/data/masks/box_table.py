"""Tables of boxes: one row per box, with the image's file, edges in pixels, and mostly a name.

Columns are recognised by their usual names: `x_min`, `y_min`, `x_max`, `y_max` (or `left`, `top`, `right`, `bottom`),
or `x`, `y` and `width`, `height` (`w`, `h`). Edges are positions in the image's area, the first pixel from 0 to 1: a
box of `x` 0 and `width` 2 has two columns. Rows without any edge are images without a box.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data.masks.shapes import Boxes

IMAGES = ("file", "filename", "image", "imageid", "imageindex", "imagename", "path", "patientid", "id")
NAMES = ("label", "class", "classname", "findinglabel", "finding", "category", "name")
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x1", "y1", "x2", "y2"), ("left", "top", "right", "bottom"))
_SIDES = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("bboxx", "bboxy", "bboxw", "bboxh"))


def read(path: Path, *, image: str | None = None, name: str | None = None) -> Mapping[str, Boxes]:
    """The boxes of a table, read once for a data set.

    Args:
        path: a table of comma-separated UTF-8 text.
        image: column of the image's file or id; default: by its usual names.
        name: column of what a box outlines; default: by its usual names, or none.

    Returns:
        The image, as the table names it -> its boxes, which are a source of masks.

    Raises:
        InputError: for a table that lacks these columns, or a row whose edges are not numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.reader(stream)
            header = [column.strip() for column in next(rows, [])]
            place = {normal(column): at for at, column in reversed(list(enumerate(header)))}
            # ChestX-ray14 writes its columns as "Bbox [x", "y", "w", "h]".
            place.setdefault("x", place.get("bboxx", len(header)))
            place = {column: at for column, at in place.items() if at < len(header)}
            of_image = _column(path, place, image, IMAGES)
            if of_image is None:
                raise InputError(f"{path} has no column for the image of a box; it has {', '.join(header) or 'none'}")
            of_name = _column(path, place, name, NAMES)
            edges, sides = _edges(path, place, header)
            found: dict[str, list[tuple[str, tuple[float, float, float, float]]]] = {}
            for number, row in enumerate(rows, 2):
                texts = [row[at].strip() if at < len(row) else "" for at in edges]
                if not any(texts):
                    continue
                try:
                    left, top, right, bottom = (float(text) for text in texts)
                except ValueError:
                    raise InputError(f"{path}, line {number}: the edges of a box must be numbers") from None
                if sides:
                    right, bottom = left + right, top + bottom
                called = "" if of_name is None or of_name >= len(row) else row[of_name].strip()
                found.setdefault(row[of_image].strip(), []).append((called, (left, top, right, bottom)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not a table of comma-separated UTF-8 text ({error})") from error
    return {image: Boxes(tuple(boxes)) for image, boxes in found.items()}


def _column(path: Path, place: Mapping[str, int], named: str | None, usual: tuple[str, ...]) -> int | None:
    if named is not None:
        if normal(named) not in place:
            raise InputError(f"{path} has no column {named}; it has {', '.join(place)}")
        return place[normal(named)]
    return next((place[column] for column in usual if column in place), None)


def _edges(path: Path, place: Mapping[str, int], header: list[str]) -> tuple[list[int], bool]:
    """The four columns of edges, and whether the last two are width and height."""
    for sides, choices in ((False, _CORNERS), (True, _SIDES)):
        for columns in choices:
            if all(column in place for column in columns):
                return [place[column] for column in columns], sides
    raise InputError(f"{path} has no columns for the edges of boxes; it has {', '.join(header) or 'none'}")
