"""`xaijax models`: the architectures, or what is understood of a model before anything is computed with it."""

from xaijax.describe_model._run import run
from xaijax.describe_model.config import ModelsConfig

__all__ = ["ModelsConfig", "run"]
