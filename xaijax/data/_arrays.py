"""Arrays in a NumPy archive (.npz), read without inflating more than is needed.

Names, shapes and types come from the directory of the archive and the header of each array. An array that is stored as
it is gets mapped from the file; a compressed one is inflated once, when its first value is read, into a temporary file
that is mapped: memory holds the pages in use. Arrays of Python objects are refused, nothing is unpickled.
"""

import tempfile
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._errors import InputError

CHUNK = 1 << 22  # bytes that are inflated at a time
LARGE = 1 << 30  # bytes of an array above which its compression must be plausible
RATIO = 200  # images and masks do not compress better than this, a decompression bomb does


class Archive:
    """The arrays of a `.npz` file.

    Raises:
        InputError: for a file that is not such an archive, or whose directory and headers do not fit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._mapped: dict[str, np.ndarray] = {}
        self.headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self._members: dict[str, tuple[zipfile.ZipInfo, int, bool]] = {}
        try:
            with zipfile.ZipFile(path) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".npy"):
                        self._read_header(archive, member)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} is not a NumPy archive, or it is damaged ({_words(error)}): write it again"
            ) from error

    def _read_header(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        name = member.filename.removesuffix(".npy")
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            if version not in ((1, 0), (2, 0)):
                raise ValueError(f"array {name} has an unknown version")
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(stream)
            start = stream.tell()
        if dtype.hasobject:
            raise InputError(
                f"{self.path}: array {name} holds Python objects, which are not read; store numbers or text"
            )
        size = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
        if size != member.file_size:
            raise ValueError(f"array {name} has {member.file_size} bytes and its header says {size}")
        if size > LARGE and size > RATIO * max(member.compress_size, 1):
            raise InputError(
                f"{self.path}: array {name} would inflate from {_mib(member.compress_size)} to {_mib(size)}; if that "
                "is meant, store it uncompressed (numpy.savez)"
            )
        self.headers[name] = tuple(shape), dtype
        self._members[name] = member, start, fortran

    def array(self, name: str) -> np.ndarray:
        """An array, mapped and read-only.

        Raises:
            OSError, ValueError: with the reason, for damaged bytes or a full disk.
        """
        with self._lock:
            if name not in self._mapped:
                self._mapped[name] = self._map(name)
            return self._mapped[name]

    def _map(self, name: str) -> np.ndarray:
        member, start, fortran = self._members[name]
        shape, dtype = self.headers[name]
        order: Any = "F" if fortran else "C"
        if 0 in shape:
            return np.zeros(shape, dtype)
        if member.compress_type == zipfile.ZIP_STORED:
            offset = _data_offset(self.path, member) + start
            return np.memmap(self.path, dtype, "r", offset, shape, order)
        with tempfile.TemporaryFile() as inflated:  # it has no name to be left behind, and the map keeps its bytes
            try:
                with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
                    while chunk := stream.read(CHUNK):
                        inflated.write(chunk)
            except (zipfile.BadZipFile, zlib.error, EOFError) as error:
                raise ValueError(f"array {name} is damaged ({_words(error)})") from error
            inflated.flush()
            return np.memmap(inflated, dtype, "r", start, shape, order)


def _data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member start: after its own header, whose name and extra field may differ in length."""
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        local = stream.read(30)
    if len(local) < 30 or local[:4] != b"PK\x03\x04":
        raise ValueError("its directory does not fit its members")
    return member.header_offset + 30 + int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
