"""BraTS and sets in its form: one folder of NIfTI volumes per patient, `<patient>_t1ce.nii.gz`, `<patient>_seg.nii.gz`.

One image per patient: the axial slice with the largest segmented area in the volume with contrast agent (t1ce, t1c),
else in flair, t2 or t1; the middle slice where nothing is segmented. It is shown as radiologists see it: the front on
top, the patient's right on the left. The mask is the whole tumour, the values 1 to 4 (necrosis, oedema, enhancing);
with `--mask-values 1,4`, say, another part, and then the slice is that of its largest area.

Classes are the folders above the patients, such as `HGG` and `LGG`, or the column Grade of `name_mapping.csv`. The
slice is chosen when it is read: opening reads no volume. Needs `pip install 'xaijax[medical]'`.

References:
    Menze et al., "The multimodal brain tumor image segmentation benchmark (BRATS)", IEEE TMI 34, 2015.
"""

import csv
import functools
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data import images as _images
from xaijax.data.dataset import Case, Content, Dataset, Element
from xaijax.data.found import Census
from xaijax.data.reading import MaskRole, MaskValue, Reading
from xaijax.data.scan import Tree, parent, scan

WHOLE_TUMOUR = (1, 2, 3, 4)
SEQUENCES = ("t1ce", "t1c", "t1gd", "flair", "t2f", "t2", "t2w", "t1", "t1n")  # the first that is there is read
MAPPING = "name_mapping.csv"
OTHER = "it is another sequence of a patient"
NO_CLASS = f"{MAPPING} states no grade of its patient"
NO_IMAGE = "it is a segmentation and its patient has no image"
LARGEST = 2**28  # voxels of a segmentation; the set has 240 x 240 x 155
_FILE = re.compile(rf"(?P<patient>.+)[_-](?P<part>{'|'.join(SEQUENCES)}|seg)\.nii(\.gz)?", re.IGNORECASE)
_TIME = re.compile(r"(BraTS-\w+-\d+)-\d+", re.IGNORECASE)
_LOOKED_AT = 50  # entries of a folder that are looked at to recognise the layout


@dataclass(frozen=True, slots=True)
class Slice:
    """The axial slice with the largest segmented area of a volume.

    Attributes:
        volume: the image.
        segmentation: labels of the same voxels, or None.
        reading: how to read them; `mask_values` is the part of the labels that is outlined.
    """

    volume: Path
    segmentation: Path | None
    reading: Reading

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return () if self.segmentation is None else tuple(self._rule)

    @property
    def _rule(self) -> Mapping[MaskRole | None, tuple[MaskValue, ...]]:
        return self.reading.mask_values or {None: WHOLE_TUMOUR}

    def read(self, *, masks: bool) -> Content:
        elements: tuple[Element, ...] = ()
        notes: list[str] = []
        index = None
        if self.segmentation is not None:
            try:
                index, labels = _largest(
                    self.segmentation, tuple(value for one in self._rule.values() for value in one)
                )
            except InputError:
                raise
            except (OSError, ValueError) as error:
                notes.append(f"a mask cannot be read ({_images.reason(error)})")
            else:
                unknown = np.setdiff1d(labels, (0, *WHOLE_TUMOUR))
                if unknown.size and not self.reading.mask_values:
                    notes.append(f"a mask was left out: it has the value {unknown[0]:g}, and BraTS has 1 to 4")
                elif masks:
                    elements = tuple(
                        Element("", role, self._placed(np.isin(labels, _numbers(values))))
                        for role, values in self._rule.items()
                    )
        image = self._placed(_slice(self.volume, index))
        if index is None:
            notes.append("nothing is segmented: the middle slice was read")
        if elements and elements[0].mask.shape != image.shape:
            elements = ()
            notes.append("a mask was left out: its volume has another size than the image")
        shown, said = _images.displayed(_images.Stored(image), self.reading.window)
        return Content(shown, elements, (*notes, *said), _images.how_stored(_images.Stored(image), self.reading.window))

    def fingerprint(self) -> str:
        return _images.fingerprint(self.read(masks=False).image)

    def _placed(self, plane: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(plane.T) if self.reading.transpose else plane


def matches(folder: Path) -> bool:
    """Whether the folder has this layout: a look at the first entries of its folders and of those in them."""
    for child in _folders(folder):
        for place in (child, *_folders(child)):
            if any(_FILE.fullmatch(entry.name) for entry in _entries(place)):
                return True
    return False


def read(folder: Path, reading: Reading) -> Dataset:
    """List the patients.

    Args:
        folder: the folder that holds `HGG` and `LGG`, or the folders of patients and `name_mapping.csv`.
        reading: how to read them; the role of masks is lesion by default.

    Returns:
        The data set, one case per patient and time point, classes sorted by name, cases by class and patient; the group
        is the patient.

    Raises:
        InputError: if nothing says the classes.
    """
    census = Census("BraTS volumes")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    used: dict[str, str] = {}
    left: dict[str, str] = {}
    patients: dict[tuple[str, str], dict[str, str]] = {}
    for name in tree.names():
        place = parent(name)
        found = _FILE.fullmatch(name[len(place) :].lstrip("/"))
        if found:
            patients.setdefault((place, found["patient"]), {})[found["part"].lower()] = name
            left[name] = NO_IMAGE if found["part"].lower() == "seg" else OTHER
    grades = _grades(tree, used, census)
    crowd = Counter(place for place, _ in patients)
    listed = []
    for (place, patient), parts in patients.items():
        volume = next((parts[sequence] for sequence in SEQUENCES if sequence in parts), None)
        above = place if crowd[place] > 1 else parent(place)  # a folder of several patients is a class
        label = grades.get(patient) if grades else above.rpartition("/")[2]
        if volume is None:
            continue
        if not label:
            left |= dict.fromkeys(parts.values(), NO_CLASS)
            continue
        listed.append((label, patient, volume, parts.get("seg")))
    if not listed:
        raise InputError(
            f"{folder} holds BraTS volumes but nothing says their classes; put the patients in one folder per class, "
            f"such as HGG and LGG, or add {MAPPING} with a column Grade"
        )
    classes = tuple(sorted({label for label, *_ in listed}))
    cases = []
    for label, patient, volume, mask in sorted(listed, key=lambda one: classes.index(one[0])):
        used[volume] = "image"
        if mask:
            used[mask] = "mask"
        time = _TIME.fullmatch(patient)
        source = Slice(Path(tree.path(volume)), Path(tree.path(mask)) if mask else None, reading)
        cases.append(Case(volume, classes.index(label), source, f"patient {time[1] if time else patient}"))
    census.note("One image per patient: the axial slice with the largest segmented area, else the middle one.")
    kinds = sorted({_FILE.fullmatch(case.id.rpartition("/")[2])["part"].lower() for case in cases})  # type: ignore[index]
    census.note(f"The sequence that is read is {' or '.join(kinds)}.")
    if not reading.mask_values and any(case.has_mask for case in cases):
        census.note("Masks outline the whole tumour, the values 1 to 4; --mask-values takes others.")
    tree.count(census, used, left=left)
    return Dataset(folder.resolve().name, classes, reading.mask_role or "lesion", tuple(cases), found=census.found())


def _grades(tree: Tree, used: dict[str, str], census: Census) -> dict[str, str]:
    """Patient -> grade, from the tables of this name that have the column; every column of ids counts."""
    grades: dict[str, str] = {}
    for name in tree.names():
        if name.rpartition("/")[2].lower() != MAPPING:
            continue
        try:
            with Path(tree.path(name)).open(newline="", encoding="utf-8-sig") as stream:
                rows = list(csv.DictReader(stream))
        except (OSError, UnicodeDecodeError, csv.Error):
            census.note(f"{name} cannot be read.")
            continue
        for row in rows:
            grade = (row.get("Grade") or "").strip()
            for column, value in row.items():
                if grade and column and column.endswith("subject_ID") and value:
                    grades[value.strip()] = grade
                    used[name] = "table"
    return grades


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if os.path.isdir(entry.path)]


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in islice(entries, _LOOKED_AT) if not entry.name.startswith(".")]
    except OSError:
        return []


def _load(path: Path) -> Any:
    try:
        import nibabel
    except ImportError:
        raise InputError("NIfTI files need nibabel: pip install 'xaijax[medical]'") from None
    try:
        volume: Any = nibabel.load(path, mmap=False)
    except OSError:
        raise
    except Exception:  # nibabel raises classes of its own, with the path in their words
        raise ValueError("it is not a NIfTI volume, or it is damaged") from None
    if len(volume.shape) != 3 or not 0 < np.prod([float(side) for side in volume.shape]) <= LARGEST:
        raise ValueError("it is not a volume of a plausible size")
    return volume


def _array(volume: Any, index: int | None = None) -> np.ndarray:
    """All voxels, or one axial slice, which is all that is read then."""
    at: list[Any] = [slice(None)] * 3
    if index is not None:
        at[_axial(volume.affine)] = index
    try:
        return np.asarray(volume.dataobj[tuple(at)])
    except OSError:
        raise
    except Exception:  # whatever a decompressor raises
        raise ValueError("it is damaged") from None


def _axial(affine: np.ndarray) -> int:
    """The stored axis that runs from the feet to the head."""
    import nibabel

    axes = nibabel.io_orientation(affine)[:, 0].tolist()
    return axes.index(2.0) if 2.0 in axes else 2


def _shown(plane: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """An axial slice, its axes in stored order, as `[rows, columns]`: the front on top, the right on the left."""
    import nibabel

    codes = [code for at, code in enumerate(nibabel.aff2axcodes(affine)) if at != _axial(affine)]
    if None in codes:
        return np.ascontiguousarray(plane.T)
    if codes[0] in "LR":
        plane, codes = plane.T, codes[::-1]
    rows = slice(None, None, -1) if codes[0] == "A" else slice(None)
    columns = slice(None, None, -1) if codes[1] == "R" else slice(None)
    return np.ascontiguousarray(plane[rows, columns])


def _slice(path: Path, index: int | None) -> np.ndarray:
    volume = _load(path)
    count = volume.shape[_axial(volume.affine)]
    if index is not None and index >= count:
        raise ValueError("its segmentation has more slices than it")
    return _shown(_array(volume, count // 2 if index is None else index), volume.affine)


def _numbers(values: Iterable[MaskValue]) -> tuple[int, ...]:
    """The values without colours, which a volume does not have."""
    return tuple(value for value in values if not isinstance(value, str))


def _largest(path: Path, values: Iterable[MaskValue]) -> tuple[int | None, np.ndarray]:
    """The position of the slice with the most voxels of these values, None for none, and the labels of that slice."""
    index = _position(
        str(path), path.stat().st_mtime_ns, tuple(value for value in values if not isinstance(value, str))
    )
    volume = _load(path)
    at = volume.shape[_axial(volume.affine)] // 2 if index is None else index
    return index, _shown(_array(volume, at), volume.affine)


@functools.lru_cache(maxsize=4096)
def _position(path: str, changed: int, values: tuple[int, ...]) -> int | None:
    volume = _load(Path(path))
    inside = np.isin(_array(volume), values)
    area = inside.sum(tuple(axis for axis in range(3) if axis != _axial(volume.affine)))
    return int(area.argmax()) if area.any() else None
