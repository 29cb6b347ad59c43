"""What two sides of a split share although they must not: images of one patient, and identical pixels."""

import contextlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xaijax.data.dataset import Dataset

EXAMPLES = 3  # pairs that are kept


@dataclass(frozen=True, repr=False)
class Leaks:
    """What two sides of a split share; false where it is nothing.

    Attributes:
        groups: groups (patients) that are on more than one side.
        group_images: images of these.
        group_examples: pairs of ids with their sides, one of each of the first groups.
        pixels: images that have the pixels of an image on another side.
        pixel_examples: pairs of ids with their sides.
    """

    groups: int = 0
    group_images: int = 0
    group_examples: tuple[str, ...] = ()
    pixels: int = 0
    pixel_examples: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Leaks({self.groups} groups, {self.pixels} images with the pixels of another side)"

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences() or [repr(self)])

    def __bool__(self) -> bool:
        return bool(self.groups or self.pixels)

    def sentences(self) -> list[str]:
        """One for groups and one for pixels, where there is something to say."""
        found = []
        if self.groups:
            what = "1 group (patient) is" if self.groups == 1 else f"{self.groups} groups (patients) are"
            found.append(
                f"Sides of the split share images of one group: {what} on more than one, {self.group_images} images, "
                f"such as {self.group_examples[0]}."
            )
        if self.pixels:
            found.append(
                f"Sides of the split share pixels: {self.pixels} images have the pixels of one on another side, such "
                f"as {self.pixel_examples[0]}."
            )
        return found

    def describe(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "groups": {"count": self.groups, "images": self.group_images, "examples": list(self.group_examples)},
            "pixels": {"images": self.pixels, "examples": list(self.pixel_examples)},
        }


def leaks(
    dataset: Dataset, sides: Mapping[str, np.ndarray] | None = None, *, pixels: bool | Mapping[int, str] = True
) -> Leaks:
    """What two sides of a split share: images of one group, and identical pixels.

    Args:
        dataset: the cases.
        sides: side -> positions in `dataset.cases`; default: the data set's own split.
        pixels: compare decoded pixels too (reads every image of the sides once); one that cannot be read shares none.
            A mapping gives fingerprints that are known already, by position.

    Returns:
        Counts and examples.

    Example:
        >>> from xaijax.data import leaks, open_dataset, partition
        >>> dataset = open_dataset("phantoms", count=30, size=32)
        >>> bool(leaks(dataset, partition(dataset, seed=0)))
        False
    """
    by_group: dict[str, list[tuple[str, str]]] = {}
    by_pixels: dict[str, list[tuple[str, str]]] = {}
    for side, positions in (dataset.splits if sides is None else sides).items():
        for position in positions:
            case = dataset.cases[int(position)]
            if case.group is not None:
                by_group.setdefault(case.group, []).append((side, case.id))
            if not isinstance(pixels, bool):
                if int(position) in pixels:
                    by_pixels.setdefault(pixels[int(position)], []).append((side, case.id))
            elif pixels:
                with contextlib.suppress(OSError, ValueError):  # unreadable: reading the batch will name it
                    by_pixels.setdefault(case.source.fingerprint(), []).append((side, case.id))
    groups, twice = _shared(by_group), _shared(by_pixels)
    return Leaks(
        groups=len(groups),
        group_images=sum(map(len, groups)),
        group_examples=tuple(map(_pair, groups[:EXAMPLES])),
        pixels=sum(map(len, twice)),
        pixel_examples=tuple(map(_pair, twice[:EXAMPLES])),
    )


def _shared(found: Mapping[str, list[tuple[str, str]]]) -> list[list[tuple[str, str]]]:
    return [members for members in found.values() if len({side for side, _ in members}) > 1]


def _pair(members: Sequence[tuple[str, str]]) -> str:
    """By ids: the name of a group may be that of a patient."""
    side, name = members[0]
    other, another = next(entry for entry in members if entry[0] != side)
    return f"{name} ({side}) and {another} ({other})"
