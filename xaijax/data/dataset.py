"""What a data set is to the rest of the package: a list of cases, read on demand. A case is the record of one image.

Conventions: a batch holds images as uint8 `[B, H, W, C]` with C = 1 or 3 and masks as bool `[B, H, W]`, True inside.
Nothing is cropped or equalised; nothing is
resized unless `read` is given a shape. A case that cannot be read is left out of its batch and named there with the
reason.

A case has any number of elements: lesions, organs, artefacts, each with a mask of its own. An element is what somebody
stored or generated as one, a mask file or a drawn lesion; connected components of a mask are not taken apart, because
two lungs are one organ mask, and specks of an outline drawn by hand, or a thin part cut by resizing, are no lesions.
The data set's `mask_role` is the primary role: the one of `Batch.masks`.
"""

import hashlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol, get_args

import numpy as np

from xaijax._errors import InputError
from xaijax.data import _display
from xaijax.data import images as _images
from xaijax.data.found import Found
from xaijax.data.reading import MaskRole
from xaijax.data.spelling import side_place

MASK_ROLES: tuple[str, ...] = get_args(MaskRole)
SPREAD = "its grey values were spread from its own range, because no window is stated (--window)"
PROPORTION = 0.02  # by how much the proportions of a mask may differ from those of its image


@dataclass(frozen=True)
class Element:
    """One thing in an image with a mask of its own: a lesion, an organ, or an artefact such as a planted cue.

    Attributes:
        name: short name, such as "ruler" or "lesion 2"; the same thing has the same name in all images.
        role: what it is to a score, or None where nobody has said.
        mask: `[H, W]` bool, True inside.
    """

    name: str
    role: MaskRole | None
    mask: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        height, width = self.mask.shape
        return f"Element({_display.short(self.name)!r}, {self.role}, {int(self.mask.sum())} of {height}x{width} pixels)"

    def _repr_html_(self) -> str:
        image = np.zeros((1, *self.mask.shape, 1), np.uint8)
        return f"<div><p>{html.escape(repr(self))}</p>{_display.thumbnails([self.name], image, self.mask[None])}</div>"


@dataclass(frozen=True, repr=False)
class Content:
    """What one case holds, read from its source.

    Attributes:
        image: `[h, w, 1 or 3]` uint8, displayed grey levels.
        elements: what its masks outline; one that has no name is named by its role, and one without a role gets the
            data set's `mask_role`.
        notes: what was changed, assumed or left out, short phrases that are the same for all images like it, so that
            they can be counted: "turned as its EXIF orientation says", "a mask cannot be read (file not found)".
        stored: how the pixels are stored, in a few words, such as "DICOM, 12 bits, grey"; empty where nobody says.
    """

    image: np.ndarray
    elements: tuple[Element, ...] = ()
    notes: tuple[str, ...] = ()
    stored: str = ""

    def __repr__(self) -> str:
        parts = [_size(self.image), _display.counted(len(self.elements), "element")]
        return f"Content({', '.join([*parts, _display.counted(len(self.notes), 'note')])})"

    def _repr_html_(self) -> str:
        inside = np.zeros(self.image.shape[:2], bool)
        for element in self.elements:
            inside |= element.mask
        shown = _display.thumbnails(["image"], self.image[None], inside[None])
        return f"<div><p>{html.escape(repr(self))}</p>{shown}</div>"


class Source(Protocol):
    """Where the pixels of one case come from. Opening a data set makes sources; only `read` touches pixels."""

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        """The role of each mask that is stored for this case; None stands for the data set's `mask_role`."""
        ...

    def read(self, *, masks: bool) -> Content:
        """The image and, if asked for, its elements. A mask that cannot be read is left out and noted.

        Raises:
            OSError, ValueError: with the reason in words, when the image cannot be read.
        """
        ...

    def fingerprint(self) -> str:
        """A key that two cases share exactly when their decoded pixels are identical. Raises as `read` does."""
        ...


NO_EXTRA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Case:
    """The record of one image of a data set, not read yet.

    Attributes:
        id: unique in the data set; the file's path inside it where there is one.
        label: position of its class in `Dataset.classes`; -1 in a multi-label data set.
        source: where its pixels come from.
        group: what must stay together in a split (the patient, where known), or None.
        extra: other columns of its table, as text.
        split: the side of the data set's own split: "training", "validation", "test" or "fold 1", "fold 2" ...; None
            where there is none.
        findings: multi-label data sets: for each class 1 (present), 0 (absent) or NaN (not known); else None.
    """

    id: str
    label: int
    source: Source = field(repr=False)
    group: str | None = None
    extra: Mapping[str, str] = field(default_factory=lambda: NO_EXTRA, repr=False)
    split: str | None = None
    findings: tuple[float, ...] | None = field(default=None, repr=False)

    @property
    def has_mask(self) -> bool:
        """Whether a mask of any role is stored for this case."""
        return bool(self.source.roles)

    def __repr__(self) -> str:
        group = "" if self.group is None else f", {_display.short(self.group)!r}"
        masks = _display.counted(len(self.source.roles), "mask") if self.has_mask else "no mask"
        return f"Case({_display.short(self.id)!r}, label {self.label}{group}, {masks})"

    def _repr_html_(self) -> str:
        rows = [("id", self.id), ("label", self.label), ("group", self.group), *self.extra.items()]
        return _display.table([*rows, ("masks", ", ".join(str(role) for role in self.source.roles) or "none")])


@dataclass(frozen=True)
class Batch:
    """Images that were read, with their labels and masks.

    Attributes:
        ids: the B case ids, in the order asked for.
        images: `[B, H, W, C]` uint8, displayed grey levels 0 to 255.
        labels: `[B]` int32, positions in `Dataset.classes`; of a multi-label data set `[B, K]` float32, see
            `Case.findings`.
        masks: `[B, H, W]` bool, masks of the primary role, `Dataset.mask_role`; all False where there is none.
        has_mask: `[B]` bool, whether there is one.
        indices: `[B]` int64, positions in `Dataset.cases`.
        skipped: `(id, reason)` of each requested case that could not be read.
        roles: role -> `[B, H, W]` bool, the union of the elements of that role; every role in `Dataset.roles`, whether
            or not these cases have it, the primary one included. Masks without a role have no entry.
        has_role: role -> `[B]` bool, whether an element of that role is stored.
        elements: one tuple per image, each lesion and each cue on its own.
        notes: `(id, note)`: what was changed, assumed or left out while reading; see `Content`.
        digests: one text for each image, of its pixels and masks as they are stored and of its label; empty unless
            they were asked for.
    """

    ids: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray
    has_mask: np.ndarray
    indices: np.ndarray
    skipped: tuple[tuple[str, str], ...] = ()
    roles: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    has_role: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    elements: tuple[tuple[Element, ...], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    digests: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        count, *shape = self.images.shape
        parts = [_display.counted(count, "image"), "x".join(map(str, shape))]
        parts += [f"{int(there.sum())} with {role} masks" for role, there in self.has_role.items()]
        if not self.has_role:
            parts += [f"{int(self.has_mask.sum())} with masks" if self.has_mask.any() else "no masks"]
        parts += [f"{len(self.skipped)} skipped"] if self.skipped else []
        return f"Batch({', '.join(parts)})"

    def _repr_html_(self) -> str:
        shown = _display.thumbnails(self.ids, self.images, self.masks)
        return f"<div><p>{html.escape(repr(self))}</p>{shown}</div>"


@dataclass(frozen=True)
class Dataset:
    """A named, ordered list of cases with their classes.

    Attributes:
        name: short name for reports, such as the folder's.
        classes: class names; `Case.label` counts in them.
        mask_role: what the primary masks outline, or None where there are none or nobody has said.
        cases: all cases, in an order that depends on the names alone.
        options: how the data set was opened, JSON values only; name and options identify what was read.
        found: which files were seen, taken and left out; None for a data set that was not opened from files.
    """

    name: str
    classes: tuple[str, ...]
    mask_role: MaskRole | None
    cases: tuple[Case, ...] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    found: Found | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.mask_role is not None and self.mask_role not in MASK_ROLES:
            raise InputError(f"mask_role must be one of {', '.join(MASK_ROLES)} or None; got {self.mask_role!r}")
        if not self.cases:
            raise InputError(f"data set {self.name!r} has no images")
        if len({case.id for case in self.cases}) != len(self.cases):
            raise InputError(f"data set {self.name!r} has two images of one id; ids must be unique")

    def __len__(self) -> int:
        return len(self.cases)

    def __repr__(self) -> str:
        parts = [repr(_display.short(self.name, 40)), _display.counted(len(self), "image")]
        parts += [f"{len(self.classes)} classes ({_display.names(self.classes)})"]
        parts += [f"masks: {', '.join(self.roles) or 'unknown role'}" if self._has_masks else "no masks"]
        return f"Dataset({', '.join(parts)})"

    def _repr_html_(self) -> str:
        counts = [(name, _display.counted(count, "image")) for name, count in self.class_counts().items() if count]
        return f"<div><p>{html.escape(repr(self))}</p>{_display.table(counts)}</div>"

    @cached_property
    def _has_masks(self) -> bool:
        return any(case.has_mask for case in self.cases)

    @property
    def multi_label(self) -> bool:
        """Whether an image may belong to several classes, its findings."""
        return self.cases[0].findings is not None

    @property
    def labels(self) -> np.ndarray:
        """`[N]` int32, the label of every case; of a multi-label data set `[N, K]` float32, see `Case.findings`."""
        if self.multi_label:
            return np.array([case.findings for case in self.cases], np.float32)
        return np.array([case.label for case in self.cases], np.int32)

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """The sides of the data set's own split: name -> ascending int64 positions; empty where there is none.

        The order is training, validation, test; folds and other names follow, sorted.
        """
        sides: dict[str, list[int]] = {}
        for position, case in enumerate(self.cases):
            if case.split is not None:
                sides.setdefault(case.split, []).append(position)
        return {name: np.array(sides[name], np.int64) for name in sorted(sides, key=side_place)}

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """The roles of which some case has a mask, in the order of `MASK_ROLES`."""
        found = {role or self.mask_role for case in self.cases for role in case.source.roles}
        return tuple(role for role in MASK_ROLES if role in found)

    def class_counts(self) -> dict[str, int]:
        """Number of cases of each class, in the order of `classes`; in a multi-label data set of those present."""
        labels = self.labels
        counts = (labels == 1).sum(0) if self.multi_label else np.bincount(labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}

    def require_classes(self, at_least: int = 2) -> None:
        """Refuse a data set with images of fewer than `at_least` classes.

        Raises:
            InputError: naming the classes that have images.
        """
        present = [name for name, count in self.class_counts().items() if count]
        if len(present) < at_least:
            raise InputError(
                f"data set {self.name!r} has images of {len(present)} class{'es' if len(present) != 1 else ''} "
                f"({', '.join(present)}); training and benchmarks need at least {at_least}: "
                "give one folder per class, or name a table of labels with --labels"
            )

    def require_mask_role(self, *allowed: MaskRole) -> None:
        """Refuse masks that a score would misread.

        Args:
            allowed: roles that the score can use; default: lesion (or the object itself).

        Raises:
            InputError: for no masks, masks of unknown role, or masks that outline something else.
        """
        allowed = allowed or ("lesion",)
        if not self._has_masks:
            raise InputError(f"data set {self.name!r} has no masks; leave out scores that compare maps with masks")
        roles = self.roles
        if set(roles) & set(allowed):
            return
        if not roles:
            raise InputError(
                f"data set {self.name!r} has masks of unknown role; give --mask-role {allowed[0]} "
                f"(in Python mask_role={allowed[0]!r}) if they outline that; choose from {', '.join(MASK_ROLES)}"
            )
        raise InputError(
            f"the masks of data set {self.name!r} outline the {' and the '.join(roles)}, and this score needs masks of "
            f"the {' or '.join(allowed)}"
        )

    def take(self, indices: Iterable[int]) -> "Dataset":
        """The data set with these cases only, in this order; the classes stay."""
        picked = tuple(self.cases[index] for index in _checked_indices(indices, len(self)))
        return replace(self, cases=picked)

    def read(
        self,
        indices: Iterable[int] | None = None,
        shape: tuple[int, int, int] | None = None,
        *,
        masks: bool = True,
        digests: bool = False,
    ) -> Batch:
        """Read images and masks.

        A grey image is repeated over three channels and an RGB image turned into luma (ITU-R 601) where `shape` asks
        for it, then images are resized bilinearly with antialiasing and masks by the nearest pixel.

        Args:
            indices: positions in `cases`, in any order; default: all.
            shape: `(H, W, C)` in pixels and channels (1 or 3) for the batch, or None to leave the pixels as they are:
                then all images must agree in size and channels.
            masks: read masks too; without them `masks` is all False, and a broken mask does not matter.
            digests: whether to fill `Batch.digests`, with which another reading can be compared.

        Returns:
            A `Batch` of the images that could be read, in the order of `indices`; the others are in `skipped`.

        Raises:
            InputError: for a bad shape, for images of several sizes without a shape, or if no image could be read.
            IndexError: for an index outside the data set.

        Example:
            >>> from xaijax.data import open_dataset
            >>> batch = open_dataset("phantoms", count=3, size=64).read(shape=(32, 32, 3))
            >>> batch.images.shape, batch.masks.shape, batch.labels.tolist()
            ((3, 32, 32, 3), (3, 32, 32), [0, 1, 2])
        """
        wanted = range(len(self)) if indices is None else _checked_indices(indices, len(self))
        if shape is not None:
            shape = _checked_shape(shape)
        kept: list[int] = []
        pixels: list[np.ndarray] = []
        found: list[tuple[Element, ...]] = []
        skipped: list[tuple[str, str]] = []
        notes: list[tuple[str, str]] = []
        marks: list[str] = []
        for index in wanted:
            case = self.cases[index]
            try:
                content = fitted(case.source.read(masks=masks))
            except (OSError, ValueError) as error:
                skipped.append((case.id, _images.reason(error)))
                continue
            image, elements = content.image, content.elements
            if digests:
                marks.append(self._digest(case, image, elements))
            notes += [(case.id, note) for note in content.notes]
            if content.stored.endswith(_images.OWN_RANGE):
                notes.append((case.id, SPREAD))
            if shape is not None:
                image = _images.resize_image(_images.with_channels(image, shape[2]), shape[:2])
                elements = tuple(replace(one, mask=_images.resize_mask(one.mask, shape[:2])) for one in elements)
            if pixels and image.shape != pixels[0].shape:
                raise InputError(
                    f"{case.id} is {_size(image)} and {self.cases[kept[0]].id} is {_size(pixels[0])}; "
                    "say shape=(H, W, C) to bring them to one size"
                )
            kept.append(index)
            pixels.append(image)
            found.append(_named(elements, self.mask_role))
        if not kept:
            raise InputError(_nothing_read(self.name, skipped))
        stacked = np.stack(pixels)
        roles: dict[str, np.ndarray] = {}
        has_role: dict[str, np.ndarray] = {}
        for role in self.roles:
            roles[role], has_role[role] = _union(found, role, stacked.shape[:3])
        # Primary masks without a role have no entry among the roles.
        if self.mask_role is not None and self.mask_role in roles:
            flat, has_mask = roles[self.mask_role], has_role[self.mask_role]
        else:
            flat, has_mask = _union(found, self.mask_role, stacked.shape[:3])
        return Batch(
            ids=tuple(self.cases[index].id for index in kept),
            images=stacked,
            labels=self._labels_of(kept),
            masks=flat,
            has_mask=has_mask,
            indices=np.array(kept, np.int64),
            skipped=tuple(skipped),
            roles=MappingProxyType(roles),
            has_role=MappingProxyType(has_role),
            elements=tuple(found),
            notes=tuple(notes),
            digests=tuple(marks),
        )

    def _digest(self, case: Case, image: np.ndarray, elements: Sequence[Element]) -> str:
        """Of everything that a score can depend on, before anything is resized."""
        found = hashlib.sha256(f"{image.shape} {case.findings or self.classes[case.label]}".encode())
        found.update(np.ascontiguousarray(image).tobytes())
        for one in elements:
            found.update(f"{one.role or self.mask_role} {one.mask.shape}".encode())
            found.update(np.packbits(one.mask).tobytes())
        return found.hexdigest()[:32]

    def _labels_of(self, positions: Sequence[int]) -> np.ndarray:
        if self.multi_label:
            return np.array([self.cases[index].findings for index in positions], np.float32)
        return np.array([self.cases[index].label for index in positions], np.int32)


def count_notes(notes: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many images each note is about, the most frequent first.

    Args:
        notes: `(id, note)`, as `Batch.notes`; an image may have the same note more than once. Notes that differ in
            their percentages alone, such as the shares of a label map's values, count as one: the first is kept.

    Example:
        >>> count_notes([("a", "turned"), ("b", "turned"), ("b", "no mask"), ("b", "no mask")])
        {'turned': 2, 'no mask': 1}
        >>> count_notes([("a", "values 0 (90 %), 1 (10 %)"), ("b", "values 0 (80 %), 1 (20 %)")])
        {'values 0 (90 %), 1 (10 %)': 2}
    """
    first: dict[str, str] = {}
    images: dict[str, set[str]] = {}
    for name, note in notes:
        kind = _PERCENT.sub("", note)
        first.setdefault(kind, note)
        images.setdefault(kind, set()).add(name)
    order = sorted(images, key=lambda kind: -len(images[kind]))
    return {first[kind]: len(images[kind]) for kind in order}


_PERCENT = re.compile(r" \((?:under )?\d+ %\)")


def fitted(content: Content) -> Content:
    """Content whose masks have the size of its image.

    A mask of the same proportions is resized by the nearest pixel, one of other proportions cannot belong to these
    pixels and is left out; both are noted.
    """
    height, width = content.image.shape[:2]
    if all(one.mask.shape == (height, width) for one in content.elements):
        return content
    kept = []
    notes = list(content.notes)
    for element in content.elements:
        h, w = element.mask.shape
        if (h, w) == (height, width):
            kept.append(element)
        elif abs(h * width - w * height) <= PROPORTION * h * width:
            kept.append(replace(element, mask=_images.resize_mask(element.mask, (height, width))))
            notes.append("a mask of another size was brought to that of its image by the nearest pixel")
        else:
            notes.append("a mask was left out: its proportions are not those of its image")
    return replace(content, elements=tuple(kept), notes=tuple(notes))


def _named(elements: Sequence[Element], primary: MaskRole | None) -> tuple[Element, ...]:
    """Elements with their roles, and with names: where several share one they are numbered."""
    known = [replace(one, role=one.role or primary) for one in elements]
    names = [one.name or one.role or "mask" for one in known]
    return tuple(
        replace(one, name=f"{name} {names[: at + 1].count(name)}" if names.count(name) > 1 else name)
        for at, (one, name) in enumerate(zip(known, names, strict=True))
    )


def _union(
    found: Sequence[Sequence[Element]], role: str | None, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """`[B, H, W]` bool, True inside any element of a role, and `[B]` bool, whether there is one."""
    masks = np.zeros(shape, bool)
    there = np.zeros(shape[0], bool)
    for row, elements in enumerate(found):
        for element in elements:
            if element.role == role:
                masks[row] |= element.mask
                there[row] = True
    return masks, there


def _size(image: np.ndarray) -> str:
    height, width, channels = image.shape
    return f"{height}x{width} with {channels} channel{'' if channels == 1 else 's'}"


def _nothing_read(name: str, skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return f"no images of data set {name!r} were requested"
    first, why = skipped[0]
    return f"none of the {len(skipped)} requested images of data set {name!r} can be read; the first, {first}: {why}"


def _checked_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    try:
        height, width, channels = (int(side) for side in shape)
    except (TypeError, ValueError):
        raise InputError(f"shape must be (H, W, C); got {shape!r}") from None
    if height < 1 or width < 1 or channels not in (1, 3):
        raise InputError(f"shape must be (H, W, C) with positive sides and 1 or 3 channels; got {tuple(shape)}")
    return height, width, channels


def _checked_indices(indices: Iterable[int], count: int) -> list[int]:
    array = np.asarray(list(indices))
    if array.size == 0:
        return []
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"indices must be integers; got an array of shape {array.shape} and dtype {array.dtype}")
    if array.min() < 0 or array.max() >= count:
        raise IndexError(f"indices must lie in 0..{count - 1}; got {int(array.min())} to {int(array.max())}")
    return [int(index) for index in array]
