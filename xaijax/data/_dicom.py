"""DICOM files: stored values, rescaled and windowed by the file's own numbers. Needs `xaijax[medical]`."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data import images as _images

# What pydicom raises on damaged, incomplete or undecodable files, apart from OSError and ValueError.
_BROKEN = (AttributeError, NotImplementedError, RuntimeError, LookupError, TypeError, EOFError, struct.error)


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError:
        raise InputError("DICOM files need pydicom: pip install 'xaijax[medical]'") from None
    return pydicom


def patient(path: Path) -> str | None:
    """The patient of a file, or None where it names none or cannot be read; no pixels are read."""
    pydicom = _pydicom()
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["PatientID"])
    except (OSError, ValueError, pydicom.errors.InvalidDicomError, *_BROKEN):
        return None
    name = str(header.get("PatientID", "") or "").strip()
    return f"patient {name}" if name else None


def read_image(path: Path, window: _images.Window | None = None) -> np.ndarray:
    """The first frame as uint8 `[h, w, 1 or 3]`.

    Grey values go through RescaleSlope and RescaleIntercept, then through the window given, else the file's first
    WindowCenter/WindowWidth, else the image's own range. MONOCHROME1 is inverted, so that high is bright.

    Raises:
        OSError, ValueError: for a file that is not a DICOM image, or whose pixels cannot be decoded.
    """
    pydicom = _pydicom()
    try:
        stored = pydicom.dcmread(path)
        pixels = np.asarray(stored.pixel_array)
    except pydicom.errors.InvalidDicomError:
        raise ValueError("it is not a DICOM file") from None
    except _BROKEN as error:
        raise ValueError(f"its pixels cannot be decoded ({' '.join(str(error).split())})") from error
    colour = int(stored.get("SamplesPerPixel", 1)) == 3
    if pixels.ndim > (3 if colour else 2):
        pixels = pixels[0]
    if colour:
        space = str(stored.get("PhotometricInterpretation", "RGB"))
        if space.startswith("YBR"):
            pixels = pydicom.pixels.convert_color_space(pixels, space, "RGB")
        return pixels.astype(np.uint8) if pixels.dtype == np.uint8 else _images.to_uint8(pixels, window)
    values = pixels * float(stored.get("RescaleSlope", 1) or 1) + float(stored.get("RescaleIntercept", 0) or 0)
    grey = _images.to_uint8(values, window or _own_window(stored))
    if str(stored.get("PhotometricInterpretation", "")) == "MONOCHROME1":
        grey = 255 - grey
    return grey[..., None]


def _own_window(stored: Any) -> _images.Window | None:
    """The file's window as grey levels that become black and white (PS3.3 C.11.2.1.2, linear)."""
    centres, widths = stored.get("WindowCenter"), stored.get("WindowWidth")
    if centres is None or widths is None:
        return None
    centre, width = (float(np.ravel(np.asarray(value, np.float64))[0]) for value in (centres, widths))
    if width <= 1:
        return None
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
