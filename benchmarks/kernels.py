"""Times every kernel against the implementation it replaces and writes the table in README.md.

    python benchmarks/kernels.py --pair-python ../pair/bin/python
    python benchmarks/kernels.py --only entropy mutual      # cases by the start of their key; other results stay
    python benchmarks/kernels.py --pair-python ... --only fills-512 --rounds 3 --add    # a long case bit by bit
    python benchmarks/kernels.py --table                    # only writes the table again

`--pair-python` is the interpreter of an environment with `saliency==0.2.1` (`pip install saliency==0.2.1 scipy`);
without it the rows that need PAIR are left unchanged. A quiet machine is needed: everything is timed interleaved, ours
and the peers in every round, and the table shows medians with the ratios of the quartiles. The answers are asserted
equal before anything is timed. Results: results/kernels.json.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# SciPy calls LAPACK on tiny matrices: idle BLAS threads would spin next to the work. Read when NumPy is imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import kernel_cases
import numpy as np
import scipy

from xaijax import __version__
from xaijax import kernels as xaijax_kernels

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results" / "kernels.json", HERE / "README.md"
BEGIN, END = "<!-- kernels: written by kernels.py -->", "<!-- kernels: end -->"
ENOUGH_CORES, TRIES = 1.8, 10  # virtual processors share a core at times: such rounds of two threads do not count


class PairWorker:
    """A peer in its own interpreter, PAIR's `saliency` unless said; timed there, without the exchange of arrays."""

    def __init__(self, python: str, folder: Path, script: str = "kernel_peers.py") -> None:
        self.folder = folder
        self.files = 0
        self.process = subprocess.Popen(
            [python, str(HERE / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.versions = self._read()["versions"]

    def _read(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the peer's interpreter ended; its message stands above")
        return json.loads(line)

    def _file(self) -> str:
        self.files += 1
        return str(self.folder / f"{self.files}.npz")

    def _ask(self, name: str, inputs: str, out: str | None) -> float:
        assert self.process.stdin
        print(json.dumps({"call": name, "inputs": inputs, "out": out}), file=self.process.stdin, flush=True)
        return float(self._read()["seconds"])

    def store(self, **arrays: Any) -> str:
        path = self._file()
        np.savez(path, **arrays)
        return path

    def call(self, name: str, inputs: str) -> float:
        return self._ask(name, inputs, None)

    def result(self, name: str, inputs: str) -> list[np.ndarray]:
        out = self._file()
        self._ask(name, inputs, out)
        with np.load(out) as stored:
            return [stored[key] for key in stored.files]

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def machine() -> dict[str, Any]:
    """Processor, cores, and how many threads share a core, as far as the system says."""
    facts: dict[str, Any] = {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"}
    try:
        for line in subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout.splitlines():
            name, _, value = line.partition(":")
            if name in ("Model name", "Thread(s) per core", "L1d cache", "L2 cache", "L3 cache", "Hypervisor vendor"):
                facts[name] = value.strip()
    except (OSError, subprocess.CalledProcessError):
        facts["Model name"] = platform.processor()
    return facts


def commit() -> str:
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE)
    except OSError:
        return ""
    return found.stdout.strip()


def quartiles(seconds: list[float]) -> dict[str, Any]:
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return {"median": median, "q1": low, "q3": high, "best": min(seconds), "rounds": len(seconds)}


def measure(case: kernel_cases.Case, worker: PairWorker | None, rounds: int | None, before: Any) -> dict[str, Any]:
    """One row; `before` is the stored row that its rounds are added to, or None."""
    trial = case.make(worker)  # type: ignore[arg-type]
    trial.check()
    ours: list[float] = list(before["seconds"]["ours"]) if before else []
    theirs = {name: list(before["seconds"]["peers"][name]) if before else [] for name in trial.peers}
    trial.ours()
    wanted, dropped = rounds or case.rounds, before.get("dropped", 0) if before else 0
    for _ in range(TRIES * wanted):
        if wanted == 0:
            break
        enough = not trial.cores or trial.cores() >= ENOUGH_CORES
        of_peers = {name: peer() for name, peer in trial.peers.items()}
        trial.ours()  # the peer has emptied the caches
        of_ours = [trial.ours() for _ in range(case.ours_per_round)]
        if not (enough and (not trial.cores or trial.cores() >= ENOUGH_CORES)):
            dropped += 1
            continue
        wanted -= 1
        ours += of_ours
        for name, taken in of_peers.items():
            theirs[name].append(taken)
    if wanted:
        sys.exit(f"{case.title}: the machine gave two threads two cores in too few of {TRIES} times as many rounds")
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    if case.needs_pair and worker:
        versions["peer"] = worker.versions
    return {
        "key": case.key,
        "title": case.title,
        "goal": case.goal,
        "who": trial.who,
        "ours": quartiles(ours),
        "peers": {name: quartiles(seconds) for name, seconds in theirs.items()},
        "seconds": {"ours": ours, "peers": theirs},
        "dropped": dropped,
        "versions": versions,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
    }


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def times(ratio: float) -> str:
    """Three digits, and no power of ten."""
    return f"{ratio:.3g}" if ratio < 999.5 else f"{ratio:.0f}"


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| what | ours | peer | its time | our time | ratio (of the quartiles) | goal | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours = row["ours"]
        for name, peer in row["peers"].items():
            ratio = peer["median"] / ours["median"]
            low, high = peer["q1"] / ours["q3"], peer["q3"] / ours["q1"]
            met = "yes" if ratio >= row["goal"] else "no"
            lines.append(
                f"| {row['title']} | {row['who']} | {name} | {seconds(peer['median'])} | {seconds(ours['median'])} "
                f"| {times(ratio)}x ({times(low)} to {times(high)}) | {row['goal']}x | {met} |"
            )
    return "\n".join(lines)


def write_page(result: dict[str, Any]) -> None:
    facts = result["machine"]
    build = result["build"]
    text = (
        f"{facts.get('Model name', '')}, {facts['cores']} cores (threads per core, as the system reports it: "
        f"{facts.get('Thread(s) per core', '?')}), {build['compiler']}, SIMD {build['simd']}. "
        f"Written by `{result['command']}`.\n\n{table(result['rows'])}"
    )
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def save(rows: dict[str, Any]) -> None:
    """After every case, so that a run can be interrupted."""
    result = {
        "command": "python benchmarks/kernels.py --pair-python PYTHON",
        "machine": machine(),
        "xaijax": __version__,
        "build": xaijax_kernels.build_info(),
        "rows": [rows[case.key] for case in kernel_cases.CASES if case.key in rows],
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    write_page(result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair-python", help="interpreter with saliency==0.2.1")
    parser.add_argument("--only", nargs="+", default=[""], help="starts of the keys of the cases to run")
    parser.add_argument("--rounds", type=int, help="in place of each case's own number, for a trial: nothing is stored")
    parser.add_argument(
        "--add", action="store_true", help="stores the --rounds, added to those that are stored already"
    )
    parser.add_argument("--table", action="store_true", help="writes the table from the stored results and ends")
    options = parser.parse_args()
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    if options.table:
        return write_page(stored)
    rows = {row["key"]: row for row in stored["rows"]}
    kernel_cases.peers.settle_allocator()
    with tempfile.TemporaryDirectory() as folder:
        worker = PairWorker(options.pair_python, Path(folder)) if options.pair_python else None
        for case in kernel_cases.CASES:
            if not case.key.startswith(tuple(options.only)) or (case.needs_pair and worker is None):
                continue
            before = rows.get(case.key) if options.add else None
            rows[case.key] = measure(case, worker, options.rounds, before)
            print(table([rows[case.key]]).split("\n", 2)[2], flush=True)
            if options.add or not options.rounds:
                save(rows)
        if worker:
            worker.close()
    return None


if __name__ == "__main__":
    sys.exit(main())
