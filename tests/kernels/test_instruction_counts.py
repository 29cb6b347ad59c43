"""The kernels take no more instructions than they took: counts under callgrind on fixed inputs, within 5 %.

Counts do not depend on what else the machine does, but on the compiler: `data/instructions.json` has them by compiler
version, and another version is skipped. After a change that is meant to cost (or save) instructions, or for another
compiler, `python tests/kernels/test_instruction_counts.py` counts anew and writes the file.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COUNTS = Path(__file__).parent / "data" / "instructions.json"
FLAGS = ["-std=c++17", "-O3", "-DNDEBUG", "-ffp-contract=off", "-DXAIJAX_BASELINE_ONLY"]
BOUND = 0.05


def compiler() -> str:
    """The C++ compiler's name and version, empty where there is none."""
    command = os.environ.get("CXX", "c++")
    if shutil.which(command) is None:
        return ""
    first = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    version = re.search(r"\d+\.\d+\.\d+", first)
    name = "clang" if "clang" in first else "gcc"
    return f"{name} {version.group() if version else first}"


def build(folder: Path) -> Path:
    """The driver, compiled for the baseline instruction set with the build's own flags."""
    program = folder / "counted_kernels"
    kernels = [path for path in (ROOT / "csrc").glob("*/*.cpp") if path.parent.name != "tests"]
    sources = [ROOT / "csrc" / "tests" / "counted_kernels.cpp", *sorted(kernels)]
    command = [
        os.environ.get("CXX", "c++"),
        *FLAGS,
        f"-I{ROOT / 'csrc' / 'include'}",
        f"-I{ROOT / 'csrc'}",
        *sources,
        "-pthread",
        "-o",
        program,
    ]
    subprocess.run([str(part) for part in command], check=True)
    return program


def count(program: Path, kernel: str) -> int:
    """Instructions inside the driver's function `counted`, of which the compiler may make several."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=counted*"]
    run = subprocess.run([*command, str(program), kernel], capture_output=True, text=True, check=True)
    collected = re.search(r"Collected : (\d+)", run.stderr)
    assert collected, run.stderr
    return int(collected.group(1))


def count_all() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        names = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
        return {name: count(program, name) for name in names}


@pytest.mark.slow
def test_kernels_take_no_more_instructions_than_they_took():
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    stored = json.loads(COUNTS.read_text())
    name = compiler()
    if name not in stored:
        pytest.skip(f"no counts for this compiler ({name or 'none found'}); there are some for {', '.join(stored)}")
    found, expected = count_all(), stored[name]
    assert found.keys() == expected.keys()
    changed = {
        kernel: f"{expected[kernel]} -> {n}" for kernel, n in found.items() if n > (1 + BOUND) * expected[kernel]
    }
    assert not changed, f"more instructions than stored in {COUNTS.name}: {changed}"


if __name__ == "__main__":
    everything = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    everything[compiler()] = count_all()
    COUNTS.write_text(json.dumps(everything, indent=1) + "\n")
