"""How the report of a benchmark grows with the number of images: seconds and peak memory, on simulated scores.

    python benchmarks/many_images.py 10000 100000               # writes the runs, summarises them, prints a line each
    python benchmarks/many_images.py 1000000 --folder /data/sim --write docs/studies/reliability.md

A run folder of the real layout is written without images and models: 8 methods under 5 metrics, with missing values and
their reasons, predictions, and with --curves the curves behind three of the metrics. Then the code of `xaijax bench`
that summarises and reports runs in a process of its own, whose peak memory is measured.

Results: results/many_images.json.
"""

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "many_images.json"
METHODS = ("gradient", "integrated_gradients", "grad_cam", "grad_cam_pp", "layer_cam", "random", "sobel", "oracle")
# metric -> (share of images without a value, why)
METRICS = {
    "sic_mutual": (0.03, "information_not_larger"),
    "deletion_black": (0.0, ""),
    "insertion_blur": (0.0, ""),
    "iou": (0.1, "empty_mask"),
    "sparseness": (0.01, "flat_map"),
}
CLASSES = ("glioma", "meningioma", "pituitary")
FRACTIONS = 13
STEPS = 33


def write_run(root: Path, images: int, *, part: int, curves: bool) -> None:
    """A finished run folder with simulated scores.

    Args:
        root: the folder.
        images: how many.
        part: images in one part, as `--part`.
        curves: whether the run has curves.
    """
    from xaijax._runs import checksums, command_line, folder, provenance
    from xaijax.bench import BenchConfig
    from xaijax.bench.store import Store

    config = BenchConfig(count=images, methods=METHODS[:-1], metrics=tuple(METRICS), part=part, gallery=0)
    names = [f"patients/{number % 977:03d}/scan-{number:07d}.png" for number in range(images)]
    model = {"name": "builtin", "path": "builtin", "classes": CLASSES, "input_shape": [128, 128, 1], "digest": "0" * 16}
    described = {
        "kind": "run",
        "command": config.command(),
        "config": command_line.plain(config),
        **provenance.describe(),
        "data": {
            "name": "simulated scores",
            "classes": dict.fromkeys(CLASSES, images // len(CLASSES)),
            "mask_role": "lesion",
            "images": names,
            "digests": [f"{number:032x}" for number in range(images)],
            "skipped": [],
        },
        "models": [model],
        "methods": METHODS,
        "metrics": tuple(METRICS),
        "notes": ["The scores of this run are simulated."],
    }
    checksums.write_signed(root / folder.DESCRIPTION, described)
    store, rng = Store(root), np.random.default_rng(0)
    with without_waiting():
        for number, start in enumerate(range(0, images, part)):
            store.write_part(f"00-builtin-{number:04d}", tables(names[start : start + part], rng, curves=curves))


def tables(names: Sequence[str], rng: np.random.Generator, *, curves: bool) -> Any:
    """What a part holds."""
    from xaijax.bench.store import CURVES, PREDICTIONS, RESPONSES, SCORES, Tables

    count, methods = len(names), len(METHODS)
    columns: dict[str, list[Any]] = {name: [] for name in SCORES.names}
    hard = rng.normal(0, 0.1, count)  # of an image, the same for all methods
    for metric, (share, why) in METRICS.items():
        missing = rng.random(count) < share
        for place, method in enumerate(METHODS):
            value = np.clip(0.5 + 0.03 * (place % 5) + hard + rng.normal(0, 0.1, count), 0, 1)
            columns["value"] += np.where(missing, np.nan, value).tolist()
            columns["reason"] += [why if one else "" for one in missing]
            columns["image"] += names
            columns["method"] += [method] * count
            columns["metric"] += [metric] * count
    columns["model"] = ["builtin"] * len(columns["image"])
    labels = [CLASSES[one] for one in rng.integers(0, 3, count)]
    guesses = [label if sure < 0.9 else CLASSES[0] for label, sure in zip(labels, rng.random(count), strict=True)]
    chances = rng.uniform(0.4, 1.0, count)
    predictions = pa.table([["builtin"] * count, names, labels, guesses, chances], schema=PREDICTIONS)
    behind, responses = CURVES.empty_table(), RESPONSES.empty_table()
    if curves:
        rows = count * methods
        who = [["builtin"] * rows, list(names) * methods, [m for m in METHODS for _ in names]]
        raw, points = np.sort(rng.random((2, rows, FRACTIONS)), axis=2), np.zeros((2, rows, FRACTIONS + 2))
        points[:, :, 1:-1], points[:, :, -1] = raw, 1.0
        kind = [["sic"] * rows, ["mutual"] * rows, [0] * rows]
        behind = pa.table([*who, *kind, *map(list, points), *map(list, raw)], schema=CURVES)
        steps = [np.linspace(0, 1, STEPS)] * (2 * rows)
        metric = ["deletion_black"] * rows + ["insertion_blur"] * rows
        lines = list(rng.random((2 * rows, STEPS)))
        responses = pa.table([*(one * 2 for one in who), metric, rng.random(2 * rows), steps, lines], schema=RESPONSES)
    return Tables(pa.table(columns, schema=SCORES), behind, responses, predictions, {})


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Files that are not forced onto the disk: only the simulation writes a hundred thousand parts at once."""
    from xaijax import _files

    kept = _files.os.fsync
    _files.os.fsync = lambda descriptor: None
    try:
        yield
    finally:
        _files.os.fsync = kept


def report(root: Path) -> dict[str, Any]:
    """Summarises and reports a run in this process: seconds, of these what takes longest, and peak memory in MiB."""
    from xaijax.bench import reading, statistics
    from xaijax.bench import report as reports
    from xaijax.bench.store import Store

    spent: dict[str, float] = {}

    def timed(module: Any, name: str) -> None:
        function = getattr(module, name)

        def measured(*given: Any, **options: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*given, **options)
            finally:
                spent[name] = round(spent.get(name, 0.0) + time.perf_counter() - begun, 1)

        setattr(module, name, measured)

    for module, name in (
        (reading, "read"), (reports, "summarise"), (reports, "statements"), (statistics, "tabulate"),
        (reports, "by_class"), (reports, "draw"), (reports, "compared"),
    ):  # fmt: skip
        timed(module, name)
    begun = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reports.write_report(Store(root))
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak, computed = used.ru_maxrss, used.ru_utime + used.ru_stime
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(computed, 1),
        "peak_mib": round(peak / 1024),
        "at_start_mib": round(before / 1024),
    } | {"steps": spent}


def measure(images: int, options: argparse.Namespace, place: Path) -> dict[str, Any]:
    """Writes a run and reports it in another process."""
    root = place / f"run-{images}-{options.part}{'-curves' if options.curves else ''}"
    if not (root / "run.json").is_file():
        write_run(root, images, part=options.part, curves=options.curves)
    line = [sys.executable, __file__, "--only-report", str(root)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = {"images": images, "part": options.part, "curves": options.curves} | json.loads(done.stdout)
    found |= {"summary_kb": round((root / "summary.csv").stat().st_size / 1000, 1)}
    found |= {"report_kb": round((root / "report.html").stat().st_size / 1000)}
    if options.folder is None:
        shutil.rmtree(root)
    return found


def table(results: dict[str, Any]) -> list[str]:
    """The page's table."""
    lines = ["| images | in one part | curves | seconds | CPU seconds | peak memory (MiB) | `summary.csv` | report |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for row in results["runs"]:
        lines.append(
            f"| {row['images']:,} | {row['part']} | {'yes' if row['curves'] else 'no'} | {row['seconds']:.0f} "
            f"| {row['cpu_seconds']:.0f} "
            f"| {row['peak_mib']} | {row['summary_kb']} kB | {row['report_kb']} kB |"
        )
    about = results["machine"]
    return [*lines, "", f"{about['processor']}, {about['threads']} cores."]


def main() -> None:
    """Measures, keeps the results and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="*", type=int, default=[10_000, 100_000], help="how many images, in turn")
    parser.add_argument("--part", type=int, default=8, help="images in one part; 8 is the default of xaijax bench")
    parser.add_argument("--curves", action="store_true", help="the runs have curves too")
    parser.add_argument("--folder", type=Path, help="where the runs are written and kept; default: a temporary folder")
    parser.add_argument("--write", type=Path, help="a page whose table is replaced")
    parser.add_argument("--only-report", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_report is not None:
        print(json.dumps(report(options.only_report)))
        return
    from xaijax._runs import provenance

    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"runs": []}
    with tempfile.TemporaryDirectory() as name:
        for images in options.images:
            found = measure(images, options, options.folder or Path(name))
            print(json.dumps(found), flush=True)
            same = [found[key] for key in ("images", "part", "curves")]
            others = [row for row in results["runs"] if [row[key] for key in ("images", "part", "curves")] != same]
            results["runs"] = sorted([*others, found], key=lambda row: (row["curves"], row["images"], row["part"]))
            results |= {"versions": provenance.versions(), "machine": provenance.machine()}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if options.write is not None:
        sys.path.insert(0, str(Path(__file__).parent))
        from reliability import write_page

        write_page(options.write, table(results), "growth")


if __name__ == "__main__":
    main()
