"""`xaijax evaluate`; scores without a folder are `xaijax.training.classification_scores`."""

from xaijax.evaluate.config import EvaluateConfig
from xaijax.evaluate.run import EvaluateResult, run

__all__ = ["EvaluateConfig", "EvaluateResult", "run"]
