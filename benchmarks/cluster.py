"""What `--cluster` costs: parts a second for 1, 2, 4 and 8 workers on parts that only sleep, and the client's memory.

    python benchmarks/cluster.py                       # 10,000 parts of 50 ms; about 17 minutes on a quiet machine
    python benchmarks/cluster.py --parts 1000          # a shorter one
    python benchmarks/cluster.py --table               # only writes the table again

A part that sleeps needs no processor, so that workers do not compete for this machine's. Everything else is that of a
run: each part comes back as the contents of its files (made-up ones of the usual size), which are written with digests.
The ideal is workers divided by the seconds of a part. Results: results/cluster.json, the table in
../docs/studies/scale.md.
"""

import argparse
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xaijax._runs import cluster, provenance
from xaijax._runs.cluster import Address, Job, Pool, connected
from xaijax.bench.store import Store

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results" / "cluster.json", HERE.parent / "docs" / "studies" / "scale.md"
BEGIN, END = "<!-- cluster: written by benchmarks/cluster.py -->", "<!-- cluster: end -->"
SIZES = {"scores": 12_000, "curves": 60_000, "predictions": 2_000}
"""Bytes of the files of a part: 8 images, 8 methods, 5 metrics."""


def opened(text: str) -> Callable[[Sequence[int]], dict[str, bytes]]:
    """On a worker: a part sleeps, and gives bytes that depend on its number alone."""
    seconds = float(text)

    def compute(numbers: Sequence[int]) -> dict[str, bytes]:
        rng = np.random.default_rng(list(numbers))
        time.sleep(seconds)
        return {name: rng.bytes(size) for name, size in SIZES.items()}

    return compute


def resident() -> float:
    """MiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(workers: int, parts: int, seconds: float) -> dict[str, Any]:
    """One run of sleeping parts.

    Returns:
        Parts a second from the first result on, and the client's memory then and at the end, in MiB.
    """
    made_by = {"packages": {}, "machine": {}}
    with connected(Address.read(f"local:{workers}"), print) as client:
        pool = Pool(client, kind="local", device="auto", made_by=made_by, mixed=True, minutes=None, say=print)
        folder = Path(tempfile.mkdtemp(prefix="xaijax-cluster-"))
        try:
            store = Store(folder)
            begun, first, done = 0.0, 0.0, 0
            for result in pool.results(opened, str(seconds), _jobs(parts)):
                store.write_part(result.job.name, result.value, result.made_by)
                done += 1
                if done == 2 * workers:  # all have opened the run
                    begun, first = time.perf_counter(), resident()
            rate = (done - 2 * workers) / (time.perf_counter() - begun)
            last = resident()
        finally:
            shutil.rmtree(folder)
    return {
        "workers": workers,
        "parts": parts,
        "seconds": seconds,
        "parts_per_second": rate,
        "ideal": workers / seconds,
        "overhead_ms": 1000 * (workers / rate - seconds),
        "client_mib_first": first,
        "client_mib_last": last,
    }


def _jobs(parts: int) -> Iterator[cluster.Job]:
    for number in range(parts):
        yield Job(f"{number:06d}", (number,))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| workers | parts | seconds of a part | parts a second | of the ideal | client, first and last part |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['workers']} | {row['parts']} | {row['seconds']:g} | {row['parts_per_second']:.1f} | "
        f"{row['parts_per_second'] / row['ideal']:.0%} | {row['client_mib_first']:.0f} and "
        f"{row['client_mib_last']:.0f} MiB |"
        for row in rows
    ]
    return "\n".join(lines)


def write(found: dict[str, Any]) -> None:
    """Puts the table into the page."""
    machine = found["machine"]
    text = (
        f"{BEGIN}\n{machine['processor']}, {machine['threads']} cores. Written by `python benchmarks/cluster.py`.\n\n"
        f"{table(found['rows'])}\n{END}"
    )
    page = PAGE.read_text("utf-8")
    PAGE.write_text(re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda match: text, page, flags=re.DOTALL), "utf-8")


def main() -> None:
    """Measures, or only writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if not options.table:
        rows = []
        for workers in options.workers:
            rows.append(measure(workers, options.parts, options.seconds))
            print(json.dumps(rows[-1]), flush=True)
        RESULTS.write_text(
            json.dumps({"machine": provenance.machine(), "versions": provenance.versions(), "rows": rows})
        )
    write(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    main()
