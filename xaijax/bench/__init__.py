"""`xaijax bench`: what is scored (`config`, `plan`), the work (`run`, `part`), what is kept (`store`), and what is made
of it (`summary`, `statistics`, `report`).

Importing it is cheap; JAX, Matplotlib and Arrow come in when a run starts.
"""

from xaijax.bench._run import run
from xaijax.bench.config import BenchConfig

__all__ = ["BenchConfig", "run"]
