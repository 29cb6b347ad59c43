"""What runs on a worker: it says what it is, opens a run once, and computes parts of it.

Nothing is raised to Dask that a run expects: a result is a mapping with "value", or with "error" (a sentence on the
input), "trouble" (with a disk or a network, which another worker may not have), "failure" (a fault, with its traceback)
or "closed" (the run is not open here: the process was started again).
"""

import contextlib
import os
import platform
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xaijax._errors import InputError

Compute = Callable[[Sequence[int]], Any]
Opener = Callable[[str], Compute]
WORKERS, GPUS = "XAIJAX_CLUSTER_WORKERS", "XAIJAX_CLUSTER_GPUS"

_opened: dict[str, Compute] = {}
_alone = threading.RLock()  # one part at a time in a process, however many threads the worker has


def look(device: str, threads: str) -> dict[str, Any]:
    """What a worker is: its host, its process, and what numbers depend on (`identity.made_by`).

    Args:
        device: `--device` of the run.
        threads: that XLA is to compute with on a CPU, as where the run was started; holds for the first run here.
    """
    from xaijax._runs import identity, options

    def work() -> dict[str, Any]:
        if threads:
            os.environ.setdefault(identity.THREADS[0], threads)
        options.use_device(options.DeviceOptions(device=device))  # type: ignore[arg-type]
        return {"host": platform.node(), "process": os.getpid(), "made_by": identity.made_by()}

    return _guarded(work)


def open_run(key: str, opener: Opener, text: str) -> dict[str, Any]:
    """Opens data and models of a run, once for all its parts.

    Args:
        key: of the run.
        opener: makes the function that computes parts from the description of the run.
        text: the description.
    """

    def work() -> None:
        if key not in _opened:
            _opened[key] = opener(text)

    return _guarded(work)


def compute(key: str, numbers: Sequence[int]) -> dict[str, Any]:
    """Computes a few parts of a run that is open here; "value" is what its opener's function returns."""
    if key not in _opened:
        return {"closed": True}
    return _guarded(lambda: _opened[key](numbers))


def close_run(key: str) -> None:
    """Lets go of data and models of a run."""
    _opened.pop(key, None)


def _guarded(work: Callable[[], Any]) -> dict[str, Any]:
    begun = time.monotonic()
    try:
        with _alone:
            return {"value": work(), "seconds": time.monotonic() - begun}
    except InputError as error:
        return {"error": " ".join(str(error).split())}
    except OSError as error:
        return {"trouble": " ".join(str(error).split())}
    except Exception:
        return {"failure": traceback.format_exc()}


def dask_setup(worker: Any) -> None:
    """Prepares a process of `--cluster local:N` before its first work: Dask calls this (`preload`).

    Each has one GPU, or its share of the processors: N processes with threads for all of them would be slower. Ctrl-C
    is the business of the process that the user started, which ends the workers itself.
    """
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    number, count = int(worker.name), int(os.environ[WORKERS])
    gpus = [one for one in os.environ.get(GPUS, "").split(",") if one]
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
    elif hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, share(sorted(os.sched_getaffinity(0)), number, count))


def share(processors: Sequence[int], number: int, count: int) -> set[int]:
    """The processors of one of several workers: disjoint, as long as there are enough.

    Example:
        >>> share([0, 1, 2, 3], 1, 2), share([0, 1], 3, 4)
        ({2, 3}, {1})
    """
    if count >= len(processors):
        return {processors[number % len(processors)]}
    first, last = (len(processors) * place // count for place in (number, number + 1))
    return set(processors[first:last])


def told(result: Mapping[str, Any]) -> str:
    """What a result without a value says, in one sentence."""
    if "failure" in result:
        return f"an unexpected error: {result['failure'].strip().splitlines()[-1]}"
    return str(result.get("error") or result.get("trouble") or "the run is not open there")
