"""`xaijax compare`: what differs between runs, in their configuration first and then in their scores."""

from xaijax.compare._run import run
from xaijax.compare.config import CompareConfig

__all__ = ["CompareConfig", "run"]
