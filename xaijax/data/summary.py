"""What was understood of a data set: counts of classes, sizes, colours, groups, sides and masks, and what is odd."""

import html
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax.data import _display
from xaijax.data import images as _images
from xaijax.data._leaks import leaks
from xaijax.data.dataset import MASK_ROLES, Dataset, count_notes, fitted

EXAMPLES = 5  # names that are kept of each kind


@dataclass(frozen=True)
class Masks:
    """The masks of one role.

    Attributes:
        images: how many images have one.
        elements: how many masks there are.
        empty: how many of them are empty.
        area: lowest, middle and highest share of the image that an image's masks of this role cover, 0 to 1; None where
            no mask was read.
    """

    images: int
    elements: int
    empty: int
    area: tuple[float, float, float] | None


@dataclass(frozen=True, repr=False)
class Summary:
    """What was understood of a data set.

    Attributes:
        name: of the data set.
        images: how many it has.
        classes: class -> number of images; in a multi-label data set of images that have the finding.
        unknown: multi-label data sets: finding -> number of images of which it is not known.
        groups: number of groups (patients, lesions) and of images in the largest; None where no image has one.
        sides: side of the data set's own split -> class -> number of images.
        read: how many images were decoded for what follows.
        sizes: (height, width) -> number of images, the most common first.
        stored: how pixels are stored -> number of images.
        colour: number of decoded images whose channels differ.
        masks: role -> its masks; masks without a role stand under "unknown".
        notes: what was changed, assumed or left out while reading -> number of images.
        unreadable: why an image cannot be read -> its number of images and the first names.
        duplicates: groups of images with identical pixels: their number, and the ids of the first groups.
        leaks: what two sides of the data set's own split share, a sentence each.
    """

    name: str
    images: int
    classes: dict[str, int]
    unknown: dict[str, int]
    groups: tuple[int, int] | None
    sides: dict[str, dict[str, int]]
    read: int
    sizes: dict[tuple[int, int], int]
    stored: dict[str, int]
    colour: int
    masks: dict[str, Masks]
    notes: dict[str, int]
    unreadable: dict[str, tuple[int, tuple[str, ...]]]
    duplicates: tuple[int, tuple[tuple[str, ...], ...]]
    leaks: tuple[str, ...]

    def __repr__(self) -> str:
        parts = [repr(_display.short(self.name, 40)), _display.counted(self.images, "image")]
        return f"Summary({', '.join([*parts, f'{len(self.classes)} classes', f'{self.read} decoded'])})"

    def _repr_html_(self) -> str:
        rows = [(name, _display.counted(count, "image")) for name, count in self.classes.items()]
        return f"<div><p>{html.escape(repr(self))}</p>{_display.table(rows)}</div>"

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "name": self.name,
            "images": self.images,
            "classes": self.classes,
            "unknown_findings": self.unknown,
            "groups": None if self.groups is None else {"count": self.groups[0], "largest": self.groups[1]},
            "splits": self.sides,
            "decoded": self.read,
            "sizes": {f"{height}x{width}": count for (height, width), count in self.sizes.items()},
            "stored": self.stored,
            "grey": self.read - self.colour,
            "colour": self.colour,
            "masks": {
                role: {
                    "images": one.images,
                    "elements": one.elements,
                    "empty": one.empty,
                    "area": None
                    if one.area is None
                    else dict(zip(("lowest", "median", "highest"), one.area, strict=True)),
                }
                for role, one in self.masks.items()
            },
            "notes": self.notes,
            "unreadable": {
                reason: {"count": count, "examples": list(names)} for reason, (count, names) in self.unreadable.items()
            },
            "duplicates": {"groups": self.duplicates[0], "examples": [list(ids) for ids in self.duplicates[1]]},
            "leaks": list(self.leaks),
        }


def summarize(
    dataset: Dataset, positions: Iterable[int] | None = None, progress: Callable[[float], object] | None = None
) -> Summary:
    """Reads images and masks once and counts what they are.

    Args:
        dataset: any data set.
        positions: images to decode; default: all. What needs no pixels is counted over all images.
        progress: called as `progress(share)`, 0 to 1, while images are decoded.

    Returns:
        The `Summary`.

    Example:
        >>> from xaijax import data
        >>> found = data.summarize(data.open_dataset("phantoms", count=6, size=32))
        >>> found.sizes, found.masks["lesion"].images
        ({(32, 32): 6}, 6)
    """
    wanted = list(range(len(dataset)) if positions is None else positions)
    sizes: Counter[tuple[int, int]] = Counter()
    stored: Counter[str] = Counter()
    notes: list[tuple[str, str]] = []
    unreadable: defaultdict[str, list[str]] = defaultdict(list)
    same: defaultdict[str, list[int]] = defaultdict(list)
    prints: dict[int, str] = {}
    areas: defaultdict[str, list[float]] = defaultdict(list)
    elements: Counter[str] = Counter()
    empty: Counter[str] = Counter()
    colour = 0
    for number, position in enumerate(wanted):
        case = dataset.cases[position]
        try:
            content = fitted(case.source.read(masks=True))
        except (OSError, ValueError) as error:
            unreadable[_images.reason(error)].append(case.id)
        else:
            image = content.image
            sizes[image.shape[:2]] += 1
            if content.stored:
                stored[content.stored] += 1
            colour += image.shape[2] == 3 and bool((image != image[..., :1]).any())
            prints[position] = _images.fingerprint(image)
            same[prints[position]].append(position)
            notes += [(case.id, note) for note in content.notes]
            inside: dict[str, np.ndarray] = {}
            for element in content.elements:
                role: str = element.role or dataset.mask_role or "unknown"
                elements[role] += 1
                empty[role] += not element.mask.any()
                inside[role] = inside.get(role, False) | element.mask
            for role, mask in inside.items():
                areas[role].append(float(mask.mean()))
        if progress is not None:
            progress((number + 1) / len(wanted))
    groups = Counter(case.group for case in dataset.cases if case.group is not None)
    labels = dataset.labels
    twice = [tuple(positions) for positions in same.values() if len(positions) > 1]
    return Summary(
        name=dataset.name,
        images=len(dataset),
        classes=dataset.class_counts(),
        unknown=_unknown(dataset, labels),
        groups=(len(groups), max(groups.values())) if groups else None,
        sides={side: dataset.take(inside).class_counts() for side, inside in dataset.splits.items()},
        read=sum(sizes.values()),
        sizes=dict(sizes.most_common()),
        stored=dict(stored.most_common()),
        colour=colour,
        masks={
            role: Masks(len(areas[role]), elements[role], empty[role], _range(areas[role]))
            for role in (*MASK_ROLES, "unknown")
            if elements[role]
        },
        notes=count_notes(notes),
        unreadable={reason: (len(names), tuple(names[:EXAMPLES])) for reason, names in unreadable.items()},
        duplicates=(
            len(twice),
            tuple(tuple(dataset.cases[one].id for one in group[:EXAMPLES]) for group in twice[:EXAMPLES]),
        ),
        leaks=tuple(leaks(dataset, pixels=prints).sentences()),
    )


def _unknown(dataset: Dataset, labels: np.ndarray) -> dict[str, int]:
    if not dataset.multi_label:
        return {}
    counts = np.isnan(labels).sum(0)
    return {name: int(count) for name, count in zip(dataset.classes, counts, strict=True) if count}


def _range(values: list[float]) -> tuple[float, float, float] | None:
    return (min(values), float(np.median(values)), max(values)) if values else None
