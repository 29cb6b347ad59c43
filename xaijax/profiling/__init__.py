"""`xaijax profile`: what explainers and kernels cost, and what limits them."""

from xaijax.profiling._run import run
from xaijax.profiling.config import ProfileConfig

__all__ = ["ProfileConfig", "run"]
