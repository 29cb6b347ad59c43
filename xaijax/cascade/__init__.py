"""`xaijax cascade`."""

from xaijax.cascade.run import CascadeConfig, CascadeResult, load, run_cascade, save

__all__ = ["CascadeConfig", "CascadeResult", "load", "run_cascade", "save"]
