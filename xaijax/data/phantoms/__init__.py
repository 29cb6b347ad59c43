"""Phantoms: generated medical images with exact masks, for trials, tests and a first benchmark without files.

Image `i` of a seed depends on `(seed, i)` only, so a longer data set begins with the shorter one, and the anatomy does
not depend on the size. Arithmetic is float64 and random numbers come from `numpy.random.PCG64`, so that the
bytes are the same wherever NumPy draws the same numbers. A modality is one file and one line in `MODALITIES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from xaijax._errors import InputError
from xaijax._names import match
from xaijax.data.dataset import Case, Content, Dataset, Element
from xaijax.data.phantoms import brain_mri, chest_xray, dermoscopy, lung_ct
from xaijax.data.reading import MaskRole

DEFAULT = "brain_mri"


class Render(Protocol):
    """Draw one image: `(class, size, generator, lesions) -> (uint8 [size, size, 1 or 3], a mask per lesion)`."""

    def __call__(
        self, label: str, size: int, rng: np.random.Generator, lesions: int, /
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...]]: ...


@dataclass(frozen=True)
class Modality:
    """A kind of phantom.

    Attributes:
        title: what it shows.
        classes: in order, each with the masks that an image has per lesion (0 for a class without lesions).
        render: how it is drawn.
        most: the largest number of lesions.
    """

    title: str
    classes: Mapping[str, int]
    render: Render
    most: int = 4


def _brain_mri(
    label: str, size: int, rng: np.random.Generator, lesions: int, /
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    image, mask = brain_mri.render(label, size, rng)
    return image[..., None], (mask,)


MODALITIES: Mapping[str, Modality] = MappingProxyType(
    {
        "brain_mri": Modality(
            "T1-weighted contrast-enhanced brain MRI", dict.fromkeys(brain_mri.CLASSES, 1), _brain_mri, most=1
        ),
        "chest_xray": Modality(
            "frontal chest radiograph", {"normal": 0, "opacity": 1, "ground_glass": 2}, chest_xray.render, most=2
        ),
        "lung_ct": Modality("CT of the chest, lung window", {"normal": 0, "benign": 1, "malignant": 1}, lung_ct.render),
        "dermoscopy": Modality(
            "dermatoscopic image of the skin", dict.fromkeys(dermoscopy.CLASSES, 1), dermoscopy.render
        ),
    }
)


@dataclass(frozen=True)
class Phantom:
    """Source of one generated case."""

    modality: str
    label: int
    size: int
    seed: int
    index: int
    lesions: int = 1

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        role: MaskRole = "lesion"
        return (role,) * (self.lesions * list(MODALITIES[self.modality].classes.values())[self.label])

    def read(self, *, masks: bool) -> Content:
        modality = MODALITIES[self.modality]
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.index])))
        image, found = modality.render(list(modality.classes)[self.label], self.size, rng, self.lesions)
        return Content(image, tuple(Element("", "lesion", mask) for mask in found) if masks else ())

    def fingerprint(self) -> str:
        # Two different draws of continuous noise never agree in all pixels; no need to draw them.
        return f"{self.modality} {self.size} {self.seed} {self.index} {self.lesions}"


def dataset(modality: str = DEFAULT, *, count: int = 300, size: int = 128, seed: int = 0, lesions: int = 1) -> Dataset:
    """A data set of phantoms; classes alternate, so they are balanced to within one image.

    Args:
        modality: a name in `MODALITIES`, matched without case, spaces and hyphens.
        count: number of images, at least 1.
        size: side in pixels, 16 to 2048.
        seed: not negative.
        lesions: how many in each image of a class that has any; each is an element. Ground glass, which is bilateral,
            has as many in each lung.

    Returns:
        The `Dataset`, images of `size` by `size` pixels, grey or RGB, drawn when read. Classes without lesions, such as
        "normal", have no masks.

    Raises:
        InputError: for an unknown modality or a number out of range.

    Example:
        >>> from xaijax.data import phantoms
        >>> phantoms.dataset(count=2, size=64).read().images.shape
        (2, 64, 64, 1)
    """
    modality = match("phantom", modality, MODALITIES)
    kind = MODALITIES[modality]
    for name, value, low, high in (
        ("count", count, 1, 10**7),
        ("size", size, 16, 2048),
        ("seed", seed, 0, 2**63 - 1),
        ("lesions", lesions, 1, kind.most),
    ):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            whose = f"of {modality} phantoms" if name == "lesions" else "of phantoms"
            raise InputError(f"{name} {whose} must be an integer from {low} to {high}; got {value!r}")
    cases = tuple(
        Case(
            f"{modality}-{seed}-{index:05d}", label, Phantom(modality, label, int(size), int(seed), index, int(lesions))
        )
        for index, label in ((index, index % len(kind.classes)) for index in range(int(count)))
    )
    options = {"source": f"phantoms:{modality}", "count": int(count), "size": int(size), "seed": int(seed)}
    options |= {"lesions": int(lesions)} if lesions != 1 else {}
    return Dataset(f"phantoms-{modality}", tuple(kind.classes), "lesion", cases, MappingProxyType(options))
