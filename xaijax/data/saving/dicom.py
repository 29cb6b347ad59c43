"""What DICOM objects share: the header of their source, and the series that they make. Needs `xaijax[medical]`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax.data.saving.placing import SavedMap

# Type 2 attributes of the Patient and General Study modules: there, though they may be empty (PS3.3 C.7.1.1, C.7.2.1).
REQUIRED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
IDENTITY = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Rows", "Columns")
SERIES = 9000  # SeriesNumber of the first series made here: far from those of a scanner
MAKER = "xaijax"


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM, by its contents."""
    pydicom, _ = _packages()
    try:
        return bool(pydicom.misc.is_dicom(path))
    except OSError:
        return False


def read_header(path: Path, name: str = "") -> Any:
    """The attributes of a DICOM image without its pixels, ready to be referenced.

    Args:
        path: of the file.
        name: what messages call it; default: the path.

    Returns:
        A `pydicom.Dataset`.

    Raises:
        InputError: for a file that is not DICOM, or that lacks what a reference needs.
    """
    pydicom, _ = _packages()
    name = name or str(path)
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError:
        raise InputError(f"{name} is not DICOM: DICOM maps reference the study of their source") from None
    missing = [keyword for keyword in IDENTITY if keyword not in header]
    if missing:
        raise InputError(f"{name} has no {missing[0]}, which a DICOM map must reference; save it in another format")
    for keyword in REQUIRED:
        if keyword not in header:
            setattr(header, keyword, "")
    return header


@dataclass
class Series:
    """The series that a run adds to the studies of its sources: one for each source series, method and format.

    Objects of one series share its UID and number and are numbered from 1, in the order in which they are made.

    Example:
        >>> series = Series()
        >>> first, again, other = (series.next("1.2.3", name) for name in ("grad_cam", "grad_cam", "rise"))
        >>> first.uid == again.uid, again.instance, other.number - first.number
        (True, 2, 1)
    """

    _known: dict[tuple[str, ...], "Place"] = field(default_factory=dict)

    def next(self, *key: str) -> "Place":
        """The place of the next object with this key."""
        _, highdicom = _packages()
        last = self._known.get(key)
        if last is None:
            place = Place(str(highdicom.UID()), SERIES + len(self._known), 1, str(highdicom.UID()))
        else:
            place = Place(last.uid, last.number, last.instance + 1, str(highdicom.UID()))
        self._known[key] = place
        return place


@dataclass(frozen=True)
class Place:
    """UID and number of a series, and number and UID of an object in it."""

    uid: str
    number: int
    instance: int
    object_uid: str


def check_source(header: Any, one: SavedMap, what: str, *, single: bool = True, placed: bool = False) -> None:
    """Refuses a source that a map does not lie on.

    Args:
        header: of the source.
        one: the map.
        what: the format, for messages.
        single: whether the source must have one frame.
        placed: whether the source must have a place in space.

    Raises:
        InputError: for another size or, where that matters, several frames or no place.
    """
    size = int(header.Rows), int(header.Columns)
    if size != one.raw.shape:
        raise InputError(
            f"the map of {one.image} is {_by(one.raw.shape)} and its DICOM file is {_by(size)}: {what} needs the image "
            "as the file stores it, neither transposed nor cut"
        )
    frames = int(header.get("NumberOfFrames", 1) or 1)
    if single and frames > 1:
        raise InputError(f"{one.image} has {frames} frames, and {what} takes a source of one; save it as dicom-sc")
    if placed:
        from highdicom.spatial import get_image_coordinate_system

        if get_image_coordinate_system(header) is None:
            raise InputError(
                f"{one.image} has no place in space (a frame of reference with positions), which {what} needs; save it "
                "as dicom-seg or dicom-sc"
            )


def write(path: Path, made: Callable[[], Any], one: SavedMap, header: Any, what: str) -> None:
    """Makes a DICOM object and writes it whole.

    Args:
        path: of the file.
        made: function that makes it; highdicom's checks run in it.
        one: the map.
        header: of the source.
        what: the format, for messages.

    Raises:
        InputError: where highdicom refuses the source, with its words.
    """
    made_object = _refused(made, one, what)
    # The hospital that made the source is none of the modules that are copied: highdicom, which made the object, stays.
    made_object.ContributingEquipmentSequence = [
        item for item in made_object.ContributingEquipmentSequence if item.get("ManufacturerModelName") == "highdicom"
    ]
    for group in made_object.get("SharedFunctionalGroupsSequence", ()):
        for measures in group.get("PixelMeasuresSequence", ()):
            if "SpacingBetweenSlices" in measures and "SpacingBetweenSlices" not in header:
                del measures.SpacingBetweenSlices  # highdicom's guess: a single slice has none
    write_whole(path, lambda file: made_object.save_as(file, enforce_file_format=True))


def _refused(made: Callable[[], Any], one: SavedMap, what: str) -> Any:
    try:
        return made()
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{what} cannot be made of {one.image}: highdicom does not know {error}") from error
    except (ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise InputError(f"{what} cannot be made of {one.image}: {' '.join(str(error).split())}") from error


def equipment() -> dict[str, Any]:
    """The General Equipment module: what made the object."""
    from xaijax import __version__

    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": MAKER,
        "software_versions": __version__,
        "device_serial_number": "0",  # required by enhanced equipment; software has none
    }


def label(one: SavedMap, limit: int = 64) -> str:
    """A description of a series, as long as the value representation allows."""
    return f"{MAKER} {one.method}: {one.target or 'predicted class'}"[:limit]


def concept(one: SavedMap) -> Any:
    """What the map is as a coded concept (CID 218, machine learning)."""
    from pydicom.sr.codedict import codes

    return {
        "saliency": codes.DCM.Saliency,
        "class activation": codes.DCM.ClassActivation,
        "gradient-weighted class activation": codes.DCM.GradientWeightedClassActivation,
    }[one.kind]


def whole(values: np.ndarray, explained: np.ndarray) -> np.ndarray:
    """Values with 0 where the image was not explained."""
    return np.where(explained, values, 0).astype(np.float32)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _packages() -> tuple[Any, Any]:
    try:
        import highdicom
        import pydicom
    except ImportError:
        raise InputError("DICOM maps need pydicom and highdicom: pip install 'xaijax[medical]'") from None
    return pydicom, highdicom
