"""One small JAX function for each ATen operation, under ATen's names for the operation and its arguments.

The argument that ATen calls `self` is `input` here. `TABLE` has them all. Arguments that say how memory lies or where
it is (memory format, layout, device) are left out when a graph is made.
"""

from xaijax.models.importers.torch_graph.operations import (  # noqa: F401
    arithmetic,
    attention,
    axes,
    convolution,
    indexing,
    making,
    normalisation,
    pooling,
    reductions,
)
from xaijax.models.importers.torch_graph.operations._table import TABLE as TABLE
