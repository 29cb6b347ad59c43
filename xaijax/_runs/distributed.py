"""What `--distributed` says: which processes, on this or on other hosts, train together, by `jax.distributed`."""

import contextlib
import re
import sys
import threading
from collections.abc import Iterator

from xaijax._errors import InputError

WORDS = "auto, HOST:PORT,COUNT,NUMBER (NUMBER from 0 to COUNT - 1)"
MOST = 10_000
REACHED = 60  # seconds within which all processes must have started
ALIVE = 60  # seconds without a sign of life after which a process counts as dead


def form(text: str) -> str:
    """The text of `--distributed` in its usual spelling, for `_options.Form`.

    Raises:
        ValueError: for another form.

    Example:
        >>> form("AUTO"), form("node1:9876,4,0")
        ('auto', 'node1:9876,4,0')
    """
    if text.lower() == "auto":
        return "auto"
    _read(text)
    return text


def _read(text: str) -> tuple[str, int, int]:
    """Address, number of processes and number of this one."""
    found = re.fullmatch(r"([^\s,]+:(\d{1,5})),(\d{1,5}),(\d{1,5})", text)
    if found is None:
        raise ValueError(WORDS)
    port, count, number = (int(found[at]) for at in (2, 3, 4))
    if not (0 < port < 1 << 16 and 1 <= count <= MOST and number < count):
        raise ValueError(WORDS)
    return found[1], count, number


@contextlib.contextmanager
def joined(text: str | None) -> Iterator[None]:
    """Joins the processes that train together, before JAX starts its backend.

    Args:
        text: of `--distributed`; None joins none, and leaves what the caller has joined.

    Raises:
        InputError: where the others cannot be reached, or one is lost.
    """
    if text is not None:
        _join(text)
    # Not before: it needs JAX, and a malformed value does not.
    from xaijax.training._processes import LostError

    try:
        yield
    except LostError as error:
        raise InputError(f"{error} with --resume") from error


def _join(text: str) -> None:
    import jax

    if jax.distributed.is_initialized():
        raise InputError(
            f"--distributed is {text}, and jax.distributed is initialised already; leave --distributed out"
        )
    given = {}
    if text != "auto":
        address, count, number = _read(text)
        given = {"coordinator_address": address, "num_processes": count, "process_id": number}
    # JAX itself would abort with a page of addresses.
    giving_up = threading.Timer(REACHED, _give_up, [text])
    giving_up.daemon = True
    giving_up.start()
    try:
        jax.distributed.initialize(
            **given,  # type: ignore[arg-type]
            initialization_timeout=2 * REACHED,
            heartbeat_timeout_seconds=ALIVE,
            shutdown_timeout_seconds=ALIVE,
        )
    except (RuntimeError, ValueError) as error:
        if text == "auto" and isinstance(error, ValueError):
            raise InputError(
                "--distributed is auto, and neither Slurm, Open MPI, Kubernetes nor a TPU pod started this process; "
                "give HOST:PORT,COUNT,NUMBER"
            ) from error
        raise InputError(
            f"--distributed is {text}, and JAX cannot join the processes ({_reason(error)}); give another address, or "
            "leave --distributed out"
        ) from error
    finally:
        giving_up.cancel()


def _give_up(text: str) -> None:
    """Ends this process, which waits for the others and cannot be interrupted."""
    from xaijax.training._processes import leave

    print(
        f"xaijax: error: --distributed is {text}, and the processes did not all meet within {REACHED} s; start all of "
        "them at the same time, with an address of process 0 that the others reach",
        file=sys.stderr,
    )
    leave(2)


def _reason(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0]
    return line if len(line) <= 200 else f"{line[:197]}..."
