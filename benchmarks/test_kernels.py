"""The kernels against what they replace, under pytest-benchmark; the answers are asserted equal before the timing.

    pytest benchmarks                              # timings, ours and the peers in one group each
    pytest benchmarks --benchmark-disable          # the agreement alone
    XAIJAX_PAIR_PYTHON=PYTHON pytest benchmarks    # also against PAIR's saliency in that environment

The cases are those of kernels.py, which writes the table of README.md; this is for looking at one of them at a time.
"""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import kernel_cases
import kernels as table

PYTHON = os.environ.get("XAIJAX_PAIR_PYTHON")


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    """PAIR in its own interpreter, or None."""
    if not PYTHON:
        yield None
        return
    made = table.PairWorker(PYTHON, tmp_path_factory.mktemp("pair"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def trials(worker):
    """`key -> Trial`, made and checked once."""
    found = {}

    def trial(case):
        if case.needs_pair and worker is None:
            pytest.skip("needs XAIJAX_PAIR_PYTHON, an interpreter with saliency==0.2.1")
        if case.key not in found:
            found.clear()  # one case's inputs at a time
            found[case.key] = case.make(worker)
            found[case.key].check()
        return found[case.key]

    return trial


@pytest.mark.parametrize("side", ["ours", "peer"])
@pytest.mark.parametrize("case", kernel_cases.CASES, ids=[case.key for case in kernel_cases.CASES])
def test_kernel(benchmark, trials, case, side):
    trial = trials(case)
    benchmark.group = case.title
    name, peer = next(iter(trial.peers.items()))
    benchmark.extra_info["who"] = trial.who if side == "ours" else name
    benchmark.pedantic(trial.ours if side == "ours" else peer, rounds=3, warmup_rounds=1)
