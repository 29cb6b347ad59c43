"""`xaijax explain`."""

from xaijax.explain_images.run import ExplainConfig, run_explain

__all__ = ["ExplainConfig", "run_explain"]
