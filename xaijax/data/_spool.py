"""Bytes that come once, as a stream, kept in a temporary file so that they can be read again in any order.

Memory holds where each entry lies, 16 bytes of it, and the entry that is written or read; the file has no name that
could be left behind and goes with the last image that refers to it.
"""

import errno
import tempfile
import threading
import weakref
from array import array

from xaijax._errors import InputError

LARGEST = 64 << 30
"""Bytes of one stream: more are refused, because they would fill the disk of temporary files."""


class Spool:
    """Entries of bytes in one temporary file, of the system's folder for them (`TMPDIR`).

    Args:
        largest: bytes that it may take.

    Example:
        >>> spool = Spool()
        >>> [spool.append(raw) for raw in (b"one", None, b"three")]
        [0, 1, 2]
        >>> spool.read(2), spool.read(1), len(spool)
        (b'three', None, 3)
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open while images refer to it
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._largest = largest
        self._starts = array("q")
        self._end = 0
        self._sizes = array("q")

    def __len__(self) -> int:
        return len(self._starts)

    def append(self, raw: bytes | None) -> int:
        """Keeps the bytes, or that there are none.

        Returns:
            The position of the entry.

        Raises:
            InputError: where the stream is larger than allowed or the disk is full.
        """
        if self._end + len(raw or b"") > self._largest:
            raise InputError(
                f"the stream has more than {self._largest / (1 << 30):,.0f} GiB of images, which are kept in a "
                "temporary file: take a part of it (take, shard), or give WebDataset shards, which are read where "
                "they lie"
            )
        self._starts.append(self._end)
        self._sizes.append(-1 if raw is None else len(raw))
        if raw:
            try:
                self._file.write(raw)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise
                raise InputError(
                    f"the disk of temporary files ({tempfile.gettempdir()}) is full after "
                    f"{self._end / (1 << 30):,.1f} GiB of the stream: name another folder with TMPDIR, or give "
                    "WebDataset shards, which are read where they lie"
                ) from None
            self._end += len(raw)
        return len(self._starts) - 1

    def read(self, at: int) -> bytes | None:
        """The bytes of an entry; any number of threads may read once all are written."""
        size = self._sizes[at]
        if size < 0:
            return None
        with self._lock:
            self._file.seek(self._starts[at])
            raw = self._file.read(size)
        if len(raw) != size:
            raise OSError("its temporary file is cut off")
        return raw
