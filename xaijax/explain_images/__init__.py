"""`xaijax explain`."""

from xaijax.explain_images._run import run
from xaijax.explain_images.config import ExplainConfig

__all__ = ["ExplainConfig", "run"]
