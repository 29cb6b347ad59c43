"""What kind of file a file is, by its content: a name may be missing, or wrong.

A file is opened only if it is a regular one: a pipe or a device may block for ever.
"""

import os
import stat
import struct
import zlib
from pathlib import Path

from xaijax.data.images import UnreadableError

HEAD = 1024  # bytes that are looked at: a NIfTI header has its magic at 344, a DICOM file at 128

# By content, in this order: kind -> (offset, bytes).
_MAGIC: tuple[tuple[str, int, bytes], ...] = (
    ("DICOM", 128, b"DICM"),  # first: a DICOM file may carry a TIFF header in its preamble
    ("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    ("JPEG", 0, b"\xff\xd8\xff"),
    ("JPEG 2000", 0, b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    ("TIFF", 0, b"II*\0"),
    ("TIFF", 0, b"MM\0*"),
    ("TIFF", 0, b"II+\0"),
    ("TIFF", 0, b"MM\0+"),
    ("GIF", 0, b"GIF8"),
    ("WebP", 8, b"WEBP"),
    ("AVIF", 4, b"ftypavi"),
    ("NIfTI", 344, b"n+1\0"),
    ("NIfTI", 4, b"n+2\0\r\n\x1a\n"),
    ("NIfTI", 344, b"ni1\0"),  # a header whose values lie in the .img file of its name
    ("BMP", 0, b"BM"),
    ("HEIF file", 4, b"ftyphei"),
    ("HEIF file", 4, b"ftypmif1"),
    ("HDF5 file", 0, b"\x89HDF\r\n\x1a\n"),
    ("MATLAB file", 0, b"MATLAB "),
    ("zip archive", 0, b"PK\x03\x04"),
    ("PDF file", 0, b"%PDF"),
    ("Git LFS pointer, not the file itself", 0, b"version https://git-lfs"),
)
IMAGES = frozenset(
    {"DICOM", "PNG", "JPEG", "JPEG 2000", "TIFF", "GIF", "WebP", "AVIF", "NIfTI", "Analyze", "BMP", "PNM", "TGA"}
)
_PNM = frozenset({b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF"})
_DICOM_VRS = frozenset({b"UL", b"UI", b"CS", b"OB", b"SH", b"LO", b"DA", b"TM", b"DT", b"SQ"})
_MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10\0"

# Suffixes that settle it without a look into the file.
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".jp2", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".avif", ".tga"}
    | {".pgm", ".ppm", ".pnm", ".pbm", ".dcm", ".dicom", ".ima", ".nii", ".nii.gz"}
)
_OTHER = frozenset(
    {".csv", ".tsv", ".txt", ".json", ".xml", ".yaml", ".yml", ".toml", ".md", ".html", ".pdf", ".xls", ".xlsx"}
    | {".py", ".ipynb", ".sh", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".parquet", ".zip", ".tar", ".gz", ".db"}
    | {".img"}  # values without a header: an Analyze image is named by its .hdr file
)
# Suffixes of images, or of what may hold images, that are not read -> what to do with them.
_SLIDES, _VIDEOS = "cut the slide into images", "save its frames as images"
_UNREAD = {
    **dict.fromkeys((".zip", ".rar", ".7z", ".gz", ".tgz", ".bz2", ".xz"), "unpack it"),
    **dict.fromkeys((".parquet", ".arrow"), "open it with datasets.load_dataset and give the result in Python"),
    **dict.fromkeys((".mha", ".mhd", ".nrrd", ".nhdr", ".mgz", ".mgh", ".mnc"), "convert it to NIfTI"),
    **dict.fromkeys((".heic", ".heif", ".psd", ".eps", ".svg", ".exr", ".dng", ".cr2", ".nef"), "save it as PNG"),
    **dict.fromkeys((".fits", ".fit", ".fts"), "save it as TIFF"),
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".vsi", ".bif"), _SLIDES),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".webm", ".mkv", ".wmv", ".mpg", ".mpeg"), _VIDEOS),
}


def unread(name: str) -> str | None:
    """What to do with an image whose format is not read, by its name; None for other files.

    Example:
        >>> unread("scan.MHA"), unread("scan.png")
        ('convert it to NIfTI', None)
    """
    return _UNREAD.get(suffix(name))


def suffix(name: str) -> str:
    """The suffix of a file's name in small letters; `.nii.gz` is one.

    Example:
        >>> suffix("scan.NII.GZ"), suffix("a.b.png"), suffix("IM0001")
        ('.nii.gz', '.png', '')
    """
    lower = name.lower()
    return ".nii.gz" if lower.endswith(".nii.gz") else os.path.splitext(lower)[1]


def has_image_name(name: str) -> bool:
    """Whether this package reads files of this name as images; hidden files are left out."""
    return not name.startswith(".") and suffix(name) in SUFFIXES


def looks_like_image(path: str | Path) -> bool:
    """Whether a file is an image that is read here: by its name where that settles it, else by its first bytes.

    Files without a suffix, or with one that is not known (DICOM files are often named by numbers with points between
    them), are opened, if they are regular files. A directory of a DICOM medium is no image.

    Example:
        >>> looks_like_image("scans/1.png"), looks_like_image("scans/labels.csv")
        (True, False)
    """
    name = os.path.basename(path)
    end = suffix(name)
    if name.startswith(".") or end in _OTHER:
        return False
    if end in SUFFIXES:
        return True
    try:
        return recognise(path) in IMAGES
    except (OSError, ValueError):
        return False


def head(path: str | Path, size: int = HEAD) -> bytes:
    """The first `size` bytes of a regular file.

    Raises:
        OSError: as `open` does.
        UnreadableError: for a folder, a pipe, a socket or a device, which are not opened.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise UnreadableError("it is a folder")
    if not stat.S_ISREG(mode):
        raise UnreadableError("it is a pipe, a socket or a device, not a regular file")
    with open(path, "rb") as stream:
        return stream.read(size)


def recognise(path: str | Path) -> str | None:
    """The kind of a file, one of `IMAGES` or the words for another kind that is known; None for all others.

    Raises:
        OSError, UnreadableError: as `head` does, and for an empty file.
    """
    start = head(path)
    if not start:
        raise UnreadableError("it is empty")
    known = kind_of(start, os.path.basename(path))
    if known is None and suffix(os.path.basename(path)) == ".img":
        header = header_of(path)
        return recognise(header) if os.path.isfile(header) else None
    return known


def header_of(path: str | Path) -> str:
    """The `.hdr` file of an `.img` file of Analyze or NIfTI, which a table may name; other paths as they are."""
    stem, end = os.path.splitext(path)
    return f"{stem}{'.HDR' if end == '.IMG' else '.hdr'}" if end.lower() == ".img" else str(path)


def kind_of(start: bytes, name: str = "") -> str | None:
    """The kind by the first bytes of a file; the name matters for TGA only, which has no magic.

    Example:
        >>> kind_of(b"GIF89a"), kind_of(b"hello")
        ('GIF', None)
    """
    for kind, offset, magic in _MAGIC:
        if start.startswith(magic, offset):
            return "directory of a DICOM medium" if kind == "DICOM" and _MEDIA_DIRECTORY in start else kind
    if start[:2] in _PNM and start[2:3].isspace():
        return "PNM"
    if start.startswith(b"\x1f\x8b"):
        return _inflated(start)
    if suffix(name) == ".hdr" and _is_analyze(start):
        return "Analyze"
    if _is_bare_dicom(start):
        return "DICOM"
    if suffix(name) == ".tga" and len(start) > 18 and start[1] in (0, 1) and start[2] in (1, 2, 3, 9, 10, 11):
        return "TGA"
    if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "web page or XML file"
    return None


def _inflated(start: bytes) -> str:
    try:
        inner = zlib.decompressobj(wbits=31).decompress(start, HEAD)
    except zlib.error:
        inner = b""
    return "NIfTI" if kind_of(inner) == "NIfTI" else "gzip file"


def _is_analyze(start: bytes) -> bool:
    """Whether bytes begin as a header of Analyze 7.5: its size, and 1 to 7 dimensions."""
    if len(start) < 348:
        return False
    return any(
        struct.unpack_from(f"{order}i", start)[0] == 348 and 1 <= struct.unpack_from(f"{order}h", start, 40)[0] <= 7
        for order in "<>"
    )


def _is_bare_dicom(start: bytes) -> bool:
    """Whether bytes without preamble begin with an element of group 2 or 8 of a DICOM file."""
    if len(start) < 16:
        return False
    for order in "<>":
        group, element, length = struct.unpack(f"{order}HHI", start[:8])
        if group not in (2, 8) or element > 0x18:
            continue
        # With a VR of two letters, or without one, where the length of a first value is short and even.
        if start[4:6] in _DICOM_VRS or (group == 8 and order == "<" and length <= 64 and length % 2 == 0):
            return True
    return False
