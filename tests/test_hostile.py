"""Damaged, absurd and malicious inputs of every kind: one sentence, status 2, nothing left behind."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_tenth_input_is_refused_in_one_sentence():
    """The script of the study, in a process of its own: copies of one that has started JAX would hang."""
    line = [sys.executable, str(ROOT / "benchmarks" / "hostile.py"), "--every", "10"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1].split("|")[2]) >= 40
