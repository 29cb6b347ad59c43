"""Kills and damages runs of every long command, and says whether they end as if nothing had happened.

    python benchmarks/reliability.py --kills 100 --write docs/studies/reliability.md

* kills: each command is started, killed by SIGKILL at a random moment, resumed, and compared with a run that nobody
  touched: the bytes of every result must be the same.
* flips: in a small finished run every byte of every file is changed in turn; `xaijax verify` must name the file, or the
  values that are read must be the same.
* repairs: a byte of a file is changed, the run is resumed, and every result must have its old bytes again.

Exit status 1 where anything differed without a word. Results go to benchmarks/results/reliability.json too.
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

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
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


def kills(command: str, count: int, place: Path, rng: random.Random) -> dict[str, Any]:
    """Kills and resumes one command many times."""
    whole = place / f"{command}-whole"
    begun = time.monotonic()
    status, text = finish(start(command, whole))
    seconds = time.monotonic() - begun
    if status:
        raise SystemExit(f"{command} does not run: {text}")
    expected = results(command, whole)
    row: dict[str, Any] = {"command": command, "kills": 0, "resumed": 0, "identical": 0, "seconds": round(seconds, 1)}
    for number in range(count):
        out = place / f"{command}-{number}"
        after = rng.uniform(0.15, 1.0) * seconds
        state = kill(command, out, after)
        row["kills"] += 1
        # The kill may hit before the folder describes what it holds; then there is nothing to resume.
        status, text = finish(start(command, out, *(["--resume"] if state != "nothing" else [])))
        row["resumed"] += state == "begun"
        same = status == 0 and results(command, out) == expected and verified(out)[0] == 0
        row["identical"] += same
        if not same:
            row.setdefault("failures", []).append({"after": round(after, 2), "state": state, "said": text[-500:]})
        print(
            f"{command} {number + 1}/{count}: killed after {after:.1f} s ({state}): {'same' if same else text[-300:]}"
        )
        for left in (out, Path(f"{out}-trainings")):
            shutil.rmtree(left, ignore_errors=True)
    return row


def small_run(place: Path) -> Path:
    """A finished benchmark of at most 200 KB in all but its report."""
    out = place / "small"
    line = ["bench", "--count", "3", "--part", "3", "--gallery", "1", "--methods", "random", "--metrics", "iou"]
    subprocess.run([sys.executable, "-m", "xaijax", *line, "--out", str(out)], check=True, capture_output=True)
    return out


def flips(place: Path, every: int) -> dict[str, Any]:
    """Changes bytes of a run in turn; counts what `verify` names, what reads the same, and what is silent."""
    from xaijax._runs import checksums
    from xaijax.verify._run import verify

    out = small_run(place)
    row = {"flips": 0, "named": 0, "same values": 0, "silent": []}
    for path in sorted(file for file in out.rglob("*") if file.is_file()):
        name, kept = path.relative_to(out).as_posix(), path.read_bytes()
        # A digest is compared whole: for large files a sample of the bytes says the same as all.
        step = max(every, len(kept) // 2000 + 1)
        for at in range(0, len(kept), step):
            path.write_bytes(kept[:at] + bytes([kept[at] ^ (1 << at % 8)]) + kept[at + 1 :])
            row["flips"] += 1
            if any(one["file"] == name for one in verify(out)["problems"]):
                row["named"] += 1
            elif path.suffix == ".json" and checksums.read_signed(path) == reading(kept):
                row["same values"] += 1
            else:
                row["silent"].append([name, at])
        path.write_bytes(kept)
    row["files"] = sum(1 for file in out.rglob("*") if file.is_file())
    return row


def reading(kept: bytes) -> dict[str, Any]:
    """The values of a JSON file that vouches for itself."""
    return {key: value for key, value in json.loads(kept).items() if key != "sha256"}


def repairs(place: Path, count: int, rng: random.Random) -> dict[str, Any]:
    """Changes one byte of a finished benchmark, resumes it, and compares."""
    whole = place / "bench-whole"
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


def table(found: dict[str, Any]) -> list[str]:
    """The page's tables."""
    lines = ["| command | seconds | killed | of these resumed | identical bytes afterwards |", "|---|---|---|---|---|"]
    lines += [
        f"| `{row['command']}` | {row['seconds']} | {row['kills']} | {row['resumed']} | {row['identical']} |"
        for row in found["kills"]
    ]
    flip, repair = found["flips"], found["repairs"]
    lines += [
        "",
        "| damage | tried | named | same values | silent |",
        "|---|---|---|---|---|",
        f"| one bit of a byte, in turn over {flip['files']} files | {flip['flips']} | {flip['named']} | "
        f"{flip['same values']} | {len(flip['silent'])} |",
        "",
        f"Of {repair['repairs']} runs with one changed byte in a part, `verify` named the file in {repair['named']}, "
        f"and `--resume` gave the old bytes in {repair['identical']}.",
    ]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs everything and writes the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of all commands together")
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--repairs", type=int, default=10)
    parser.add_argument("--every", type=int, default=1, help="take every n-th byte")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="a page whose tables are replaced")
    given = parser.parse_args(arguments)
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        share = -(-given.kills // len(given.commands))
        found: dict[str, Any] = {"kills": [kills(command, share, place, rng) for command in given.commands]}
        found["flips"] = flips(place, given.every)
        if "bench" in given.commands:
            found["repairs"] = repairs(place, given.repairs, rng)
        else:
            found["repairs"] = {"repairs": 0, "named": 0, "identical": 0}
    from xaijax._runs import provenance

    found |= {"command": " ".join(sys.argv), "versions": provenance.versions(), "machine": provenance.machine()}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join(table(found)))
    if given.write is not None:
        start_mark, end_mark = "<!-- tables -->", "<!-- end of tables -->"
        text = given.write.read_text()
        before, after = text.split(start_mark)[0], text.split(end_mark)[1]
        given.write.write_text("\n".join([before + start_mark, *table(found), end_mark]) + after)
    lost = sum(row["kills"] - row["identical"] for row in found["kills"]) + len(found["flips"]["silent"])
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
