"""The original files of the figshare brain tumour set (Cheng, 2017): one MATLAB v7.3 file per slice.

Each file holds `cjdata`: `label` (1 meningioma, 2 glioma, 3 pituitary), `PID`, `image` (int16), `tumorMask`. HDF5 gives
MATLAB's columns first, so arrays are transposed here and heads stand upright. Needs `pip install 'xaijax[medical]'`.

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

LABELS = {1: "meningioma", 2: "glioma", 3: "pituitary"}


@dataclass(frozen=True)
class MatFile:
    """One slice; pixels are read on demand."""

    path: Path
    reading: Reading = AS_STORED

    @property
    def roles(self) -> tuple[MaskRole | None, ...]:
        return (None,)

    def read(self, *, masks: bool) -> Content:
        with _cjdata(self.path) as data:
            image = self._upright(data["image"][()])
            elements = (Element("", None, self._upright(data["tumorMask"][()]) > 0),) if masks else ()
        shown, notes = _images.displayed(_images.Stored(image), self.reading.window)
        return Content(shown, elements, notes)

    def fingerprint(self) -> str:
        return _images.fingerprint(self.read(masks=False).image)

    def _upright(self, stored: np.ndarray) -> np.ndarray:
        return stored if self.reading.transpose else np.ascontiguousarray(stored.T)


def matches(folder: Path) -> bool:
    """Whether the folder has this layout."""
    return any(_files(folder))


def read(folder: Path, reading: Reading) -> Dataset:
    """List the slices of a folder of `.mat` files (sub-folders included, as the set is published in four parts).

    Args:
        folder: the folder.
        reading: how to read them; the role of masks is lesion by default, because the format calls its mask the
            tumour's. `transpose` keeps the arrays as HDF5 gives them (rows and columns swapped).

    Returns:
        The data set, cases by number, classes sorted by name, grouped by patient.

    Raises:
        InputError: without h5py, or for a file of another format.
    """
    classes = tuple(sorted(LABELS.values()))
    cases = []
    census = Census("figshare brain tumour set")
    for path in _files(folder):
        try:
            with _cjdata(path) as data:
                label = int(np.asarray(data["label"][()]).ravel()[0])
                letters = np.asarray(data["PID"][()]).ravel() if "PID" in data else np.zeros(0)
        except (OSError, KeyError) as error:
            raise InputError(
                f"{path} is not a file of the figshare brain tumour set ({_images.reason(error)}); remove it"
            ) from error
        if label not in LABELS:
            raise InputError(f"{path} has label {label}; the figshare brain tumour set has 1, 2 and 3")
        # MATLAB stores text as character codes.
        census.take("image")
        patient = "".join(chr(int(code)) for code in letters)
        cases.append(
            Case(
                id=path.relative_to(folder).as_posix(),
                label=classes.index(LABELS[label]),
                source=MatFile(path, reading),
                group=f"patient {patient}" if patient else None,
            )
        )
    return Dataset(folder.resolve().name, classes, reading.mask_role or "lesion", tuple(cases), found=census.found())


@contextmanager
def _cjdata(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise InputError(".mat files of the figshare set need h5py: pip install 'xaijax[medical]'") from None
    with h5py.File(path, "r") as stored:
        try:
            yield stored["cjdata"]
        except KeyError as error:
            raise ValueError(f"it lacks a field of the figshare set ({error})") from error


def _files(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("**/*.mat") if not path.name.startswith(".")), key=natural)
