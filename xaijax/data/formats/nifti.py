"""One slice of a NIfTI or Analyze 7.5 volume, by nibabel. Needs `xaijax[medical]`.

Slices are those of the third stored axis; of a series of volumes they are counted through the volumes. A slice is shown
as radiologists see it and as DICOM stores it: the patient's left, or back, on the right, and the front, or the head, on
top, as far as the affine says where these are. Analyze files say nothing of it: the usual order is assumed and noted.
Analyze, and NIfTI in two files, are named by their `.hdr` file; the values lie in the `.img` file of its name.
"""

import gzip
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax.data.formats.quiet import hush
from xaijax.data.formats.recognise import header_of
from xaijax.data.images import Levels, Stored, UnreadableError, check_frame, check_size

LARGEST_FILE = 2**33  # bytes of an uncompressed volume
ASSUMED = "its orientation is not stored: front on top and the patient's left on the right were assumed"
MIDDLE = "the middle one of several slices was taken"


def read(path: Path, kind: str, frame: int | None) -> Stored:
    """One slice as `Stored`; the middle one of the first volume where none is named."""
    try:
        import nibabel
    except ImportError:
        raise InputError("NIfTI files need nibabel: pip install 'xaijax[medical]'") from None
    hush()
    with ExitStack() as opened:
        image = _opened(nibabel, path, kind, opened)
        shape = (*image.shape, 1, 1)[: max(len(image.shape), 3)]
        check_size(shape[1], shape[0])
        dtype = image.get_data_dtype()
        bytes_before = int(image.dataobj.offset) + int(np.prod([int(side) for side in shape])) * dtype.itemsize
        if min(shape) < 1 or bytes_before > LARGEST_FILE:
            raise UnreadableError(f"it says that it has {' x '.join(map(str, shape))} voxels")
        count = int(np.prod([int(side) for side in shape[2:]]))
        chosen = shape[2] // 2 if frame is None else check_frame(frame, count, "slice")
        place = np.unravel_index(chosen, shape[2:], order="F")
        at = (slice(None), slice(None), *place)[: len(image.shape)]
        plain = image.dataobj[at]  # reads this slice alone; keeps its type where the header states no scaling
        header, affine = image.header, image.affine
    notes: tuple[str, ...] = (MIDDLE,) if frame is None and count > 1 else ()
    notes += (ASSUMED,) if kind == "Analyze" else ()
    if plain.dtype.fields:
        colour = np.stack([plain[name] for name in ("R", "G", "B")], axis=-1).reshape(*shape[:2], 3)
        return Stored(shown(colour.astype(np.uint8), affine), notes=notes)
    if plain.dtype.kind == "c":
        raise UnreadableError("it holds complex numbers")
    grey = np.asarray(plain).reshape(shape[:2])
    if grey.dtype.kind == "f" and grey.dtype.itemsize > 8:
        grey = grey.astype(np.float64)
    grey = grey.astype(grey.dtype.newbyteorder("="), copy=False)
    return Stored(shown(grey, affine), display=_display(header), notes=notes)


def _opened(nibabel: Any, path: Path, kind: str, opened: ExitStack) -> Any:
    """The volume with its values on disk; its files stay open as long as `opened`."""
    header = Path(header_of(path))
    raw = opened.enter_context(header.open("rb"))
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
    start = stream.read(348)
    stream.seek(0)
    if kind == "Analyze" or start[344:] == b"ni1\0":
        try:
            values = opened.enter_context(header.with_suffix(".IMG" if header.suffix == ".HDR" else ".img").open("rb"))
        except FileNotFoundError:
            raise UnreadableError("the .img file of its name is not there") from None
        pair = nibabel.AnalyzeImage if kind == "Analyze" else nibabel.Nifti1Pair
        holders = (nibabel.FileHolder(fileobj=one) for one in (stream, values))
        return pair.from_file_map(dict(zip(("header", "image"), holders, strict=True)))
    second = 540 in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big"))
    holder = nibabel.FileHolder(fileobj=stream)
    form = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    return form.from_file_map({"header": holder, "image": holder})


def shown(plane: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """A stored slice `[x, y, ...]` as it is displayed, `[rows, columns, ...]`."""
    turned, flips = _placing(affine)
    return np.ascontiguousarray((plane.swapaxes(0, 1) if turned else plane)[flips])


def as_stored(picture: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The inverse of `shown`: what is displayed, such as a map, `[rows, columns, ...]`, as a slice of the volume."""
    turned, flips = _placing(affine)
    plane = picture[flips]
    return np.ascontiguousarray(plane.swapaxes(0, 1) if turned else plane)


def _placing(affine: np.ndarray) -> tuple[bool, tuple[slice, slice]]:
    """Whether the first stored axis runs along columns, and how rows and columns are flipped."""
    import nibabel

    codes = nibabel.aff2axcodes(affine)[:2]
    if None in codes:
        return True, (slice(None), slice(None))
    # Columns run to the left or, where that is the slice axis, to the back; rows to the back or to the feet.
    first_is_column = codes[0] in "LR" or (codes[0] in "AP" and codes[1] in "IS")
    row, column = (codes[1], codes[0]) if first_is_column else (codes[0], codes[1])
    back = slice(None, None, -1)
    return first_is_column, (back if row in "AS" else slice(None), back if column in "RA" else slice(None))


def _display(header: Any) -> Levels | None:
    """The window between cal_min and cal_max, where the header states one."""
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        return None
    return lambda values: (np.asarray(values, np.float64) - low) / (high - low)
