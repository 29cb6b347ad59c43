"""The work of `xaijax clusters`: the maps of a data set are made part by part, clustered and tested.

    xaijax clusters --data chest/ --model runs/chest --out runs/chest_clusters
    xaijax clusters --data chest/ --maps explanations/bundle --methods Grad-CAM --out runs/chest_clusters

The out folder holds what `xaijax.clusters.store` says.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import command_line, data, identity, provenance, storage
from xaijax._runs.folder import RunFolder, check_start
from xaijax._runs.options import use_device
from xaijax._runs.progress import bar, resumable, say
from xaijax.clusters import config as configuration
from xaijax.clusters.config import FREE, ClustersConfig

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax.clusters.plan import Work

KIND = "clusters"


@dataclass(frozen=True)
class ClustersResult:
    """What `run` gives.

    Attributes:
        out: the run folder.
        found: the values of `clusters.json`.
    """

    out: Path
    found: dict[str, Any]


def run(config: ClustersConfig, *, console: "Console | None" = None, quiet: bool = False) -> ClustersResult:
    """Clusters the maps of a data set, or resumes that, and writes its page.

    Args:
        config: what to cluster; see `ClustersConfig`.
        console: where to show progress; default: standard error.
        quiet: leave out the conclusion in the terminal.

    Returns:
        The run folder, of a run in object storage its copy on this disk, and what was found.

    Raises:
        InputError: bad input, said in one sentence; nothing is left behind unless a part was finished.

    Example:
        >>> run(ClustersConfig(data="chest", model=("runs/chest",), out=Path("runs/clusters")))  # doctest: +SKIP
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    shown = console
    with storage.placed(config, KIND, lambda text: say(shown, text)) as here:
        return _run(here, console, quiet=quiet)


def _run(config: ClustersConfig, console: "Console", *, quiet: bool) -> ClustersResult:
    from rich.console import Console

    config = configuration.checked(config)
    out = (config.out or configuration.default_out(config, datetime.datetime.now())).expanduser()
    check_start(out, KIND, command_line.plain(config), resume=config.resume, free=FREE)
    use_device(config)
    from xaijax.clusters import plan

    with bar(console, "looking through the images") as report:
        work = plan.prepare(config, report)
    for line in work.lines():
        say(console, line)
    for name, reason in work.skipped:
        say(console, f"skipped {name}: {reason}")
    from xaijax.clusters import report as reporting

    with RunFolder(out, KIND, resume=config.resume) as folder:
        if config.resume:
            _check_same(work, folder)
            for line in folder.repair():
                say(console, line)
        else:
            folder.describe(describe(work))
        with resumable(console, out):
            _make_maps(work, out, console)
        with console.status("clustering"):
            found = reporting.write(out, work)
        # What may differ with --resume is that of the last time.
        now = {"command": config.command(), "config": command_line.plain(config), "finished": provenance.now()}
        folder.describe(folder.description() | now)
    if not quiet:
        reporting.show(Console(), found)
        say(Console(), f"\nreport: {out / reporting.REPORT}")
    return ClustersResult(out, found)


def describe(work: "Work") -> dict[str, Any]:
    """What run.json holds when a clustering starts."""
    own = data.described(work.dataset, work.reading)
    return {
        "command": work.config.command(),
        "config": command_line.plain(work.config),
        **provenance.describe(),
        "data": own
        | {
            "images": work.ids,
            "digests": list(work.digests),
            "skipped": [list(entry) for entry in work.skipped],
        },
        "models": [work.model.describe()] if work.model else [],
        "maps": [work.bundle.describe()] if work.bundle else [],
        "method": {"name": work.method, "options": dict(work.options)},
        "notes": list(work.notes),
        "made_by": identity.made_by(),
    }


def _check_same(work: "Work", folder: RunFolder) -> None:
    """Maps are added only to maps of the same options, images, model or bundle, packages and machine."""
    folder.check_same(command_line.plain(work.config), FREE)
    before = folder.description()
    found = []
    try:
        if before["data"]["images"] != work.ids:
            found.append(f"the images of {work.config.data} are others")
        else:
            found.append(identity.changed_images(work.ids, before["data"]["digests"], work.digests))
        if work.model is not None:
            was, now = before["models"][0], work.model.describe()
            name = f"the model {work.model.name}"
            found += identity.changed_values(name, identity.of_model(was), identity.of_model(now))
        if work.bundle is not None and before["maps"][0]["digest"] != work.bundle.digest:
            found.append(f"the bundle {work.bundle.path} is another one")
        made, own = before["made_by"], identity.made_by()
        found += identity.changed_values("", made["packages"], own["packages"])
        found += identity.changed_values("the machine", made["machine"], own["machine"])
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(
            f"{folder.path / 'run.json'} does not describe whole clusters ({error}); start again in another folder"
        ) from error
    found = [one for one in found if one]
    if found:
        raise InputError(
            f"the clusters in {folder.path} cannot be resumed: {'; '.join(found)}; put back what changed, or start "
            "again in another folder with --out"
        )


def _make_maps(work: "Work", out: Path, console: "Console") -> None:
    """Makes the parts that are missing."""
    from xaijax.clusters import store
    from xaijax.clusters.plan import maps_of

    parts = work.parts()
    missing = [entry for entry in parts if not store.finished(out, entry[0])]
    if len(missing) < len(parts):
        say(console, f"{len(parts) - len(missing)} of {len(parts)} parts are finished already")
    with bar(console, "explaining") as report:
        for number, (name, cases) in enumerate(missing):
            batch = work.read(cases)
            store.write_part(out, name, batch, *maps_of(work, batch))
            report((number + 1) / len(missing))
