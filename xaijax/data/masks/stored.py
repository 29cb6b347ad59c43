"""The values that a mask file stores, `[h, w]`, before they are interpreted.

Files are recognised by their content: PNG and the other formats of Pillow, TIFF, NumPy arrays (`.npy`), NIfTI and
DICOM. No value is rescaled, so the same labels give the same mask in every storage mode:

* grey files of any depth: the values; palette files: the indices of the palette, whatever its colours;
* grey pixels in a colour file (red, green and blue are equal): the grey values;
* colours: `0xRRGGBB` as one whole number;
* transparency: where it differs between pixels, transparent pixels are outside (0), and a file of one colour is a
  mask that is drawn in its transparency: its values are those of the alpha channel. One transparency for all pixels
  says nothing and is dropped.
"""

import stat
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps

from xaijax._errors import InputError
from xaijax.data.images import upright

# As many pixels as Pillow opens at most: more are taken for a decompression bomb.
LARGEST = 2 * 89_478_485
NEAR_GREY = 12  # by how much the channels of a lossy grey file may differ
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_DAMAGE = (SyntaxError, EOFError, IndexError, TypeError, KeyError, AttributeError, struct.error, zlib.error)


@dataclass(frozen=True)
class Stored:
    """The values of a mask file.

    Attributes:
        values: `[h, w]` whole numbers, or floats where the file holds floats.
        coloured: whether the values are colours `0xRRGGBB`.
        palette: index -> colour of a palette file; empty for others.
        lossy: whether the format changes values when it compresses (JPEG).
        notes: what was assumed.
    """

    values: np.ndarray
    coloured: bool = False
    palette: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    lossy: bool = False
    notes: tuple[str, ...] = ()


def read(path: Path, frame: int | None = None) -> Stored:
    """The values of a file.

    Args:
        path: the file.
        frame: the page of a TIFF, the frame of a GIF or a DICOM file, the slice of a NIfTI volume (third axis) or of an
            array (first axis), from 0; a file that holds a single one has this one. Default: the first, of a NIfTI
            volume the middle one, with a note where there are several.

    Returns:
        The values, as they are stored.

    Raises:
        OSError, ValueError: with the reason, for a file that is missing, damaged, or holds no mask.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.png"
        >>> Image.fromarray(np.array([[0, 7]], np.uint8)).save(path)
        >>> read(path).values.tolist()
        [[0, 7]]
    """
    kind = kind_of(path)
    if kind == "npy":
        return array(_npy(path), frame, one_hot=frame is None)
    if kind == "tiff":
        return _tiff(path, frame)
    if kind in ("nifti", "dicom"):
        from xaijax.data.masks import medical

        return medical.nifti(path, frame) if kind == "nifti" else medical.dicom(path, frame)
    return _pillow(path, frame)


def kind_of(path: Path) -> Literal["npy", "tiff", "nifti", "dicom", "other"]:
    """What a file is, by its first bytes.

    Raises:
        OSError, ValueError: for a file that is missing or not a regular file (a FIFO would block for ever).
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")
    with path.open("rb") as stream:
        head = stream.read(352)
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[344:348] in (b"n+1\0", b"ni1\0") or (head[:2] == b"\x1f\x8b" and path.name.lower().endswith(".nii.gz")):
        return "nifti"
    return "other"


def checked_size(shape: tuple[int, ...]) -> None:
    """Refuses arrays of more pixels than any mask has.

    Raises:
        ValueError: for too many pixels or none.
    """
    pixels = 1
    for side in shape:
        pixels *= int(side)
    if pixels > LARGEST:
        raise ValueError("it has too many pixels")
    if pixels < 1:
        raise ValueError("it has no pixels")


def array(values: np.ndarray, frame: int | None = None, *, lossy: bool = False, one_hot: bool = False) -> Stored:
    """The values of an array: `[h, w]`, colours `[h, w, 3 or 4]` uint8, or `[n, h, w]` of which one frame is taken;
    with `one_hot` also labels with one channel per class, of which exactly one is set.

    Raises:
        ValueError: for another shape or type, and for NaN or infinite values.
    """
    if values.dtype.kind not in "biuf":
        raise ValueError(f"its values are of the type {values.dtype}, not numbers")
    notes: tuple[str, ...] = ()
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if one_hot and values.ndim == 3 and (labels := _one_hot(values)) is not None:
        return Stored(labels, lossy=lossy, notes=("a mask is stored with one channel per class: its labels were read",))
    colours = values.ndim == 3 and values.shape[2] in (2, 3, 4) and values.dtype == np.uint8
    if values.ndim == 3 and not colours:
        notes = first_of(len(values), frame, "frames")
        values = values[position(frame, len(values), "frame")]
    if colours:
        return _colours(values, lossy)
    if values.ndim != 2:
        raise ValueError(f"it has the shape {'x'.join(map(str, values.shape))}, not that of one mask")
    checked_size(values.shape)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ValueError("it has values that are NaN or infinite")
        whole = values.astype(np.int64) if np.abs(values).max() < 2**53 else None
        values = whole if whole is not None and (whole == values).all() else values.astype(np.float64)
    elif values.dtype.kind == "b":
        values = values.astype(np.uint8)
    return Stored(values, lossy=lossy, notes=notes)


def _one_hot(values: np.ndarray) -> np.ndarray | None:
    """Labels `[h, w]`, counted from 0, of `[h, w, k]` or `[k, h, w]` with a single 1 (or another number, the same for
    all) for each pixel; else None. Few channels and many pixels are asked for: a stack of thin masks is no such array.
    """
    for axis in (2, 0):
        pixels = values.size // max(values.shape[axis], 1)
        if not 3 <= values.shape[axis] <= 64 or pixels < 8 * values.shape[axis]:
            continue
        inside = values != 0
        highest = values.max()
        if ((values == highest) == inside).all() and (inside.sum(axis) == 1).all():
            return np.asarray(inside.argmax(axis)).astype(np.uint8)
    return None


def _npy(path: Path) -> np.ndarray:
    """An array file; its header is checked against the size of the file before any value is read."""
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(stream)
        except (ValueError, *_DAMAGE) as error:
            raise ValueError(f"its header is damaged ({_words(error)})") from None
        if dtype.hasobject:
            raise ValueError("it holds Python objects, which are not read")
        checked_size(tuple(shape))
        promised = dtype.itemsize * int(np.prod(shape, dtype=object))
        if path.stat().st_size - stream.tell() < promised:
            raise ValueError("it is shorter than its header says")
    return np.asarray(np.load(path, allow_pickle=False))


def _tiff(path: Path, frame: int | None) -> Stored:
    """A page of a TIFF file of any sample format."""
    try:
        import tifffile
    except ImportError:
        return _pillow(path, frame)
    try:
        with tifffile.TiffFile(path) as stored:
            count = len(stored.pages)
            page: Any = stored.pages[position(frame, count, "page")]
            checked_size(page.shape)
            values = np.asarray(page.asarray())
            if page.planarconfig == 2 and values.ndim == 3:
                values = np.moveaxis(values, 0, 2)
            orientation = page.tags.valueof(274, 1)
            meaning, bits, table = page.photometric.name, page.bitspersample, page.colormap
            lossy = page.compression.name in ("JPEG", "OJPEG")
    except (tifffile.TiffFileError, RuntimeError, NotImplementedError, *_DAMAGE) as error:
        raise ValueError(f"it is damaged, or a kind of TIFF that is not supported ({_words(error)})") from error
    if values.ndim == 3 and values.shape[2] > 3 and values.dtype != np.uint8:
        values = values[..., :3]
    if values.ndim == 3 and values.dtype != np.uint8 and (values == values[..., :1]).all():
        values = values[..., 0]
    if meaning == "MINISWHITE" and values.dtype.kind in "bu":
        values = (1 if values.dtype == bool else 2**bits - 1) - values.astype(np.int64)
    found = array(upright(values, int(orientation)), lossy=lossy)
    if meaning == "PALETTE" and table is not None:
        # Entries have 16 bits a channel.
        rows = (np.asarray(table).T // 256).astype(np.int64)
        found = replace(found, palette=_palette(rows))
    return replace(found, notes=found.notes + first_of(count, frame, "pages"))


def _pillow(path: Path, frame: int | None) -> Stored:
    """Every way in which Pillow fails on damaged bytes becomes ValueError or OSError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                count = int(getattr(opened, "n_frames", 1))
                if at := position(frame, count, "frame"):
                    opened.seek(at)
                lossy = opened.format in ("JPEG", "MPO", "JPEG2000")
                image = ImageOps.exif_transpose(opened)
                image.load()
    except Image.UnidentifiedImageError:
        raise ValueError("its format is not supported, or it is not an image") from None
    except Image.DecompressionBombError:
        raise ValueError("it has too many pixels") from None
    except _DAMAGE as error:
        raise ValueError(f"it is damaged ({_words(error)})") from error
    notes = first_of(count, frame, "frames")
    if image.mode in ("P", "PA"):
        indices = np.asarray(image if image.mode == "P" else image.getchannel("P"))
        flat = np.array(image.getpalette("RGB") or [], np.int64).reshape(-1, 3)
        return Stored(indices, palette=_palette(flat), notes=notes)
    if image.mode in _DEEP or image.mode in ("1", "L"):
        found = array(np.asarray(image), lossy=lossy)
    elif image.mode in ("LA", "La"):
        found = _colours(np.asarray(image.convert("LA")), lossy)
    else:
        there = image.mode in ("RGBA", "RGBa") or (image.mode == "RGB" and "transparency" in image.info)
        found = _colours(np.asarray(image.convert("RGBA" if there else "RGB")), lossy)
    return replace(found, notes=found.notes + notes)


def _colours(pixels: np.ndarray, lossy: bool) -> Stored:
    """`[h, w, 2, 3 or 4]` uint8 as one number per pixel; the last of 2 or 4 channels is the transparency."""
    checked_size(pixels.shape[:2])
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    channels = pixels[..., : 1 if pixels.shape[2] == 2 else 3].astype(np.int64)
    apart = channels.max(2) - channels.min(2)
    coloured = bool(apart.max() > (NEAR_GREY if lossy else 0))
    if not coloured:
        # ITU-R 601; equal channels keep their value.
        weights = np.array([299, 587, 114]) if channels.shape[2] == 3 else np.array([1000])
        values = (channels @ weights + 500) // 1000
    else:
        values = channels @ np.array([1 << 16, 1 << 8, 1])
    if alpha is None:
        return Stored(values, coloured, lossy=lossy)
    if alpha.min() == alpha.max():
        if alpha.max() > 0:
            return Stored(values, coloured, lossy=lossy)
        if values.min() == values.max():
            return Stored(np.zeros_like(values), notes=("a mask is transparent everywhere: nothing is drawn in it",))
        return Stored(values, coloured, notes=("a mask is transparent everywhere: its colours were read",))
    drawn = values[alpha > 0]
    if drawn.min() == drawn.max():
        return Stored(alpha.astype(np.int64), notes=("a mask is drawn in the transparency of its file",))
    note = "transparent pixels of a mask are outside"
    half = np.where(alpha >= 128, values, 0)
    return Stored(half, coloured, lossy=lossy, notes=(note,))


def _palette(rows: np.ndarray) -> Mapping[int, int]:
    colours = rows @ np.array([1 << 16, 1 << 8, 1])
    return MappingProxyType({at: int(colour) for at, colour in enumerate(colours)})


def position(frame: int | None, count: int, what: str) -> int:
    """Which of the frames of a file is read.

    Raises:
        ValueError: for a frame that a file of several does not have.
    """
    if frame is None or count == 1:
        return 0
    if not 0 <= frame < count:
        raise ValueError(f"it has {count} {what}s and not the one of its image")
    return frame


def first_of(count: int, frame: int | None, parts: str) -> tuple[str, ...]:
    """The note on a file of several frames of which nobody has named one."""
    return (f"the first of several {parts} of a mask was read",) if count > 1 and frame is None else ()


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def needs(package: str, files: str) -> InputError:
    """The error for a package that is not installed."""
    return InputError(f"{files} need {package}: pip install 'xaijax[medical]'")
