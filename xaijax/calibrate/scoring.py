"""The parts of a calibration: computed here one after the other, or by workers, as long as there is time."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import cluster, command_line, identity
from xaijax._runs.progress import bar, say
from xaijax.calibrate import cue, store
from xaijax.calibrate.config import CalibrateConfig

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.calibrate.plan import Work


class Clock:
    """The time of a calibration.

    Args:
        minutes: that it may take; None for as many as it needs.
        spent: seconds of them that are gone already.
    """

    def __init__(self, minutes: float | None, spent: float = 0.0) -> None:
        self.limit = None if minutes is None else max(0.0, 60 * minutes - spent)
        self.begin()

    def begin(self) -> None:
        """Starts counting."""
        self.begun = time.monotonic()

    def enough(self, done: int, running: int = 0) -> bool:
        """Whether another part may begin.

        One that would go beyond the time by more than half of it is not begun; one always is.

        Args:
            done: parts that were finished since the beginning.
            running: parts that are computed at the moment.
        """
        spent = time.monotonic() - self.begun
        if self.limit is None or not done:
            return self.limit is None or spent < self.limit or not running
        return spent + (running + 0.5) * spent / done <= self.limit

    def share(self, done: float) -> float:
        """The finished share for a progress bar: of the parts, or of the time where that ends first."""
        spent = time.monotonic() - self.begun
        if self.limit is None:
            return done
        return max(done, min(1.0, spent / self.limit)) if self.limit else 1.0


def score(work: "Work", out: Path, console: "Console", pool: cluster.Pool | None = None, *, spent: float = 0.0) -> int:
    """Scores the parts that are missing, as long as there is time; returns how many cases are done.

    Args:
        work: the calibration.
        out: its run folder.
        console: where to show progress.
        pool: the workers of `--cluster`, where there are some.
        spent: seconds of --minutes that are gone already, for the planted cue.
    """
    missing = store.missing(out, len(work.parts))
    if len(missing) < len(work.parts):
        say(console, f"{len(work.parts) - len(missing)} of {len(work.parts)} parts are finished already")
    clock = Clock(work.config.minutes, spent)
    with bar(console, "scoring maps whose truth is known") as report:
        if pool is None:
            _score_here(work, out, missing, clock, report)
        elif missing:
            _score_by_workers(work, out, missing, clock, report, pool)
    number = store.finished(out)
    done = work.parts[number - 1].stop if number else 0
    if done < len(work.plan.cases):
        say(
            console,
            f"the time is spent: {done} of {len(work.plan.cases)} cases are done; --resume --out {out} adds more",
        )
    return done


def _score_here(work: "Work", out: Path, missing: Sequence[int], clock: Clock, report: Callable[..., None]) -> None:
    parts, made_by = work.parts, identity.made_by()
    for done, number in enumerate(missing):
        if not clock.enough(done):
            return

        def step(place: int, case: int, number: int = number) -> None:
            share = (number + (place + 1) / len(parts[number])) / len(parts)
            report(
                clock.share(share), f"case {case + 1} of {len(work.plan.cases)}: {work.plan.cases[case].construction}"
            )

        store.write_part(out, number, rows_of(work, number, step), made_by)


def rows_of(work: "Work", number: int, step: Callable[[int, int], None] = lambda place, case: None) -> list[Any]:
    """The rows of a part.

    Args:
        work: the calibration.
        number: of the part.
        step: called with the place of a case in the part and its number, after each.
    """
    from xaijax.metrics import calibration

    rows: list[Any] = []
    for place, case in enumerate(work.parts[number]):
        rows += calibration.score_case(work.plan, case, work.metrics, work.settings)
        step(place, case)
    return rows


def _score_by_workers(
    work: "Work",
    out: Path,
    missing: Sequence[int],
    clock: Clock,
    report: Callable[..., None],
    pool: cluster.Pool,
) -> None:
    done = begun = 0

    def jobs() -> Iterator[cluster.Job]:
        nonlocal begun
        clock.begin()  # a first worker is ready
        for number in missing:
            if not clock.enough(done, begun - done):
                return
            begun += 1
            yield cluster.Job(f"{number:05d}", (number,))

    def wait() -> None:
        share = (len(work.parts) - len(missing) + done + pool.running()) / len(work.parts)
        count = f"{len(pool)} worker{'' if len(pool) == 1 else 's'}"
        report(min(clock.share(share), 1.0), f"{count}: {done} of {len(missing)} parts" if len(pool) else "waiting")

    with contextlib.closing(pool.results(opened, described(work, out), jobs(), wait)) as results:
        for result in results:
            (number,) = result.job.numbers
            store.write_part(out, number, result.value, result.made_by)
            done += 1


def described(work: "Work", out: Path) -> str:
    """A calibration as a worker needs it, as JSON: its options, and digests of what they must lead to.

    A planted cue is read from the run folder `out`, which the workers must reach.
    """
    options = cluster.absolute(command_line.plain(work.config)) | {
        **dict.fromkeys(("out", "config", "cluster", "minutes"), None),
        **dict.fromkeys(("resume", "plan"), False),
    }
    place = None if work.sides is None else str((out / cue.FOLDER).absolute())
    return json.dumps({"options": options, "same": work.same(), "cue": place})


def opened(text: str) -> Callable[[Sequence[int]], bytes]:
    """On a worker: opens data and model of a calibration and finds its cases.

    Args:
        text: of `described`.

    Returns:
        A function of the number of a part (a sequence of one), which gives the contents of its file.

    Raises:
        InputError: where data, model or cases are others there.
    """
    from xaijax.calibrate.plan import prepare

    values = json.loads(text)
    work = prepare(CalibrateConfig(**values["options"]))
    if values["cue"] is not None:
        work = cue.taken_up(work, Path(values["cue"]))
    differing = [name for name, value in work.same().items() if value != values["same"].get(name)]
    if differing:
        raise InputError(f"{', '.join(differing)} of the calibration are others on this worker than where it began")

    def compute(numbers: Sequence[int]) -> bytes:
        (number,) = numbers
        return store.encoded(rows_of(work, number))

    return compute
