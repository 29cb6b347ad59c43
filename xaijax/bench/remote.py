"""The parts of a benchmark on workers: what describes a run to them, what they compute, and who gets which part."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaijax._errors import InputError
from xaijax._runs import cluster, command_line, identity
from xaijax.bench.config import DRAWN, NONE, BenchConfig
from xaijax.metrics import ORACLE

if TYPE_CHECKING:
    from xaijax._runs.models import Model
    from xaijax.bench.plan import Plan
    from xaijax.bench.store import Store

Part = tuple[str, "Model", tuple[int, ...]]
Write = Callable[[Part, Mapping[str, bytes], Mapping[str, Any]], None]


def described(plan: "Plan") -> str:
    """A run as a worker needs it, as JSON: its options with what was chosen by itself, its images, and digests."""
    methods = (*plan.computed, *((ORACLE,) if ORACLE in plan.methods else ()))
    options = cluster.absolute(command_line.plain(plan.config)) | {
        "methods": list(methods or (NONE,)),
        "metrics": list(plan.metrics),
        "calibration": [NONE],
        **dict.fromkeys(("out", "config", "cluster"), None),
        **dict.fromkeys(("resume", "recompute_changed"), False),
    }
    return json.dumps(
        {
            "options": options,
            "cases": list(plan.cases),
            "skipped": list(plan.skipped),
            "notes": dict(plan.reading),
            "digests": list(plan.digests),
            "same": _same(plan),
        }
    )


def _same(plan: "Plan") -> dict[str, Any]:
    """What must be the same on a worker."""
    images = identity.of_images(plan.ids, plan.digests)
    models = {f"model {model.name}": identity.of_model(model.describe()) for model in plan.models}
    settings = plan.settings_in_use()
    own = {"methods": plan.methods, "metrics": plan.metrics, "settings": settings, "images": images, **models}
    return dict(json.loads(json.dumps(own)))


def opened(text: str) -> Callable[[Sequence[int]], list[dict[str, bytes]]]:
    """On a worker: opens data and models of a run.

    Args:
        text: of `described`.

    Returns:
        A function of the numbers of some parts, which gives the contents of each part's files.

    Raises:
        InputError: where data or models are others there.
    """
    from xaijax._runs.data import Readable
    from xaijax.bench.plan import prepare

    values = json.loads(text)
    looked = Readable(
        cases=values["cases"],
        skipped=[(name, reason) for name, reason in values["skipped"]],
        notes=values["notes"],
        roles={},
        digests=values["digests"],
    )
    plan = prepare(BenchConfig(**values["options"]), looked=looked)
    differing = [name for name, value in _same(plan).items() if value != values["same"].get(name)]
    if differing:
        raise InputError(f"{', '.join(differing)} of the run are others on this worker than where it was started")

    parts = plan.parts()

    def compute(numbers: Sequence[int]) -> list[dict[str, bytes]]:
        from xaijax.bench.part import wants_variants
        from xaijax.bench.store import encoded

        with tempfile.TemporaryDirectory() as folder:
            keep = Path(folder) if wants_variants(plan.metrics) else None
            return [encoded(score(plan, *parts[number][1:], keep=keep)) for number in numbers]

    return compute


def score(
    plan: "Plan",
    model: "Model",
    cases: tuple[int, ...],
    *,
    keep: Path | None,
    progress: Callable[[float], None] = lambda share: None,
) -> Any:
    """The tables of a part, with as much for the figures as its place in the run asks for; see `part.score_part`."""
    from xaijax.bench.part import score_part

    place = next(iter(plan.places(cases)))
    shown = max(0, min(DRAWN, plan.shown) - place)
    return score_part(plan, model, cases, gallery=shown, progress=progress, keep=keep)


def run_parts(plan: "Plan", store: "Store", pool: cluster.Pool, write: Write, report: Callable[..., None]) -> None:
    """Has the missing parts of a run computed by workers.

    With `--until` parts are computed ahead, in the order in which they decide; those that turn out not to be needed
    are discarded.

    Args:
        plan: the run.
        store: where its parts are.
        pool: the workers.
        write: called with a part, the contents of its files, and what made them.
        report: `report(share, text)`, of a progress bar.
    """
    from xaijax.bench.deciding import undecided

    parts = plan.parts()
    missing = [number for number, part in enumerate(parts) if not store.finished(part[0])]
    done = 0

    def wait() -> None:
        share = (done + pool.running()) / max(1, len(missing))
        count = f"{len(pool)} worker{'' if len(pool) == 1 else 's'}"
        report(min(share, 1.0), f"{count}: {done} of {len(missing)} parts" if len(pool) else "waiting for workers")

    needed = undecided(plan, store) if plan.until else iter([parts[number] for number in missing])
    next_one = next(needed, None)
    if next_one is None:
        return
    with contextlib.closing(pool.results(opened, described(plan), _jobs(plan, missing), wait)) as results:
        for result in results:
            for number, contents in zip(result.job.numbers, result.value, strict=True):
                write(parts[number], contents, result.made_by)
                done += 1
            while next_one is not None and store.finished(next_one[0]):
                next_one = next(needed, None)
            if next_one is None:
                return


def _jobs(plan: "Plan", missing: Sequence[int]) -> Iterator[cluster.Job]:
    """The missing parts in the order in which they are computed.

    Where metrics compare models, one worker computes the parts of all models of the same images: their maps are made
    once. A run that decides needs the same images on every model one after the other.
    """
    from xaijax.bench.part import wants_variants

    parts = plan.parts()
    together = wants_variants(plan.metrics)
    by_images: dict[tuple[int, ...], list[int]] = {}
    for number in missing:
        by_images.setdefault(parts[number][2], []).append(number)
    groups = by_images.values() if together or plan.until else [[number] for number in missing]
    for group in groups:
        for numbers in [tuple(group)] if together else [(number,) for number in group]:
            yield cluster.Job(parts[numbers[0]][0], numbers)
