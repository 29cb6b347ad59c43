"""Hands damaged, absurd and malicious inputs to the commands, and says how each one ends.

    python benchmarks/hostile.py                                              # all of them, minutes
    python benchmarks/hostile.py --every 8                                    # every eighth, as the tests do
    python benchmarks/hostile.py --write docs/studies/reliability.md

A good end is one sentence that names the file or the option and says what to do, exit status 2, nothing left behind,
within 10 seconds and 1 GB. Each input has a process of its own, a copy of one that has imported everything: the time is
without the start of Python, the memory with all that was imported. Exit status 1 where an end is not good.
Results: results/hostile.json.
"""

import argparse
import dataclasses
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hostile_inputs import Input, clean, inputs

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "hostile.json"
SECONDS, BYTES = 10.0, 10**9
ADVICE = re.compile(
    r"; |: |\b(give|use|leave|name|must|write|choose|repair|convert|put|start|resume|take|did you mean|lists|needs?|"
    r"install|only|instead|calibrate|train|remove|check)\b"
)
BROKEN = 120
"""Exit status of a process that ended otherwise than the command line does."""


@dataclasses.dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        input: what it was given.
        status: its exit status, negative for a signal.
        said: what it wrote to standard error.
        seconds: how long it took, without the start.
        peak: bytes of memory.
        left: files that it left behind.
    """

    input: Input
    status: int
    said: str
    seconds: float
    peak: int
    left: tuple[str, ...]

    def faults(self) -> list[str]:
        """What is not good about it."""
        lines = [line for line in self.said.splitlines() if line.startswith("xaijax: ")]
        found = []
        if self.status != 2:
            found.append(f"status {self.status}")
        errors = [line for line in lines if line.startswith("xaijax: error: ")]
        if self.input.arguments[0] == "verify" and self.status == 2 and not errors:
            errors = [self.said.replace("\n", " ")]  # its answer, not an error
        if len(errors) != 1 or "Traceback" in self.said:
            found.append("not one sentence")
        elif not any(name in errors[0] for name in self.input.named.split("|")):
            found.append("does not name it")
        elif not ADVICE.search(errors[0].removeprefix("xaijax: error: ")):
            found.append("does not say what to do")
        if self.seconds > SECONDS:
            found.append(f"{self.seconds:.0f} s")
        if self.peak > BYTES:
            found.append(f"{self.peak / 1e9:.1f} GB")
        if self.left:
            found.append(f"left {', '.join(self.left[:3])}")
        return found


def warm() -> None:
    """Imports what commands import, so that a copy of this process can start at once; starts no device."""
    import importlib

    from xaijax import cli

    for package, *_ in cli.COMMANDS.values():
        importlib.import_module(package)
    for name in (
        "xaijax.bench.plan", "xaijax.bench.report", "xaijax.models", "h5py", "pydicom", "nibabel", "tifffile", "yaml",
        "pyarrow.dataset", "scipy.stats", "torch", "onnxruntime",
    ):  # fmt: skip
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"{name} is not installed", file=sys.stderr)


def attempt(one: Input, place: Path) -> End:
    """Runs the command on one input, in a copy of this process.

    Args:
        one: the input.
        place: a folder for it, which is emptied.
    """
    made, work, temporary = (place / name for name in ("input", "work", "tmp"))
    for folder in (made, work, temporary):
        clean(folder)
    one.make(made)
    before = files(made)
    begun = time.monotonic()
    read, write = os.pipe()  # not a file, which a full disk would not take
    child = os.fork()
    if not child:
        _command(one, made, work, temporary, write)
    os.close(write)
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.extend(iter(lambda: os.read(read, 1 << 16), b"")))
    reader.start()
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(int(2 * SECONDS))
    _, status, used = os.wait4(child, 0)
    signal.alarm(0)
    seconds = time.monotonic() - begun
    left = sorted({*files(work), *files(temporary), *(files(made) - before)})
    reader.join()
    os.close(read)
    text = b"".join(said).decode("utf-8", "replace")
    return End(one, os.waitstatus_to_exitcode(status), text, seconds, used.ru_maxrss * 1024, tuple(left))


def _command(one: Input, made: Path, work: Path, temporary: Path, said: int) -> None:
    """Runs the command in the child; does not return."""
    status = BROKEN
    try:
        os.chdir(work)
        os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
        os.dup2(said, 1)
        os.dup2(said, 2)
        from xaijax import cli

        if one.before is not None:
            sys.stderr.flush()
            one.before()
        status = cli.main([word.replace("{}", str(made)) for word in one.arguments])
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def files(place: Path) -> set[str]:
    """The files and folders in a folder."""
    return {path.relative_to(place).as_posix() for path in place.rglob("*")}


def run(chosen: Iterable[Input]) -> list[End]:
    """Runs the commands on inputs, one after the other."""
    warm()
    found = []
    with tempfile.TemporaryDirectory() as name:
        for one in chosen:
            end = attempt(one, Path(name))
            found.append(end)
            if end.faults():
                text = f"{one.kind}: {one.name}: {', '.join(end.faults())}: {end.said.strip()[:300]}"
                print(text, file=sys.stderr, flush=True)
    return found


def table(rows: Sequence[Any]) -> list[str]:
    """The page's table: inputs and their ends by kind."""
    lines = [
        "| inputs | tried | refused in one sentence | slowest (s) | most memory (MB) | not so |",
        "|---|---|---|---|---|---|",
    ]
    kinds = dict.fromkeys(row["kind"] for row in rows)
    for kind in [*kinds, "all"]:
        own = [row for row in rows if kind in (row["kind"], "all")]
        bad = [row for row in own if row["faults"]]
        lines.append(
            f"| {kind} | {len(own)} | {len(own) - len(bad)} | {max(row['seconds'] for row in own):.1f} "
            f"| {max(row['peak_mb'] for row in own)} | {len(bad)} |"
        )
    return lines


def main() -> int:
    """Tries the inputs, keeps the results and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every n-th input")
    parser.add_argument("--kinds", nargs="+", help="these kinds alone")
    parser.add_argument("--list", action="store_true", help="only list the inputs")
    parser.add_argument("--write", type=Path, help="a page whose table is replaced")
    options = parser.parse_args()
    chosen = [one for one in inputs() if not options.kinds or one.kind in options.kinds][:: options.every]
    if options.list:
        print("\n".join(f"{one.kind}: {one.name}" for one in chosen))
        return 0
    rows = [
        {
            "kind": end.input.kind,
            "name": end.input.name,
            "seconds": round(end.seconds, 2),
            "peak_mb": round(end.peak / 1e6),
            "faults": end.faults(),
            "said": end.said.strip()[:400],
        }
        for end in run(chosen)
    ]
    print("\n".join(table(rows)))
    if options.every == 1:
        from xaijax._runs import provenance

        before = json.loads(RESULTS.read_text())["inputs"] if RESULTS.is_file() and options.kinds else []
        kinds = list(dict.fromkeys(one.kind for one in inputs()))
        rows += [row for row in before if row["kind"] not in options.kinds]
        rows.sort(key=lambda row: kinds.index(row["kind"]))
        about = {"versions": provenance.versions(), "machine": provenance.machine()}
        RESULTS.write_text(json.dumps({"inputs": rows} | about, indent=1) + "\n")
        if options.write is not None:
            from reliability import write_page

            write_page(options.write, table(rows), "hostile inputs")
    return int(any(row["faults"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
