"""`xaijax methods`, `xaijax metrics` and `xaijax models`: what there is, and what one of it is."""

from xaijax.catalogue.config import MethodsConfig, MetricsConfig, ModelsConfig
from xaijax.catalogue.run import run

__all__ = ["MethodsConfig", "MetricsConfig", "ModelsConfig", "run"]
