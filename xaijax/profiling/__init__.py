"""`xaijax profile`: what explainers and kernels cost, and what limits them."""

from xaijax.profiling.config import PRESETS, ProfileConfig
from xaijax.profiling.run import run

__all__ = ["PRESETS", "ProfileConfig", "run"]
