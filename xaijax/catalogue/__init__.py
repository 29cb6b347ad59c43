"""`xaijax methods` and `xaijax metrics`: what there is, and what one of it is."""

from xaijax.catalogue._run import run
from xaijax.catalogue.config import MethodsConfig, MetricsConfig

__all__ = ["MethodsConfig", "MetricsConfig", "run"]
