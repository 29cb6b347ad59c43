"""Metrics against Quantus under pytest-benchmark; the results are asserted equal before the timing.

    XAIJAX_QUANTUS_PYTHON=PYTHON pytest benchmarks/test_metrics.py

PYTHON is the interpreter of an environment with `torch`, `torchvision` and `quantus==0.6.0` (run_peers.py makes one).
The cases are those of metric_peers.py; `run_peers.py metrics` writes them into README.md.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import kernels
import metric_peers

PYTHON = os.environ.get("XAIJAX_QUANTUS_PYTHON")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    if not PYTHON:
        pytest.skip("needs XAIJAX_QUANTUS_PYTHON, an interpreter with quantus==0.6.0")
    folder = tmp_path_factory.mktemp("quantus")
    worker = kernels.PairWorker(PYTHON, folder, metric_peers.SCRIPT)
    yield metric_peers.Bench(worker, folder, len(os.sched_getaffinity(0)))
    worker.close()


@pytest.fixture(scope="module")
def trials(bench):
    """`name -> Trial`, made and checked once."""
    found = {}

    def trial(name):
        if name not in found:
            found.clear()  # one case's inputs at a time
            found[name] = metric_peers.CASES[name].make(name, bench)
            found[name].check()
        return found[name]

    return trial


@pytest.mark.parametrize("side", ["ours", "peer"])
@pytest.mark.parametrize("name", metric_peers.CASES)
def test_metric(benchmark, trials, name, side):
    trial, case = trials(name), metric_peers.CASES[name]
    benchmark.group = f"{name}: {case.what}"
    benchmark.extra_info["who"] = "xaijax" if side == "ours" else f"Quantus {case.peer}"
    benchmark.pedantic(getattr(trial, side), rounds=case.rounds, warmup_rounds=0)
