"""Runs a benchmark: parts, progress, resumption, and the report at the end."""

import datetime
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax.bench import plan
from xaijax.bench.plan import BenchConfig
from xaijax.bench.store import Store, refuse_existing

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.bench.inputs import Job


def run_bench(config: BenchConfig) -> Path:
    """Runs or resumes a benchmark and writes its report.

    Args:
        config: What to do; see `BenchConfig`.

    Returns:
        The run directory.

    Raises:
        InputError: Bad input, said in one sentence; nothing is left behind unless a part was finished.

    Example:
        >>> run_bench(BenchConfig(images=8, out=Path("runs/small")))  # doctest: +SKIP
    """
    from rich.console import Console

    console = Console(stderr=True)
    plan.check(config)
    out = config.out or plan.default_out(config, datetime.datetime.now())
    if config.resume:
        if config.out is None:
            raise InputError("--resume needs --out with the run directory to go on with")
        store = Store.open(out)
    else:
        refuse_existing(out)
        store = Store(out)
    begun = time.monotonic()
    with _bar(console, "looking through the images") as report:
        from xaijax.bench.inputs import prepare

        job = prepare(config, progress=lambda done, total: report(done / total))
    if config.resume:
        _check_same(job, store)
    else:
        store = Store.create(out, describe(job))
    try:
        _run_parts(job, store, console)
    except KeyboardInterrupt:
        store.discard_if_empty()
        if store.root.exists():
            again = shlex.join(["xaijax", "bench", "--resume", "--out", str(out)])
            console.print(f"Finished parts are kept; go on with: {again}", highlight=False, soft_wrap=True)
        raise
    except Exception:
        store.discard_if_empty()
        raise
    from xaijax.bench.report import write_report

    with console.status("drawing the report"):
        rows, said, path = write_report(store)
    seconds = time.monotonic() - begun
    run = store.read_run()
    store.write_run(run | {"finished": _now(), "seconds": round(run.get("seconds", 0) + seconds, 1)})
    _show(rows, said)
    Console().print(f"\nreport: {path}   ({seconds:.0f} s)", highlight=False, soft_wrap=True)
    return out


def describe(job: "Job") -> dict[str, Any]:
    """What run.json holds when a run starts."""
    from xaijax import doctor, kernels
    from xaijax.bench import settings

    curves = {"convention": job.config.convention, "random_masks": job.config.random_masks}
    return {
        "command": plan.command(job.config),
        "config": plan.resolved(job.config),
        "started": _now(),
        "versions": doctor.versions(),
        "machine": doctor.machine() | {"devices": _devices()},
        "kernels": kernels.build_info(),
        "seeds": {"images": job.config.seed, "random_masks": job.config.seed, "random_methods": job.config.seed},
        "data": {
            "name": job.dataset.name,
            "classes": list(job.dataset.classes),
            "mask_role": job.dataset.mask_role,
            "roles": list(job.dataset.roles),
            "options": dict(job.dataset.options),
            "images": job.ids,
            "skipped": [list(entry) for entry in job.skipped],
        },
        "models": [model.describe() for model in job.models],
        "methods": list(job.methods),
        "metrics": list(job.metrics),
        "settings": settings.in_use(job.settings, job.metrics, **curves),
        "notes": list(job.notes),
    }


def _check_same(job: "Job", store: Store) -> None:
    """A run is resumed only with the configuration, data and parameters it was started with."""
    run = store.read_run()
    try:
        key = plan.differs(job.config, run["config"])
        if key is not None:
            flag = key.replace("_", "-")
            raise InputError(
                f"the run in {store.root} has another --{flag} ({run['config'][key]!r}); resume it without that "
                "option, or start a new run in another directory"
            )
        if run["data"]["images"] != job.ids:
            raise InputError(f"the images of {job.config.data} changed since the run in {store.root}; start a new run")
        for before, model in zip(run["models"], job.models, strict=True):
            if before["digest"] != model.digest:
                raise InputError(f"the model {model.path} changed since the run in {store.root}; start a new run")
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{store.root / 'run.json'} is not a complete run description ({error}); start anew"
        ) from error


def _run_parts(job: "Job", store: Store, console: "Console") -> None:
    from xaijax.bench import agreement
    from xaijax.bench.part import score_part

    parts = job.parts()
    missing = [entry for entry in parts if not store.finished(entry[0])]
    if len(missing) < len(parts):
        console.print(f"{len(parts) - len(missing)} of {len(parts)} parts are there already", highlight=False)
    if not missing:
        return
    keep = store.root / agreement.FOLDER if agreement.wants_variants(job.metrics) else None
    position = {case: number for number, case in enumerate(job.cases)}
    total = sum(len(cases) for _, _, cases in missing)
    done = 0
    with _bar(console, "explaining and scoring", total=total) as report:
        for name, model, cases in missing:
            report(done / total, f"{model.name}: images {position[cases[0]] + 1} to {position[cases[-1]] + 1}")
            weight, before = len(cases) / total, done / total

            def step(share: float, before: float = before, weight: float = weight) -> None:
                report(before + weight * share)

            shown = max(0, job.config.gallery - position[cases[0]])
            store.write_part(name, *score_part(job, model, cases, gallery=shown, progress=step, keep=keep))
            done += len(cases)
    if keep is not None:
        shutil.rmtree(keep, ignore_errors=True)


@contextmanager
def _bar(console: "Console", text: str, *, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A progress bar with an estimate of the time left; yields `report(share, text=None)`."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(text, total=1.0)

        def report(share: float, words: str | None = None) -> None:
            progress.update(task, completed=share, description=words or progress.tasks[task].description)

        yield report


def _show(rows: list[Any], said: list[Any]) -> None:
    """The results in the terminal: one table per model, then what to know about them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from xaijax.bench.report import tables

    console = Console()
    for model in dict.fromkeys(row.model for row in rows):
        for shown in tables(rows, model):
            grid = Table(title=f"{model}: {shown['title'].lower()}, mean over images", title_justify="left", box=None)
            grid.add_column("", no_wrap=True)
            for metric in shown["metrics"]:
                grid.add_column(metric["heading"], justify="right", vertical="bottom")
            for line in shown["lines"]:
                texts = [Text(cell["text"], "bold" if cell["best"] else "") for cell in line["cells"]]
                grid.add_row(Text(line["method"], "" if line["kind"] == "method" else "dim"), *texts)
            console.print(grid)
            console.print()
    for statement in said:
        mark = Text("! " if statement.warns else "· ", "yellow" if statement.warns else "dim")
        console.print(mark + Text(statement.text))


def _devices() -> list[str]:
    import jax

    return [f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices()]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
