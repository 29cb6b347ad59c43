"""`xaijax explain`."""

from xaijax.explain_images.config import ExplainConfig
from xaijax.explain_images.run import run

__all__ = ["ExplainConfig", "run"]
