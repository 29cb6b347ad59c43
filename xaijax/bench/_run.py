"""`xaijax bench`: parts, progress, resuming, and the report at the end."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import cluster, command_line, identity, provenance, storage
from xaijax._runs.folder import RunFolder, check_free
from xaijax._runs.options import use_device
from xaijax._runs.progress import bar, resumable, say
from xaijax.bench import config as configuration
from xaijax.bench.config import FREE, BenchConfig

if TYPE_CHECKING:
    from rich.console import Console

    from xaijax._runs.bundle import Bundle
    from xaijax._runs.models import Model
    from xaijax.bench.plan import Plan
    from xaijax.bench.store import Store


def run(config: BenchConfig, *, console: "Console | None" = None) -> Path:
    """Runs or resumes a benchmark and writes its report.

    Args:
        config: what to do; see `BenchConfig`.
        console: where to show progress; default: standard error.

    Returns:
        The run folder; of a run in object storage its copy on this disk.

    Raises:
        InputError: bad input, said in one sentence; nothing is left behind unless a part was finished.

    Example:
        >>> run(BenchConfig(count=8, out=Path("runs/small")))  # doctest: +SKIP
    """
    from rich.console import Console

    console = console or Console(stderr=True)
    with storage.placed(config, "run", _saying(console)) as here:
        return _run(here, console)


def _run(config: BenchConfig, console: "Console") -> Path:
    config = configuration.check(config)
    out = configuration.out_of(config)
    check_free(out, "run", resume=config.resume)
    cluster.share_devices(config)
    use_device(config)
    begun = time.monotonic()
    with bar(console, "looking through the images") as report:
        from xaijax._runs.data import found_lines
        from xaijax.bench.plan import prepare

        plan = prepare(config, report)
    for line in found_lines(plan.dataset):
        say(console, line)
    from xaijax.bench import calibrated
    from xaijax.bench.report import write_report
    from xaijax.bench.store import Store
    from xaijax.bench.terminal import show

    judged = calibrated.look_up(plan, out)

    with RunFolder(out, "run", resume=config.resume) as folder:
        store = Store(out)
        if config.resume:
            changed = _check_same(plan, folder)
            for line in (*folder.repair(), *_forget(plan, store), *changed):
                say(console, line)
        if not config.resume or changed:
            folder.describe((folder.description() if config.resume else {}) | describe(plan))
        missing = bool(plan.until) or not all(store.finished(name) for name, _, _ in plan.parts())
        workers = cluster.opened(config, config, _saying(console)) if missing else contextlib.nullcontext()
        with resumable(console, out), _leaving_nothing(out), workers as pool:
            calibrated.prepare(plan, judged, out, console, pool)
            _run_parts(plan, store, console, pool)
        if config.allow_mixed or "machines" in folder.description():
            own = (store.made(name) for name, _, _ in plan.parts() if store.finished(name))
            folder.describe(folder.description() | {"machines": identity.kinds(own)})
        with console.status("drawing the report"):
            made = write_report(store)
        seconds = time.monotonic() - begun
        before = folder.description()
        total = round(before.get("seconds", 0) + seconds, 1)
        folder.describe(before | {"finished": provenance.now(), "seconds": total})
    from rich.console import Console

    show(made)
    say(Console(), f"\nreport: {made.path}   ({seconds:.0f} s)")
    return out


def describe(plan: "Plan") -> dict[str, Any]:
    """What run.json holds when a run starts."""
    from xaijax._runs.data import described

    seed = plan.config.seed
    return {
        "kind": "run",
        "command": plan.config.command(),
        "config": command_line.plain(plan.config),
        **provenance.describe(),
        "seeds": {"images": seed, "random_masks": seed, "random_methods": seed},
        "data": described(plan.dataset, plan.reading)
        | {
            "images": plan.ids,
            "digests": list(plan.digests),
            "skipped": [list(entry) for entry in plan.skipped],
        }
        | ({"patients": plan.patients} if plan.patients else {}),
        "models": [model.describe() for model in plan.models],
        "methods": list(plan.methods),
        "maps": [one.describe() for one in _bundles(plan)],
        "metrics": list(plan.metrics),
        "settings": plan.settings_in_use(),
        "notes": list(plan.notes),
        **({"until": dict(plan.until)} if plan.until else {}),
        "made_by": identity.made_by(),
    }


@contextlib.contextmanager
def _leaving_nothing(out: Path) -> Iterator[None]:
    """After an error before the first part no note is left that there is no calibration."""
    from xaijax.bench import calibrated

    try:
        yield
    except BaseException:
        calibrated.forget_none(out)
        raise


def _saying(console: "Console") -> Callable[[str], None]:
    return lambda text: say(console, text)


def _bundles(plan: "Plan") -> "list[Bundle]":
    """The bundles of a run, in the order of `--maps`."""
    return list({one.bundle.digest: one.bundle for one in plan.given}.values())


def _check_same(plan: "Plan", folder: RunFolder) -> list[str]:
    """A run is resumed only with the options, images, masks, models, packages and machine that it was started with.

    Returns:
        What is another one now, where `--recompute-changed` allows that.
    """
    folder.check_same(command_line.plain(plan.config), FREE)
    before = folder.description()
    try:
        if before["data"]["images"] != plan.ids:
            raise InputError(
                f"the images of {plan.config.data} are not those that the run in {folder.path} was started with; start "
                "a new run with another --out"
            )
        for bundle, was in zip(_bundles(plan), before.get("maps", []), strict=True):
            if was["digest"] != bundle.digest:
                raise InputError(
                    f"the bundle {bundle.path} changed since the run in {folder.path} was started; start a new run"
                )
        found = [identity.changed_images(plan.ids, before["data"].get("digests", ()), plan.digests)]
        for model, old in zip(plan.models, before["models"], strict=True):
            was, now = identity.of_model(old), identity.of_model(model.describe())
            found += identity.changed_values(f"the model {model.name}", was, now)
        makers = [] if plan.config.allow_mixed else identity.changed_makers(before.get("made_by", {}))
        found += makers
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder.path / 'run.json'} does not describe a whole run ({error}); start a new run in another folder"
        ) from error
    found = [one for one in found if one]
    if found and not plan.config.recompute_changed:
        raise InputError(
            f"the run in {folder.path} cannot be resumed: {'; '.join(found)}; add --recompute-changed to "
            f"compute again what depends on it{', --allow-mixed to keep what others made' if makers else ''}, or start "
            "a new run with another --out"
        )
    return found


def _forget(plan: "Plan", store: "Store") -> list[str]:
    """Makes parts count as not finished that depend on what is another one now."""
    skip = identity.MADE_BY if plan.config.allow_mixed else ()
    changed = [
        name
        for name, model, cases in plan.parts()
        if store.finished(name)
        and _without(store.made(name), skip) != _without(_made(plan, model, cases, identity.made_by()), skip)
    ]
    for name in changed:
        store.forget(name)
    return [f"{len(changed)} finished parts are computed again: {', '.join(changed)}"] if changed else []


def _without(values: Mapping[str, Any], skip: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in skip}


def _made(plan: "Plan", model: "Model", cases: tuple[int, ...], made_by: Mapping[str, Any]) -> dict[str, Any]:
    """What a part depends on, as its description keeps it."""
    from xaijax.bench.part import wants_variants

    digests = [plan.digests[place] for place in plan.places(cases)]
    models = plan.models if wants_variants(plan.metrics) else (model,)
    made = {
        "images": identity.of_images([plan.dataset.cases[case].id for case in cases], digests),
        "models": [identity.of_model(one.describe()) for one in models],
        **made_by,
    }
    return dict(json.loads(json.dumps(made)))


def _run_parts(plan: "Plan", store: "Store", console: "Console", pool: cluster.Pool | None) -> None:
    from xaijax.bench import remote
    from xaijax.bench.deciding import undecided
    from xaijax.bench.part import VARIANTS, wants_variants

    def write(part: remote.Part, content: Any, made_by: Mapping[str, Any]) -> None:
        name, model, cases = part
        store.write_part(name, content, _made(plan, model, cases, made_by))

    parts = plan.parts()
    missing = [entry for entry in parts if not store.finished(entry[0])]
    if len(missing) < len(parts):
        say(console, f"{len(parts) - len(missing)} of {len(parts)} parts are finished already")
    if not missing and not plan.until:
        return
    if pool is not None:
        with bar(console, "waiting for workers") as report:
            remote.run_parts(plan, store, pool, write, report)
        return
    made_by = identity.made_by()
    keep = store.root / VARIANTS if wants_variants(plan.metrics) else None
    total = sum(len(cases) for _, _, cases in missing)
    done = 0
    with bar(console, "explaining and scoring") as report:
        for part in undecided(plan, store) if plan.until else missing:
            _, model, cases = part
            first, last = (place + 1 for place in plan.places((cases[0], cases[-1])))
            report(done / total, f"{model.name}: images {first} to {last}")
            weight, before = len(cases) / total, done / total

            def step(share: float, before: float = before, weight: float = weight) -> None:
                report(before + weight * share)

            write(part, remote.score(plan, model, cases, keep=keep, progress=step), made_by)
            done += len(cases)
    if keep is not None:
        shutil.rmtree(keep, ignore_errors=True)
