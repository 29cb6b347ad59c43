"""Throughput of explainers and kernels, and what limits it: `xaijax profile`.

from xaijax.profiling import ProfileConfig, run_profile
run_profile(ProfileConfig(model=("small_cnn",), methods=("grad_cam",), size=64))
"""

from xaijax.profiling.config import ProfileConfig
from xaijax.profiling.run import run_profile

__all__ = ["ProfileConfig", "run_profile"]
