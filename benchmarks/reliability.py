"""Kills and damages runs of every long command, and says whether they end as if nothing had happened.

    python benchmarks/reliability.py --kills 100 --flips 1 --repairs 10 --write docs/studies/reliability.md

* kills: each command is started, killed by SIGKILL at a random moment, resumed, and compared with a run that nobody
  touched: the bytes of every result must be the same.
* flips: in a small finished run every byte of every file is changed in turn; `xaijax verify` must name the file, or the
  values that are read must be the same. What reads the file, and what resumes the run, must name it too.
* repairs: a byte of a file is changed, the run is resumed, and every result must have its old bytes again.

Each part is done where its option asks for it, and its results are added to benchmarks/results/reliability.json, kills
after every one. Exit status 1 where anything differed without a word.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from xaijax import data
from xaijax._errors import InputError

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
LARGEST = 200_000  # bytes of a run folder in which every byte is changed
TRAINING = ["--data", "phantoms", "--count", "24", "--size", "32", "--batch-size", "8", "--epochs", "4", "--seed", "1"]
# command -> arguments, and the files that hold results; what says when and where is left out.
COMMANDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "bench": (
        ["--count", "12", "--part", "1", "--gallery", "1", "--methods", "gradient", "random", "--metrics", "sic_mutual",
         "deletion_black", "iou", "--calibration", "none"],
        ("scores/*", "curves/*", "responses/*", "predictions/*", "gallery/*", "summary.csv"),
    ),
    "train": (TRAINING, ("model.safetensors", "metrics.json")),
    "cascade": (
        [*TRAINING[:-4], "--epochs", "2", "--rounds", "3", "--compare", "grad_cam"],
        ("cascade.safetensors", "scores.csv", "rounds/*/model.safetensors", "rounds/*/*.npy"),
    ),
    "calibrate": (
        ["--count", "6", "--constructions", "view", "mosaic", "--metrics", "deletion_black", "sparseness"],
        ("scores/*", "calibration.json", "summary.csv"),
    ),
    "study": (
        ["cam-confidence", "--tiny"],
        ("tables/*.csv", "evaluations/*/*.csv", "cells/*/scores/*", "cells/*/summary.csv"),
    ),
}  # fmt: skip


def start(command: str, out: Path, *more: str) -> "subprocess.Popen[str]":
    """A command in a process of its own."""
    arguments, _ = COMMANDS[command]
    if command == "study":  # each with its own trainings, which are killed too
        more = ("--trainings", f"{out}-trainings", *more)
    line = [sys.executable, "-m", "xaijax", command, *arguments, "--out", str(out), *more]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit status and what it printed."""
    text, _ = process.communicate(timeout=1800)
    return process.returncode, text


def results(command: str, out: Path) -> dict[str, bytes]:
    """Name -> bytes of every result. Safetensors and JSON that say when they were made are compared by their arrays."""
    found = {}
    for pattern in COMMANDS[command][1]:
        for path in sorted(out.glob(pattern)):
            name = path.relative_to(out).as_posix()
            found[name] = arrays(path) if path.suffix == ".safetensors" else path.read_bytes()
    return found


def arrays(path: Path) -> bytes:
    """The bytes of the arrays of a model file, without its header, which names the run folder."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        file.seek(8 + size)
        return file.read()


def verified(out: Path) -> tuple[int, str]:
    """What `xaijax verify` says of a folder."""
    done = subprocess.run([sys.executable, "-m", "xaijax", "verify", str(out)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def kill(command: str, out: Path, after: float) -> str:
    """Starts a command and kills it; what there was by then, in one word."""
    process = start(command, out)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if not (out / "run.json").is_file():
        return "nothing"
    return "finished" if (out / "checksums.json").is_file() else "begun"


def kills(command: str, count: int, place: Path, rng: random.Random) -> None:
    """Kills and resumes one command many times; every result is kept at once."""
    whole = place / f"{command}-whole"
    begun = time.monotonic()
    status, text = finish(start(command, whole))
    seconds = time.monotonic() - begun
    if status:
        raise SystemExit(f"{command} does not run: {text}")
    expected = results(command, whole)
    for number in range(count):
        out = place / f"{command}-{number}"
        after = rng.uniform(0.15, 1.0) * seconds
        state = kill(command, out, after)
        # The kill may hit before the folder describes what it holds; then there is nothing to resume.
        status, text = finish(start(command, out, *(["--resume"] if state != "nothing" else [])))
        same = status == 0 and results(command, out) == expected and verified(out)[0] == 0
        rows = stored().get("kills", {})
        row = rows.setdefault(command, {"kills": 0, "resumed": 0, "identical": 0, "failures": []})
        row["seconds"] = round(seconds, 1)
        row["kills"] += 1
        row["resumed"] += state == "begun"
        row["identical"] += same
        if not same:
            row["failures"].append({"after": round(after, 2), "state": state, "said": text[-500:]})
        store(kills=rows)
        print(
            f"{command} {number + 1}/{count}: killed after {after:.1f} s ({state}): {'same' if same else text[-300:]}",
            flush=True,
        )
        for left in (out, Path(f"{out}-trainings")):
            shutil.rmtree(left, ignore_errors=True)


def small_run(place: Path) -> Path:
    """A finished benchmark of at most 200 KB: three images without masks, which would add figures of detection."""
    found = data.open_dataset("phantoms", count=3)
    batch = found.read(range(3), (128, 128, 1))
    for number, (image, label) in enumerate(zip(batch.images, batch.labels, strict=True)):
        path = place / "images" / found.classes[int(label)] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    out = place / "small"
    line = ["bench", "--data", str(place / "images"), "--part", "2", "--gallery", "0", "--methods", "random"]
    line += ["--metrics", "sparseness", "--calibration", "none"]
    subprocess.run([sys.executable, "-m", "xaijax", *line, "--out", str(out)], check=True, capture_output=True)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    assert size <= LARGEST, f"the run has {size} bytes; make it smaller"
    return out


def flips(place: Path, every: int, resumes: int) -> dict[str, Any]:
    """Changes bytes of a run in turn; counts what `verify` names, what reads the same, and what is silent.

    Args:
        place: an empty folder.
        every: take every n-th byte.
        resumes: for every n-th changed byte the run is resumed too, as far as its checks of files.
    """
    from xaijax.verify._run import verify

    out = small_run(place)
    files = sorted(file for file in out.rglob("*") if file.is_file())
    row: dict[str, Any] = {"flips": 0, "named": 0, "same values": 0, "silent": []}
    row |= {"files": len(files), "bytes": sum(file.stat().st_size for file in files), "every": every}
    row |= {"read": 0, "refused": 0, "read the same": 0, "resumed": 0, "named by resume": 0}
    whole = contents(out)
    for path in files:
        name, kept = path.relative_to(out).as_posix(), path.read_bytes()
        for at in range(0, len(kept), every):
            path.write_bytes(kept[:at] + bytes([kept[at] ^ (1 << at % 8)]) + kept[at + 1 :])
            row["flips"] += 1
            named = any(one["file"] == name for one in verify(out)["problems"])
            row["named"] += named
            row["read"] += 1
            try:
                same = contents(out) == whole
                row["read the same"] += same
            except InputError as error:
                same = path.name in str(error)
                row["refused"] += same
            if not same or not named:
                row["silent"].append([name, at])
            if row["flips"] % resumes == 0:
                row["resumed"] += 1
                said = resumed(out, place / "again")
                told = any(path.name in line for line in said)
                row["named by resume"] += told
                if not told:
                    row["silent"].append([name, at, *said])
        path.write_bytes(kept)
        print(f"{name}: {len(kept)} bytes", flush=True)
    return row


def contents(out: Path) -> list[Any]:
    """What the library reads of a run folder."""
    from xaijax._runs.folder import read_json
    from xaijax.bench.store import Store

    run = Store(out)
    tables = [run.scores(), run.curves(), run.responses(), run.predictions()]
    arrays = [[name, values.tolist()] for part in run.galleries().values() for name, values in part.items()]
    described = [read_json(file, "run") for file in sorted(out.glob("calibration/*.json"))]
    return [run.read_run(), *(table.to_pylist() for table in tables), arrays, *described]


def resumed(out: Path, copy: Path) -> list[str]:
    """What a run that is resumed says of the damaged files in its folder."""
    from xaijax._runs.folder import RunFolder

    shutil.copytree(out, copy)
    try:
        with RunFolder(copy, "run", resume=True) as folder:
            return folder.repair()
    except InputError as error:
        return [str(error)]
    finally:
        shutil.rmtree(copy)


def repairs(place: Path, count: int, rng: random.Random) -> dict[str, Any]:
    """Changes one byte of a finished benchmark, resumes it, and compares."""
    whole = place / "bench-whole"
    if not whole.is_dir():
        finish(start("bench", whole))
    expected = results("bench", whole)
    row = {"repairs": 0, "named": 0, "identical": 0}
    for number in range(count):
        out = place / f"repair-{number}"
        shutil.copytree(whole, out)
        line = json.loads((out / "run.json").read_text())
        path = rng.choice(sorted(file for file in (out / "scores").iterdir()) + sorted((out / "parts").iterdir()))
        kept = path.read_bytes()
        at = rng.randrange(len(kept))
        path.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        row["repairs"] += 1
        row["named"] += path.name in verified(out)[1]
        status, _ = finish(start("bench", out, "--resume"))
        row["identical"] += status == 0 and results("bench", out) == expected
        assert line["kind"] == "run"
        shutil.rmtree(out)
    return row


def stored() -> dict[str, Any]:
    """The results so far."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.is_file() else {}


def store(**found: Any) -> None:
    """Adds results to those so far."""
    from xaijax._runs import provenance

    about = {"versions": provenance.versions(), "machine": provenance.machine()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(stored() | found | about, indent=1) + "\n")


def table(found: dict[str, Any]) -> list[str]:
    """The page's tables."""
    lines = []
    if "kills" in found:
        lines += [
            "| command | seconds | killed | of these resumed | identical bytes afterwards |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| `{command}` | {row['seconds']} | {row['kills']} | {row['resumed']} | {row['identical']} |"
            for command, row in found["kills"].items()
        ]
    if "flips" in found:
        row = found["flips"]
        what = "every byte" if row["every"] == 1 else f"every {row['every']}th byte"
        lines += [
            "",
            f"| {what} of a run folder of {row['bytes'] / 1000:.0f} kB in {row['files']} files | count |",
            "|---|---|",
            f"| changed in turn | {row['flips']} |",
            f"| named by `xaijax verify` | {row['named']} |",
            f"| read by the library: refused with the file's name | {row['refused']} |",
            f"| read by the library: the values are the same | {row['read the same']} |",
            f"| resumed, of these named | {row['resumed']}, {row['named by resume']} |",
            f"| without a word | {len(row['silent'])} |",
        ]
    if "repairs" in found:
        row = found["repairs"]
        lines += [
            "",
            f"Of {row['repairs']} runs with one changed byte in a part, `verify` named the file in {row['named']}, "
            f"and `--resume` gave the old bytes in {row['identical']}.",
        ]
    return lines


def write_page(page: Path, lines: Sequence[str], mark: str) -> None:
    """Replaces the tables of a page between two marks."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    text = page.read_text()
    before, after = text.split(begin)[0], text.split(end)[1]
    page.write_text("\n".join([before + begin, *lines, end]) + after)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the parts that were chosen and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, help="of all commands together")
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--repairs", type=int, default=0, help="of a benchmark")
    parser.add_argument("--flips", type=int, default=0, help="change every n-th byte; 1 for all")
    parser.add_argument("--resumes", type=int, default=50, help="with --flips: resume for every n-th change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="a page whose tables are replaced")
    given = parser.parse_args(arguments)
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for command in given.commands if given.kills else ():
            kills(command, -(-given.kills // len(given.commands)), place, rng)
        if given.flips:
            store(flips=flips(place, given.flips, given.resumes))
        if given.repairs:
            store(repairs=repairs(place, given.repairs, rng))
    found = stored()
    print("\n".join(table(found)))
    if given.write is not None:
        write_page(given.write, table(found), "tables")
    lost = sum(row["kills"] - row["identical"] for row in found.get("kills", {}).values())
    return int(bool(lost + len(found.get("flips", {}).get("silent", ()))))


if __name__ == "__main__":
    sys.exit(main())
