"""What `--cluster` says, and the workers that it names: started here, by a batch system, or there already."""

import contextlib
import dataclasses
import logging
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Literal

from xaijax._errors import InputError

JOBS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
WORDS = "local:N, tcp://HOST:PORT, tls://HOST:PORT, slurm:N, pbs:N, lsf:N or sge:N"
MOST = 10_000
INSTALL = "--cluster needs Dask: pip install 'xaijax[cluster]'"
CONNECT = 20  # seconds until a scheduler must have answered


@dataclasses.dataclass(frozen=True)
class Address:
    """Where parts are computed.

    Attributes:
        text: as it was given.
        kind: "local", "scheduler" or a batch system.
        count: of workers or jobs to start; 0 for a running scheduler.

    Example:
        >>> Address.read("local:4").count, Address.read("tcp://host:8786").kind, Address.read("slurm").count
        (4, 'scheduler', 1)
    """

    text: str
    kind: Literal["local", "scheduler", "slurm", "pbs", "lsf", "sge"]
    count: int

    @classmethod
    def read(cls, text: str) -> "Address":
        """What a text means.

        Raises:
            ValueError: for another form.
        """
        if re.fullmatch(r"(tcp|tls)://[^/\s]+:\d+/?", text):
            return cls(text.rstrip("/"), "scheduler", 0)
        found = re.fullmatch(r"(local|slurm|pbs|lsf|sge)(?::(\d+))?", text.lower())
        if found is None or (found[1] == "local" and found[2] is None):
            raise ValueError(WORDS)
        count = int(found[2] or 1)
        if not 1 <= count <= MOST:
            raise ValueError(f"{WORDS}, with N from 1 to {MOST}")
        return cls(text.lower(), found[1], count)  # type: ignore[arg-type]


def form(text: str) -> str:
    """The text of an address in its usual spelling, for `_options.Form`."""
    return Address.read(text).text


@contextlib.contextmanager
def connected(address: Address, say: Callable[[str], None]) -> Iterator[Any]:
    """A Dask client of the workers; those that are started here end with it.

    Args:
        address: where.
        say: shows a line.

    Yields:
        A `distributed.Client`.

    Raises:
        InputError: where Dask is not installed, or nothing can be started or reached.
    """
    try:
        import distributed
    except ImportError as error:
        raise InputError(INSTALL) from error
    with contextlib.ExitStack() as closing, _quiet():
        place: Any = address.text
        if address.kind != "scheduler":
            place = closing.enter_context(_started(address, distributed, say))
        try:
            client = distributed.Client(place, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"--cluster is {address.text}, and no scheduler answers there; start one with `dask scheduler`, or "
                "give another address"
            ) from error
        closing.callback(_ended, client)
        yield client


def _ended(client: Any) -> None:
    with contextlib.suppress(Exception):  # whatever it was, the results are written
        client.close(timeout=5)


@contextlib.contextmanager
def _started(address: Address, distributed: Any, say: Callable[[str], None]) -> Iterator[Any]:
    if address.kind == "local":
        make, count = _local(address, distributed), 0
    else:
        make, count = _jobs(address, say), address.count
    try:
        cluster = make()
        if count:
            cluster.scale(jobs=count)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        hint = ""
        if address.kind == "local":
            hint = "; in a script of your own, call run() below `if __name__ == '__main__':`"
        raise InputError(f"--cluster {address.text} cannot be started: {reason}{hint}") from error
    try:
        yield cluster
    finally:
        with contextlib.suppress(Exception):
            cluster.close(timeout=15)


def _local(address: Address, distributed: Any) -> Callable[[], Any]:
    from xaijax._runs.cluster import worker

    gpus = _gpus()
    if gpus and address.count > len(gpus):
        raise InputError(
            f"--cluster is {address.text}, and a GPU takes one worker: give local:{len(gpus)}, or --device cpu"
        )

    def make() -> Any:
        with _no_interrupt():
            return distributed.LocalCluster(
                n_workers=address.count,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # any port: the usual one may be in use
                memory_limit=0,  # what Dask would watch are arrays of its own
                silence_logs=logging.CRITICAL,
                preload=[worker.__name__],
                env={worker.WORKERS: str(address.count), worker.GPUS: ",".join(gpus)},
            )

    return make


def _jobs(address: Address, say: Callable[[str], None]) -> Callable[[], Any]:
    try:
        import dask
        import dask_jobqueue
    except ImportError as error:
        raise InputError(INSTALL) from error
    say(f"asking {address.kind} for {address.count} job{'' if address.count == 1 else 's'}")
    kind = getattr(dask_jobqueue, JOBS[address.kind])
    options = dask.config.get(f"jobqueue.{address.kind}.scheduler-options", None)
    return lambda: kind(
        silence_logs=logging.CRITICAL, scheduler_options={"dashboard_address": ":0"} | dict(options or {})
    )


def _gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; starts JAX's backend."""
    import jax

    if jax.default_backend() != "gpu":
        return []
    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return named or [str(number) for number in range(len(jax.local_devices()))]


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes that are started meanwhile leave Ctrl-C to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own messages are left out: what a user should know is said by the pool."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
