"""Phantoms: generated medical images with exact masks, for trials, tests and a first benchmark without files.

Case `i` of a seed depends on `(seed, i)` alone, so a longer data set begins with the shorter one, and the anatomy does
not depend on the size asked for. Arithmetic is float64 and random numbers come from `numpy.random.PCG64`, so that the
bytes are the same wherever NumPy draws the same numbers. A modality is one file and one line in `MODALITIES`.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from xaijax.data.dataset import Case, Dataset, Element, MaskRole
from xaijax.data.phantoms import brain_mri

DEFAULT = "brain_mri"


class Render(Protocol):
    """Draw one case: `(class, size, generator) -> (grey uint8 [size, size], mask bool [size, size])`."""

    def __call__(self, label: str, size: int, rng: np.random.Generator, /) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Modality:
    """A kind of phantom: what it shows, its classes in order, what its masks outline, and how it is drawn."""

    title: str
    classes: tuple[str, ...]
    mask_role: MaskRole
    render: Render


MODALITIES: MappingProxyType[str, Modality] = MappingProxyType(
    {
        "brain_mri": Modality("T1-weighted contrast-enhanced brain MRI", brain_mri.CLASSES, "lesion", brain_mri.render),
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

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return (MODALITIES[self.modality].mask_role,)

    def read(self, *, masks: bool) -> tuple[np.ndarray, tuple[Element, ...]]:
        modality = MODALITIES[self.modality]
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.index])))
        image, mask = modality.render(modality.classes[self.label], self.size, rng)
        return image[..., None], (Element("", modality.mask_role, mask),) if masks else ()

    def fingerprint(self) -> str:
        # Two different draws of continuous noise never agree in all pixels; no need to draw them.
        return f"{self.modality} {self.size} {self.seed} {self.index}"


def dataset(modality: str = DEFAULT, *, n: int = 300, size: int = 128, seed: int = 0) -> Dataset:
    """A data set of phantoms; classes take turns, so they are balanced to within one case.

    Args:
        modality: a name in `MODALITIES`.
        n: number of cases, at least 1.
        size: side in pixels, 16 to 2048.
        seed: not negative.

    Returns:
        The `Dataset`, grey images of `size` by `size` pixels; drawn when read.

    Raises:
        ValueError: for an unknown modality or a number out of range.

    Example:
        >>> from xaijax.data import phantoms
        >>> phantoms.dataset(n=2, size=64).read().images.shape
        (2, 64, 64, 1)
    """
    if modality not in MODALITIES:
        raise ValueError(f"there are no phantoms of {modality!r}; known: {', '.join(MODALITIES)}")
    for name, value, low, high in (("n", n, 1, 10**7), ("size", size, 16, 2048), ("seed", seed, 0, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise ValueError(f"{name} of phantoms must be an integer from {low} to {high}; got {value!r}")
    kind = MODALITIES[modality]
    cases = tuple(
        Case(f"{modality}-{seed}-{index:05d}", label, Phantom(modality, label, int(size), int(seed), index))
        for index, label in ((index, index % len(kind.classes)) for index in range(int(n)))
    )
    options = {"source": f"phantoms:{modality}", "n": int(n), "size": int(size), "seed": int(seed)}
    return Dataset(f"phantoms-{modality}", kind.classes, kind.mask_role, cases, MappingProxyType(options))
