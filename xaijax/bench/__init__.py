"""The benchmark: what is asked for (`plan`), what is opened (`inputs`), the work (`run`, `part`), what is kept
(`store`), and what is made of it (`summary`, `health`, `figures`, `report`).

Importing it is cheap; JAX, Matplotlib and Arrow come in when a run starts.
"""

from pathlib import Path

from xaijax.bench.plan import BenchConfig, preset

__all__ = ["BenchConfig", "preset", "run_bench"]


def run_bench(config: BenchConfig) -> Path:
    """Runs or resumes a benchmark and writes its report; see `xaijax.bench.run.run_bench`."""
    from xaijax.bench.run import run_bench as run

    return run(config)
