"""`xaijax evaluate`."""

from xaijax.evaluate.run import EvaluateConfig, EvaluateResult, run_evaluate

__all__ = ["EvaluateConfig", "EvaluateResult", "run_evaluate"]
