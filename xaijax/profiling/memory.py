"""The most memory that a call holds beyond what was there before it.

On a device with its own memory: what the device's allocator says. On the CPU: the peak of the resident set, which Linux
can set back (`/proc/self/clear_refs`); pages that the C library kept from earlier work are given back first, or they
would hide the call's own. Where neither is there the peak is None, and XLA's plan of its buffers (`planned`) is what is
left.
"""

import ctypes
import re
from pathlib import Path
from typing import Any

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Peak:
    """Peak memory since `start`.

    Example:
        >>> import numpy as np
        >>> peak = Peak(None)
        >>> peak.start()
        >>> block = np.ones(1 << 24)
        >>> grown = peak.bytes()
        >>> grown is None or grown >= 0.9 * block.nbytes
        True
    """

    def __init__(self, device: Any) -> None:
        self._device = device if device is not None and device.platform != "cpu" else None
        self._before: int | None = None

    @property
    def how(self) -> str:
        """What is measured, in words."""
        return "peak of the resident set" if self._device is None else "peak of the device's allocator"

    def start(self) -> None:
        """Sets the peak back."""
        if self._device is not None:
            statistics = self._device.memory_stats() or {}
            self._before = statistics.get("peak_bytes_in_use")
            self._held = statistics.get("bytes_in_use", 0)
            return
        _trim()
        try:
            _CLEAR.write_text("5")
            self._before = _status("VmRSS")
        except OSError:
            self._before = None

    def bytes(self) -> int | None:
        """The peak less what was held at the start; None where it cannot be told.

        A device's peak cannot be set back: it tells only where this call went beyond all before it.
        """
        if self._before is None:
            return None
        if self._device is not None:
            peak = (self._device.memory_stats() or {}).get("peak_bytes_in_use", 0)
            return peak - self._held if peak > self._before else None
        most = _status("VmHWM")
        return None if most is None else max(0, most - self._before)


def planned(compiled: Any) -> int | None:
    """Bytes of the arguments, results and temporaries that XLA plans for a program."""
    try:
        plan = compiled.memory_analysis()
        return int(plan.temp_size_in_bytes + plan.argument_size_in_bytes + plan.output_size_in_bytes)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None


def _status(name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


def _trim() -> None:
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):  # not glibc
        return
