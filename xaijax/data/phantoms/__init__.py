"""Phantoms: generated medical images with exact masks, for trials, tests and a first benchmark without files.

Image `i` of a seed depends on `(seed, i)` only, so a longer data set begins with the shorter one, and the anatomy does
not depend on the size. Arithmetic is float64 and random numbers come from `numpy.random.PCG64`, so that the
bytes are the same wherever NumPy draws the same numbers. A modality is one file and one line in `MODALITIES`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class ExchangedPhantom:
    """Source of one generated brain slice whose head and tumour are drawn apart: those of two cases, or of one."""

    label: int
    size: int
    head: tuple[int, int]  # seed and index
    lesion: tuple[int, int]

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return ("lesion",)

    def read(self, *, masks: bool) -> Content:
        head, lesion = (
            np.random.Generator(np.random.PCG64(np.random.SeedSequence([*where, part])))
            for part, where in ((1, self.head), (2, self.lesion))
        )
        image, mask = brain_mri.exchange(brain_mri.CLASSES[self.label], self.size, head, lesion)
        return Content(image[..., None], (Element("", "lesion", mask),) if masks else ())

    def fingerprint(self) -> str:
        return f"brain_mri fixed anatomy {self.label} {self.size} {self.head} {self.lesion}"


@dataclass(frozen=True)
class FindingsPhantom:
    """Source of one generated chest radiograph with any number of findings."""

    found: tuple[str, ...]
    size: int
    seed: int
    index: int

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        role: MaskRole = "lesion"
        return (role,) * sum(2 if finding == "ground_glass" else 1 for finding in self.found)

    def read(self, *, masks: bool) -> Content:
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, self.index])))
        image, found = chest_xray.render_findings(self.found, self.size, rng)
        return Content(image, tuple(Element(name, "lesion", mask) for name, mask in found) if masks else ())

    def fingerprint(self) -> str:
        return f"chest_xray findings {self.size} {self.seed} {self.index} {' '.join(self.found)}"


def findings_dataset(*, count: int = 300, size: int = 128, seed: int = 0) -> Dataset:
    """Chest radiographs with several findings per image: a multi-label data set.

    Every combination of the findings is as frequent as any other, so they are independent of each other: image i has
    finding k where bit k of i is set. A mask is named after its finding.

    Args:
        count: number of images, at least 1.
        size: side in pixels, 16 to 2048.
        seed: not negative.

    Returns:
        The `Dataset`, with the classes opacity, ground_glass and nodule.

    Raises:
        InputError: for a number out of range.

    Example:
        >>> from xaijax.data import phantoms
        >>> phantoms.findings_dataset(count=4, size=64).labels.tolist()
        [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    """
    _check_numbers("chest_xray", count=count, size=size, seed=seed)
    names = chest_xray.FINDINGS
    cases = []
    for index in range(int(count)):
        there = tuple(float(index >> k & 1) for k in range(len(names)))
        source = FindingsPhantom(
            tuple(name for name, one in zip(names, there, strict=True) if one), int(size), int(seed), index
        )
        cases.append(Case(f"chest_xray-findings-{seed}-{index:05d}", -1, source, findings=there))
    options = {"source": "phantoms:chest_xray", "count": int(count), "size": int(size), "seed": int(seed)}
    options |= {"findings": True}
    return Dataset("phantoms-chest_xray-findings", names, "lesion", tuple(cases), MappingProxyType(options))


def dataset(
    modality: str = DEFAULT,
    *,
    count: int = 300,
    size: int = 128,
    seed: int = 0,
    lesions: int = 1,
    findings: bool = False,
    fixed_anatomy: bool = False,
) -> Dataset:
    """A data set of phantoms; classes alternate, so they are balanced to within one image.

    Args:
        modality: a name in `MODALITIES`, matched without case, spaces and hyphens.
        count: number of images, at least 1.
        size: side in pixels, 16 to 2048.
        seed: not negative.
        lesions: how many in each image of a class that has any; each is an element. Ground glass, which is bilateral,
            has as many in each lung.
        findings: of chest radiographs: several findings per image instead of one class, as `findings_dataset`.
        fixed_anatomy: of brain MRI: tumours replace tissue and leave the rest of the head unchanged, at any level; see
            `exchange`. The other phantoms are like that always.

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
    if findings:
        if modality != "chest_xray":
            raise InputError(f"{modality} phantoms have one class per image; several findings are of chest_xray alone")
        if lesions != 1:
            raise InputError("lesions is for phantoms of one class per image; leave it out with findings")
        return findings_dataset(count=count, size=size, seed=seed)
    _check_numbers(modality, count=count, size=size, seed=seed, lesions=lesions)
    if fixed_anatomy and modality != "brain_mri":
        raise InputError(f"fixed_anatomy is for brain_mri phantoms; leave it out: {modality} phantoms are always so")
    cases = tuple(
        Case(
            f"{modality}-{seed}-{index:05d}", label, Phantom(modality, label, int(size), int(seed), index, int(lesions))
        )
        for index, label in ((index, index % len(kind.classes)) for index in range(int(count)))
    )
    options = {"source": f"phantoms:{modality}", "count": int(count), "size": int(size), "seed": int(seed)}
    options |= {"lesions": int(lesions)} if lesions != 1 else {}
    if fixed_anatomy:
        name = f"{modality}-fixed-{seed}"
        cases = tuple(
            replace(case, id=f"{name}-{index:05d}", source=_exchanged(case, case)) for index, case in enumerate(cases)
        )
        options |= {"fixed_anatomy": True}
    return Dataset(f"phantoms-{modality}", tuple(kind.classes), "lesion", cases, MappingProxyType(options))


def exchange(dataset: Dataset, heads: Sequence[int], lesions: Sequence[int]) -> Dataset:
    """Brain MRI phantoms with the heads of some cases and the tumours, labels and masks of others.

    Heads and tumours are drawn apart, as with `fixed_anatomy`: images that share their head are the same, bit for bit,
    at all pixels further than `xaijax.data.phantoms.brain_mri.SOFT` (a share of the side) from both tumours.

    Args:
        dataset: brain MRI phantoms, with fixed anatomy or without; only seed, size and classes of its cases are used.
        heads: `[N]` positions in it.
        lesions: `[N]` likewise.

    Returns:
        The `Dataset` of N images.

    Raises:
        InputError: for other data, or numbers of positions that differ.

    Example:
        >>> from xaijax.data import phantoms
        >>> plain = phantoms.dataset(count=6, size=64, fixed_anatomy=True)
        >>> swapped = phantoms.exchange(plain, heads=[0, 0], lesions=[1, 2])
        >>> swapped.labels.tolist(), swapped.cases[0].id
        ([1, 2], 'brain_mri-fixed-0-00000-with-brain_mri-fixed-0-00001')
    """
    if len(heads) != len(lesions):
        raise InputError(f"heads and lesions must be as many; got {len(heads)} and {len(lesions)}")
    if not can_exchange(dataset):
        raise InputError(
            f"lesions of data set {dataset.name!r} cannot be exchanged by the generator, which does it for "
            "phantoms:brain_mri without cues alone"
        )
    pairs = [(dataset.cases[head], dataset.cases[lesion]) for head, lesion in zip(heads, lesions, strict=True)]
    cases = tuple(Case(f"{head.id}-with-{lesion.id}", lesion.label, _exchanged(head, lesion)) for head, lesion in pairs)
    return replace(dataset, name=f"{dataset.name}-exchanged", cases=cases)


def can_exchange(dataset: Dataset) -> bool:
    """Whether the generator can exchange the lesions of a data set.

    Example:
        >>> from xaijax.data import phantoms
        >>> can_exchange(phantoms.dataset("brain_mri")), can_exchange(phantoms.dataset("lung_ct"))
        (True, False)
    """
    return tuple(dataset.classes) == brain_mri.CLASSES and all(
        isinstance(case.source, ExchangedPhantom)
        or (isinstance(case.source, Phantom) and case.source.modality == "brain_mri")
        for case in dataset.cases
    )


def _exchanged(head: Case, lesion: Case) -> ExchangedPhantom:
    """The head of one case with the tumour of another."""

    def place(source: object, part: str) -> tuple[int, int]:
        if isinstance(source, ExchangedPhantom):
            return source.head if part == "head" else source.lesion
        assert isinstance(source, Phantom)
        return source.seed, source.index

    assert isinstance(head.source, Phantom | ExchangedPhantom)
    size = head.source.size
    return ExchangedPhantom(lesion.label, size, place(head.source, "head"), place(lesion.source, "lesion"))


def _check_numbers(modality: str, **numbers: int) -> None:
    """Refuses numbers out of range."""
    limits = {
        "count": (1, 10**7),
        "size": (16, 2048),
        "seed": (0, 2**63 - 1),
        "lesions": (1, MODALITIES[modality].most),
    }
    for name, value in numbers.items():
        low, high = limits[name]
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            whose = f"of {modality} phantoms" if name == "lesions" else "of phantoms"
            raise InputError(f"{name} {whose} must be an integer from {low} to {high}; got {value!r}")
