"""A pool of workers that compute parts, one at a time on each; whatever happens to a worker costs its part only.

Dask brings the processes, their life and the transport. Which worker computes what is decided here, so that workers
that differ get nothing, a part that takes too long is known with its worker, and one that ends its workers is named.
"""

import collections
import contextlib
import dataclasses
import hashlib
import itertools
import queue
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, Literal

from xaijax._errors import InputError
from xaijax._runs.cluster import worker
from xaijax._runs.cluster.worker import Opener

TRIES = 3
"""Workers that a part may lose, or exceed the time limit on, before the run ends and names it."""
LOOK = 1.0  # seconds between two looks at which workers there are
FIRST, LEAST, TIMES = 3600.0, 300.0, 10.0
"""Seconds that a part may take: before any is finished; later as many times the longest so far, but at least LEAST."""
NOBODY = {"local": 60.0, "scheduler": 60.0}
"""Seconds without any worker, after which a run ends; a batch system may take its time."""
SETTLE = 5.0  # seconds that others may take to arrive where all workers so far are left out
RESTART = 30.0


@dataclasses.dataclass(frozen=True)
class Job:
    """Parts that one worker computes one after the other; most often one part.

    Attributes:
        name: of the part, for messages.
        numbers: of the parts in the run.
    """

    name: str
    numbers: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Done:
    """What a worker sent.

    Attributes:
        job: that it did.
        value: what the function of the run's opener gave.
        made_by: packages and machine of the worker.
        seconds: that it took there.
    """

    job: Job
    value: Any
    made_by: Mapping[str, Any]
    seconds: float


@dataclasses.dataclass
class _Worker:
    """One worker, and what it does: "look" and "open" lead to its first job."""

    address: str
    state: Literal["new", "look", "open", "ready", "busy", "left out"] = "new"
    host: str = ""
    made_by: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    job: Job | None = None
    future: Any = None
    since: float = 0.0
    why: str = ""

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.address} on {self.host}" if self.host else self.address


class Pool:
    """Workers that are given the parts of runs.

    Args:
        client: a `distributed.Client`.
        kind: of the address: how long to wait for a first worker.
        device: `--device` of the run.
        made_by: packages and machine that results are to be made by, see `identity.made_by`.
        mixed: whether workers that differ are taken too.
        minutes: that a part may take; None: derived from the durations of the others.
        say: shows a line.
    """

    def __init__(
        self,
        client: Any,
        *,
        kind: str,
        device: str,
        made_by: Mapping[str, Any],
        mixed: bool,
        minutes: float | None,
        say: Callable[[str], None],
    ) -> None:
        self._client, self._kind, self._device, self._say = client, kind, device, say
        self._wanted, self._mixed, self._minutes = made_by, mixed, minutes
        self._workers: dict[str, _Worker] = {}
        self._arrived: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._looked = self._seen = time.monotonic()
        self.longest = 0.0
        self._said: set[str] = set()
        self._count = itertools.count()
        self._look_around(at_once=True)

    def __len__(self) -> int:
        """Workers that compute, or are about to."""
        return sum(one.state != "left out" for one in self._workers.values())

    def running(self) -> float:
        """How many parts are computed at the moment, each counted by its share of the usual time."""
        now, usual = time.monotonic(), self.longest or float("inf")
        return sum(min(0.9, (now - one.since) / usual) for one in self._workers.values() if one.state == "busy")

    def results(
        self, opener: Opener, text: str, jobs: Iterator[Job], wait: Callable[[], None] = lambda: None
    ) -> Generator[Done, None, None]:
        """Computes jobs in the order in which they are given, and gives each back as soon as it is done.

        Args:
            opener: a function of a module, called once on each worker; its result is called with a job's numbers.
            text: what the opener is called with, the description of the run.
            jobs: asked for the next one when a worker is free for it.
            wait: called about once a second.

        Yields:
            Results, in the order in which they arrive. Closing the iterator ends what is computed at the moment.

        Raises:
            InputError: where the input is at fault, no worker can do it, or a part ends its workers.
        """
        key = hashlib.sha256(f"{opener.__module__}.{opener.__qualname__} {text}".encode()).hexdigest()[:16]
        again: collections.deque[Job] = collections.deque()
        tried: dict[Job, list[str]] = {}
        more = True
        self._seen = time.monotonic()
        for one in self._workers.values():
            one.state = "new" if one.state == "ready" else one.state
        try:
            while True:
                for job, why in self._look_around():
                    self._try_again(job, why, tried, again)
                for one in list(self._workers.values()):
                    if one.state == "new":
                        self._send(one, "look", worker.look, self._device, self._wanted["machine"].get("threads", ""))
                    elif one.state == "ready" and (again or more):
                        free = again.popleft() if again else next(jobs, None)
                        more = more and free is not None
                        if free is not None:
                            self._send(one, "busy", worker.compute, key, list(free.numbers), job=free)
                if not (more or again or any(one.state == "busy" for one in self._workers.values())):
                    return
                self._refuse_nobody()
                wait()
                try:
                    address, future = self._arrived.get(timeout=LOOK)
                except queue.Empty:
                    continue
                found = self._workers.get(address)
                if found is None or found.future is not future or future.status == "cancelled":
                    continue  # of a worker that was given up
                done, lost = self._taken(found, key, opener, text)
                if lost:
                    self._try_again(*lost, tried, again)
                if done:
                    yield done
        finally:
            for one in self._workers.values():
                if one.state in ("busy", "open", "look"):
                    self._drop(one)
            self._close_run(key)

    def _send(self, one: _Worker, state: Any, work: Callable[..., Any], *args: Any, job: Job | None = None) -> None:
        one.state, one.job, one.since = state, job, time.monotonic()
        key = f"xaijax-{state}-{id(self)}-{next(self._count)}"
        with warnings.catch_warnings():  # the list of a million images is long, and sent once
            warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
            one.future = self._client.submit(
                work, *args, key=key, workers=[one.address], allow_other_workers=False, pure=False, retries=0
            )
        one.future.add_done_callback(lambda future, address=one.address: self._arrived.put((address, future)))

    def _drop(self, one: _Worker) -> None:
        """Forgets what a worker does; what it sends of it is not looked at."""
        future, one.future, one.job = one.future, None, None
        one.state = "new"
        with contextlib.suppress(Exception):  # the scheduler may be gone
            future.cancel()

    def _taken(self, one: _Worker, key: str, opener: Opener, text: str) -> tuple[Done | None, tuple[Job, str] | None]:
        """What arrived from a worker: a result, or the job to give to another one and why."""
        state, job, future = one.state, one.job, one.future
        seconds = time.monotonic() - one.since
        one.future, one.job = None, None
        try:
            result = future.result(timeout=self.limit())
        except Exception as error:  # the worker ended, or cannot read what it was sent
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if job is not None:
                one.state = "new"
                return None, (job, f"worker {one.name} ended")
            self._leave_out(one, reason)
            return None, None
        if "value" not in result:
            if job is None:
                self._leave_out(one, worker.told(result))
            elif "closed" in result or "trouble" in result:
                one.state = "new"
                return None, (job, f"worker {one.name}: {worker.told(result)}")
            else:
                raise self._fault(one, job, result)
            return None, None
        if state == "look":
            one.host, one.made_by = result["value"]["host"], result["value"]["made_by"]
            differing = differences(self._wanted, one.made_by)
            if differing and not self._mixed:
                self._leave_out(one, f"{'; '.join(differing)} (--allow-mixed takes it and marks its parts)")
            else:
                self._send(one, "open", worker.open_run, key, opener, text)
            return None, None
        one.state = "ready"
        if state == "open" or job is None:
            return None, None
        self.longest = max(self.longest, seconds)
        return Done(job, result["value"], one.made_by, result["seconds"]), None

    def _fault(self, one: _Worker, job: Job, result: Mapping[str, Any]) -> Exception:
        if "error" in result:
            return InputError(f"{result['error']} (part {job.name}, worker {one.name})")
        fault = RuntimeError(f"the part {job.name} failed on worker {one.name}: {worker.told(result)}")
        fault.add_note(result["failure"])
        return fault

    def _try_again(self, job: Job, why: str, tried: dict[Job, list[str]], again: "collections.deque[Job]") -> None:
        tried.setdefault(job, []).append(why)
        if len(tried[job]) >= TRIES:
            raise InputError(
                f"the part {job.name} was given to {TRIES} workers and none finished it: {'; '.join(tried[job])}; look "
                "for its memory or time limit there, lower --batch-size, or raise --part-minutes"
            )
        self._say(f"the part {job.name} is computed again: {why}")
        again.append(job)

    def _leave_out(self, one: _Worker, why: str) -> None:
        one.state, one.why = "left out", why
        if why not in self._said:
            self._said.add(why)
            self._say(f"worker {one.name} is left out: {why}")

    def _look_around(self, *, at_once: bool = False) -> list[tuple[Job, str]]:
        """Takes up new workers, and gives back the jobs of those that are gone or take too long."""
        now = time.monotonic()
        if now - self._looked < LOOK and not at_once:
            return []
        self._looked = now
        there = self._addresses()
        lost = []
        for address in [address for address in self._workers if address not in there]:
            gone = self._workers.pop(address)
            if gone.future is not None:
                job = gone.job
                self._drop(gone)
                lost += [] if job is None else [(job, f"worker {gone.name} ended")]
        for address in there:
            self._workers.setdefault(address, _Worker(address))
        for one in list(self._workers.values()):
            limit = self.limit() if one.state == "busy" else FIRST
            if one.state in ("busy", "open", "look") and now - one.since > limit:
                job = one.job
                self._restart(one, f"it took more than {limit / 60:.3g} min")
                lost += [] if job is None else [(job, f"worker {one.name} took more than {limit / 60:.3g} min")]
        return lost

    def limit(self) -> float:
        """Seconds that a part may take, as far as it is known by now."""
        if self._minutes is not None:
            return 60 * self._minutes
        return max(LEAST, TIMES * self.longest) if self.longest else FIRST

    def _restart(self, one: _Worker, why: str) -> None:
        """Ends a worker that does not answer; its nanny, where it has one, starts another one in its place."""
        self._drop(one)
        one.state, one.why = "left out", why
        with contextlib.suppress(Exception):  # nobody there who could
            found = self._client.restart_workers([one.address], timeout=RESTART, raise_for_error=False)
            if found.get(one.address) == "OK":
                self._workers.pop(one.address, None)

    def _addresses(self) -> set[str]:
        try:
            if self._client.status == "running":
                return set(self._client.nthreads())
        except Exception:  # of several kinds, as the connection breaks
            pass
        raise InputError(
            "the scheduler does not answer any more; what is finished stays in the run folder: start it again, or "
            "leave --cluster out, and add --resume"
        )

    def _refuse_nobody(self) -> None:
        """Ends a run that nobody can compute."""
        now = time.monotonic()
        if len(self):
            self._seen = now
            return
        waited = now - self._seen
        if self._workers and waited > SETTLE:
            why = "; ".join(dict.fromkeys(one.why for one in self._workers.values()))
            raise InputError(f"none of the {len(self._workers)} workers can compute this run: {why}")
        if not self._workers and waited > NOBODY.get(self._kind, float("inf")):
            hint = "see `dask worker --help` for how to start some" if self._kind == "scheduler" else "they ended"
            raise InputError(f"--cluster has had no worker for {waited:.0f} s: {hint}")

    def _close_run(self, key: str) -> None:
        """Lets workers go of the run, those that are free to."""
        free = [one.address for one in self._workers.values() if one.state == "ready"]
        with contextlib.suppress(Exception):
            futures = [
                self._client.submit(
                    worker.close_run, key, key=f"xaijax-close-{id(self)}-{next(self._count)}", workers=[address],
                    allow_other_workers=False, pure=False,
                )
                for address in free
            ]  # fmt: skip
            for future in futures:
                future.result(timeout=2)


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """What a worker has that differs from here, each in words.

    Args:
        here, there: of `identity.made_by`.

    Example:
        >>> differences({"packages": {"jax": "0.10.2"}}, {"packages": {"jax": "0.12.0"}})
        ['jax is 0.10.2 here and 0.12.0 there']
    """
    return [
        f"{name} is {mine or 'not there'} here and {others or 'not'} there"
        for group in ("packages", "machine")
        for name, mine, others in _pairs(here.get(group, {}), there.get(group, {}))
        if mine != others
    ]


def _pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Sequence[tuple[str, Any, Any]]:
    return [(name, one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))]
