"""`cover`: the same images without their artefacts, to measure a classifier without a cue."""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from scipy import ndimage

from xaijax._errors import InputError
from xaijax.data.cues.planting import Planted
from xaijax.data.dataset import Content, Dataset, Source, fitted
from xaijax.data.files import ImageFile, primary_role
from xaijax.data.masks import Canvas, Entry, Masks, read_entry, roles_of
from xaijax.data.reading import MaskRole, Reading


@dataclass(frozen=True)
class Filled:
    """Source of a case whose clean pixels are not stored: its artefacts are filled in from the pixels around them."""

    source: Source
    primary: MaskRole | None

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return tuple(role for role in self.source.roles if (role or self.primary) != "artefact")

    def read(self, *, masks: bool) -> Content:
        content = fitted(self.source.read(masks=True))
        hidden = np.zeros(content.image.shape[:2], bool)
        kept = []
        for element in content.elements:
            if (element.role or self.primary) != "artefact":
                kept.append(element)
            else:
                hidden |= element.mask
        return replace(content, image=_filled(content.image, hidden), elements=tuple(kept) if masks else ())

    def fingerprint(self) -> str:
        return self.source.fingerprint()


@dataclass(frozen=True, slots=True)
class _Others:
    """The masks of an entry that outline no artefact; a label map may hold artefacts among others."""

    entry: Entry
    primary: MaskRole | None

    def roles(self, role: MaskRole | None, reading: Reading) -> tuple[MaskRole | None, ...]:
        return tuple(one for one in roles_of(self.entry, role, reading) if (one or self.primary) != "artefact")

    def read(self, role: MaskRole | None, canvas: Canvas) -> Masks:
        found = read_entry(self.entry, role, canvas)
        kept = tuple(one for one in found.elements if (one.role or self.primary) != "artefact")
        return Masks(kept, found.notes)


def cover(dataset: Dataset) -> Dataset:
    """The data set with its artefacts covered: the same ids, labels and order, without masks of role artefact.

    Planted cues are left out, and a file in the column `file_clean` of `labels.csv` replaces its image: both give the
    clean pixels. Other artefacts that have a mask are filled by linear interpolation from the pixels around them.

    Args:
        dataset: a data set with planted cues, clean files, or artefact masks.

    Returns:
        The data set; cases without an artefact do not change.

    Raises:
        InputError: if no case has anything to cover.

    Example:
        >>> import numpy as np
        >>> from xaijax.data import cover, open_dataset, plant
        >>> clean = open_dataset("phantoms", count=6, size=64)
        >>> np.array_equal(cover(plant(clean, ["text"])).read().images, clean.read().images)
        True
    """
    cases = tuple(replace(case, source=_covered(case.source, dataset.mask_role)) for case in dataset.cases)
    if all(new.source is old.source for new, old in zip(cases, dataset.cases, strict=True)):
        raise InputError(
            f"data set {dataset.name!r} has nothing to cover: plant cues, or give masks of the artefacts or clean files"
        )
    role = dataset.mask_role
    if role == "artefact":
        role = primary_role(case.source for case in cases)
    options = MappingProxyType({**dataset.options, "covered": True})
    return Dataset(f"{dataset.name} covered", dataset.classes, role, cases, options)


def _covered(source: Source, primary: MaskRole | None) -> Source:
    if isinstance(source, Planted):
        return _covered(source.source, primary)
    if isinstance(source, ImageFile) and source.clean is not None:
        kept = tuple((role, _Others(entry, primary)) for role, entry in source.masks)
        masks = tuple((role, entry) for role, entry in kept if entry.roles(role, source.reading))
        return replace(source, path=source.clean, masks=masks, clean=None)
    if any((role or primary) == "artefact" for role in source.roles):
        return Filled(source, primary)
    return source


def _filled(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    if not hidden.any() or hidden.all():
        return image
    from xaijax import kernels

    known = image.copy()
    # The fill treats the corners as known: a hidden corner gets the value of the nearest visible pixel.
    nearest = ndimage.distance_transform_edt(hidden, return_distances=False, return_indices=True)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        known[corner] = image[nearest[0][corner], nearest[1][corner]]
    return np.asarray(kernels.reveal(known, hidden.astype(np.uint16), 1)[0])
