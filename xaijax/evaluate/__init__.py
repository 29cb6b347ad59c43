"""`xaijax evaluate`; scores without a folder are `xaijax.training.classification_scores`."""

from xaijax.evaluate._run import EvaluateResult, run
from xaijax.evaluate.config import EvaluateConfig

__all__ = ["EvaluateConfig", "EvaluateResult", "run"]
