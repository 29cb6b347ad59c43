"""Mask files in medical formats: a slice of a NIfTI label map, and DICOM images that hold a mask as their pixels.

Stored values are kept: no rescaling, no window. Segmentations as DICOM defines them (SEG) are in `segmentation`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from xaijax.data.formats.nifti import shown
from xaijax.data.masks.stored import Stored, array, checked_size, first_of, needs, position


def nifti(path: Path, frame: int | None) -> Stored:
    """One slice of a volume along its third stored axis; default: the middle one.

    The slice is turned as radiologists see it, which is what is done with images: the patient's left on the right, the
    front or the head on top, as far as the affine says where these are.

    Raises:
        OSError, ValueError: for a file that cannot be read.
    """
    try:
        import nibabel
    except ImportError:
        raise needs("nibabel", "NIfTI files") from None
    try:
        volume: Any = nibabel.load(path)
        shape = (*volume.shape, 1, 1)[: max(len(volume.shape), 3)]
        checked_size(shape[:2])
        count = int(np.prod(shape[2:]))
        at = position(frame, count, "slice") if frame is not None else shape[2] // 2
        place = np.unravel_index(at, shape[2:], order="F")
        plane = np.asarray(volume.dataobj[(slice(None), slice(None), *place)[: len(volume.shape)]])
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise ValueError(f"it is damaged, or a kind of NIfTI that is not supported ({error})") from error
    stored = array(shown(plane.reshape(shape[:2]), volume.affine))
    if frame is None and count > 1:
        return Stored(stored.values, notes=("the middle one of several slices of a mask was read",))
    return stored


def dicom(path: Path, frame: int | None) -> Stored:
    """The stored values of a DICOM image that is used as a mask; MONOCHROME1 is inverted, so that black is outside.

    Raises:
        OSError, ValueError: for a file whose pixels cannot be decoded. Nothing of its header is quoted.
    """
    try:
        import pydicom
    except ImportError:
        raise needs("pydicom", "DICOM files") from None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        checked_size((int(header.Rows), int(header.Columns)))
        count = int(header.get("NumberOfFrames") or 1)
        at = position(frame, count, "frame")
        meaning = str(header.get("PhotometricInterpretation", ""))
        bits = int(header.get("BitsStored", 8))
        signed = bool(header.get("PixelRepresentation", 0))
        pixels = pydicom.pixels.pixel_array(path, index=at)
    except (OSError, ValueError) as error:
        raise ValueError("its pixels cannot be decoded") from error
    except Exception as error:
        raise ValueError(f"its pixels cannot be decoded ({type(error).__name__})") from error
    if meaning == "MONOCHROME1":
        pixels = (-1 if signed else 2**bits - 1) - pixels.astype(np.int64)
    found = array(np.asarray(pixels))
    return Stored(found.values, found.coloured, notes=found.notes + first_of(count, frame, "frames"))
