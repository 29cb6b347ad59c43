"""What every benchmark shares: machine and command in the JSON, and the roles that make a ratio.

A group holds one case measured several ways. Each test says who it is with
`benchmark.extra_info.update(role="ours" | "peer", who="xaijax" | "PAIR saliency 0.2.1", goal=600)`, asserts that the
results agree before anything is timed, and is run for at least seven rounds. `python benchmarks/table.py` reads the
JSON and prints the ratios of the medians. With `--benchmark-disable` these files are ordinary tests.
"""

import os
import platform
import shlex
import sys
from typing import Any

import pytest

from xaijax import __version__, kernels


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Adds the build and the thread count to the machine's description and leaves the host's name out."""
    machine_info.pop("node", None)
    machine_info["xaijax"] = __version__
    machine_info["build"] = kernels.build_info()
    machine_info["python"] = platform.python_version()


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict[str, Any]) -> None:
    """Adds the command that repeats the run, and drops the single measurements: the quartiles stay."""
    arguments = [os.path.relpath(a) if os.path.isabs(a) else a for a in sys.argv[1:]]
    output_json["command"] = shlex.join(["pytest", *arguments])
    for row in output_json["benchmarks"]:
        row["stats"].pop("data", None)


def pytest_benchmark_update_commit_info(config: pytest.Config, commit_info: dict[str, Any]) -> None:
    """The commit's hash is enough."""
    for key in ("author_time", "project", "branch"):
        commit_info.pop(key, None)
