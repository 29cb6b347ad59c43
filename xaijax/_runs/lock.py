"""One process at a time in a run folder, and who it is.

The system's own lock on the folder decides, which a killed process loses at once. Where a file system has no such locks
the owner's file is touched every few seconds, and a newcomer watches it: one that stays still is left from a killed
process. No clock is compared with another machine's.
"""

import contextlib
import json
import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import Any

from xaijax._errors import InputError
from xaijax._runs.checksums import LOCK

BEAT = 5.0  # seconds between two touches
WATCH = 3 * BEAT  # a living owner has touched its file by then


class Lock:
    """Holds a folder until it is closed.

    Args:
        folder: that exists.
        beat: seconds between two signs of life, where the file system has no locks.

    Raises:
        InputError: where another process has it; says which.
    """

    def __init__(self, folder: Path, *, beat: float = BEAT) -> None:
        self._file = folder / LOCK
        self._stop = threading.Event()
        self._descriptor = self._system_lock(folder)
        if self._descriptor is None:
            self._refuse_living(folder, WATCH * beat / BEAT)
        try:
            self._file.write_text(json.dumps(me()), "utf-8")
        except OSError as error:  # a full disk, which names no file
            self.close()
            raise OSError(error.errno, error.strerror, str(self._file)) from error
        if self._descriptor is None:
            threading.Thread(target=self._live, args=(beat,), daemon=True).start()

    def close(self) -> None:
        """Lets other processes use the folder."""
        self._stop.set()
        self._file.unlink(missing_ok=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _system_lock(self, folder: Path) -> int | None:
        """A descriptor that holds the lock, or None where there are no such locks (Windows, some network drives)."""
        try:
            import fcntl
        except ImportError:
            return None
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise self._taken(folder) from None
        except OSError:
            os.close(descriptor)
            return None
        return descriptor

    def _refuse_living(self, folder: Path, seconds: float) -> None:
        """Watches the owner's file; refuses where it changes, which only a living owner makes it do."""
        with contextlib.suppress(FileNotFoundError):
            seen = self._file.stat().st_mtime_ns
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(seconds / 30)
                if self._file.stat().st_mtime_ns != seen:
                    raise self._taken(folder)

    def _live(self, beat: float) -> None:
        while not self._stop.wait(beat):
            with contextlib.suppress(OSError):
                os.utime(self._file)

    def _taken(self, folder: Path) -> InputError:
        try:
            who = named(json.loads(self._file.read_text("utf-8")))
        except (OSError, ValueError):
            who = ""
        return InputError(f"another process is using {folder}{who}; wait for it, or name another folder with --out")


def me() -> dict[str, Any]:
    """This process, for others that want the same folder."""
    from xaijax._runs.provenance import now

    command = " ".join(["xaijax", *sys.argv[1:2]]) if Path(sys.argv[0]).name == "xaijax" else Path(sys.argv[0]).name
    return {"process": os.getpid(), "host": platform.node(), "since": now(), "command": command or "python"}


def named(owner: Any) -> str:
    """Words on a process, as `me` describes it, to follow "another process"; "" where they cannot be made."""
    try:
        return f" ({owner['command']!r}, process {owner['process']} on {owner['host']}, since {owner['since']})"
    except (KeyError, TypeError):
        return ""
