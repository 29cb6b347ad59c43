"""`xaijax methods`, `xaijax metrics` and `xaijax models`: what there is, and what one of it is."""

from xaijax.catalogue._run import run
from xaijax.catalogue.config import MethodsConfig, MetricsConfig, ModelsConfig

__all__ = ["MethodsConfig", "MetricsConfig", "ModelsConfig", "run"]
