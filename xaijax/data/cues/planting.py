"""`plant`: which image shows which cue, and the source that draws them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from types import MappingProxyType
from typing import Protocol

import numpy as np

from xaijax._errors import InputError
from xaijax._names import closest, match
from xaijax.data.cues import dark_corners, hairs, marker, ruler, text
from xaijax.data.dataset import Case, Content, Dataset, Element, Source, fitted
from xaijax.data.reading import MaskRole


class Draw(Protocol):
    """Draw a cue: `(image [h, w, C], word, shade, avoid [h, w], generator) -> (image with it, mask [h, w])`."""

    def __call__(
        self, image: np.ndarray, word: str, shade: float, avoid: np.ndarray, rng: np.random.Generator, /
    ) -> tuple[np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Cue:
    """A kind of cue: what it shows, how it is drawn, and whether it looks different for every class."""

    title: str
    draw: Draw
    per_class: bool = False


CUES: Mapping[str, Cue] = MappingProxyType(
    {
        "text": Cue("box with the name of a class", text.draw, per_class=True),
        "ruler": Cue("ruler along one side", ruler.draw),
        "marker": Cue("lead marker, L or R, near a corner", marker.draw),
        "hairs": Cue("hairs across the image", hairs.draw),
        "dark_corners": Cue("dark corners outside a round field", dark_corners.draw),
    }
)


@dataclass(frozen=True)
class Shown:
    """A cue in one image: its kind, its name among the elements, its position in the list, and its word."""

    kind: str
    name: str
    number: int
    word: str = ""
    shade: float = 1.0


@dataclass(frozen=True)
class Planted:
    """Source of one case with cues drawn over it.

    Attributes:
        source: the clean case.
        shown: the cues in this image.
        key: decides with each cue's position where and how it is drawn.
        primary: the data set's `mask_role`, for masks without a role.
    """

    source: Source
    shown: tuple[Shown, ...]
    key: int
    primary: MaskRole | None

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        artefact: MaskRole = "artefact"
        return (*self.source.roles, *[artefact] * len(self.shown))

    def read(self, *, masks: bool) -> Content:
        # The masks decide where to draw, so they are read in any case.
        content = fitted(self.source.read(masks=True))
        image, elements = content.image, content.elements
        avoid = np.zeros(image.shape[:2], bool)
        for element in elements:
            if (element.role or self.primary) != "organ":
                avoid |= element.mask
        found = list(elements)
        for cue in self.shown:
            rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.key, cue.number])))
            image, mask = CUES[cue.kind].draw(image, cue.word, cue.shade, avoid, rng)
            found.append(Element(cue.name, "artefact", mask))
            avoid |= mask
        return replace(content, image=image, elements=tuple(found) if masks else ())

    def fingerprint(self) -> str:
        # Cases of one clean image belong together in a split, wherever their cues are.
        return self.source.fingerprint()


def plant(dataset: Dataset, cues: Sequence[str], *, correlation: float = 0.95, seed: int = 0) -> Dataset:
    """The data set with cues in its images that agree with the label; see `xaijax.data.cues` for the definitions.

    Args:
        dataset: any data set: phantoms, or a folder of images.
        cues: names in `CUES`, one or several; all but `"text"` with the class that they mark, as in `"ruler:melanoma"`.
            Names are matched without case, spaces and hyphens. The same cue can be named several times.
        correlation: share of the images of every class on which a cue agrees with the label, 0 to 1.
        seed: of the places and of the choice of images on which a cue misleads, not negative.

    Returns:
        The data set with the same ids, labels, groups and classes. `Case.extra` holds for each cue what it shows (the
        class that a text names, `"shown"` or `"absent"`) and under `"<cue> agrees"` whether that agrees with the label,
        `"yes"` or `"no"`. `mask_role` stays; where no masks were stored it is `"artefact"`.

    Raises:
        InputError: for no or unknown cues, an unknown class, a correlation outside [0, 1], fewer than two classes, or a
            column of the data set that has the name of a cue.

    Example:
        >>> from xaijax.data import open_dataset, plant
        >>> dataset = plant(open_dataset("phantoms", count=60, size=64), ["text"], correlation=0.9)
        >>> sum(case.extra["text agrees"] == "yes" for case in dataset.cases)
        54
        >>> [element.name for element in dataset.read([0]).elements[0]]
        ['lesion', 'text']
    """
    present = [name for name, count in dataset.class_counts().items() if count]
    wanted = _parsed(cues, dataset, present)
    if not (isinstance(correlation, int | float) and 0 <= correlation <= 1):
        raise InputError(f"correlation must lie in [0, 1]; got {correlation!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed must be a whole number, 0 or more; got {seed!r}")
    if len(present) < 2:
        raise InputError(f"planted cues need images of at least two classes; data set {dataset.name!r} has one")
    _check_columns(dataset, [name for _, name, _ in wanted])
    truth = _truth(dataset, len(wanted), correlation, int(seed))
    cases = tuple(
        _case(case, position, dataset, present, wanted, truth, int(seed)) for position, case in enumerate(dataset.cases)
    )
    options = {
        **dataset.options,
        "cues": [f"{kind}:{marks}" if marks else kind for kind, _, marks in wanted],
        "correlation": float(correlation),
        "cue_seed": int(seed),
    }
    role = dataset.mask_role if any(case.has_mask for case in dataset.cases) else "artefact"
    name = "+".join([dataset.name, *dict.fromkeys(kind for kind, _, _ in wanted)])
    return Dataset(name, dataset.classes, role, cases, MappingProxyType(options))


def _parsed(cues: Sequence[str], dataset: Dataset, present: Sequence[str]) -> list[tuple[str, str, str]]:
    """`(kind, name, class that it marks or "")` of each cue; names are numbered where a kind is there twice."""
    if isinstance(cues, str):
        raise InputError(f"cues must be a list of names, as in [{cues!r}]; got the text {cues!r}")
    if not cues:
        raise InputError(f"no cue was given; choose from {', '.join(CUES)}")
    kinds = [match("cue", cue.partition(":")[0], CUES) for cue in cues]
    found = []
    for at, (cue, kind) in enumerate(zip(cues, kinds, strict=True)):
        marks = cue.partition(":")[2]
        if CUES[kind].per_class and marks:
            raise InputError(f"the cue {kind} names every class; leave out {':' + marks!r}")
        if not CUES[kind].per_class:
            if not marks:
                choices = " or ".join(f"{kind}:{name}" for name in present)
                raise InputError(f"the cue {kind} needs the class that it marks; write {choices}")
            try:
                marks = match("class", marks, present)
            except InputError:
                where = f"data set {dataset.name!r} has no images of class {marks!r} for the cue {kind}"
                raise InputError(f"{where}: {closest(marks, present)}") from None
        number = f" {kinds[: at + 1].count(kind)}" if kinds.count(kind) > 1 else ""
        found.append((kind, f"{kind}{number}", marks))
    return found


def _check_columns(dataset: Dataset, names: Sequence[str]) -> None:
    """What a cue shows is kept under its name, which must be free."""
    taken = {column for case in dataset.cases for column in case.extra}
    for column in (column for name in names for column in (name, f"{name} agrees")):
        if column in taken:
            raise InputError(
                f"data set {dataset.name!r} already has a column {column!r}, the name of a planted cue; rename that "
                "column, or plant into the data set without cues"
            )


def _truth(dataset: Dataset, count: int, correlation: float, seed: int) -> list[list[int]]:
    """For each cue and case: 0 if the cue agrees with the label, else which misleading one of that class, from 1."""
    share = 1 - Fraction(str(float(correlation)))  # 0.95 means 19/20, not the double next to it
    table = []
    for number in range(count):
        draws = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, len(dataset.classes)])))
        starts = [Fraction(int(draw), 2**32) for draw in draws.integers(0, 2**32, len(dataset.classes))]
        ranks = [0] * len(dataset.classes)
        row = []
        for case in dataset.cases:
            before = floor(ranks[case.label] * share + starts[case.label])
            ranks[case.label] += 1
            after = floor(ranks[case.label] * share + starts[case.label])
            row.append(after if after > before else 0)
        table.append(row)
    return table


def _case(
    case: Case,
    position: int,
    dataset: Dataset,
    present: Sequence[str],
    wanted: Sequence[tuple[str, str, str]],
    truth: Sequence[Sequence[int]],
    seed: int,
) -> Case:
    own = dataset.classes[case.label]
    shown = []
    extra = dict(case.extra)
    for number, (kind, name, marks) in enumerate(wanted):
        lie = truth[number][position]
        extra[f"{name} agrees"] = "no" if lie else "yes"
        if CUES[kind].per_class:
            others = [other for other in present if other != own]
            word = others[(lie - 1) % len(others)] if lie else own
            shade = 1 - present.index(word) / (len(present) - 1)
            shown.append(Shown(kind, name, number, word, shade))
            extra[name] = word
        else:
            there = (own == marks) != bool(lie)
            extra[name] = "shown" if there else "absent"
            if there:
                shown.append(Shown(kind, name, number))
    key = int.from_bytes(hashlib.blake2b(f"{seed} {case.id}".encode(), digest_size=8).digest(), "big")
    source = Planted(case.source, tuple(shown), key, dataset.mask_role)
    return replace(case, source=source, extra=MappingProxyType(extra))
