"""Faithfulness measured on random subsets, groups and noise: does what a map claims agree with what the model does?

`xaijax.metrics.faithfulness.family` computes them together; each algorithm has a file of its own.
"""

from xaijax.metrics.faithfulness.family import FAMILY, Settings

__all__ = ["FAMILY", "Settings"]
