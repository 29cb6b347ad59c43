"""Nothing that a decoder says is printed: warnings and log lines of DICOM files may quote what is in them."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_PACKAGES = frozenset({"pydicom", "tifffile", "nibabel", "PIL"})
_here = threading.local()
_lock = threading.Lock()
_count = 0
_seen = 0  # loggers of the process, when the filter was last added
_saved: "warnings.catch_warnings[None] | None" = None  # generic to type checkers only


class _Silent(logging.Filter):
    """Drops records of the thread that decodes."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_here, "quiet", False)


_SILENT = _Silent()


def hush() -> None:
    """Adds the filter to the loggers of the decoders; to be called again after one was imported."""
    global _seen
    loggers = logging.root.manager.loggerDict
    if len(loggers) == _seen:
        return
    for name in list(loggers):  # a filter holds for one logger, not for those below it
        if name.partition(".")[0] in _PACKAGES:
            logging.getLogger(name).addFilter(_SILENT)
    _seen = len(loggers)


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings and without log lines of the decoders.

    The filters of `warnings` belong to the process: they are saved by the first thread that comes and restored by the
    last that goes, because a thread reads the next batch while this one is computed.
    """
    global _count, _saved
    hush()
    with _lock:
        if _count == 0:
            _saved = warnings.catch_warnings()
            _saved.__enter__()
            warnings.simplefilter("ignore")
        _count += 1
    before, _here.quiet = getattr(_here, "quiet", False), True
    try:
        yield
    finally:
        _here.quiet = before
        with _lock:
            _count -= 1
            if _count == 0 and _saved is not None:
                _saved.__exit__(None, None, None)
                _saved = None
