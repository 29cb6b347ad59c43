"""Annotations in COCO's JSON: polygons and run lengths, one element per annotation, named by its category.

A file is read once for a data set; each image then has a small source of masks:

    annotations = coco.read(folder / "annotations.json")
    masks = ((None, annotations.masks("cat_1.jpg")),)

Masks have the size that the file states for the image; `Dataset` brings masks of another size to that of their image,
or leaves them out. A rule, `role -> categories`, takes some categories: their ids (`--mask-values lesion=1 organ=2`)
or, in a known layout, their names. A crowd region (`iscrowd`) is one element. A box stands for an annotation that has
no outline, with a note.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._names import normal
from xaijax.data.dataset import Element
from xaijax.data.masks import rle, shapes
from xaijax.data.masks.meaning import Rule, rule_of, stated_rule
from xaijax.data.masks.protocol import Canvas, Masks
from xaijax.data.reading import MaskRole, Reading

BOX = "a box stands for the outline of a COCO annotation that has none"


@dataclass(frozen=True, slots=True)
class Outline:
    """One annotation.

    Attributes:
        image: id of its image.
        category: id of its category.
        polygons: the corners of each, `[2 n]`, x and y.
        runs: run lengths, `(counts, (h, w))`, instead of polygons.
        box: x, y, width and height, where it has no outline.
    """

    image: int | str
    category: int
    polygons: tuple[np.ndarray, ...] = ()
    runs: tuple[str | tuple[int, ...], tuple[int, int]] | None = None
    box: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image of the file; `size` is `(h, w)` or None where it is not stated."""

    id: int | str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Annotations:
    """The annotations of a file.

    Attributes:
        images: name of each image's file, as it is written -> its record.
        categories: id -> name.
        outlines: id of an image -> its annotations, in the order of the file.
        damaged: how many annotations could not be understood.
    """

    images: Mapping[str, ImageRecord]
    categories: Mapping[int, str]
    outlines: Mapping[int | str, tuple[Outline, ...]] = field(repr=False)
    damaged: int = 0

    def masks(self, file_name: str, rule: Rule | None = None) -> "CocoMasks | None":
        """The masks of an image, by the name that the file has for it; None where it has no annotation."""
        record = self.images.get(file_name)
        return CocoMasks(self, record, rule) if record is not None and record.id in self.outlines else None


@dataclass(frozen=True, slots=True)
class CocoMasks:
    """The annotations of one image as a source of masks. All share one `Annotations`."""

    annotations: Annotations = field(repr=False)
    image: ImageRecord
    rule: Rule | None = None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return tuple(named for named, _ in self._chosen(role, reading))

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        shape = self.image.size or canvas.shape
        found = []
        notes: dict[str, None] = {}
        for named, outline in self._chosen(role, canvas.reading):
            try:
                inside = mask(outline, shape)
            except ValueError as error:
                notes[f"a COCO annotation was left out: {error}"] = None
                continue
            if outline.box is not None:
                notes[BOX] = None
            found.append(Element(self.annotations.categories.get(outline.category, ""), named, inside))
        return Masks(tuple(found), tuple(notes))

    def _chosen(self, role: MaskRole | None, reading: Reading) -> list[tuple[MaskRole | None, Outline]]:
        outlines = self.annotations.outlines.get(self.image.id, ())
        rule = rule_of(role, stated_rule(reading, self.rule))
        if not rule:
            return [(role, outline) for outline in outlines]
        of = {
            category: named
            for named, values in rule.items()
            for category, name in self.annotations.categories.items()
            for value in values
            if value == category or (isinstance(value, str) and normal(value) == normal(name))
        }
        return [(of[outline.category], outline) for outline in outlines if outline.category in of]


def elements(annotations: Annotations, file_name: str, shape: tuple[int, int]) -> tuple[Element, ...]:
    """The elements of an image, without roles.

    Args:
        annotations: of the data set.
        file_name: the image's, as the annotations name it.
        shape: `(h, w)` of the image, for a file that does not state it.

    Returns:
        One element per annotation, none for an image that has none.
    """
    source = annotations.masks(file_name)
    return () if source is None else source.read(None, Canvas(shape)).elements


def mask(outline: Outline, shape: tuple[int, int]) -> np.ndarray:
    """`[h, w]` bool, True inside; of several polygons inside any.

    Raises:
        ValueError: for a damaged outline.
    """
    if outline.box is not None:
        x, y, width, height = outline.box
        return shapes.box((x, y, x + width, y + height), shape)
    if outline.runs is not None:
        return rle.decode(*outline.runs)
    inside = np.zeros(shape, bool)
    for corners in outline.polygons:
        inside |= shapes.polygon(corners, shape)
    return inside


def read(path: Path) -> Annotations:
    """The annotations of a file, read once.

    Raises:
        InputError: for a file that is not in COCO's format.
        OSError: for a file that is missing.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            # Annotations become small objects while the file is parsed: lists of numbers need ten times as much memory.
            top = json.load(stream, object_hook=_slim)
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} cannot be read as JSON ({' '.join(str(error).split())})") from None
    if not isinstance(top, dict) or not isinstance(top.get("images"), list):
        raise InputError(f"{path} is not in COCO's format: it has no list of images")
    images: dict[str, ImageRecord] = {}
    for one in top["images"]:
        if isinstance(one, dict) and isinstance(one.get("file_name"), str) and isinstance(one.get("id"), (int, str)):
            images[one["file_name"]] = ImageRecord(one["id"], _size(one.get("height"), one.get("width")))
    categories = {
        one["id"]: str(one.get("name", one["id"]))
        for one in top.get("categories") or ()
        if isinstance(one, dict) and isinstance(one.get("id"), int)
    }
    outlines: dict[int | str, list[Outline]] = {}
    damaged = 0
    for one in top.get("annotations") or ():
        if isinstance(one, Outline):
            outlines.setdefault(one.image, []).append(one)
        else:
            damaged += 1
    return Annotations(images, categories, {image: tuple(every) for image, every in outlines.items()}, damaged)


def _slim(record: dict[str, Any]) -> Any:
    """An annotation as an `Outline`; other objects, and annotations that are damaged, as they are."""
    if "image_id" not in record or not ("segmentation" in record or "bbox" in record):
        return record
    try:
        image, category = record["image_id"], int(record["category_id"])
        if not isinstance(image, (int, str)):
            return record
        drawn = record.get("segmentation")
        if isinstance(drawn, dict):
            counts = drawn["counts"] if isinstance(drawn["counts"], str) else tuple(int(run) for run in drawn["counts"])
            size = _size(*drawn["size"])
            return record if size is None else Outline(image, category, runs=(counts, size))
        if drawn and isinstance(drawn[0], (int, float)):  # one polygon without a list around it
            drawn = [drawn]
        if drawn:
            return Outline(image, category, tuple(np.array(part, np.float64) for part in drawn))
        x, y, width, height = (float(edge) for edge in record["bbox"])
        return Outline(image, category, box=(x, y, width, height))
    except (TypeError, ValueError, LookupError, OverflowError):
        return record


def _size(height: Any, width: Any) -> tuple[int, int] | None:
    whole = all(isinstance(side, int) and side > 0 for side in (height, width))
    return (height, width) if whole else None
