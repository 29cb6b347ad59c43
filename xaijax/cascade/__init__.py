"""`xaijax cascade`, and trained cascades as files: `load(folder).explain(images)`.

A cascade's file is a checkpoint of `xaijax.models` that holds a `Cascade` of `xaijax.explain`. Neither package knows
the other, so `save` and `load` stand here, above both.
"""

from xaijax.cascade._run import CascadeResult, run
from xaijax.cascade.config import CascadeConfig
from xaijax.cascade.files import load, save

__all__ = ["CascadeConfig", "CascadeResult", "load", "run", "save"]
