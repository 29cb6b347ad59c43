"""NIfTI: the raw map as float32 voxels, one slice thick. Needs `xaijax[medical]`.

With the slice of a NIfTI volume as its source the map has the volume's orientation and lies where the slice lies.
A slice is shown as radiologists see it: the patient's left, or back, on the right, and the front, or the head, on top.
Otherwise the affine is the identity: voxel (i, j, 0) is the pixel in column i and row j.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError
from xaijax._files import write_whole
from xaijax.data.formats.nifti import as_stored
from xaijax.data.saving.placing import SavedMap


@dataclass(frozen=True, eq=False)
class NiftiSlice:
    """Which voxels of a volume an image shows.

    Attributes:
        affine: `[4, 4]`, from voxel indices of the volume to millimetres.
        index: of the slice along the third axis.
    """

    affine: np.ndarray
    index: int = 0

    def voxels(self, image: np.ndarray) -> np.ndarray:
        """`[h, w]` values of the image as voxels of the volume, one slice thick."""
        return as_stored(image, self.affine)[:, :, None]

    def placed(self) -> np.ndarray:
        """The affine of the slice alone."""
        shift = np.eye(4)
        shift[2, 3] = self.index
        return np.asarray(self.affine, np.float64) @ shift


def is_nifti(path: Path) -> bool:
    """Whether a file is a NIfTI volume, by its contents: the magic of version 1 or 2, compressed or not."""
    try:
        with path.open("rb") as file:
            head = file.read(352)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as packed:
                head = packed.read(352)
    except (OSError, EOFError, ValueError):
        return False
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def slice_of(path: Path, frame: int | None = None) -> NiftiSlice:
    """The voxels that an image of a NIfTI volume shows.

    Args:
        path: of the volume.
        frame: position of the slice along the third axis, counted through the volumes of a series; None for the middle
            slice of the first.

    Raises:
        InputError: for a file that is no volume, or has no such slice.
    """
    try:
        import nibabel
    except ImportError:
        raise InputError("NIfTI maps need nibabel: pip install 'xaijax[medical]'") from None
    try:
        volume: Any = nibabel.load(path)
    except (OSError, ValueError, nibabel.filebasedimages.ImageFileError) as error:
        raise InputError(f"{path} is not a NIfTI volume: {' '.join(str(error).split())}") from error
    shape = (*volume.shape, 1, 1)[: max(3, len(volume.shape))]
    count = int(np.prod(shape[2:]))
    if frame is not None and not 0 <= frame < count:
        raise InputError(f"{path} has {count} slices; there is no slice {frame}")
    index = shape[2] // 2 if frame is None else frame % shape[2]
    return NiftiSlice(np.asarray(volume.affine, np.float64), index)


def save_nifti(path: Path, one: SavedMap, source: NiftiSlice | None = None) -> None:
    """Writes the raw map as a volume of one slice; `.nii.gz` is compressed.

    Args:
        path: of the file, ending in `.nii` or `.nii.gz`.
        one: the map.
        source: the slice of a volume that the image is; None where it is not: the affine is then the identity, and
            the header says "no geometry".

    Example:
        >>> import tempfile, nibabel
        >>> path = Path(tempfile.mkdtemp()) / "a.nii.gz"
        >>> save_nifti(path, SavedMap("a", "grad_cam", np.zeros((2, 3)), np.zeros((2, 3))))
        >>> nibabel.load(path).shape
        (3, 2, 1)
    """
    try:
        import nibabel
    except ImportError:
        raise InputError("NIfTI maps need nibabel: pip install 'xaijax[medical]'") from None
    # Rows of an image are the second axis of a volume: the first runs from left to right.
    voxels = one.raw.T[:, :, None] if source is None else source.voxels(one.raw)
    volume: Any = nibabel.Nifti1Image(np.ascontiguousarray(voxels), np.eye(4) if source is None else source.placed())
    # 80 and 16 bytes are all the room there is.
    volume.header["descrip"] = _ascii(f"xaijax {one.method}{', no geometry' if source is None else ''}", 79)
    volume.header["intent_name"] = _ascii(one.method, 15)
    volume.header.set_xyzt_units("mm" if source is not None else "unknown")
    data = volume.to_bytes()
    if path.name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    write_whole(path, lambda file: file.write(data))


def _ascii(text: str, limit: int) -> bytes:
    return text.encode("ascii", "replace")[:limit]
