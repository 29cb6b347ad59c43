"""The work of `xaijax study`.

    xaijax study --list
    xaijax study pic-medical --paths brain=/data/figshare chest=/data/radiography --plan
    xaijax study pic-medical --paths brain=/data/figshare chest=/data/radiography --out runs/pic
    xaijax study mine.yaml --out runs/mine --resume

The out folder holds `report.html` (one page, a chapter for each question), `tables/` (its tables as CSV), `figures/`,
`plan.json` (its cells), `run.json`, `evaluations/DATA` (folders of `xaijax evaluate`) and `cells/CHAPTER-DATA` (folders
of `xaijax bench`, of cascades `cells/CHAPTER-DATA-MODEL`). The trainings lie next to it, in `trainings`, for other
studies to take.
"""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax import bench, cascade, evaluate, train
from xaijax._errors import InputError
from xaijax._runs import folder, options, progress, provenance, tables
from xaijax._runs.folder import RunFolder
from xaijax.study import costs, report, results
from xaijax.study import plan as planning
from xaijax.study.config import StudyConfig, checked, paths_of
from xaijax.study.plan import Cell, Plan
from xaijax.study.reading import read, shipped

if TYPE_CHECKING:
    from rich.console import Console


@dataclasses.dataclass(frozen=True)
class StudyResult:
    """What `run` gives.

    Attributes:
        out: folder of the study; None where nothing was done.
        cells: of the plan, by name, whether each is finished.
        chosen: data set -> the models that were explained.
    """

    out: Path | None
    cells: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    chosen: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Course:
    """What happened so far.

    Attributes:
        failed: name of a cell -> why it could not be done.
        dropped: name of a cell -> sentences on what was left out of it.
        chosen: data set -> names of the models that are explained.
    """

    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    dropped: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    chosen: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def run(config: StudyConfig, *, console: "Console | None" = None) -> StudyResult:
    """The command `xaijax study`.

    Args:
        config: which study, and where to.
        console: where to print; default: standard error.

    Returns:
        The out folder, the cells, and the chosen models.

    Raises:
        InputError: for a file that is no study, an out folder that cannot be written or resumed, and at the end where a
            cell could not be done.
        FileNotFoundError, NotADirectoryError: for data that are not there.
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    config = checked(config)
    if config.list:
        for name, title in shipped().items():
            print(f"{name:<18}{title}")
        return StudyResult(None)
    assert config.study is not None
    study = read(config.study, tiny=config.tiny, paths=paths_of(config))
    out = (config.out or Path("runs") / study.name).expanduser()
    stored = {"content": study.content, "tiny": config.tiny, "paths": list(config.paths)}
    if not config.plan:
        folder.check_start(out, "study", stored, resume=config.resume)
    options.use_device(_Device(device=config.device))
    opened = planning.open_all(study, must=not config.plan)
    trainings = (config.trainings or out.parent / "trainings").expanduser()
    made = planning.plan(study, opened, out, trainings, config.device)
    show_plan(console, made, hours=config.plan)
    if config.plan:
        return StudyResult(None, {cell.name: cell.finished for cell in made.cells})
    course = Course()
    with RunFolder(out, "study", resume=config.resume) as place:
        place.describe(
            {"command": _command(config), "config": stored, "trainings": str(trainings)} | provenance.describe()
        )
        # Also so that a study whose first cells lie elsewhere can be resumed.
        folder.write_json(out / "plan.json", [_described(cell) for cell in made.cells])
        with progress.resumable(console, out):
            for cell in made.cells:
                _do(cell, made, course, config, console)
            for line in report.write(out, made, course, place.description()):
                progress.say(console, line)
    progress.say(console, f"report: {out / 'report.html'}")
    if course.failed:
        first, why = next(iter(course.failed.items()))
        raise InputError(
            f"{len(course.failed)} of {len(made.cells)} cells of the study could not be done; the first is {first}: "
            f"{why}; the same command with --resume tries them again"
        )
    return StudyResult(out, {cell.name: cell.finished for cell in made.cells}, course.chosen)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Device(options.DeviceOptions):
    """The device alone."""


def _command(config: StudyConfig) -> str:
    from xaijax._runs import command_line

    words = command_line.repeat("study", dataclasses.replace(config, study=None), skip=("resume", "plan", "list"))
    return words.replace("xaijax study", f"xaijax study {config.study}", 1)


def _do(cell: Cell, made: Plan, course: Course, config: StudyConfig, console: "Console") -> None:
    """Does a cell unless it is finished; what cannot be done is kept with its reason."""
    work: dict[str, Callable[..., None]] = {
        "training": _train,
        "evaluation": _evaluate,
        "bench": _bench,
        "cascade": _cascade,
    }
    # A failed cell of before is tried again.
    if cell.kind != "bench" and cell.finished and not (cell.kind == "evaluation" and _outdated(cell, made)):
        progress.say(console, f"{cell.name}: finished before, {cell.folder}")
        return
    progress.say(console, f"{cell.name}: {cell.kind}")
    try:
        work[cell.kind](cell, made, course, config, console)
    except (ValueError, OSError) as error:  # InputError is a ValueError
        course.failed[cell.name] = " ".join(str(error).split())
        progress.say(console, f"{cell.name} could not be done: {course.failed[cell.name]}")


def _outdated(cell: Cell, made: Plan) -> bool:
    """Whether an evaluation lacks a classifier that was trained since."""
    there = {row["model"] for row in results.evaluation_of(cell)["models"]}
    return there != {str(one.folder) for one in made.of("training", data=cell.data) if one.finished}


def _described(cell: Cell) -> dict[str, Any]:
    """What `plan.json` says of a cell."""
    return {
        "name": cell.name,
        "kind": cell.kind,
        "chapter": cell.chapter,
        "data": cell.data,
        "models": list(cell.models),
        "folder": str(cell.folder),
    }


def _train(cell: Cell, made: Plan, course: Course, config: StudyConfig, console: "Console") -> None:
    assert cell.config is not None
    train.run(dataclasses.replace(cell.config, resume=cell.begun), console=console)


def _evaluate(cell: Cell, made: Plan, course: Course, config: StudyConfig, console: "Console") -> None:
    trained = [one for one in made.of("training", data=cell.data) if one.finished]
    if not trained:
        raise InputError(f"no classifier of {cell.data} was trained")
    if cell.folder.is_dir():
        shutil.rmtree(cell.folder)  # an evaluation that was interrupted: minutes of work, which cannot be resumed
    evaluate.run(planning.evaluation(made, cell, config.device), console=console)


def _bench(cell: Cell, made: Plan, course: Course, config: StudyConfig, console: "Console") -> None:
    models = _models(cell, made, course)
    if not models:
        raise InputError(f"no classifier of {cell.data} was trained")
    dropped: list[str] = []
    given = planning.bench(made, cell, models, config.device, dropped)
    course.dropped[cell.name] = dropped
    for line in dropped:
        progress.say(console, f"{cell.name}: {line}")
    if given is None:
        progress.say(console, f"{cell.name}: nothing is left to score")
        return
    if cell.finished:
        progress.say(console, f"{cell.name}: finished before, {cell.folder}")
        return
    where = {name: getattr(config, name) for name in options.WHERE}
    bench.run(dataclasses.replace(given, resume=cell.begun, **where), console=console)


def _cascade(cell: Cell, made: Plan, course: Course, config: StudyConfig, console: "Console") -> None:
    cascade.run(dataclasses.replace(planning.cascade(made, cell, config.device), resume=cell.begun), console=console)


def _models(cell: Cell, made: Plan, course: Course) -> list[Cell]:
    """The trainings that a run explains: the first repeat of each of its models, those that were trained."""
    names = cell.models or choose(made, cell.data, course)
    first = planning.repeats(made.study)[0][0]
    every = made.of("training", data=cell.data, repeat=first)
    found = [one for one in every if one.models[0] in names and one.finished]
    return sorted(found, key=lambda one: names.index(one.models[0]))


def choose(made: Plan, data: str, course: Course) -> tuple[str, ...]:
    """The models of a data set that are explained, the best first; see `Choose`."""
    if data not in course.chosen:
        rule = made.study.choose
        assert rule is not None  # else the cells name their models
        means: dict[str, float] = {}
        for model in made.study.models:
            own = [one for one in made.of("training", data=data) if one.models[0] == model and one.finished]
            if own:
                means[model] = sum(planning.validation_score(one, rule.by) for one in own) / len(own)
        order = sorted(means, key=lambda name: -means[name])  # of equals the first of the file
        course.chosen[data] = tuple(order[: rule.best])
    return course.chosen[data]


def show_plan(console: "Console", made: Plan, *, hours: bool) -> None:
    """Prints the cells; with `hours` also what they cost."""
    study = made.study
    progress.say(console, f"{study.name}: {study.title}")
    for one in made.opened.values():
        if one.dataset is None:
            progress.say(console, f"data {one.name} are not there: counted as {one.images} images ({one.why_not})")
    if not hours:
        done = sum(cell.finished for cell in made.cells)
        progress.say(console, f"{len(made.cells)} cells, {done} of them finished (--plan lists them with their cost)")
        return
    best = None if study.choose is None else study.choose.best
    found = costs.costs(made, best)
    rate = costs.speed()
    rows: list[dict[str, Any]] = []
    passes, seconds = 0, 0.0
    for cell in made.cells:
        cost = found.get(cell.name)
        row: dict[str, Any] = {"cell": cell.name, "what": cell.kind, "models": _shown(cell, made)}
        if cost is None:
            rows.append(row | {"passes": "finished", "hours": "", "note": ""})
            continue
        own = None if cost.operations is None else cost.operations / rate / 3600
        passes, seconds = passes + cost.passes, seconds + (own or 0) * 3600
        rows.append(
            row | {"passes": f"{cost.passes:,}", "hours": "?" if own is None else f"{own:.2g}", "note": cost.said}
        )
    tables.print_rows(console, rows, title=f"{len(made.cells)} cells")
    progress.say(
        console,
        f"{passes:,} passes of an image through a model, about {seconds / 3600:.2g} hours at the {rate / 1e9:.0f} "
        "billion operations per second of a convolution here; real work takes up to three times as long, and trainings "
        "may stop early",
    )


def _shown(cell: Cell, made: Plan) -> str:
    if cell.models:
        return " ".join(cell.models) if len(cell.models) < 4 else f"{len(cell.models)} models"
    return made.study.choose.words() if made.study.choose is not None else ""
