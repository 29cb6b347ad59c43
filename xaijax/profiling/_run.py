"""`xaijax profile`: sets up, times the cells interleaved, keeps what is done, and shows it."""

import dataclasses
import datetime
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaijax import _options
from xaijax._errors import InputError
from xaijax._names import BUILTIN, match, match_all, normal
from xaijax._runs import command_line, provenance
from xaijax._runs.folder import RunFolder, check_free
from xaijax._runs.options import use_device
from xaijax._runs.progress import bar, say
from xaijax.profiling import config as configuration
from xaijax.profiling import records
from xaijax.profiling.config import FORWARD, Precision, ProfileConfig


def run(config: ProfileConfig) -> Path:
    """Measures, writes `profile.jsonl`, figures and `profile.html` into a folder, and prints a table.

    Args:
        config: what to measure; see `ProfileConfig`.

    Returns:
        The folder.

    Raises:
        InputError: bad input, said in one sentence.
    """
    from rich.console import Console

    configuration.check(config)
    if config.device == "cpu":  # before JAX starts: what is rewritten for the CPU depends on the default backend
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if config.kernels:
        # SciPy calls LAPACK on tiny matrices: idle BLAS threads would spin next to the work. NumPy reads this once.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")
    out = config.out or configuration.default_out(config, datetime.datetime.now())
    check_free(out, "profile", resume=config.resume)
    console = Console(stderr=True)
    old = records.read(config.compare) if config.compare is not None else None
    if old is not None and not any(records.calls(record) for record in old.values()):
        raise InputError(
            f"--compare names {config.compare}, which holds no timed cell: give the profile.jsonl of a profile"
        )
    config = _matched(config)
    with RunFolder(out, "profile", resume=config.resume) as folder:
        if config.resume:
            folder.check_same(command_line.plain(config), config.free())
            for line in folder.repair():
                say(console, line)
        else:
            folder.describe(
                {"kind": "profile", "command": config.command(), "config": command_line.plain(config)}
                | provenance.describe()
            )
        path = out / "profile.jsonl"
        interrupted = None
        try:
            if config.kernels:
                from xaijax.profiling.kernels import measure_kernels

                measure_kernels(config, path, console)
            else:
                measure_methods(config, path, console)
        except KeyboardInterrupt as stop:
            interrupted = stop
        except Exception:
            if not path.exists():
                folder.discard()
            raise
        found = records.read(path)
        if found and interrupted is not None:
            again = shlex.join([*shlex.split(config.command()), "--out", str(out), "--resume"])
            say(console, f"What was measured is kept; resume with: {again}")
        if found:
            _show(config, out, found, old)
        elif interrupted is not None:
            folder.discard()
    if interrupted is not None:
        raise interrupted
    return out


def _matched(config: ProfileConfig) -> ProfileConfig:
    """The configuration with the names that are meant."""
    from xaijax.explain import METHODS, methods

    if config.kernels:
        from xaijax.profiling import kernel_cases

        known = [case.name for case in kernel_cases.cases()]
        return dataclasses.replace(config, kernel=match_all("kernel", config.kernel, known) if config.kernel else ())
    if len(config.methods) == 1 and normal(config.methods[0]) == "all":
        return dataclasses.replace(config, methods=methods(without="masks"))
    return dataclasses.replace(config, methods=match_all("method", config.methods, METHODS))


def _show(config: ProfileConfig, out: Path, found: dict[Any, dict[str, Any]], old: dict[Any, Any] | None) -> None:
    """The tables, the figures and the report."""
    from rich.console import Console

    from xaijax.profiling import compare, report, show

    console = Console()
    for table in show.tables(list(found.values())):
        show.print_table(console, table)
    compared = compare.compare(found, old) if old is not None else []
    if old is not None:
        show.print_table(console, compare.table(compared, config.compare))
    page = report.write_report(out, list(found.values()), compared)
    console.print(f"\nreport: {page}", highlight=False, soft_wrap=True)


def measure_methods(config: ProfileConfig, path: Path, console: Any) -> None:
    """Measures every cell of a profile of methods that is not in the file yet."""
    import jax

    from xaijax.profiling import ceilings

    use_device(config)
    device = jax.devices()[0]
    with jax.default_device(device):
        with console.status("measuring what the machine can do"):
            most = ceilings.measure(config.precision)
        facts = environment(config) | {"ceilings": most}
        for model in config.model:
            for precision in config.precision:
                _measure_model(config, model, precision, device, path, facts, console)


def environment(config: ProfileConfig) -> dict[str, Any]:
    """What every record says of where it was made."""
    import jax

    from xaijax import _cpu, kernels

    return {
        "command": config.command(),
        "date": provenance.now(),
        "machine": provenance.machine() | {"devices": [device.device_kind for device in jax.devices()]},
        "versions": provenance.versions(),
        "flags": {"XLA_FLAGS": os.environ.get("XLA_FLAGS", ""), "compiler_options": _cpu.compiler_options()},
        "kernels": {key: str(value) for key, value in kernels.build_info().items()},
    }


def _classifier(config: ProfileConfig, name: str, precision: Precision) -> Any:
    from xaijax import models
    from xaijax._runs.models import open_one, with_layer
    from xaijax._runs.options import preprocess_of

    if name in models.list_models():
        if config.weights is not None:
            raise InputError(
                f"--weights are for a model that is named, such as timm:resnet18; {name} is timed with random ones"
            )
        shape = None if config.size is None else (config.size, config.size, 3)
        given, output = preprocess_of(config), config.output or "softmax"
        made = models.create(name, config.class_count, shape, preprocess=given, output=output)
        if config.layer is not None:
            made = with_layer(made, name, config.layer)
    elif name == BUILTIN or ":" in name or Path(name).exists():
        sized = config if ":" in name else dataclasses.replace(config, size=None)
        made = open_one(name, sized, [])
    else:
        match("model", name, [*models.list_models(), BUILTIN])
    if config.size is not None and made.input_shape[:2] != (config.size, config.size):
        made = made.with_input_shape((config.size, config.size, made.input_shape[2]))
    return made.optimized(dtype=precision) if config.optimized else made


def _measure_model(
    config: ProfileConfig,
    model: str,
    precision: Precision,
    device: Any,
    path: Path,
    facts: dict[str, Any],
    console: Any,
) -> None:
    """All cells of one model and precision are compiled first and then timed interleaved."""
    import jax

    from xaijax.explain import METHODS
    from xaijax.profiling import cells

    classifier = jax.device_put(_classifier(config, model, precision), device)
    chosen = _options.from_texts(
        config.set, {name: method.kinds for name, method in METHODS.items()}, used=config.methods
    )
    there = records.read(path)
    base = {
        "kind": "method",
        "model": model,
        "size": classifier.input_shape[0],
        "precision": precision,
        "device": device.platform,
    }
    plan: list[tuple[str, int, dict[str, Any]]] = []
    for batch in config.batch:
        for name in config.methods:
            options = dict(chosen.get(name, {}))
            if config.batch_size is not None and "batch_size" in METHODS[name].options:
                options["batch_size"] = config.batch_size
            entry = base | {"method": name, "batch": batch, "options": options}
            if not records.finished(there.get(records.identity(entry)), config.repeat):
                plan.append((name, batch, entry))
    if not plan and all(_has_forward(there, base, batch) for batch in config.batch):
        return
    ready: list[cells.Cell] = []
    with bar(console, f"{model}: compiling") as report:
        rates: dict[int, float] = {}
        bare: dict[int, float] = {}
        for number, batch in enumerate(config.batch):
            entry = base | {"method": FORWARD, "batch": batch, "options": {}}
            cell = cells.make(FORWARD, classifier, entry, device, {})
            report(number / (len(config.batch) + len(plan)), f"compiling {cell.name}")
            cell.warm(config.repeat, config.limit)
            cell.time()
            rates[batch], cell.seconds = cell.flops / cell.seconds[-1], []
            bare[batch] = cell.first
            _keep_warming(cell, bare[batch], there, path, facts)
            ready.append(cell)
        for number, (name, batch, entry) in enumerate(plan, start=len(config.batch)):
            report(number / (len(config.batch) + len(plan)), f"compiling {name}, batch of {batch}")
            limits = {"rate": rates[batch], "limit": config.limit}
            cell = cells.make(name, classifier, entry, device, entry["options"], **limits)
            try:
                cell.warm(config.repeat, config.limit)
            except cells.TooLongError as refused:
                reason = f"one call would take about {refused.args[0]:.0f} s, more than --limit {config.limit:g}"
                records.append(path, entry | {"skipped": reason} | facts)
                continue
            except (ValueError, TypeError, NotImplementedError) as error:
                records.append(path, entry | {"skipped": " ".join(str(error).split())} | facts)
                continue
            _keep_warming(cell, bare[batch], there, path, facts)
            ready.append(cell)
    if config.trace is not None:
        _trace(config.trace / model / precision, ready)
    _time(ready, there, path, facts, console)


def _keep_warming(cell: Any, bare: float, there: Mapping[Any, Any], path: Path, facts: Mapping[str, Any]) -> None:
    """Writes a compiled cell down with its first time, so that whatever ends the run leaves what was found out."""
    from xaijax.profiling import record

    if records.identity(cell.identity) not in there:
        first = dataclasses.replace(cell, seconds=[cell.first], units=[cell.first / bare])
        records.append(path, record.describe(first, facts) | {"warming": True})


def _has_forward(there: Mapping[Any, Any], base: Mapping[str, Any], batch: int) -> bool:
    return (
        records.calls(there.get(records.identity(dict(base) | {"method": FORWARD, "batch": batch, "options": {}}))) > 0
    )


def _time(
    ready: list[Any], there: Mapping[Any, Mapping[str, Any]], path: Path, facts: Mapping[str, Any], console: Any
) -> None:
    """Times interleaved; a cell is written when its turns are over, and on Ctrl-C with those it had."""
    from xaijax.profiling import cells, record

    total = sum(cell.first * cell.repeats for cell in ready)
    done = 0.0
    waiting = list(ready)

    def write(cell: cells.Cell) -> None:
        if cell.seconds and len(cell.seconds) >= records.calls(there.get(records.identity(cell.identity))):
            records.append(path, record.describe(cell, facts))

    with bar(console, "timing") as report:

        def after(cell: cells.Cell, taken: float) -> None:
            nonlocal done
            done += cell.first
            report(min(1.0, done / total), f"timing {cell.name}")

        try:
            for _ in cells.take_turns(ready, after):
                over = [cell for cell in waiting if cell.over]
                waiting = [cell for cell in waiting if not cell.over]
                for cell in over:
                    write(cell)
        finally:
            for cell in waiting:
                write(cell)


def _trace(folder: Path, ready: list[Any]) -> None:
    from rich.console import Console

    from xaijax.profiling import show, trace

    for cell in ready:
        where = folder / f"{cell.identity['method']}-{cell.identity['batch']}"
        found = trace.trace(cell.call, cell.programs, where)
        show.print_table(Console(), trace.table(cell.name, where, found))
