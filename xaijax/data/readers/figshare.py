"""The original files of the figshare brain tumour set (Cheng, 2017): one MATLAB v7.3 file per slice.

Each file holds `cjdata`: `label` (1 meningioma, 2 glioma, 3 pituitary), `PID`, `image` (int16), `tumorMask`. HDF5 gives
MATLAB's columns first, so arrays are transposed here and heads stand upright. `cvind.mat` numbers the five folds of the
published cross-validation, one for each slice in the order of their numbers; they become `Case.split`. Needs
`pip install 'xaijax[medical]'`.

References:
    Cheng, "brain tumor dataset", figshare, 2017, doi 10.6084/m9.figshare.1512427.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data import images as _images
from xaijax.data.dataset import Case, Content, Dataset, Element
from xaijax.data.files import natural
from xaijax.data.found import Census
from xaijax.data.reading import AS_STORED, MaskRole, Reading
from xaijax.data.scan import Tree, scan

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}
FOLDS = "cvind.mat"
LARGEST = 2**26  # pixels; the set has 512 x 512
EMPTY = "it is an empty file"
NOT_HDF5 = "it is not a MATLAB v7.3 file (HDF5)"
NO_SLICE = "it is not a slice of the figshare brain tumour set"
_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError)


@dataclass(frozen=True, slots=True)
class MatFile:
    """One slice; pixels are read on demand."""

    path: Path
    reading: Reading = AS_STORED

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return (None,)

    def read(self, *, masks: bool) -> Content:
        elements: tuple[Element, ...] = ()
        notes: tuple[str, ...] = ()
        with _cjdata(self.path) as data:
            image = self._upright(_array(data, "image"))
            if masks:
                try:
                    elements = (Element("", None, self._upright(_array(data, "tumorMask")) > 0),)
                except _BROKEN:
                    notes = ("a mask cannot be read (its file holds no tumorMask)",)
        shown, said = _images.displayed(_images.Stored(image), self.reading.window)
        return Content(shown, elements, (*notes, *said), _images.how_stored(_images.Stored(image), self.reading.window))

    def fingerprint(self) -> str:
        return _images.fingerprint(self.read(masks=False).image)

    def _upright(self, stored: np.ndarray) -> np.ndarray:
        return stored if self.reading.transpose else np.ascontiguousarray(stored.T)


def matches(folder: Path, *, allow_outside: bool = False) -> bool:
    """Whether the folder has this layout."""
    return any(_mat_files(scan(folder, allow_outside=allow_outside)))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the slices of a folder of `.mat` files (sub-folders included, as the set is published in four parts).

    Args:
        folder: the folder.
        reading: how to read them; the role of masks is lesion by default, because the format calls its mask the
            tumour's. `transpose` keeps the arrays as HDF5 gives them (rows and columns swapped).

    Returns:
        The data set, cases by number, classes sorted by name, grouped by patient, with the folds of `cvind.mat`.

    Raises:
        InputError: without h5py, or if none of the files is a slice.
    """
    classes = tuple(sorted(LABELS.values()))
    census = Census("figshare brain tumour set")
    tree = scan(folder, census, allow_outside=reading.allow_outside)
    used: dict[str, str] = {}
    folds = _folds(tree, used, census)
    cases = []
    left: dict[str, str] = {}
    for name in _mat_files(tree):
        if name in used:
            continue
        path = Path(tree.path(name))
        try:
            label, patient = _label_and_patient(path)
        except InputError:
            raise
        except _BROKEN as error:
            left[name] = _reason(error)
            continue
        used[name] = "image"
        number = path.stem
        cases.append(
            Case(
                id=name,
                label=classes.index(LABELS[label]),
                source=MatFile(path, reading),
                group=f"patient {patient}" if patient else None,
                split=folds.get(int(number)) if number.isascii() and number.isdigit() else None,
            )
        )
    if not cases:
        first = next((f"; of the first, {name}: {reason}" for name, reason in left.items()), "")
        raise InputError(f"{folder} holds no slices of the figshare brain tumour set{first}")
    tree.count(census, used, left=left)
    return Dataset(folder.resolve().name, classes, reading.mask_role or "lesion", tuple(cases), found=census.found())


def _mat_files(tree: Tree) -> list[str]:
    """The `.mat` files in the order of their names, digits by value, whatever folder they lie in."""
    return sorted((name for name in tree.names() if name.lower().endswith(".mat")), key=natural)


def _label_and_patient(path: Path) -> tuple[int, str]:
    with _cjdata(path) as data:
        label = int(np.asarray(_field(data, "label")[()]).ravel()[0])
        if label not in LABELS:
            raise ValueError("its label is not 1, 2 or 3")
        # MATLAB stores text as character codes.
        letters = np.asarray(_field(data, "PID")[()]).ravel() if "PID" in data else np.zeros(0)
        return label, "".join(chr(int(code)) for code in letters).strip()


def _folds(tree: Tree, used: dict[str, str], census: Census) -> dict[int, str]:
    """Number of a slice -> "fold 1" ... "fold 5", from the first `cvind.mat` that can be read."""
    for name in _mat_files(tree):
        if name.lower().rpartition("/")[2] != FOLDS:
            continue
        try:
            with _hdf5(Path(tree.path(name))) as stored:
                values = _array(stored, "cvind", sides=2).ravel()
            numbers = [int(value) for value in values if value == int(value) and value >= 0]
            if len(numbers) != len(values):
                raise ValueError("it holds other values than whole numbers")
        except InputError:
            raise
        except (*_BROKEN, OverflowError) as error:
            census.note(f"{name} cannot be read ({_reason(error)}); slices are in no fold.")
            continue
        used[name] = "table"
        census.note(f"The folds of {name} are those of the published cross-validation.")
        return {at: f"fold {number}" for at, number in enumerate(numbers, 1) if number}
    return {}


@contextmanager
def _cjdata(path: Path) -> Iterator[Any]:
    with _hdf5(path) as stored:
        try:
            yield _field(stored, "cjdata")
        except _BROKEN as error:
            if isinstance(error, ValueError | OSError):
                raise
            raise ValueError(f"{NO_SLICE} ({' '.join(str(error).split())})") from error


@contextmanager
def _hdf5(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise InputError(".mat files of the figshare set need h5py: pip install 'xaijax[medical]'") from None
    if path.stat().st_size == 0:
        raise ValueError(EMPTY)
    if not h5py.is_hdf5(path):
        raise ValueError(NOT_HDF5)
    with h5py.File(path, "r") as stored:
        yield stored


def _field(group: Any, name: str) -> Any:
    """A member of a group that lies in this file: HDF5 can point to other files."""
    import h5py

    if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(NO_SLICE)
    field = group[name]
    if isinstance(field, h5py.Dataset) and (field.external or field.is_virtual):
        raise ValueError("it points to other files")
    return field


def _array(group: Any, name: str, sides: int = 2) -> np.ndarray:
    """A numeric array of two axes and a plausible size."""
    field = _field(group, name)
    if len(field.shape) != sides or not 0 < field.size <= LARGEST or field.dtype.kind not in "iufb":
        raise ValueError(f"its {name} is not a grey image of a plausible size")
    return np.asarray(field[()])


def _reason(error: BaseException) -> str:
    """Why a file is left out, the same for all like it."""
    said = str(error)
    return said if isinstance(error, ValueError) and said.startswith("it") else NO_SLICE
