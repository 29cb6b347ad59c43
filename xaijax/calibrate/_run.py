"""The work of `xaijax calibrate`: metrics are scored where the truth is known, part by part, and judged.

    xaijax calibrate --data brain_mri/ --model runs/brain --minutes 20 --out runs/calibration

The out folder holds what `xaijax.calibrate.store` says. `--plan` prints what would be done and makes no folder.
"""

import contextlib
import datetime
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import answers, cluster, command_line, data, identity, provenance, storage
from xaijax._runs.folder import RunFolder, check_start, write_json
from xaijax._runs.options import use_device
from xaijax._runs.progress import bar, resumable, say
from xaijax.calibrate import config as configuration
from xaijax.calibrate.config import FREE, CalibrateConfig
from xaijax.calibrate.files import FILE

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.calibrate.plan import Work
    from xaijax.metrics.calibration import Plan

KIND = "calibration"
FEWEST = 16
"""Images of a construction with which Wilson's bound of random dominance can be as low as believe needs it."""


@dataclass(frozen=True)
class CalibrateResult:
    """What `run` gives.

    Attributes:
        out: the run folder; with `--plan` the one that there would be.
        calibration: the values of `calibration.json`; None with `--plan`.
    """

    out: Path
    calibration: Mapping[str, Any] | None


def run(
    config: CalibrateConfig,
    *,
    console: "Console | None" = None,
    quiet: bool = False,
    pool: "cluster.Pool | None" = None,
) -> CalibrateResult:
    """Runs or resumes a calibration and writes its page.

    Args:
        config: what to judge for what; see `CalibrateConfig`.
        console: where to show progress; default: standard error.
        quiet: leave out the table and the conclusion in the terminal.
        pool: workers that a caller has already; default: those of `config.cluster`.

    Returns:
        The run folder, of a run in object storage its copy on this disk, and the verdicts.

    Raises:
        InputError: bad input, said in one sentence; nothing is left behind unless a part was finished.

    Example:
        >>> run(CalibrateConfig(count=8, minutes=2, out=Path("runs/cal")))  # doctest: +SKIP
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    shown = console
    with storage.placed(config, KIND, lambda text: say(shown, text)) as here:
        return _run(here, console, quiet=quiet, pool=pool)


def _run(config: CalibrateConfig, console: "Console", *, quiet: bool, pool: "cluster.Pool | None") -> CalibrateResult:
    from rich.console import Console

    config = configuration.checked(config)
    out = (config.out or configuration.default_out(config, datetime.datetime.now())).expanduser()
    if not config.plan:
        check_start(out, KIND, command_line.plain(config), resume=config.resume, free=FREE)
    cluster.share_devices(config)
    use_device(config)
    from xaijax.calibrate import plan as planning

    with bar(console, "looking through the images") as report:
        work = planning.prepare(config, report)
    for line in work.lines():
        say(console, line)
    for line in estimate(work):
        say(console, line)
    if config.plan:
        return CalibrateResult(out, None)
    from xaijax.calibrate import cue, scoring, store
    from xaijax.calibrate import report as reporting

    with RunFolder(out, KIND, resume=config.resume) as folder:
        if config.resume:
            _check_same(work, folder)
            for line in folder.repair():
                say(console, line)
        else:
            folder.describe(describe(work))
        begun = time.monotonic()
        with resumable(console, out):
            work = cue.planted(work, out, console)
        spent = 0.0 if work.sides is None else time.monotonic() - begun
        if work.sides is not None:
            folder.describe(folder.description() | counts(work))
        needed = bool(store.missing(out, len(work.parts)))
        with resumable(console, out), _workers(config, console, pool, needed) as workers:
            done = scoring.score(work, out, console, workers, spent=spent)
        with console.status("judging"):
            found, sensitivity = _judge(work, out, done)
        write_json(out / FILE, found)
        if config.allow_mixed or "machines" in folder.description():
            folder.describe(folder.description() | {"machines": identity.kinds(store.made(out))})
        page = reporting.write(out, found, folder.description(), sensitivity)
        folder.describe(folder.description() | {"finished": provenance.now(), "cases_done": done})
    if not quiet:
        reporting.show(Console(), found)
        say(Console(), f"\nreport: {page}")
    return CalibrateResult(out, found)


@contextlib.contextmanager
def _workers(
    config: CalibrateConfig, console: "Console", pool: "cluster.Pool | None", needed: bool
) -> Iterator["cluster.Pool | None"]:
    if pool is not None or not needed:
        yield pool
        return
    with cluster.opened(config, config, lambda text: say(console, text)) as own:
        yield own


def estimate(work: "Work") -> list[str]:
    """What a calibration takes, in sentences; runs the model on one batch."""
    from xaijax.calibrate import cue
    from xaijax.calibrate.plan import seconds_per_pass

    counts = {name: one["cases"] for name, one in work.plan.describe()["constructions"].items()}
    more = cue.cases(work)
    words_of = [f"{count} {name}" for name, count in counts.items()] + [f"up to {more} cue"] * bool(more)
    words = ", ".join(words_of)
    passes, each = work.passes(), seconds_per_pass(work)
    lines = [
        f"{_several(len(work.metrics), 'metric')} on {_several(len(work.batch), 'image')} of {work.dataset.name}: "
        f"{_several(len(work.plan.cases) + more, 'case')} ({words}) of {len(work.plan.maps)} maps",
        f"about {_thousands(passes)} model passes of {1000 * each:.2g} ms: {_minutes(passes * each)}, and the metrics' "
        "own work",
    ]
    if work.sides is not None:
        extra = cue.passes(work)
        lines.append(
            f"first a copy of the model learns the cue on {len(work.sides.training)} images and is checked on "
            f"{len(work.batch) + len(work.sides.unseen)} others: at most the time of {_thousands(extra)} more passes, "
            f"{_minutes(extra * each)}; it ends when the cue is learnt"
        )
    if work.config.minutes is not None:
        lines.append(f"stops after {_minutes(60 * work.config.minutes)} and judges by the cases that are done")
        lines += _short_of_time(60 * work.config.minutes, passes * each, len(work.plan.cases) + more, len(words_of))
    return lines


def _short_of_time(given: float, needed: float, cases: int, constructions: int) -> list[str]:
    """What a time in seconds that is too short for all cases means for the verdicts; nothing where it is enough.

    Example:
        >>> _short_of_time(60, 30, 72, 3)
        []
        >>> _short_of_time(60, 600, 72, 3)[0].partition(":")[0]
        'by this estimate about 7 of the 72 cases are done in that time, 2 of each construction'
    """
    if needed <= given:
        return []
    done = int(cases * given / needed)
    each = done // constructions
    advice = f": believe needs {FEWEST}, so give more --minutes or fewer --metrics" if each < FEWEST else ""
    return [
        f"by this estimate about {done} of the {cases} cases are done in that time, {each} of each construction"
        + advice
    ]


def describe(work: "Work") -> dict[str, Any]:
    """What run.json holds when a calibration starts."""
    own = data.described(work.dataset, work.reading)
    return {
        "command": work.config.command(),
        "config": command_line.plain(work.config),
        **provenance.describe(),
        "data": own
        | {
            "digest": work.data_digest(),
            "pixels": work.pixels(),
            "images": list(work.batch.ids),
            "skipped": [list(entry) for entry in work.skipped],
        },
        "models": [work.model.describe()],
        "metrics": list(work.metrics),
        "settings": work.settings_in_use(),
        **counts(work),
        "notes": list(work.notes),
        "cautions": [answers.sentence(line) for line in work.cautions],
        "made_by": identity.made_by(),
    }


def counts(work: "Work") -> dict[str, int]:
    """How many cases and passes: fewer than at the start where a planted cue was left out."""
    return {"cases": len(work.plan.cases), "passes": work.passes()}


def _check_same(work: "Work", folder: RunFolder) -> None:
    """A calibration is resumed only with the options, pixels, model, packages and machine that it was started with."""
    folder.check_same(command_line.plain(work.config), FREE)
    before = folder.description()
    try:
        was, made = before["models"][0], before.get("made_by", {})
        found = [] if before["data"]["pixels"] == work.pixels() else [f"the images of {work.config.data} are others"]
        own = identity.of_model(work.model.describe())
        found += identity.changed_values(f"the model {work.model.name}", identity.of_model(was), own)
        makers = [] if work.config.allow_mixed else identity.changed_makers(made)
        found += makers
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{folder.path / 'run.json'} does not describe a whole calibration ({error}); start a new one in another "
            "folder"
        ) from error
    if found:
        raise InputError(
            f"the calibration in {folder.path} cannot be resumed: {'; '.join(found)}; put back what changed, "
            f"{'add --allow-mixed to keep what others made, ' if makers else ''}or start again in another folder with "
            "--out"
        )


def _judge(work: "Work", out: Path, done: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The values of calibration.json, and which verdicts change with a threshold."""
    from xaijax.calibrate import store
    from xaijax.metrics import calibration

    plan = work.plan
    judged = calibration.judge(
        _described(plan, done),
        store.read_rows(out),
        answers=calibration.evidence_free(plan.model, plan.images, seed=plan.seed),
        settings=work.settings_in_use(),
    )
    found: dict[str, Any] = judged.to_json() | {
        "model": {"name": work.model.name, "digest": work.model.digest},
        "data": {"name": work.dataset.name, "digest": work.data_digest(), "images": len(work.batch)},
        "versions": provenance.versions(),
    }
    changes: dict[str, dict[str, str]] = {}
    for metric, moves in judged.sensitivity().items():
        for moved, verdict in moves.items():
            changes.setdefault(moved, {})[metric] = verdict
    return found, [{"moved": moved, "changes": own} for moved, own in changes.items()]


def _described(plan: "Plan", done: int) -> dict[str, Any]:
    """What the plan says of itself, with the cases that were scored; those for which there was no time are counted."""
    described = plan.describe()
    for name, one in described["constructions"].items():
        own = [case for case in plan.cases[:done] if case.construction == name]
        late = one["cases"] - len(own)
        one |= {"cases": len(own), "groups": len({case.group for case in own})}
        if late:
            one["left_out"] = dict(one["left_out"]) | {"no_time": late}
    return described


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
